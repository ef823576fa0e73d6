"""The decoded cache: made once, whole or not at all, and renewed when the files change."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from handmade import Handmade, noise, save
from PIL import Image

from ganvas.data import cache as cache_module
from ganvas.data import load
from ganvas.data.arrays import Ragged
from ganvas.data.cache import clear, pack
from ganvas.data.pictures import Framing, frame
from ganvas.data.sources.gallery import Gallery
from ganvas.errors import UserError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return save(tmp_path / "photos", range(70), 9, 9)  # more than two blocks


def suffixes(cache: Path) -> list[str]:
    return sorted(p.suffix for p in (cache / "data").iterdir())


def test_decoded_once(photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(photos)
    assert isinstance(first.samples, np.memmap)
    assert not first.samples.flags.writeable
    for i in (0, 31, 32, 69):
        assert np.array_equal(first.samples[i], noise(i, 9, 9))

    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(Gallery, "read", refuse)
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
        assert np.array_equal(d.samples[row], noise(i, 9, 9))
    assert [Path(p.file).stem for p in d.problems] == ["000", "040", "069"]


def test_a_damaged_entry_is_made_again(photos: Path, cache: Path) -> None:
    whole = load(photos).samples[:].copy()
    [samples] = (cache / "data").glob("*/samples.npy")
    samples.write_bytes(samples.read_bytes()[:-1])
    assert np.array_equal(load(photos).samples, whole)
    for damage in ("{", "[]", "null", '{"skipped": [], "fingerprint": ""}'):
        (samples.parent / "about.json").write_text(damage)
        assert np.array_equal(load(photos).samples, whole), damage
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
    assert "" not in suffixes(cache)
    assert ".part" not in suffixes(cache)
    assert len(load(photos)) == 70


def test_what_a_killed_process_left_is_swept(photos: Path, cache: Path) -> None:
    load(photos)
    [entry] = (p.parent for p in (cache / "data").glob("*/samples.npy"))
    entry.rename(entry.with_suffix(".part"))
    (entry.with_suffix(".part") / "about.json").unlink()
    assert len(load(photos)) == 70
    assert ".part" not in suffixes(cache)


PACKING = """
import os, sys, time
from pathlib import Path
from ganvas.data import load
from ganvas.data.sources.gallery import Gallery
read, count = Gallery.read, []
def slow(self, i):
    count.append(i)
    if i == 40 and len(sys.argv) > 2:
        Path(sys.argv[2]).touch()
        while Path(sys.argv[2]).exists():
            time.sleep(0.01)
    return read(self, i)
Gallery.read = slow
print(load(sys.argv[1], size=9, channels=3).fingerprint, len(count))
"""


def packing(*arguments: Path) -> subprocess.Popen:
    """Another process that packs; it stops at picture 40 while the file that is named second is there."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, "-c", PACKING, *arguments], stdout=subprocess.PIPE, text=True, env=env)


@pytest.fixture
def half_way(photos: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen, Path]]:
    """A process in the midst of packing, and the file that holds it."""
    held = tmp_path / "held"
    process = packing(photos, held)
    for _ in range(3000):
        if held.exists() or process.poll() is not None:
            break
        time.sleep(0.01)
    yield process, held
    process.kill()
    process.wait()


def test_two_processes_at_once(photos: Path) -> None:
    both = [packing(photos) for _ in range(2)]
    said = [p.communicate(timeout=60)[0].split() for p in both]
    assert said[0][0] == said[1][0] == load(photos).fingerprint
    assert sorted(int(count) for _, count in said) == [0, 70]  # one worked, the other waited or came later


def test_killed_half_way(photos: Path, cache: Path, half_way: tuple[subprocess.Popen, Path]) -> None:
    process, _ = half_way
    assert ".part" in suffixes(cache)
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    assert not cache_module.entries()
    assert np.array_equal(load(photos).samples[40], noise(40, 9, 9))
    assert ".part" not in suffixes(cache)


