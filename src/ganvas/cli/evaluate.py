"""`ganvas evaluate RUN|IMAGES`: how good samples are, beside what real images score against each other."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from ganvas.cli.words import console, parse, print_json
from ganvas.errors import UserError

_MOST_COUNTS_SHOWN = 20


@dataclass
class Options:
    what: Annotated[Positional[str], arg(metavar="RUN|IMAGES")]
    """A run directory, a checkpoint inside it, or images: a built-in set, a folder, or an archive."""
    data: tuple[str, ...] = ()
    """The real images, one name or several. Of a run the default is what it was trained on."""
    metrics: str = ""
    """Of fd (Fréchet distance), classes, modes (of 2-D worlds), with commas between; the default suits the data."""
    features: str = "auto"
    """What fd is measured on: classifier (trained on labelled data, once), pixels (8x8), points (2-D worlds), auto."""
    n: int | None = None
    """How many samples are judged; the default is as many as half the real ones, and at most 10 thousand."""
    seed: int = 0
    """Of the samples that a run draws."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    json: bool = False
    """Print one JSON document instead of a table."""


def main(argv: list[str]) -> None:
    options = parse(Options, argv, "evaluate", "Measures a run, or a set of images, against real data.")

    from ganvas.run import is_run

    with console(stderr=True).status("measuring (a set's first time takes up to a minute more)"):
        record = _of_run(options) if is_run(Path(options.what)) else _of_images(options)
    if options.json:
        print_json(record)
    else:
        _show(record)


def _of_images(options: Options) -> dict[str, Any]:
    if not options.data:
        raise UserError(f"{options.what} is no run, so name the real images it is held against: --data DATA.")
    return {"what": options.what, **_measured(options.what, options.data, options, options.device)}


def _of_run(options: Options) -> dict[str, Any]:
    """Measures a run at a checkpoint, and appends the record to its metrics.jsonl, from which its report is drawn."""
    from ganvas.data import load
    from ganvas.game import Samples, require
    from ganvas.precision import device_for
    from ganvas.report import page
    from ganvas.run import append_json, open_run

    run, at = open_run(options.what)
    at, device = at or run.latest(), device_for(options.device)
    game = run.game(at, device)
    require(game, Samples, "evaluate")
    nimg = json.loads((at / "state.json").read_text())["clock"]["nimg"]
    trained_on = run.config["data"]
    data = options.data or load(trained_on["names"], run.reading)
    record = {
        "what": str(run.dir),
        "kimg": nimg / 1000,
        "checkpoint": at.name,
        **_measured(game, data, options, device),
    }
    if record["data_fingerprint"] != trained_on["fingerprint"]:
        why = "these are other data than the run was trained on" if options.data else "they have changed since"
        record.setdefault("warnings", []).append(
            f"the run was trained on {trained_on['name']} and is held against {record['data']}: {why}."
        )
    try:
        append_json(run.dir / "metrics.jsonl", record)
        page.write(run.dir)
    except OSError as e:
        record.setdefault("warnings", []).append(f"{run.dir / 'metrics.jsonl'} cannot be written ({e.strerror or e}).")
    return record


def _measured(what: Any, data: Any, options: Options, device: Any) -> dict[str, Any]:
    from ganvas.metrics import evaluate

    metrics = [name.strip() for name in options.metrics.split(",") if name.strip()] or None
    return evaluate(
        what, data, metrics=metrics, features=options.features, n=options.n, seed=options.seed, device=device
    )


def _show(record: dict[str, Any]) -> None:
    """A table for people: every value beside its floor, and below it what the figures depend on."""
    from rich.table import Table
    from rich.text import Text

    from ganvas.report.words import number

    at = f" at {number(record['kimg'])} kimg" if "kimg" in record else ""
    title = Text(f"{record['what']}{at}, against {record['data']}", style="bold")
    table = Table(title=title, title_justify="left")
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("real against real", justify="right")
    for name, found in record["metrics"].items():
        value = f"{number(found['value'])} of {number(found['of'])}" if "of" in found else number(found["value"])
        table.add_row(_TITLES.get(name, name), value, number(found["floor"]) if "floor" in found else "")
        if "kl" in found:
            table.add_row("  KL of the classes' shares, in nats", number(found["kl"]), "")
        if "good_share" in found:
            table.add_row("  good samples", _percent(found["good_share"]), _percent(found["good_share_of_reals"]))
    out = console()
    out.print(table)
    for line in _small_print(record):
        out.print(line, markup=False)
    for warning in record.get("warnings", []):
        out.print(f"Beware: {warning}", style="yellow", markup=False)


_TITLES = {"fd": "fd (Fréchet distance)", "classes": "classes found", "modes": "modes covered"}


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _small_print(record: dict[str, Any]) -> list[str]:
    lines = [f"{record['n_generated']:,} judged, {record['n_real']:,} real"]
    if record["features"] != "none":
        resizing = f", {record['resizing']}" if "resizing" in record else ""
        lines.append(f"features: {record['features']}{resizing}")
    if classes := record["metrics"].get("classes"):
        counts = classes["counts"]
        rarest = sorted(counts, key=counts.get)[:_MOST_COUNTS_SHOWN]
        which = "each class" if len(rarest) == len(counts) else f"the {len(rarest)} rarest classes"
        lines.append(
            f"samples of {which}: " + ", ".join(f"{name}: {counts[name]}" for name in counts if name in rarest)
        )
        lines.append(
            f"classified by {classes['classifier']} ({_percent(classes['accuracy'])} accurate on held-out images)"
        )
    return lines + [f"Note: {note}" for note in record.get("notes", [])]
