"""Tiles: they cover, their weights sum to one, and no one sees where they meet."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from translating.copies import noise

from ganvas.translating.tiles import ALIGNED, Cut, levels, translated

cuts = st.tuples(st.integers(64, 300), st.integers(0, 150)).filter(lambda c: c[1] <= c[0] // 2)


def as_picture(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.atleast_3d(pixels)).permute(2, 0, 1)


def floats(x: torch.Tensor) -> torch.Tensor:
    return x.float() / 127.5 - 1


@given(length=st.integers(8, 5000), cut=cuts)
def test_pieces_cover_a_side_and_their_weights_sum_to_one(length, cut):
    most, overlap = cut
    c = Cut.of(length, most, overlap)
    assert c.side <= most
    assert c.starts[0] == 0 and length <= c.starts[-1] + c.side < length + ALIGNED + (length <= most)
    assert all(start % ALIGNED == 0 for start in c.starts)
    for a, b in zip(c.starts, c.starts[1:], strict=False):
        assert 0 < b - a <= c.side - overlap
    total = torch.zeros(length)
    for start, weight in zip(c.starts, c.weights(), strict=True):
        assert weight.min() >= 0 and len(weight) == min(c.side, length - start)
        total[start : start + c.side] += weight
    assert torch.allclose(total, torch.ones(length), atol=1e-6)
    rows = c.rows(c.starts[-1])
    assert rows.min() >= 0 and rows.max() == length - 1 and len(rows) == c.side


def test_a_side_that_fits_is_one_piece():
    assert Cut.of(64, 64, 16) == Cut(64, 64, (0,), 16)
    assert len(Cut.of(65, 64, 16).starts) == 2


def test_no_more_pieces_than_are_needed():
    for length in range(65, 2000, 37):
        c = Cut.of(length, 64, 16)
        assert len(c.starts) <= math.ceil((length - 16) / 48)


@given(height=st.integers(8, 260), width=st.integers(8, 260), cut=cuts, batch=st.integers(1, 3))
def test_what_is_copied_tile_by_tile_comes_back_to_the_last_bit(height, width, cut, batch):
    most, overlap = cut
    x = as_picture(noise(height, width))
    for kept in (x, x[:1]):
        assert torch.equal(translated(kept, floats, most, overlap, batch), kept)


@pytest.mark.parametrize("value", [-1.0, 0.3, 1.0])
def test_a_constant_stays_one(value):
    made = translated(as_picture(noise(200, 333)), lambda t: torch.full((len(t), 1, *t.shape[2:]), value), 64, 24)
    assert made.shape == (1, 200, 333)
    assert torch.equal(made, levels(torch.full((1, 200, 333), value)))


def test_tiles_that_differ_meet_without_a_step():
    """Where every tile has a grey of its own, the way from one to the next is as long as they overlap."""
    x = as_picture(np.linspace(0, 255, 300 * 400).reshape(300, 400).round().astype(np.uint8))

    def flat(t):
        return floats(t).mean((1, 2, 3), keepdim=True).expand(-1, 1, *t.shape[2:])

    def steepest(overlap):
        made = translated(x, flat, 128, overlap).float()
        assert made.max() - made.min() > 100
        return max(made.diff(dim=1).abs().max(), made.diff(dim=2).abs().max()).item(), made

    step, made = steepest(48)
    apart = made.max() - made.min()
    assert step <= apart * math.pi / 2 / 48 + 1  # the raised cosine's steepest slope, and rounding
    assert steepest(0)[0] > 20


def test_a_convolutional_network_sees_the_same_raster_in_every_tile():
    """One that sees 6 pixels far and has strides of 4 makes the same picture in tiles, but where their ends fade."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 4, 4), nn.Tanh(), nn.ConvTranspose2d(4, 3, 4, 4), nn.Conv2d(3, 3, 5, padding=2), nn.Tanh()
    )
    x = as_picture(noise(176, 240))
    with torch.no_grad():
        whole = levels(net(floats(x)[None]))[0]
        tiled = translated(x, lambda t: net(floats(t)), 96, 32)
        shifted = levels(net(floats(x)[None, :, :, 2:].contiguous()[..., :-2]))[0]
    off = (whole.int() - tiled.int()).abs()
    assert off.float().mean() < 1
    down, across = Cut.of(176, 96, 32), Cut.of(240, 96, 32)
    inner = torch.ones(176, 240, dtype=torch.bool)
    for dim, c in ((0, down), (1, across)):
        for end in (*c.starts[1:], *(s + c.side for s in c.starts[:-1])):
            at = torch.arange(max(0, end - 4), min(c.length, end + 4))
            inner.index_fill_(dim, at, False)
    assert off[:, inner].max() <= 1, "away from the ends of tiles"
    assert (shifted.int() - whole[:, :, 2:-2].int()).abs().float().mean() > 3, "off the raster it makes another picture"


def test_no_pass_takes_more_than_so_many_tiles():
    shapes = []

    def net(t):
        shapes.append(tuple(t.shape))
        return floats(t)

    told = []
    translated(as_picture(noise(200, 500)), net, 96, 32, 2, lambda done, of: told.append((done, of)))
    assert all(n <= 2 and h <= 96 and w <= 96 for n, _, h, w in shapes)
    assert told[-1][0] == told[-1][1] == sum(n for n, *_ in shapes)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_what_is_not_a_number_is_black():
    assert levels(torch.tensor([math.nan, -3.0, 3.0, 0.0])).tolist() == [0, 0, 255, 128]
