"""Labels of picture files: from the folders they lie in, or from StyleGAN's `dataset.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

from ganvas.data.labelled import FOLDERS, UNKNOWN
from ganvas.data.problems import Problem, printable, why
from ganvas.data.sources.base import Attributes
from ganvas.errors import UserError

LISTING = "dataset.json"
MOST_CLASSES = 100_000  # a label is a row of an embedding: a typing mistake must not ask for a billion


class Labels(NamedTuple):
    indices: np.ndarray | None = None
    names: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    attributes: Attributes | None = None
    """What labels that are vectors turn into."""


def by_folder(names: Sequence[str]) -> Labels:
    """A class for each folder, as in `cats/a.png` and `dogs/b.png`, where every file lies in one of two or more.

    Folders that all files share are passed over: `pets/cats/a.png` and `pets/dogs/b.png` are cats and dogs. What lies
    in a folder `unlabelled` (or `unlabeled`) is of no known class.
    """
    folders = [name.split("/")[:-1] for name in names]
    shared = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, zip(*folders, strict=False)))
    if any(len(f) == shared for f in folders):
        return Labels()
    of_each = [f[shared] for f in folders]
    classes = sorted(c for c in set(of_each) if c.lower() not in FOLDERS)
    if not classes:
        return Labels()
    index = dict.fromkeys(of_each, UNKNOWN) | {c: i for i, c in enumerate(classes)}
    return Labels(np.array([index[c] for c in of_each], np.int64), tuple(map(printable, classes)))


def by_listing(listing: bytes, where: str, names: Sequence[str]) -> Labels:
    """Labels from StyleGAN's `{"labels": [["img.png", 3], ...]}`; null says that there are none.

    A file whose label is null is of no known class, which StyleGAN does not take.
    Classes are named by `label_names` beside the labels, or by their indices up to the greatest. Labels that are
    vectors, as StyleGAN also takes them, become attributes `label_0`, `label_1`, ...; one-hot vectors are classes. A
    listed file that is missing is a problem; a file without a label, or a label that is no class, is a mistake.
    """
    try:
        content = json.loads(listing)
    except (ValueError, RecursionError) as e:
        raise UserError(f"{where} is not valid JSON ({why(e)}); mend it or take it away.") from None
    entries = content.get("labels") if isinstance(content, dict) else content
    if isinstance(content, dict) and entries is None:
        return Labels()
    if not isinstance(content, dict) or not isinstance(entries, list):
        raise UserError(f'{where} is not of the form {{"labels": [["img.png", 3], ...]}}; mend it or take it away.')
    given: dict[str, Any] = {}
    for entry in entries:
        if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str)):
            raise UserError(
                f'{where}: the entry {str(entry)[:80]} of "labels" is not a file\'s name and a whole number.'
            )
        given[entry[0].replace("\\", "/").removeprefix("./")] = entry[1]
    if without := next((n for n in names if n not in given), None):
        raise UserError(f'{where} gives no label for {printable(without)}; add it, or set "labels" to null.')
    missing = tuple(
        Problem(printable(n), f"listed in {where}, but not there") for n in sorted(given.keys() - set(names))
    )
    if given and all(isinstance(label, list) for label in given.values()):
        return _by_vector([given[n] for n in names], where, missing)
    if all(label is None for label in given.values()):
        return Labels(problems=missing)
    for file, label in given.items():
        if label is not None and (
            isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < MOST_CLASSES
        ):
            raise UserError(
                f"{where}: the label {printable(str(label)[:80])} of {printable(file)} is not a whole number "
                f"from 0 to {MOST_CLASSES - 1}."
            )
    indices = np.array([UNKNOWN if given[n] is None else given[n] for n in names], np.int64)
    return Labels(indices, _class_names(content, int(indices.max(initial=-1)) + 1), missing)


def _class_names(content: dict[str, Any], n: int) -> tuple[str, ...]:
    """The names that `ganvas data pack` keeps beside the labels, or the indices themselves."""
    names = content.get("label_names")
    if isinstance(names, list) and n <= len(names) <= MOST_CLASSES and all(isinstance(name, str) for name in names):
        return tuple(map(printable, names))
    return tuple(str(i) for i in range(n))


def _by_vector(vectors: list[Any], where: str, missing: tuple[Problem, ...]) -> Labels:
    try:
        with np.errstate(over="ignore"):  # infinities are told below
            values = np.array(vectors, np.float32)
    except (ValueError, TypeError, OverflowError):
        values = np.empty(0, np.float32)
    if values.ndim != 2 or values.size == 0 or not np.isfinite(values).all():
        raise UserError(f"{where}: its labels are not vectors of numbers, all of the same length; mend them.")
    if set(np.unique(values)) <= {0.0, 1.0} and values.shape[1] > 1 and (values.sum(axis=1) == 1).all():
        return Labels(values.argmax(axis=1), tuple(str(i) for i in range(values.shape[1])), missing)
    names = tuple(f"label_{i}" for i in range(values.shape[1]))
    return Labels(problems=missing, attributes=Attributes(names, values))
