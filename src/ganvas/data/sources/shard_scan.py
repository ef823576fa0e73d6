"""WebDataset shards read through once: where each sample's picture lies, and what is known of it.

A sample is all members of a shard whose names are the same up to the first dot: `000123.jpg`, `000123.cls` (its class,
a whole number), `000123.json` (attributes, among them perhaps the class as `label`).
"""

from __future__ import annotations

import json
import sys
import tarfile
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ganvas.data.containers import BROKEN
from ganvas.data.pictures import SUFFIXES
from ganvas.data.problems import Problem, printable, why
from ganvas.data.sources.attributes import MOST_WORDS, from_columns
from ganvas.data.sources.labels import MOST_CLASSES, Labels
from ganvas.errors import UserError

LABELS = ("label", "class", "cls")
"""What the class may be called in a .json."""
_MOST_BYTES = {"cls": 100, "json": 1 << 20}
_MOST_COLUMNS = 200
_WORTH_A_BAR = 20

Members = dict[str, tuple[int, int]]
"""The members of a sample by their extensions: where the content starts in the shard, and its length, in bytes."""


@dataclass(frozen=True, eq=False)
class Index:
    """The samples that have a picture, in the order of their shards, in few large arrays: there may be many millions.

    `ends` int64 [shards]: how many samples there are up to the end of each shard. `places` int64 [n, 2]: where each
    picture starts in its shard, and its length. `names`: those of all pictures in a row; `name_ends` int64 [n].
    """

    ends: np.ndarray
    places: np.ndarray
    names: bytes
    name_ends: np.ndarray
    labels: Labels

    def name(self, i: int) -> str:
        start = int(self.name_ends[i - 1]) if i else 0
        return printable(self.names[start : int(self.name_ends[i])].decode(errors="replace"))


def scan(shards: Sequence[Path]) -> Index:
    """The index of the shards.

    Raises:
        UserError: a shard is damaged or compressed, or a class is no whole number.
    """
    ends, places, names, name_ends = array("q"), array("q"), bytearray(), array("q")
    classes: list[int | None] = []
    table, problems = _Table(), list[Problem]()
    for shard in _with_bar(shards):
        with _opened(shard) as file:
            for key, members in _samples(file, shard, problems).items():
                picture = _picture(members)
                if picture is None:
                    problems.append(Problem(printable(f"{shard}/{key}"), "the sample has no picture"))
                    continue
                places.extend(members[picture])
                names += f"{key}.{picture}".encode(errors="surrogateescape")
                name_ends.append(len(names))
                classes.append(_class(file, members, f"{shard}/{key}.cls"))
                try:
                    table.add(_row(file, members))
                except ValueError as e:
                    problems.append(Problem(printable(f"{shard}/{key}.json"), f"it is left out: {why(e)}"))
                    table.add({})
        ends.append(len(classes))
    labels = _labels(classes, table, str(shards[0].parent))
    return Index(
        np.array(ends, np.int64),
        np.array(places, np.int64).reshape(-1, 2),
        bytes(names),
        np.array(name_ends, np.int64),
        labels._replace(problems=(*problems, *labels.problems)),
    )


def _with_bar(shards: Sequence[Path]) -> Iterable[Path]:
    if len(shards) < _WORTH_A_BAR or not sys.stderr.isatty():
        return shards
    from rich.console import Console
    from rich.progress import track

    return track(shards, "reading the index of the shards", console=Console(stderr=True), transient=True)


def _opened(shard: Path) -> BinaryIO:
    try:
        file = shard.open("rb")
        packed = file.peek(6).startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"))
    except OSError as e:
        raise UserError(f"{shard} cannot be read ({e.strerror or e}); check who may read it.") from None
    if packed:
        raise UserError(f"{shard} is compressed, and samples are found by their position; unpack it to a plain .tar.")
    return file


