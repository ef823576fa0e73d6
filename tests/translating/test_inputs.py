"""What INPUT names, and what is passed over."""

from __future__ import annotations

from pathlib import Path

import pytest
from picture_files import png, write_folder, write_tar, write_zip

from ganvas.errors import UserError
from ganvas.translating.inputs import listed

FILES = {
    "1.png": png(),
    "2.JPG": png(),
    "sub/1.png": png(),
    "sub/deep/3.webp": png(),
    "notes.txt": b"",
    ".h.png": png(),
}
NAMES = ["1.png", "2.JPG", "sub/1.png", "sub/deep/3.webp"]


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "photos", FILES)
    write_zip(tmp_path / "z.zip", FILES)
    write_tar(tmp_path / "t.tar.gz", FILES)
    return tmp_path


def names(*inputs) -> list[str]:
    found, problems = listed(inputs if len(inputs) > 1 else inputs[0])
    assert problems == []
    assert all(Path(p.where).name for p in found)
    return [p.name for p in found]


@pytest.mark.parametrize("input", ["photos", "photos/", "./photos", "z.zip", "t.tar.gz", Path("photos")])
def test_folders_and_archives_are_read_to_the_bottom(here, input):
    assert names(input) == NAMES


@pytest.mark.parametrize(
    ("inputs", "called"),
    [
        (("photos/1.png",), ["1.png"]),
        (("photos/*",), ["1.png", "2.JPG", "sub/1.png", "sub/deep/3.webp"]),
        (("photos/*.png",), ["1.png"]),
        (("photos/s*/*.png",), ["sub/1.png"]),
        (("photos/**/*.png",), ["1.png", "sub/1.png"]),
        (("photos/**",), ["1.png", "2.JPG", "sub/1.png", "sub/deep/3.webp"]),
        (("ph*",), [f"photos/{name}" for name in NAMES]),
        (("*.zip",), [f"z/{name}" for name in NAMES]),
        (("photos/1.png", "photos/sub/1.png"), ["1.png", "sub/1.png"]),
        (("photos/sub", "photos/1.png"), ["sub/1.png", "sub/deep/3.webp", "1.png"]),
        (("z.zip", "t.tar.gz"), [f"{a}/{name}" for a in ("z", "t") for name in NAMES]),
        (("photos/1.png", "photos/*.png", "./photos/../photos/1.png"), ["1.png"]),
    ],
)
def test_names_are_kept_from_the_folder_that_all_share(here, inputs, called):
    assert names(*inputs) == called


def test_a_name_that_is_also_a_glob_is_a_name_first(here):
    write_folder(here, {"a[1].png": png(), "a1.png": png()})
    assert names("a[1].png") == ["a[1].png"]
    assert names("a[0-9].png") == ["a1.png"]


def test_a_file_that_a_person_names_is_tried_whatever_it_is_called(here):
    write_folder(here, {"scan": png()})
    assert names("scan") == ["scan"]


def test_what_looks_like_a_picture_is_told(here):
    write_folder(here, {"photos/a.heic": b"", "more/1.png": png()})
    (here / "photos" / "broken.png").symlink_to("nowhere.png")
    for input in ("photos", "photos/*"):
        problems = {Path(p.file).name: p.why for p in listed(input)[1]}
        assert problems.keys() == {"a.heic", "broken.png"}
        assert "HEIC is not read here" in problems["a.heic"] and "broken link" in problems["broken.png"]
    write_zip(here / "bad.zip", {"../out.png": png(), "in.png": png()})
    found, problems = listed("bad.zip")
    assert [p.name for p in found] == ["in.png"]
    assert "leads out of the archive" in problems[0].why


@pytest.mark.parametrize(
    ("input", "words"),
    [
        ("photo", "there is no picture, folder or archive 'photo'. Did you mean photos"),
        ("nothing/*.png", "finds nothing"),
        ("empty", "empty is empty"),
        ("texts", "holds no pictures (1 other files)"),
        ("texts/*", "holds no pictures (1 other files)"),
        ("cut.zip", "not a whole zip archive"),
        ("a.heic", "a.heic: HEIC is not read here"),
        ([], "no pictures are named"),
        ("x" * 5000, "there is no picture"),
        ("a\0b", "there is no picture"),
    ],
)
def test_mistakes_are_told(here, input, words):
    write_folder(here, {"texts/a.txt": b"x", "a.heic": b"", "cut.zip": (here / "z.zip").read_bytes()[:150]})
    (here / "empty").mkdir()
    with pytest.raises(UserError) as e:
        listed(input)
    assert words in str(e.value)
