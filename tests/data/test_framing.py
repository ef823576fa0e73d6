"""How pictures of any shape are fitted into a frame of any shape."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ganvas.data import pictures
from ganvas.data.pictures import LARGEST_SIDE, LONGEST, Fit, Framing, colour_of, frame
from ganvas.errors import UserError

FITS = st.sampled_from(get_args(Fit))
SHORT, SIDES = st.integers(1, 3), st.integers(1, 40)
SHAPES = st.tuples(SIDES, SIDES) | st.tuples(SHORT, st.just(5000)) | st.tuples(st.just(5000), SHORT)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def framed(pixels: np.ndarray, height: int, width: int, fit: Fit, background: str = "white") -> np.ndarray:
    return frame(Image.fromarray(pixels), Framing(height, width, 3, fit, background))


@given(SHAPES, st.integers(1, 24), st.integers(1, 24), st.sampled_from([1, 3]), FITS)
def test_every_shape_fits_every_frame(shape: tuple[int, int], height: int, width: int, channels: int, fit: Fit) -> None:
    out = frame(Image.new("RGB", shape, (40, 40, 40)), Framing(height, width, channels, fit, "black"))
    assert out.dtype == np.uint8
    if fit == "random-crop":  # covers the frame, and is longer on one axis
        assert out.shape[0] == height or out.shape[1] == width
        one_pixel = max(width / shape[0], height / shape[1])  # of the picture, enlarged
        for found, wanted in zip(out.shape[:2], (height, width), strict=True):
            assert wanted <= found <= LONGEST * wanted + one_pixel
        assert out.shape[2] == channels
    else:
        assert out.shape == (height, width, channels)
    assert set(np.unique(out)) <= ({0, 40} if fit == "pad" else {40})
    assert 40 in out


def test_crop_keeps_the_centre_at_the_frame_s_aspect() -> None:
    pixels = noise(10, 30)
    assert np.array_equal(framed(pixels, 10, 20, "crop"), pixels[:, 5:25])
    assert np.array_equal(framed(pixels, 10, 4, "crop"), pixels[:, 13:17])
    tall = noise(30, 10)
    assert np.array_equal(framed(tall, 20, 10, "crop"), tall[5:25])


def test_pad_keeps_the_whole_picture_in_the_middle() -> None:
    pixels = noise(10, 30)
    out = framed(pixels, 20, 30, "pad", "#102030")
    assert np.array_equal(out[5:15], pixels)
    assert np.array_equal(np.unique(np.concatenate([out[:5], out[15:]]).reshape(-1, 3), axis=0), [[0x10, 0x20, 0x30]])
    grey = frame(Image.fromarray(pixels), Framing(20, 30, 1, "pad", "red"))
    assert set(grey[:5].ravel()) == {76}  # the luma of red
    small = framed(np.full((100, 50, 3), 9, np.uint8), 10, 10, "pad", "black")
    assert (small[:, :2].max(), small[:, 3:7].min(), small[:, 3:7].max(), small[:, 8:].max()) == (0, 9, 9, 0)


def test_stretch_bends_the_whole_picture_to_shape() -> None:
    left_and_right = np.zeros((4, 40, 3), np.uint8)
    left_and_right[:, 20:] = 200
    out = framed(left_and_right, 16, 8, "stretch")
    assert out[:, :3].max() <= 4
    assert out[:, 5:].min() >= 196
    pixels = noise(9, 7)
    assert np.array_equal(framed(pixels, 9, 7, "stretch"), pixels)


def test_random_crop_keeps_what_windows_are_drawn_from() -> None:
    pixels = noise(10, 30)
    assert np.array_equal(framed(pixels, 10, 10, "random-crop"), pixels)
    assert np.array_equal(framed(pixels, 10, 5, "random-crop"), pixels[:, 5:25])  # four times as wide as the frame
    long = framed(noise(10, 4000), 10, 10, "random-crop")
    assert np.array_equal(long, noise(10, 4000)[:, 1980:2020])
    assert framed(noise(20, 60), 10, 10, "random-crop").shape == (10, 30, 3)
    assert framed(noise(60, 20), 10, 10, "random-crop").shape == (30, 10, 3)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ((0, 8, 3), "size = 0 is out of range"),
        ((8, LARGEST_SIDE + 1, 3), "size = 4097 is out of range; give a side of 1 to 4096 pixels"),
        ((8, 8, 2), r"channels = 2 is out of range; give 1 \(grey\) or 3 \(RGB\)"),
        ((8, 8, 3, "padd"), r"fit = padd is none of crop, pad, stretch, random-crop\. Did you mean pad"),
        ((8, 8, 3, "pad", "whitish"), "background = whitish is no colour; give a name such as white, or #rrggbb"),
        ((8, 8, 3, "pad", ""), "background =  is no colour"),
        ((8, 8, 3, "pad", "#12345"), "background = #12345 is no colour"),
        ((8, 8, 3, "pad", "x" * 5000), "is no colour"),
    ],
)
def test_frames_that_are_none_are_told(values: tuple, says: str) -> None:
    with pytest.raises(UserError, match=says):
        Framing(*values)


def test_colours() -> None:
    assert colour_of("white") == colour_of("#fff") == colour_of("#FFFFFF") == (255, 255, 255)
    assert colour_of("#10203040") == (0x10, 0x20, 0x30)
    assert Framing(4, 6, 1).shape == (4, 6, 1)


def test_huge_pictures_are_worked_on_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, busy, most = pictures._framed, [0], [0]

    def watched(image: Image.Image, framing: Framing) -> np.ndarray:
        busy[0] += 1
        most[0] = max(most[0], busy[0])
        time.sleep(0.02)
        busy[0] -= 1
        return whole(image, framing)

    monkeypatch.setattr(pictures, "_framed", watched)
    with ThreadPoolExecutor(4) as pool:
        for pixels, at_once in ((64, 4), (63, 1)):
            monkeypatch.setattr(pictures, "HUGE", pixels)
            most[0] = 0
            list(pool.map(lambda i: frame(Image.new("L", (8, 8)), Framing(4, 4, 1)), range(8)))
            assert most[0] == at_once
