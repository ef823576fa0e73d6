"""The idx files of MNIST and the sets made after it (LeCun et al. 1998): a folder of four, gzipped or plain.

An idx file is two zero bytes, a byte for the type (8: unsigned bytes), a byte for the number of dimensions, each
dimension as a big-endian 32-bit number, and the values.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from ganvas.data.sources.base import Format, digest, printable, stamp, stem
from ganvas.errors import UserError

MOST_BYTES = 1 << 32  # a header may promise anything; the largest of these sets has 640 MB
_PREFIX = {"train": "train", "test": "t10k"}


class IdxFolder(Format):
    """A folder with `train-images-idx3-ubyte` and `t10k-images-idx3-ubyte`, each with its labels, perhaps `.gz`."""

    splits = ("train", "test")

    @classmethod
    def claims(cls, path: Path) -> bool:
        return path.is_dir() and any(_find(path, prefix, "images", 3) for prefix in _PREFIX.values())

    def __init__(self, path: Path, split: str | None = None) -> None:
        part = split or "train"
        images = _find(path, _PREFIX[part], "images", 3)
        if images is None:
            raise UserError(
                f"{path} has no file {_PREFIX[part]}-images-idx3-ubyte, so its {part} part is missing; add it."
            )
        labels = _find(path, _PREFIX[part], "labels", 1)
        self.path, self.name = images, printable(stem(path)) + ("-test" if part == "test" else "")
        self._images = read_idx(images, 3)
        self.fingerprint = digest(stamp(images), stamp(labels) if labels else None)
        if labels:
            self.labels = read_idx(labels, 1).astype(np.int64)
            if len(self.labels) != len(self._images):
                raise UserError(
                    f"{labels} has {len(self.labels)} labels for the {len(self._images)} images of {images.name}; "
                    "download both again."
                )
            self.label_names = tuple(str(i) for i in range(self.labels.max() + 1))

    def __len__(self) -> int:
        return len(self._images)

    def read(self, i: int) -> Image.Image:
        return Image.fromarray(self._images[i])

    def where(self, i: int) -> str:
        return f"{self.path}, image {i}"


def _find(folder: Path, prefix: str, what: str, dimensions: int) -> Path | None:
    pattern = re.compile(rf"{prefix}-{what}[-.]idx{dimensions}-ubyte(\.gz)?")
    return next((p for p in sorted(folder.iterdir()) if pattern.fullmatch(p.name) and p.is_file()), None)


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The unsigned bytes of an idx file with that many dimensions; each of its promises is checked."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return _read(file, path, dimensions)
    except (OSError, EOFError, zlib.error) as e:
        raise UserError(f"{path} is damaged or cannot be read ({e}); download it again.") from None


def _read(file: BinaryIO | gzip.GzipFile, path: Path, dimensions: int) -> np.ndarray:
    header = file.read(4 + 4 * dimensions)
    if len(header) < 4 + 4 * dimensions or header[:4] != bytes((0, 0, 8, dimensions)):
        raise UserError(f"{path} is not an idx file of bytes in {dimensions} dimensions; download it again.")
    shape = struct.unpack(f">{dimensions}I", header[4:])
    size = math.prod(shape)
    if not 0 < size <= MOST_BYTES:
        raise UserError(
            f"{path} promises {' x '.join(map(str, shape))} bytes, which no such set has; download it again."
        )
    values = file.read(size + 1)  # one more than promised, to see that there is none
    if len(values) != size:
        found = f"only {len(values):,}" if len(values) < size else "more"
        raise UserError(f"{path} promises {size:,} values and holds {found}: it is damaged; download it again.")
    return np.frombuffer(values, np.uint8).reshape(shape)
