"""`ganvas data`: look at a set before training on it, pack it for others, and tidy the cache of decoded sets."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from ganvas.cli.words import console, parse, print_json, words_first
from ganvas.data.reading import Reading
from ganvas.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from ganvas.data import Dataset

_MOST_SHOWN = 20


@dataclass
class Info:
    data: Annotated[Positional[tuple[str, ...]], arg(metavar="DATA")]
    """A built-in set, a folder, an archive, a hub set (hub:owner/name); several are joined."""
    reading: Annotated[Reading, arg(name="")] = Reading()
    json: bool = False
    """Print one JSON document instead of a table."""


@dataclass
class Preview:
    data: Annotated[Positional[tuple[str, ...]], arg(metavar="DATA")]
    """A built-in set, a folder, an archive, a hub set (hub:owner/name); several are joined."""
    reading: Annotated[Reading, arg(name="")] = Reading()
    out: Path = Path("preview.png")
    """The contact sheet."""
    n: int = 48
    """How many samples."""
    seed: int = 0
    """Of their order, and of what --augment does to them."""


@dataclass
class Pack:
    data: Annotated[Positional[tuple[str, ...]], arg(metavar="DATA ... OUT.zip")]
    """What to pack, and last the zip archive to write."""
    reading: Annotated[Reading, arg(name="")] = Reading()


@dataclass
class Cache:
    clear: bool = False
    """Delete decoded sets; they are made again when they are needed."""
    name: str | None = None
    """Only the sets of this name."""
    unused_days: float = 0.0
    """Only sets that were not used for so many days."""
    json: bool = False
    """Print one JSON document instead of a table."""


def main(argv: list[str]) -> None:
    if not argv or argv[0] in ("-h", "--help"):
        lines = [f"  {name:<9}{does}" for name, (_, _, does) in _VERBS.items()]
        console().print("\n".join(["usage: ganvas data VERB ...", "", *lines]), markup=False)
        return
    verb, *rest = argv
    if verb not in _VERBS:
        raise UserError(
            f"data: there is no verb {verb!r}; there are {', '.join(_VERBS)}, as in `ganvas data info photos/`."
            + did_you_mean(verb, _VERBS)
        )
    cls, do, description = _VERBS[verb]
    flags = [f.name for part in (cls, Reading) for f in fields(part) if f.type in ("bool", bool)]
    do(parse(cls, words_first(rest, flags), f"data {verb}", description))


def info(options: Info) -> None:
    from ganvas.data.info import info as look

    record = look(_named(options.data), options.reading)
    if options.json:
        print_json(record)
        return
    from rich.table import Table
    from rich.text import Text

    out = console()
    title = Text(record["name"])
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    for key, value in _lines(record):
        table.add_row(Text(key), Text(value))  # names may hold what rich takes for markup
    out.print(table)
    for problem in record["problems"][:_MOST_SHOWN]:
        out.print(f"{problem['file']}: {problem['why']}", style="yellow", markup=False, soft_wrap=True)
    if len(record["problems"]) > _MOST_SHOWN:
        out.print(f"... and {len(record['problems']) - _MOST_SHOWN} more; --json lists all.", style="yellow")


def _lines(record: dict[str, Any]) -> list[tuple[str, str]]:
    """What the table of `info` says, row by row."""
    if record["task"] == "points":
        return [("task", f"points of a 2-D world with {record['modes']} modes, drawn without end")]
    things = {"images": "images", "pairs": "pairs", "domains": "images in two domains"}[record["task"]]
    lines = [("count", f"{record['count']:,} {things}"), ("task", record["task"])]
    if sides := record.get("sides"):
        lines.append(("sides", ", ".join(f"{k}: {n:,}" for k, n in sides.items())))
    short = record["short_side"]
    if record["size"]:
        lines.append(("size", "{} x {} (height x width)".format(*record["size"])))
    else:
        lines.append(("size", f"they differ; short sides {short['min']} to {short['max']}, median {short['median']}"))
    lines.append(("channels", f"{record['channels']} ({'grey' if record['channels'] == 1 else 'RGB'})"))
    if record["splits"]:
        lines.append(("parts", ", ".join(record["splits"])))
    if labels := record["labels"]:
        shown = ", ".join(f"{name}: {n:,}" for name, n in list(labels.items())[:_MOST_SHOWN])
        more = f", ... ({len(labels)} classes)" if len(labels) > _MOST_SHOWN else ""
        lines.append(("labels", shown + more))
    if record.get("unlabelled"):
        lines.append(("unlabelled", f"{record['unlabelled']:,}"))
    for name, about in record.get("attributes", {}).items():
        shown = ", ".join(f"{k}: {v:,.6g}" for k, v in list(about.items())[:_MOST_SHOWN])
        lines.append((f"  {name}", shown + (", ..." if len(about) > _MOST_SHOWN else "")))
    lines.append(("problems", f"{len(record['problems']):,}" if record["problems"] else "none"))
    return lines


def preview(options: Preview) -> None:
    if options.n < 1:
        raise UserError(f"--n {options.n} is out of range; give at least 1.")
    from ganvas.report.sheet import save_sheet

    dataset, _ = _load(_named(options.data), options.reading)
    save_sheet(options.out, dataset, options.n, options.seed)
    _tell(dataset)
    sys.stdout.write(f"{options.out}\n")


def pack(options: Pack) -> None:
    from ganvas.data.export import demand_free, export

    *names, out = options.data or ("",)
    if not names:
        raise UserError(
            "data pack: name what to pack and then the archive, as in `ganvas data pack photos/ photos.zip`."
        )
    demand_free(Path(out))  # before the whole set is decoded
    dataset, parts = _load(tuple(names), options.reading)
    export(dataset, Path(out))
    _tell(dataset)
    shape = " x ".join(map(str, dataset.samples.shape[1:3]))
    note = f"; the set has the parts {', '.join(parts)}, and --split chooses one" if len(parts) > 1 else ""
    done = f"{len(dataset):,} {dataset.task} of {shape} (height x width), fitted by {options.reading.fit}{note}"
    console(stderr=True).print(done, markup=False)
    sys.stdout.write(f"{out}\n")


def cache(options: Cache) -> None:
    from ganvas.data import cache as kept

    if not options.unused_days >= 0:
        raise UserError(f"--unused-days {options.unused_days:g} is out of range; give a number of days from 0.")
    if (options.name or options.unused_days) and not options.clear:
        raise UserError("data cache: --name and --unused-days choose what --clear deletes; give --clear too.")
    found = kept.clear(options.name, options.unused_days) if options.clear else kept.entries()
    if options.clear and options.name and not found:
        raise UserError(f"data cache: no decoded set is called {options.name!r}; `ganvas data cache` lists them.")
    if options.json:
        rows = [{"name": e.name, "shape": list(e.shape), "bytes": e.bytes, "folder": str(e.folder)} for e in found]
        print_json({"folder": str(kept.cache_folder()), "cleared" if options.clear else "sets": rows})
        return
    out = console()
    total = sum(e.bytes for e in found)
    if options.clear:
        out.print(f"{len(found)} sets deleted, {total / 1e6:,.0f} MB free again", markup=False)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("set", "images", "MB", "last used"):
        table.add_column(heading, justify="left" if heading == "set" else "right")
    for e in found:
        n, *shape = e.shape
        days = (time.time() - e.used) / 86_400
        used = "today" if days < 1 else f"{days:.0f} days ago"
        table.add_row(Text(e.name), f"{n:,} of {' x '.join(map(str, shape))}", f"{e.bytes / 1e6:,.0f}", used)
    out.print(table)
    out.print(f"{total / 1e6:,.0f} MB in {kept.cache_folder()}; --clear deletes them.", markup=False)


def _load(names: tuple[str, ...], reading: Reading) -> tuple[Dataset, tuple[str, ...]]:
    """The set as it is laid out, as pairs or domains unless something else is asked for; and its parts."""
    from ganvas.data import load
    from ganvas.data.dataset import as_laid_out, open_source

    reading = as_laid_out(names, reading)
    return load(names, reading), getattr(open_source(names, reading), "splits", ())


def _named(data: tuple[str, ...]) -> tuple[str, ...]:
    if not data:
        raise UserError("data: name a set, as in `ganvas data info photos/`.")
    return data


def _tell(dataset: Dataset) -> None:
    """On standard error, what was skipped."""
    err, problems = console(stderr=True), [*dataset.problems, *dataset.lately_skipped()]
    for problem in problems[:_MOST_SHOWN]:
        err.print(f"{problem.file}: {problem.why}", style="yellow", markup=False, soft_wrap=True)
    if len(problems) > _MOST_SHOWN:
        err.print(f"... and {len(problems) - _MOST_SHOWN} more; `ganvas data info --json` lists all.", style="yellow")


_VERBS: dict[str, tuple[type, Any, str]] = {
    "info": (Info, info, "Tells what is in a set and what is wrong with it, by file name."),
    "preview": (Preview, preview, "Draws a contact sheet of what training will see."),
    "pack": (Pack, pack, "Writes a set as one zip archive in StyleGAN's layout."),
    "cache": (Cache, cache, "Lists and clears the decoded sets, features and classifiers that are kept on disk."),
}
