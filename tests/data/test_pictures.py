"""Every kind of picture becomes the right bytes; how those of other shapes are fitted is in `test_framing.py`."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ganvas.data import pictures
from ganvas.data.pictures import Framing, Unreadable, frame, is_grey, is_picture, open_picture, orientation, upright

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def stored(image: Image.Image, format: str = "PNG", **options: object) -> Image.Image:
    """The image as it comes back from a file."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return open_picture(io.BytesIO(file.getvalue()))


def to_square(image: Image.Image, size: int, channels: int, background: str = "white") -> np.ndarray:
    return frame(image, Framing(size, size, channels, background=background))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def deep_png(colour: int, row: list[int], *chunks: bytes) -> Image.Image:
    """A PNG of one row and 16 bits; `colour` is the number of a kind of pixel in its specification."""
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    head = chunk(b"IHDR", struct.pack(">2I5B", len(row) // channels, 1, 16, colour, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + struct.pack(f">{len(row)}H", *row)))
    return open_picture(io.BytesIO(b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + pixels + chunk(b"IEND", b"")))


def ramp(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_pixels_of_the_right_size_are_untouched() -> None:
    pixels = ramp(16, 16)
    assert np.array_equal(to_square(stored(Image.fromarray(pixels)), 16, 3), pixels)
    assert np.array_equal(to_square(stored(Image.fromarray(pixels[..., 0])), 16, 1)[..., 0], pixels[..., 0])


@pytest.mark.parametrize(("width", "height"), [(20, 8), (8, 20), (9, 8), (8, 8)])
def test_the_centre_square_is_kept(width: int, height: int) -> None:
    pixels = ramp(width, height)
    left, top = (width - 8) // 2, (height - 8) // 2
    assert np.array_equal(to_square(stored(Image.fromarray(pixels)), 8, 3), pixels[top : top + 8, left : left + 8])


def test_down_is_antialiased_and_up_is_smooth() -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    inner = to_square(Image.fromarray(stripes), 16, 1)[:, 2:-2]
    assert np.abs(inner.astype(int) - 128).max() <= 2  # stripes finer than a pixel become their mean

    step = np.zeros((8, 8), np.uint8)
    step[:, 4:] = 255
    row = to_square(Image.fromarray(step), 64, 1)[32, :, 0].astype(int)
    assert row[0] == 0
    assert row[-1] == 255
    assert np.abs(np.diff(row)).max() < 40  # nearest-neighbour would jump by 255


def test_palette_with_transparency_is_composited_on_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *BLUE])
    image.putdata([0, 1])
    back = stored(image.resize((16, 8), Image.Resampling.NEAREST), transparency=0)
    assert back.mode == "P"
    square = to_square(back, 8, 3)
    assert tuple(square[0, 0]) == WHITE
    assert tuple(square[0, -1]) == BLUE


def test_alpha_is_composited_on_white_before_resizing() -> None:
    half = Image.new("RGBA", (8, 8), (255, 0, 0, 128))
    assert np.abs(to_square(stored(half), 8, 3)[0, 0].astype(int) - (255, 127, 127)).max() <= 1
    hidden = Image.new("RGBA", (8, 8), (0, 0, 0, 0))  # black below full transparency must not darken the edge
    hidden.paste((255, 255, 255, 255), (4, 0, 8, 8))
    assert to_square(stored(hidden), 3, 3).min() == 255
    grey = Image.new("LA", (8, 8), (0, 0))
    assert to_square(stored(grey), 8, 1).min() == 255


@pytest.mark.parametrize(
    ("background", "rgb", "luma"), [("red", RED, 76), ("#0000ff", BLUE, 29), ("black", (0, 0, 0), 0)]
)
def test_any_background(background: str, rgb: tuple[int, int, int], luma: int) -> None:
    palette = Image.new("P", (8, 8))
    palette.putpalette([*GREEN, *WHITE])
    for clear, options in [
        (Image.new("RGBA", (8, 8), (*GREEN, 0)), {}),
        (Image.new("LA", (8, 8), (7, 0)), {}),
        (palette, {"transparency": 0}),
        (palette, {"transparency": b"\0\xff"}),
        (Image.new("L", (8, 8), 9), {"transparency": 9}),
        (Image.new("RGB", (8, 8), GREEN), {"transparency": GREEN}),
    ]:
        assert tuple(to_square(stored(clear, **options), 8, 3, background)[3, 3]) == rgb
        assert to_square(stored(clear, **options), 8, 1, background)[3, 3, 0] == luma


def test_transparency_of_one_colour() -> None:
    image = Image.new("RGB", (8, 8), RED)
    image.paste(GREEN, (4, 0, 8, 8))
    square = to_square(stored(image, transparency=RED), 8, 3)
    assert tuple(square[0, 0]) == WHITE
    assert tuple(square[0, 7]) == GREEN


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_scaled(format: str) -> None:
    values = np.array([[0, 200], [257 * 128, 65535]], np.uint16)
    image = stored(Image.fromarray(values), format)
    assert image.mode.startswith("I")
    assert is_grey(image)
    assert to_square(image, 2, 1)[..., 0].tolist() == [[0, 1], [128, 255]]


def test_sixteen_bits_in_colour_and_with_alpha() -> None:
    colour = deep_png(2, [0xABCD, 0x00FF, 0xFFFF])
    assert np.abs(to_square(colour, 1, 3)[0, 0].astype(int) - (0xAB, 0, 0xFF)).max() <= 1
    alpha = deep_png(4, [0, 0xFFFF, 0, 0x8000, 0, 0])
    assert np.abs(frame(alpha, Framing(1, 3, 1))[0, :, 0].astype(int) - (0, 127, 255)).max() <= 1
    veiled = deep_png(6, [0xFFFF, 0, 0, 0])
    assert tuple(to_square(veiled, 1, 3, background="blue")[0, 0]) == BLUE
    one_level = deep_png(0, [0x1234, 0x1235], chunk(b"tRNS", struct.pack(">H", 0x1234)))
    assert frame(one_level, Framing(1, 2, 1))[0, :, 0].tolist() == [255, 18]


def test_pixels_without_a_range_are_refused() -> None:
    for values in (np.full((4, 4), 0.5, np.float32), np.full((4, 4), 1 << 20, np.int32)):
        with pytest.raises(Unreadable, match="no agreed range"):
            to_square(stored(Image.fromarray(values), "TIFF"), 4, 1)


def test_one_bit_cmyk_and_luma() -> None:
    bits = Image.fromarray(np.eye(8) > 0)
    assert np.array_equal(to_square(stored(bits), 8, 1)[..., 0], np.eye(8) * 255)
    cmyk = stored(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF")
    assert cmyk.mode == "CMYK"
    assert tuple(to_square(cmyk, 8, 3)[0, 0]) == RED
    inverted = stored(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95)  # as Adobe writes them
    assert np.abs(to_square(inverted, 8, 3)[0, 0].astype(int) - RED).max() <= 2
    assert to_square(Image.new("RGB", (8, 8), GREEN), 8, 1)[0, 0, 0] == 150  # 0.587 * 255
    assert tuple(to_square(Image.new("L", (8, 8), 7), 8, 3)[0, 0]) == (7, 7, 7)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_the_picture_upright(orientation: int) -> None:
    upright = Image.new("RGB", (16, 16), WHITE)
    upright.paste(RED, (0, 0, 8, 8))
    upright.paste(BLUE, (8, 0, 16, 8))
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that undoes each orientation
    turned = upright.transpose(Image.Transpose(back[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(to_square(stored(turned, exif=exif), 16, 3), np.asarray(upright))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_an_orientation_is_followed_once_and_a_broken_one_not_at_all() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = stored(Image.fromarray(ramp(8, 4)), exif=exif)
    assert (orientation(lying), upright(lying).size, orientation(upright(lying))) == (6, (4, 8), 1)
    assert upright(upright(lying)).size == (4, 8)
    for format in ("PNG", "JPEG", "WEBP"):
        for junk in (b"junk", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b""):
            broken = stored(Image.new("RGB", (8, 4), RED), format, exif=b"Exif\0\0" + junk)
            assert orientation(broken) == 1
            assert np.abs(to_square(broken, 4, 3).astype(int) - RED).max() <= 1


def test_large_jpegs_decode_reduced_but_alike() -> None:
    grain = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    photo = Image.fromarray(grain).resize((768, 512), Image.Resampling.BICUBIC)  # detail as fine as the result shows
    back = stored(photo, "JPEG", quality=95, subsampling=0)
    small, exact = to_square(back, 64, 3), to_square(photo, 64, 3)
    assert back.size == (384, 256)  # decoded at half, four times what is needed
    assert np.abs(small.astype(int) - exact).mean() < 1


def test_too_many_pixels_are_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", 100_000, 100_000, 8, 2, 0, 0, 0))
    with pytest.raises(Image.DecompressionBombError):  # Pillow's own limit stands too
        open_picture(io.BytesIO(bomb + chunk(b"IDAT", zlib.compress(bytes(1000)))))
    monkeypatch.setattr(pictures, "MOST_PIXELS", 63)
    with pytest.raises(Unreadable, match="8 x 8 pixels"):
        stored(Image.new("L", (8, 8)))


@pytest.mark.parametrize(
    ("format", "options"),
    [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("PNG", {"default_image": True}), ("TIFF", {})],
)
def test_the_first_frame_of_what_moves(format: str, options: dict) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    moving = stored(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert moving.n_frames == 3  # type: ignore[attr-defined]
    assert tuple(to_square(moving, 8, 3)[0, 0]) == RED


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_a_picture_that_is_cut_short_is_whole_or_refused(format: str) -> None:
    file = io.BytesIO()
    Image.fromarray(ramp(12, 12)).save(file, format)
    content = file.getvalue()
    whole, refused = to_square(open_picture(file), 12, 3), 0
    for length in range(0, len(content), 7):
        try:
            found = to_square(open_picture(io.BytesIO(content[:length])), 12, 3)
        except Exception:  # whatever a decoder raises
            refused += 1
        else:
            assert np.array_equal(found, whole)
    assert refused > 0.9 * len(content) / 7


def test_only_known_decoders_are_run() -> None:
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"
    for content in (b"hello, this is text", b"", postscript):
        with pytest.raises(Unreadable, match="it is no PNG"):
            open_picture(io.BytesIO(content))


def test_names_of_pictures() -> None:
    assert is_picture("a/b/Photo.JPG")
    assert not is_picture("a/._photo.jpg")
    assert not is_picture("notes.txt")
    assert not is_picture("png")
