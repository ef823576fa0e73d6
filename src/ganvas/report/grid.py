"""Pictures of many samples at once."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ganvas.errors import UserError
from ganvas.report.files import write_atomically

if TYPE_CHECKING:
    from torch import Tensor

PAD = 2
HEADING = 18
"""Pixels, of the line above a part of a picture."""
PAPER, INK = (250, 250, 250), (40, 40, 40)
_LINE = 40  # nearly black: it parts dark images and does not glare between bright ones


def levels(x: Tensor) -> Tensor:
    """uint8 in [0, 255] of values in [-1, 1], of any shape.

    Rounded to the nearest level, so that the uint8 images a set was made of come back unchanged; what lies outside
    the range is clamped, and what is not a number is black.
    """
    return ((x.detach().float() + 1) * 127.5).nan_to_num(nan=0.0).round().clamp(0, 255).byte()


def to_uint8(x_BCHW: Tensor) -> np.ndarray:
    """Images in [-1, 1] (float, [B, C, H, W]) as the `levels` uint8 [B, H, W, C]."""
    return np.ascontiguousarray(levels(x_BCHW).permute(0, 2, 3, 1).cpu().numpy())


def enlargement(height: int, width: int) -> int:
    """By which whole number images are enlarged so that a person sees them: their longer side comes near 64 pixels."""
    return max(1, 64 // max(height, width))


def grid(images: np.ndarray, columns: int | None = None, pad: int = PAD, scale: int | None = None) -> Image.Image:
    """One picture of uint8 images [N, H, W, C], row by row; grey where C is 1, RGB where it is 3.

    `columns` makes a square where it is None. Each image is enlarged `scale` times by repeating its pixels (None: see
    `enlargement`), and `pad` pixels lie between two images.
    """
    n, height, width, channels = images.shape
    if n == 0 or channels not in (1, 3) or images.dtype != np.uint8:
        raise ValueError(
            f"a grid takes uint8 images [N, H, W, 1 or 3], at least one; not {images.dtype} {images.shape}"
        )
    columns = min(columns or math.ceil(math.sqrt(n)), n)
    rows = math.ceil(n / columns)
    scale = scale or enlargement(height, width)
    tile_h, tile_w = height * scale + pad, width * scale + pad
    canvas = np.full((rows * tile_h - pad, columns * tile_w - pad, channels), _LINE, dtype=np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * tile_h, i % columns * tile_w
        canvas[top : top + height * scale, left : left + width * scale] = image.repeat(scale, 0).repeat(scale, 1)
    return Image.fromarray(canvas[..., 0] if channels == 1 else canvas)


def save_grid(
    path: Path, images: np.ndarray, columns: int | None = None, pad: int = PAD, scale: int | None = None
) -> Path:
    """Writes `grid(images, ...)` as `save_picture` does; returns the path."""
    return save_picture(path, grid(images, columns, pad, scale))


def save_picture(path: Path, picture: Image.Image) -> Path:
    """Writes a picture in the format of the path's suffix, aside and renamed; returns the path.

    Raises a `UserError` where no picture format has that suffix, or the file cannot be written.
    """
    path = Path(path)
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in Image.SAVE:
        raise UserError(f"{path}: no picture format is called {path.suffix!r}; name the file .png, .jpg or .webp.")
    written = io.BytesIO()
    picture.save(written, format=kind)
    return write_atomically(path, written.getvalue())


def headed(parts: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Pictures one below the other, each under a line of text of `HEADING` pixels."""
    font = ImageFont.load_default(size=HEADING - 5)
    width, height = max(p.width for _, p in parts), sum(p.height + HEADING for _, p in parts)
    paper, top = Image.new("RGB", (width, height), PAPER), 0
    for text, picture in parts:
        ImageDraw.Draw(paper).text((3, top + 1), cut(text, font, width - 6), INK, font)
        paper.paste(picture, (0, top + HEADING))
        top += HEADING + picture.height
    return paper


def cut(name: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The name, or as much of its beginning as is `width` pixels wide."""
    if font.getlength(name) <= width:
        return name
    while name and font.getlength(name + "…") > width:
        name = name[:-1]
    return name + "…"
