"""The page of a translation: for each picture what went in, what came out, what should have, and the way back."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from ganvas import __version__
from ganvas.data.problems import Problem
from ganvas.report import page
from ganvas.report.files import write_atomically
from ganvas.report.pictures import Embedded, data_url

ROWS = 100
_SIDE = 512  # pixels at most of a picture on the page
_PNG_BYTES = 120_000  # a larger one is a JPEG
_BYTES = 24_000_000  # of all pictures
_SMALL = 128  # pixels: a picture of at most so many a side is enlarged by repeating pixels, so that each can be seen

COLUMNS = {"input": "Input", "output": "Output", "target": "Target", "cycle": "Cycle"}


@dataclass
class Rows:
    """The rows of a page, made small as they come."""

    shown: dict[int, tuple[str, dict[str, Embedded]]] = field(default_factory=dict)
    bytes: int = 0

    def add(self, number: int, name: str, cells: Mapping[str, Image.Image | None]) -> None:
        """The row of a picture, unless the page is full; `number` is its place among the others."""
        small = {column: embedded(image) for column, image in cells.items() if image is not None}
        size = sum(len(picture.url) for picture in small.values())
        if self.bytes + size <= _BYTES:
            self.bytes += size
            self.shown[number] = name, small


def embedded(image: Image.Image) -> Embedded:
    """A picture for the page, of 512 pixels a side at most."""
    if max(image.size) > _SIDE:
        image = image.copy()
        image.thumbnail((_SIDE, _SIDE))
    written = io.BytesIO()
    image.save(written, "PNG")
    kind = "png"
    if written.tell() > _PNG_BYTES and image.mode in ("L", "RGB"):
        written, kind = io.BytesIO(), "jpeg"
        image.save(written, "JPEG", quality=88, subsampling=0)
    return Embedded(data_url(written.getvalue(), kind), *image.size)


def write(path: Path, record: Mapping[str, Any], rows: Rows, skipped: Sequence[Problem]) -> Path:
    """Writes the page of a translation, whose record `ganvas translate --json` prints; returns its path.

    Raises a `UserError` where it cannot be written.
    """
    a, b = (f"{side.upper()}" for side in record["direction"])
    title = f"{record['game']}: {a} to {b}"
    body = "".join(
        (
            _header(record, title),
            page.section("Pictures", _table(rows, record)),
            page.section("Skipped", _skipped(skipped)),
        )
    )
    now = datetime.now().astimezone().isoformat(sep=" ", timespec="minutes")
    html = page.document(title, body, f"Written by ganvas {__version__}, {now}.")
    return write_atomically(path, html.encode("utf-8", errors="replace"))


def _header(record: Mapping[str, Any], title: str) -> str:
    n = record["count"]
    said = f"{n:,} picture{'s' * (n != 1)} translated"
    said += f", {len(record['skipped']):,} skipped" if record["skipped"] else ""
    how = [f"trained on {record['data']}"] if record["data"] else []
    given = {k.replace("_", " "): v for k, v in record["settings"].items() if k not in ("page", "direction")}
    how += [k if v is True else f"{k} {v}" for k, v in given.items()]
    return (
        f'<header><p class="kicker">{escape(record["run"] or record["game"])}</p><h1>{escape(title)}</h1>'
        f'<p class="lead">{escape(said)}.</p><p class="source">{escape(" · ".join(how))}</p></header>'
    )


def _table(rows: Rows, record: Mapping[str, Any]) -> str:
    shown = [row for _, row in sorted(rows.shown.items())]
    columns = [c for c in COLUMNS if any(c in cells for _, cells in shown)]
    head = "".join(f'<th scope="col">{COLUMNS[c]}</th>' for c in columns)
    body = "".join(
        f'<tr><th scope="row" colspan="{len(columns)}">{escape(name)}</th></tr>'
        f"<tr>{''.join(_cell(cells.get(c), f'{COLUMNS[c]}, {name}') for c in columns)}</tr>"
        for name, cells in shown
    )
    some = (
        f'<p class="remark">{len(shown)} of {record["count"]:,} pictures.</p>' if len(shown) < record["count"] else ""
    )
    return (
        f'<table class="translations" style="--n:{len(columns)}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>{some}"
    )


def _cell(shown: Embedded | None, alt: str) -> str:
    if shown is None:
        return "<td>—</td>"
    small = ' class="pixels"' if max(shown.width, shown.height) <= _SMALL else ""
    size = f'width="{shown.width}" height="{shown.height}"'
    return f'<td><img{small} src="{shown.url}" {size} alt="{escape(alt)}"></td>'


def _skipped(problems: Sequence[Problem]) -> str:
    rows = "".join(f'<tr><th scope="row">{escape(p.file)}</th><td>{escape(p.why)}</td></tr>' for p in problems)
    return f"<table>{rows}</table>" if rows else ""
