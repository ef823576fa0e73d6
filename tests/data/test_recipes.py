"""Inputs made of targets: each against an oracle, and each a pure function of its image's place."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import stats
from torch import Tensor

from ganvas.data.recipes import KINDS, Recipe
from ganvas.errors import UserError

ALL = ["colorize", "superres:2", "superres", "inpaint", "inpaint:0.61234567", "edges", "denoise", "denoise:1.5"]


def images(n: int = 4, channels: int = 3, height: int = 16, width: int = 16, seed: int = 0) -> Tensor:
    x = torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(seed))
    return (x * 255).round() / 127.5 - 1


def made(text: str, x: Tensor, seed: int = 0, epoch: int = 0) -> Tensor:
    return Recipe.parse(text)(x, seed, epoch, torch.arange(len(x)))


def test_colorize_is_pillows_grey() -> None:
    x = images()
    pixels = ((x + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    expected = np.stack([np.asarray(Image.fromarray(p).convert("L")) for p in pixels])
    assert np.abs((made("colorize", x)[:, 0].numpy() + 1) * 127.5 - expected).max() < 0.51


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_superres_is_pillows_bicubic_down_and_up(factor: int) -> None:
    blocks = images(1, height=2, width=3).sign().repeat_interleave(8, 2).repeat_interleave(8, 3)  # which overshoot
    x = torch.cat([images(2, height=16, width=24), blocks])
    found = made(f"superres:{factor}", x)
    for a, b in zip(x.flatten(0, 1).numpy(), found.flatten(0, 1).numpy(), strict=True):
        small = Image.fromarray(a).resize((24 // factor, 16 // factor), Image.Resampling.BICUBIC)
        small = Image.fromarray(np.asarray(small).clip(-1, 1))
        expected = np.asarray(small.resize((24, 16), Image.Resampling.BICUBIC)).clip(-1, 1)
        assert np.abs(b - expected).max() < 1e-5


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0.01, 0.99), height=st.integers(4, 40), width=st.integers(4, 40), seed=st.integers(0, 99))
def test_inpaint_cuts_one_rectangle_of_the_share(share: float, height: int, width: int, seed: int) -> None:
    x = torch.full((8, 3, height, width), 0.5)
    y = Recipe("inpaint", share)(x, seed, 0, torch.arange(8))
    hole = y[:, 0] == 0
    assert torch.equal(y, x.masked_fill(hole[:, None], 0)), "nothing else is touched, and all channels alike"
    rows, columns = hole.any(2), hole.any(1)
    assert torch.equal(hole, rows[:, :, None] & columns[:, None, :])
    for line in (*rows, *columns):
        at = line.nonzero()[:, 0]
        assert len(at) and int(at[-1] - at[0]) + 1 == len(at), "in one piece"
    # The width is rounded to a pixel, and so the area to half a pixel for each row; no rectangle is narrower than one.
    wrong = (hole.sum((1, 2)) - share * height * width).abs() / rows.sum(1)
    assert float(wrong.max()) <= (0.5 if share * width > 0.5 else 1) + 1e-4


def test_inpaint_reaches_every_place_in_every_shape() -> None:
    hole = made("inpaint:0.25", torch.ones(3000, 1, 16, 16))[:, 0] == 0
    often = hole.float().mean(0)
    assert float(often.min()) > 0.005, "corners too"
    assert float(often.mean()) == pytest.approx(0.25, abs=0.01)
    assert float((often - often.flip(0)).abs().max()) < 0.05 and float((often - often.T).abs().max()) < 0.05
    aspect = (hole.any(2).sum(1) / hole.any(1).sum(1)).log2()
    assert float(aspect.min()) >= -1.2 and float(aspect.max()) <= 1.2
    assert abs(float(aspect.mean())) < 0.05 and float(aspect.std()) > 0.5


def disc(side: int, radius: float) -> tuple[Tensor, Tensor]:
    """An antialiased white disc on black, and each pixel's distance from its outline."""
    at = torch.arange(side) - (side - 1) / 2
    away = (at[:, None].square() + at.square()).sqrt() - radius
    return ((0.5 - away).clamp(0, 1) * 2 - 1)[None, None], away.abs()


@pytest.mark.parametrize("side", [32, 64, 128])
def test_edges_draw_the_outline_of_a_disc(side: int) -> None:
    x, away = disc(side, side / 3)
    drawing = made("edges", x)[0, 0]
    assert bool((drawing[away < 0.4] < 0).all()), "black on the outline, without a gap"
    assert bool((drawing[away > 2] == 1).all()), "white elsewhere, inside and outside"
    width = float((1 - drawing).sum() / 2) / (2 * math.pi * side / 3)
    assert 1 < width < 1.4, "a pen's line"


def test_edges_find_a_step_of_any_colour() -> None:
    x = -torch.ones(3, 3, 16, 16)
    for channel in range(3):
        x[channel, channel, :, 8:] = 0.0
    drawing = made("edges", x)
    assert drawing.shape == (3, 1, 16, 16)
    assert bool((drawing[:, :, :, 7:9] < 0).all())
    assert bool((drawing[:, :, :, :6] == 1).all() and (drawing[:, :, :, 10:] == 1).all()), "no frame at the border"


def bytes_of(x: Tensor) -> Tensor:
    """Rounded as images are stored."""
    return ((x + 1) * 127.5).round() / 127.5 - 1


