"""`ganvas augment`, whole: a run becomes a set that trains, and a proof that nothing is hidden in."""

from __future__ import annotations

import csv
import errno
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from augmenting.painters import Painter, noise
from commands import TINY, contents, ganvas, refused
from handmade import save

import ganvas as face
from ganvas.augmenting import writing
from ganvas.data import load
from ganvas.data.export import export
from ganvas.metrics import classifier
from ganvas.report.grid import to_uint8
from ganvas.run import Run

DATA = ("digits", "--held-out", "0.3", "--limit", "500", "--imbalance", "8")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "run"
    assert ganvas("train", "cgan", *DATA, *TINY, "--kimg", "0.2", "--quiet", "--out", out).code == 0
    return out


@pytest.fixture
def run(trained, tmp_path, monkeypatch) -> Path:
    """A run of a game that has learnt nothing, in an empty working directory; classifiers are trained for a moment."""
    shutil.copytree(trained, tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(classifier, "_SHOWN", 640)
    return Path("run")


@pytest.fixture
def perfect(run, monkeypatch) -> Path:
    """A run whose game makes real images that it was not trained on."""
    painter = Painter(load("digits", held_out=0.3))
    monkeypatch.setattr(Run, "game", lambda self, at=None, device="cpu": painter)
    return run


def rows(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((out / "manifest.csv").read_text())))


def test_a_run_becomes_an_even_set_that_trains_here(run) -> None:
    answer = ganvas("augment", run, "--out", "set")
    assert (answer.code, answer.out) == (0, "set\n")
    data, real = load("set"), load("digits", held_out=0.3, limit=500, imbalance=8)
    assert np.bincount(data.labels).tolist() == [47] * 10
    assert data.label_names == real.label_names
    assert {i.tobytes() for i in real.samples} <= {i.tobytes() for i in data.samples}
    assert ganvas("train", "cgan", "set", *TINY, "--kimg", "0.1", "--quiet", "--out", "again").code == 0
    assert Run("again").config["data"]["label_names"] == list(real.label_names)
    info = json.loads(ganvas("data", "info", "set", "--json").out)
    assert set(info["labels"].values()) == {47} and not info["problems"]


def test_the_manifest_draws_its_images_again(run) -> None:
    face.augment(run, "set", per_class=130)
    game, found = face.load(run), [r for r in rows(Path("set")) if r["kind"] == "synthetic"]
    assert len(found) == 1300 - 211
    for r in (found[0], found[70], found[-1]):
        again = game.sample(64, seed=int(r["seed"]), labels=torch.full((64,), int(r["label"])))[int(r["index"])]
        written = np.array(writing.np.asarray(load(f"set/{r['file']}").samples[0]))
        assert (to_uint8(again[None])[0] == written).all()


def test_the_same_seed_gives_the_same_files(run) -> None:
    for out, seed in (("one", 0), ("two", 0), ("other", 1)):
        face.augment(run, out, per_class=70, seed=seed)
    one, two, other = (contents(Path(o)) for o in ("one", "two", "other"))
    assert one == two
    pictures = [f for f in one if "synthetic" in f]
    assert sum(one[f] != other[f] for f in pictures) > 0.9 * len(pictures)
    assert ganvas("augment", run, "--out", "three.zip", "--per-class", "70").code == 0
    assert ganvas("augment", run, "--out", "four.zip", "--per-class", "70").code == 0
    assert Path("three.zip").read_bytes() == Path("four.zip").read_bytes()
    assert np.bincount(load("three.zip").labels).tolist() == np.bincount(load("one").labels).tolist()


def test_the_record(run) -> None:
    answer = ganvas("augment", run, "--out", "set", "--count", "9=11", "8=13", "--json", "--truncation", "0.7")
    record = json.loads(answer.out)
    assert record.pop("out") == "set"
    assert record == json.loads(Path("set/manifest.json").read_text())
    assert record["images"] == {"real": 211, "synthetic": 11}
    assert record["classes"]["9"] == {"real": 6, "synthetic": 5, "drawn": 5}
    assert record["classes"]["0"] == {"real": 47, "synthetic": 0}
    assert (record["game"], record["run"], record["seed"], record["truncation"]) == ("cgan", "run", 0, 0.7)
    assert record["data_fingerprint"] == Run(run).config["data"]["fingerprint"]
    assert record["checkpoint"] == Run(run).latest().name
    assert "/" not in json.dumps(record), "no paths, which differ from machine to machine"


def test_the_synthetic_ones_alone(run) -> None:
    face.augment(run, "set", add=3, only_synthetic=True)
    assert [r["kind"] for r in rows(Path("set"))] == ["synthetic"] * 30
    assert len(load("set")) == 30


