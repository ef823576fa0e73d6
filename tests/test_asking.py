"""Labels through the command line: what can be asked of a conditional run, and how a mistake is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from commands import TINY, ganvas, refused
from PIL import Image

import ganvas as face


def pictures(folder: Path, **counts: int) -> Path:
    """A folder of classes, with an age for each picture but those of the class `unknown`."""
    rng, lines = np.random.default_rng(0), ["file,age,look"]
    for name, n in counts.items():
        (folder / name).mkdir(parents=True)
        for i in range(n):
            Image.fromarray(rng.integers(0, 255, (16, 16), np.uint8)).save(folder / name / f"{name}{i}.png")
            lines.append(f"{name}/{name}{i}.png,{'' if name == 'unknown' else 20 + i},{'sad' if i % 2 else 'glad'}")
    (folder / "attributes.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A run on two classes with ages from 20 to 39 and two looks."""
    folder = tmp_path_factory.mktemp("asking")
    data = pictures(folder / "data", rose=20, tulip=20)
    command = ("train", "cgan", data, *TINY, "--kimg", "0.1", "--quiet", "--out", folder / "run")
    answer = ganvas(*command)
    assert answer.code == 0, answer.err
    return folder / "run"


def test_the_run_knows_names_and_ranges(trained):
    game = face.load(trained)
    assert game.condition.names == ("rose", "tulip")
    assert [(c.name, c.low, c.high, c.words) for c in game.condition.columns] == [
        ("age", 20.0, 39.0, ()), ("look", 0.0, 1.0, ("glad", "sad")),
    ]  # fmt: skip
    assert game.typical[:, 2].unique().numel() > 2, "attributes of real samples are kept"


def test_a_grid_has_a_row_for_each_class(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ganvas("sample", trained, "--out", "grid.png").code == 0
    assert ganvas("sample", trained, "--label", "rose,tulip", "--out", "asked.png").code == 0
    width, height = Image.open("grid.png").size
    assert width / height == pytest.approx(4, rel=0.05), "two rows of eight"
    assert (np.asarray(Image.open("asked.png")) == np.asarray(Image.open("grid.png"))).all()
    assert ganvas("sample", trained, "--label", "tulip+age=30", "--n", "3", "--out", "x.npz").code == 0
    assert ganvas("sample", trained, "--label", "1", "--n", "3", "--out", "y.npz").code == 0
    assert np.load("x.npz")["samples"].shape == (3, 16, 16, 1)


def test_from_class_to_class(trained, tmp_path, monkeypatch):
    """Only the label changes: the ends are the images of the two labels, and the middle is neither."""
    monkeypatch.chdir(tmp_path)
    path = ("latent", "interpolate", trained, "--from", "3", "--steps", "3")
    assert ganvas(*path, "--label", "rose", "--to-label", "tulip", "--out", "way.png").code == 0
    alone = ("latent", "show", trained, "--at", "3")
    assert ganvas(*alone, "--label", "tulip", "--out", "end.png").code == 0
    way = np.asarray(Image.open("way.png").convert("L")).astype(int)
    third = way.shape[1] // 3
    first, middle, last = way[:, :third], way[:, third : 2 * third], way[:, -third:]
    assert (first != last).any()
    assert (middle != first).any()
    assert (middle != last).any()
    answer = ganvas("latent", "center", trained, "--out", "centre.png")
    assert answer.code == 0
    assert "made for rose" in answer.err


ASKING = {
    "knows no class 'rosse'. Did you mean rose": ("sample", "RUN", "--label", "rosse"),
    "no class 2: its 2 classes are numbered from 0": ("sample", "RUN", "--label", "2"),
    "without an attribute 'aeg'. Did you mean age": ("sample", "RUN", "--label", "rose+aeg=3"),
    "age=99 is out of range; give 20 to 39": ("sample", "RUN", "--label", "age=99"),
    "look=mad is none of glad, sad": ("sample", "RUN", "--label", "look=mad"),
    "no class 'lily'": ("latent", "show", "RUN", "--label", "lily"),
}


@pytest.mark.parametrize("words,argv", ASKING.items())
def test_what_nobody_knows(words, argv, trained, tmp_path):
    out = tmp_path / "x.png"
    assert words in refused(*(trained if a == "RUN" else a for a in argv), "--out", out)
    assert not out.exists()


@pytest.mark.parametrize("counts,more,words", [
    ({"rose": 20, "unknown": 20}, (), "20 of the samples have no value of the attribute 'age'"),
    ({"rose": 40, "tulip": 1}, ("--condition", "labels"), "1 image of the class 'tulip'"),
    ({"rose": 40}, ("--condition", "labels"), "labels of two classes or more"),
])  # fmt: skip
def test_data_that_cannot_be_learnt_from(counts, more, words, tmp_path):
    data = pictures(tmp_path / "data", **counts)
    assert words in refused("train", "cgan", data, *TINY, *more, "--kimg", "0.1", "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_set_without_classes(tmp_path):
    pictures(tmp_path / "data", rose=40)
    (tmp_path / "data" / "attributes.csv").unlink()
    data = tmp_path / "data" / "rose"
    assert "have neither" in refused("train", "acgan", data, *TINY, "--kimg", "0.1", "--out", tmp_path / "run")


def test_an_unconditional_run_is_asked_for_nothing(tmp_path):
    assert ganvas("train", "gan", "digits", *TINY, "--kimg", "0.1", "--quiet", "--out", tmp_path / "run").code == 0
    out = tmp_path / "x.png"
    assert "gan is not conditional" in refused("sample", tmp_path / "run", "--label", "3", "--out", out)
    assert "not conditional" in refused("latent", "center", tmp_path / "run", "--label", "3", "--out", out)
    assert not out.exists()


def test_a_run_of_an_earlier_version_is_opened_and_gone_on_with(tmp_path):
    """Then config.json held the names of the attributes alone."""
    data, run = pictures(tmp_path / "data", rose=20), tmp_path / "run"
    assert ganvas("train", "dcgan", data, *TINY, "--kimg", "0.1", "--quiet", "--out", run).code == 0
    file = run / "config.json"
    config = json.loads(file.read_bytes())
    config["data"]["attributes"] = [column["name"] for column in config["data"]["attributes"]]
    file.write_text(json.dumps(config))
    assert face.load(run).sample(1).shape == (1, 1, 16, 16)
    assert ganvas("train", "--resume", run, "--kimg", "0.2", "--quiet").code == 0
