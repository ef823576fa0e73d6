"""Styles w of images, and of their single layers (W+): drawn to their mean, and mixed (Karras et al. 2019, §3).

W is [n, w_dim], one style for all layers of an image; W+ is [n, layers, w_dim], one for each.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from ganvas.errors import UserError, did_you_mean
from ganvas.game import Styles

Noise = Literal["const", "random", "none"]
GROUPS = ("coarse", "middle", "fine")
_PAPER_LEVELS = 5  # of 4×4 to 64×64, the least in which all three of the paper's groups have a layer


def mean_style(game: Styles) -> Tensor:
    """The mean w̄ [w_dim] of a game's styles."""
    device = getattr(game, "device", torch.device("cpu"))
    return game.w(game.prior.seeded(1, 0, device), truncation=0.0)[0]


def per_layer(w: Tensor, layers: int) -> Tensor:
    """W+ [n, layers, w_dim] of W [n, w_dim] or of W+ itself."""
    return w if w.dim() == 3 else w[:, None].expand(-1, layers, -1)


def truncated(game: Styles, w: Tensor, truncation: float, first: int | None = None) -> Tensor:
    """w̄ + ψ (w − w̄) of W or W+ (appendix B), in the `first` layers only where that is asked for.

    The paper draws only what is of 4² to 32² towards the mean, so that details keep their variety; that gives W+.

    Raises:
        UserError: ψ is not in [0, 1], or there are not so many layers.
    """
    if not 0 <= truncation <= 1:
        raise UserError(f"truncation = {truncation:g} is out of range; give a number from 0 (the mean) to 1 (all).")
    if first is not None and not 1 <= first <= game.layers:
        raise UserError(f"There are no first {first} layers: an image has {game.layers} styles, so give 1 to that.")
    if truncation == 1:
        return w
    near = torch.lerp(mean_style(game).to(w), w, truncation)
    if first is None or first == game.layers:
        return near
    near, far = per_layer(near, game.layers), per_layer(w, game.layers)
    return torch.cat([near[:, :first], far[:, first:]], 1)


def groups(sides: Sequence[int]) -> dict[str, range]:
    """The layers of coarse, middle and fine styles, by the side that each layer works at.

    The paper's coarse styles are of 4² and 8², middle ones of 16² and 32², fine ones of 64² and more (Fig. 3): two
    levels, two levels, and the rest. Smaller images have one level, one level, and the rest; where there are two in
    all, the first layer of the second counts as middle.

    Raises:
        UserError: fewer than three layers, or one level.
    """
    levels = sorted(set(sides))
    starts = [list(sides).index(level) for level in levels]
    if len(levels) < 2 or len(sides) < 3:
        raise UserError("This generator's layers share one style, so there are none to mix.")
    if len(levels) == 2:
        first, second = starts[1], starts[1] + 1
    else:
        first, second = (starts[2], starts[4]) if len(levels) >= _PAPER_LEVELS else (starts[1], starts[2])
    return {"coarse": range(first), "middle": range(first, second), "fine": range(second, len(sides))}


def chosen(text: str, sides: Sequence[int]) -> dict[str, range]:
    """The layers that a person asks for, by what to call them: coarse, middle, fine, all three, or 0-3, or 5.

    Raises:
        UserError: what is none of these, or a layer that there is not.
    """
    found = groups(sides)
    if text == "all":
        return found
    if text in found:
        return {text: found[text]}
    match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", text)
    if match is None:
        words = (*GROUPS, "all")
        raise UserError(
            f"--styles {text} is none of {', '.join(words)}, nor layers as in 0-3.{did_you_mean(text, words)}"
        )
    start, stop = int(match[1]), int(match[2] or match[1])
    if not start <= stop < len(sides):
        raise UserError(f"--styles {text}: there are no such layers; they are numbered 0 to {len(sides) - 1}.")
    return {f"layers {text}" if match[2] else f"layer {text}": range(start, stop + 1)}


def mixed(rows: Tensor, columns: Tensor, which: range, layers: int) -> Tensor:
    """W+ [R, C, layers, w_dim]: of each row's source, with the styles of the layers `which` from the column's.

    `rows` and `columns` are W or W+.
    """
    rows, columns = (per_layer(w, layers) for w in (rows, columns))
    taken = torch.zeros(layers, dtype=torch.bool, device=rows.device)
    taken[which.start : which.stop] = True
    return torch.where(taken[:, None], columns[None, :], rows[:, None])