@pytest.mark.parametrize("side", [1, 2, 16, 64, 128])
def test_edges_leave_what_has_none_white(side: int) -> None:
    """Level areas, slopes of every direction with the steps of 8 bits, a bowl that is steepest at the border."""
    noise = torch.randint(-1, 2, (1, side, side), generator=torch.Generator().manual_seed(0)) / 127.5
    x, y = torch.linspace(-1, 1, side).expand(1, side, side), torch.linspace(-1, 1, side).expand(1, side, side).mT
    slopes = [math.cos(a) * x + math.sin(a) * y for a in torch.linspace(0, 3, 12).tolist()]
    flat = torch.stack([noise, 0 * x, x * x + y * y - 1, *(s / s.abs().max().clamp_min(1) for s in slopes)])
    assert bool((made("edges", flat) == 1).all())
    assert bool((made("edges", bytes_of(flat)) == 1).all())


def test_edges_are_of_a_scale_that_grows_with_the_image() -> None:
    """Beside the same disc, stripes four pixels apart are lines of a small image and grain in a large one."""
    for side, drawn in ((32, True), (256, False)):
        x, away = disc(side, side / 3)
        stripes = 0.4 * torch.cos(torch.arange(side) * (math.pi / 2)).expand(1, 1, side, side)
        assert bool((made("edges", x * 0.6 + stripes)[0, 0, away > 5] < 1).any()) == drawn


def test_edges_of_turned_images_are_turned() -> None:
    x = images(4, 1).double()
    found = made("edges", x)
    assert float(found.std()) > 0.3
    for turn in (lambda t: t.flip(3), lambda t: t.flip(2), lambda t: t.transpose(2, 3)):
        torch.testing.assert_close(made("edges", turn(x)), turn(found), atol=1e-9, rtol=0)
    torch.testing.assert_close(made("edges", -x), found, atol=1e-9, rtol=0)


def test_edges_of_flowers_are_a_drawing(shared_data: Path) -> None:
    """Mostly paper, with lines that are black and not grey."""
    with zipfile.ZipFile(shared_data / "flowers17.zip") as z:
        names = sorted(n for n in z.namelist() if n.endswith(".jpg"))[::200]
        pictures = [Image.open(io.BytesIO(z.read(n))).convert("RGB").resize((64, 64)) for n in names]
    x = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2) / 127.5 - 1
    drawing = made("edges", x)
    assert bool(((drawing > 0.99).float().mean((1, 2, 3)) > 0.6).all())
    assert bool(((drawing < -0.8).float().mean((1, 2, 3)) > 0.02).all())


@pytest.mark.parametrize("std", [0.05, 0.2])
def test_denoise_adds_noise_of_its_strength(std: float) -> None:
    x = torch.zeros(8, 3, 32, 32)
    noise = made(f"denoise:{std}", x)
    assert stats.kstest((noise / std).double().flatten().numpy(), "norm").pvalue > 0.01
    assert not torch.equal(noise[0], noise[1])
    assert not torch.equal(noise, made(f"denoise:{std}", x, epoch=1))
    assert not torch.equal(noise, made(f"denoise:{std}", x, seed=1))


@pytest.mark.parametrize("text", ALL)
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_recipe_is_pure_and_in_range(text: str, layout: torch.memory_format, channels: int) -> None:
    recipe = Recipe.parse(text)
    x = images(6, channels).contiguous(memory_format=layout)
    x[0].sign_()
    before, index, epoch = x.clone(), torch.arange(6) * 104729, torch.tensor([0, 0, 1, 1, 2, 9])
    y = recipe(x, 5, epoch, index)
    assert y.shape == (6, recipe.channels(channels), 16, 16)
    assert y.dtype == x.dtype
    assert float(y.abs().max()) <= 1
    assert y.is_contiguous(memory_format=layout)
    assert torch.equal(x, before)
    some = torch.tensor([4, 0, 3])
    assert torch.equal(recipe(x[some], 5, epoch[some], index[some]), y[some])


@pytest.mark.parametrize("text", ALL)
def test_words_come_back(text: str) -> None:
    recipe = Recipe.parse(text)
    assert Recipe.parse(str(recipe)) == recipe
    assert {name: str(Recipe.parse(name)) for name in KINDS} == {
        "colorize": "colorize", "superres": "superres:4", "inpaint": "inpaint:0.25", "edges": "edges",
        "denoise": "denoise:0.2",
    }  # fmt: skip


@pytest.mark.parametrize("text,words", [
    ("colourize", "Did you mean colorize?"),
    ("", "one of colorize, superres, inpaint, edges, denoise"),
    ("superres:3", "2, 4, 8 or 16, such as superres:4"),
    ("superres:", "2, 4, 8 or 16"),
    ("inpaint:1", "between 0 and 1"),
    ("inpaint:nan", "between 0 and 1"),
    ("inpaint:half", "between 0 and 1"),
    ("denoise:0", "above 0"),
    ("denoise:inf", "at most 2"),
    ("edges:3", "takes no number"),
])  # fmt: skip
def test_wrong_words(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        Recipe.parse(text)


def test_images_it_cannot_use() -> None:
    for text in ("inpaint", "edges", "denoise", "superres:16"):
        Recipe.parse(text).check(1, 32, 48)
    Recipe.parse("colorize").check(3, 7, 5)
    with pytest.raises(UserError, match="grey already"):
        Recipe.parse("colorize").check(1, 32, 32)
    for height, width in ((28, 32), (32, 28)):
        with pytest.raises(UserError, match=f"{height}×{width}.*multiple"):
            Recipe.parse("superres:8").check(3, height, width)
