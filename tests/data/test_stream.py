"""The nth batch is a pure function of the seed and the place in the sequence."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from handmade import Handmade
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ganvas.data import Dataset, Stream, load
from ganvas.data.arrays import OnTheFly
from ganvas.data.cache import pack
from ganvas.data.pictures import Framing
from ganvas.data.recipes import Recipe
from ganvas.data.sources.base import Attributes

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


# Pairs and domains.


def two_sides(task: str, n_a: int, n_b: int, **more: Any) -> Dataset:
    """Blank pictures: item i of A has the value i, and item i of B the value 100 + i."""
    a, b = (np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1).repeat(4, 1).repeat(4, 2) for n in (n_a, n_b))
    table = Attributes(("number",), np.arange(n_b, dtype=np.float32)[:, None])
    labels, names = np.arange(n_b), tuple(map(str, range(n_b)))
    return Dataset("two", b + 100, labels, names, "0", (), attributes=table, task=task, inputs=a, **more)  # type: ignore[arg-type]


def values(x: Tensor) -> list[int]:
    return ((x[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


@given(n=sizes, seed=seeds, cursor=st.integers(0, 500), stop=st.integers(0, 60))
def test_the_rows_of_pairs_are_partners(n: int, seed: int, cursor: int, stop: int) -> None:
    batch = Stream(two_sides("pairs", n, n), seed).batch(cursor, 0, stop)
    assert sorted(batch) == ["a", "attributes", "b", "y"]
    a, b = values(batch["a"]), values(batch["b"])
    assert [100 + i for i in a] == b
    assert a == batch["y"].tolist() == batch["attributes"][:, 0].tolist()
    assert a == items(Stream(numbered(n), seed), cursor, 0, stop), "in the order of any set"


@given(n_a=sizes, n_b=sizes, seed=seeds, epoch=st.integers(0, 50))
def test_domains_are_shuffled_apart(n_a: int, n_b: int, seed: int, epoch: int) -> None:
    stream = Stream(two_sides("domains", n_a, n_b), seed)
    assert sorted(values(stream.batch(epoch * n_a, 0, n_a)["a"])) == list(range(n_a))
    of_b = stream.batch(epoch * n_b, 0, n_b)
    assert sorted(values(of_b["b"])) == list(range(100, 100 + n_b))
    assert [v - 100 for v in values(of_b["b"])] == of_b["y"].tolist() == of_b["attributes"][:, 0].tolist()


def test_no_order_of_a_domain_is_that_of_the_other() -> None:
    batches = [
        Stream(two_sides("domains", 50, 50), seed).batch(50 * epoch, 0, 50) for seed in (0, 1) for epoch in (0, 1)
    ]
    orders = [tuple(v - offset for v in values(b[side])) for b in batches for side, offset in (("a", 0), ("b", 100))]
    assert len(set(orders)) == 8


# Random windows, augmentation, recipes: keyed by (seed, epoch, item).


def mapped(n: int = 9) -> Handmade:
    """Pictures of 8x11 whose pixels hold their item, row and column."""

    class Mapped(Handmade):
        def made(self, i: int) -> np.ndarray:
            rows, columns = np.mgrid[:8, :11].astype(np.uint8)
            return np.stack([np.full_like(rows, i), rows, columns], axis=-1)

    return Mapped(n, ((8, 11),), name="mapped")


def cropped(source: Handmade, decode: str = "once", **more: Any) -> Dataset:
    framing = Framing(8, 7, 3, "random-crop")
    samples = OnTheFly(source, framing) if decode == "always" else pack(source, framing).samples
    n, names = len(source), tuple(map(str, range(len(source))))
    return Dataset("cropped", samples, np.arange(n), names, "0", (), **more)


def corners(stream: Stream, cursor: int, n: int) -> dict[int, int]:
    """Of each item the left edge of its window, which is checked to be a window."""
    x = ((stream.batch(cursor, 0, n)["x"] + 1) * 127.5).round().int()
    for picture in x:
        assert picture[0].unique().numel() == 1
        assert (picture[1] == torch.arange(8)[:, None]).all()
        assert (picture[2] - picture[2, 0, 0] == torch.arange(7)).all()
    return dict(zip(x[:, 0, 0, 0].tolist(), x[:, 2, 0, 0].tolist(), strict=True))


def test_windows_are_drawn_anew_in_every_epoch() -> None:
    data = cropped(mapped())
    drawn = [corners(Stream(data, seed), 9 * epoch, 9) for seed in range(20) for epoch in range(20)]
    assert len({tuple(sorted(d.items())) for d in drawn}) > 395, "by seed and epoch"
    counts = np.bincount([left for d in drawn for left in d.values()])
    assert len(counts) == 5
    assert counts.min() > 600  # 720 expected, standard deviation 24


DATASETS = [
    "whole",
    "cropped",
    "always",
    "cropped always",
    "varied",
    "varied pairs",
    "varied domains",
    "recipe",
    "shards",
]


def made(kind: str) -> Dataset:
    source = mapped(23)
    framing = Framing(6, 6, 3)
    varied = {"augment": "mirror,flip,rotate90,color"}
    match kind:
        case "cropped":
            return cropped(source)
        case "cropped always":
            return cropped(source, "always")
        case "varied pairs" | "varied domains":
            return two_sides(kind.split()[1], 23, 23, **varied)
    samples = OnTheFly(source, framing) if kind in ("always", "shards") else pack(source, framing).samples
    more: dict[str, Any] = {"varied": varied, "recipe": {**varied, "task": "pairs", "recipe": "inpaint"},
                            "shards": {"spans": ((0, 5), (5, 6), (6, 23))}}.get(kind, {})  # fmt: skip
    return Dataset(kind, samples, np.arange(23), tuple(map(str, range(23))), "0", (), **more)


@pytest.mark.parametrize("kind", DATASETS)
def test_a_row_depends_on_its_place_alone(kind: str) -> None:
    """Whatever batch it is in, and wherever the stream has been before."""
    data = made(kind)
    whole = Stream(data, 3).batch(0, 0, 64)
    used = Stream(data, 3)
    for size in (1, 5, 16, 64):
        parts = [used.batch(c, 0, min(size, 64 - c)) for c in range(0, 64, size)]
        slices = [used.batch(0, a, min(a + size, 64)) for a in range(0, 64, size)]
        for key in whole:
            assert torch.equal(torch.cat([p[key] for p in parts]), whole[key]), (key, size)
            assert torch.equal(torch.cat([p[key] for p in slices]), whole[key]), (key, size)
    assert not torch.equal(Stream(data, 4).batch(0, 0, 64)[min(whole)], whole[min(whole)])


def test_pictures_are_varied_anew_in_every_epoch() -> None:
    data = made("varied")
    epochs = [Stream(data, 0).batch(23 * e, 0, 23) for e in range(3)]
    of_item = [dict(zip(e["y"].tolist(), e["x"], strict=True)) for e in epochs]
    for a, b in itertools.combinations(of_item, 2):
        assert sum(torch.equal(a[i], b[i]) for i in range(23)) == 0, "the colours alone are never the same"


@pytest.mark.parametrize("augment", ["", "mirror,color"])
@pytest.mark.parametrize("fit", ["crop", "random-crop"])
def test_decoded_always_or_once_is_the_same(fit: str, augment: str) -> None:
    source, framing = Handmade(40, ((9, 14), (20, 8))), Framing(7, 7, 3, fit)  # type: ignore[arg-type]
    kinds = (pack(source, framing).samples, OnTheFly(source, framing))
    once, always = (Stream(Dataset("d", s, None, (), "0", (), augment=augment), 5) for s in kinds)
    for cursor in (0, 16, 32, 48, 10_000):
        assert torch.equal(once.batch(cursor, 0, 16)["x"], always.batch(cursor, 0, 16)["x"])


def test_labels_are_those_of_the_picture_that_stands_in() -> None:
    source = Handmade(20, broken=[3, 4, 11], classes=20)
    data = Dataset(
        "d",
        OnTheFly(source, Framing(8, 8, 3)),
        source.labels,
        source.label_names,
        "0",
        (),
        attributes=source.attributes,
    )
    batch = Stream(data, 0).batch(0, 0, 20)
    assert sorted(batch["y"].tolist()) == sorted([*(set(range(20)) - {3, 4, 11}), 5, 5, 12])
    assert batch["attributes"][:, 0].tolist() == batch["y"].tolist()
    shown = torch.from_numpy(np.stack([source.made(i) for i in batch["y"].tolist()]))
    assert torch.equal(((batch["x"] + 1) * 127.5).round().byte().permute(0, 2, 3, 1), shown)


def test_the_way_back_starts_from_the_target_as_it_was_varied() -> None:
    data = Dataset("d", pack(Handmade(9), Framing(8, 8, 3)).samples, None, (), "0", (), task="pairs",
                   recipe="colorize", augment="rotate90,color=1")  # fmt: skip
    batch = Stream(data, 0).batch(0, 0, 9)
    assert torch.equal(batch["a"], Recipe.parse("colorize")(batch["b"], 0, 0, torch.arange(9)))
    plain = Stream(Dataset("d", data.samples, None, (), "0", ()), 0).batch(0, 0, 9)["x"]
    assert not torch.allclose(batch["b"], plain)


@pytest.mark.parametrize("kind", ["always", "cropped", "varied pairs"])
def test_any_batch_is_ours_to_change(kind: str) -> None:
    stream = Stream(made(kind), 0)
    before = {k: v.clone() for k, v in stream.batch(0, 0, 8).items()}
    for value in stream.batch(0, 0, 8).values():
        value.zero_()
    assert all(torch.equal(v, before[k]) for k, v in stream.batch(0, 0, 8).items())


@pytest.mark.gpu
@pytest.mark.parametrize("share", [0.4, 0.0])
def test_the_gpu_sees_the_same(monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    monkeypatch.setattr("ganvas.data.stream._DEVICE_SHARE", share)
    for data in (load("digits"), load("ring")):
        here, there = Stream(data, 1).batch(90, 3, 40), Stream(data, 1, "cuda").batch(90, 3, 40)
        for key in here:
            assert there[key].device.type == "cuda"
            assert torch.allclose(there[key].cpu(), here[key], atol=1e-6)
