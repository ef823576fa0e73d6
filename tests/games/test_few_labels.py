"""From few labels to an accuracy, through the command line: exact on resuming, and honest about what was seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import TINY, ganvas, lines, refused
from handmade import save

SSGAN = ("train", "ssgan", "digits", "--labelled", "30", *TINY, "--quiet")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("few") / "run"
    argv = (*SSGAN, "--kimg", "0.32", "--every", "0.16", "--metrics", "accuracy", "--out", out)
    assert ganvas(*argv).code == 0
    return out


def measured(*argv: str | Path) -> dict:
    answer = ganvas("evaluate", *argv, "--metrics", "accuracy", "--json", "--device", "cpu")
    assert (answer.code, answer.err) == (0, "")
    return json.loads(answer.out)


def test_resuming_draws_the_labelled_rows_that_were_next(trained, tmp_path):
    out = tmp_path / "run"
    assert ganvas(*SSGAN, "--kimg", "0.16", "--schedule-kimg", "0.32", "--every", "0.16", "--out", out).code == 0
    assert ganvas("train", "--resume", out, "--kimg", "0.32", "--quiet", "--device", "cpu").code == 0
    for name in ("weights.safetensors", "averages.safetensors"):
        newest = [sorted((run / "checkpoints").iterdir())[-1] / name for run in (trained, out)]
        assert newest[0].read_bytes() == newest[1].read_bytes()


def test_training_tells_the_accuracy_on_the_labels_it_has(trained):
    config = json.loads((trained / "config.json").read_text())
    assert config["data"]["unlabelled"] == 1797 - 30 and config["data"]["reading"]["labelled"] == 30
    tick = next(x for x in lines(trained / "log.jsonl") if "img_per_s" in x)
    assert 0 <= tick["accuracy"] <= 1 and tick["class_error"] > 0
    while_training = lines(trained / "metrics.jsonl")[0]["metrics"]["accuracy"]
    assert while_training["tested_on"] == 30
    assert "the game was trained on these very images" in while_training["note"]


def test_hidden_labels_judge_the_images_that_were_trained_on_and_it_is_said(trained):
    record = measured(trained)
    found = record["metrics"]["accuracy"]
    assert found["tested_on"] == 1797
    assert found["wrong"] == round((1 - found["value"]) * 1797)
    assert "the game was trained on these very images" in found["note"]
    assert not any("other data" in w for w in record.get("warnings", []))
    by_name = measured(trained, "--data", "digits")
    assert by_name["metrics"] == record["metrics"] and by_name.get("warnings") == record.get("warnings")
    table = ganvas("evaluate", trained, "--metrics", "accuracy", "--device", "cpu").out
    assert f"{found['wrong']:,}" in table and "wrong of 1,797 real images" in table


def test_other_images_are_told_from_those(trained, tmp_path):
    for folder in "01":
        save(tmp_path / "other" / folder, range(6), channels=1)
    record = measured(trained, "--data", tmp_path / "other")
    assert "note" not in record["metrics"]["accuracy"] and record["metrics"]["accuracy"]["tested_on"] == 12
    assert any("these are other data than the run was trained on" in w for w in record["warnings"])


def test_mistakes_are_told_in_one_sentence(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(Path("plain"), range(20), channels=1)
    for folder in ("cat", "dog"):
        save(Path("pets") / folder, range(6), channels=1)
    gan = Path("gan")
    assert ganvas("train", "gan", "digits", *TINY, "--kimg", "0.1", "--quiet", "--out", gan).code == 0
    accuracy = ("--metrics", "accuracy")
    for argv, words in {
        ("train", "ssgan", "plain", *TINY): "needs images with labels of two classes or more, though few may do; put",
        ("train", "ssgan", "ring", *TINY): "needs images with labels of two classes or more",
        ("train", "ssgan", "digits", *TINY, "--labelled", "9"): "labelled = 9 is fewer than the 10 classes of digits",
        ("train", "ssgan", "digits", *TINY, "--labelled", "few"): "labelled",
        ("train", "ssgan", "plain", *TINY, "--labelled", "9"): "plain has no labels, of which labelled = 9 could keep",
        ("train", "cgan", "digits", *TINY, "--labelled", "30"): "1767 of the samples have no label; label them, leave",
        ("evaluate", gan, *accuracy): "gan does not tell classes apart, so it has no accuracy; leave the metric",
        ("evaluate", trained, "--data", "plain", *accuracy): "plain has no labels, so nobody knows which class is",
        ("evaluate", trained, "--data", "pets", *accuracy): "pets has the class cat, and ssgan knows 0, 1, 2, 3, 4",
        ("sample", trained, "--label", "3"): "ssgan is not conditional",
    }.items():
        assert words in refused(*argv)
