"""An augmented set on disk: it reads back with its classes, its manifest tells all, and it is there whole or not."""

from __future__ import annotations

import csv
import errno
import io
import json
import re
import unicodedata
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from augmenting.painters import labelled
from hypothesis import given
from hypothesis import strategies as st

from ganvas.augmenting import writing
from ganvas.augmenting.making import Made
from ganvas.augmenting.writing import COLUMNS, Writer, folders
from ganvas.data import Dataset, load
from ganvas.data.sources.base import Attributes
from ganvas.errors import UserError

ABOUT = {"format": 1, "game": "painter"}


def made(n: int, first: int = 0, columns: int = 0, side: int = 4, channels: int = 1) -> Made:
    images = np.random.default_rng(first + 1).integers(0, 256, (n, side, side, channels), np.uint8)
    of = np.arange(first, first + n)
    scores = np.where(of % 2, of / 10, np.nan).astype(np.float32)
    return Made(images, of + 2**62, of, scores, np.tile(np.arange(columns, dtype=np.float32), (n, 1)))


def write(out: Path, data: Dataset, synthetic: dict[int, list[Made]], reals: bool = True) -> Path:
    with Writer(out, data) as writer:
        if reals:
            writer.reals()
        for k, parts in synthetic.items():
            for part in parts:
                writer.synthetic(k, part)
        writer.finish(ABOUT)
    return out


def files(out: Path) -> dict[str, bytes]:
    if out.is_file():
        with zipfile.ZipFile(out) as z:
            assert z.testzip() is None
            return {name: z.read(name) for name in z.namelist()}
    return {str(f.relative_to(out)): f.read_bytes() for f in out.rglob("*") if f.is_file()}


def manifest(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files(out)["manifest.csv"].decode(), newline="")))


def assert_reads_back(out: Path, data: Dataset, synthetic: dict[int, list[Made]], reals: bool = True) -> None:
    again = load(out)
    assert (again.label_names, again.problems, again.task) == (data.label_names, (), "images")
    expected = [(image.tobytes(), int(k)) for image, k in zip(data.samples, data.labels, strict=True)] if reals else []
    expected += [(image.tobytes(), k) for k, parts in synthetic.items() for part in parts for image in part.images]
    found = [(image.tobytes(), int(k)) for image, k in zip(again.samples, again.labels, strict=True)]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("name", ["set", "set.zip"])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_reads_back_with_its_classes(tmp_path: Path, name: str, channels: int) -> None:
    data = labelled(300, 5, 0, 12, channels=channels, names=("rose", "tulip, red", "none", "10"))
    synthetic = {1: [made(70, channels=channels), made(3, 70, channels=channels)], 3: [made(2, channels=channels)]}
    assert_reads_back(write(tmp_path / name, data, synthetic), data, synthetic)


def test_the_synthetic_ones_alone(tmp_path: Path) -> None:
    data, synthetic = labelled(9, 5), {1: [made(4)]}
    assert_reads_back(write(tmp_path / "set", data, synthetic, reals=False), data, synthetic, reals=False)


def test_the_manifest_tells_them_apart(tmp_path: Path) -> None:
    data = labelled(2, 1, names=("rose", 'tulip, "red"'))
    out = write(tmp_path / "set", data, {1: [made(2), made(1, 2)]})
    rows = manifest(out)
    assert tuple(rows[0]) == COLUMNS
    assert [(r["file"], r["kind"], r["row"], r["seed"], r["index"], r["score"]) for r in rows] == [
        ("rose/real-000000.png", "real", "0", "", "", ""),
        ("rose/real-000001.png", "real", "1", "", "", ""),
        ("tulip, _red_/real-000002.png", "real", "2", "", "", ""),
        ("tulip, _red_/synthetic-000000.png", "synthetic", "", str(2**62), "0", ""),
        ("tulip, _red_/synthetic-000001.png", "synthetic", "", str(2**62 + 1), "1", "0.1"),
        ("tulip, _red_/synthetic-000002.png", "synthetic", "", str(2**62 + 2), "2", ""),
    ]
    assert {(r["class"], r["label"]) for r in rows} == {("rose", "0"), ('tulip, "red"', "1")}
    assert {r["file"] for r in rows} == {f for f in files(out) if f.endswith(".png")}
    assert json.loads(files(out)["manifest.json"]) == ABOUT


