"""Translations beside what they were made of: rows of input, output and target, or of there and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganvas.data import Dataset
from ganvas.game import Translates
from ganvas.report.grid import to_uint8
from ganvas.report.sheet import rgb

ROWS = 8
COLUMNS = 6


def examples(dataset: Dataset, n: int = 2 * ROWS) -> tuple[Tensor, Tensor]:
    """Inputs A and targets B, always the same, [n, C, H, W] in [-1, 1]: partners where the set has pairs."""

    def some(pixels: Any) -> Tensor:
        chosen = np.sort(np.random.default_rng(0).permutation(len(pixels))[:n])
        return (torch.from_numpy(np.asarray(pixels[chosen])).float() / 127.5 - 1).permute(0, 3, 1, 2).contiguous()

    b = some(dataset.samples)
    if dataset.recipe:
        from ganvas.data.recipes import Recipe

        return Recipe.parse(dataset.recipe)(b, 0, 0, torch.arange(len(b))), b
    return some(dataset.inputs), b


def tiles(game: Translates, a: Tensor, b: Tensor) -> tuple[np.ndarray, int]:
    """Images of a grid, uint8 [n, H, W, 3], and how many stand in a row.

    Pairs: input | output | target, twice in a row. Domains: a | G(a) | there and back, and the same of b.
    """
    if "ba" not in game.directions:
        each = [a, game.translate(a).cpu(), b]
        strips = np.stack([rgb(to_uint8(x)) for x in each], 1)
        return strips.reshape(-1, *strips.shape[2:]), COLUMNS
    a, b = a[:ROWS], b[:ROWS]
    to_b, to_a = game.translate(a, "ab"), game.translate(b, "ba")
    each = [a, to_b, game.translate(to_b, "ba"), b, to_a, game.translate(to_a, "ab")]
    n = min(len(a), len(b))
    strips = np.stack([rgb(to_uint8(x[:n])) for x in each], 1)
    return strips.reshape(-1, *strips.shape[2:]), COLUMNS