def _samples(file: BinaryIO, shard: Path, problems: list[Problem]) -> dict[str, Members]:
    """The members of each sample, in the order in which the samples begin."""
    found: dict[str, Members] = {}
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                if member.size < 0:  # it would lead back, and round in a circle
                    raise tarfile.ReadError(f"{member.name} has a size below zero")
                name = member.name.removeprefix("./")
                folder, _, base = name.rpartition("/")
                stem, _, extension = base.partition(".")
                if not member.isreg() or member.issparse() or not stem or not extension or "__MACOSX" in folder:
                    continue  # folders, links and hidden files
                if name.startswith("/") or ".." in folder.split("/"):
                    problems.append(Problem(printable(f"{shard}/{name}"), "its name leads out of the archive"))
                    continue
                members = found.setdefault(name[: -len(extension) - 1], {})
                if extension.lower() in members:
                    problems.append(Problem(printable(f"{shard}/{name}"), "its name occurs twice; the first is used"))
                else:
                    members[extension.lower()] = (member.offset_data, member.size)
            file.seek(tar.offset)
            end = file.read(tarfile.BLOCKSIZE)
            if end.strip(b"\0"):  # `tarfile` takes whatever is no header for the end
                raise tarfile.ReadError(f"a header is broken, after {len(found)} samples")
            if len(end) < tarfile.BLOCKSIZE:
                problems.append(Problem(printable(str(shard)), "it has no end mark, so it may have been cut short"))
    except BROKEN as e:
        raise UserError(f"{shard} is not a whole tar archive ({why(e)}); download or copy it again.") from None
    return found


def _picture(members: Members) -> str | None:
    """The extension of the sample's picture; `jpg` comes before `mask.png`."""
    pictures = [e for e in members if f".{e}".endswith(SUFFIXES)]
    return min(pictures, key=lambda e: e.count("."), default=None)


def _content(file: BinaryIO, members: Members, extension: str) -> bytes | None:
    if extension not in members:
        return None
    start, length = members[extension]
    if length > _MOST_BYTES[extension]:
        raise ValueError(f"{length:,} bytes are more than the {_MOST_BYTES[extension]:,} that are let in")
    file.seek(start)
    return file.read(length)


def _class(file: BinaryIO, members: Members, where: str) -> int | None:
    try:
        content = _content(file, members, "cls")
        value = None if content is None else int(content)
        if value is None or 0 <= value < MOST_CLASSES:
            return value
    except ValueError:
        pass
    raise UserError(f"{printable(where)} holds no class, a whole number from 0 to {MOST_CLASSES - 1:,}; mend it.")


def _row(file: BinaryIO, members: Members) -> Mapping[str, Any]:
    content = _content(file, members, "json")
    try:
        row = {} if content is None else json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return row if isinstance(row, dict) else {}


class _Table:
    """The columns of numbers and words in rows that come one by one; texts are let go of as soon as they are known."""

    def __init__(self) -> None:
        self.rows = 0
        self.columns: dict[str, list[Any]] = {}
        self._words: dict[str, dict[str, str]] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        for name, value in row.items():
            if not isinstance(value, int | float | str) or (
                name not in self._words and len(self._words) >= _MOST_COLUMNS
            ):
                continue
            words = self._words.setdefault(name, {})
            if isinstance(value, str):
                value = words.setdefault(value, value)  # one object for each word
            if len(words) > (MOST_CLASSES if name in LABELS else MOST_WORDS):
                self.columns.pop(name, None)
                continue
            column = self.columns.setdefault(name, [])
            column += [None] * (self.rows - len(column))
            column.append(value)
        self.rows += 1

    def whole(self) -> dict[str, list[Any]]:
        for column in self.columns.values():
            column += [None] * (self.rows - len(column))
        return self.columns


def _labels(classes: Sequence[int | None], table: _Table, where: str) -> Labels:
    columns: dict[str, list[Any]] = table.whole()
    given: Sequence[int | str | None] = classes
    if all(c is None for c in classes):
        given = columns.pop(next((n for n in LABELS if n in columns), ""), [])
    attributes, _ = from_columns(columns)
    labels = Labels(attributes=attributes)
    if all(v is None for v in given):
        return labels
    if missing := sum(v is None for v in given):
        why = f"{missing:,} of {len(given):,} samples have no class, so the labels of all are dropped"
        return labels._replace(problems=(Problem(where, why),))
    if all(isinstance(v, int) and 0 <= v < MOST_CLASSES for v in given):
        indices = np.array(given, np.int64)
        return labels._replace(indices=indices, names=tuple(str(i) for i in range(indices.max() + 1)))
    names = sorted({str(v) for v in given})
    index = {n: i for i, n in enumerate(names)}
    return labels._replace(indices=np.array([index[str(v)] for v in given], np.int64), names=tuple(names))
