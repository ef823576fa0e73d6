"""From a picture file of any kind to the square of bytes that a network is trained on."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# Only these decoders are ever run, whatever a file is called: some others of Pillow start programs.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
MOST_PIXELS = 89_478_485  # Pillow's own warning mark, a quarter of a gigabyte in RGB
GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F")


class Unreadable(Exception):
    """Why one picture cannot be used."""


def is_picture(name: str) -> bool:
    """Whether a file is meant as a picture, by its name alone; hidden files are not."""
    name = name.rsplit("/", 1)[-1]
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def open_picture(file: Path | BinaryIO) -> Image.Image:
    """The picture, its header read and its size found sane; pixels are decoded when they are needed."""
    try:
        image = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        raise Unreadable(f"it is no {', '.join(FORMATS[:-1])} or {FORMATS[-1]} picture") from None
    if image.width * image.height > MOST_PIXELS:
        raise Unreadable(f"{image.width} x {image.height} pixels are more than the {MOST_PIXELS:,} that are let in")
    return image


def is_grey(image: Image.Image) -> bool:
    """Whether the picture's mode, not its content, is grey."""
    return image.mode in GREY_MODES


def to_square(image: Image.Image, size: int, channels: int) -> np.ndarray:
    """uint8 [size, size, channels]: upright, on white where transparent, the centre square, resized with antialiasing.

    Args:
        image: of any mode and size.
        size: the side, in pixels.
        channels: 1 (ITU-R 601 luma) or 3 (RGB).
    """
    # A JPEG is decoded at 1/2, 1/4 or 1/8 while that leaves four times the size: half a grey level from the exact
    # result on the finest grain, where twice the size is off by 2.7.
    image.draft(None, (4 * size, 4 * size))
    image.load()
    image = _centre_square(ImageOps.exif_transpose(image))
    image = _flat(image).convert("L" if channels == 1 else "RGB")
    if image.width != size:
        filter = Image.Resampling.LANCZOS if image.width > size else Image.Resampling.BICUBIC
        image = image.resize((size, size), filter)
    return np.asarray(image).reshape(size, size, channels)


def _centre_square(image: Image.Image) -> Image.Image:
    side = min(image.size)
    if image.width == image.height:
        return image
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _flat(image: Image.Image) -> Image.Image:
    """Eight bits a channel and no transparency."""
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise Unreadable("its pixels have 32 bits, which have no agreed range; save it with 8 or 16")
        return Image.fromarray(np.rint(values / 257).astype(np.uint8))
    if image.mode == "F":
        raise Unreadable("its pixels are floats, which have no agreed range; save it with 8 or 16 bits")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA"))
    return image
