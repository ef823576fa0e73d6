"""`ganvas evaluate` and `ganvas train --metrics` of games that translate: on what, told how, and the best is kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import ganvas, lines, refused
from metrics.translators import Translator, images, same, two_sided
from PIL import Image

import ganvas as face
from ganvas import training
from ganvas.data import load
from ganvas.errors import UserError
from ganvas.report.logs import read_metrics
from ganvas.report.series import metric_charts
from ganvas.run import Run

TINY = {"preset": "tiny", "size": 32, "quiet": True, "kimg": 0.008, "device": "cpu"}


def folder_of(path: Path, **counts: int) -> Path:
    """Pairs of images and their negatives in `trainA`, `trainB`, ..."""
    for part, n in counts.items():
        for i, x in enumerate(images(n, 32, seed=n)):
            for side, y in (("A", x), ("B", 255 - x)):
                (path / f"{part}{side}").mkdir(parents=True, exist_ok=True)
                Image.fromarray(y).save(path / f"{part}{side}" / f"{i}.png")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return folder_of(tmp_path_factory.mktemp("data") / "set", train=24, test=6)


@pytest.fixture(scope="module")
def pix2pix(tmp_path_factory, data) -> Run:
    out = tmp_path_factory.mktemp("runs") / "pix2pix"
    return face.train("pix2pix", data, out=out, held_out=0.25, metrics="psnr,fd", every=0.004, dropout="paper", **TINY)


@pytest.fixture(scope="module")
def cyclegan(tmp_path_factory, data) -> Run:
    out = tmp_path_factory.mktemp("runs") / "cyclegan"
    return face.train("cyclegan", data, out=out, metrics="fd,cycle", every=0.008, **TINY)


def answer(*argv: Any) -> dict[str, Any]:
    said = ganvas("evaluate", *argv, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_a_training_measures_what_it_does_not_see(pix2pix, cyclegan):
    told = lines(pix2pix.dir / "metrics.jsonl")
    assert [list(t["metrics"]) for t in told] == [["psnr", "fd"]] * 2
    assert {(t["data"], t["n_generated"]) for t in told} == {("set-held-out", 6)}
    assert all({"value", "copy"} <= t["metrics"]["psnr"].keys() for t in told)
    assert all({"value", "copy", "floor"} <= t["metrics"]["fd"].keys() for t in told)
    (told,) = lines(cyclegan.dir / "metrics.jsonl")
    assert list(told["metrics"]) == ["fd", "fd-ba", "cycle", "cycle-ba"]
    assert (told["data"], told["n_generated"]) == ("set-test", 6), "the published part"
    assert not any("very images" in note for note in told.get("notes", []))


def test_the_terminal_tells_of_copying(tmp_path, data):
    argv = ("--preset", "tiny", "--size", "32", "--kimg", "0.004", "--metrics", "l1,fd", "--device", "cpu")
    said = ganvas("train", "pix2pix", data, *argv, "--out", tmp_path / "run").err
    (of_pixels,) = (line for line in said.splitlines() if line.startswith("l1 ") and "copying" in line)
    assert "(copying the input 0." in of_pixels and "features" not in of_pixels
    (of_sets,) = (line for line in said.splitlines() if line.startswith("fd "))
    assert "(real against real" in of_sets and of_sets.endswith("features pixels-8x8")


def test_evaluate_gives_what_the_training_found(pix2pix):
    last = lines(pix2pix.dir / "metrics.jsonl")[-1]
    record = answer(pix2pix.dir, "--metrics", "psnr,fd")
    assert record["metrics"] == last["metrics"] and record["data_fingerprint"] == last["data_fingerprint"]
    assert (record["test_dropout"], record["test_statistics"], record["seed"]) == (True, "running", 0)
    assert "warnings" not in record or not any("changed" in w for w in record["warnings"])
    other = answer(pix2pix.dir, "--metrics", "psnr", "--seed", "1")
    assert other["metrics"]["psnr"]["value"] != last["metrics"]["psnr"]["value"], "another mask of the dropout"
    assert other["metrics"]["psnr"]["copy"] == last["metrics"]["psnr"]["copy"]


def test_defaults_and_a_table_for_people(pix2pix, cyclegan):
    assert list(answer(pix2pix.dir)["metrics"]) == ["fd", "kid", "l1", "psnr", "ssim"]
    said = ganvas("evaluate", pix2pix.dir).out
    for words in ("copying the", "real against", "PSNR", "6 translated with dropout, statistics of training"):
        assert words in said, words
    assert "cycle error, B" in ganvas("evaluate", cyclegan.dir).out


def test_data_chooses(pix2pix, cyclegan, data):
    whole = answer(pix2pix.dir, "--metrics", "l1", "--data", data)
    assert (whole["data"], whole["n_generated"]) == ("set", 24)
    assert "warnings" not in whole
    test = answer(pix2pix.dir, "--metrics", "l1", "--data", f"{data}:test")
    assert (test["data"], test["n_generated"]) == ("set-test", 6)
    seen = answer(cyclegan.dir, "--metrics", "cycle", "--data", data)
    assert "the very images that the run was trained on" in seen["notes"][0] and "--held-out 0.1" in seen["notes"][0]
    for python in (load(data, task="pairs", size=32, split="test"), f"{data}:test"):
        assert face.evaluate(pix2pix.dir, python, metrics=["l1"])["metrics"] == test["metrics"]
        game = face.load(pix2pix.dir)
        assert face.evaluate(game, python, metrics=["l1"])["metrics"] == test["metrics"]


def test_a_training_without_any_other_images_says_so(tmp_path):
    folder_of(tmp_path / "bare", whole=12)
    for side in "AB":
        (tmp_path / "bare" / f"whole{side}").rename(tmp_path / "bare" / side)
    run = face.train("pix2pix", tmp_path / "bare", out=tmp_path / "run", metrics="l1", **TINY)
    for record in (lines(run.dir / "metrics.jsonl")[-1], answer(run.dir, "--metrics", "l1")):
        assert record["data"] == "bare" and "very images that the run was trained on" in record["notes"][0]


def test_a_share_of_a_set_that_has_grown_is_told(tmp_path):
    data = folder_of(tmp_path / "set", train=12)
    run = face.train("pix2pix", data, out=tmp_path / "run", held_out=0.5, **TINY)
    assert not answer(run.dir, "--metrics", "l1").get("warnings")
    for side in "AB":
        Image.fromarray(images(1, 32, seed=5)[0]).save(data / f"train{side}" / "new.png")
    assert "may have seen what is held out" in answer(run.dir, "--metrics", "l1")["warnings"][0]


def test_recipes_are_judged_too(tmp_path):
    run = face.train("pix2pix", "blossoms:12", out=tmp_path / "run", pairs="colorize", metrics="l1", **TINY)
    record = answer(run.dir, "--metrics", "l1,ssim")
    assert (record["data"], record["n_generated"]) == ("blossoms-test", 12)
    assert record["metrics"]["l1"]["value"] == lines(run.dir / "metrics.jsonl")[-1]["metrics"]["l1"]["value"]
    assert 0 < record["metrics"]["l1"]["copy"] < 0.8, "the grey image is the copy"


@pytest.mark.parametrize(("metric", "kept"), [("psnr", 0), ("l1", 2), ("ssim-ba", 0), ("fd-ba", 2)])
def test_the_best_checkpoint_is_kept(tmp_path, data, monkeypatch, metric, kept):
    """Of the values 3, 2, 1, 2.5 the greatest or the least; the newest checkpoint is always kept."""
    values = iter((3.0, 2.0, 1.0, 2.5))

    def measured(game, judged, **terms):
        return {"metrics": {metric: {"value": next(values)}}, "features": "none", "n_generated": 6, "data": judged.name}

    monkeypatch.setattr(training, "measured", measured)
    game, names = ("cyclegan", "blossoms:24") if metric.endswith("-ba") else ("pix2pix", data)
    out = tmp_path / "run"
    run = face.train(game, names, out=out, metrics=metric, every=0.004, keep=1, **{**TINY, "kimg": 0.016})
    told = [t["checkpoint"] for t in lines(out / "metrics.jsonl")]
    assert len(set(told)) == 4
    assert [c.name for c in run.checkpoints] == [told[kept], told[3]]


def test_a_resumed_run_goes_on_judging_the_same(tmp_path, data):
    run = face.train("pix2pix", data, out=tmp_path / "run", held_out=0.25, metrics="l1", **TINY)
    face.train(resume=run.dir, kimg=0.016, quiet=True)
    told = lines(run.dir / "metrics.jsonl")
    assert len(told) > 1 and len({t["data_fingerprint"] for t in told}) == 1


def test_the_report_tells_of_copying(cyclegan, pix2pix):
    for run, title in ((cyclegan, "Cycle error, B to A"), (pix2pix, "PSNR")):
        page = (run.dir / "report.html").read_text()
        for words in (title, "copying the input", "what the inputs themselves score", "real against real"):
            assert words in page, words
        curves = {chart.title: [s.name for s in chart.series] for chart in metric_charts(read_metrics(run.dir))}
        assert any(name.startswith("copying the input") for name in curves[title])


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--metrics", "psnr,is"), "pix2pix translates images and draws no samples that 'is' could judge"),
        (("--metrics", "recall"), "draws no samples that 'recall'"),
        (("--metrics", "fd-ba"), "from A to B alone"),
        (("--data", "digits"), "without pairs of A and B"),
        (("--truncation", "0.5"), "leave --truncation out"),
        (("--metrics", "lpips", "--perceptual", "x"), "--perceptual"),
    ],
)
def test_wrong_evaluations_are_one_sentence(pix2pix, argv, says):
    assert says in refused("evaluate", pix2pix.dir, *argv)


def test_wrong_metrics_are_told_before_anything_is_written(tmp_path, data):
    for game, metric, says in (
        ("pix2pix", "is", "draws no samples"),
        ("pix2pix", "cycle", "there and back"),
        ("cyclegan", "l1", "nobody knows"),
        ("dcgan", "psnr", "judges translations"),
    ):
        out = tmp_path / game
        argv = ("--metrics", metric, "--out", out, "--preset", "tiny", "--size", "32", "--kimg", "0.01")
        assert says in refused("train", game, data if game != "dcgan" else "digits", *argv)
        assert not out.exists()
    with pytest.raises(UserError, match="classifier features need"):
        face.train("pix2pix", data, metrics="fd", features="classifier", out=tmp_path / "x", **TINY)


def test_python_judges_a_game_of_ones_own():
    a = images(8)
    pairs = two_sided("pairs", a, a)
    assert face.evaluate(Translator(pairs, ab=same), pairs, metrics=["l1"])["metrics"]["l1"]["value"] == 0
    with pytest.raises(UserError, match="cannot be measured"):
        face.evaluate(np.zeros(3), "digits")


@pytest.mark.slow
def test_two_processes_find_what_one_finds(cyclegan, data):
    argv = ["evaluate", str(cyclegan.dir), "--json", "--device", "cpu", "--metrics", "fd,kid,cycle,swd"]
    two = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "ganvas", *argv]
    told = [
        subprocess.run(c, capture_output=True, text=True, timeout=300, check=True, env=os.environ)
        for c in ([sys.executable, "-m", "ganvas", *argv], two)
    ]
    assert json.loads(told[0].stdout) == json.loads(told[1].stdout)
