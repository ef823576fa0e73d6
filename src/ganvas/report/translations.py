"""Translations beside what they were made of: rows of input, output and target, or of there and back.

Pictures that a run has not seen come first, where there are any, and those that it was trained on below them, so that
one sees whether it has learnt more than those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganvas.data import Dataset
from ganvas.game import Translates
from ganvas.report.grid import grid, headed, save_picture, to_uint8
from ganvas.report.sheet import rgb

ROWS = 8
COLUMNS = 6
FEW = ROWS * COLUMNS // 2
"""Pictures of both sides together that one part takes at most."""
NEW, OLD = "not seen in training", "seen in training"


@dataclass(frozen=True)
class Part:
    """Pictures that a run is watched by: inputs A and targets B, [n, C, H, W] in [-1, 1], partners in pairs."""

    title: str
    a: Tensor
    b: Tensor
    paired: bool


def parts(dataset: Dataset, unseen: Callable[[int], Dataset | None]) -> list[Part]:
    """What a run on `dataset` is watched by, always the same; `unseen` gives so many pictures that it does not see."""
    found = [(NEW, unseen(FEW)), (OLD, dataset)]
    return [Part(title, *examples(these), these.task == "pairs") for title, these in found if these is not None]


def examples(dataset: Dataset, n: int = FEW) -> tuple[Tensor, Tensor]:
    """Inputs A and targets B, always the same, at most n of each: partners where the set has pairs."""

    def some(pixels: Any) -> Tensor:
        chosen = np.sort(np.random.default_rng(0).permutation(len(pixels))[:n])
        return (torch.from_numpy(np.asarray(pixels[chosen])).float() / 127.5 - 1).permute(0, 3, 1, 2).contiguous()

    b = some(dataset.samples)
    if dataset.recipe:
        from ganvas.data.recipes import Recipe

        return Recipe.parse(dataset.recipe)(b, 0, 0, torch.arange(len(b))), b
    return some(dataset.inputs), b


def save(path: Path, game: Translates, shown: list[Part]) -> Path:
    """Writes a picture of what the game makes of the parts, each under its title; returns the path."""
    rows = ROWS // len(shown)
    return save_picture(path, headed([_drawn(game, part, rows) for part in shown]))


def _drawn(game: Translates, part: Part, rows: int) -> tuple[str, Any]:
    told, each = strips(game, part, rows)
    tiles = np.stack([rgb(to_uint8(x)) for x in each], 1)
    return f"{part.title}: {told}", grid(tiles.reshape(-1, *tiles.shape[2:]), COLUMNS)


def strips(game: Translates, part: Part, rows: int) -> tuple[str, list[Tensor]]:
    """What stands side by side, in words, and the images: the i-th of each belong together.

    Pairs: input, output, target, twice in a row. Domains both ways: a, its translation, there and back, and the same of
    b. Domains one way: a and its translation, three times in a row.
    """
    if "ba" not in game.directions:
        n = rows * COLUMNS // (3 if part.paired else 2)
        made = [part.a[:n], game.translate(part.a[:n]).cpu()]
        return ("input, output, target", [*made, part.b[:n]]) if part.paired else ("a, made b", made)
    n = min(rows, len(part.a), len(part.b))
    a, b = part.a[:n], part.b[:n]
    to_b, to_a = game.translate(a, "ab"), game.translate(b, "ba")
    each = [a, to_b, game.translate(to_b, "ba"), b, to_a, game.translate(to_a, "ab")]
    return "a, made b, back; b, made a, back", each
