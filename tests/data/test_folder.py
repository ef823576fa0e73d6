"""A folder of pictures: what is found, how it is labelled, and what is told."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from ganvas.data import load
from ganvas.errors import UserError


def draw(path: Path, value: int = 0, size: tuple[int, int] = (8, 8), mode: str = "L") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).convert(mode).save(path)
    return path


def test_flat_and_sorted(tmp_path: Path) -> None:
    for i, name in enumerate(("b.png", "a.PNG", "ü.bmp", "c.webp")):
        draw(tmp_path / name, i)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden.png").write_text("x")
    d = load([f"{tmp_path}/"])
    assert d.name == tmp_path.name
    assert d.samples[:, 0, 0, 0].tolist() == [1, 0, 3, 2]
    assert (d.labels, d.label_names, d.problems) == (None, (), ())


def test_sub_folders_are_classes(tmp_path: Path) -> None:
    draw(tmp_path / "cats" / "deep" / "a.png", 1)
    draw(tmp_path / "birds" / "a.png", 2)
    draw(tmp_path / ".cache" / "a.png", 3)
    d = load(tmp_path)
    assert d.labels is not None
    assert (d.labels.tolist(), d.label_names) == ([0, 1], ("birds", "cats"))
    assert d.samples[:, 0, 0, 0].tolist() == [2, 1]
    draw(tmp_path / "c.png", 3)
    assert load(tmp_path).labels is None


def test_listing(tmp_path: Path) -> None:
    draw(tmp_path / "00000" / "a.png")
    draw(tmp_path / "00001" / "b.png")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": [["00000/a.png", 1], ["00001/b.png", 0]]}))
    d = load(tmp_path)
    assert d.labels is not None
    assert (d.labels.tolist(), d.label_names) == ([1, 0], ("0", "1"))
    (tmp_path / "dataset.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"dataset\.json is not valid JSON"):
        load(tmp_path)


def test_what_cannot_be_read_is_skipped_and_listed(tmp_path: Path) -> None:
    draw(tmp_path / "good.png", 7)
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "cut.png").write_bytes(draw(tmp_path / "x.png", 3, (64, 64)).read_bytes()[:-40])
    (tmp_path / "x.png").unlink()
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")  # reading it would wait for ever
    d = load(tmp_path)
    assert d.samples[:, 0, 0, 0].tolist() == [7]
    assert [Path(p.file).name for p in d.problems] == ["link.png", "pipe.png", "cut.png", "text.png"]
    assert all(p.why for p in d.problems)
    assert load(tmp_path).problems == d.problems  # from the cache too


def test_nothing_readable_names_the_folder_and_the_first_file(tmp_path: Path) -> None:
    for name in ("b.png", "a.png"):
        (tmp_path / name).write_text("not a picture")
    says = rf"{tmp_path.name}: none of its 2 files .* the first, {tmp_path}/a\.png: it is no PNG"
    for settings in ({}, {"size": 8, "channels": 3}):
        with pytest.raises(UserError, match=says):
            load(tmp_path, **settings)


def test_empty_folders_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is empty; give a folder with files that end in \.png"):
        load(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UserError, match=r"holds no pictures \(1 other files\)"):
        load(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="names that are no text exist on POSIX systems only")
def test_names_that_are_no_unicode(tmp_path: Path) -> None:
    draw(tmp_path / "good.png")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")).write_text("not a picture")
    [problem] = load(tmp_path).problems
    assert problem.file.encode() == f"{tmp_path}/?.png".encode()


def test_channels_are_decided_by_all_pictures(tmp_path: Path) -> None:
    for i in range(40):
        draw(tmp_path / f"{i:02}.png")
    assert load(tmp_path).samples.shape == (40, 8, 8, 1)
    draw(tmp_path / "99.png", mode="RGB")
    assert load(tmp_path).samples.shape == (41, 8, 8, 3)
    assert load(tmp_path, channels=1).samples.shape == (41, 8, 8, 1)


def test_the_native_size_is_the_median_short_side(tmp_path: Path) -> None:
    for i, size in enumerate([(10, 30), (20, 12), (90, 80)]):
        draw(tmp_path / f"{i}.png", size=size)
    asked = []
    d = load(tmp_path, size_for=lambda native: asked.append(native) or 16)
    assert asked == [12]
    assert d.samples.shape == (3, 16, 16, 1)
