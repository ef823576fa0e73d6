"""`ganvas translate RUN INPUT OUT`: pictures of one domain become pictures of the other."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from ganvas.cli.words import console, parse, print_json, words_first
from ganvas.errors import UserError
from ganvas.translating.asked import Asked

DESCRIPTION = """Translates pictures with a run of pix2pix, cyclegan, or another game that translates.

INPUT is a picture, a folder with all below it, a zip or tar archive, or a glob; several are taken, too.
OUT is a file for one picture, else a folder that does not exist or is empty, or a name that ends in .zip."""
_FLAGS = ("json", "make_input", "enlarge")  # options that take no value
_EVERY_S = 10.0  # from one plain line to the next


@dataclass
class Options:
    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """A run directory, or a checkpoint inside it."""
    paths: Annotated[Positional[tuple[str, ...]], arg(metavar="INPUT OUT")]
    """What is translated, and where to."""
    asked: Annotated[Asked, arg(name="")] = Asked()
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    json: bool = False
    """Print one JSON document instead of words."""


def main(argv: list[str]) -> None:
    options = parse(Options, words_first(list(_with_page(argv)), _FLAGS), "translate", DESCRIPTION)
    if len(options.paths) < 2:
        missing = "INPUT and OUT are" if not options.paths else "OUT is"
        raise UserError(f"translate: {missing} missing; write `ganvas translate RUN INPUT OUT`.")
    *inputs, out = options.paths
    from ganvas.translating import translate

    err = console(stderr=True)
    with _progress(err) as tell:
        record = translate(options.run, inputs, out, options.asked, device=options.device, tell=tell)
    if options.json:
        print_json(record)
        return
    _show(record, err)
    sys.stdout.write(f"{record['out']}\n")


def _with_page(argv: list[str]) -> Iterator[str]:
    """`--page` with the .html that follows it, or with nothing: it may stand alone."""
    words = iter(argv)
    for word in words:
        if word != "--page":
            yield word
            continue
        following = next(words, None)
        if following is not None and following.lower().endswith(".html"):
            yield f"--page={following}"
        else:
            yield "--page="
            yield from () if following is None else (following,)


@contextmanager
def _progress(err: Any) -> Iterator[Callable[[int, int, str], None]]:
    """A bar on a terminal; elsewhere a plain line, now and then."""
    if not err.is_terminal:
        last = time.monotonic()

        def plain(done: int, of: int, doing: str) -> None:
            nonlocal last
            if time.monotonic() - last > _EVERY_S:
                last = time.monotonic()
                err.print(f"{done:,} of {of:,} pictures: {doing}", markup=False, soft_wrap=True)

        yield plain
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, of, doing: bar.update(task, completed=done, total=of, description=doing)


def _show(record: dict[str, Any], err: Any) -> None:
    """What was skipped, a line each, what there is to know, and how much was done."""
    for problem in record["skipped"]:
        err.print(f"skipped {problem['file']}: {problem['why']}", style="yellow", markup=False, soft_wrap=True)
    for note in record["notes"]:
        err.print(f"Note: {note}", markup=False, soft_wrap=True)
    n, skipped = record["count"], len(record["skipped"])
    said = f"{n:,} picture{'s' * (n != 1)} translated{f', {skipped:,} skipped' if skipped else ''}"
    err.print(f"{said}, in {record['seconds']:.1f} s", markup=False, soft_wrap=True)
    if record["page"]:
        err.print(f"page  {record['page']}", markup=False, soft_wrap=True)
