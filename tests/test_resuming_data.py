"""A run that goes on sees the images that it would have seen: from any folder, however they are read and varied."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import TINY, ganvas, lines, refused
from handmade import save

import ganvas as face
from ganvas.run import Run

FILES = ("weights.safetensors", "averages.safetensors", "optimizers.safetensors")
BUDGET = {"preset": "tiny", "device": "cpu", "precision": "fp32", "schedule_kimg": 0.4, "every": 1, "quiet": True}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with 40 pictures of several shapes for training, and as many for testing."""
    for k, part in enumerate(("train", "test")):
        folder = tmp_path / "here" / "photos" / part
        save(folder, range(100 * k, 100 * k + 30), 12, 17)
        save(folder, range(100 * k + 30, 100 * k + 40), 14, 10)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def weights(run: Run) -> dict[str, bytes]:
    return {f: (run.latest() / f).read_bytes() for f in FILES}


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "varied and cropped at random": ("photos", {"size": 8, "augment": "mirror,color", "fit": "random-crop"}),
    "decoded always": ("photos", {"size": 8, "decode": "always"}),
    "all at once": ("photos:test", {"size": "8x9", "decode": "always", "augment": "mirror,flip,color=0.5",
                                    "fit": "random-crop", "channels": 1, "limit": 33, "background": "red"}),
}  # fmt: skip


@pytest.mark.parametrize(("name", "reading"), CASES.values(), ids=CASES)
def test_stopped_half_way_and_resumed_elsewhere_it_ends_with_the_same_bits(
    name: str, reading: dict[str, Any], here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = face.train("gan", name, kimg=0.4, out=tmp_path / "whole", **BUDGET, **reading)
    half = face.train("gan", name, kimg=0.208, out=tmp_path / "half", **BUDGET, **reading)
    assert half.config["data"]["names"] == [str(here / name)]
    assert half.config["data"]["reading"] == reading
    assert weights(half) != weights(whole)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert weights(face.train(resume=half.dir, kimg=0.4, quiet=True)) == weights(whole)
    plain = {k: v for k, v in reading.items() if k not in ("augment", "fit", "decode")}
    once = face.train("gan", str(here / name), kimg=0.4, out=tmp_path / "plain", **BUDGET, **plain)
    same = "augment" not in reading  # when pictures are decoded changes nothing; what is made of them does
    assert (weights(once) == weights(whole)) == same


def test_a_picture_that_broke_is_replaced_alike_and_told(here: Path, tmp_path: Path) -> None:
    (here / "photos" / "train" / "007.png").write_text("no picture")
    always = {"size": 8, "channels": 3, "decode": "always"}
    whole = face.train("gan", "photos", kimg=0.4, out=tmp_path / "whole", **BUDGET, **always)
    face.train("gan", "photos", kimg=0.208, out=tmp_path / "half", **BUDGET, **always)
    resumed = face.train(resume=tmp_path / "half", kimg=0.4, quiet=True)
    assert weights(resumed) == weights(whole)
    warnings = [x["warning"] for x in lines(whole.dir / "log.jsonl") if "warning" in x]
    assert len(warnings) == 1
    assert "007.png was skipped: it is no PNG" in warnings[0]


def test_strictly_it_stops_at_the_picture(here: Path, tmp_path: Path) -> None:
    (here / "photos" / "train" / "007.png").write_text("no picture")
    argv = ("train", "gan", "photos", "--size", "8", *TINY, "--kimg", "0.2", "--quiet", "--strict", "--out", "run")
    assert "007.png: it is no PNG" in refused(*argv)
    assert not Path("run").exists()
    told = refused(*argv, "--decode", "always", "--channels", "3")
    assert "007.png cannot be read: it is no PNG" in told
    assert "ganvas train --resume run" in told
    assert lines(Path("run/log.jsonl"))[-1]["event"] == "failed"


def test_many_that_are_skipped_are_counted(here: Path, tmp_path: Path) -> None:
    for i in range(9):
        (here / "photos" / "train" / f"00{i}.png").write_text("no picture")
    run = face.train("gan", "photos", kimg=0.1, size=8, out=tmp_path / "run", **BUDGET)
    warnings = [x["warning"] for x in lines(run.dir / "log.jsonl") if "warning" in x]
    assert [w.split("/")[-1][:7] for w in warnings[:5]] == [f"00{i}.png" for i in range(5)]
    assert warnings[5:] == ["4 more files were skipped; config.json lists all."]
    assert len(run.config["data"]["problems"]) == 9


def test_a_table_of_attributes_is_found_again(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("look.csv").write_text("file,look\n" + "".join(f"{i:03},{'ab'[i % 2]}\n" for i in range(140)))
    argv = ("--size", "8", "--attributes", "look.csv", "--label", "look", *TINY, "--quiet", "--out", tmp_path / "run")
    assert ganvas("train", "gan", "photos", *argv, "--kimg", "0.1").code == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())["data"]
    assert config["reading"]["attributes"] == str(here / "look.csv")
    assert (config["label_names"], [c["name"] for c in config["attributes"]]) == (["a", "b"], ["look"])
    monkeypatch.chdir(tmp_path)
    assert ganvas("train", "--resume", "run", "--kimg", "0.2", "--quiet").code == 0
    assert ganvas("evaluate", "run", "--metrics", "fd", "--features", "pixels", "--json").code == 0
    (here / "look.csv").write_text((here / "look.csv").read_text().replace("003,b", "003,a"))
    assert "photos has changed since run was begun" in refused("train", "--resume", "run", "--kimg", "0.3")


@pytest.mark.parametrize("decode", ["once", "always"])
def test_changed_pictures_are_refused(decode: str, here: Path, tmp_path: Path) -> None:
    face.train("gan", "photos", kimg=0.1, size=8, decode=decode, out=tmp_path / "run", **BUDGET)
    save(here / "photos" / "train", [7], 13, 13)
    assert "has changed since" in refused("train", "--resume", tmp_path / "run", "--kimg", "0.2")


def test_the_reading_of_a_run_is_kept() -> None:
    assert "leave augment, fit out" in refused("train", "--resume", "x", "--augment", "flip", "--fit", "pad")
