"""Copies of training images are found, at their rows; fresh samples are not; and the figure shows them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganvas.data import Dataset, load
from ganvas.errors import UserError
from ganvas.metrics import neighbours as module
from ganvas.metrics.base import Evidence, Part, Terms
from ganvas.metrics.neighbours import Neighbours, suspicious_distance
from ganvas.report.grid import PAD, enlargement

CAPTION = 14


def vectors(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32)


def dataset(images: np.ndarray) -> Dataset:
    return Dataset("d", images, None, (), "0", ())


def noise(n: int, seed: int = 0, side: int = 4, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, channels), np.uint8)


def result(
    images: np.ndarray, made: np.ndarray, figures: Path | None = None, parts: int = 3, rows: np.ndarray | None = None
) -> dict:
    """Of generated images, numbered by `rows`, against a set whose rows are dealt out to its parts in turn."""
    data, terms = dataset(images), Terms(figures=figures)
    names: list[Part] = ["reference", "floor", "rest"]
    real: dict[Part, np.ndarray] = {names[i]: np.arange(i, len(images), parts) for i in range(parts)}

    def generate(places: np.ndarray) -> np.ndarray:
        assert (np.diff(places) > 0).all()
        return made[places]

    seen = {part: vectors(images[r]) for part, r in real.items()} | {"generated": vectors(made)}
    numbers = {**real, "generated": np.arange(len(made)) if rows is None else rows}
    evidence = Evidence(data, data, None, terms, len(made), vectors=seen, rows=numbers, generate=generate)
    Neighbours.check(data)
    found = Neighbours(data, terms).result(evidence)
    json.dumps(found)
    return found


def apart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors(x)[:, None].astype(float) - vectors(y).astype(float), axis=-1)


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_agrees_with_the_definitions_on_whole_matrices(parts):
    real, made = noise(450), noise(90, seed=1)
    made[::5] = np.clip(real[:18].astype(int) + np.random.default_rng(2).integers(-9, 10, (18, 4, 4, 1)), 0, 255)
    among, between = apart(real, real), apart(made, real)
    np.fill_diagonal(among, np.inf)
    own, near, which = among.min(1), between.min(1), between.argmin(1)
    found = result(real, made, parts=parts)
    limit = np.sort(own)[4]  # four of 450 are nearer, which is less than 1 %
    assert found["suspicious_distance"] == pytest.approx(limit) and found["floor"] == pytest.approx(4 / 450)
    assert found["value"] == pytest.approx((near < limit).mean()) == 18 / 90
    assert found["median_distance"] == pytest.approx(np.median(near))
    assert found["median_distance_of_reals"] == pytest.approx(np.median(own))
    assert found["authenticity"] == pytest.approx((near > own[which]).mean())
    of_theirs = among[among.argmin(1)]
    np.fill_diagonal(of_theirs, np.inf)  # a real sample is left out where its nearest looks for its own nearest
    assert found["authenticity_of_reals"] == pytest.approx((own > of_theirs.min(1)).mean())
    order = np.argsort(near)[:10]
    assert found["nearest_samples"] == order.tolist() and found["nearest_training_images"] == which[order].tolist()
    assert found["nearest_distances"] == pytest.approx(near[order].tolist())


def test_planted_copies_are_found_at_their_rows():
    real, made = noise(300), noise(200, seed=1)
    planted = {150: 298, 20: 7, 77: 130, 3: 3}
    made[list(planted)] = real[list(planted.values())]
    found = result(real, made)
    assert found["nearest_samples"][:4] == sorted(planted) and found["nearest_distances"][:4] == [0, 0, 0, 0]
    assert found["nearest_training_images"][:4] == [planted[row] for row in sorted(planted)]
    assert found["nearest_distances"][4] > 0 and len(found["nearest_samples"]) == 10
    assert found["value"] >= 4 / 200 and result(real, real[::2])["value"] == 1
    numbered = result(real, made, rows=np.arange(200) * 3 + 1)
    assert numbered["nearest_samples"] == [3 * row + 1 for row in found["nearest_samples"]]


def test_fresh_samples_score_one_percent_and_as_authentic_as_real_ones():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(30):
        images = rng.integers(0, 256, (900, 2, 2, 1), np.uint8)
        found.append(result(images[:600], images[600:]))
    mean = {
        key: np.mean([f[key] for f in found]) for key in ("value", "floor", "authenticity", "authenticity_of_reals")
    }
    assert mean["value"] == pytest.approx(0.01, abs=0.004) and 0.005 < mean["floor"] <= 0.01
    assert mean["authenticity"] == pytest.approx(mean["authenticity_of_reals"], abs=0.02)


def test_the_share_grows_with_copies_and_falls_as_noise_hides_them():
    real, fresh = noise(400), noise(100, seed=1)
    copied = [result(real, np.concatenate([real[:n], fresh[n:]])) for n in (0, 10, 40, 100)]
    assert [round(f["value"], 2) for f in copied] == [0, 0.1, 0.4, 1]
    authentic = [f["authenticity"] for f in copied]
    assert authentic == sorted(authentic, reverse=True) and authentic[-1] == 0
    rng = np.random.default_rng(2)
    varied = [np.clip(real[:100] + s * rng.standard_normal((100, 4, 4, 1)), 0, 255) for s in (0, 20, 80, 255)]
    values = [result(real, made.astype(np.uint8))["value"] for made in varied]
    assert values == sorted(values, reverse=True) and values[0] == 1 and values[-1] < 0.1


def test_images_that_the_training_set_repeats_are_told_and_do_not_hide_copies():
    real = noise(200)
    real[100:110] = real[:10]
    made = noise(50, seed=1)
    made[7], made[8] = real[0], real[50]
    found = result(real, made)
    assert found["value"] == 2 / 50 and found["nearest_samples"][:2] == [7, 8]
    assert found["floor"] == 20 / 200 and "10.0% of the training images" in found["note"]
    assert found["nearest_training_images"][0] == 0, "the first of two"
    assert result(real, real)["authenticity"] == 0, "nor is a copy of what is repeated authentic"
    assert "note" not in result(noise(200), made)


def test_of_nothing_but_repetitions_only_copies_are_suspicious():
    real = np.repeat(noise(20), 2, axis=0)
    found = result(real, np.concatenate([real[:3], noise(7, seed=1)]))
    assert found["value"] == 0.3 and found["floor"] == 1
    assert suspicious_distance(np.zeros(5)) > 0
    assert suspicious_distance(np.array([0.0, 0.0, 3.0, 2.0])) == 2


def test_of_many_training_images_some_are_held_against_all(monkeypatch):
    real, made = noise(400), noise(60, seed=1)
    whole = result(real, made)
    asked = []
    nearest = module.nearest
    monkeypatch.setattr(
        module, "nearest", lambda q, p, *a, **k: asked.append((len(q), len(p))) or nearest(q, p, *a, **k)
    )
    monkeypatch.setattr(module, "MOST_REALS", 50)
    some = result(real, made)
    assert asked[:2] == [(60, 400), (50, 400)] and asked[2][0] <= 110
    assert some["authenticity"] == whole["authenticity"] and some["median_distance"] == whole["median_distance"]
    assert some["median_distance_of_reals"] == pytest.approx(whole["median_distance_of_reals"], rel=0.1)
    assert some["authenticity_of_reals"] == pytest.approx(whole["authenticity_of_reals"], abs=0.2)
    assert some == result(real, made)


def test_order_does_not_matter():
    real, made = noise(100), noise(60, seed=1)
    shuffled = result(np.random.default_rng(0).permutation(real), np.random.default_rng(1).permutation(made))
    for key, expected in result(real, made).items():
        assert shuffled[key] == expected or key in ("nearest_samples", "nearest_training_images"), key


@pytest.mark.parametrize("channels", [1, 3])
def test_the_figure_shows_the_nearest_first_with_their_training_images(tmp_path: Path, channels: int):
    real, made = noise(50, channels=channels), noise(30, 1, channels=channels)
    made[[21, 4]] = real[[40, 41]]
    found = result(real, made, tmp_path / "new" / "figures")
    assert found["figure"] == str(tmp_path / "new" / "figures" / "neighbours.png")
    with Image.open(found["figure"]) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    scale = enlargement(4, 4)
    side = 4 * scale
    assert pixels.shape == (10 * (side + CAPTION + PAD) - PAD, 6 * (side + PAD) - PAD, 3)

    def tile(row: int, column: int) -> np.ndarray:
        top, left = row * (side + CAPTION + PAD), column * (side + PAD)
        return pixels[top : top + side : scale, left : left + side : scale]

    assert found["nearest_samples"][:2] == [4, 21]
    between = apart(made, real)
    for row, sample in enumerate(found["nearest_samples"]):
        assert np.array_equal(tile(row, 0), np.broadcast_to(made[sample], (4, 4, 3)))
        for column, image in enumerate(np.argsort(between[sample], kind="stable")[:5], start=1):
            assert np.array_equal(tile(row, column), np.broadcast_to(real[image], (4, 4, 3)))
    assert np.array_equal(tile(0, 1), np.broadcast_to(real[41], (4, 4, 3)))
    below = pixels[side : side + CAPTION]
    assert all(below[:, c * (side + PAD) :][:, :side].min() < 100 for c in range(6)), "a caption under each"


def test_a_few_samples_of_a_few_images_make_a_smaller_figure(tmp_path: Path):
    found = result(noise(4), noise(2, seed=1), tmp_path, parts=2)
    with Image.open(found["figure"]) as picture:
        side = 4 * enlargement(4, 4)
        assert picture.size == (5 * (side + PAD) - PAD, 2 * (side + CAPTION + PAD) - PAD)
    assert "figure" not in result(noise(4), noise(2, seed=1))


def test_a_figure_that_cannot_be_written_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"neighbours\.png cannot be written"):
        result(noise(9), noise(5, seed=1), tmp_path / "file")


def test_points_are_refused():
    with pytest.raises(UserError, match=r"ring is a 2-D world.*leave the metric neighbours out"):
        Neighbours.check(load("ring"))
