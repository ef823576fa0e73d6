"""From a picture file of any kind to the rectangle of bytes that a network is trained on."""

from __future__ import annotations

import threading
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, get_args

import numpy as np
from PIL import Image, ImageColor, UnidentifiedImageError

from ganvas.errors import UserError, did_you_mean

# Only these decoders are ever run, whatever a file is called: some others of Pillow start programs.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
FOREIGN = (".heic", ".heif", ".avif", ".jxl", ".jp2", ".svg", ".psd", ".tga", ".exr", ".dng", ".cr2", ".nef", ".arw")
"""Pictures that are not read here, and are named."""
MOST_PIXELS = 89_478_485  # Pillow's own warning mark, a quarter of a gigabyte in RGB
HUGE = 1 << 24  # pixels: so large a picture takes up to 16 bytes each, and is worked on alone, however many threads
_one_huge = threading.Lock()
GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F")
_ORIENTATION = 0x0112  # of EXIF
_TURN = Image.Transpose
_TURNS = {2: _TURN.FLIP_LEFT_RIGHT, 3: _TURN.ROTATE_180, 4: _TURN.FLIP_TOP_BOTTOM, 5: _TURN.TRANSPOSE,
          6: _TURN.ROTATE_270, 7: _TURN.TRANSVERSE, 8: _TURN.ROTATE_90}  # fmt: skip

LARGEST_SIDE = 4096
LONGEST = 4  # random-crop keeps so many short sides of a picture's long one; panoramas lose their ends

Fit = Literal["crop", "pad", "stretch", "random-crop"]
"""How a picture of any shape becomes one of ours: its centre, the whole on a background, bent, or a random window."""


# We refuse such pictures ourselves, and say which.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class Unreadable(Exception):
    """Why one picture cannot be used."""


@dataclass(frozen=True)
class Framing:
    """What every picture of a set is turned into: uint8 [height, width, channels].

    Args:
        height, width: in pixels.
        channels: 1 (ITU-R 601 luma) or 3 (RGB).
        fit: `crop` cuts the centre out, `pad` keeps the whole picture on the background, `stretch` bends it to shape,
            and `random-crop` keeps what a window of our shape can be drawn from anew in every epoch.
        background: what transparent pixels are laid on, and what `pad` fills with; a name (white) or #rrggbb.

    Raises:
        UserError: a side, a number of channels, a policy or a colour that there is not.
    """

    height: int
    width: int
    channels: int
    fit: Fit = "crop"
    background: str = "white"

    def __post_init__(self) -> None:
        for side in (self.height, self.width):
            if not 1 <= side <= LARGEST_SIDE:
                raise UserError(f"size = {side} is out of range; give a side of 1 to {LARGEST_SIDE} pixels.")
        if self.channels not in (1, 3):
            raise UserError(f"channels = {self.channels} is out of range; give 1 (grey) or 3 (RGB).")
        if self.fit not in get_args(Fit):
            raise UserError(
                f"fit = {self.fit} is none of {', '.join(get_args(Fit))}.{did_you_mean(self.fit, get_args(Fit))}"
            )
        colour_of(self.background)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels


def colour_of(name: str) -> tuple[int, int, int]:
    """The RGB of a colour's name or #rrggbb.

    Raises:
        UserError: no such colour.
    """
    try:
        return ImageColor.getrgb(name)[:3]
    except ValueError:
        raise UserError(f"background = {name} is no colour; give a name such as white, or #rrggbb.") from None


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


def orientation(image: Image.Image) -> int:
    """How EXIF says that the picture was held, 1 (upright) to 8."""
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # the pixels may be good, and a broken note says nothing of them
        return 1


def upright(image: Image.Image) -> Image.Image:
    """The picture as people see it."""
    turn = _TURNS.get(orientation(image))
    if turn is None:
        return image
    turned = image.transpose(turn)
    for note in ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"):  # lest it be turned again
        turned.info.pop(note, None)
    return turned