def test_the_same_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, synthetic = labelled(30, 5), {1: [made(20)]}
    one = write(tmp_path / "one.zip", data, synthetic).read_bytes()
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))
    assert write(tmp_path / "two.zip", data, synthetic).read_bytes() == one
    assert files(write(tmp_path / "three", data, synthetic)) == files(tmp_path / "one.zip")


def test_attributes_are_kept_and_those_of_samples_too(tmp_path: Path) -> None:
    data = labelled(3, 2)
    values = np.array([[1, 0], [2, 1], [np.nan, 0], [4, 1], [5, 0]], np.float32)
    data = replace(data, attributes=Attributes(("age", "wet"), values, {"wet": ("no", "yes")}))
    unknown = replace(made(1, 7, 2), attributes=np.full((1, 2), np.nan, np.float32))
    again = load(write(tmp_path / "set", data, {1: [made(2, columns=2), unknown]}))
    assert again.attributes.names == ("age", "wet") and again.attributes.words == {"wet": ("no", "yes")}
    expected = np.concatenate([values, [[0, 1], [0, 1], [np.nan, np.nan]]])
    np.testing.assert_array_equal(again.attributes.values, expected)


@given(st.lists(st.text(max_size=70), min_size=1, max_size=6))
def test_every_class_has_a_folder_that_every_system_takes(names: list[str]) -> None:
    found = folders(names)
    assert len({f.casefold() for f in found}) == len(names)
    for folder in found:
        assert folder and len(folder.encode(errors="surrogatepass")) <= 255
        assert not re.search(r'[\0-\x1f<>:"/\\|?*]', folder) and folder.strip(" ") == folder
        assert not folder.startswith(".") and not folder.endswith(".")


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("rose", "tulip"), ["rose", "tulip"]),
        (("0", "1", "10"), ["0", "1", "10"]),
        (("a/b", "a\\b"), ["class-0-a_b", "class-1-a_b"]),
        (("Rose", "rose"), ["class-0-Rose", "class-1-rose"]),
        (("..", ".hidden", ""), ["class-0-", "class-1-hidden", "class-2-"]),
        (("A", "B"), ["class-A", "class-B"]),
        (("train", "test"), ["class-train", "class-test"]),
        (("trainA", "trainB"), ["class-trainA", "class-trainB"]),
        (("ähre", "日本"), ["ähre", "日本"]),
    ],
)
def test_folders(names: tuple[str, ...], found: list[str], tmp_path: Path) -> None:
    assert folders(names) == found
    data = labelled(*[3] * len(names), names=names)
    assert_reads_back(write(tmp_path / "set", data, {0: [made(2)]}), data, {0: [made(2)]})
    assert_reads_back(write(tmp_path / "set.zip", data, {0: [made(2)]}), data, {0: [made(2)]})
    assert all(unicodedata.normalize("NFC", f) == f for f in found)


@pytest.mark.parametrize("name", ["set", "set.zip"])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), UserError("not finite")]
)
def test_after_a_failure_nothing_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException
) -> None:
    png, data = writing.png, labelled(20, 20)

    def fail_at_last(image: np.ndarray) -> bytes:
        if np.array_equal(image, data.samples[39]):
            assert [*tmp_path.glob(f".{name}.*.part")], "it is written aside"
            raise error
        return png(image)

    monkeypatch.setattr(writing, "png", fail_at_last)
    with pytest.raises((UserError, KeyboardInterrupt)) as told:
        write(tmp_path / name, data, {})
    assert not [*tmp_path.iterdir()]
    if isinstance(error, OSError):
        assert str(told.value) == f"The disk is full: {tmp_path / name} could not be written; make room."


@pytest.mark.parametrize("name", ["set", "set.zip"])
def test_what_has_come_to_be_meanwhile_is_left(tmp_path: Path, name: str) -> None:
    with (
        pytest.raises(UserError, match="has come to be meanwhile and is left"),
        Writer(tmp_path / name, labelled(2, 2)) as w,
    ):
        w.reals()
        (tmp_path / name).write_text("mine")
        w.finish(ABOUT)
    assert [f.name for f in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("name", ["set", "set.zip"])
def test_a_place_that_cannot_be_written_is_told_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="could not be written"), Writer(tmp_path / "file" / name, labelled(2, 2)):
        pytest.fail("it must not come to this")
