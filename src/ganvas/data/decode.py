"""Many pictures worked on by threads, in order: Pillow decodes and resizes outside of Python's lock."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

from PIL import Image

from ganvas.data.problems import why
from ganvas.data.sources.base import Source

T = TypeVar("T")
Work = Callable[[Image.Image], T]
_BLOCK = 32
_WORTH_A_BAR = 5000


def blocks(
    source: Source, work: Work[T], doing: str, *, side: int = 0, limit: int | None = None
) -> Iterator[tuple[list[T], dict[int, str]]]:
    """`work` done on every picture: (results, {index: why skipped}) of one block after the other.

    Args:
        work: gets each picture, not yet decoded.
        doing: the word of the progress bar, such as "decoding".
        side: at which pictures are drawn that have no size of their own; 0 for the source's choice.
        limit: stops after about so many.
    """
    threads = os.cpu_count() or 1
    pool = ThreadPoolExecutor(threads)
    pending: deque[Future[tuple[list[T], dict[int, str]]]] = deque()
    try:
        with _bar(source, doing) as advance:
            for start, opened in islice(_opened(source, side), None if limit is None else -(-limit // _BLOCK)):
                pending.append(pool.submit(_block, start, opened, work))
                if len(pending) > 2 * threads:  # so that memory stays flat where the disk is slower than the decoders
                    yield pending.popleft().result()
                    advance()
            while pending:
                yield pending.popleft().result()
                advance()
    finally:
        pool.shutdown(cancel_futures=True)


Opened = Callable[[], Image.Image]


def _opened(source: Source, side: int) -> Iterator[tuple[int, list[Opened]]]:
    """Blocks of what opens each picture; a source that can only be read in order is read here, and not by the pool."""
    if source.sequential:
        records, start = source.records(), 0
        while block := [_as_call(record) for record in islice(records, _BLOCK)]:
            yield start, block
            start += len(block)
        return
    for start in range(0, len(source), _BLOCK):
        stop = min(start + _BLOCK, len(source))
        yield start, [lambda i=i: source.render(i, side) if side else source.read(i) for i in range(start, stop)]  # type: ignore[misc]


def _as_call(record: Image.Image | Exception) -> Opened:
    def give() -> Image.Image:
        if isinstance(record, Exception):
            raise record
        return record

    return give


def _block(start: int, opened: list[Opened], work: Work[T]) -> tuple[list[T], dict[int, str]]:
    good, bad = [], {}
    for i, open_one in enumerate(opened, start):
        try:
            with open_one() as image:
                good.append(work(image))
        except Exception as e:  # a decoder may raise anything on a broken file, and the others are still good
            bad[i] = why(e)
    return good, bad


@contextmanager
def _bar(source: Source, doing: str) -> Iterator[Callable[[], Any]]:
    if len(source) < _WORTH_A_BAR or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"{doing} {source.name}", total=len(source))
        yield lambda: progress.advance(task, _BLOCK)
