"""The idx files of MNIST and the sets made after it (LeCun et al. 1998): a folder of four, gzipped or plain.

An idx file is two zero bytes, a byte for the type (8: unsigned bytes), a byte for the number of dimensions, each
dimension as a big-endian 32-bit number, and the values.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ganvas.data.containers import BROKEN, Container
from ganvas.data.problems import digest, why
from ganvas.data.sources.base import choose_part
from ganvas.data.sources.frames import Frames
from ganvas.errors import UserError

MOST_BYTES = 1 << 30  # a header may promise anything; the largest of these sets has 640 MB
_PREFIX = {"train": "train", "test": "t10k"}
_IMAGES = re.compile(r"(?:.*/)?(?:train|t10k)-images[-.]idx3-ubyte(?:\.gz)?")


class Idx(Frames):
    """`train-images-idx3-ubyte` and `t10k-images-idx3-ubyte`, each with its labels, perhaps `.gz`."""

    splits = ("train", "test")

    @classmethod
    def claims(cls, files: Container) -> bool:
        return any(map(_IMAGES.fullmatch, files.names))

    def __init__(self, files: Container, split: str | None = None) -> None:
        part = choose_part(files.name, split, self.splits)
        assert part
        images = _find(files, _PREFIX[part], "images", 3)
        if images is None:
            raise UserError(
                f"{files.path} has no file {_PREFIX[part]}-images-idx3-ubyte, so its {part} part is missing; add it."
            )
        labels = _find(files, _PREFIX[part], "labels", 1)
        self.name = files.name + ("-test" if part == "test" else "")
        self.fingerprint = digest(files.fingerprint, part)
        self.frames, self.file = read_idx(files, images, 3), files.where(images)
        if labels:
            self.labels = read_idx(files, labels, 1).astype(np.int64)
            if len(self.labels) != len(self.frames):
                raise UserError(
                    f"{files.where(labels)} has {len(self.labels)} labels for the {len(self.frames)} images of "
                    f"{images}; download both again."
                )
            self.label_names = tuple(str(i) for i in range(self.labels.max() + 1))


def _find(files: Container, prefix: str, what: str, dimensions: int) -> str | None:
    pattern = re.compile(rf"(?:.*/)?{prefix}-{what}[-.]idx{dimensions}-ubyte(?:\.gz)?")
    found = [name for name in files.names if pattern.fullmatch(name)]
    folders = sorted(set(map(_folder, found)))
    if len(folders) > 1:
        raise UserError(f"{files.path} holds several sets of idx files ({', '.join(folders)}); name one of them.")
    return found[0] if found else None


def _folder(name: str) -> str:
    """Where a file lies; an unpacked file may lie in a folder of its own name."""
    folder, _, file = name.rpartition("/")
    above, _, last = folder.rpartition("/")
    return (above if last == file else folder) or "."


def read_idx(files: Container, name: str, dimensions: int) -> np.ndarray:
    """The unsigned bytes of an idx file with that many dimensions; each of its promises is checked."""
    where = files.where(name)
    try:
        found = files.open(name)
        with ExitStack() as stack:
            file = stack.enter_context(found.open("rb") if isinstance(found, Path) else found)
            if name.endswith(".gz"):
                file = stack.enter_context(gzip.open(file))  # type: ignore[assignment]
            return _read(file, where, dimensions)
    except UserError:
        raise
    except BROKEN as e:
        raise UserError(f"{where} is damaged or cannot be read ({why(e)}); download it again.") from None


def _read(file: BinaryIO, where: str, dimensions: int) -> np.ndarray:
    header = file.read(4 + 4 * dimensions)
    if len(header) < 4 + 4 * dimensions or header[:4] != bytes((0, 0, 8, dimensions)):
        raise UserError(f"{where} is not an idx file of bytes in {dimensions} dimensions; download it again.")
    shape = struct.unpack(f">{dimensions}I", header[4:])
    size = math.prod(shape)
    if not 0 < size <= MOST_BYTES:
        raise UserError(
            f"{where} promises {' x '.join(map(str, shape))} bytes, which no such set has; download it again."
        )
    values = file.read(size + 1)  # one more than promised, to see that there is none
    if len(values) != size:
        found = f"only {len(values):,}" if len(values) < size else "more"
        raise UserError(f"{where} promises {size:,} values and holds {found}: it is damaged; download it again.")
    return np.frombuffer(values, np.uint8).reshape(shape)
