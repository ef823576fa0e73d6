"""Sources of samples, found by one name: a built-in set, a 2-D world, a folder or a file.

A new format is one class in one file here, and a line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ganvas.data.sources.archive import ZipArchive
from ganvas.data.sources.base import Format, Source, printable
from ganvas.data.sources.digits import Digits
from ganvas.data.sources.folder import Folder
from ganvas.data.sources.idx import IdxFolder
from ganvas.data.worlds import WORLDS, World
from ganvas.errors import UserError, did_you_mean

BUILT_IN: dict[str, Callable[[], Source]] = {"digits": Digits}
FORMATS: tuple[type[Format], ...] = (IdxFolder, Folder, ZipArchive)
"""The first that claims a path reads it."""

SPLITS = ("train", "test")


def find(name: str, split: str | None = None) -> Source | World:
    """The source that `name` names; `NAME:test` asks for the test part and outweighs `split`.

    Built-in names come first: a folder that is called `digits` is `./digits`.

    Raises:
        UserError: nothing of that name, a file of no known format, or a part that the set does not publish.
    """
    head, colon, tail = name.rpartition(":")
    if colon and tail in SPLITS and _path(name) is None:
        name, split = head, tail
    if name in WORLDS:
        _check_split(name, split, ())
        return WORLDS[name]
    if name in BUILT_IN:
        _check_split(name, split, ())
        return BUILT_IN[name]()
    path = _path(name)
    if path is None:
        raise UserError(_unknown(name))
    for format in FORMATS:
        if format.claims(path):
            _check_split(name, split, format.splits)
            return format(path, split)
    raise UserError(f"{name} is neither a folder nor a zip archive of images; give one of these, or a built-in set.")


def _check_split(name: str, split: str | None, splits: tuple[str, ...]) -> None:
    # A set without published parts is all for training, so that asking for "train" is no mistake.
    if split is None or split in splits or (split == "train" and not splits):
        return
    if splits:
        raise UserError(f"{name} has no part {split!r}; its parts are {' and '.join(splits)}.")
    raise UserError(f"{name} has no published parts, so there is no {split!r} to load; leave the split out.")


def _path(name: str) -> Path | None:
    """The file or folder of that name, if there is one."""
    try:
        path = Path(name).expanduser()
        return path if name and path.exists() else None
    except (OSError, RuntimeError, ValueError):  # too long, no such user's home, a null in it
        return None


def _unknown(name: str) -> str:
    built_in, parent = [*BUILT_IN, *WORLDS], Path(name).parent
    try:
        siblings = [str(p) for p in parent.iterdir() if not p.name.startswith(".")]
    except (OSError, ValueError):
        siblings = []
    return (
        f"there is no folder or file {printable(name)!r}, and no built-in set of that name ({', '.join(built_in)})."
        + did_you_mean(name, [*built_in, *siblings])
    )
