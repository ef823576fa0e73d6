"""The parts of a set that is published in several files, told by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ganvas.data.sources.base import choose_part

_USUAL = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_LISTED = re.compile(r"(?P<part>[\w.-]+?)-\d+-of-\d+\b")


def part_named(name: str) -> str | None:
    """The part that a file's name, or else its folder's, tells.

    `train-00000-of-00002.parquet` and `train/0000.parquet` are of the part train, `dev.parquet` is of validation, and
    `extra-00000-of-00001.parquet` is of a part that is called extra.
    """
    for piece in reversed(name.split("/")):
        listed = _LISTED.match(piece)
        said = listed["part"] if listed else piece
        if found := next(filter(None, map(_usual, re.split(r"[^a-z]+", said.lower()))), None):
            return found
        if listed:
            return said
    return None


def _usual(word: str) -> str | None:
    return next((part for part, words in _USUAL.items() if word in words), None)


def files_of_part(names: Iterable[str], where: str, split: str | None) -> tuple[list[str], str | None, tuple[str, ...]]:
    """(the files of the part `split`, that part, all parts). What lies beside a test part is for training.

    Raises:
        UserError: an unknown part.
    """
    part_of = {name: part_named(name) for name in names}
    if any(part_of.values()):
        part_of = {name: part or "train" for name, part in part_of.items()}
    found = {part for part in part_of.values() if part}
    splits = (*(p for p in _USUAL if p in found), *sorted(found - _USUAL.keys()))
    part = choose(where, split, splits)
    return [name for name, p in part_of.items() if p == part], part, splits


def choose(name: str, split: str | None, splits: tuple[str, ...]) -> str | None:
    """`choose_part`, where "val" also means a part that is called "validation" and so on."""
    if split is not None and split not in splits:
        split = next((s for s in splits if _usual(s) and _usual(s) == _usual(split)), split)
    return choose_part(name, split, splits)


def named(name: str, part: str | None, splits: tuple[str, ...]) -> str:
    """The name of a part: that of the set for its first, `NAME-test` for others."""
    return name if part in (None, *splits[:1]) else f"{name}-{part}"