def test_what_is_being_packed_is_not_cleared(
    photos: Path, cache: Path, half_way: tuple[subprocess.Popen, Path]
) -> None:
    process, held = half_way
    pack(Handmade(3), Framing(8, 8, 3))
    assert [e.name for e in clear()] == ["handmade"]
    assert ".part" in suffixes(cache)
    held.unlink()
    said = process.communicate(timeout=60)[0].split()
    assert said == [load(photos).fingerprint, "70"]


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


def test_a_disk_that_fills_is_told_and_leaves_nothing(photos: Path, cache: Path) -> None:
    load(photos, size=8)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, before[1]))  # 70 pictures take 17 kB
    try:
        with pytest.raises(UserError, match=r"cannot write the cache folder .*File too large.*; set GANVAS_CACHE"):
            load(photos)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert ".part" not in suffixes(cache)
    assert [e.shape for e in cache_module.entries()] == [(70, 8, 8, 3)]
    assert len(load(photos)) == 70


FRAMINGS = [Framing(8, 8, 3), Framing(8, 9, 3), Framing(9, 8, 3), Framing(8, 8, 1), Framing(8, 8, 3, "pad"),
            Framing(8, 8, 3, "stretch"), Framing(8, 8, 3, "random-crop"), Framing(8, 8, 3, "pad", "red")]  # fmt: skip


def test_every_setting_has_an_entry_of_its_own(cache: Path) -> None:
    source = Handmade(5, ((8, 11), (12, 8)))
    found = {pack(source, f).fingerprint: f for f in FRAMINGS}
    assert len(found) == len(FRAMINGS) == len(cache_module.entries())
    for f in FRAMINGS:
        if f.fit != "random-crop":
            assert np.array_equal(pack(source, f).samples[3], frame(source.read(3), f))


def test_what_is_cropped_at_random_is_kept_beyond_its_frame(cache: Path) -> None:
    source, framing = Handmade(40, ((20, 8), (8, 8), (9, 30)), broken=[4]), Framing(6, 5, 3, "random-crop")
    first, again = pack(source, framing), pack(source, framing)
    assert len(source.read_so_far) == 40
    assert isinstance(again.samples, Ragged)
    assert (first.fingerprint, first.skipped) == (again.fingerprint, {4: "it is broken"})
    rows, low, high = np.arange(39), np.zeros((39, 2), np.float32), np.full((39, 2), 0.99, np.float32)
    kept = [frame(source.read(i), framing) for i in range(40) if i != 4]
    assert np.array_equal(again.samples.windows(rows, low), np.stack([k[:6, :5] for k in kept]))
    assert np.array_equal(again.samples.windows(rows, high), np.stack([k[-6:, -5:] for k in kept]))
    [places] = (cache / "data").glob("*/places.npy")
    places.unlink()
    assert np.array_equal(pack(source, framing).samples[:], first.samples[:])


def test_what_came_in_order_is_known_without_reading_it_again() -> None:
    """Labels and attributes of a set that comes over a network stay with its pictures."""
    framing = Framing(8, 8, 3)
    first, again = (Handmade(70, classes=3, broken=[5], sequential=True) for _ in range(2))
    for source in (first, again):
        packed = pack(source, framing)
        assert packed.skipped == {5: "it is broken"}
        assert np.array_equal(packed.samples[5], source.made(6))
        assert source.labels is not None
        assert source.labels.tolist() == [i % 3 for i in range(70)]
        assert source.label_names == ("class 0", "class 1", "class 2")
        assert source.attributes is not None
        assert np.array_equal(source.attributes.values, source.columns.values)
    assert (len(first.read_so_far), again.read_so_far) == (69, [])


def test_a_cache_of_somebody_else_can_be_read(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(photos)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(cache_module, "_write", refuse)
    assert len(load(photos)) == 70