def frame(image: Image.Image, framing: Framing) -> np.ndarray:
    """uint8 [height, width, channels]: upright, without transparency, fitted, resized with antialiasing.

    Under `random-crop` the result covers the frame and is longer on one axis, up to `LONGEST` times.
    """
    # A JPEG is decoded at 1/2, 1/4 or 1/8 while that leaves four times the size: half a grey level from the exact
    # result on the finest grain, where twice the size is off by 2.7.
    side = 4 * max(framing.height, framing.width)
    image.draft(None, (side, side))
    with _one_huge if image.width * image.height > HUGE else nullcontext():
        return _framed(image, framing)


def colours_and_opacity(image: Image.Image, channels: int, background: str) -> tuple[Image.Image, Image.Image | None]:
    """A picture of its own size, upright: L or RGB on the background, and its alpha channel, L, where it has one."""
    with _one_huge if image.width * image.height > HUGE else nullcontext():
        image.load()
        image = _eight_bits(upright(image))
        opacity = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
        return _flat(image, background).convert("L" if channels == 1 else "RGB"), opacity


def _framed(image: Image.Image, framing: Framing) -> np.ndarray:
    image = _prepared(image, framing)
    width, height = framing.width, framing.height
    if framing.fit == "pad":
        scale = min(width / image.width, height / image.height)
        image = resized(image, _scaled(image, scale, width, height))
        canvas = Image.new(image.mode, (width, height), _background(framing))
        canvas.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
        image = canvas
    elif framing.fit == "random-crop":
        image = _centre(image, min(LONGEST * width / height, max(image.width / image.height, width / height / LONGEST)))
        scale = max(width / image.width, height / image.height)
        image = resized(image, (max(width, round(image.width * scale)), max(height, round(image.height * scale))))
    else:
        if framing.fit == "crop":
            image = _centre(image, width / height)
        image = resized(image, (width, height))
    return np.asarray(image).reshape(image.height, image.width, framing.channels)


def _prepared(image: Image.Image, framing: Framing) -> Image.Image:
    """Decoded, upright, of the wanted channels, on the background where it was transparent."""
    image.load()
    image = _flat(_eight_bits(upright(image)), framing.background)
    return image.convert("L" if framing.channels == 1 else "RGB")


def _background(framing: Framing) -> int | tuple[int, int, int]:
    colour = colour_of(framing.background)
    if framing.channels == 3:
        return colour
    return int(Image.new("RGB", (1, 1), colour).convert("L").getpixel((0, 0)))  # type: ignore[arg-type]


def _scaled(image: Image.Image, scale: float, most_width: int, most_height: int) -> tuple[int, int]:
    return (
        min(most_width, max(1, round(image.width * scale))),
        min(most_height, max(1, round(image.height * scale))),
    )


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Of `size` (width, height): Lanczos where it shrinks, bicubic where it grows, both antialiased."""
    if image.size == size:
        return image
    smaller = image.width > size[0]
    return image.resize(size, Image.Resampling.LANCZOS if smaller else Image.Resampling.BICUBIC)


def _centre(image: Image.Image, aspect: float) -> Image.Image:
    """The largest centred part whose width is `aspect` times its height."""
    width = min(image.width, max(1, round(image.height * aspect)))
    height = min(image.height, max(1, round(image.width / aspect)))
    if (width, height) == image.size:
        return image
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _eight_bits(image: Image.Image) -> Image.Image:
    """Eight bits a channel."""
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise Unreadable("its pixels have 32 bits, which have no agreed range; save it with 8 or 16")
        flat = Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))
        if image.has_transparency_data:  # one grey level is transparent
            flat.putalpha(Image.fromarray(np.where(values == image.info["transparency"], 0, 255).astype(np.uint8)))
        image = flat
    if image.mode == "F":
        raise Unreadable("its pixels are floats, which have no agreed range; save it with 8 or 16 bits")
    return image


def _flat(image: Image.Image, background: str) -> Image.Image:
    """Without transparency, laid on the background."""
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, (*colour_of(background), 255))
        return Image.alpha_composite(ground, image.convert("RGBA"))
    return image
