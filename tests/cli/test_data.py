"""`ganvas data` as docs and scripts rely on it: what is printed where, and what is said of a mistake."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import contents, ganvas, refused
from handmade import save, stacked
from PIL import Image

from ganvas.data import load


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with sets of every kind, and a cache beside it."""
    folder = tmp_path / "here"
    save(folder / "pets" / "cats", range(3))
    save(folder / "pets" / "dogs", range(3, 7), 9, 12)
    (folder / "pets" / "dogs" / "004.png").write_text("no picture")
    save(folder / "maps" / "A", range(5), channels=1)
    save(folder / "maps" / "B", range(1, 6))
    (folder / "texts").mkdir()
    (folder / "texts" / "cat.png").write_text("I am a cat")
    (folder / "empty").mkdir()
    (folder / "notes.txt").write_text("no picture")
    (folder / "there.zip").write_text("mine")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path / "cache"))
    return folder


def document(*argv: str) -> Any:
    """The one JSON document of a command, with nothing beside it."""
    answer = ganvas("data", *argv, "--json")
    assert (answer.code, answer.err) == (0, "")
    return json.loads(answer.out)


# info


CONTRACT = {"count", "size", "channels", "labels", "task", "problems"}
"""What CONTRACT.md promises."""


def test_info_as_json_is_as_the_contract_says() -> None:
    found = document("info", "digits")
    assert found.keys() >= CONTRACT
    assert (found["count"], found["size"], found["channels"], found["task"]) == (1797, [8, 8], 1, "images")
    assert (len(found["labels"]), sum(found["labels"].values()), found["problems"]) == (10, 1797, [])

    found = document("info", "pets")
    assert found.keys() >= CONTRACT
    assert (found["count"], found["size"], found["channels"]) == (6, None, 3)
    assert found["labels"] == {"cats": 3, "dogs": 3}
    assert [p["file"] for p in found["problems"]] == ["pets/dogs/004.png"]
    assert all(p.keys() == {"file", "why"} for p in found["problems"])

    found = document("info", "maps")
    assert found.keys() >= CONTRACT
    assert (found["count"], found["task"], found["size"], found["sides"]) == (4, "pairs", [8, 8], {"A": 4, "B": 4})
    assert document("info", "maps", "--task", "domains")["task"] == "domains"
    assert document("info", "ring").keys() >= CONTRACT
    assert document("info", "pets", "digits")["count"] == 1803


def test_info_for_people(tmp_path: Path) -> None:
    answer = ganvas("data", "info", "pets")
    assert (answer.code, answer.err) == (0, "")
    for line in ("6 images", "they differ; short sides 8 to 9, median 8", "3 (RGB)", "cats: 3, dogs: 3",
                 "pets/dogs/004.png: it is no PNG"):  # fmt: skip
        assert line in answer.out
    (tmp_path / "set").mkdir()
    for k in range(25):
        (tmp_path / "set" / f"[bold]{k}.png").write_text("")
    save(tmp_path / "set", [0])
    said = ganvas("data", "info", tmp_path / "set").out
    assert "[bold]0.png" in said, "a name is no markup"
    assert "and 5 more; --json lists all" in said
    with zipfile.ZipFile(tmp_path / "[b]x.zip", "w") as z:
        z.write("pets/cats/000.png", "a.png")
        z.writestr("dataset.json", json.dumps({"labels": [["a.png", 0]], "label_names": ["[/red]"]}))
    said = ganvas("data", "info", tmp_path / "[b]x.zip").out
    assert "[b]x" in said
    assert "[/red]: 1" in said
    assert "2-D world with 8 modes" in ganvas("data", "info", "ring").out


# preview


