"""`ganvas evaluate RUN|IMAGES`: how good samples are, beside what real images score against each other."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from ganvas.cli.words import console, parse, print_json, words_first
from ganvas.errors import UserError
from ganvas.metrics import BESIDE, CARDS, SAMPLING, TRANSLATING, WAY_BACK
from ganvas.metrics.base import Terms

_MOST_COUNTS_SHOWN = 20

DESCRIPTION = (
    """Measures a run, or a set of images, against real data.

IMAGES is a built-in set, a folder, or an archive, and may be followed by the real images instead of --data.

metrics:
"""
    + "\n".join(f"  {card.name:<12}{card.line}" for card in SAMPLING.values())
    + f"""

metrics of games that translate, of pairs or where it is known what an image should become; with {WAY_BACK} at the end,
as in fd{WAY_BACK}, of the way from B to A alone:
"""
    + "\n".join(f"  {card.name:<18}{card.line}" for card in TRANSLATING.values())
)


@dataclass
class Options:
    what: Annotated[Positional[tuple[str, ...]], arg(metavar="RUN|IMAGES")]
    """A run directory, a checkpoint inside it, or images: a built-in set, a folder, or an archive."""
    data: tuple[str, ...] = ()
    """The real images, one name or several. Of a run the default is what it was trained on, and of one that translates
    what it did not see of that, if there is any."""
    metrics: str = ""
    """Names with commas between, or all; the default suits the data."""
    terms: Annotated[Terms, arg(name="")] = Terms()
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    json: bool = False
    """Print one JSON document instead of a table."""


def main(argv: list[str]) -> None:
    options = parse(Options, words_first(argv, ("json", "extrapolate"), several=("data",)), "evaluate", DESCRIPTION)
    what, data = _sides(options)

    from ganvas import processes
    from ganvas.precision import device_for
    from ganvas.training import join

    with ExitStack() as held:
        join(device_for(options.device), held)
        with console(stderr=True).status("measuring (a set's first time takes longer)"):
            record = _measured(what, data, options)
        first = processes.rank() == 0
    if first:
        print_json(record) if options.json else _show(record)


def _sides(options: Options) -> tuple[str, tuple[str, ...]]:
    """What is judged, and the real images."""
    if not options.what:
        raise UserError("name what is to be measured: a run directory, a folder, or an archive of images.")
    what, *real = options.what
    if stray := next((name for name in real if name in CARDS and not Path(name).exists()), None):
        raise UserError(f"{stray} is a metric; name several with commas between, as in --metrics fd,{stray}.")
    if real and options.data:
        raise UserError(f"the real images are named twice, as {real[0]} and by --data; leave one of them out.")
    return what, tuple(real) or options.data


def _measured(what: str, data: tuple[str, ...], options: Options) -> dict[str, Any]:
    from ganvas.evaluating import of_run
    from ganvas.metrics import evaluate
    from ganvas.run import is_run

    names = [name.strip() for name in options.metrics.split(",") if name.strip()] if options.metrics else None
    terms = {f.name: getattr(options.terms, f.name) for f in fields(Terms)}
    if is_run(Path(what)):
        return of_run(what, data, names=names, device=options.device, **terms)
    if not data:
        raise UserError(
            f"there is no run {what}; give the directory that `ganvas train` made, or name the real images that "
            f"{what} is held against: --data DATA."
        )
    return {"what": what, **evaluate(what, data, metrics=names, device=options.device, **terms)}


def _show(record: dict[str, Any]) -> None:
    """A table for people: every value beside its floor and copying, and below it what the figures depend on."""
    from rich.table import Table
    from rich.text import Text

    from ganvas.report.words import number

    at = f" at {number(record['kimg'])} kimg" if "kimg" in record else ""
    title = Text(f"{record['what']}{at}, against {record['data']}", style="bold")
    table = Table(title=title, title_justify="left")
    table.add_column("metric")
    table.add_column("value", justify="right")
    results = record["metrics"]
    beside = {key: what for key, what in BESIDE.items() if key == "floor" or any(key in r for r in results.values())}
    for what in beside.values():
        table.add_column(what, justify="right")
    table.add_column("↓ lower, ↑ higher is better")
    for name, found in results.items():
        better = "↑" if CARDS[name].higher_is_better else "↓"
        table.add_row(name, _value(found), *(_spread(found, key) for key in beside), f"{CARDS[name].title} {better}")
        for value, real, words in _details(found):
            # names of classes may look like markup
            table.add_row("", value, real, *[""] * (len(beside) - 1), Text(words), style="dim")
    out = console()
    out.print(table)
    for line in _small_print(record):
        out.print(line, markup=False, soft_wrap=True)
    for warning in record.get("warnings", []):
        out.print(f"Beware: {warning}", style="yellow", markup=False, soft_wrap=True)


def _value(found: dict[str, Any]) -> str:
    from ganvas.report.words import number

    return f"{number(found['value'])} of {number(found['of'])}" if "of" in found else _spread(found, "value")


def _spread(found: dict[str, Any], key: str) -> str:
    """A figure and its standard deviation, where there is one."""
    from ganvas.report.words import number

    if key not in found:
        return ""
    std = found.get("std" if key == "value" else f"{key}_std")
    return f"{number(found[key])} ± {number(std)}" if std is not None else number(found[key])


def _details(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What a metric tells besides its value: the figure, that of real samples, and what it is."""
    from ganvas.report.words import number

    rows = []
    if "interval" in found:
        low, high = map(number, found["interval"])
        rows.append((f"{low} to {high}", "", "95 % interval"))
    if "infinite" in found:
        rows.append((number(found["infinite"]), _spread(found, "floor_infinite"), "of infinitely many samples"))
    if "kl" in found:
        rows.append((number(found["kl"]), _spread(found, "kl_of_reals"), "KL of their shares, in nats"))
    for key, words in (("good_share", "good samples"), ("authenticity", "authentic samples")):
        if key in found:
            real = found.get(f"{key}_of_reals")
            rows.append((_percent(found[key]), "" if real is None else _percent(real), words))
    if "wrong" in found:
        rows.append((f"{found['wrong']:,}", "", f"wrong of {found['tested_on']:,} real images"))
    floors = found.get("floor_by_class", {})
    for name, figure in found.get("by_class", {}).items():
        rows.append((number(figure), number(floors[name]) if name in floors else "", f"of class {name}"))
    return rows


