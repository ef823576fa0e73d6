"""Sources of samples, found by one name: a built-in set, a 2-D world, a folder, a file, or a set of the hub.

A new format is one class in one file here, and a line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from ganvas.data.archives import open_container
from ganvas.data.containers import Container
from ganvas.data.problems import printable
from ganvas.data.sources.arrays import Arrays
from ganvas.data.sources.arrow import Saved
from ganvas.data.sources.base import Format, Source, choose_part
from ganvas.data.sources.cifar import Cifar
from ganvas.data.sources.digits import Digits
from ganvas.data.sources.gallery import PARTS, Gallery
from ganvas.data.sources.idx import Idx
from ganvas.data.sources.parquet import Parquet
from ganvas.data.sources.shards import ShardFiles, Shards
from ganvas.data.worlds import WORLDS, World
from ganvas.errors import UserError, did_you_mean

FORMATS: tuple[type[Format], ...] = (Idx, Cifar, Arrays, Saved, Parquet, Shards, Gallery)
"""The first that claims the files reads them."""


def _digits(split: str | None, count: int | None) -> Source:
    choose_part("digits", split, ())
    return Digits()


def _blossoms(split: str | None, count: int | None) -> Source:
    from ganvas.data.sources.blossoms import Blossoms

    return Blossoms(split=split) if count is None else Blossoms(count, split=split)


BUILT_IN: dict[str, Callable[[str | None, int | None], Source]] = {"digits": _digits, "blossoms": _blossoms}


def find(name: str, split: str | None = None, table: Path | None = None) -> Source | World:
    """The source that `name` names.

    `NAME:test` asks for a published part and outweighs `split`; `blossoms:5000` draws so many; `stacked:NAME` stacks
    three grey pictures of a labelled set; `hub:owner/name` is a dataset of the Hugging Face hub;
    `shard-{0000..0099}.tar` are WebDataset shards. Built-in names come first: a folder `digits` is `./digits`.

    Args:
        table: attributes of the pictures, joined to them by file name.

    Raises:
        UserError: nothing of that name, files of no known format, or a part that the set does not publish.
    """
    if name.startswith("hub:"):
        from ganvas.data.sources.hub import open_hub

        return open_hub(name.removeprefix("hub:"), split)
    if name.startswith("stacked:"):
        return _stacked(name.removeprefix("stacked:"), split)
    if any(mark in name for mark in ("{", "*", "://", "pipe:")) and _path(name) is None:
        return _read(ShardFiles(name), name, split, table)
    head, part, count = _modifiers(name)
    split = part or split
    if head in WORLDS and count is None:
        choose_part(head, split, ())
        return WORLDS[head]
    if head in BUILT_IN:
        return BUILT_IN[head](split, count)
    path = _path(head)
    if path is None or count is not None:
        raise UserError(_unknown(name))
    return _read(open_container(path), name, split, table)


def _read(files: Container, name: str, split: str | None, table: Path | None) -> Source:
    for format in FORMATS:
        if format.claims(files):
            return format(files, split) if format is not Gallery else Gallery(files, split, table)
    raise UserError(
        f"{name} holds no images in a format that is known: pictures in a folder, a zip or a tar archive, idx, CIFAR, "
        "npz, npy, Parquet, or WebDataset shards."
    )


def _modifiers(name: str) -> tuple[str, str | None, int | None]:
    """`NAME:part:count`, in any order, taken apart; a file or folder of the whole name comes first."""
    part, count = None, None
    while _path(name) is None:
        head, colon, tail = name.rpartition(":")
        known = tail in PARTS or (tail.isidentifier() and _path(head) is not None)  # a part it may or may not have
        if colon and known and part is None:
            name, part = head, tail
        elif colon and tail.isdecimal() and count is None and len(tail) < 10:
            name, count = head, int(tail)
        else:
            break
    return name, part, count


def apart(name: str) -> tuple[str, str | None]:
    """A name without the part that it asks for, and that part: `mnist/:test` is `mnist/` and `test`."""
    head, part, count = _modifiers(name)
    return (head if count is None else f"{head}:{count}", part) if part else (name, None)


def _stacked(name: str, split: str | None) -> Source:
    from ganvas.data.sources.stacked import Stacked

    head, colon, tail = name.rpartition(":")
    count = int(tail) if colon and tail.isdecimal() and len(tail) < 10 else None
    base = find(head if count is not None else name, split)
    if not isinstance(base, Source):
        raise UserError(
            f"stacked:{name} stacks pictures, and {base.name} is a 2-D world; name a labelled set of images."
        )
    return Stacked(base) if count is None else Stacked(base, count)


def absolute(name: str) -> str:
    """The name with its path made absolute, so that it means the same set from any folder."""
    if name.startswith("stacked:"):
        return "stacked:" + absolute(name.removeprefix("stacked:"))
    if name.startswith("hub:"):
        place, mark, rest = name.removeprefix("hub:").partition("?")
        return f"hub:{Path(place).resolve()}{mark}{rest}" if place.startswith((".", "/", "~")) else name
    head = _modifiers(name)[0]
    if head in BUILT_IN or head in WORLDS:
        return name
    path = _path(head)
    if path is None and not any(c in name for c in "{*"):
        return name
    return str((path or Path(head)).absolute()) + name[len(head) :]


def _path(name: str) -> Path | None:
    """The file or folder of that name, if there is one."""
    with suppress(OSError, RuntimeError, ValueError):  # too long, no such user's home, a null in it
        path = Path(name).expanduser()
        return path if name and path.exists() else None
    return None


def _unknown(name: str) -> str:
    built_in = [*BUILT_IN, *WORLDS]
    return (
        f"there is no folder or file {printable(name)!r}, and no built-in set of that name ({', '.join(built_in)})."
        + did_you_mean(name, [*built_in, *_siblings(name)])
    )


def _siblings(name: str) -> Iterator[str]:
    with suppress(OSError, ValueError):
        yield from (str(p) for p in Path(name).parent.iterdir() if not p.name.startswith("."))
