"""A set written for others to read: the zip layout of StyleGAN, which ganvas reads too."""

from __future__ import annotations

import csv
import io
import json
import os
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from ganvas.data.arrays import OnTheFly, Pixels
from ganvas.data.dataset import Dataset
from ganvas.data.labelled import UNKNOWN
from ganvas.data.sources.base import Attributes
from ganvas.errors import UserError

_BLOCK = 256
_A_FOLDER = 1000  # pictures in each of StyleGAN's numbered folders


def export(dataset: Dataset, out: Path) -> None:
    """Writes PNGs and `dataset.json` into a zip archive, aside and renamed.

    Images: `00000/img00000000.png` ... with `{"labels": [[file, class], ...]}` or null, as NVIDIA's dataset_tool writes
    it (an unknown class is null), and besides "label_names" and `attributes.csv` where there are any. Pairs: `A/` and
    `B/`. Domains: `trainA/` and `trainB/`.

    Raises:
        UserError: `out` is no .zip, exists, or cannot be written; the set has no images to write.
    """
    demand_free(out)
    if dataset.world is not None:
        raise UserError(f"{dataset.name} is a 2-D world of points, which has no images to pack.")
    if dataset.recipe:
        raise UserError(
            f"--pairs {dataset.recipe} is made from the images while training, so there is nothing to pack; leave it "
            "out and give it to `ganvas train`."
        )
    aside = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as archive:  # PNGs hardly shrink
            for name, content in _files(dataset):
                archive.writestr(name, content)
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        aside.replace(out)
    except OSError as e:
        raise UserError(f"{out} cannot be written ({e.strerror or e}); give a path with room.") from None
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def demand_free(out: Path) -> None:
    """A `UserError` where no archive can be written at `out`: it is no .zip, or exists."""
    if out.suffix.lower() != ".zip":
        raise UserError(f"{out} does not end in .zip; the set is written as one zip archive, so name it {out}.zip.")
    if out.exists():
        raise UserError(f"{out} exists and is left as it is; give another name, or take it away first.")


def _files(dataset: Dataset) -> Iterator[tuple[str, bytes]]:
    if dataset.inputs is not None:
        sides = ("A", "B") if dataset.task == "pairs" else ("trainA", "trainB")
        for side, pixels in zip(sides, (dataset.inputs, dataset.samples), strict=True):
            yield from _pictures(pixels, [f"{side}/img{i:08d}.png" for i in range(len(pixels))])
        return
    names = [f"{i // _A_FOLDER:05d}/img{i:08d}.png" for i in range(len(dataset))]
    yield from _pictures(dataset.samples, names)
    written = [i for i in range(len(dataset)) if i not in _unread(dataset.samples)]
    listing: dict[str, object] = {"labels": None}
    if dataset.labels is not None:
        classes = [None if label == UNKNOWN else label for label in dataset.labels.tolist()]
        listing = {"labels": [[names[i], classes[i]] for i in written]}
        listing["label_names"] = list(dataset.label_names)
    yield "dataset.json", json.dumps(listing).encode()
    if dataset.attributes is not None:
        yield "attributes.csv", table_of(dataset.attributes, {names[i]: i for i in written})


def _pictures(pixels: Pixels, names: list[str]) -> Iterator[tuple[str, bytes]]:
    """PNGs of all that can be read."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(pixels), _BLOCK):
            for i, content in enumerate(pool.map(png, pixels[start : start + _BLOCK]), start):
                if i not in _unread(pixels):
                    yield names[i], content


def _unread(pixels: Pixels) -> dict[int, str]:
    """What could not be read so far, in whose place there is another picture."""
    return pixels.skipped if isinstance(pixels, OnTheFly) else {}


def png(image: np.ndarray) -> bytes:
    """The PNG of an image, uint8 [H, W, 1 or 3]."""
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG")
    return file.getvalue()


def table_of(attributes: Attributes, rows: dict[str, int]) -> bytes:
    """The table of attributes as CSV, with a row {file: row of the values} for each file."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["file", *attributes.names])
    for name, i in rows.items():
        writer.writerow([name, *(_cell(attributes, k, v) for k, v in enumerate(attributes.values[i]))])
    return text.getvalue().encode()


def _cell(attributes: Attributes, column: int, value: float) -> str:
    if np.isnan(value):
        return ""
    words = attributes.words.get(attributes.names[column])
    return words[int(value)] if words else f"{value:.9g}"