def _of_translations(record: dict[str, Any]) -> str:
    """How many were judged, and how they were made."""
    some = f"{record['n_floor']:,} " if record.get("reference") == "half" else ""
    sets = f"; as sets {some}against {record['n_real']:,} real ones" if record["n_floor"] else ""
    how = []
    if "test_dropout" in record:
        how.append("dropout" if record["test_dropout"] else "no dropout")
    if "test_statistics" in record:
        how.append("statistics of " + ("each image" if record["test_statistics"] == "image" else "training"))
    return f"{record['n_generated']:,} translated{' with ' * bool(how)}{', '.join(how)}{sets}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _small_print(record: dict[str, Any]) -> list[str]:
    lines = [f"{record['n_generated']:,} judged, {record['n_real']:,} real, {record['n_floor']:,} other real ones"]
    if "directions" in record:
        lines = [_of_translations(record)]
    if record["features"] != "none":
        resizing = f", {record['resizing']}" if "resizing" in record else ""
        weights = f", weights {record['weights'][:15]}" if "weights" in record else ""
        lines.append(f"features: {record['features']}{resizing}{weights}")
    seed = f"seed {record['seed']}" + (f", truncation {record['truncation']:g}" if "truncation" in record else "")
    lines.append(", ".join([seed, *([record["averaging"]] if "averaging" in record else [])]))
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
    lines += [f"figure: {found['figure']}" for found in record["metrics"].values() if "figure" in found]
    notes = [f"{name}: {found['note']}" for name, found in record["metrics"].items() if "note" in found]
    left_out = [f"{name} is left out: {why}" for name, why in record.get("left_out", {}).items()]
    return lines + [f"Note: {note}" for note in (*record.get("notes", []), *notes, *left_out)]