def test_filters_are_asked_and_what_they_think_is_written(run) -> None:
    record = face.augment(run, "set", count={"9": 16, "8": 9}, filter="discriminator", keep=0.25)
    assert record["filter"] == {"name": "discriminator", "keep": 0.25, "score": "probability"}
    assert record["classes"]["9"]["drawn"] == 40
    found = [r for r in rows(Path("set")) if r["kind"] == "synthetic"]
    game = face.load(run)
    for r in found[:3]:
        labels = torch.full((64,), int(r["label"]))
        again = game.sample(64, seed=int(r["seed"]), labels=labels)
        assert float(r["score"]) == pytest.approx(float(game.judge(again, labels)[int(r["index"])]), rel=1e-4)


def test_a_filter_that_finds_too_few_says_so(run, monkeypatch) -> None:
    """Three samples of four are noise, so a class that needs 200 gets at most 112 of 448."""
    monkeypatch.setattr(classifier, "_SHOWN", 6_000)
    painter = Painter(load("digits", held_out=0.3), lambda x, g: torch.where(fourth(len(x)), x, noise(x, g)))
    monkeypatch.setattr(Run, "game", lambda self, at=None, device="cpu": painter)
    more = ("--count", "9=206", "0=52", "--filter", "classifier", "--tries", "2", "--confidence", "0.5")
    record = json.loads(ganvas("augment", run, "--out", "set", *more, "--json").out)
    of = record["classes"]["9"]
    assert of["wanted"] == 200 and of["drawn"] == 448 and 60 < of["synthetic"] <= 112
    assert record["classes"]["0"] == {"real": 47, "synthetic": 5, "drawn": 64}
    assert f"too few through of the classes 9 ({of['synthetic']} of 200)." in record["notes"][0]
    assert sum(r["kind"] == "synthetic" for r in rows(Path("set"))) == of["synthetic"] + 5
    assert 0.5 < record["filter"]["balanced_accuracy"] <= 1


def fourth(n: int) -> torch.Tensor:
    return (torch.arange(n) % 4 == 0)[:, None, None, None]


def test_a_filter_that_finds_nothing_leaves_nothing(run) -> None:
    told = refused("augment", run, "--out", "set", "--filter", "classifier", "--confidence", "1", "--tries", "1")
    assert "samples passed the filter, so nothing is written; lower --confidence, raise --tries" in told
    assert {p.name for p in Path().iterdir()} == {"run"}


@pytest.mark.parametrize(("out", "file"), [("set", "set/proof.json"), ("set.zip", "set.proof.json")])
def test_a_proof_is_told_and_kept(perfect, out: str, file: str) -> None:
    answer = ganvas("augment", perfect, "--out", out, "--prove", "--json")
    proof = json.loads(answer.out)["proof"]
    assert proof == json.loads(Path(file).read_text())
    assert proof["test"]["data"] == "digits-test" and proof["test"]["count"] == 539
    assert sum(proof["test"]["classes"].values()) == 539
    assert [proof["arms"][a]["trained_on"] for a in ("real", "augmented", "oversampled")] == [211, 470, 470]
    assert all(len(of["balanced_accuracy"]["values"]) == 5 for of in proof["arms"].values())
    assert (proof["run"], proof["seeds"], proof["steps"]) == ("run", 5, 5)
    assert not any("BEWARE" in note for note in proof["notes"])
    assert len(load(out)) == 470, "the proof beside the set is no part of it"


def test_the_tables(perfect) -> None:
    answer = ganvas("augment", perfect, "--out", "set", "--prove", "--seeds", "6")
    assert answer.out == "set\n"
    titles = ("211 real and 259 synthetic images", "539 held-out images of digits-test, 6 seeds, 5 steps")
    for words in (
        *titles,
        "augmented - oversampled",
        "recall of 9",
        "accuracy against the real set",
        "Note: The intervals are",
    ):
        assert words in answer.err, words


def test_test_images_of_ones_own(perfect, tmp_path) -> None:
    export(load("digits", held_out=0.3, split="test"), tmp_path / "others.zip")
    assert face.augment(perfect, "one", prove=True, test="others.zip")["proof"]["test"]["data"] == "others"
    told = refused("augment", perfect, "--out", "two", "--prove", "--test", "digits")
    assert "211 of the 1,797 images of digits are among those that were trained on" in told
    seen = load("digits", held_out=0.3, limit=500, imbalance=8)
    export(replace(seen, samples=seen.samples[:20], labels=seen.labels[:20]), tmp_path / "seen.zip")
    mixed = face.augment(perfect, "three", prove=True, test=["others.zip", "seen.zip"])["proof"]
    assert mixed["test"]["count"] == 539
    assert "20 images of others+seen equal training images, and are not tested on." in mixed["notes"]


def test_what_the_generator_may_have_seen_is_said(run, tmp_path) -> None:
    config = json.loads((run / "config.json").read_text())
    config["data"]["fingerprint"] = "of other data"
    (run / "config.json").write_text(json.dumps(config))
    record = face.augment(run, "set", prove=True)
    assert "digits has changed since the run was trained on it." in record["notes"]
    assert any(note.startswith("BEWARE: ") and "may flatter" in note for note in record["proof"]["notes"])
    assert any("BEWARE" in note for note in json.loads(Path("set/proof.json").read_text())["notes"])


