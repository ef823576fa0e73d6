"""The pictures that INPUT names: a file, a folder with all below it, an archive, a glob, or several of these."""

from __future__ import annotations

import glob
import os
import posixpath
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from ganvas.data.archives import open_container
from ganvas.data.containers import Container, OneFile
from ganvas.data.pictures import SUFFIXES, is_picture
from ganvas.data.problems import Problem, printable
from ganvas.data.sources.gallery import foreign
from ganvas.errors import UserError, did_you_mean

Names = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class Picture:
    """A file that is meant as a picture; it may be none.

    Attributes:
        name: relative, with `/` between its parts: what its translation is called, but for the suffix.
        where: for messages.
        open: the file where it lies, or its content; safe to call from threads.
    """

    name: str
    where: str
    open: Callable[[], Path | BinaryIO]
    place: str
    """Where it lies, absolute: no two pictures share it."""


def listed(inputs: Names) -> tuple[list[Picture], list[Problem]]:
    """The pictures that `inputs` name, sorted within each, and what is passed over though it looks like one.

    Names are relative to a folder or an archive that is named alone, else to the fixed part of a glob, or to the folder
    that all share. Each file is taken once.

    Raises:
        UserError: nothing of that name, or no pictures in it.
    """
    words = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    if not words:
        raise UserError("no pictures are named; give a file, a folder, an archive, or a glob such as 'photos/*.jpg'.")
    found = [place for word in words for place in _places(os.fspath(word))]
    alone = len(words) == 1 and not found[0].globbed
    shared = _shared([place.path for place in found]) if len(words) > 1 else None
    pictures: list[Picture] = []
    problems: list[Problem] = []
    others = 0
    for place in found:
        if place.globbed and not place.path.exists():
            if is_picture(place.path.name):
                problems.append(Problem(printable(str(place.path)), "it is a broken link"))
            continue
        container = open_container(place.path)
        mine, passed = _pictures(container, explicit=not place.globbed)
        folder = "" if alone else _folder(container, place.path, shared or place.root)
        pictures += [replace(picture, name=posixpath.join(folder, picture.name)) for picture in mine]
        problems += [*container.problems, *passed]
        others += len(container.names) - len(mine)
    once = {picture.place: picture for picture in pictures}
    if not once:
        what = " ".join(printable(os.fspath(word)) for word in words)
        if problems:
            raise UserError(f"{what} holds no picture that can be read; {problems[0].file}: {problems[0].why}.")
        why = f"holds no pictures ({others} other files)" if others else "is empty"
        raise UserError(f"{what} {why}; give pictures that end in {', '.join(SUFFIXES)}.")
    return list(once.values()), list(dict.fromkeys(problems))


@dataclass(frozen=True)
class _Place:
    path: Path
    root: Path
    globbed: bool


def _places(word: str) -> list[_Place]:
    """The files, folders and archives of one word: itself where it exists, else what a glob finds, sorted.

    A folder that a glob finds is read whole.
    """
    path = Path(word).expanduser()
    if _exists(path):
        return [_Place(path, path.parent, False)]
    if not glob.has_magic(word):
        raise UserError(
            f"there is no picture, folder or archive {printable(word)!r}.{did_you_mean(word, _beside(path))}"
        )
    fixed = Path()
    for part in path.parts:
        if glob.has_magic(part):
            break
        fixed /= part
    matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - from any root
    if not matches:
        raise UserError(f"the glob {printable(word)!r} finds nothing; check it, and the folder that it begins in.")
    return [_Place(Path(match), fixed, True) for match in matches]


def _pictures(container: Container, explicit: bool) -> tuple[list[Picture], list[Problem]]:
    """The pictures of a container, judged by name, or whatever it is where a person names a single file."""
    passed = list(foreign(container))
    single = isinstance(container, OneFile)
    names = [n for n in container.names if is_picture(n) or (single and explicit and not passed)]
    at = _absolute(container.path)
    return [
        Picture(n, container.where(n), partial(container.open, n), str(at if single else at / n)) for n in names
    ], passed


def _folder(container: Container, path: Path, root: Path) -> str:
    """In which folder the pictures of one of several containers are put, "" for none."""
    here = _absolute(path).relative_to(_absolute(root))
    if isinstance(container, OneFile):
        here = here.parent
    elif not path.is_dir():
        here = here.parent / container.name
    return here.as_posix() if here.parts else ""


def _shared(paths: Sequence[Path]) -> Path:
    """The innermost folder in which all of these lie."""
    return Path(os.path.commonpath([_absolute(path.parent) for path in paths]))


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - links stay what they are called


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or a null in it
        return False


def _beside(path: Path) -> Iterator[str]:
    try:
        yield from (str(p) for p in path.parent.iterdir() if not p.name.startswith("."))
    except (OSError, ValueError):
        return