def test_preview_draws_a_sheet_and_says_where() -> None:
    answer = ganvas("data", "preview", "pets", "--n", "4", "--out", "new/sheet.png")
    assert (answer.code, answer.out) == (0, "new/sheet.png\n")
    assert answer.err.startswith("pets/dogs/004.png: it is no PNG"), "what was skipped is told"
    with Image.open("new/sheet.png") as image:
        assert image.width > 64
    assert ganvas("data", "preview", "maps").out == "preview.png\n"
    pairs = Path("preview.png").read_bytes()
    for words in (["--task", "domains"], ["--task", "images"], ["--seed", "1"], ["--augment", "flip=1"]):
        assert ganvas("data", "preview", "maps", *words).code == 0
        assert Path("preview.png").read_bytes() != pairs, words
    assert ganvas("data", "preview", "maps").code == 0
    assert Path("preview.png").read_bytes() == pairs, "the same seed, the same sheet"


def test_preview_tells_what_was_skipped_on_the_fly() -> None:
    answer = ganvas("data", "preview", "pets", "--decode", "always", "--out", "x.png")
    assert answer.code == 0
    assert "pets/dogs/004.png: it is no PNG" in answer.err


# pack


def test_pack_writes_what_loads_the_same() -> None:
    answer = ganvas("data", "pack", "pets", "packed/pets.zip")
    assert (answer.code, answer.out) == (0, "packed/pets.zip\n")
    assert "pets/dogs/004.png" in answer.err
    ours, again = load("pets"), load("packed/pets.zip")
    assert np.array_equal(again.samples, ours.samples)
    assert again.label_names == ours.label_names
    assert document("info", "packed/pets.zip")["labels"] == {"cats": 3, "dogs": 3}

    assert ganvas("data", "pack", "maps", "packed/maps.zip").code == 0
    pairs = load("packed/maps.zip", task="pairs")
    assert np.array_equal(pairs.samples, stacked(range(1, 5)))
    assert ganvas("data", "pack", "maps/B", "digits", "packed/both.zip", "--size", "8", "--channels", "1").code == 0
    assert len(load("packed/both.zip")) == 1802


# cache


def test_cache_lists_and_clears(tmp_path: Path) -> None:
    assert document("cache") == {"folder": str(tmp_path / "cache"), "sets": []}
    load("pets", size=8)
    load("digits")
    listed = document("cache")["sets"]
    assert [(s["name"], s["shape"]) for s in listed] == [("digits", [1797, 8, 8, 1]), ("pets", [6, 8, 8, 3])]
    assert all(s["bytes"] > 0 and Path(s["folder"]).is_dir() for s in listed)
    table = ganvas("data", "cache").out
    assert "1,797 of 8 x 8 x 1" in table
    assert "today" in table
    assert ganvas("data", "cache", "--clear", "--unused-days", "1").out.startswith("0 sets deleted")
    cleared = document("cache", "--clear", "--name", "pets")["cleared"]
    assert [s["name"] for s in cleared] == ["pets"]
    assert ganvas("data", "cache", "--clear").out.startswith("1 sets deleted")
    assert document("cache")["sets"] == []


# Mistakes.


