"""Sets of which some pictures have no label: theirs is -1, and a semi-supervised game learns from both."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ganvas.data.problems import digest
from ganvas.errors import UserError

if TYPE_CHECKING:
    from ganvas.data.dataset import Dataset

UNKNOWN = -1
"""The label of a picture whose class is not known."""
FOLDERS = ("unlabelled", "unlabeled")
"""Folders of pictures without a class, beside those of classes."""


def known(labels: np.ndarray | None) -> np.ndarray:
    """The rows that have a label, int64, ascending."""
    return np.flatnonzero(labels >= 0) if labels is not None else np.empty(0, np.int64)


def few_labels(labels: np.ndarray | None, n: int, name: str) -> np.ndarray:
    """The labels of `n` pictures, the others unknown: as many of each class as can be, the same ones every time.

    Those of a smaller n are among those of a larger one. Where there are no more than n, all are kept.

    Raises:
        UserError: there are no labels, or a class of `name` would have none left.
    """
    if labels is None:
        raise UserError(f"{name} has no labels, of which labelled = {n} could keep some; leave that out.")
    rows = np.random.Generator(np.random.PCG64(0)).permutation(known(labels))
    rows = rows[np.argsort(labels[rows], kind="stable")]  # class by class, each in random order
    _, sizes = np.unique(labels[rows], return_counts=True)
    if n < len(sizes):
        raise UserError(
            f"labelled = {n} is fewer than the {len(sizes)} classes of {name}, of which each needs a label; "
            f"give at least {len(sizes)}."
        )
    places = np.concatenate([np.arange(size) for size in sizes]) if len(sizes) else rows
    chosen = rows[np.argsort(places, kind="stable")][:n]  # the first of every class, then the second, ...
    found = np.full_like(labels, UNKNOWN)
    found[chosen] = labels[chosen]
    return found


def with_few_labels(dataset: Dataset, n: int | None) -> Dataset:
    """The set with the labels of `n` pictures alone (see `few_labels`); as it is where n is None."""
    if n is None:
        return dataset
    labels = few_labels(dataset.labels, n, dataset.name)
    return replace(dataset, labels=labels, fingerprint=fingerprint_of_few(dataset.fingerprint, n))


def fingerprint_of_few(whole: str, n: int | None) -> str:
    """The fingerprint of a set with few labels, of that of the same set with all of them."""
    return whole if n is None else digest(whole, "labelled", n)
