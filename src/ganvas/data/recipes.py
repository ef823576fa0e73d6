"""Pairs made of any images: the input is built from the target on the fly, and a network learns the way back.

Inputs are pure functions of (target, seed, epoch, item), on the target's device; with seed and epoch held fixed they
serve for inference too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.data import draws
from ganvas.errors import UserError, did_you_mean

Draw = Callable[[Callable[..., Tensor], int], Tensor]
"""`draw(f, n)`: n numbers for each image by a function of `draws`."""

_FACTORS = (2, 4, 8, 16)
_LINE = 1.5  # the width of drawn lines in pixels, before the parabola narrows it by a sixth
_SHARP = 0.15  # a ridge bends at least so much, where that of a step bends by 1; a ramp has none but by rounding
_FAINT = 0.02  # no gradient as weak as this, a pixel's 2.5 grey levels, is worth a line


@dataclass(frozen=True)
class _Kind:
    """`build(x, amount, draw)` makes the input of x."""

    build: Callable[[Tensor, float, Draw], Tensor]
    grey: bool = False
    amount: str = ""
    """What the number after the colon is, for messages; "" where there is none."""
    allowed: Callable[[float], bool] = lambda amount: False
    default: float = 0.0


def _colorize(x: Tensor, _: float, draw: Draw) -> Tensor:
    return _luma(x)


def _superres(x: Tensor, factor: float, draw: Draw) -> Tensor:
    height, width = x.shape[2:]
    small = _bicubic(x, (height // int(factor), width // int(factor))).clamp(-1, 1)
    return _bicubic(small, (height, width))


def _inpaint(x: Tensor, share: float, draw: Draw) -> Tensor:
    height, width = x.shape[2:]
    aspect, top, left = draw(draws.uniform, 3).T
    area = share * height * width
    tall = (area * 4 ** (aspect - 0.5)).sqrt().round().clamp(math.ceil(share * height), height)  # 1:2 to 2:1
    wide = (area / tall).round().clamp(1, width)
    rows, columns = _inside(top, tall, height), _inside(left, wide, width)
    return torch.where(rows[:, None, :, None] & columns[:, None, None, :], 0, x)


def _edges(x: Tensor, _: float, draw: Draw) -> Tensor:
    """Ink follows the ridges of the gradient's magnitude, darker where it is steep beside the image's own mean square.

    Canny's thinning (1986), but with a parabola through three neighbours, so that lines are antialiased; Scharr's
    derivative; all in lengths that suit 64 pixels and grow with the root of the side.
    """
    sigma = max(0.5, math.sqrt(min(x.shape[2:]) / 64))
    reach = math.ceil(3 * sigma)
    bell = [math.exp(-0.5 * (i / sigma) ** 2) for i in range(-reach, reach + 1)]
    bell = [b / sum(bell) for b in bell]
    smooth, slope = (3 / 16, 10 / 16, 3 / 16), (-0.5, 0.0, 0.5)
    blurred = _filtered(_filtered(_luma(x), bell, 2), bell, 3)
    down = _filtered(_filtered(blurred, slope, 2), smooth, 3).abs()
    right = _filtered(_filtered(blurred, slope, 3), smooth, 2).abs()
    steep = torch.hypot(down, right)
    beside, above = _padded(steep, 1, 3), _padded(steep, 1, 2)
    across = right > down  # the neighbours on both sides of the line are beside, not above and below
    one = torch.where(across, beside[:, :, :, :-2], above[:, :, :-2])
    other = torch.where(across, beside[:, :, :, 2:], above[:, :, 2:])
    bend = 2 * steep - one - other
    distance = (one - other).abs() / (2 * bend).clamp_min(1e-6)  # of the parabola's vertex, along that axis
    distance = distance * torch.maximum(down, right) / steep.clamp_min(1e-6)  # at right angles to the line
    line = (_LINE / 2 + 0.5 - distance).clamp(0, 1) * (bend > _SHARP / (1 + sigma**2) * steep)
    usual = steep.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(_FAINT)
    return 1 - 2 * line * ((steep / usual - 0.7) / 0.8).clamp(0, 1)


def _denoise(x: Tensor, std: float, draw: Draw) -> Tensor:
    return x + std * draw(draws.normal, math.prod(x.shape[1:])).view(x.shape).to(x.dtype)


def _luma(x: Tensor) -> Tensor:
    """ITU-R 601 luma [B, 1, H, W] of RGB; grey images as they are."""
    if x.shape[1] == 1:
        return x
    red, green, blue = x.split(1, dim=1)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _bicubic(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resized as Pillow does: Keys's cubic with a = -0.5, widened where it shrinks."""
    return F.interpolate(x, size=size, mode="bicubic", align_corners=False, antialias=True)


