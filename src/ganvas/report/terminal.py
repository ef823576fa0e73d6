"""The live display of a training: a panel on a terminal, a plain line per tick on a pipe or in a log file.

Everything goes to standard error; standard output belongs to results.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ganvas.report.logs import is_number, kimg_of
from ganvas.report.words import duration, number

_TICKS_SHOWN = 32
_NOTES_SHOWN = 3
_ASIDE = {"kimg", "nimg", "round", "img_per_s", "sec_per_kimg", "elapsed_s", "memory_gb"}
_QUIET_FAMILIES = ("grad_norm/", "lr/", "updates/")


class Display(Protocol):
    """What a training tells people while it runs; a context manager."""

    def tick(self, record: Mapping[str, Any]) -> None:
        """Shows a line of the log."""
        ...

    def note(self, text: str) -> None:
        """Shows a message: a warning, a snapshot written."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


def display(total_kimg: float, title: str, quiet: bool = False) -> Display:
    """The display that suits standard error: live on a terminal, plain lines elsewhere, nothing where `quiet`."""
    if quiet:
        return Silent()
    console = Console(stderr=True, highlight=False, markup=False)
    live = sys.stderr.isatty() and not console.is_dumb_terminal and console.encoding.startswith("utf")
    return Panelled(total_kimg, title, console) if live else Plain(total_kimg, title)


class Silent:
    """Says nothing; the log keeps it all."""

    def tick(self, record: Mapping[str, Any]) -> None: ...

    def note(self, text: str) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None: ...


class Plain(Silent):
    """A line per tick and per message, as a log file wants them."""

    def __init__(self, total_kimg: float, title: str):
        self.total_kimg, self.title = total_kimg, title

    def __enter__(self) -> Self:
        self.note(self.title)
        return self

    def tick(self, record: Mapping[str, Any]) -> None:
        figures = (f"{name} {number(value)}" for name, value in _figures(record))
        self.note(
            "  ".join(
                [
                    f"{number(kimg_of(record))}/{number(self.total_kimg)} kimg",
                    *figures,
                    *_pace(record, self.total_kimg),
                ]
            )
        )

    def note(self, text: str) -> None:
        with suppress(OSError):  # the reader has gone or the disk is full: a training outlives its audience
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()


class Panelled(Silent):
    """A panel that is redrawn in place: progress, figures with their trend, pace, and the last messages."""

    def __init__(self, total_kimg: float, title: str, console: Console):
        self.total_kimg, self.title = total_kimg, title
        self.record: dict[str, Any] = {}
        self.trends: dict[str, deque[float]] = {}
        self.notes: deque[str] = deque(maxlen=_NOTES_SHOWN)
        self.ticked_at = time.monotonic()
        self.live = Live(
            console=console,
            get_renderable=self.render,
            refresh_per_second=2,
            redirect_stdout=False,
            redirect_stderr=True,
        )

    def __enter__(self) -> Self:
        self.live.start(refresh=True)
        return self

    def __exit__(self, *error: object) -> None:
        self.live.stop()

    def tick(self, record: Mapping[str, Any]) -> None:
        self.record, self.ticked_at = dict(record), time.monotonic()
        for name, value in _figures(record):
            self.trends.setdefault(name, deque(maxlen=_TICKS_SHOWN)).append(value)
        self.live.refresh()

    def note(self, text: str) -> None:
        self.notes.append(text)
        self.live.refresh()

    def render(self) -> RenderableType:
        parts: list[RenderableType] = [self._progress()]
        if self.trends:
            parts += ["", self._trends()]
        waited = time.monotonic() - self.ticked_at
        pace = list(_pace(self.record, self.total_kimg, waited)) or [f"starting, {duration(waited)}"]
        parts += ["", Text(" · ".join(pace), style="dim")]
        parts += [Text(note) for note in self.notes]
        return Panel(Group(*parts), title=Text(self.title, style="bold"), title_align="left", padding=(1, 2))

    def _progress(self) -> Table:
        kimg = kimg_of(self.record)
        row = Table.grid(expand=True, padding=(0, 2))
        row.add_column(ratio=1)
        row.add_column(no_wrap=True)
        share = min(kimg / self.total_kimg, 1.0) if self.total_kimg > 0 else 1.0
        row.add_row(
            ProgressBar(total=1.0, completed=share, complete_style="cyan", finished_style="cyan"),
            Text(f"{number(kimg)} of {number(self.total_kimg)} kimg  {int(100 * share)} %"),
        )
        return row

    def _trends(self) -> Table:
        rows = Table.grid(padding=(0, 2))
        rows.add_column(no_wrap=True)
        rows.add_column(justify="right", no_wrap=True)
        rows.add_column(no_wrap=True, style="cyan")
        for name, trend in self.trends.items():
            rows.add_row(Text(name), Text(number(trend[-1]), style="bold"), Text(sparkline(trend)))
        return rows


def sparkline(values: deque[float] | list[float]) -> str:
    """A trend as one character per value, between the lowest and the highest; `×` where a value is not finite."""
    finite = [v for v in values if abs(v) < float("inf")]
    if not finite:
        return "×" * len(values)
    low, high = min(finite), max(finite)
    steps = "▁▂▃▄▅▆▇█"
    return "".join(
        "×" if not abs(v) < float("inf") else steps[round((v - low) / (high - low) * 7)] if high > low else steps[3]
        for v in values
    )


def _figures(record: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """What a person follows: the losses under their turn's name, and the game's own figures."""
    for key, value in record.items():
        if key not in _ASIDE and not key.startswith(_QUIET_FAMILIES) and is_number(value):
            yield key.removeprefix("loss/"), float(value)


def _pace(record: Mapping[str, Any], total_kimg: float, waited_s: float = 0.0) -> Iterator[str]:
    def told(key: str) -> float | None:
        value = record.get(key)
        return float(value) if is_number(value) else None

    if (speed := told("img_per_s")) is not None:
        yield f"{number(round(speed, 1) if speed < 100 else round(speed))} img/s"
    if (seconds := told("sec_per_kimg")) is not None:
        yield f"{number(seconds)} s/kimg"
        yield f"{duration(max((total_kimg - kimg_of(record)) * seconds - waited_s, 0.0))} left"
    if (memory := told("memory_gb")) is not None:
        yield f"{memory:.2f} GB"
