"""Draws that are pure functions of their place, and augmentations that follow from them alone."""

from __future__ import annotations

import math

import kornia
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from ganvas.data.augment import STEPS, Augment, modulate_hsv
from ganvas.data.draws import normal, uniform
from ganvas.errors import UserError
from ganvas.rng import seed_of

WORD, GOLDEN = (1 << 64) - 1, 0x9E3779B97F4A7C15
ALL = Augment.parse("mirror,flip,rotate90,jitter,color=0.7")
seeds = st.integers(0, 2**31)


def mixed(z: int) -> int:
    """SplitMix64's mixing function in exact arithmetic."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & WORD
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & WORD
    return z ^ (z >> 31)


def images(n: int = 16, channels: int = 3, height: int = 6, width: int = 6, seed: int = 0) -> Tensor:
    return torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_the_published_numbers_of_splitmix64() -> None:
    """The first of Rosetta Code's list for the seed 1234567, so that the oracle below is the real one."""
    assert [mixed(1234567 + GOLDEN * (i + 1) & WORD) for i in range(2)] == [6457827717110365317, 3203168211198807973]


@given(seed=seeds, epoch=st.integers(0, 2**40), index=st.lists(st.integers(0, 2**62), min_size=1, max_size=4))
def test_draws_are_splitmix64(seed: int, epoch: int, index: list[int]) -> None:
    u = uniform(seed, "x", epoch, torch.tensor(index), 5)
    assert (u.dtype, u.shape) == (torch.float32, (len(index), 5))
    assert torch.equal(u, uniform(seed, "x", torch.full((len(index),), epoch), torch.tensor(index), 5))
    run = mixed(seed_of("draws", seed, "x") + GOLDEN * epoch & WORD)
    for row, i in zip(u.tolist(), index, strict=True):
        item = mixed(run + GOLDEN * i & WORD)
        assert row == [(mixed(item + GOLDEN * (c + 1) & WORD) >> 40) / 2**24 for c in range(5)]


def test_draws_are_uniform_and_no_two_neighbours_are_alike() -> None:
    first = uniform(1, "a", 0, torch.arange(20_000), 4).double().numpy()
    assert stats.kstest(first.ravel(), "uniform").pvalue > 0.01
    neighbours = {
        "index": first[1:, 0],
        "column": first[:-1, 1],
        "epoch": uniform(1, "a", 1, torch.arange(19_999), 1)[:, 0].numpy(),
        "purpose": uniform(1, "b", 0, torch.arange(19_999), 1)[:, 0].numpy(),
        "seed": uniform(2, "a", 0, torch.arange(19_999), 1)[:, 0].numpy(),
    }
    for name, other in neighbours.items():
        table = np.histogram2d(first[:-1, 0], other, bins=12, range=[[0, 1], [0, 1]])[0]
        assert stats.chisquare(table.ravel()).pvalue > 0.01, name
        assert abs(np.corrcoef(first[:-1, 0], other)[0, 1]) < 0.03, name


@pytest.mark.parametrize("n", [1, 7])
def test_normal_draws(n: int) -> None:
    x = normal(0, "a", 3, torch.arange(4000), n)
    assert x.shape == (4000, n)
    assert stats.kstest(x.double().flatten().numpy(), "norm").pvalue > 0.01
    if n > 1:
        assert np.abs(np.corrcoef(x.T.numpy()) - np.eye(n)).max() < 0.06, "the two numbers of a pair are independent"


def turned(x: Tensor, k: int) -> Tensor:
    return x.rot90(k, (1, 2))


GEOMETRY = {
    "mirror": (lambda x: [x, x.flip(2)], [0.5, 0.5]),
    "flip": (lambda x: [x, x.flip(1)], [0.5, 0.5]),
    "mirror,flip": (lambda x: [x, x.flip(2), x.flip(1), x.flip(1, 2)], [0.25] * 4),
    "mirror=0.1": (lambda x: [x, x.flip(2)], [0.9, 0.1]),
    "mirror=1": (lambda x: [x.flip(2)], [1.0]),
    "rotate90": (lambda x: [turned(x, k) for k in range(4)], [0.25] * 4),
    "rotate90=1": (lambda x: [turned(x, k) for k in (1, 2, 3)], [1 / 3] * 3),
    "rotate90=0.3": (lambda x: [turned(x, k) for k in range(4)], [0.7, 0.1, 0.1, 0.1]),
}


