"""Comparisons: who takes part, what is shared, stopping and going on, one that fails, and the page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from commands import ganvas, lines, refused

from ganvas import comparing
from ganvas.comparing import Comparison
from ganvas.conductor import Diverged
from ganvas.contest import Asked, line_up
from ganvas.data import Reading
from ganvas.errors import UserError

TINY = {"width": "8", "z_dim": "8", "batch": "32", "maxout_units": "8", "depth": "2"}
ASKED = Asked(
    games=("gan", "wgan"),
    data=("digits",),
    kimg=0.5,
    snapshots=2,
    features="pixels",
    metrics=("fd",),
    n=64,
    overrides=TINY | {"wgan.network": "mlp"},
    device="cpu",
)


@pytest.fixture(autouse=True)
def few_bootstrap_samples(monkeypatch):
    monkeypatch.setattr(comparing, "BOOTSTRAP", 4)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """With as many bootstrap samples as people get."""
    directory = tmp_path_factory.mktemp("compared") / "it"
    Comparison.begin(directory, ASKED).play(quiet=True)
    return directory


def test_every_value_swept_and_every_seed_takes_part():
    found = line_up(replace(ASKED, sweep={"z_dim": ("4", "8")}, seeds=2, seed=5))
    assert [(c["label"], c["seed"]) for c in found] == [
        (f"{game} z_dim={z}", seed) for game in ("gan", "wgan") for z in (4, 8) for seed in (5, 6)
    ]
    assert len({c["run"] for c in found}) == 8
    assert found[0]["settings"]["z_dim"] == "4" and found[2]["settings"]["z_dim"] == "8"


def test_a_setting_goes_to_who_has_it_and_one_with_a_name_to_that_one():
    gan, wgan = line_up(replace(ASKED, overrides={"width": "8", "k": "2", "wgan.z_dim": "3", "ema_rampup": "0"}))
    assert gan["settings"] == {"width": "8", "k": "2", "ema_rampup": "0"}
    assert wgan["settings"] == {"width": "8", "z_dim": "3", "ema_rampup": "0"}


def test_presets_of_a_system_stand_beside_each_other():
    asked = replace(ASKED, games=("stylegan:tiny+a", "stylegan:tiny", "stylegan", "gan"))
    changes = {"stylegan.w_dim": "4", "width": "8", "gan.z_dim": "3"}
    found = line_up(replace(asked, overrides=changes, sweep={"mapping": ("1", "2")}))
    assert [c["label"] for c in found] == [
        *(f"stylegan{p} mapping={m}" for p in (":tiny+a", ":tiny", "") for m in (1, 2)),
        "gan",
    ]
    assert [(c["game"], c["preset"]) for c in found[::2]] == [
        ("stylegan", "tiny+a"),
        ("stylegan", "tiny"),
        ("stylegan", None),
        ("gan", None),
    ]
    assert len({c["run"] for c in found}) == 7
    assert found[0]["settings"] == {"w_dim": "4", "width": "8", "mapping": "1"}
    assert found[-1]["settings"] == {"width": "8", "z_dim": "3"}


def test_a_preset_is_trained_as_it_would_be_alone(tmp_path):
    """With the settings of the engine that belong to it, in a directory and a row of its own."""
    few = {"batch": "16", "stddev_group": "4", "channel_base": "64", "channel_max": "8"}
    asked = replace(
        ASKED, games=("stylegan2:tiny", "stylegan2:cifar+tiny"), kimg=0.032, snapshots=1, overrides=few,
        reading=Reading(size="16"),
    )  # fmt: skip
    record = Comparison.begin(tmp_path / "it", asked).play(quiet=True)
    assert [(c["label"], c["state"]) for c in record["contestants"]] == [(name, "done") for name in asked.games]
    ours, cifar = (
        json.loads((tmp_path / "it/runs" / slug / "config.json").read_text())
        for slug in ("stylegan2-tiny", "stylegan2-cifar-tiny")
    )
    assert (ours["preset"], cifar["preset"]) == ("tiny", "cifar+tiny")
    assert cifar["settings"]["ema_halflife_kimg"] == 500 != ours["settings"]["ema_halflife_kimg"]
    assert cifar["config"]["path_weight"] == 0 != ours["config"]["path_weight"]
    assert cifar["config"]["mapping_layers"] == 2 and cifar["config"]["z_dim"] == 8, "the last has the last word"
    page = (tmp_path / "it/compare.html").read_text()
    for name in asked.games:
        assert name in page
    again = Comparison.begin(tmp_path / "it", asked).play(quiet=True)
    assert again["contestants"] == record["contestants"]


def test_the_record_tells_what_each_cost_and_reached(whole):
    record = json.loads((whole / "compare.json").read_text())
    assert [(c["label"], c["state"]) for c in record["contestants"]] == [("gan", "done"), ("wgan", "done")]
    for c in record["contestants"]:
        run = whole / c["run"]
        assert c["final"]["metrics"]["fd"] == lines(run / "metrics.jsonl")[-1]["metrics"]["fd"]
        assert len(c["final"]["metrics"]["fd"]["interval"]) == 2
        assert [p["metrics"]["fd"] for p in c["curve"]] == [
            e["metrics"]["fd"]["value"] for e in lines(run / "metrics.jsonl")[:-1]
        ] or len(c["curve"]) == 3  # the last evaluation takes as many samples here, so it is one of the curve
        assert c["curve"][-1]["kimg"] >= 0.5 and c["curve"][-1]["seconds"] > 0
        assert set(c["parameters"]) == {"G", "D"} and c["img_per_s"] > 0 and c["memory_gb"] > 0
        config = json.loads((run / "config.json").read_text())
        assert config["settings"]["seed"] == 0 and config["config"]["width"] == 8
    assert record["own_s"] < 5


def test_the_page_holds_all_of_them(whole):
    page = (whole / "compare.html").read_text()
    for words in ("gan · wgan on digits", "0.5 kimg each", "real against real", 'href="runs/wgan/report.html"'):
        assert words in page
    assert page.count("<figure><img") == 3, "reals and two grids"
    assert page.count('class="chart"') == 2, "against images and against time"
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")


def test_the_same_words_again_do_nothing_twice_and_others_are_refused(whole):
    before = (whole / "compare.json").read_bytes()
    logs = {p: p.read_bytes() for p in whole.rglob("log.jsonl")}
    Comparison.begin(whole, ASKED).play(quiet=True)
    assert {p: p.read_bytes() for p in whole.rglob("log.jsonl")} == logs
    with pytest.raises(UserError, match=r"begun with kimg = 0\.5, not 0\.6"):
        Comparison.begin(whole, replace(ASKED, kimg=0.6))
    assert (whole / "compare.json").read_bytes() == before


def test_one_that_was_stopped_goes_on_where_it_was(tmp_path, whole, monkeypatch):
    begun = Comparison.begin(tmp_path / "it", ASKED)
    resume = comparing.training.resume

    def stop(request, quiet):
        monkeypatch.undo()
        monkeypatch.setattr(comparing, "BOOTSTRAP", 4)
        comparing.training.train(replace(request, overrides={**request.overrides, "kimg": 0.25}), quiet=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(comparing.training, "train", stop)
    with pytest.raises(KeyboardInterrupt):
        begun.play(quiet=True)
    half = tmp_path / "it" / "runs" / "gan"
    log = (half / "log.jsonl").read_text().replace('"event": "finished"', '"event": "interrupted"')
    (half / "log.jsonl").write_text(log)
    config = (half / "config.json").read_text().replace('"kimg": 0.25', '"kimg": 0.5')
    (half / "config.json").write_text(config)
    seen = []
    monkeypatch.setattr(comparing.training, "resume", lambda *a, **k: seen.append(a[0]) or resume(*a, **k))
    record = Comparison.open(tmp_path / "it", "cpu").play(quiet=True)
    assert seen == [half]
    assert [c["state"] for c in record["contestants"]] == ["done", "done"]
    there = json.loads((whole / "compare.json").read_text())["contestants"][1]["final"]["metrics"]
    assert record["contestants"][1]["final"]["metrics"]["fd"]["value"] == there["fd"]["value"], "as without a stop"


def test_one_that_diverges_is_a_result_too(tmp_path, monkeypatch):
    train = comparing.training.train

    def diverge(request, quiet):
        run = train(request, quiet=quiet)
        if request.game == "gan":
            raise Diverged("The loss of turn 'generator' is not finite.")
        return run

    monkeypatch.setattr(comparing.training, "train", diverge)
    record = Comparison.begin(tmp_path / "it", ASKED).play(quiet=True)
    assert [c["state"] for c in record["contestants"]] == ["failed", "done"]
    assert (
        "not finite" in record["contestants"][0]["why"] and "not finite" in (tmp_path / "it/compare.html").read_text()
    )


def test_a_full_disk_is_no_result_and_the_comparison_goes_on_afterwards(tmp_path, monkeypatch):
    train = comparing.training.train

    def full(request, quiet):
        train(request, quiet=quiet)
        raise UserError("The disk is full.")

    monkeypatch.setattr(comparing.training, "train", full)
    with pytest.raises(UserError, match="full"):
        Comparison.begin(tmp_path / "it", ASKED).play(quiet=True)
    monkeypatch.setattr(comparing.training, "train", train)
    record = Comparison.begin(tmp_path / "it", ASKED).play(quiet=True)
    assert [c["state"] for c in record["contestants"]] == ["done", "done"]


def test_minutes_become_images_by_the_speed_of_each(tmp_path, monkeypatch):
    monkeypatch.setattr(comparing, "_TIMED_S", 0.05)
    monkeypatch.setattr(comparing, "_MOST_TIMED_ROUNDS", 5)
    record = Comparison.begin(
        tmp_path / "it", replace(ASKED, games=("gan",), kimg=None, minutes=0.005, overrides=TINY)
    ).play(quiet=True)
    (only,) = record["contestants"]
    assert only["kimg"] == pytest.approx(only["timed_img_per_s"] * 0.3 / 1000, abs=1e-3)
    assert only["state"] == "done"


def test_the_command(tmp_path):
    flags = (
        "--width",
        "8",
        "--z-dim",
        "8",
        "--batch",
        "32",
        "--maxout-units",
        "8",
        "--features",
        "pixels",
        "--n",
        "64",
    )
    answer = ganvas(
        "compare", "gan", "--data", "digits", "--kimg", "0.2", "--sweep", "z_dim=4,8", "--metrics", "fd",
        "--snapshots", "1", "--device", "cpu", "--quiet", "--out", tmp_path / "it", *flags,
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert answer.out == f"{tmp_path / 'it'}\n"
    record = json.loads((tmp_path / "it/compare.json").read_text())
    assert [c["label"] for c in record["contestants"]] == ["gan z_dim=4", "gan z_dim=8"]
    again = ganvas("compare", "--resume", tmp_path / "it", "--json", "--quiet")
    assert json.loads(again.out)["contestants"] == record["contestants"]


def test_mistakes_are_told_before_anything_is_written(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("mine")
    out = tmp_path / "out"
    for argv, words in {
        (): "name the systems",
        ("gan",): "--kimg X .* or --minutes M",
        ("gan", "--kimg", "1", "--minutes", "1"): "--kimg X .* or --minutes M",
        ("gan", "--kimg", "0"): "above 0",
        ("gann", "--kimg", "1"): "Did you mean gan",
        ("gan", "gan", "--kimg", "1"): "named twice",
        ("gan:tiny", "gan:tiny", "--kimg", "1"): "named twice",
        ("gan:tinny", "gan", "--kimg", "1"): "gan has no preset 'tinny'; it has tiny",
        ("gan:tiny+", "--kimg", "1"): "gan has no preset ''; it has tiny",
        ("gann:tiny", "--kimg", "1"): "Did you mean gan",
        ("gan", "--kimg", "1", "--sweep", "gamma=.3"): "none of gan has a setting 'gamma'",
        ("gan", "--kimg", "1", "--sweep", "gamma"): "a field and its values",
        ("gan", "--kimg", "1", "--nonsense", "3"): "'nonsense'",
        ("gan", "--kimg", "1", "--metrics", "fed"): "no metric 'fed'",
        ("gan", "dcgan", "--kimg", "1"): "--size 16",
        ("gan", "--kimg", "1", "--seeds", "0"): "--seeds 0",
    }.items():
        said = refused("compare", *argv, "--data", "digits", "--device", "cpu", "--out", out)
        assert re.search(words, said), said
        assert not out.exists()
    assert "is no comparison" in refused("compare", "gan", "--kimg", "1", "--out", tmp_path / "full")
    assert "is no comparison" in refused("compare", "--resume", tmp_path / "full")
    assert (tmp_path / "full/file").read_text() == "mine"
