"""`ganvas games`: every system, in the order of the years. Imports no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

from ganvas import games
from ganvas.cli.words import console, parse, print_json


@dataclass
class Options:
    json: bool = False
    """Print one JSON document instead of a table."""


def main(argv: list[str]) -> None:
    options = parse(Options, argv, "games", "Lists every system, in the order of the years.")
    if options.json:
        print_json([{k: getattr(c, k) for k in ("name", "year", "line", "task", "paper")} for c in games.cards()])
        return
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=True, header_style="bold")
    table.add_column("game", style="bold", no_wrap=True)
    for heading in ("year", "what is new in it"):
        table.add_column(heading, no_wrap=heading == "year")
    for c in games.cards():
        table.add_row(c.name, str(c.year), c.line)
    out = console()
    out.print(table)
    out.print("\n`ganvas describe GAME` tells more; `ganvas train GAME DATA` trains one.", markup=False)