@pytest.mark.parametrize("text", GEOMETRY)
def test_every_way_up_comes_as_often_as_it_should(text: str) -> None:
    ways, shares = GEOMETRY[text]
    x = images(2000, height=3, width=3)
    (y,) = Augment.parse(text)([x], 0, 0, torch.arange(2000))
    found = [next((k for k, way in enumerate(ways(a)) if torch.equal(way, b)), -1) for a, b in zip(x, y, strict=True)]
    assert min(found) >= 0, "none of the ways up"
    counts = np.bincount(found, minlength=len(shares))
    assert np.abs(counts / 2000 - shares).max() < 0.03  # three standard deviations of a fair coin


def test_known_hues() -> None:
    red, green, dim = torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0]), torch.tensor([0.5, 0.25, 0.25])
    one = torch.ones(1)

    def modulated(colour: Tensor, hue: float, saturation: float = 1, value: float = 1) -> list[float]:
        return modulate_hsv(colour.view(1, 3, 1, 1), hue * one, saturation * one, value * one).flatten().tolist()

    assert modulated(red, 1 / 3) == pytest.approx([0, 1, 0], abs=1e-6)
    assert modulated(green, -1 / 3) == pytest.approx([1, 0, 0], abs=1e-6)
    assert modulated(red, 1 / 6) == pytest.approx([1, 1, 0], abs=1e-6)
    assert modulated(dim, 0, saturation=2) == pytest.approx([0.5, 0, 0])
    assert modulated(dim, 0, saturation=9) == pytest.approx([0.5, 0, 0]), "clamped"
    assert modulated(dim, 0, saturation=0) == pytest.approx([0.5, 0.5, 0.5])
    assert modulated(dim, 0, value=1.5) == pytest.approx([0.75, 0.375, 0.375])
    assert modulated(dim, 0, value=4) == pytest.approx([1, 0.5, 0.5]), "clamped"


