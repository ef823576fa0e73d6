"""`ganvas describe GAME`: its players with parameter counts, its turns, its settings and where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import Positional, arg

from ganvas import games
from ganvas.cli.words import console, parse, print_json, take_settings


@dataclass
class Options:
    game: Annotated[Positional[str], arg(metavar="GAME")]
    """A system; `ganvas games` lists them."""
    size: int = 64
    """Side of the images, in pixels."""
    channels: int = 3
    """1 (grey) or 3 (RGB)."""
    classes: int = 10
    """How many classes a conditional system can be asked for."""
    preset: str | None = None
    """A preset of the system, or several in turn, as in narrow+a."""
    json: bool = False
    """Print one JSON document instead of tables."""


def main(argv: list[str]) -> None:
    rest, settings = take_settings(argv, Options.__dataclass_fields__)
    options = parse(
        Options, rest, "describe", "Shows a system: players, turns, settings. Settings can be tried: --kernel 3."
    )
    card = games.card(options.game)
    document = describe(options, settings)
    if options.json:
        print_json(document)
        return
    show(card, document, games.find(card.name))


def describe(options: Options, settings: dict[str, Any]) -> dict[str, Any]:
    """The document of `describe --json`, whose shape others rely on."""
    from ganvas import config
    from ganvas.errors import UserError
    from ganvas.game import DataSpec
    from ganvas.run import on_paper

    if options.size < 1 or options.channels not in (1, 3) or options.classes < 2:
        raise UserError(
            f"--size {options.size} --channels {options.channels} --classes {options.classes}: give a positive side, "
            "1 or 3 channels, and 2 classes at least."
        )
    cls, card = games.find(options.game), games.card(options.game)
    shape = (options.channels, options.size, options.size)
    spec = DataSpec(shape, options.classes, cls.task, None if cls.task == "images" else shape)
    chosen = cls.defaults(spec)
    if options.preset is not None:
        chosen = config.preset(chosen, cls, options.preset)
    chosen = config.replace(chosen, settings, card.name)
    cls.check(chosen, spec)
    game = on_paper(cls, chosen, spec)
    counts = {n: {"parameters": sum(q.numel() for q in p.net.parameters())} for n, p in game.players.items()}
    return {
        "name": card.name,
        "year": card.year,
        "line": card.line,
        "task": card.task,
        "paper": card.paper,
        "size": options.size,
        "channels": options.channels,
        "classes": getattr(game, "conditions", 0),
        "players": counts,
        "parameters": sum(c["parameters"] for c in counts.values()),
        "turns": [
            {"players": list(t.players), "loss": t.name, "repeat": t.repeat, "every": t.every, "weight": t.weight}
            for t in game.turns
        ],
        "config": config.to_json(chosen),
        "sources": {s.name: s.source for s in config.fields(chosen) if s.source},
        "presets": dict(cls.presets),
        "exempt": cls.exemptions(chosen),
    }


def show(card: games.Card, document: dict[str, Any], cls: type) -> None:
    """The same for people, with the module's docstring: the equations and the paper."""
    import inspect
    import sys

    from rich.table import Table
    from rich.text import Text

    from ganvas import config

    out = console()
    doc = inspect.getdoc(sys.modules[cls.__module__]) or inspect.getdoc(cls) or ""
    out.print(Text(f"{card.name} ({card.year})", style="bold"), Text(f" · {card.line}\n"))
    out.print(Text(doc + "\n", style="dim"))
    players = Table("player", "parameters", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name, p in document["players"].items():
        players.add_row(name, f"{p['parameters']:,}")
    at = f"{document['size']}×{document['size']}×{document['channels']}"
    at += f", {document['classes']} classes" if document["classes"] else ""
    players.add_row(f"together, at {at}", f"{document['parameters']:,}")
    out.print(players)
    turns = Table("turn", "who moves", "times", "every", "weight", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for t in document["turns"]:
        turns.add_row(t["loss"], ", ".join(t["players"]), str(t["repeat"]), str(t["every"]), f"{t['weight']:g}")
    out.print("\n", turns, sep="")
    out.print("\n", settings_table(config.from_json(cls.Config, document["config"], card.name)), sep="")  # type: ignore[attr-defined]
    if document["presets"]:
        out.print("\npresets: " + ", ".join(document["presets"]), markup=False)


def settings_table(chosen: Any, without: tuple[str, ...] = ()) -> Any:
    """The settings of a configuration: flag, value, meaning, source."""
    from rich.table import Table

    from ganvas import config

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("setting", "value", "meaning", "source"):
        table.add_column(heading, no_wrap=heading == "setting")
    for s in config.fields(chosen):
        if s.name not in without:
            table.add_row(f"--{s.name.replace('_', '-')}", str(s.value), s.doc + s.range, s.source)
    return table
