"""Drawings of flowers: a world of pictures of any number and size, whose every factor of variation is known.

A picture is a function of (seed, index, resolution) alone, and another resolution shows the same flower. Its shapes are
implicit curves, whose edges are smooth over one pixel; a scene is a list of layers that are painted from back to front
by day, by night, or as a drawing of lines.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

VERSION = 1  # of the drawings: in the next one, the same factors look otherwise
Look = Literal["day", "night", "outline"]
Box = tuple[slice, slice]  # rows and columns


class Species(NamedTuple):
    """The form of a petal: |s|^blunt < c·t^root·(1 - t), with t along it from 0 to 1, and c so that s fills -1 to 1."""

    root: float
    blunt: float  # 1 pointed, 2 round, 4 nearly square
    fill: float = 1  # its width, of the room between its neighbours
    notch: float = 0  # the length that is cut out of the middle of its tip
    teeth: float = 0  # the length of the fringe around its tip


class Scene(NamedTuple):
    """The colours of the sky above and at the horizon, of far and near hills, and of blurred lights."""

    sky: str
    haze: str
    far: str
    near: str
    light: str
    horizon: float  # of the side, from the top


SPECIES = {
    "buttercup": Species(2, 2, fill=1.15),
    "daisy": Species(2, 4, fill=0.7),
    "lily": Species(1, 1, fill=0.85),
    "primrose": Species(4, 4, fill=0.95, notch=0.24),
    "carnation": Species(4, 4, fill=1.0, teeth=0.16),
    "starflower": Species(0.25, 1, fill=0.65),
}
SCENES = {
    "meadow": Scene("#a9d8ea", "#eef3c8", "#a5cc74", "#6fa84a", "#fdf6b0", 0.50),
    "snow": Scene("#3f8fd8", "#cfe8f7", "#f4f9fd", "#dcecf8", "#ffffff", 0.80),
    "sand": Scene("#f3e2c0", "#fbf3e0", "#e6c690", "#cfa468", "#fffaf0", 0.55),
    "dusk": Scene("#43315f", "#f2926b", "#6b3f63", "#3c274d", "#ffd08a", 0.62),
    "lake": Scene("#bfe0e6", "#e9f4ee", "#6aaeb4", "#3f8794", "#ffffff", 0.48),
    "wood": Scene("#2f5b45", "#7fa56a", "#3c6b46", "#24492f", "#e4f3a6", 0.66),
}
FACTORS = {
    "species": (0, len(SPECIES)),
    "background": (0, len(SCENES)),
    "petals": (3, 10),
    "hue": (-150, 55),  # degrees, from blue over purple and red to yellow: a petal is not green
    "saturation": (0.25, 0.9),
    "centre_hue": (15, 65),  # degrees, from orange to lime
    "size": (0.24, 0.36),  # a petal's length, of the side
    "rotation": (0, 1),  # of the angle between two petals
    "x": (0.42, 0.58),  # the centre, of the side, from the left and from the top
    "y": (0.38, 0.48),
}
"""What varies from picture to picture, and its range without the end; each is drawn by itself and evenly."""
WHOLE = ("species", "background", "petals", "grain")


class Flower(NamedTuple):
    """A picture's `FACTORS`, and the seed of all else: small irregularities of petals, leaves, hills and lights."""

    species: int
    background: int
    petals: int
    hue: float
    saturation: float
    centre_hue: float
    size: float
    rotation: float
    x: float
    y: float
    grain: int


class Layer(NamedTuple):
    """A part of the plant that hides what lies behind it."""

    box: Box
    cover: np.ndarray  # [h, w], its share of each pixel
    ink: np.ndarray  # [h, w], the share of that which its outline takes
    rgb: np.ndarray  # [3, h, w]


