"""Wrong input of `ganvas evaluate`: exit 2 and one sentence, with nothing written; or a figure and a warning."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import contents, ganvas, refused
from PIL import Image

import ganvas as face
from ganvas.errors import UserError
from ganvas.run import Run

PIXELS = ("--metrics", "fd", "--features", "pixels")


def pictures(folder: Path, n: int, shape: tuple[int, ...], classes: tuple[str, ...] = ("",)) -> None:
    """`n` pictures of noise, uint8 of this shape, a folder for each class."""
    rng = np.random.default_rng(n)
    for i in range(n):
        where = folder / classes[i % len(classes)]
        where.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(where / f"{i}.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A run and sets of pictures."""
    here = tmp_path_factory.mktemp("wrong")
    face.train("gan", "digits", out=here / "run", quiet=True, kimg=0.2, batch=100, maxout_units=8, width=8)
    shutil.copytree(here / "run", here / "early")
    shutil.rmtree(here / "early" / "checkpoints")
    pictures(here / "grey", 20, (8, 8))
    pictures(here / "colour", 20, (16, 12, 3))
    pictures(here / "three", 3, (8, 8))
    pictures(here / "one", 1, (8, 8))
    pictures(here / "cats", 20, (8, 8), ("cat", "dog"))
    pictures(here / "all", 60, (8, 8), ("cat", "dog", "cow"))
    pictures(here / "others", 20, (8, 8), ("tree", "bush"))
    shutil.copytree(here / "grey", here / "broken")
    (here / "broken" / "3.png").write_bytes(b"no picture")
    (here / "empty").mkdir()
    torch.save({"fc": torch.zeros(3)}, here / "wrong.pth")
    (here / "wrong.onnx").write_text("no network")
    (here / "wrong_features.py").write_text(
        "import numpy as np\ndef few(x): return np.zeros((1, 5))\ndef flat(x): return np.zeros(len(x))\nseven = 7\n"
    )
    return here


