"""`ganvas compare GAME ... --data DATA`: several systems on the same data, budget, seed and evaluation."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from ganvas.cli.words import console, parse, print_json, take_settings, words_first
from ganvas.data.reading import Reading
from ganvas.errors import UserError

DESCRIPTION = """Trains several systems on the same data with the same budget, seed and evaluation, one after the other.

--out DIR holds a run for each, compare.json and compare.html. A comparison that was stopped goes on with --resume DIR.
Every setting is a flag: --width 64 for all systems that have it, --dcgan.width 32 for one."""


@dataclass
class Options:
    games: Annotated[Positional[tuple[str, ...]], arg(metavar="GAME")] = ()
    """Systems; `ganvas games` lists them. With presets, as in stylegan:a stylegan:f or stylegan:a+narrow, from left to
    right; `ganvas describe GAME` lists those."""
    data: tuple[str, ...] = ("digits",)
    """The images, one name or several."""
    out: Path | None = None
    """The directory of the comparison; default compare-GAMES-DATA."""
    reading: Annotated[Reading, arg(name="")] = Reading()
    kimg: float | None = None
    """Budget of each, in thousands of real images shown."""
    minutes: float | None = None
    """Or the minutes of training that each may take on this machine; each is timed first."""
    seed: int = 0
    """The first seed."""
    seeds: int = 1
    """Repeat everything with so many seeds."""
    sweep: tuple[str, ...] = ()
    """A field and its values, as in gamma=.3,.5,.7: each makes a contestant of every system that has the field."""
    metrics: str = ""
    """Names with commas between; the default suits the data; `ganvas evaluate --help` lists them."""
    features: str = "auto"
    """On what these metrics are measured; see `ganvas evaluate --help`."""
    n: int | None = None
    """How many samples the last evaluation judges; default as many as half the real ones, at most 10 thousand."""
    snapshots: int = 10
    """How often each is sampled and measured on its way."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    resume: Path | None = None
    """Go on with the comparison of this directory."""
    json: bool = False
    """Print compare.json at the end."""
    quiet: bool = False
    """Show nothing; the logs keep everything."""


def main(argv: list[str]) -> None:
    rest, settings = take_settings(argv, [*Options.__dataclass_fields__, *Reading.__dataclass_fields__])
    words = words_first(rest, ("json", "quiet", "strict"), several=("data", "sweep"))
    options = parse(Options, words, "compare", DESCRIPTION)

    from ganvas.comparing import Comparison

    if options.resume is not None:
        if options.games or settings:
            raise UserError(
                "a comparison that goes on keeps its systems and settings; leave them out, or begin another."
            )
        comparison = Comparison.open(options.resume, options.device)
    else:
        comparison = Comparison.begin(options.out or _name(options), _asked(options, settings))
    err = console(stderr=True)
    try:
        record = comparison.play(
            options.quiet,
            tell=lambda text: None if options.quiet else err.print(f"\n{text}", style="bold", markup=False),
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"Go on with `ganvas compare --resume {comparison.dir}`.") from None
    if options.json:
        print_json(record)
        return
    if not options.quiet:
        _show(record)
        err.print(f"page      {comparison.dir / 'compare.html'}", markup=False, soft_wrap=True)
    sys.stdout.write(f"{comparison.dir}\n")


def _asked(options: Options, settings: dict[str, str]) -> Any:
    from ganvas.contest import Asked

    sweep = {}
    for text in options.sweep:
        name, equals, values = text.partition("=")
        if not equals or not all(values.split(",")):
            raise UserError(f"--sweep {text}: give a field and its values, as in --sweep gamma=.3,.5,.7.")
        sweep[name] = tuple(values.split(","))
    return Asked(
        games=options.games,
        data=options.data,
        reading=options.reading,
        kimg=options.kimg,
        minutes=options.minutes,
        seeds=options.seeds,
        seed=options.seed,
        metrics=tuple(m.strip() for m in options.metrics.split(",") if m.strip()),
        features=options.features,
        n=options.n,
        snapshots=options.snapshots,
        sweep=sweep,
        overrides=settings,
        device=options.device,
    )


def _name(options: Options) -> Path:
    stems = [Path(d).stem or d for d in options.data]
    return Path("-".join(["compare", *options.games, *stems])[:80].replace("/", "-").replace(":", "-"))


def _show(record: dict[str, Any]) -> None:
    """A table for people on standard error."""
    from rich.table import Table

    from ganvas.report.comparison import by_label
    from ganvas.report.words import duration, number

    names = list(dict.fromkeys(m for c in record["contestants"] for m in c.get("final", {}).get("metrics", {})))
    table = Table()
    table.add_column("system")
    for heading in ("img/s", "time", *names):
        table.add_column(heading, justify="right")
    for label, group in by_label(record).items():
        for c in group:
            name = label if len(group) == 1 else f"{label}, seed {c['seed']}"
            found = c.get("final", {}).get("metrics", {})
            values = [number(found[m]["value"]) if m in found else c["state"] for m in names]
            speed = number(c["img_per_s"]) if c.get("img_per_s") else "—"
            table.add_row(name, speed, duration(c.get("seconds", 0.0)), *values)
    console(stderr=True).print(table)