def paint(flower: Flower, size: int, look: Look = "day") -> np.ndarray:
    """The flower as uint8 [size, size, 3]: by day, by night, or in black lines on white.

    The night is a function of the day: it shows every colour by moonlight, always under the same moon and stars, and
    the flower's centre glows. The outline tells all but the colours and the background.

    Args:
        flower: its factors, each in its range of `FACTORS`.
        size: the side, in pixels; memory grows with its square, to 1.1 GiB at 2048.
        look: how it is painted.
    """
    if size < 16:  # too few pixels for edges one pixel wide
        fold = -(-16 // size)
        large = paint(flower, fold * size, look).reshape(size, fold, size, fold, 3)
        return np.rint(large.mean(axis=(1, 3))).astype(np.uint8)
    at = ((np.arange(size) + 0.5) / size).astype(np.float32)
    x, y, centre = at[None, :], at[:, None], ([flower.x], [flower.y])
    if look == "outline":
        canvas = np.ones((3, size, size), np.float32)
    else:
        canvas = _background(flower, x, y, look == "night")
        canvas *= 1 - 0.45 * _blobs(x - 0.02, y - 0.03, *centre, [0.9 * flower.size])  # the plant's shadow
    for box, cover, ink, rgb in _plant(flower, x - flower.x, y - flower.y, size):
        colour = 1 - ink if look == "outline" else _moonlit(rgb) if look == "night" else rgb
        canvas[:, *box] += cover * (colour - canvas[:, *box])
    if look == "night":
        canvas += 0.5 * _blobs(x, y, *centre, [0.6 * flower.size]) * _hsv(flower.centre_hue, 0.5, 1)
    return (255 * canvas.transpose(1, 2, 0).clip(0, 1) + 0.5).astype(np.uint8)


def _background(flower: Flower, x: np.ndarray, y: np.ndarray, night: bool) -> np.ndarray:
    """[3, H, W]: a sky with blurred lights and, by night, moon and stars; before it two ranges of hills."""
    scene = list(SCENES.values())[flower.background]
    rng = np.random.default_rng([flower.grain, 0])
    sky, haze, light = map(_rgb, (scene.sky, scene.haze, scene.light))
    canvas = sky + np.minimum(y / scene.horizon, 1) * (haze - sky) + 0 * x
    across, down, radii = rng.random((3, 8))
    canvas += 0.5 * np.minimum(_blobs(x, y, across, down, 0.03 + 0.08 * radii), 1) * (light - canvas)
    if night:
        across, down = np.random.default_rng(0).random((2, 40))  # the same stars in every picture
        shine = _blobs(x, y, across, down, [0.006] * 40) + 0.25 * _blobs(x, y, [0.84], [0.15], [0.2])
        moon = np.exp(-np.minimum(((x - 0.84) ** 2 + (y - 0.15) ** 2) ** 2 / 0.05**4, 30))
        canvas = _moonlit(canvas) + _rgb("#dfe6ff") * np.minimum(shine + 0.85 * moon, 1)
    for k, colour in enumerate((scene.far, scene.near)):
        wave, phase = rng.random(2).tolist()
        top = scene.horizon + 0.2 * k + 0.05 * np.sin(2 * math.pi * ((0.6 + wave) * x + phase)).astype(np.float32)
        hill = _rgb(colour) * (1.1 - 0.3 * (y - top))
        canvas += ((y - top) / 0.02 + 0.5).clip(0, 1) * ((_moonlit(hill) if night else hill) - canvas)
    return canvas * ((0.7 if night else 1.06) - 0.6 * ((x - 0.5) ** 2 + (y - 0.5) ** 2))


def _plant(flower: Flower, x: np.ndarray, y: np.ndarray, size: int) -> Iterator[Layer]:
    """Stem, leaves, sepals, petals and centre; x [1, W] and y [H, 1] count from the centre, in sides."""
    rng = np.random.default_rng([flower.grain, 1])
    species, n, turn = list(SPECIES.values())[flower.species], flower.petals, 2 * math.pi / flower.petals
    angles = turn * (np.arange(n) + flower.rotation)
    leaf, green = Species(0.5, 1), _hsv(100, 0.55, 0.55)

    bend = float(rng.uniform(-0.25, 0.25))
    across = ((x - bend * y**2) / 0.014).astype(np.float32)
    stem = np.where(y > 0, 1 - np.abs(across), -1) * (0.014 * size)
    yield _layer((slice(None), slice(None)), stem[None], size, green * (1 - 0.3 * across.clip(-1, 1)))

    for left in (0, 1):
        down, tilt, length = rng.uniform((0.34, 0.3, 0.2), (0.46, 0.8, 0.28)).tolist()
        angle, base = tilt - math.pi if left else -tilt, bend * down**2
        box, d, t, s = _petals(x - base, y - down, [angle], [length], leaf, 0.26, size)
        yield _layer(box, d, size, green * (0.75 + 0.4 * t[0]) * (0.85 + 0.15 * np.minimum(np.abs(s[0]), 1)))

    box, d, t, _ = _petals(x, y, angles + turn / 2, [0.62 * flower.size] * n, leaf, 0.24, size)
    yield _layer(box, d, size, green * (0.6 + 0.6 * _over(d, t)[1]))

    lengths = flower.size * rng.uniform(0.95, 1.05, n)
    angles += rng.uniform(-0.05, 0.05, n)
    room = math.tan(turn / 2) * max(species.root / (species.root + 1), 0.5)  # at the petal's widest
    box, d, t, s = _petals(x, y, angles, lengths, species, species.fill * min(room, 0.5), size)
    yield _layer(box, d, size, _petal_colours(flower, angles, d, t, s, size))

    heart, k = 0.26 * flower.size, np.arange(1, 40)
    box = _around(x, y, heart)
    x, y = x[:, box[1]] / np.float32(heart), y[box[0]] / np.float32(heart)
    spiral = 0.95 * np.sqrt(k / 40) * np.exp(2.4j * k)  # florets, each a golden angle on from the last (Vogel 1979)
    florets = np.minimum(_blobs(x, y, spiral.real, spiral.imag, [0.1] * len(k)), 1)
    shade = (1.08 - 0.35 * (x**2 + y**2) - 0.12 * (x + y)) * (1 - 0.45 * florets)
    yield _layer(box, (1 - np.hypot(x, y))[None] * (heart * size), size, _hsv(flower.centre_hue, 0.85, 0.95) * shade)


def _petals(
    x: np.ndarray, y: np.ndarray, angles: Sequence[float] | np.ndarray, lengths: Sequence[float] | np.ndarray,
    form: Species, width: float, size: int,
) -> tuple[Box, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Petals around (0, 0); `width` is half of the width of each over its length.

    Returns:
        Where they are; and [n, h, w] each: a pixel's depth inside each petal, in pixels; its t along, its s across.
    """
    box = _around(x, y, 1.1 * max(lengths))
    x, y = x[:, box[1]], y[box[0]]
    cos, sin, scale = (
        np.asarray(v, np.float32).reshape(-1, 1, 1) for v in (np.cos(angles), np.sin(angles), 1 / np.asarray(lengths))
    )
    t = (x * cos + y * sin) * scale
    s = (y * cos - x * sin) * (scale / width)
    if form.notch:
        t = t / (1 - form.notch * np.exp(-((s / 0.4) ** 2)))
    if form.teeth:
        t = t / (1 - form.teeth * (0.5 - 0.5 * np.cos(4 * math.pi * s)))
    c = (form.root + 1) ** (form.root + 1) / form.root**form.root
    f = c * np.maximum(t, 0) ** form.root * (1 - t) - np.abs(s) ** form.blunt + np.minimum(t, 0)
    fy, fx = np.gradient(f, axis=(1, 2))
    return box, f / np.sqrt(fx**2 + fy**2 + 1e-9), t, s  # the distance to f = 0, to first order


def _petal_colours(
    flower: Flower, angles: np.ndarray, d: np.ndarray, t: np.ndarray, s: np.ndarray, size: int
) -> np.ndarray:
    """[3, h, w]: deep at the root, pale at the tip, veined, lit from above, and in the shadow of the next petal."""
    lit = np.cos(angles + 2.2).astype(np.float32).reshape(-1, 1, 1)
    veins = (1 + np.cos(18 * s)) * np.maximum(t * (1 - t), 0)
    shade = 1 + 0.1 * lit * s.clip(-1, 1) - 0.1 * np.minimum(s**2, 1) - 0.14 * veins
    shade[:-1] *= 1 - (1.6 * t[1:]).clip(0, 0.4) * np.exp(np.minimum(d[1:], 0) / (0.025 * size))
    _, t, shade = _over(d, t, shade)
    deep, body, pale = (
        _hsv(flower.hue + turn, flower.saturation * much, light)
        for turn, much, light in ((-14, 1.1, 0.62), (0, 1, 0.95), (8, 0.7, 1))
    )
    return (body + (1 - 2 * t).clip(0, 1) ** 1.5 * (deep - body) + (2 * t - 1).clip(0, 1) * (pale - body)) * shade


def _layer(box: Box, d: np.ndarray, size: int, rgb: np.ndarray) -> Layer:
    line = max(0.014 * size, 1)
    cover, ink = _over(d, (line + 0.5 - d).clip(0, 1))
    return Layer(box, cover, ink, rgb)


def _over(d: np.ndarray, *fields: np.ndarray) -> list[np.ndarray]:
    """Shapes [n, h, w], each hiding those before it: first what all cover, then the fields of what is seen; [h, w]."""
    cover = (d + 0.5).clip(0, 1)
    seen = cover.copy()
    seen[:-1] *= np.cumprod((1 - cover)[:0:-1], axis=0)[::-1]
    total = seen.sum(axis=0)
    return [total, *((seen * field).sum(axis=0) / np.maximum(total, 1e-6) for field in fields)]


def _around(x: np.ndarray, y: np.ndarray, reach: float) -> Box:
    """The rows and columns that are nearer to 0 than `reach`, and one more at each end."""
    ends = (np.searchsorted(along, (-reach, reach)).tolist() for along in (y[:, 0], x[0]))
    rows, columns = (slice(max(first - 1, 0), last + 1) for first, last in ends)
    return rows, columns


def _blobs(
    x: np.ndarray, y: np.ndarray, cx: Sequence[float] | np.ndarray, cy: Sequence[float] | np.ndarray,
    radii: Sequence[float] | np.ndarray,
) -> np.ndarray:  # fmt: skip
    """[H, W], the sum of exp(-((x - cx)² + (y - cy)²) / radius²), in which small ones spread over a pixel."""
    radius = np.asarray(radii)[:, None]
    spread = np.maximum(radius, 0.7 * (x[0, 1] - x[0, 0]))
    squares = (((v.ravel() - np.asarray(c)[:, None]) / spread) ** 2 for v, c in ((x, cx), (y, cy)))
    across, down = (np.exp(-np.minimum(square, 30)).astype(np.float32) for square in squares)  # never denormal and slow
    # Not `@`: BLAS would start threads, on whose number the last digits depend.
    return np.einsum("kh,kw->hw", down * ((radius / spread) ** 2).astype(np.float32), across)


def _moonlit(rgb: np.ndarray) -> np.ndarray:
    """The colours [3, ...] by night: greyer, darker and bluer."""
    rgb = 0.6 * rgb + 0.4 * rgb.mean(axis=0)
    return rgb * (0.4 + 0.6 * rgb) * _rgb("#7898ec")


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)], np.float32).reshape(3, 1, 1)


def _hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    return np.array(colorsys.hsv_to_rgb(hue / 360 % 1, saturation, value), np.float32).reshape(3, 1, 1)