def _inside(place: Tensor, length: Tensor, total: int) -> Tensor:
    """[B, total]: what lies in an interval of each length, which `place` in [0, 1) puts anywhere it fits."""
    start = (place * (total - length + 1)).floor()[:, None]
    at = torch.arange(total, device=place.device)
    return (at >= start) & (at < start + length[:, None])


def _filtered(x: Tensor, taps: Sequence[float], dim: int) -> Tensor:
    """Correlated with an odd number of taps along rows (2) or columns (3)."""
    length = x.shape[dim]
    x = _padded(x, len(taps) // 2, dim)
    total = taps[0] * x.narrow(dim, 0, length)
    for i, tap in enumerate(taps[1:], start=1):
        total = total.add(x.narrow(dim, i, length), alpha=tap)
    return total


def _padded(x: Tensor, reach: int, dim: int) -> Tensor:
    """Longer by `reach` at both ends, about which it is turned, so that slopes go on and no frame is drawn."""
    at = torch.arange(-reach, x.shape[dim] + reach, device=x.device)
    end = at.clamp(0, x.shape[dim] - 1)
    turned = (2 * end - at).clamp(0, x.shape[dim] - 1)
    return 2 * x.index_select(dim, end) - x.index_select(dim, turned)


KINDS = {
    "colorize": _Kind(_colorize, grey=True),
    "superres": _Kind(_superres, amount="a factor of 2, 4, 8 or 16", allowed=lambda k: k in _FACTORS, default=4),
    "inpaint": _Kind(_inpaint, amount="a share of the area between 0 and 1", allowed=lambda a: 0 < a < 1, default=0.25),
    "edges": _Kind(_edges, grey=True),
    "denoise": _Kind(
        _denoise, amount="a standard deviation above 0, at most 2", allowed=lambda s: 0 < s <= 2, default=0.2
    ),
}


@dataclass(frozen=True)
class Recipe:
    """How the input of a pair is made from its target.

    - `colorize`: the grey image, ITU-R 601 luma;
    - `superres:4`: shrunk by 2, 4 (unless told), 8 or 16 and enlarged again, both bicubic and antialiased as Pillow's;
    - `inpaint:0.25`: a rectangle of about that share of the area, its sides at most 2:1 where it fits, is mid grey;
    - `edges`: a line drawing, black on white, one channel;
    - `denoise:0.2`: Gaussian noise of that standard deviation added, in units of the range [-1, 1].

    Examples:
        >>> str(Recipe.parse("superres"))
        'superres:4'
    """

    name: str
    amount: float = 0.0
    """The number after the colon; 0 where there is none."""

    @classmethod
    def parse(cls, text: str) -> Recipe:
        """From a name and an optional number after a colon.

        Raises:
            UserError: an unknown name, a number that is out of range or that the recipe does not take.
        """
        name, given, number = (part.strip() for part in text.partition(":"))
        if name not in KINDS:
            raise UserError(f"--pairs {text}: it is one of {', '.join(KINDS)}.{did_you_mean(name, KINDS)}")
        kind = KINDS[name]
        if not given:
            return cls(name, kind.default)
        if not kind.amount:
            raise UserError(f"--pairs {text}: {name} takes no number; write {name} alone.")
        try:
            amount = float(number)
        except ValueError:
            amount = math.nan
        if not kind.allowed(amount):
            raise UserError(f"--pairs {text}: after the colon comes {kind.amount}, such as {cls(name, kind.default)}.")
        return cls(name, amount)

    def __str__(self) -> str:
        return f"{self.name}:{self.amount:.15g}" if KINDS[self.name].amount else self.name

    def channels(self, of_target: int) -> int:
        """Channels of the input, where the target has so many."""
        return 1 if KINDS[self.name].grey else of_target

    def check(self, channels: int, height: int, width: int) -> None:
        """Whether targets of this shape will do.

        Raises:
            UserError: grey targets to be colorized, sides that the factor of superres does not divide.
        """
        if self.name == "colorize" and channels == 1:
            raise UserError("--pairs colorize: these images are grey already; give images in color (--channels 3).")
        if self.name == "superres" and (height % self.amount or width % self.amount):
            raise UserError(
                f"--pairs {self}: images of {height}×{width} pixels (height × width) cannot be shrunk evenly by "
                f"{self.amount:g}; give a --size that is a multiple of it."
            )

    def __call__(self, x: Tensor, seed: int, epoch: Tensor | int, index: Tensor) -> Tensor:
        """The inputs [B, `channels(C)`, H, W] in [-1, 1] of targets.

        Args:
            x: float [B, C, H, W] in [-1, 1], C = 1 or 3.
            seed: of the run.
            epoch: how often the set was gone through, one number or int64 [B].
            index: int64 [B], each target's number in its set.
        """

        def draw(numbers: Callable[..., Tensor], n: int) -> Tensor:
            return numbers(seed, f"recipe {self.name}", epoch, index, n)

        return KINDS[self.name].build(x, self.amount, draw).clamp(-1, 1)
