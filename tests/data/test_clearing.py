"""What the cache keeps can be listed and cleared; what is open or being made is left alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from handmade import Handmade

from ganvas.data.cache import Entry, Packed, clear, entries, pack
from ganvas.data.pictures import Framing

FRAMING = Framing(8, 8, 3)


def packed(name: str) -> Packed:
    return pack(Handmade(40, name=name), FRAMING)


def aged(name: str, days: float) -> None:
    [entry] = [e for e in entries() if e.name == name]
    os.utime(entry.folder, (time.time() - days * 86_400,) * 2)


def test_the_last_used_comes_first(cache: Path) -> None:
    assert entries() == []
    packed("one")
    packed("other")
    aged("one", 3)
    aged("other", 5)
    listed = entries()
    assert [(e.name, e.shape) for e in listed] == [("one", (40, 8, 8, 3)), ("other", (40, 8, 8, 3))]
    assert all(e.folder.parent == cache / "data" for e in listed)
    assert listed[1].bytes == sum(f.stat().st_size for f in listed[1].folder.iterdir()) > 40 * 8 * 8 * 3
    packed("other")
    assert [e.name for e in entries()] == ["other", "one"]
    assert time.time() - entries()[0].used < 60


def test_an_entry_that_is_damaged_is_not_listed(cache: Path) -> None:
    packed("one")
    packed("other")
    [damaged] = [e for e in entries() if e.name == "one"]
    for damage in ("{", "[]", "null", "{}"):
        (damaged.folder / "about.json").write_text(damage)
        assert [e.name for e in entries()] == ["other"], damage


@pytest.mark.parametrize(
    ("chosen", "stay"),
    [
        (lambda: clear(), []),
        (lambda: clear("old"), ["new"]),
        (lambda: clear("nosuch"), ["new", "old"]),
        (lambda: clear(unused_days=2), ["new"]),
        (lambda: clear("new", 2), ["new", "old"]),
        (lambda: clear("old", 2), ["new"]),
    ],
)
def test_what_is_cleared(chosen: Callable[[], list[Entry]], stay: list[str]) -> None:
    packed("new")
    opened = packed("old")
    aged("old", 2.5)
    gone = chosen()
    assert sorted([*stay, *(e.name for e in gone)]) == ["new", "old"]
    assert sorted(e.name for e in entries()) == stay
    assert not any(e.folder.exists() for e in gone)
    assert np.array_equal(opened.samples[39], Handmade(40).made(39)), "what is open stays readable"
    assert len(packed("old").samples) == 40


def test_with_all_goes_what_was_left_over(cache: Path) -> None:
    packed("one")
    root = cache / "data"
    for name in ("0" * 32 + ".part", "1" * 32):  # killed while writing, and while deleting
        (root / name).mkdir()
        (root / name / "samples.npy").write_bytes(b"x")
    assert len(clear("one")) == 1
    assert {p.suffix for p in root.iterdir()} == {".lock", ".part", ""}, "of a name, no more than that"
    clear()
    assert {p.suffix for p in root.iterdir()} == {".lock"}


def test_what_cannot_be_deleted_is_not_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    packed("one")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr("shutil.rmtree", refuse)
    assert clear() == []
    assert [e.name for e in entries()] == ["one"]


def test_without_a_cache_there_is_nothing() -> None:
    assert clear() == entries() == []
