"""Folders and archives give the same pictures, and nothing in an archive is trusted."""

from __future__ import annotations

import os
import time
import tracemalloc
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from picture_files import Files, png, values, write_folder, write_tar, write_zip

from ganvas.data import containers, load
from ganvas.data.archives import open_container
from ganvas.data.containers import Container, OneFile
from ganvas.errors import UserError

PETS = {"pets/犬/ß.png": png(1), "pets/猫/écran 🐈.png": png(2), "pets/猫/a b.png": png(3), "pets/readme.txt": b"x"}
KINDS = ("", ".zip", "-packed.zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", "-zip.dat", "-tar.dat")


def write(folder: Path, kind: str, files: Files = PETS) -> Path:
    path = folder / f"tiere ü{kind}"
    if kind == "":
        return write_folder(path, files)
    if "zip" in kind:
        return write_zip(path, files, zipfile.ZIP_DEFLATED if "packed" in kind else zipfile.ZIP_STORED)
    return write_tar(path, files)


def read_all(files: Container) -> dict[str, bytes]:
    return {name: files.read(name) for name in files.names}


@contextmanager
def at_most(megabytes: float) -> Iterator[None]:
    """Python's own memory stays below, whatever an archive promises."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * 1e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_pictures_in_each(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, kind)
    files = open_container(path)
    assert read_all(files) == PETS
    assert files.names == sorted(PETS)
    assert [files.size(n) for n in files.names] == [len(PETS[n]) for n in files.names]
    assert files.where("pets/犬/ß.png") == f"{path}/pets/犬/ß.png"
    d = load(path)
    assert (d.name, d.label_names, d.problems) == (path.name.split(".")[0], ("犬", "猫"), ())
    assert values(d) == [1, 3, 2]
    assert d.labels is not None
    assert d.labels.tolist() == [0, 1, 1]
    assert open_container(path).fingerprint == files.fingerprint
    os.utime(path if path.is_file() else path / "pets/犬/ß.png", (1, 1))
    assert open_container(path).fingerprint != files.fingerprint


@pytest.mark.parametrize("kind", ["", ".zip", ".tar", ".tar.gz"])
def test_many_threads_may_read(tmp_path: Path, kind: str) -> None:
    content = {f"{i:02}.bin": np.random.default_rng(i).bytes(5000 + i) for i in range(40)}
    files = open_container(write(tmp_path, kind, content))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(files.read, files.names * 20)) == [content[n] for n in files.names * 20]


def test_a_picture_alone(tmp_path: Path) -> None:
    path = write_folder(tmp_path, {"one.png": png(5)}) / "one.png"
    assert isinstance(open_container(path), OneFile)
    assert (load(path).name, values(load(path))) == ("one", [5])


def test_what_is_no_file_is_told_and_never_opened(tmp_path: Path) -> None:
    for name in ("pipe.png", "pipe.zip", "pipe"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(UserError, match=f"{name} is a device or a pipe"):
            load(tmp_path / name)
    with pytest.raises(UserError, match="/dev/zero is a device or a pipe"):
        load("/dev/zero")


def test_loops_of_links_end_and_links_are_followed(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set", {"cats/a.png": png(1), "dogs/b.png": png(2)})
    write_folder(tmp_path / "elsewhere", {"c.png": png(3)})
    (root / "cats" / "up").symlink_to(root)
    (root / "cats" / "here").symlink_to(".")
    (root / "dogs" / "other").symlink_to(root / "cats")
    (root / "more").symlink_to(tmp_path / "elsewhere")
    (root / "self.png").symlink_to(root / "self.png")
    d = load(root)
    assert values(d) == [1, 2, 3]
    assert d.label_names == ("cats", "dogs", "more")
    assert [(Path(p.file).name, p.why) for p in d.problems] == [("self.png", "it is a broken link or no regular file")]


def test_folders_that_may_not_be_read_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_folder(tmp_path, {"a.png": png(), "locked/b.png": png()})
    scan = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match=r"cannot read the folder .*locked \(Permission denied\)"):
        load(root)


@pytest.mark.parametrize("write_it", [write_zip, write_tar])
def test_names_that_lead_out_are_refused(tmp_path: Path, write_it: object) -> None:
    evil = ("../../evil.png", "/etc/evil.png", "..\\evil.png", "C:\\evil.png", "a/../../evil.png", "\\evil.png", "..")
    good = {"good.png": png(5), "10:30.png": png(6), "./a//b/./c.png": png(7), "._good.png": b"", "__MACOSX/g.png": b""}
    path = write_it(tmp_path / "slip.zip", dict.fromkeys(evil, png(9)) | good)  # type: ignore[operator]
    path = path.rename(path.with_suffix(".dat"))
    d = load(path)
    assert open_container(path).names == ["10:30.png", "a/b/c.png", "good.png"]
    assert values(d) == [6, 7, 5]
    assert [p.file for p in d.problems] == [f"{path}/{name}" for name in evil]
    assert {p.why for p in d.problems} == {"its name leads out of the archive"}
    assert list(tmp_path.parent.rglob("*evil*")) == []
    assert not any(Path(name).exists() for name in evil[:-1])


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", [".zip", ".tar"])
def test_of_several_with_one_name_the_last_is_taken_and_told(tmp_path: Path, kind: str) -> None:
    path = write(
        tmp_path, kind, {"./a.png": png(1), "b.png": png(2), "a.png": png(3), "x//c.png": png(), "x/c.png": png(9)}
    )
    d = load(path)
    assert values(d) == [3, 2, 9]
    assert [(p.file, p.why) for p in d.problems] == [
        (f"{path}/{name}", "there are several of this name; the last is taken") for name in ("a.png", "x/c.png")
    ]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_entries_that_cannot_be_bounded_are_problems(tmp_path: Path, method: int) -> None:
    path = write_zip(tmp_path / "set.zip", {"b.png": png(1)}, method)
    with zipfile.ZipFile(path, "a") as z:
        z.writestr("a.png", png(2))
    d = load(path)
    assert values(d) == [2]
    assert [(p.file, "pack it with deflate" in p.why) for p in d.problems] == [(f"{path}/b.png", True)]


def test_bombs_by_size_and_by_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blank = {"a.png": png(1), "b.png": bytes(1_000_000)}
    bomb, plain = (
        write_zip(tmp_path / "bomb.zip", blank, zipfile.ZIP_DEFLATED),
        write_zip(tmp_path / "large.zip", blank),
    )
    packed = write_tar(tmp_path / "bomb.tar.gz", blank)
    monkeypatch.setattr(containers, "MOST_BYTES_A_FILE", 999_999)
    for path in (bomb, plain, packed):
        d = load(path)
        assert [p.file for p in d.problems] == [f"{path}/b.png"]
        assert [p.why for p in d.problems] == ["it has 1,000,000 bytes, more than the 999,999 that are let in"]
    monkeypatch.setattr(containers, "MOST_BYTES", 1000)
    for path in (bomb, packed):
        with at_most(4), pytest.raises(UserError, match=f"{path.name} holds .* it is a decompression bomb"):
            load(path)
    assert len(load(plain)) == 1  # large, but no bomb


def test_no_more_is_unpacked_than_is_promised(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "lie.zip", {"a.png": png(1), "b.png": bytes(30_000_000)}, zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\1\2")
    content[entry + 24 : entry + 28] = (100).to_bytes(4, "little")  # the size in the directory
    path.write_bytes(content)
    with at_most(8):
        d = load(path)
    assert (values(d), [p.file for p in d.problems]) == ([1], [f"{path}/b.png"])


def test_entries_that_overlap_are_problems(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "overlap.zip", {"a.png": png(1), "b.png": png(2), "c.png": png(3)})
    content = bytearray(path.read_bytes())
    second = content.index(b"PK\1\2", content.index(b"PK\1\2") + 4)
    content[second + 42 : second + 46] = bytes(4)  # b.png is said to lie where a.png does
    path.write_bytes(content)
    d = load(path)
    assert values(d)[-1] == 3
    assert f"{path}/b.png" in [p.file for p in d.problems]


def test_encrypted_files_are_problems(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "locked.zip", {"a.png": png(1), "b.png": png(2)})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1  # the flag of the first entry in the directory
    content[content.index(b"PK\3\4") + 6] |= 1
    path.write_bytes(content)
    d = load(path)
    assert [(p.file, "encrypted" in p.why) for p in d.problems] == [(f"{path}/a.png", True)]


def test_a_damaged_file_is_skipped_and_listed(tmp_path: Path) -> None:
    files = {"a.png": png(1), "b.png": png(2), "c.png": png(3)[:40], "d.png": b"text"}
    path = write_zip(tmp_path / "set.zip", files | {"dataset.json": b'{"labels": [["a.png", 0], ["b.png", 1], '
                                                   b'["c.png", 2], ["d.png", 3]]}'})  # fmt: skip
    content = path.read_bytes()
    at = content.index(png(2))
    path.write_bytes(content[: at + 50] + b"!" + content[at + 51 :])  # one byte of b.png flips: the checksum tells
    d = load(path)
    assert values(d) == [1]
    assert d.labels is not None
    assert d.labels.tolist() == [0]
    assert [p.file for p in d.problems] == [f"{path}/{c}.png" for c in "bcd"]


@pytest.mark.parametrize("kind", [".zip", ".tar", ".tar.gz", ".tar.xz"])
def test_no_truncation_leaves_a_silent_hole(tmp_path: Path, kind: str) -> None:
    files = {f"{name}.png": png(i) for i, name in enumerate("abc")}
    whole = write(tmp_path, kind, files).read_bytes()
    cut = tmp_path / f"cut{kind}"
    step = max(1, len(whole) // 120)
    told = 0
    for length in sorted({*range(0, len(whole), step), len(whole) - 1, *range(0, len(whole), 512)}):
        cut.write_bytes(whole[:length])
        try:
            found = open_container(cut)
        except UserError as e:
            assert str(e).startswith(str(cut))
            told += 1
        else:
            assert read_all(found).items() <= files.items()
            assert found.names == sorted(files) or [p.file for p in found.problems] == [str(cut)]
    assert told > (10 if kind == ".tar" else 80)


@pytest.mark.parametrize("kind", [".zip", ".tar"])
def test_ten_thousand_entries_are_listed_at_once(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, kind, {f"{i % 100}/{i}.png": b"" for i in range(10_000)})
    start = time.perf_counter()
    assert len(open_container(path).names) == 10_000
    assert time.perf_counter() - start < 5  # about half a second


def test_without_pictures_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"empty\.zip holds no images in a format that is known"):
        load(write_zip(tmp_path / "empty.zip", {"notes.txt": b"x"}))
    with pytest.raises(UserError, match=r"none\.tar is empty"):
        load(write_tar(tmp_path / "none.tar", {}))
