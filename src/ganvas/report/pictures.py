"""The pictures of a run, made small enough to live inside its page."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from PIL import Image

from ganvas.report.grid import HEADING, PAD, enlargement

_NAME = re.compile(r"fakes-(\d+(?:\.\d+)?)\.png")
_THUMB_SIDE = 112
_MOST_PARTS = 2  # under headings: see `translations`
_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # all that PIL raises on damaged files

T = TypeVar("T")


@dataclass(frozen=True)
class Snapshot:
    """What the generator made after `kimg` thousand images."""

    kimg: float
    path: Path


@dataclass(frozen=True)
class Embedded:
    """A picture inside the page."""

    url: str
    width: int
    height: int


def snapshots(run_dir: Path, last_kimg: float | None = None) -> list[Snapshot]:
    """`samples/fakes-KIMG.png` by kimg, without those that a resumed run has not come to again (beyond `last_kimg`)."""
    found = [(m, p) for p in (run_dir / "samples").glob("fakes-*.png") if (m := _NAME.fullmatch(p.name))]
    taken = sorted((Snapshot(float(m[1]), p) for m, p in found), key=lambda s: s.kimg)
    return [s for s in taken if last_kimg is None or s.kimg <= last_kimg + 1]  # a name's kimg is rounded


def spread(items: Sequence[T], at_most: int) -> list[T]:
    """At most so many of them, evenly, the first and the last among them."""
    if len(items) <= at_most:
        return list(items)
    if at_most < 2:
        return list(items[-at_most:]) if at_most else []
    return [items[round(i * (len(items) - 1) / (at_most - 1))] for i in range(at_most)]


def embed(path: Path, at_most_bytes: int, at_most_side: int = 1200) -> Embedded | None:
    """The file itself, or a JPEG of limited size where it is larger; None where it is missing or damaged."""
    try:
        raw = path.read_bytes()
        with Image.open(io.BytesIO(raw)) as picture:
            picture.load()
            if len(raw) <= at_most_bytes and picture.format == "PNG":
                return Embedded(data_url(raw, "png"), *picture.size)
            small = picture.convert("RGB")
    except _UNREADABLE:
        return None
    small.thumbnail((at_most_side, at_most_side))
    written = io.BytesIO()
    small.save(written, format="JPEG", quality=88, subsampling=0)
    return Embedded(data_url(written.getvalue(), "jpeg"), *small.size)


def thumbnail(path: Path, shape: Sequence[int]) -> Embedded | None:
    """A small square: the first samples of a grid of images of `shape` (C, H, W), the first panel of a figure."""
    try:
        with Image.open(path) as picture:
            part = picture.convert("RGB").crop(_corner(picture.size, shape))
    except _UNREADABLE:
        return None
    part.thumbnail((_THUMB_SIDE, _THUMB_SIDE))
    written = io.BytesIO()
    part.save(written, format="PNG")
    return Embedded(data_url(written.getvalue(), "png"), *part.size)


def _corner(size: tuple[int, int], shape: Sequence[int]) -> tuple[int, int, int, int]:
    """Which box of a picture to show: two by two images where `grid.grid` made it, or its parts under headings; else a
    square, its first panel."""
    width, height = size
    if len(shape) == 3 and min(shape) > 0:
        scale = enlargement(*shape[1:])
        tile_h, tile_w = shape[1] * scale + PAD, shape[2] * scale + PAD
        if (width + PAD) % tile_w == 0:
            for parts in range(_MOST_PARTS + 1):
                if (height - parts * HEADING + max(parts, 1) * PAD) % tile_h == 0:
                    top = HEADING if parts else 0
                    return 0, top, min(2 * tile_w - PAD, width), min(top + 2 * tile_h - PAD, height)
    side = (
        int(0.72 * height) if has_panels(width, height) else min(width, height)
    )  # `points.figure` is 3 by 4.15 a panel
    return 0, 0, side, side


def has_panels(width: int, height: int) -> bool:
    """Whether a picture is so wide that it is a figure of several panels, side by side."""
    return width > 1.3 * height


def data_url(raw: bytes, kind: str) -> str:
    """An image file, of the type `image/kind`, as an address that holds it."""
    return f"data:image/{kind};base64,{base64.b64encode(raw).decode()}"
