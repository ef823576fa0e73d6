"""The decoded cache: made once, whole or not at all, and renewed when the files change."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganvas.data import cache as cache_module
from ganvas.data import load
from ganvas.data.sources.folder import Folder
from ganvas.errors import UserError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(70):  # more than two blocks
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (9, 9, 3), np.uint8)).save(folder / f"{i:03}.png")
    return folder


def entries(cache: Path) -> list[str]:
    return sorted(p.suffix for p in (cache / "data").iterdir())


def test_decoded_once(photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(photos)
    assert isinstance(first.samples, np.memmap)
    assert not first.samples.flags.writeable
    for i in (0, 31, 32, 69):
        assert np.array_equal(first.samples[i], np.asarray(Image.open(photos / f"{i:03}.png")))

    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(Folder, "read", refuse)
    again = load(photos)
    assert np.array_equal(again.samples, first.samples)
    assert again.fingerprint == first.fingerprint


def test_settings_and_contents_change_the_fingerprint(photos: Path, tmp_path: Path) -> None:
    seen = {load(photos, size=s, channels=c).fingerprint for s in (8, 9) for c in (1, 3)}
    assert len(seen) == 4
    moved = photos.rename(tmp_path / "elsewhere")
    assert load(moved, size=8, channels=1).fingerprint in seen  # the same pictures, wherever they are
    Image.new("RGB", (9, 9)).save(moved / "000.png")
    changed = load(moved, size=8, channels=1)
    assert changed.fingerprint not in seen
    assert changed.samples[0].max() == 0


def test_the_shape_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    for name, size, count in (("small", 4, 4), ("large", 8, 1)):  # the same bytes in all
        (tmp_path / name).mkdir()
        for i in range(count):
            Image.new("L", (size, size)).save(tmp_path / name / f"{i}.png")
    assert load(tmp_path / "small").fingerprint != load(tmp_path / "large").fingerprint


def test_skipped_pictures_leave_no_gap(photos: Path) -> None:
    for i in (0, 40, 69):
        (photos / f"{i:03}.png").write_text("not a picture")
    d = load(photos)
    assert d.samples.shape == (67, 9, 9, 3)
    for row, i in ((0, 1), (39, 41), (66, 68)):
        assert np.array_equal(d.samples[row], np.asarray(Image.open(photos / f"{i:03}.png")))
    assert [Path(p.file).stem for p in d.problems] == ["000", "040", "069"]


def test_a_damaged_entry_is_made_again(photos: Path, cache: Path) -> None:
    whole = load(photos).samples[:].copy()
    [samples] = (cache / "data").glob("*/samples.npy")
    samples.write_bytes(samples.read_bytes()[:-1])
    assert np.array_equal(load(photos).samples, whole)
    (samples.parent / "about.json").write_text("{")
    assert np.array_equal(load(photos).samples, whole)
    for survey in (cache / "data").glob("*.json"):
        survey.write_text("[]")
    assert np.array_equal(load(photos).samples, whole)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_nothing(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as m:
        m.setattr(cache_module, "_sync", fail)
        with pytest.raises((UserError, KeyboardInterrupt)) as told:
            load(photos)
    if told.type is UserError:
        assert "No space left on device" in str(told.value)
        assert "GANVAS_CACHE" in str(told.value)
    assert "" not in entries(cache)
    assert ".part" not in entries(cache)
    assert len(load(photos)) == 70


def test_what_a_killed_process_left_is_swept(photos: Path, cache: Path) -> None:
    load(photos)
    [entry] = (p.parent for p in (cache / "data").glob("*/samples.npy"))
    entry.rename(entry.with_suffix(".part"))
    (entry.with_suffix(".part") / "about.json").unlink()
    assert len(load(photos)) == 70
    assert ".part" not in entries(cache)


def test_two_processes_at_once(photos: Path, cache: Path) -> None:
    code = (
        "import sys; from ganvas.data import load; from ganvas.data.sources.folder import Folder\n"
        "old, count = Folder.read, []\n"
        "Folder.read = lambda self, i: count.append(i) or old(self, i)\n"
        f"print(load({str(photos)!r}, size=9, channels=3).fingerprint, len(count))"
    )
    command, env = [sys.executable, "-c", code], {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) for _ in range(2)]
    said = [p.communicate(timeout=60)[0].split() for p in both]
    assert said[0][0] == said[1][0] == load(photos).fingerprint
    assert sorted(int(count) for _, count in said) == [0, 70]  # one worked, the other waited or came later


def test_no_room_is_told(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")(0, 0, 1000)
    monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match=r"photos needs .* GB decoded, and .* free; give a smaller size"):
        load(photos)


def test_a_folder_that_cannot_be_written_is_told(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"cannot write the cache folder .*set GANVAS_CACHE"):
        load(photos)


def test_the_folder_of_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GANVAS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_module.cache_folder().name == "ganvas"