MISTAKES = {
    "there is no verb 'inof'; there are info, preview, pack, cache": ("inof",),
    "Did you mean info?": ("inof", "pets"),
    "name a set, as in `ganvas data info photos/`": ("info",),
    "name a set": ("preview",),
    "there is no option --nosuch": ("info", "pets", "--nosuch"),
    "there is no folder or file 'pest'": ("info", "pest"),
    "Did you mean pets or maps?": ("info", "pest", "--json"),
    "notes.txt holds no images in a format that is known": ("info", "notes.txt"),
    "empty is empty; give a folder with files that end in": ("info", "empty"),
    "none of its 1 files can be read as a picture; the first, texts/cat.png": ("info", "texts"),
    "there.zip is not a whole zip archive": ("info", "there.zip", "--json"),
    "has no published parts": ("info", "pets:test"),
    "ring is a 2-D world, which cannot be joined": ("info", "pets", "ring"),
    "pets/dogs/004.png: it is no PNG": ("info", "pets", "--strict"),
    "digits is a set of single images, without domains of A and B": ("info", "digits", "--task", "domains"),
    "cats is a set of single images, without pairs of a and b": ("info", "pets/cats", "--task", "pairs"),
    "--pairs sharpen: it is one of colorize": ("info", "pets", "--pairs", "sharpen"),
    "channels = 2 is out of range": ("info", "pets", "--channels", "2"),
    "--channels x is not a whole number": ("info", "pets", "--channels", "x"),
    "size = 0 is out of range": ("preview", "pets", "--size", "0"),
    "size = 8x is no size": ("preview", "pets", "--size", "8x"),
    "--fit diagonal is none of crop, pad, random-crop, stretch": ("preview", "pets", "--fit", "diagonal"),
    "limit = 0 is out of range": ("preview", "pets", "--limit", "0"),
    "augment: there is no 'spin'": ("preview", "pets", "--augment", "spin"),
    "background = wite is no colour": ("preview", "pets", "--background", "wite"),
    "has no attribute 'age'": ("preview", "pets", "--label", "age"),
    "the table nosuch.csv cannot be read": ("preview", "pets", "--attributes", "nosuch.csv"),
    "--n 0 is out of range; give at least 1": ("preview", "pets", "--n", "0"),
    "no picture format is called '.zip'": ("preview", "pets", "--out", "x.zip"),
    "there.zip/x.png cannot be written": ("preview", "ring", "--out", "there.zip/x.png"),
    "as in `ganvas data pack photos/ photos.zip`": ("pack", "pets"),
    "name what to pack": ("pack",),
    "out.tar does not end in .zip": ("pack", "texts", "out.tar"),
    "there.zip exists and is left as it is": ("pack", "texts", "there.zip"),
    "ring is a 2-D world of points, which has no images": ("pack", "ring", "x.zip"),
    "--pairs edges is made from the images": ("pack", "pets", "x.zip", "--pairs", "edges"),
    "choose what --clear deletes; give --clear too": ("cache", "--name", "pets"),
    "--unused-days -1 is out of range": ("cache", "--clear", "--unused-days", "-1"),
    "--unused-days nan is out of range": ("cache", "--clear", "--unused-days", "nan"),
    "--unused-days x is not a number": ("cache", "--unused-days", "x"),
}


@pytest.mark.parametrize(("says", "argv"), [pytest.param(s, a, id=" ".join(a)) for s, a in MISTAKES.items()])
def test_a_mistake_is_told_in_one_sentence_and_nothing_is_written(says: str, argv: tuple[str, ...], here: Path) -> None:
    before = contents(here)
    assert says.lower() in refused("data", *argv).lower()
    assert contents(here) == before


def test_a_pack_that_cannot_be_written_is_told_before_the_set_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("the set was read")

    monkeypatch.setattr("ganvas.data.dataset.find", forbidden)
    assert "exists and is left" in refused("data", "pack", "pets", "there.zip")


def test_a_cache_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANVAS_CACHE", str(Path("notes.txt").absolute()))
    assert "set GANVAS_CACHE to a folder with room" in refused("data", "info", "pets")


def test_help_and_looking_at_data_need_no_torch(here: Path) -> None:
    program = """
import sys
from ganvas.cli import main
for argv in (["data"], ["data", "--help"], ["data", "info", "--help"], ["data", "info", "pets", "--json"],
             ["data", "cache"], ["data", "pack", "pets", "x.zip"], ["data", "nosuch"]):
    try:
        main(argv)
    except SystemExit as e:
        assert e.code == (2 if "nosuch" in argv else 0), argv
    assert not {"torch", "sklearn", "matplotlib", "scipy", "pyarrow", "datasets"} & sys.modules.keys(), argv
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=here)
    assert done.returncode == 0, done.stderr
    assert "usage: ganvas data VERB" in done.stdout