@pytest.fixture
def here(folder, monkeypatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


MISTAKES = {
    "name what is to be measured": ("evaluate",),
    "there is no run nowhere; give the directory that `ganvas train` made, or name the real images": (
        "evaluate",
        "nowhere",
    ),
    "early has no checkpoint yet": ("evaluate", "early"),
    "there is no run run/checkpoints/999999": ("evaluate", "run/checkpoints/999999"),
    "no folder or file 'nowhere'": ("evaluate", "grey", "nowhere"),
    "empty is empty": ("evaluate", "empty", "grey"),
    "three has too few samples to be held against (3); give at least 4": ("evaluate", "grey", "three"),
    "one has too few samples to be judged (1)": ("evaluate", "one", "grey"),
    "n = 21, but grey has only 20 samples": ("evaluate", "grey", "grey", "--n", "21"),
    "n = 1 is out of range": ("evaluate", "run", "--n", "1"),
    "--n many is not a whole number": ("evaluate", "run", "--n", "many"),
    "seed = -1 is out of range": ("evaluate", "run", "--seed", "-1"),
    "truncation = 2 is out of range": ("evaluate", "run", "--truncation", "2"),
    "bootstrap = 1 is out of range": ("evaluate", "run", "--bootstrap", "1"),
    "--reference alll is none of all, half": ("evaluate", "run", "--reference", "alll"),
    "there is no option --nosuch. `": ("evaluate", "run", "--nosuch", "3"),
    "Did you mean --data? `": ("evaluate", "run", "--dta", "3"),
    "no metric 'fdi'": ("evaluate", "run", "--metrics", "fdi"),
    "Did you mean precision?": ("evaluate", "run", "--metrics", "precison"),
    "no metric is named": ("evaluate", "run", "--metrics", ","),
    "with commas between, as in --metrics fd,kid": ("evaluate", "run", "--metrics", "fd", "kid"),
    "named twice, as grey and by --data": ("evaluate", "run", "grey", "--data", "grey"),
    "ring has points of a plane and grey has": ("evaluate", "ring", "grey"),
    "others has no labels, or others than the real set": ("evaluate", "others", "all", "--metrics", "cas"),
    "a set of samples, and the metric ppl moves the latents": ("evaluate", "grey", "grey", "--metrics", "ppl"),
    "swd compares patches of images of 16 px": ("evaluate", "run", "--metrics", "swd"),
    "there are no features 'pixls'": ("evaluate", "run", "--features", "pixls"),
    "give --features points": ("evaluate", "ring", "ring", *PIXELS),
    "its SHA-256 begins with": ("evaluate", "run", "--features", "wrong.pth"),
    "there is no file nowhere.pth": ("evaluate", "run", "--features", "nowhere.pth"),
    "there is no file nowhere.onnx": ("evaluate", "run", "--features", "nowhere.onnx"),
    "nomodule:f cannot be imported: ModuleNotFoundError: No module named 'nomodule'; run": (
        "evaluate",
        "run",
        "--features",
        "nomodule:f",
    ),
    "has no attribute 'gone'; run this": ("evaluate", "run", "--features", "wrong_features:gone"),
    "seven is of type int, not a function": ("evaluate", "run", "--features", "wrong_features:seven"),
    "few gives vectors of shape [1, 5] for 2 samples": ("evaluate", "run", "--features", "wrong_features:few"),
    "flat gives vectors of shape [2] for 2 samples": ("evaluate", "run", "--features", "wrong_features:flat"),
}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_told_in_one_sentence(words, here):
    before = contents(here / "run")
    assert words in refused(*MISTAKES[words])
    assert contents(here / "run") == before


def test_a_broken_network_is_told(here):
    pytest.importorskip("onnxruntime")
    assert "wrong.onnx cannot be read" in refused("evaluate", "run", "--features", "wrong.onnx")


def measured(*argv: str) -> dict:
    answer = ganvas("evaluate", *argv, "--json")
    assert (answer.code, answer.err) == (0, "")
    return json.loads(answer.out)


def test_sets_of_other_channels_and_sizes_are_brought_together_and_it_is_said(here):
    made_grey = measured("grey", "colour", *PIXELS)
    assert len(measured("colour", "colour", "--n", "9", *PIXELS).get("notes", [])) == 1, "told once"
    assert made_grey["notes"] == ["the pictures of colour are 16x12 and were fitted to 8x8."]
    assert any("colour is in colour and was made grey" in w for w in made_grey["warnings"])
    made_rgb = measured("colour", "grey", *PIXELS)
    assert made_rgb["shape"] == [3, 12, 12]
    assert any("grey is grey and what it is compared with is in colour" in w for w in made_rgb["warnings"])
    alike = measured("grey", "three", "one", *PIXELS)
    assert "notes" not in alike
    assert not any("colour" in w for w in alike["warnings"])


def test_files_that_cannot_be_read_are_told(here):
    assert any("broken is measured without 1 of its files" in w for w in measured("broken", "all", *PIXELS)["warnings"])
    assert any("broken is measured without 1 of its files" in w for w in measured("all", "broken", *PIXELS)["warnings"])
    assert not any("without" in w for w in measured("grey", "all", *PIXELS)["warnings"])


def test_a_class_that_is_missing_is_counted_as_missing(tmp_path):
    for name, grey in {"night": 10, "dusk": 120, "day": 240}.items():
        for folder in [tmp_path / "all", *([] if name == "dusk" else [tmp_path / "some"])]:
            (folder / name).mkdir(parents=True)
            for i in range(20):
                Image.fromarray(np.full((8, 8), grey + i % 10, np.uint8)).save(folder / name / f"{i}.png")
    some = measured(str(tmp_path / "some"), str(tmp_path / "all"), "--metrics", "classes")["metrics"]["classes"]
    assert (some["value"], some["of"], some["floor"]) == (2, 3, 3)
    assert some["counts"]["dusk"] == 0


@pytest.fixture
def copied(folder, tmp_path) -> Path:
    return Path(shutil.copytree(folder / "run", tmp_path / "run"))


def test_what_cannot_be_kept_is_shown_all_the_same(copied):
    (copied / "report.html").unlink()
    (copied / "report.html").mkdir()
    record = measured(str(copied), *PIXELS)
    assert record["metrics"]["fd"]["value"] > 0
    assert any("report.html cannot be written" in w for w in record["warnings"])
    (copied / "metrics.jsonl").unlink()
    (copied / "metrics.jsonl").mkdir()
    assert any("metrics.jsonl cannot be written" in w for w in measured(str(copied), *PIXELS)["warnings"])


def test_a_run_that_is_read_only_is_measured_without_a_figure(copied, monkeypatch):
    argv = (str(copied), "--metrics", "neighbours", "--features", "pixels")
    assert "figure" in measured(*argv)["metrics"]["neighbours"]
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "figure" not in measured(*argv)["metrics"]["neighbours"]


def test_mistakes_in_python_are_told(here):
    with pytest.raises(UserError, match="a Run cannot be measured; give a run directory"):
        face.evaluate(Run("run"), "digits")
    with pytest.raises(UserError, match="no setting 'nn'"):
        face.evaluate("run", nn=3)
    assert list(face.evaluate("grey", "grey", metrics="fd, kid", features="pixels")["metrics"]) == ["fd", "kid"]
