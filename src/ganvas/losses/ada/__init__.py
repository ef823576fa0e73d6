r"""Adaptive discriminator augmentation: the pipeline (Karras et al. 2020, arXiv:2006.06676, appendix B).

Each transformation is applied to each image with probability p, real and fake alike, before D sees it. As long as p is
not near 1, what leaves an image alone is the most frequent of all that can happen to it, so the generator learns images
as they are (§2.2). In the order of the pipeline, with N a normal number and U a uniform one:

    xflip, rotate90, xint       pixels that change place: mirrored, quarter turns, shifts by ± 1/8 of a side     (blit)
    scale                       2^(0.2 N)                                                                         (geom)
    rotate                      before and after `aniso`, each by ± π with 1 − √(1 − p), so with p by either
    aniso                       2^(0.2 N) along x, its inverse along y
    xfrac                       shifts by 0.125 N of a side
    brightness, contrast        + 0.2 N; × 2^(0.5 N)                                                             (color)
    lumaflip, hue, saturation   about the grey axis: mirrored, turned by ± π; chroma × 2^N
    imgfilter                   each of four octaves × 2^N, at equal power                                      (filter)
    noise                       standard deviation 0.1 |N|                                                       (noise)
    cutout                      a rectangle of half of each side is 0                                           (cutout)

The places are put together as one affine map, and an image is resampled once, or only has its pixels moved where no
more is asked. What lies outside is its mirror image. All of it is differentiable any number of times, and every image
depends on itself and its own random numbers alone. `bgc`, the paper's choice, is blit, geom and color.

`ganvas.games.adaptive` chooses p. With fixed augmentations of a light kind there is `ganvas.losses.diffaugment`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ganvas.errors import UserError, did_you_mean, named
from ganvas.losses import precise
from ganvas.losses.ada import color, corruptions, geometry
from ganvas.losses.ada.dice import Dice, Source

BLIT = ("xflip", "rotate90", "xint")
GEOM = ("scale", "rotate", "aniso", "xfrac")
COLOR = ("brightness", "contrast", "lumaflip", "hue", "saturation")
TRANSFORMS = (*BLIT, *GEOM, *COLOR, "imgfilter", "noise", "cutout")
"""In the order in which they are applied."""
SETS = {
    "blit": BLIT,
    "geom": GEOM,
    "color": COLOR,
    "filter": ("imgfilter",),
    "bg": BLIT + GEOM,
    "bgc": BLIT + GEOM + COLOR,
    "bgcf": (*BLIT, *GEOM, *COLOR, "imgfilter"),
    "bgcfn": (*BLIT, *GEOM, *COLOR, "imgfilter", "noise"),
    "bgcfnc": TRANSFORMS,
}


def policy(text: str) -> tuple[str, ...]:
    """The transformations of sets, and single ones, named in `text`, as in "bgc" or "xflip,color"; () for "", "none".

    Raises:
        UserError: an unknown name.
    """
    found: set[str] = set()
    for name in named(text):
        if name not in SETS and name not in TRANSFORMS:
            raise UserError(
                f"ada: there is no {name!r}; it takes {', '.join(SETS)}, or some of {', '.join(TRANSFORMS)}."
                f"{did_you_mean(name, [*SETS, *TRANSFORMS])}"
            )
        found |= set(SETS.get(name, (name,)))
    return tuple(name for name in TRANSFORMS if name in found)


@torch.compiler.disable  # it draws numbers at every step, which breaks a graph anyway
def augment(x: Tensor, names: Sequence[str], chance: Source, p: Tensor) -> Tensor:
    """Images [B, C, H, W], of 1 or 3 channels, each transformed by each of `names` with probability p.

    Args:
        x: images of range [−1, 1].
        names: of `TRANSFORMS`, as `policy` gives them.
        chance: the random numbers, a row for each image; a turn's `Chance` is one.
        p: a scalar in [0, 1]; it stays where it is, so that a GPU need not be waited for.

    Returns:
        Images that lie in memory as x does, in float32 at least. Those that no transformation is applied to are
        themselves, to the bit. Colours may lead out of [−1, 1], and are not clamped, as in the paper.
    """
    layout = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    with torch.autocast(x.device.type, enabled=False):
        x = precise(x)
        dice = Dice(chance, p.to(x.dtype))
        for stage in (geometry.placed, color.colored, corruptions.filtered, corruptions.noised, corruptions.cut):
            x = stage(x, names, dice)
        return x.contiguous(memory_format=layout)
