"""Samples of a conditional game in rows, one for each thing it is asked for, from the same latents in every row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ganvas.game import DataSpec, MixesConditions, Styles

GRID = 64
"""Samples of a grid."""
COLUMNS = 8
MOST_ROWS = 32
"""Of more classes a grid shows the first."""


def rows_of(game: Any, asked: str | None = None, n: int | None = None) -> Sequence[Any] | None:
    """What the rows of a grid are asked for: classes, or the parts of `asked`; None of a grid without rows.

    `n` samples, where they are fewer than that, make no rows.
    """
    if not isinstance(game, MixesConditions):
        return None
    data: DataSpec = game.data  # type: ignore[attr-defined]
    if asked is not None:
        names = [asked] if asked in data.class_names else asked.split(",")
        found: Sequence[Any] = names if len(names) > 1 else ()
    else:
        kinds: int = getattr(game, "rows", 0) or getattr(game, "conditions", 0)  # codes, or classes
        found = range(min(kinds, MOST_ROWS))
    return found if len(found) > 1 and len(found) <= (n or GRID * MOST_ROWS) else None


def by_rows(
    game: Any, rows: Sequence[Any], n: int | None = None, seed: int = 0, truncation: float = 1.0
) -> tuple[Tensor, int]:
    """`n` samples, or as many as fill the rows, and how many stand in each."""
    if isinstance(game, Styles):  # whose truncation is one of styles
        w, columns = styles_by_rows(game, rows, n, seed, truncation)
        return game.synthesize(w), columns
    columns = _columns(rows, n)
    z = game.prior.seeded(columns, seed, game.device, truncation)
    return torch.cat([game.generate(z, _alike(row, columns)) for row in rows])[:n], columns


def styles_by_rows(
    game: Any, rows: Sequence[Any], n: int | None = None, seed: int = 0, truncation: float = 1.0
) -> tuple[Tensor, int]:
    """The styles w [n, w_dim] of such samples, and how many stand in each row."""
    columns = _columns(rows, n)
    z = game.prior.seeded(columns, seed, game.device)
    return torch.cat([game.w(z, _alike(row, columns), truncation) for row in rows])[:n], columns


def _columns(rows: Sequence[Any], n: int | None) -> int:
    return COLUMNS if n is None else math.ceil(n / len(rows))


def _alike(row: Any, columns: int) -> Any:
    """What all samples of a row are asked for."""
    return [row] if isinstance(row, str) else torch.full((columns,), row)
