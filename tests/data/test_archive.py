"""Zip archives are read in place: labelled as StyleGAN does, and never trusted."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganvas.data import load
from ganvas.data.sources import archive as archive_module
from ganvas.errors import UserError


def png(value: int = 0, size: int = 8) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (size, size), (value, value, value)).save(file, "PNG")
    return file.getvalue()


def write(path: Path, files: dict[str, bytes], labels: object = ..., method: int = zipfile.ZIP_STORED) -> str:
    with zipfile.ZipFile(path, "w", method) as z:
        for name, content in files.items():
            z.writestr(name, content)
        if labels is not ...:
            z.writestr("dataset.json", json.dumps({"labels": labels}))
    return str(path)


def values(data: str) -> list[int]:
    return load(data).samples[:, 0, 0, 0].tolist()


FILES = {"00000/b.png": png(2), "00000/a.png": png(1), "00001/c.png": png(3)}


def test_stylegan_labels(tmp_path: Path) -> None:
    d = load(write(tmp_path / "set.zip", FILES, [["00000/a.png", 4], ["00000/b.png", 0], ["00001/c.png", 2]]))
    assert d.name == "set"
    assert d.samples[:, 0, 0, 0].tolist() == [1, 2, 3]
    assert d.labels is not None
    assert d.labels.tolist() == [4, 0, 2]
    assert d.labels.dtype == np.int64
    assert d.label_names == ("0", "1", "2", "3", "4")


def test_without_labels(tmp_path: Path) -> None:
    # The numbered folders of the StyleGAN format are no classes.
    assert load(write(tmp_path / "set.zip", FILES, None)).labels is None


def test_folders_are_classes_without_a_listing(tmp_path: Path) -> None:
    pets = {"pets/dogs/a.png": png(1), "pets/cats/a.png": png(2), "pets/cats/b.png": png(3), "pets/readme.txt": b"x"}
    d = load(write(tmp_path / "pets.zip", pets))
    assert d.labels is not None
    assert (d.labels.tolist(), d.label_names) == ([0, 0, 1], ("cats", "dogs"))
    assert load(write(tmp_path / "flat.zip", {**pets, "pets/c.png": png(9)})).labels is None
    assert load(write(tmp_path / "one.zip", {"pets/a.png": png(), "pets/b.png": png()})).labels is None


@pytest.mark.parametrize("label", [-1, 1.5, "cat", True, None, [0, 1], 10**12])
def test_labels_out_of_range_are_told(tmp_path: Path, label: object) -> None:
    data = write(tmp_path / "set.zip", {"a.png": png()}, [["a.png", label]])
    with pytest.raises(UserError, match=r"set\.zip/dataset\.json: the label .* of a\.png is not a whole number"):
        load(data)


def test_listings_that_do_not_fit_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no label for 00000/b\.png"):
        load(write(tmp_path / "few.zip", FILES, [["00000/a.png", 0]]))
    d = load(write(tmp_path / "many.zip", {"a.png": png()}, [["a.png", 1], ["gone.png", 0]]))
    assert [p.file for p in d.problems] == ["gone.png"]
    for content in ("{", "[]", "3", '{"labels": 3}', '{"labels": [3]}', "[" * 100_000):
        with zipfile.ZipFile(tmp_path / "broken.zip", "w") as z:
            z.writestr("a.png", png())
            z.writestr("dataset.json", content)
        with pytest.raises(UserError, match=r"broken\.zip/dataset\.json"):
            load(str(tmp_path / "broken.zip"))


def test_names_that_lead_out_are_refused(tmp_path: Path) -> None:
    evil = {"../../evil.png": png(9), "/etc/evil.png": png(9), "..\\evil.png": png(9), "C:\\evil.png": png(9)}
    before = sorted(tmp_path.rglob("*"))
    d = load(write(tmp_path / "slip.zip", {**evil, "good.png": png(5)}))
    assert d.samples[:, 0, 0, 0].tolist() == [5]
    assert len(d.problems) == 4
    assert all("leads out" in p.why for p in d.problems)
    assert sorted(tmp_path.rglob("*")) == [*before, tmp_path / "slip.zip"]


def test_unicode_hidden_and_mac_names(tmp_path: Path) -> None:
    files = {"猫/écran 🐈.png": png(1), "犬/ß.png": png(2), "__MACOSX/猫/x.png": b"junk", "犬/._ß.png": b"junk"}
    d = load(write(tmp_path / "tiere ü.zip", files))
    assert (d.name, d.label_names, d.problems) == ("tiere ü", ("犬", "猫"), ())
    assert d.samples[:, 0, 0, 0].tolist() == [2, 1]


def test_every_truncation_of_the_archive_is_told(tmp_path: Path) -> None:
    whole = Path(write(tmp_path / "whole.zip", FILES)).read_bytes()
    cut = tmp_path / "cut.zip"
    for length in (0, 1, 30, len(whole) // 2, len(whole) - 30, len(whole) - 1):
        cut.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"cut\.zip is not a whole zip archive"):
            load(str(cut))


def test_a_damaged_file_is_skipped_and_listed(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    write(
        path,
        {"a.png": png(1), "b.png": png(2), "c.png": png(3)[:40], "d.png": b"text"},
        [[f"{c}.png", i] for i, c in enumerate("abcd")],
    )
    content = path.read_bytes()
    at = content.index(png(2))
    path.write_bytes(content[: at + 50] + b"!" + content[at + 51 :])  # one byte of b.png flips: the checksum tells
    d = load(str(path))
    assert d.samples[:, 0, 0, 0].tolist() == [1]
    assert d.labels is not None
    assert d.labels.tolist() == [0]
    assert [p.file for p in d.problems] == [f"{path}/{c}.png" for c in "bcd"]


def test_bombs_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blank = b"\0" * 1_000_000
    data = write(tmp_path / "bomb.zip", {"a.png": png(1), "b.png": blank}, method=zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(archive_module, "MOST_BYTES_A_FILE", len(blank) - 1)
    d = load(data)
    assert [p.why for p in d.problems] == ["unpacks to 1,000,000 bytes, more than the 999,999 that are let in"]
    monkeypatch.setattr(archive_module, "MOST_BYTES", 1000)
    with pytest.raises(UserError, match="decompression bomb"):
        load(data)
    stored = write(tmp_path / "large.zip", {"a.png": png(1), "b.png": blank})  # large, but no bomb
    assert len(load(stored)) == 1


def test_encrypted_files_are_problems(tmp_path: Path) -> None:
    path = tmp_path / "locked.zip"
    write(path, {"a.png": png(1), "b.png": png(2)})
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\1\2")
    content[at + 8] |= 1  # the flag of the first entry in the directory
    content[content.index(b"PK\3\4") + 6] |= 1
    path.write_bytes(content)
    d = load(str(path))
    assert [(p.file, "encrypted" in p.why) for p in d.problems] == [(f"{path}/a.png", True)]


def test_without_pictures_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"empty\.zip holds no pictures"):
        load(write(tmp_path / "empty.zip", {"notes.txt": b"x"}))
