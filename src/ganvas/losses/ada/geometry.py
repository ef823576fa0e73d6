"""Where pixels go: mirrored, turned, shifted and scaled by one affine map for each image (appendix B.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.losses.ada.dice import Dice
from ganvas.losses.ada.wavelets import AFTER, BEFORE, DELAY, doubling, halving, reflected

SHIFT = 0.125  # of a side: the largest of whole pixels, and the deviation of the others
SCALE = 0.2  # deviation of the logarithm to base 2


def placed(x: Tensor, names: Sequence[str], dice: Dice) -> Tensor:
    """Images [B, C, H, W] whose pixels come from where one affine map each says.

    An image that is only mirrored, turned by quarters and shifted by whole pixels is not resampled.
    """
    height, width = x.shape[2:]
    moves, source = blits(names, dice, height, width)
    bends, bent, source = warps(names, dice, height, width, source)
    moved = taken(x, source) if moves else x
    return torch.where(bent[:, None, None, None], warped(x, source), moved) if bends else moved


def blits(names: Sequence[str], dice: Dice, height: int, width: int) -> tuple[bool, Tensor]:
    """Whether there are any, and the map [B, 3, 3] from places after them to places before, from the centre."""
    source = torch.eye(3, dtype=dice.p.dtype, device=dice.p.device)[None]
    asked = [name for name in ("xflip", "rotate90", "xint") if name in names]
    if "xflip" in names:
        flips = dice.chosen("xflip") & (dice.uniform("xflip") < 0.5)
        sign = 1 - 2 * flips.to(source)
        source = source @ _affine(sign, 0, 0, 0, 1, 0)
    if "rotate90" in names:
        turns = dice.either(dice.chosen("rotate90"), (dice.uniform("rotate90") * 4).floor(), 0).long()
        quarters = torch.tensor([[1, 0, -1, 0], [0, 1, 0, -1]]).to(source)  # exact, unlike cos and sin of π/2
        cos, sin = quarters[:, turns]
        source = source @ _affine(cos, -sin, 0, sin, cos, 0)
    if "xint" in names:
        most = torch.tensor([width, height], dtype=source.dtype, device=source.device) * SHIFT
        by = dice.either(dice.chosen("xint")[:, None], ((dice.uniform("xint", 2) * 2 - 1) * most).round(), 0)
        source = source @ _affine(1, 0, -by[:, 0], 0, 1, -by[:, 1])
    return bool(asked), source


def warps(names: Sequence[str], dice: Dice, height: int, width: int, source: Tensor) -> tuple[bool, Tensor, Tensor]:
    """Whether there are any, which images are bent [B], and the map, which `source` continues, with those of them."""
    bent: list[Tensor] = []

    def chosen(name: str, p: Tensor | None = None) -> Tensor:
        bent.append(dice.chosen(name, p))
        return bent[-1]

    if "scale" in names:
        by = dice.either(chosen("scale"), (-SCALE * dice.normal("scale")).exp2(), 1)
        source = source @ _affine(by, 0, 0, 0, by, 0)
    p_each = 1 - (1 - dice.p).clamp(0, 1).sqrt()  # so that either of the two has p
    for name in ("rotate", "aniso", "rotate again"):
        if name.removesuffix(" again") not in names:
            continue
        if name == "aniso":
            by = dice.either(chosen(name), (SCALE * dice.normal(name)).exp2(), 1)
            source = source @ _affine(1 / by, 0, 0, 0, by, 0)
        else:
            angle = dice.either(chosen(name, p_each), (dice.uniform(name) * 2 - 1) * math.pi, 0)
            source = source @ _affine(angle.cos(), angle.sin(), 0, -angle.sin(), angle.cos(), 0)
    if "xfrac" in names:
        side = torch.tensor([width, height], dtype=source.dtype, device=source.device)
        by = dice.either(chosen("xfrac")[:, None], SHIFT * dice.normal("xfrac", 2) * side, 0)
        source = source @ _affine(1, 0, -by[:, 0], 0, 1, -by[:, 1])
    return bool(bent), torch.stack(bent).any(0) if bent else source.new_zeros(1).bool(), source


def _affine(*entries: Tensor | float) -> Tensor:
    """[B, 3, 3] of the first two rows, of which some entries are tensors [B]."""
    like = next(e for e in entries if isinstance(e, Tensor))
    rows = [e if isinstance(e, Tensor) else torch.full_like(like, e) for e in (*entries, 0.0, 0.0, 1.0)]
    return torch.stack(rows, 1).view(-1, 3, 3)


def places(source: Tensor, along_x: Tensor, along_y: Tensor) -> tuple[Tensor, Tensor]:
    """x and y [B, h, w] of where the pixels of a raster come from, whose own are [w] and [h]; from the centre."""
    x, y = (
        row[:, 0, None, None] * along_x + row[:, 1, None, None] * along_y[:, None] + row[:, 2, None, None]
        for row in (source[:, 0], source[:, 1])
    )
    return x, y


def taken(x: Tensor, source: Tensor) -> Tensor:
    """Images [B, C, H, W] of the pixels nearest to where they come from: exact where that is a pixel."""
    b, c, height, width = x.shape
    mid_x, mid_y = (width - 1) / 2, (height - 1) / 2
    across, down = (torch.arange(n, dtype=source.dtype, device=x.device) - (n - 1) / 2 for n in (width, height))
    at_x, at_y = places(source, across, down)
    column = reflected((at_x + mid_x + 0.5).floor(), width)
    row = reflected((at_y + mid_y + 0.5).floor(), height)
    index = (row * width + column).long().view(-1, 1, height * width)
    return x.flatten(2).gather(2, index.expand(b, c, -1)).view(x.shape)


def warped(x: Tensor, source: Tensor) -> Tensor:
    """Images [B, C, H, W] resampled: doubled, sampled bilinearly where the map says, filtered and halved."""
    height, width = x.shape[2:]
    up_y, up_x = (doubling(n, x.dtype, x.device) for n in (height, width))
    down_y, down_x = (halving(n, x.dtype, x.device) for n in (height, width))
    fine = up_y @ x @ up_x.T
    across, down = (
        (torch.arange(-BEFORE, 2 * n - 1 + AFTER, dtype=source.dtype, device=x.device) - (n - 1 + DELAY)) / 2
        for n in (width, height)
    )
    at_x, at_y = places(source, across, down)
    grid = torch.stack([_on_raster(at_x, width), _on_raster(at_y, height)], -1)
    return down_y @ sampled(fine, grid.expand(len(x), -1, -1, -1)) @ down_x.T


def _on_raster(at: Tensor, n: int) -> Tensor:
    """Places from the centre, in pixels, as grid_sample counts them on a doubled side: −1 to 1."""
    fine = 2 * at + (n - 1 + DELAY)
    inside = (fine >= -BEFORE) & (fine <= 2 * (n - 1) + AFTER)
    fine = torch.where(inside, fine, reflected(fine - DELAY, 2 * n - 1) + DELAY)
    return 2 * (fine + BEFORE) / (2 * (n - 1) + BEFORE + AFTER) - 1


def sampled(x: Tensor, grid: Tensor) -> Tensor:
    """`F.grid_sample`, bilinear, of images [B, C, H, W] at fixed places [B, h, w, 2], −1 to 1 from pixel to pixel.

    Differentiable any number of times with respect to x, in which it is linear; PyTorch's own is once, in some of the
    versions that we support.
    """
    return _Sampled.apply(x, grid)  # type: ignore[return-value]


class _Sampled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, grid: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(grid)
        ctx.sides = x.shape[2:]
        return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=True)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:  # type: ignore[override]
        (grid,) = ctx.saved_tensors
        return _Spread.apply(gradient, grid, ctx.sides), None


class _Spread(torch.autograd.Function):
    """The transpose of `_Sampled`: what was sampled is given back to the pixels that it came from."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, grid: Tensor, sides: torch.Size) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(grid)
        pixels = gradient.new_zeros(*gradient.shape[:2], *sides)  # of which only the shape counts
        backward = torch.ops.aten.grid_sampler_2d_backward
        return backward(gradient, pixels, grid, 0, 1, True, [True, False])[0]

    @staticmethod
    def backward(ctx: Any, again: Tensor) -> Any:  # type: ignore[override]
        return _Sampled.apply(again, *ctx.saved_tensors), None, None
