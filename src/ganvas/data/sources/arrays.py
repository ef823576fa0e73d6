"""Arrays of NumPy: one .npz or .npy file, or .npy files in a folder or an archive.

The pictures are called `images`, `x`, `data`, `samples`, `imgs` or `arr_0`, or are the only array of three or four
dimensions; labels are called `labels`, `y`, `label`, `targets` or `arr_1`. The parts of a set have names such as
`train_images` (MedMNIST, Yang et al. 2023) and `x_test` (Keras).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np

from ganvas.data.containers import Container, FolderFiles, OneFile
from ganvas.data.pictures import MOST_PIXELS, is_picture
from ganvas.data.problems import printable
from ganvas.data.sources.base import Attributes, choose_part, digest
from ganvas.data.sources.frames import Frames
from ganvas.data.sources.labels import MOST_CLASSES, Labels
from ganvas.data.sources.npy import NpzFiles, read_npy, value_range
from ganvas.errors import UserError

IMAGES = ("images", "x", "data", "samples", "imgs", "arr_0")
LABELS = ("labels", "y", "label", "targets", "arr_1")
PARTS = ("train", "val", "valid", "validation", "test")
_KEY = re.compile(
    rf"(?:.*/)??(?:({'|'.join(PARTS)})[_/])?({'|'.join(IMAGES + LABELS)})(?:_({'|'.join(PARTS)}))?\.npy", re.IGNORECASE
)
_NEAR = 1e-3  # by so much may rounding overshoot a range; less than half a level


class Arrays(Frames):
    """Pictures of one size: [n, h, w], [n, h, w, 1, 3 or 4] or [n, 1 or 3, h, w].

    Whole numbers lie in 0..255 (uint16: 0..65535); floats in 0..1, -1..1 or 0..255, whichever their least and greatest
    value fit. Labels are whole numbers, text or one-hot rows; other numbers become attributes.
    """

    @classmethod
    def claims(cls, files: Container) -> bool:
        return not any(map(is_picture, files.names)) and _arrays(files) is not None

    def __init__(self, files: Container, split: str | None = None) -> None:
        found = _arrays(files)
        assert found
        arrays = NpzFiles(found) if isinstance(found, Path) else found
        images, labels = _images(arrays), _named(arrays, LABELS)
        self.splits = tuple(p for p in PARTS if p in images)
        part = choose_part(files.name, split, self.splits)
        self.name = files.name + (f"-{part}" if part not in (None, "train") else "")
        self.fingerprint = digest(files.fingerprint, part)
        self.file = arrays.where(images[part])
        self.frames = _as_pictures(read_npy(arrays, images[part]), self.file)
        self._low, self._high = _levels(self.frames, self.file)
        if part in labels:
            self._label(arrays, labels[part], [name for p, name in labels.items() if p in images and p != part])

    def frame(self, i: int) -> np.ndarray:
        frame = self.frames[i]
        if frame.dtype == np.uint8:
            return frame
        scaled = (frame.astype(np.float32) - self._low) * (255 / (self._high - self._low))
        return np.rint(scaled).astype(np.uint8)

    def _label(self, files: Container, name: str, others: list[str]) -> None:
        """Labels from one array; those of the other parts only help to know all classes."""
        where, n = files.where(name), len(self.frames)
        given = [read_npy(files, each) for each in (name, *others)]
        if given[0].shape[:1] != (n,):
            raise UserError(f"{where} has labels of shape {given[0].shape} for the {n} images of {self.file}; mend it.")
        try:
            found = as_labels(np.concatenate(given), where)
        except UserError:
            raise
        except ValueError as e:
            others_too = " and the labels of the other parts" if others else ""
            raise UserError(f"{where}{others_too} cannot be read as labels ({e}); mend it.") from None
        self.label_names = found.names
        if found.indices is not None:
            self.labels = found.indices[:n]
        if found.attributes:
            self.attributes = Attributes(found.attributes.names, found.attributes.values[:n])


def _arrays(files: Container) -> Container | Path | None:
    """What holds the arrays: the files themselves or the one npz archive among them; None where it is neither."""
    npy = [name for name in files.names if name.lower().endswith(".npy")]
    if len(npy) == 1 or any((match := _KEY.fullmatch(name)) and match[2].lower() in IMAGES for name in npy):
        return files
    npz = [name for name in files.names if name.lower().endswith(".npz")]
    path = files.open(npz[0]) if len(npz) == 1 and isinstance(files, FolderFiles | OneFile) else None
    return path if isinstance(path, Path) else None


def _named(files: Container, words: tuple[str, ...]) -> dict[str | None, str]:
    """The array that each part calls one of the words; None is a set without parts. The first word outweighs others."""
    found: dict[str | None, tuple[int, str]] = {}
    for name in files.names:
        if (match := _KEY.fullmatch(name)) and match[2].lower() in words:
            part, rank = (match[1] or match[3] or "").lower() or None, words.index(match[2].lower())
            before = found.get(part, (len(words), ""))
            if rank == before[0]:
                raise UserError(f"{files.path} holds both {before[1]} and {name}; take one of them away.")
            found[part] = min(before, (rank, name))
    return {part: name for part, (_, name) in found.items()}


def _images(files: Container) -> dict[str | None, str]:
    """The array of pictures of each part; None is a set without parts."""
    found = _named(files, IMAGES)
    if None in found and len(found) > 1:
        raise UserError(f"{files.path} holds {found[None]} beside parts such as train_images; take one of them away.")
    if found:
        return found
    arrays = [name for name in files.names if name.lower().endswith(".npy")]
    fit = [name for name in arrays if read_npy(files, name).ndim in (3, 4)] if len(arrays) > 1 else arrays
    if len(fit) != 1:
        raise UserError(
            f"{files.path} holds the arrays {', '.join(arrays)[:200] or '(none)'}, and none of them is called images; "
            "name the one that holds the pictures so."
        )
    return {None: fit[0]}


def _as_pictures(values: np.ndarray, where: str) -> np.ndarray:
    """[n, h, w] or [n, h, w, 1, 3 or 4]."""
    shape = values.shape
    if values.ndim == 4 and shape[3] not in (1, 3, 4) and shape[1] in (1, 3):
        values = values.transpose(0, 2, 3, 1)
    is_one = values.ndim == 3 and shape[2] == 3  # no pictures are three pixels wide
    if values.ndim not in (3, 4) or (values.ndim == 4 and values.shape[3] not in (1, 3, 4)) or is_one:
        raise UserError(
            f"{where} has the shape {shape}; pictures are [n, height, width], [n, height, width, 1, 3 or 4] or "
            "[n, 1 or 3, height, width]."
        )
    if values.dtype.kind not in "buif":
        raise UserError(f"{where} holds text and no pictures; save them as uint8.")
    if values.shape[1] * values.shape[2] > MOST_PIXELS:
        raise UserError(f"{where} has pictures of more than the {MOST_PIXELS:,} pixels that are let in; cut them up.")
    return values


def _levels(values: np.ndarray, where: str) -> tuple[float, float]:
    """The values that mean black and white."""
    if values.dtype.kind == "b":
        return 0, 1
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:
        return 0, np.iinfo(values.dtype).max
    low, high = value_range(values)
    if not np.isfinite(low + high):
        raise UserError(f"{where} holds values that are not finite (NaN or infinity); mend them.")
    if low >= -_NEAR and high <= 1 + _NEAR and values.dtype.kind == "f":
        return 0, 1
    if low >= -1 - _NEAR and high <= 1 + _NEAR and values.dtype.kind == "f":
        return -1, 1
    if low >= 0 and high <= 255 and (high > 1.5 or values.dtype.kind != "f"):
        return 0, 255
    raise UserError(f"{where} holds values from {low:g} to {high:g}; scale them to 0..1, -1..1 or 0..255.")


def as_labels(values: np.ndarray, where: str) -> Labels:
    """Classes from whole numbers, text or one-hot rows; attributes from other numbers.

    Args:
        values: [n], [n, 1] or [n, k].
        where: their file, for messages.

    Raises:
        UserError: labels of another shape, numbers that are no classes, or too many classes.
        ValueError: text that is damaged.
    """
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    if values.ndim not in (1, 2) or (values.ndim == 2 and values.dtype.kind == "U"):
        raise UserError(f"{where} has the shape {values.shape}; labels are [n], or one-hot [n, classes].")
    if values.dtype.kind == "U":
        letters = np.ascontiguousarray(values, values.dtype.newbyteorder("=")).view(np.uint32)
        if letters.size and letters.max() > sys.maxunicode:  # NumPy does not check
            raise ValueError("it holds letters that there are not")
        names, indices = np.unique(values, return_inverse=True)
        if len(names) > MOST_CLASSES:
            raise UserError(f"{where} holds {len(names):,} different texts, too many for classes; take it away.")
        return Labels(indices.astype(np.int64), tuple(map(printable, names.tolist())))
    if values.ndim == 2 and ((values == 0) | (values == 1)).all() and (values.sum(axis=1) == 1).all():
        return Labels(values.argmax(axis=1).astype(np.int64), tuple(map(str, range(values.shape[1]))))
    if values.ndim == 2 or not np.array_equal(values, np.rint(values)):
        table = values.reshape(len(values), -1).astype(np.float32)
        return Labels(attributes=Attributes(tuple(f"label_{j}" for j in range(table.shape[1])), table))
    if values.min() < 0 or values.max() >= MOST_CLASSES:
        wrong = values.min() if values.min() < 0 else values.max()
        raise UserError(f"{where} holds the label {wrong:g}, which is no class from 0 to {MOST_CLASSES - 1}; mend it.")
    return Labels(values.astype(np.int64), tuple(map(str, range(int(values.max()) + 1))))
