"""WebDataset shards (Aizman et al. 2019): tar archives of samples, for sets that are too large to be decoded and kept.

The shards are read in place, by position, through an index that is made once and kept in the cache.
"""

from __future__ import annotations

import glob
import io
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import ClassVar

from PIL import Image

from ganvas.data.archives import TarFiles
from ganvas.data.containers import MOST_BYTES_A_FILE, Container, FolderFiles
from ganvas.data.pictures import SUFFIXES, Unreadable, is_picture, open_picture
from ganvas.data.problems import digest, printable, stamp
from ganvas.data.sources.base import Format
from ganvas.data.sources.parts import files_of_part, named
from ganvas.data.sources.shard_index import read_index
from ganvas.errors import UserError

MOST_SHARDS = 100_000


def expand(pattern: str) -> list[Path]:
    """The files that a name such as `train-{0000..0099}.tar`, `{a,b}.tar` or `train-*.tar` stands for, in that order.

    Raises:
        UserError: some of them are missing, or too many; the name is an address, or a program to be run.
    """
    if pattern.startswith("pipe:") or "://" in pattern:
        raise UserError(f"{pattern} is no file; download the shards, and name them as in name-{{0000..0099}}.tar.")
    names = list(islice(_expanded(pattern), MOST_SHARDS + 1))
    if len(names) > MOST_SHARDS:
        raise UserError(f"{pattern} stands for more than the {MOST_SHARDS:,} shards that are let in; name fewer.")
    found: list[Path] = []
    missing: list[str] = []
    for name in names:
        path = Path(name).expanduser()
        matches = [path] if path.is_file() else [Path(p) for p in sorted(glob.glob(str(path)))]  # noqa: PTH207 - stars in folders, too
        found += matches
        if not matches:
            missing.append(name)
    if missing:
        raise UserError(
            f"{len(missing):,} of the {len(names):,} files that {pattern} stands for are missing, the first is "
            f"{missing[0]}; download them, or name only those that are there."
        )
    return list(dict.fromkeys(found))


def _expanded(pattern: str) -> Iterator[str]:
    brace = re.search(r"\{([^{}]*)\}", pattern)
    if brace is None:
        yield pattern
        return
    for choice in _choices(brace[1], pattern):
        yield from _expanded(pattern[: brace.start()] + choice + pattern[brace.end() :])


def _choices(inside: str, pattern: str) -> Iterable[str]:
    """What stands between braces: `0000..0099`, with as many zeros, or `a,b`."""
    if span := re.fullmatch(r"(\d{1,9})\.\.(\d{1,9})", inside):
        padded = any(len(end) > 1 and end.startswith("0") for end in span.groups())
        width = max(map(len, span.groups())) if padded else 0
        first, last = int(span[1]), int(span[2])
        step = 1 if first <= last else -1
        return (f"{i:0{width}d}" for i in range(first, last + step, step))
    if "," not in inside:
        raise UserError(f"{pattern}: {{{inside}}} is neither a span such as {{0000..0099}} nor a list such as {{a,b}}.")
    return inside.split(",")


class ShardFiles(Container):
    """The shards that a pattern stands for, as they lie: each is one file, which is not looked into."""

    def __init__(self, pattern: str) -> None:
        self._paths = {path.as_posix(): path for path in expand(pattern)}
        if other := next((name for name in self._paths if ".tar" not in name.lower()), None):
            raise UserError(
                f"{pattern} stands for {other}, which is no shard, a .tar; for other files, name their folder."
            )
        self.path, self.names = Path(pattern), list(self._paths)
        start = re.split(r"[*?\[{]", Path(pattern).name)[0].rstrip("-_.")
        self.name = printable(start or Path(pattern).resolve().parent.name or "shards")
        self.fingerprint = digest(*map(stamp, self._paths.values()))

    def size(self, name: str) -> int:
        return self._paths[name].stat().st_size

    def open(self, name: str) -> Path:
        return self._paths[name]

    def where(self, name: str) -> str:
        return printable(name)


class Shards(Format):
    """Samples in the order in which they lie. Labels come from `.cls` or `.json`, attributes from `.json`."""

    streams: ClassVar[bool] = True

    @classmethod
    def claims(cls, files: Container) -> bool:
        if isinstance(files, TarFiles):
            return _are_samples(files.names)
        if isinstance(files, FolderFiles):
            return any(map(_is_tar, files.names)) and not any(map(is_picture, files.names))
        return isinstance(files, ShardFiles)

    def __init__(self, files: Container, split: str | None = None) -> None:
        if isinstance(files, TarFiles):
            paths = {files.path.as_posix(): files.path}
        else:
            paths = {n: Path(str(files.open(n))) for n in files.names if _is_tar(n) or isinstance(files, ShardFiles)}
        chosen, part, self.splits = files_of_part(paths, str(files.path), split)
        self._shards = [paths[n] for n in chosen]
        self._index = read_index(self._shards)
        if not len(self):
            raise UserError(f"{files.path} holds no samples with a picture, a file that ends in {', '.join(SUFFIXES)}.")
        self.name = named(files.name, part, self.splits)
        self.fingerprint = digest("shards", *map(stamp, self._shards))
        ends = self._index.ends.tolist()
        self.spans = tuple((start, stop) for start, stop in pairwise([0, *ends]) if start < stop)
        labels = self._index.labels
        self.labels, self.label_names, self.attributes = labels.indices, labels.names, labels.attributes
        self.problems = labels.problems

    def __len__(self) -> int:
        return len(self._index.places)

    def read(self, i: int) -> Image.Image:
        start, length = map(int, self._index.places[i])
        if length > MOST_BYTES_A_FILE:
            raise Unreadable(f"it has {length:,} bytes, more than the {MOST_BYTES_A_FILE:,} that are let in")
        with self._shard(i).open("rb", buffering=0) as file:  # opened each time: any number of threads and of shards
            file.seek(start)
            content = file.read(length)
        if len(content) != length:
            raise Unreadable("the shard ends inside it")
        return open_picture(io.BytesIO(content))

    def where(self, i: int) -> str:
        return f"{printable(str(self._shard(i)))}/{self._index.name(i)}"

    def _shard(self, i: int) -> Path:
        return self._shards[bisect_right(self._index.ends, i)]


def _is_tar(name: str) -> bool:
    return name.lower().endswith(".tar")


def _are_samples(names: Sequence[str]) -> bool:
    """Whether at least half of the pictures come with a class or attributes of the same name."""
    known = {n.rsplit(".", 1)[0] for n in names if n.endswith((".cls", ".json"))}
    pictures = [n.rsplit(".", 1)[0] for n in names if is_picture(n)]
    return bool(pictures) and 2 * sum(p in known for p in pictures) >= len(pictures)
