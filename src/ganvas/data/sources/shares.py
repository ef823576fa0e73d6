"""Shares of a set: one of every class or side that is held out to test on, and a long tail of rarer classes."""

from __future__ import annotations

import math

import numpy as np

from ganvas.data.sources.base import Source, Task, choose_part, digest
from ganvas.data.sources.views import Part, View, some
from ganvas.errors import UserError

SPLITS = ("train", "test")


def held_out(source: Source, share: float, split: str | None) -> Part:
    """One of the two parts of a set that publishes none: "test", this share of every class, or "train", the rest.

    Which pictures they are depends on the counts of the classes alone; without labels all are one class. Pictures whose
    class is not known, where it is of others, are for training.

    Raises:
        UserError: a share outside (0, 1), a set with parts of its own, an unknown part, a class of one picture.
    """
    _demand_share(share)
    if source.splits:
        raise UserError(
            f"{source.name} has the parts {' and '.join(source.splits)} of its own; leave --held-out out and test on "
            "one of these."
        )
    _demand_listed(source, "held_out")
    part = choose_part(source.name, split, SPLITS)
    chosen = np.zeros(len(source), bool)
    for name, rows in _by_class(source):
        if len(rows) < 2:
            raise UserError(
                f"{source.name} has one picture of {name}, which cannot be held out and trained on; add some, or take "
                "the class away."
            )
        chosen[rows[some(len(rows), _share_of(len(rows), share))]] = True
    found = Part(source, np.flatnonzero(chosen if part == "test" else ~chosen))
    found.splits, found.name = SPLITS, f"{source.name}-test" if part == "test" else source.name
    return found


class HeldOutSides(View):
    """One of the two parts of a set of pairs or domains: "test", a share of them, or "train", the rest.

    Partners are held out together, and of two domains a share of each. Which ones depends on how many there are alone.
    A set that publishes parts is divided within the part that is at hand, so that its published test part stays what
    it is and is read without this.

    Raises:
        UserError: a share outside (0, 1), an unknown part; in `sides`, fewer than two pairs, or pictures of a side.
    """

    def __init__(self, whole: Source, share: float, split: str | None) -> None:
        _demand_share(share)
        _demand_listed(whole, "held_out")
        super().__init__(whole)
        self.share, self.part = share, choose_part(whole.name, split, SPLITS)
        self.fingerprint = digest(whole.fingerprint, "held out", share, self.part)
        self.splits = SPLITS
        if self.part == "test":
            self.name = f"{whole.name}-held-out" if whole.splits else f"{whole.name}-test"

    def sides(self, task: Task) -> tuple[Source, Source]:
        a, b = self.whole.sides(task)
        if task == "pairs":
            rows = self._rows(len(b), "pair")
            return Part(a, rows), Part(b, rows)
        return Part(a, self._rows(len(a), "picture of A")), Part(b, self._rows(len(b), "picture of B"))

    def _rows(self, n: int, what: str) -> np.ndarray:
        if n < 2:
            raise UserError(
                f"{self.whole.name} has one {what}, which cannot be held out and trained on; add some, or leave "
                "--held-out out."
            )
        test = some(n, _share_of(n, self.share))
        return test if self.part == "test" else np.setdiff1d(np.arange(n), test)


def long_tailed(source: Source, ratio: float) -> Part:
    """The set with class k of K thinned to ⌊n_k ratio^(-k/(K-1))⌋ of its n_k pictures, but one at least.

    So the first class stays whole and the last keeps 1 in `ratio`, as Cui et al. 2019, "Class-balanced loss based on
    effective number of samples" (section 5.1), make long-tailed CIFAR. The same pictures are kept every time, and those
    of a greater ratio are among those of a smaller one. Pictures whose class is not known all stay.

    Raises:
        UserError: a ratio below 1, or a set without two classes.
    """
    if not (ratio >= 1 and math.isfinite(ratio)):
        raise UserError(f"imbalance = {ratio:g} is out of range; give 1 or more, such as 20.")
    _demand_listed(source, "imbalance")
    if len(source.label_names) < 2:
        raise UserError(f"{source.name} has no two classes that --imbalance could make unequal; leave it out.")
    assert source.labels is not None
    last = len(source.label_names) - 1
    kept = [np.flatnonzero(source.labels < 0)] + [
        rows[some(len(rows), math.floor(len(rows) * ratio ** (-k / last) + 1e-9))]  # 98 · 49^-1 is 2, not 1
        for k, (_, rows) in enumerate(_by_class(source))
        if len(rows)
    ]
    return Part(source, np.sort(np.concatenate(kept)))


def _share_of(n: int, share: float) -> int:
    """How many of n >= 2 are held out: one at least, and not all."""
    return min(max(1, round(share * n)), n - 1)


def _demand_share(share: float) -> None:
    if not 0 < share < 1:
        raise UserError(f"held_out = {share:g} is out of range; give a share above 0 and below 1, such as 0.2.")


def _demand_listed(source: Source, setting: str) -> None:
    if source.sequential:
        raise UserError(f"{source.name} is read in order, so {setting} cannot choose among its pictures; leave it out.")


def _by_class(source: Source) -> list[tuple[str, np.ndarray]]:
    """Every class with the indices of its pictures, ascending."""
    if source.labels is None:
        return [(source.name, np.arange(len(source)))]
    return [(name, np.flatnonzero(source.labels == k)) for k, name in enumerate(source.label_names)]
