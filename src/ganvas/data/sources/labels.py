"""Labels of picture files: from the folders they lie in, or from StyleGAN's `dataset.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

import numpy as np

from ganvas.data.sources.base import Problem
from ganvas.errors import UserError

LISTING = "dataset.json"
MOST_CLASSES = 100_000  # a label is a row of an embedding: a typing mistake must not ask for a billion


class Labels(NamedTuple):
    indices: np.ndarray | None = None
    names: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def by_folder(names: Sequence[str]) -> Labels:
    """A class for each folder, as in `cats/a.png` and `dogs/b.png`, where every file lies in one of two or more.

    Folders that all files share are passed over: `pets/cats/a.png` and `pets/dogs/b.png` are cats and dogs.
    """
    folders = [name.split("/")[:-1] for name in names]
    shared = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, zip(*folders, strict=False)))
    if any(len(f) == shared for f in folders):
        return Labels()
    of_each = [f[shared] for f in folders]
    classes = sorted(set(of_each))
    index = {c: i for i, c in enumerate(classes)}
    return Labels(np.array([index[c] for c in of_each], np.int64), tuple(classes))


def by_listing(listing: bytes, where: str, names: Sequence[str]) -> Labels:
    """Labels from StyleGAN's `{"labels": [["img.png", 3], ...]}`; null says that there are none.

    Classes are named by their indices, up to the greatest that occurs. A listed file that is missing is a problem; a
    file without a label, or a label that is no class, is a mistake.
    """
    try:
        content = json.loads(listing)
    except (ValueError, RecursionError) as e:
        raise UserError(f"{where} is not valid JSON ({e}); mend it or take it away.") from None
    entries = content.get("labels") if isinstance(content, dict) else content
    if isinstance(content, dict) and entries is None:
        return Labels()
    if not isinstance(content, dict) or not isinstance(entries, list):
        raise UserError(f'{where} is not of the form {{"labels": [["img.png", 3], ...]}}; mend it or take it away.')
    given: dict[str, int] = {}
    for entry in entries:
        if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str)):
            raise UserError(
                f'{where}: the entry {str(entry)[:80]} of "labels" is not a file\'s name and a whole number.'
            )
        file, label = entry
        if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < MOST_CLASSES:
            raise UserError(
                f"{where}: the label {str(label)[:80]} of {file} is not a whole number from 0 to {MOST_CLASSES - 1}."
            )
        given[file.replace("\\", "/")] = label
    if without := next((n for n in names if n not in given), None):
        raise UserError(f'{where} gives no label for {without}; add it, or set "labels" to null.')
    missing = sorted(given.keys() - set(names))
    return Labels(
        np.array([given[n] for n in names], np.int64),
        tuple(str(i) for i in range(max((given[n] for n in names), default=-1) + 1)),
        tuple(Problem(n, f"listed in {where}, but not there") for n in missing),
    )
