"""The verb of `ganvas latent` that mixes styles. PyTorch comes when all that needs none has been checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganvas.cli import latent_checks as check
from ganvas.cli.styled import about_run, styles_in
from ganvas.errors import UserError
from ganvas.latent.expressions import Expression, parse_list

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ganvas.cli import latent as asked
    from ganvas.latent.space import Space


@dataclass(frozen=True)
class _Asked:
    """The sources of rows or columns: images of the seed from one on, points, or the styles in a file."""

    count: int = 0
    first: int = 0
    points: tuple[Expression, ...] = ()
    file: Path | None = None
    part: range | None = None
    """Of the file; None is all."""


def mix(options: asked.Mix) -> None:
    check.still(options.out)
    if options.pointing.space != "w":
        raise UserError("--space z: styles are mixed, so leave --space out.")
    rows = _asked(options.rows, "--rows")
    columns = _asked(options.columns, "--columns", rows.count)
    if options.save_w and options.save_w.suffix.lower() != ".safetensors":
        raise UserError(f"--save-w {options.save_w}: styles are kept in a .safetensors file; give such a name.")
    if options.seed < 0:
        raise UserError(f"--seed {options.seed} is out of range; give a whole number from 0 on.")
    check.few((rows.count or len(rows.points)) * (columns.count or len(columns.points)))
    space = check.space(options, "latent mix")

    import numpy as np
    import torch

    from ganvas.game import Styles
    from ganvas.latent import figures, style_files, styles

    game = space.game
    assert isinstance(game, Styles)
    chosen = styles.chosen(options.styles, game.layer_sides)
    (of_rows, row_names), (of_columns, column_names) = (_styles(a, space, options) for a in (rows, columns))
    check.few(len(chosen) * len(of_rows) * len(of_columns))
    of_rows, of_columns = (
        styles.per_layer(styles.truncated(game, w, options.truncation, options.truncation_layers), game.layers)
        for w in (of_rows, of_columns)
    )
    mixed = torch.cat([styles.mixed(of_rows, of_columns, which, game.layers) for which in chosen.values()])
    sources, above, made = (_images(space, w, options) for w in (of_rows, of_columns, mixed))
    blank = np.full_like(made[:1, :1], figures.PAPER[0])
    left = np.concatenate([sources] * len(chosen))[:, None]
    images = np.concatenate([np.concatenate([blank, above[None]], 1), np.concatenate([left, made], 1)])
    words = [
        (name, f"{what}, {_sides(game.layer_sides, which)}") for what, which in chosen.items() for name in row_names
    ]
    picture = figures.table(images, [("", ""), *words], ["", *column_names])
    if options.save_w:
        source = f"mix of rows {options.rows}, columns {options.columns}, {options.styles}, seed {options.seed}"
        style_files.save_styles(
            options.save_w, mixed.flatten(0, 1), **about_run(space.game.name, options.run), **{"from": source}
        )
    figures.save(options.out, figures.framed(picture))
    check.said(options.out)


def _asked(text: str, option: str, first: int = 0) -> _Asked:
    if re.fullmatch(r"[-+]?\d+", text.strip()):  # one point with a sign before it is hardly meant
        count = int(text) if len(text) < 10 else 10**9
        if count < 1:
            raise UserError(f"{option} {text}: give at least 1 image, or points, as in 3,0:17, or a file of styles.")
        return _Asked(count, first)
    if of_file := re.fullmatch(r"(.+\.safetensors)(?::(\d{1,9})(?:-(\d{1,9}))?)?", text, re.IGNORECASE):
        file, start, stop = of_file.groups()
        part = range(int(start), int(stop or start) + 1) if start else None
        if part is not None and not part:
            raise UserError(f"{option} {text}: {start}-{stop} are no styles; give the smaller number first.")
        return _Asked(file=Path(file), part=part)
    return _Asked(points=parse_list(text))


def _styles(wanted: _Asked, space: Space, options: asked.Mix) -> tuple[Tensor, list[str]]:
    """W or W+ of the sources, and what to call each."""
    import torch

    if wanted.file:
        w, _ = styles_in(wanted.file, space.game, options.run)
        part = wanted.part or range(len(w))
        if part.stop > len(w):
            raise UserError(f"{wanted.file} has {len(w)} styles, numbered from 0, and no {part.stop - 1}.")
        return w[part.start : part.stop], [f"{wanted.file.stem}:{i}" for i in part]
    if wanted.points:
        return torch.stack([space.value(p) for p in wanted.points]), [str(p) for p in wanted.points]
    numbers = range(wanted.first, wanted.first + wanted.count)
    return space.seeded(numbers.stop, options.seed)[numbers.start :], [f"{options.seed}:{i}" for i in numbers]


def _images(space: Space, w: Tensor, options: asked.Mix) -> np.ndarray:
    """uint8 [..., H, W, C] of W+ [..., layers, w_dim]."""
    from ganvas.game import Styles
    from ganvas.report.grid import to_uint8

    assert isinstance(space.game, Styles)
    made = to_uint8(space.game.synthesize(w.reshape(-1, *w.shape[-2:]), options.noise, options.seed))
    return made.reshape(*w.shape[:-2], *made.shape[1:])


def _sides(sides: tuple[int, ...], which: range) -> str:
    """As in 4²–8²."""
    first, last = sides[which.start], sides[which.stop - 1]
    return f"{first}²" if first == last else f"{first}²–{last}²"
