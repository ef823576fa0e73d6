"""How many synthetic images each class gets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from ganvas.augmenting.asked import Asked
from ganvas.errors import UserError, did_you_mean

_MOST_LISTED = 12


def wanted(asked: Asked, names: Sequence[str], there: np.ndarray, where: str) -> np.ndarray:
    """Synthetic images for each class, int64 [classes], of the set `where` with `there` real ones, int64 [classes].

    One rule is for all classes: `per_class` and `to` bring them up to a total and leave larger ones as they are, `add`
    gives each the same. `count` gives totals of single classes, which outweigh the rule; without a rule the others get
    nothing. Without either, every class is brought up to the largest. A class without real images gets synthetic ones
    by `count` alone, for nothing tells here whether the run has ever seen it.

    Raises:
        UserError: a class that is not there, a total below what is there, or nothing to be made.
    """
    singles = _parsed(asked.count, names)
    found = np.zeros(len(names), np.int64)
    if asked.add is not None:
        found[:] = asked.add
    elif asked.per_class is not None:
        _demand_more(asked.per_class, there, where)
        found = np.maximum(asked.per_class - there, 0)
    elif asked.to or not singles:
        level = int(np.median(there[there > 0])) if asked.to == "median" else int(there.max())
        found = np.maximum(level - there, 0)
    found[there == 0] = 0
    for k, total in singles.items():
        if total < there[k]:
            raise UserError(
                f"--count {names[k]}={total} is below the {there[k]:,} real images of {names[k]} in {where}; "
                "it counts real and synthetic together, and real ones are never taken away."
            )
        found[k] = total - there[k]
    if not found.any():
        raise UserError(
            f"nothing is to be made: the classes of {where} have that many real images already ({_counts(there)}); "
            "give --per-class N above that, or --add N."
        )
    return found


def _demand_more(total: int, there: np.ndarray, where: str) -> None:
    if total <= there.min():
        raise UserError(
            f"--per-class {total}: every class of {where} has that many real images already ({_counts(there)}); it "
            "counts real and synthetic together, so give more, or --add N."
        )


def _counts(there: np.ndarray) -> str:
    low, high = int(there.min()), int(there.max())
    return f"{low:,} each" if low == high else f"{low:,} to {high:,}"


def _parsed(words: Iterable[str], names: Sequence[str]) -> dict[int, int]:
    """{class: total} of `rose=200,tulip=50`; a class is named, or numbered where none has the number for a name."""
    found: dict[int, int] = {}
    for word in words:
        rest = word
        while rest:
            match = re.match(r"(.+?)=(-?\d+)(?:,|$)", rest)  # a name may hold a comma, or an equals sign
            if match is None:
                raise UserError(f"--count {word}: give classes and their totals, as in --count rose=200,tulip=50.")
            rest = rest[match.end() :]
            k, total = _index(match[1].strip(), names), int(match[2])
            if total < 1:
                raise UserError(f"--count {names[k]}={total} is out of range; give at least 1.")
            if k in found:
                raise UserError(f"--count names {names[k]} twice; name it once.")
            found[k] = total
    return found


def _index(name: str, names: Sequence[str]) -> int:
    if name in names:
        return names.index(name)
    if name.isdecimal() and int(name) < len(names):
        return int(name)
    listed = ", ".join(names[:_MOST_LISTED]) + (", ..." if len(names) > _MOST_LISTED else "")
    raise UserError(f"--count {name}: there is no such class; there are {listed}.{did_you_mean(name, names)}")
