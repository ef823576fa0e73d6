"""Pictures of images in rows and columns, with words beside them: strips, contact sheets, and sums."""

from __future__ import annotations

import functools
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ganvas.report.files import write_atomically
from ganvas.report.grid import enlargement

PAPER, INK, PALE = (250, 250, 250), (40, 40, 40), (120, 120, 120)
GAP = 2
_TEXT = 12
_WIDTH = 1100  # pixels that a picture should stay within
_LARGEST_TILE = 128  # pixels; of one image alone, twice as many


def scale_for(height: int, width: int, columns: int) -> int:
    """By which whole number images are enlarged, so that so many fill a page and none is larger than 128 pixels."""
    largest = _LARGEST_TILE if columns > 1 else 2 * _LARGEST_TILE
    fills = min(largest // max(height, width), _WIDTH // (columns * width))
    return max(enlargement(height, width) if columns < 32 else 1, fills, 1)


def table(
    images: np.ndarray,
    rows: Sequence[tuple[str, str]] = (),
    columns: Sequence[str] = (),
    scale: int | None = None,
) -> Image.Image:
    """uint8 images [R, C, H, W, 1 or 3] in rows and columns.

    `rows` are two lines of text to the left of each row, the second one pale; `columns` stand above the columns.
    """
    r, c, height, width, _ = images.shape
    scale = scale or scale_for(height, width, c)
    tile_h, tile_w = height * scale, width * scale
    left = max((font().getlength(line) for pair in rows for line in pair), default=-10) + 10 if rows else 0
    top = _TEXT + 8 if columns else 0
    size = (int(left) + c * (tile_w + GAP) - GAP, top + r * (tile_h + GAP) - GAP)
    page = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(page)
    for j, text in enumerate(columns):
        draw.text((left + j * (tile_w + GAP) + tile_w / 2, top - 4), text, INK, font(), anchor="ms")
    for i in range(r):
        y = top + i * (tile_h + GAP)
        for line, text in enumerate(rows[i] if rows else ()):
            at = (left - 8, y + tile_h / 2 + (line * 15 if rows[i][1] else 7) - 3)
            draw.text(at, text, PALE if line else INK, font(), anchor="rs")
        for j in range(c):
            page.paste(tile(images[i, j], scale), (int(left) + j * (tile_w + GAP), y))
    return page


def sheet(images: np.ndarray, captions: Sequence[str], columns: int) -> Image.Image:
    """uint8 images [N, H, W, 1 or 3] with a caption below each, so many in a row."""
    n, height, width, _ = images.shape
    scale = scale_for(height, width, columns)
    tile_h, tile_w = height * scale, width * scale
    step = tile_h + _TEXT + 8
    page = Image.new("RGB", (columns * (tile_w + GAP) - GAP, -(-n // columns) * step), PAPER)
    draw = ImageDraw.Draw(page)
    for k, (image, text) in enumerate(zip(images, captions, strict=True)):
        x, y = k % columns * (tile_w + GAP), k // columns * step
        page.paste(tile(image, scale), (x, y))
        draw.text((x + tile_w / 2, y + tile_h + 4), fitting(text, tile_w), INK, font(), anchor="mt")
    return page


def beside(pictures: Sequence[Image.Image], gap: int = 28) -> Image.Image:
    """Pictures side by side, at the top."""
    size = (sum(p.width for p in pictures) + gap * (len(pictures) - 1), max(p.height for p in pictures))
    page, x = Image.new("RGB", size, PAPER), 0
    for picture in pictures:
        page.paste(picture, (x, 0))
        x += picture.width + gap
    return page


def framed(picture: Image.Image, title: str = "", margin: int = 12) -> Image.Image:
    """A margin of paper around a picture, and a line of text above it."""
    top = margin + (_TEXT + 10 if title else 0)
    wide = max(picture.width, int(font().getlength(title)) + 1)
    page = Image.new("RGB", (wide + 2 * margin, picture.height + top + margin), PAPER)
    page.paste(picture, (margin, top))
    ImageDraw.Draw(page).text((margin, margin), title, INK, font(), anchor="lt")
    return page


def save(path: Path, picture: Image.Image) -> Path:
    """Writes a picture in the format of the path's suffix, aside and renamed."""
    written = io.BytesIO()
    picture.save(written, Image.registered_extensions()[path.suffix.lower()])
    return write_atomically(path, written.getvalue())


@functools.cache
def font(size: int = _TEXT) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along: Pillow's own font has neither Greek nor accents."""
    import matplotlib

    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)


def enlarged(image: np.ndarray, scale: int) -> np.ndarray:
    """An image [H, W, C], each of its pixels repeated `scale` times both ways."""
    return image.repeat(scale, 0).repeat(scale, 1)


def tile(image: np.ndarray, scale: int) -> Image.Image:
    """An enlarged image, to be pasted."""
    large = enlarged(image, scale)
    return Image.fromarray(large[..., 0] if large.shape[-1] == 1 else large)


def fitting(text: str, width: float) -> str:
    """The text, or as much of its beginning as is `width` pixels wide."""
    while text and font().getlength(text) > width:
        text = text.removesuffix("…")[:-1] + "…" if len(text) > 1 else ""
    return text