@settings(max_examples=30, deadline=None)
@given(seed=seeds, levels=st.sampled_from([2, 5, 256]))
def test_hsv_is_kornias(seed: int, levels: int) -> None:
    """With few levels greys, black and ties of two channels are frequent."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randint(levels, (8, 3, 5, 5), generator=g) / (levels - 1)
    hue, saturation, value = torch.rand(3, 8, generator=g)
    hue, saturation, value = hue * 2 - 1, saturation * 2, value + 0.5
    h, s, v = kornia.color.rgb_to_hsv(x).unbind(1)
    h = (h + 2 * math.pi * hue[:, None, None]) % (2 * math.pi)
    s, v = (s * saturation[:, None, None]).clamp(0, 1), (v * value[:, None, None]).clamp(0, 1)
    expected = kornia.color.hsv_to_rgb(torch.stack([h, s, v], 1))
    torch.testing.assert_close(modulate_hsv(x, hue, saturation, value), expected, atol=2e-5, rtol=0)


def test_color_keeps_to_its_ranges_and_uses_them() -> None:
    n = 4000
    dim = torch.tensor([0.5, 0.25, 0.25]).view(1, 3, 1, 1).expand(n, 3, 1, 1) * 2 - 1
    (y,) = Augment.parse("color=0.4")([dim], 0, 0, torch.arange(n))
    h, s, v = kornia.color.rgb_to_hsv((y + 1) / 2).view(n, 3).T
    turns = (h / (2 * math.pi) + 0.5) % 1 - 0.5
    for values, centre, reach in ((turns, 0.0, 0.2), (s, 0.5, 0.2), (v, 0.5, 0.1)):
        uniformly = stats.uniform(centre - reach, 2 * reach)
        assert stats.kstest(values.double().numpy(), uniformly.cdf).pvalue > 0.01


def test_grey_images_change_in_value_as_their_partner_in_rgb() -> None:
    grey = images(channels=1)
    one, three = Augment.parse("color")([grey, grey.expand(-1, 3, -1, -1)], 0, 0, torch.arange(16))
    torch.testing.assert_close(one.expand(-1, 3, -1, -1), three, atol=1e-6, rtol=0)
    assert not torch.allclose(one, grey, atol=1e-2)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, order=st.permutations(range(8)), keep=st.integers(1, 8))
def test_an_image_is_augmented_alike_in_every_batch(seed: int, order: list[int], keep: int) -> None:
    x, index, epoch = images(8), torch.arange(8) * 7919, torch.tensor([0, 0, 0, 1, 1, 5, 9, 9])
    (whole,) = ALL([x], seed, epoch, index)
    some = torch.tensor(order[:keep])
    (part,) = ALL([x[some]], seed, epoch[some], index[some])
    assert torch.equal(part, whole[some])


def test_epochs_and_seeds_differ() -> None:
    x, index = images(), torch.arange(16)
    results = [ALL([x], seed, epoch, index)[0] for seed in (0, 1) for epoch in (0, 1)]
    assert all((a != b).flatten(1).any(1).all() for k, a in enumerate(results) for b in results[:k])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_range_memory_and_input_are_kept(channels: int, layout: torch.memory_format) -> None:
    x = images(64, channels).sign().contiguous(memory_format=layout)  # the ends of the range
    before = x.clone()
    for name in STEPS:
        (y,) = Augment.parse(f"{name}=1")([x], 0, 0, torch.arange(64))
        assert y.is_contiguous(memory_format=layout)
        assert (y.dtype, y.shape) == (x.dtype, x.shape)
        assert float(y.abs().max()) <= 1
        assert torch.equal(x, before)


def test_partners_change_alike() -> None:
    x = images()
    a, b, grey = ALL([x, x.clone(), x[:, :1]], 3, 1, torch.arange(16))
    assert torch.equal(a, b)
    assert torch.equal(Augment.parse("rotate90")([x, x[:, :1]], 3, 1, torch.arange(16))[1],
                       Augment.parse("rotate90")([x], 3, 1, torch.arange(16))[0][:, :1])  # fmt: skip
    assert grey.shape == (16, 1, 6, 6)


def test_words() -> None:
    assert Augment.parse(" mirror, rotate90 ,color=.5").steps == (("mirror", 0.5), ("rotate90", 0.75), ("color", 0.5))
    nothing = Augment.parse("")
    assert not nothing and ALL
    x = images()
    assert torch.equal(nothing([x], 0, 0, torch.arange(16))[0], x)


@pytest.mark.parametrize("text,words", [
    ("miror", "Did you mean mirror?"),
    ("mirror,cutout", "no 'cutout'; it takes mirror, flip, rotate90, jitter, color"),
    ("mirror,mirror", "named twice"),
    ("color=0", "color=0 is out of range"),
    ("color=1.01", "out of range"),
    ("color=nan", "out of range"),
    ("color=much", "color=much"),
    ("color=", "out of range"),
])  # fmt: skip
def test_wrong_words(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        Augment.parse(text)


def test_images_it_cannot_change() -> None:
    ALL.check((1, 8, 8))
    Augment.parse("mirror,color").check((3, 8, 16))
    Augment.parse("").check((2,))
    with pytest.raises(UserError, match="8×16"):
        ALL.check((3, 8, 16))
    with pytest.raises(UserError, match="points"):
        Augment.parse("mirror").check((2,))


@pytest.mark.gpu
def test_the_gpu_draws_the_same() -> None:
    index = torch.arange(1000)
    assert torch.equal(uniform(1, "a", 2, index.cuda(), 3).cpu(), uniform(1, "a", 2, index, 3))
    x = images()
    (there,) = ALL([x.cuda()], 0, 0, index[:16].cuda())
    torch.testing.assert_close(there.cpu(), ALL([x], 0, 0, index[:16])[0], atol=1e-5, rtol=0)


# Jitter


def test_jitter_is_a_random_window_of_the_enlarged_image() -> None:
    """By PyTorch's bilinear resize, cropped by hand; every place of the window comes up."""
    x = images(64, height=8, width=12)
    augment = Augment.parse("jitter=0.5")
    index = torch.arange(64)
    (found,) = augment([x], seed=3, epoch=0, index=index)
    big = torch.nn.functional.interpolate(x, size=(12, 18), mode="bilinear", align_corners=False)
    u = uniform(3, "augment jitter", 0, index, 2)
    places = [(int(a * 5), int(b * 7)) for a, b in u.tolist()]
    for i, (top, left) in enumerate(places):
        torch.testing.assert_close(found[i], big[i, :, top : top + 8, left : left + 12])
    assert {t for t, _ in places} == set(range(5))
    assert {left for _, left in places} == set(range(7))


def test_pairs_jitter_alike() -> None:
    x = images(8, channels=3)
    grey = x.mean(1, keepdim=True)
    a, b = Augment.parse("jitter,mirror")([grey, x], seed=0, epoch=1, index=torch.arange(8))
    torch.testing.assert_close(a, b.mean(1, keepdim=True))


def test_none_leaves_images_as_they_are() -> None:
    assert not Augment.parse("none")
    assert not Augment.parse("")
    x = images(2)
    assert torch.equal(Augment.parse("none")([x], 0, 0, torch.arange(2))[0], x)
