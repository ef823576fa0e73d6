"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images), as published.

In the binary version a record is a byte for the label (CIFAR-100: the coarse label, then the fine one) and 3,072 bytes
of a picture: 32 rows of red, then of green, then of blue. In the Python version a batch is a pickled dictionary of
`data`, uint8 [n, 3072], and lists of labels; it is read without unpickling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ganvas.data.containers import Container
from ganvas.data.sources.base import Attributes, choose_part, digest
from ganvas.data.sources.frames import Frames
from ganvas.data.sources.pickled import Pickled
from ganvas.errors import UserError

SIDE = 32
_PIXELS = 3 * SIDE * SIDE


class Kind(NamedTuple):
    """One of the labels of a picture: how many there are, and what lists and names them."""

    classes: int
    listed: str
    named: str


@dataclass(frozen=True)
class Layout:
    """The files of one version. Those of the names are one, or one for each kind of label."""

    train: tuple[str, ...]
    test: str
    names: str
    kinds: tuple[Kind, ...]
    pickled: bool


_BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))
_CIFAR10 = (Kind(10, "labels", "label_names"),)
_CIFAR100 = (Kind(20, "coarse_labels", "coarse_label_names"), Kind(100, "fine_labels", "fine_label_names"))
LAYOUTS = (
    Layout(tuple(f"{b}.bin" for b in _BATCHES), "test_batch.bin", "batches.meta.txt", _CIFAR10, pickled=False),
    Layout(("train.bin",), "test.bin", "{}.txt", _CIFAR100, pickled=False),
    Layout(_BATCHES, "test_batch", "batches.meta", _CIFAR10, pickled=True),
    Layout(("train",), "test", "meta", _CIFAR100, pickled=True),
)


class Cifar(Frames):
    """The published files, in a folder or the archive they come in. The class is the fine label of CIFAR-100.

    The coarse label of CIFAR-100 is the attribute `coarse`.
    """

    splits = ("train", "test")

    @classmethod
    def claims(cls, files: Container) -> bool:
        return bool(_layouts(files))

    def __init__(self, files: Container, split: str | None = None) -> None:
        part = choose_part(files.name, split, self.splits)
        found = _layouts(files)
        if len(found) > 1:
            folders = ", ".join(folder.rstrip("/") or "." for folder, _ in found)
            raise UserError(f"{files.path} holds CIFAR several times ({folders}); name one of them.")
        folder, layout = found[0]
        batches = [folder + name for name in (layout.train if part == "train" else (layout.test,))]
        if missing := next((name for name in batches if name not in files), None):
            raise UserError(f"{files.path} has no file {missing}, so its {part} part is not whole; add it.")
        read = [(_pickled if layout.pickled else _binary)(files, name, layout.kinds) for name in batches]

        self.name = files.name + ("-test" if part == "test" else "")
        self.fingerprint = digest(files.fingerprint, part)
        planes = np.concatenate([pixels for pixels, _ in read])
        self.frames = planes.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
        self._files, self._starts = [files.where(b) for b in batches], np.cumsum([0, *(len(p) for p, _ in read)])
        labels = np.concatenate([labels for _, labels in read])
        names = [_names(files, folder + layout.names, kind, layout.pickled) for kind in layout.kinds]
        self.labels, self.label_names = labels[:, -1], names[-1]
        if len(layout.kinds) > 1:
            self.attributes = Attributes(("coarse",), labels[:, :1].astype(np.float32), {"coarse": names[0]})

    def where(self, i: int) -> str:
        batch = int(np.searchsorted(self._starts, i, side="right")) - 1
        return f"{self._files[batch]}, image {i - self._starts[batch]}"


def _layouts(files: Container) -> list[tuple[str, Layout]]:
    """(folder, version) of what the names look like: two of the first batch, the test part and the names are there."""
    found = []
    folders = sorted({name[: name.rfind("/") + 1] for name in files.names})
    for layout in LAYOUTS:
        looked_for = (layout.train[0], layout.test, layout.names.format(layout.kinds[-1].named))
        for folder in folders:
            if sum(folder + name in files for name in looked_for) >= 2:
                found.append((folder, layout))
    return found


def _binary(files: Container, name: str, kinds: tuple[Kind, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(uint8 [n, 3072], int64 [n, kinds]) of a batch."""
    content, length = files.text(name), len(kinds) + _PIXELS
    if not content or len(content) % length:
        raise UserError(
            f"{files.where(name)} has {len(content):,} bytes, which is no whole number of records of {length:,}: it "
            "is cut short; download it again."
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, length)
    return records[:, len(kinds) :], _checked(records[:, : len(kinds)], kinds, files.where(name))


def _pickled(files: Container, name: str, kinds: tuple[Kind, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(uint8 [n, 3072], int64 [n, kinds]) of a batch."""
    where = files.where(name)
    batch = Pickled(files.text(name), where)
    pixels, labels = batch.array("data"), [batch.array(kind.listed) for kind in kinds]
    if pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != _PIXELS or not len(pixels):
        raise UserError(f"{where}: its data is {pixels.dtype} {pixels.shape}, not uint8 (n, {_PIXELS:,}); replace it.")
    for column in labels:
        if column.shape != (len(pixels),):
            raise UserError(f"{where} has labels of shape {column.shape} for its {len(pixels)} images; replace it.")
    return pixels, _checked(np.stack(labels, axis=1), kinds, where)


def _checked(labels: np.ndarray, kinds: tuple[Kind, ...], where: str) -> np.ndarray:
    for kind, column in zip(kinds, labels.T, strict=True):
        if wrong := np.flatnonzero((column < 0) | (column >= kind.classes)).tolist():
            raise UserError(
                f"{where}: image {wrong[0]} has the label {column[wrong[0]]}, and there are {kind.classes} classes; "
                "download it again."
            )
    return labels.astype(np.int64)


def _names(files: Container, name: str, kind: Kind, pickled: bool) -> tuple[str, ...]:
    name = name.format(kind.named)
    if name not in files:
        raise UserError(f"{files.path} has no file {name}, which names the classes; add it.")
    content, where = files.text(name), files.where(name)
    if pickled:
        words = Pickled(content, where).words(kind.named)
    else:
        words = tuple(content.decode("utf-8", "replace").split())
    if len(words) != kind.classes:
        raise UserError(f"{where} names {len(words)} classes, and there are {kind.classes}; download it again.")
    return words
