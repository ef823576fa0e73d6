"""Sets by name: what is built in, what joins, what is told, and the real ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from ganvas.data import load
from ganvas.data.worlds import WORLDS
from ganvas.errors import UserError


def test_digits() -> None:
    d = load("digits")
    pixels, labels = load_digits(return_X_y=True)
    assert (d.name, d.samples.shape, len(d), d.world) == ("digits", (1797, 8, 8, 1), 1797, None)
    assert d.samples.dtype == np.uint8
    assert np.array_equal(np.unique(d.samples), np.rint(np.arange(17) * 255 / 16))
    assert np.abs(d.samples.reshape(len(d), -1) * (16 / 255) - pixels).max() < 0.05
    assert d.labels is not None
    assert np.array_equal(d.labels, labels)
    assert d.label_names == tuple("0123456789")
    assert (d.spec.shape, d.spec.classes) == ((1, 8, 8), 10)


def test_digits_upsampled_are_smooth() -> None:
    d = load("digits", size=64, channels=3)
    assert d.spec.shape == (3, 64, 64)
    steps = np.abs(np.diff(d.samples[:200, ..., 0].astype(int), axis=2))
    assert steps.max() < 60  # blocks of nearest neighbours step by up to 255


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_worlds(name: str) -> None:
    d = load([name])
    assert (d.name, d.world, d.samples.shape, d.samples.dtype) == (name, WORLDS[name], (100_000, 2), np.float32)
    assert np.array_equal(d.samples, WORLDS[name].sample(100_000, seed=0))
    assert (d.spec.shape, d.spec.classes, d.labels) == ((2,), 0, None)
    assert load(name).fingerprint == d.fingerprint
    assert d.fingerprint not in {load(other).fingerprint for other in WORLDS if other != name}


@pytest.mark.parametrize(
    ("names", "settings", "says"),
    [
        ([], {}, "no data is named"),
        (["digitz"], {}, "Did you mean digits"),
        (["two_moons"], {}, "Did you mean two-moons"),
        ([""], {}, "no folder or file ''"),
        (["x" * 5000], {}, "no folder or file"),
        (["a\0b"], {}, "no folder or file"),
        ([__file__], {}, "neither a folder nor a zip archive"),
        (["digits:test"], {}, "digits has no published parts"),
        (["ring"], {"split": "test"}, "ring has no published parts"),
        (["ring", "grid"], {}, "cannot be joined"),
        (["digits", "ring"], {}, "ring is a 2-D world, which cannot be joined"),
        (["ring"], {"size": 64}, "without size or channels"),
        (["digits"], {"channels": 2}, "channels = 2 is out of range"),
        (["digits"], {"size": 0}, "size = 0 is out of range"),
        (["digits"], {"size": 10**6}, "size = 1000000 is out of range"),
    ],
)
def test_mistakes_are_told(names: list[str], settings: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        load(names, **settings)


def test_near_names_of_files_are_offered(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(UserError, match=f"Did you mean {tmp_path}/photos"):
        load(tmp_path / "photoss")


def test_joining(tmp_path: Path) -> None:
    for name, classes in (("one", "ab"), ("other", "ab"), ("three", "abc")):
        for c in classes:
            (tmp_path / name / c).mkdir(parents=True)
            Image.new("L", (4, 4), len(name) * 10 + ord(c) % 3).save(tmp_path / name / c / "x.png")
    d = load([tmp_path / "one", tmp_path / "other"])
    assert (d.name, len(d), d.label_names) == ("one+other", 4, ("a", "b"))
    assert d.labels is not None
    assert d.labels.tolist() == [0, 1, 0, 1]
    assert np.array_equal(d.samples[2:], load(tmp_path / "other").samples)
    assert d.fingerprint != load([tmp_path / "other", tmp_path / "one"]).fingerprint
    with pytest.warns(UserWarning, match="one\\+three: the sets do not name the same classes"):
        mixed = load([tmp_path / "one", tmp_path / "three"])
    assert (mixed.labels, mixed.label_names, len(mixed)) == (None, (), 5)
    assert len(load([tmp_path / "other"] * 40).name) < 64


def test_labels_follow_what_was_skipped(tmp_path: Path) -> None:
    for c in "abc":
        (tmp_path / c).mkdir()
        Image.new("L", (4, 4)).save(tmp_path / c / "x.png")
    (tmp_path / "b" / "x.png").write_text("not a picture")
    d = load(tmp_path)
    assert d.labels is not None
    assert d.labels.tolist() == [0, 2]
    assert d.label_names == ("a", "b", "c")


def test_looking_at_data_needs_no_torch() -> None:
    code = "import sys; from ganvas.data import load; load('digits', size=8); print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


def test_real_idx_folder(shared_data: Path) -> None:
    test = load([f"{shared_data}/mnist:test"])
    assert (test.name, test.samples.shape, len(test.label_names)) == ("mnist-test", (10_000, 28, 28, 1), 10)
    assert test.labels is not None
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert test.samples.mean() == pytest.approx(33.79, abs=0.01)  # the known mean of MNIST's test part


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "shape", "classes"),
    [
        (["mnist"], (60_000, 28, 28, 1), 10),
        (["fashion-mnist"], (60_000, 28, 28, 1), 10),
        ([f"cifar10/cifar10-{i}.zip" for i in range(1, 6)], (50_000, 32, 32, 3), 10),
        (["flowers17.zip"], (1360, 192, 192, 3), 17),
        (["faces128.zip"], (9778, 128, 128, 3), 2),
        (["emoji.zip"], (4284 + 200, 72, 72, 3), 4),
    ],
)
def test_real_sets(shared_data: Path, names: list[str], shape: tuple[int, ...], classes: int) -> None:
    d = load([shared_data / n for n in names])
    assert (d.samples.shape, len(d.label_names), d.problems) == (shape, classes, ())
    if "cifar10/cifar10-1.zip" in names:
        assert d.labels is not None
        assert np.bincount(d.labels).tolist() == [5000] * 10
        means = d.samples.reshape(-1, 3).mean(axis=0, dtype=np.float64) / 255
        assert means == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-4)
