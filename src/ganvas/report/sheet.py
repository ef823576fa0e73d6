"""A contact sheet: what training will see of a set, with its labels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ganvas.data import Dataset, Stream
from ganvas.report.grid import INK, PAPER, cut, enlargement, save_grid, to_uint8

_CAPTION = 14  # pixels, of the line under a picture
_MOST_COLUMNS = 12


def save_sheet(path: Path, dataset: Dataset, n: int = 48, seed: int = 0) -> Path:
    """Writes a picture of the first `n` samples in the order of training: augmented as there, labels below.

    Of pairs each tile is A | B; of domains all of A come before B; of a 2-D world its points are drawn.
    """
    if dataset.world is not None:
        return _points(path, dataset, n)
    n = min(n, len(dataset))
    batch = Stream(dataset, seed).batch(0, 0, n)
    names = [""] * n
    if "y" in batch:
        names = [dataset.label_names[y] if y >= 0 else "?" for y in batch["y"].tolist()]
    if dataset.task == "images":
        images = to_uint8(batch["x"])
    elif dataset.task == "pairs":
        a, b = rgb(to_uint8(batch["a"])), rgb(to_uint8(batch["b"]))
        images = np.concatenate([a, b], axis=2)
    else:
        images = np.concatenate([rgb(to_uint8(batch[side])) for side in "ab"])
        names = ["A"] * n + ["B"] * n
    columns = min(_MOST_COLUMNS, max(1, round((len(images) * images.shape[1] / images.shape[2] * 1.4) ** 0.5)))
    if not any(names):
        return save_grid(path, images, columns)
    return save_grid(path, captioned(rgb(images), names), columns, scale=1)


def rgb(images: np.ndarray) -> np.ndarray:
    """[n, height, width, 3] of images [n, height, width, 1 or 3]."""
    return np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images


def captioned(images: np.ndarray, names: list[str]) -> np.ndarray:
    """Every picture enlarged to be seen, on paper, with its name below."""
    scale = enlargement(*images.shape[1:3])
    height, width = images.shape[1] * scale, images.shape[2] * scale
    font = ImageFont.load_default(size=_CAPTION - 3)
    tiles = []
    for image, name in zip(images, names, strict=True):
        tile = Image.new("RGB", (width, height + _CAPTION), PAPER)
        tile.paste(Image.fromarray(image.repeat(scale, 0).repeat(scale, 1)), (0, 0))
        ImageDraw.Draw(tile).text((2, height), cut(name, font, width - 4), INK, font)
        tiles.append(np.asarray(tile))
    return np.stack(tiles)


def _points(path: Path, dataset: Dataset, n: int) -> Path:
    from matplotlib.figure import Figure

    from ganvas.data.worlds import EXTENT
    from ganvas.report.points import REAL

    fig = Figure(figsize=(4, 4), dpi=150, layout="constrained")
    axes = fig.subplots()
    x, y = dataset.samples[: max(n, 2500)].T
    axes.scatter(x, y, s=2, color=REAL)
    axes.set(xlim=(-EXTENT, EXTENT), ylim=(-EXTENT, EXTENT), aspect="equal", title=dataset.name)
    drawn = io.BytesIO()
    fig.savefig(drawn)
    with Image.open(drawn) as picture:
        return save_grid(path, np.asarray(picture.convert("RGB"))[None], scale=1)
