"""Evaluations from end to end, on games that are known to be good or bad."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from metrics.subjects import Fake, blurred, noise

from ganvas.data import Dataset, load
from ganvas.errors import UserError
from ganvas.metrics import default_metrics, evaluate, find_metrics
from ganvas.metrics.base import Terms
from ganvas.metrics.samples import as_stored, drawn, halves


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


@pytest.fixture(scope="module")
def unlabelled(digits) -> Dataset:
    return replace(digits, labels=None, label_names=(), fingerprint="unlabelled")


def only(data: Dataset, rows: np.ndarray) -> Dataset:
    return replace(data, samples=data.samples[rows], labels=None, label_names=(), fingerprint=f"rows {rows[:9]}")


@pytest.mark.parametrize("features", ["classifier", "pixels"])
def test_the_ladder_of_quality(features):
    larger = load("digits", size=16)
    fresh = only(larger, halves(len(larger))[0])  # none of them is in the reference

    def measured(change) -> dict[str, float]:
        return evaluate(Fake(fresh, change), larger, metrics=["fd"], features=features)["metrics"]["fd"]

    good, soft, bad = measured(lambda x, g: x), measured(blurred), measured(noise)
    assert good["floor"] == soft["floor"] == bad["floor"] > 0
    assert 0.5 * good["floor"] < good["value"] < 2 * good["floor"] < soft["value"] < bad["value"]


def test_the_record_says_what_the_figures_depend_on(digits):
    game = Fake(digits)
    record = evaluate(game, digits, seed=3)
    assert json.loads(json.dumps(record)) == record
    assert list(record["metrics"]) == ["fd", "classes"]
    assert record["features"].startswith("classifier:digits (") and "accurate on held-out images" in record["features"]
    assert (record["n_generated"], record["n_floor"], record["n_real"]) == (898, 898, 899)
    assert (record["data"], record["data_fingerprint"], record["seed"]) == ("digits", digits.fingerprint, 3)
    assert record["shape"] == [1, 8, 8]
    assert "warnings" not in record and "notes" not in record
    assert game.drawn == 898 + 1  # one to learn the shape
    assert evaluate(game, digits, seed=3) == record
    assert evaluate(game, digits, seed=4)["metrics"]["fd"]["value"] != record["metrics"]["fd"]["value"]


def test_ten_classes_among_the_reals_and_one_among_copies(digits):
    found = evaluate(Fake(digits), digits, metrics=["classes"])
    classes = found["metrics"]["classes"]
    assert (classes["value"], classes["of"]) == (10, 10)
    assert classes["accuracy"] > 0.95 and classes["kl"] < 0.02
    assert sum(classes["counts"].values()) == found["n_generated"]
    assert found["features"] == "none"

    three = np.flatnonzero(digits.labels == 3)[0]
    copies = evaluate(only(digits, np.full(200, three)), digits, metrics=["classes"])["metrics"]["classes"]
    assert (copies["value"], copies["of"]) == (1, 10)
    assert copies["counts"] == {name: 200 * (name == "3") for name in digits.label_names}
    assert copies["kl"] == pytest.approx(np.log(1797 / 183))


def test_a_class_is_found_from_a_tenth_of_its_share_on(digits):
    zeros, ones = (np.flatnonzero(digits.labels == label) for label in (0, 1))

    def classes(few: int) -> int:
        rows = np.concatenate([zeros[: 150 - few], ones[:few]])
        return evaluate(only(digits, rows), digits, metrics=["classes"])["metrics"]["classes"]["value"]

    assert (classes(few=0), classes(few=1), classes(few=6)) == (1, 1, 2)  # a tenth of a tenth of 150 is 1.5


def test_identical_sets_are_told_and_the_floor_is_not_reached(digits):
    record = evaluate(digits, digits, metrics=["fd"])
    assert record["metrics"]["fd"]["value"] < record["metrics"]["fd"]["floor"]
    assert "compared with itself" in record["warnings"][0]


def test_fewer_samples_are_held_against_as_few_reals(digits):
    few, many = (evaluate(Fake(digits), digits, metrics=["fd"], features="pixels", n=n) for n in (100, 800))
    assert few["n_floor"] == few["n_generated"] == 100 and few["n_real"] == 899
    assert few["metrics"]["fd"]["floor"] > many["metrics"]["fd"]["floor"]


def test_warnings_of_too_few_samples_and_of_too_many(digits):
    few = evaluate(Fake(digits), digits, metrics=["fd"], n=64)
    assert "too few for features of 64 dimensions" in few["warnings"][0]
    many = evaluate(Fake(digits), digits, metrics=["fd"], n=1000)
    assert (many["n_generated"], many["n_floor"]) == (1000, 898) and "not quite alike" in many["warnings"][0]


def test_fid_is_answered_with_fd_and_says_so(digits):
    record = evaluate(Fake(digits), digits, metrics=["fid", "fd"], features="pixels")
    assert list(record["metrics"]) == ["fd"]
    assert "FID means Inception" in record["notes"][0]


def test_defaults_suit_the_data(digits, unlabelled):
    assert default_metrics(digits) == ("fd", "classes")
    assert default_metrics(unlabelled) == ("fd",)
    assert default_metrics(load("ring")) == ("modes",)
    few = replace(digits, samples=digits.samples[:8], labels=digits.labels[:8])
    assert default_metrics(few) == ("fd",)
    assert evaluate(Fake(few), few, n=2)["features"] == "pixels-8x8"
    assert evaluate(Fake(unlabelled), unlabelled)["features"] == "pixels-8x8"


def test_a_world_is_measured_by_its_modes_and_its_points():
    ring = load("ring")
    whole = evaluate(Fake(ring), ring, metrics=["modes", "fd"])
    assert whole["features"] == "points" and whole["n_generated"] == 2500
    modes = whole["metrics"]["modes"]
    assert (modes["value"], modes["of"]) == (8, 8)
    assert modes["good_share"] == pytest.approx(1 - np.exp(-4.5), abs=0.01)
    assert modes["good_share_of_reals"] == pytest.approx(1 - np.exp(-4.5), abs=0.01)

    half = evaluate(Fake(ring, lambda x, g: x.abs()), ring, metrics=["modes", "fd"])  # the quadrant above and right
    assert half["metrics"]["modes"]["value"] == 3
    assert half["metrics"]["fd"]["value"] > 10 * whole["metrics"]["fd"]["value"]


def test_sets_are_loaded_by_name_at_the_size_of_what_is_judged():
    record = evaluate(load("digits", size=10), "digits", metrics=["fd"], features="pixels")
    assert record["shape"] == [1, 10, 10]


def test_mistakes_are_told(digits, unlabelled):
    ring = load("ring")
    broken = Fake(digits, lambda x, g: x / 0)
    for call, words in {
        lambda: evaluate(Fake(digits), digits, metrics=["fdd"]): "no metric 'fdd'.* Did you mean fd",
        lambda: evaluate(Fake(digits), digits, metrics=[]): "no metric is named",
        lambda: evaluate(Fake(digits), digits, features="pixel"): "no features 'pixel'.* Did you mean pixels",
        lambda: evaluate(Fake(digits), digits, features="points"): "digits holds images",
        lambda: evaluate(Fake(digits), digits, metrics=["modes"]): "digits is no 2-D world",
        lambda: evaluate(Fake(digits), digits, n=1): "n = 1 is out of range",
        lambda: evaluate(digits, digits, n=5000): "digits has only 1797 samples",
        lambda: evaluate(unlabelled, unlabelled, metrics=["classes"]): "has no labels",
        lambda: evaluate(unlabelled, unlabelled, features="classifier"): "--features pixels",
        lambda: evaluate(Fake(ring), ring, metrics=["fd"], features="pixels"): "has no pixels",
        lambda: evaluate(Fake(ring), digits): "fake has points of a plane and digits has 8x8 grey images",
        lambda: evaluate(load("digits", size=9), digits): "9x9 grey images and digits has 8x8",
        lambda: evaluate(broken, digits): "not finite",
        lambda: evaluate(only(digits, np.arange(3)), only(digits, np.arange(3))): "too few samples",
        lambda: find_metrics(["modes"], digits): "no 2-D world",
    }.items():
        with pytest.raises(UserError, match=words):
            call()


def test_halves_are_disjoint_whole_and_always_the_same():
    one, other = halves(101)
    assert (len(one), len(other)) == (50, 51)
    assert set(one) | set(other) == set(range(101))
    np.testing.assert_array_equal(halves(101)[0], one)


def test_samples_are_judged_as_a_file_would_hold_them(digits):
    x = torch.tensor([-1.0, 1.0, 0.0, -3.0, 2.0, 1 - 1.1 / 255]).reshape(1, 1, 2, 3)
    assert as_stored(x).reshape(-1).tolist() == [0, 255, 128, 0, 255, 254]
    shown = drawn(Fake(digits), 600, Terms(), digits)
    blocks = [shown.block(i).samples for i in range(shown.blocks)]
    assert [len(b) for b in blocks] == [256, 256, 88]
    assert not np.array_equal(blocks[0], blocks[1]), "every block needs a seed of its own"
    np.testing.assert_array_equal(shown.again(np.array([599, 0, 300])), np.concatenate(blocks)[[599, 0, 300]])


def test_all_real_samples_as_reference(digits):
    half, whole = (evaluate(Fake(digits), digits, features="pixels", reference=r) for r in ("half", "all"))
    assert (whole["n_generated"], whole["n_real"], whole["n_floor"]) == (1797, 1797, 898)
    assert whole["reference"] == "all" and "other half" in whole["warnings"][0]
    alone = evaluate(only(digits, halves(len(digits))[0]), digits, features="pixels", metrics=["fd"], n=898)
    assert whole["metrics"]["fd"]["floor"] == pytest.approx(alone["metrics"]["fd"]["floor"])
    assert whole["metrics"]["fd"]["floor"] == pytest.approx(half["metrics"]["fd"]["floor"])
    assert whole["metrics"]["fd"]["value"] < half["metrics"]["fd"]["value"], "drawn from the very reference"
    assert whole["metrics"]["classes"]["floor"] == 10


def test_all_metrics_that_apply_and_why_others_do_not(digits, tmp_path):
    record = evaluate(Fake(digits), digits, metrics=["all"], figures=tmp_path, n=200)
    json.dumps(record)
    assert {"fd", "kid", "is", "precision", "recall", "density", "coverage", "emd", "classes", "neighbours"} <= set(
        record["metrics"]
    )
    why = {"modes": "no 2-D world", "swd": "16", "ms-ssim": "11", "cas": "label", "ppl": "prior", "intra-fd": "asked"}
    why |= {"accuracy": "does not tell classes apart", "label-accuracy": "cannot be asked for a class"}
    assert why.keys() == record["left_out"].keys()
    for name, words in why.items():
        assert words in record["left_out"][name]
    assert (tmp_path / "neighbours.png").is_file()
    for name, found in record["metrics"].items():
        assert np.isfinite(found["value"]), name
        assert np.isfinite(found["floor"]), name
    with pytest.raises(UserError, match="16"):
        evaluate(Fake(digits), digits, metrics=["swd"])


def test_a_world_has_all_that_points_allow():
    ring = load("ring")
    record = evaluate(Fake(ring), ring, metrics=["all"], n=400)
    assert {"fd", "kid", "precision", "recall", "density", "coverage", "swd", "emd", "modes"} == set(record["metrics"])


def test_truncation_is_asked_of_the_game_and_recorded(digits):
    asked = []

    class Truncating(Fake):
        def sample(self, n, seed=0, labels=None, truncation=1.0):
            asked.append(truncation)
            return super().sample(n, seed)

    record = evaluate(Truncating(digits), digits, metrics=["fd"], truncation=0.5, n=300)
    assert asked[1:] == [0.5, 0.5] and record["truncation"] == 0.5
    assert "truncation" not in evaluate(Truncating(digits), digits, metrics=["fd"], n=300)
