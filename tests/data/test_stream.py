"""The nth batch is a pure function of the seed and the place in the sequence."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganvas.data import Dataset, Stream, load

sizes, seeds = st.integers(1, 40), st.integers(0, 2**31)


def numbered(n: int) -> Dataset:
    """A set whose labels are the items' numbers, and whose pixels follow from them."""
    samples = (np.arange(n * 24) % 256).astype(np.uint8).reshape(n, 2, 4, 3)
    return Dataset("numbered", samples, np.arange(n), tuple(map(str, range(n))), "0", ())


def items(stream: Stream, cursor: int, start: int, stop: int) -> list[int]:
    return stream.batch(cursor, start, stop)["y"].tolist()


@given(n=sizes, seed=seeds, cursor=st.integers(0, 10**6), stop=st.integers(0, 100))
def test_a_pure_function(n: int, seed: int, cursor: int, stop: int) -> None:
    used = Stream(numbered(n), seed)
    for place in (7, 1000, 3):  # wherever a stream has been before
        used.batch(place, 0, 50)
    a, b = used.batch(cursor, 0, stop), Stream(numbered(n), seed).batch(cursor, 0, stop)
    assert torch.equal(a["x"], b["x"])
    assert torch.equal(a["y"], b["y"])
    assert len(a["y"]) == stop


@given(n=sizes, seed=seeds, cursor=st.integers(0, 500), cuts=st.lists(st.integers(0, 90), min_size=2, max_size=6))
def test_slices_make_the_whole(n: int, seed: int, cursor: int, cuts: list[int]) -> None:
    stream, cuts = Stream(numbered(n), seed), sorted(cuts)
    whole = stream.batch(cursor, cuts[0], cuts[-1])
    parts = [stream.batch(cursor, a, b) for a, b in itertools.pairwise(cuts)]
    for key in whole:
        assert torch.equal(torch.cat([p[key] for p in parts]), whole[key])
    assert items(stream, cursor + cuts[0], 0, cuts[-1] - cuts[0]) == whole["y"].tolist()


@given(n=sizes, seed=seeds, epoch=st.integers(0, 1000))
def test_every_epoch_is_a_permutation(n: int, seed: int, epoch: int) -> None:
    assert sorted(items(Stream(numbered(n), seed), epoch * n, 0, n)) == list(range(n))


def test_epochs_and_seeds_differ() -> None:
    orders = [tuple(items(Stream(numbered(50), seed), epoch * 50, 0, 50)) for seed in range(5) for epoch in range(5)]
    assert len({*orders, tuple(range(50))}) == 26  # and none is the order of the files


def test_every_place_of_an_epoch_sees_every_item() -> None:
    first = [items(Stream(numbered(10), 0), epoch * 10, 0, 1)[0] for epoch in range(500)]
    assert np.bincount(first, minlength=10).min() > 25  # 50 expected, standard deviation 6.7


@settings(max_examples=25)
@given(n=sizes, seed=seeds)
def test_pixels_and_labels_stay_together(n: int, seed: int) -> None:
    data = numbered(n)
    batch = Stream(data, seed).batch(5, 0, 30)
    x, y = batch["x"], batch["y"]
    assert (x.dtype, y.dtype, x.shape) == (torch.float32, torch.int64, (30, 3, 2, 4))
    assert x.is_contiguous(memory_format=torch.channels_last)
    expected = data.samples[y.numpy()].transpose(0, 3, 1, 2).astype(np.float64) / 127.5 - 1
    assert np.abs(x.numpy() - expected).max() < 1e-6


def test_the_range_is_met_exactly() -> None:
    samples = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1)
    batch = Stream(Dataset("two", samples, None, (), "0", ()), 0).batch(0, 0, 2)
    assert sorted(batch) == ["x"]
    assert sorted(batch["x"].flatten().tolist()) == [-1.0, 1.0]


def test_a_batch_is_ours_to_change() -> None:
    stream = Stream(load("digits"), 0)
    before = stream.batch(0, 0, 4)["x"].clone()
    stream.batch(0, 0, 4)["x"].zero_()
    assert torch.equal(stream.batch(0, 0, 4)["x"], before)
    points = Stream(load("ring"), 0)
    before = points.batch(0, 0, 4)["x"].clone()
    points.batch(0, 0, 4)["x"].zero_()
    assert torch.equal(points.batch(0, 0, 4)["x"], before)


def test_points_come_as_they_are() -> None:
    world = load("grid")
    batch = Stream(world, 3).batch(0, 0, len(world))
    assert sorted(batch) == ["x"]
    assert batch["x"].dtype == torch.float32
    assert np.array_equal(np.sort(batch["x"].numpy(), axis=0), np.sort(world.samples, axis=0))


@pytest.mark.gpu
@pytest.mark.parametrize("share", [0.4, 0.0])
def test_the_gpu_sees_the_same(monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    monkeypatch.setattr("ganvas.data.stream._DEVICE_SHARE", share)
    for data in (load("digits"), load("ring")):
        here, there = Stream(data, 1).batch(90, 3, 40), Stream(data, 1, "cuda").batch(90, 3, 40)
        for key in here:
            assert there[key].device.type == "cuda"
            assert torch.allclose(there[key].cpu(), here[key], atol=1e-6)