def test_other_real_images_than_the_runs(run, tmp_path) -> None:
    """They are held against what the run was trained on, too: here they are the very images that it has not seen."""
    export(load("digits", held_out=0.3, split="test", imbalance=3), tmp_path / "mine.zip")
    record = face.augment(run, "set", data="mine.zip")
    assert record["data"] == "mine" and record["images"]["real"] == len(load("mine.zip"))
    told = refused("augment", run, "--out", "two", "--data", "mine.zip", "--prove")
    assert "mine has no test part that the run did not see; give --test DATA" in told
    told = refused("augment", run, "--out", "two", "--data", "mine.zip", "--prove", "--test", "digits")
    assert "images of digits are among those that were trained on" in told


def test_ctrl_c_while_proving_leaves_the_set(run, monkeypatch) -> None:
    from ganvas.augmenting import proof

    def interrupted(*args, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(proof, "taught", interrupted)
    answer = ganvas("augment", run, "--out", "set", "--prove")
    assert answer.code == 130 and "set is written, without a proof" in answer.err
    assert len(load("set")) == 470 and not Path("set/proof.json").exists()


def test_a_full_disk_is_told(run, monkeypatch) -> None:
    def full(image: np.ndarray) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing, "png", full)
    assert "The disk is full: set could not be written; make room." in refused("augment", run, "--out", "set")
    assert {p.name for p in Path().iterdir()} == {"run"}


def test_attributes_go_along(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("blossoms:60", "--size", "16", "--imbalance", "3", *TINY, "--kimg", "0.1", "--quiet", "--out", "run")
    assert ganvas("train", "cgan", *words).code == 0
    face.augment("run", "set")
    data, real = load("set"), load("blossoms:60", size=16, imbalance=3)
    assert data.attributes.names == real.attributes.names
    assert not np.isnan(data.attributes.values).any()
    species = data.attributes.values[:, data.attributes.names.index("species")]
    named = [data.attributes.words["species"][int(s)] for s in species]
    assert named == [data.label_names[k] for k in data.labels], "samples have the attributes of reals of their class"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "name what is to be written: --out DIR, or --out FILE.zip"),
        (("--out", "run"), "run exists and is left as it is; give another --out"),
        (("--out", "set.tar"), "--out set.tar: give a folder, or a name that ends in .zip"),
        (("--out", "set.png"), "--out set.png: give a folder"),
        (("--out", "s", "--per-class", "0"), "--per-class 0 is out of range"),
        (("--out", "s", "--per-class", "-3"), "--per-class -3 is out of range"),
        (("--out", "s", "--per-class", "6"), "--per-class 6: every class of digits has that many real images"),
        (("--out", "s", "--per-class", "many"), "--per-class many is not a whole number"),
        (("--out", "s", "--count", "9=3"), "--count 9=3 is below the 6 real images of 9 in digits"),
        (("--out", "s", "--count", "nine=30"), "--count nine: there is no such class"),
        (("--out", "s", "--to", "bigest"), "did you mean largest"),
        (("--out", "s", "--test", "digits"), "--test belongs to --prove"),
        (("--out", "s", "--prove", "--seeds", "3"), "--seeds 3 is too few"),
        (("--out", "s", "--data", "plain"), "plain has no labels, and the run knows the classes 0, 1, 2"),
        (("--out", "s", "--data", "ring"), "ring is a 2-D world of points, and the run makes images"),
        (("--out", "s", "--data", "nosuch"), "there is no folder or file 'nosuch'"),
        (("--out", "s", "--data", "blossoms:40"), "has a class"),
        (("--out", "s", "--prove", "--test", "plain"), "plain has no labels"),
        (("--out", "s", "--nosuch", "3"), "there is no option --nosuch"),
    ],
)
def test_wrong_input(run, words: tuple[str, ...], says: str) -> None:
    save(Path("plain"), range(3))
    before = contents(Path())
    assert says.lower() in refused("augment", run, *words).lower()
    assert contents(Path()) == before


def test_runs_that_cannot_be_augmented_are_told(run) -> None:
    assert "is no run; give the directory" in refused("augment", "nosuch", "--out", "s").replace(
        "does not exist", "is no run"
    )
    assert "RUN is missing" in refused("augment", "--out", "s")
    assert ganvas("train", "gan", "digits", *TINY, "--kimg", "0.1", "--quiet", "--out", "plain").code == 0
    told = refused("augment", "plain", "--out", "s")
    assert "plain is a run of gan, which cannot be asked for a class; train a conditional game" in told
    assert "or one run for each class" in told
    assert ganvas("train", "cgan", "digits", *TINY, "--kimg", "0.1", "--quiet", "--out", "whole").code == 0
    told = refused("augment", "whole", "--out", "s", "--per-class", "300", "--prove")
    assert "digits has no test part that the run did not see; give --test DATA" in told and "--held-out" in told
    assert not Path("s").exists()


def test_help_needs_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from ganvas.cli import main\ntry: main(['augment', '-h'])\nfinally: print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "--per-class" in found.stdout and found.stdout.rstrip().endswith("False"), found.stderr
