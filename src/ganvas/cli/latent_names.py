"""The verbs of `ganvas latent` that give names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganvas.cli import latent_checks as check
from ganvas.cli.words import console, print_json
from ganvas.errors import UserError
from ganvas.latent.store import demand_name, strengths_of

if TYPE_CHECKING:
    from ganvas.cli import latent as asked


def name(options: asked.Name) -> None:
    demand_name(options.name)
    if options.direction < 0:
        raise UserError(f"There is no direction {options.direction}; they are numbered from 0.")
    space = check.space(options)
    found = space.directions(options.by)
    space.direction(str(options.direction), found)  # says so where there is no such number
    vector = found.vectors[options.direction] * (-1 if options.flip else 1)
    space.names.save_direction(
        options.name,
        vector.tolist(),
        float(found.scales[options.direction]),
        force=options.force,
        **{"from": f"{'-' if options.flip else ''}{found.by} {options.direction}", "checkpoint": space.checkpoint.name}
        | check.of_space(space),
    )
    check.said(space.names.file)


def combine(options: asked.Combine) -> None:
    names = check.names_of(options.run)
    names.save_combination(options.name, strengths_of(options.strengths, options.name), force=options.force)
    check.said(names.file)


def rename(options: asked.Rename) -> None:
    names = check.names_of(options.run)
    names.rename(options.old, options.new)
    check.said(names.file)


def names(options: asked.Names) -> None:
    listed = check.names_of(options.run).listed()
    if options.json:
        print_json(listed)
        return
    out = console()
    if not listed:
        out.print("nothing has a name yet; `ganvas latent traverse RUN --sheet` shows what could", markup=False)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("name", "kind", "from", "checkpoint"):
        table.add_column(heading)
    for row in listed:
        table.add_row(*(Text(row[key] or "") for key in ("name", "kind", "from", "checkpoint")))
    out.print(table)
