"""What translations are called: as their pictures, with the suffix of what is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain, count
from pathlib import PurePosixPath

from ganvas.data.pictures import SUFFIXES


def stem(name: str) -> str:
    """A picture's name without its suffix: `a/1` of `a/1.JPG`, `v1.2` of `v1.2`."""
    head, dot, tail = name.rpartition(".")
    return head if dot and f".{tail.lower()}" in SUFFIXES and head and not head.endswith("/") else name


def told_apart(names: Sequence[str], suffix: str) -> list[str]:
    """A name for the translation of each picture, all different, also where capitals do not count.

    Pictures that would share one keep their own suffix before the new, and get a number where that is not enough. No
    name is that of a folder of another.

    Examples:
        >>> told_apart(["a/1.jpg", "a/1.png", "a/2.jpg"], ".png")
        ['a/1.jpg.png', 'a/1.png.png', 'a/2.png']
    """
    folders = {str(parent).casefold() for name in names for parent in PurePosixPath(name).parents}
    plain = [stem(name) + suffix for name in names]
    shared = Counter(name.casefold() for name in plain)
    alone = [shared[p.casefold()] == 1 and p.casefold() not in folders for p in plain]
    taken = folders | {p.casefold() for p, single in zip(plain, alone, strict=True) if single}
    found = []
    for name, p, single in zip(names, plain, alone, strict=True):
        if not single:
            numbered = (f"{name}-{i}{suffix}" for i in count(2))
            p = next(option for option in chain([name + suffix], numbered) if option.casefold() not in taken)
            taken.add(p.casefold())
        found.append(p)
    return found
