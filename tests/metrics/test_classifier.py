"""The classifier whose features are compared: good, cached, the same every time, and for every size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ganvas.data import Dataset, load
from ganvas.errors import UserError
from ganvas.metrics import classifier
from ganvas.metrics.classifier import Classifier, ClassifierFeatures


@pytest.fixture
def digits(monkeypatch) -> Dataset:
    """Digits whose classifier is trained for a moment only."""
    monkeypatch.setattr(classifier, "_SHOWN", 12_000)
    return load("digits")


def test_it_learns_the_digits_and_says_how_well(digits, monkeypatch, tmp_path):
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path))
    _, accuracy = classifier.train(digits, digits.labels)
    assert accuracy > 0.9
    assert ClassifierFeatures(digits).name == f"classifier:digits ({100 * accuracy:.1f} % accurate on held-out images)"


def test_accuracy_is_that_on_images_it_was_not_shown(digits):
    few = replace(digits, samples=digits.samples[:300])  # so few that they are learnt by heart
    _, accuracy = classifier.train(few, np.random.default_rng(0).integers(0, 10, 300))
    assert accuracy < 0.35, "labels without meaning say nothing of images that were not shown"


def test_the_second_time_comes_from_the_cache_and_is_equal_to_the_bit(digits, monkeypatch, tmp_path):
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path))
    first = ClassifierFeatures(digits)
    monkeypatch.setattr(classifier, "train", lambda *_: pytest.fail("trained again"))
    second = ClassifierFeatures(digits)
    assert first.name == second.name
    np.testing.assert_array_equal(first(digits.samples[:100]).vectors, second(digits.samples[:100]).vectors)
    assert first(digits.samples[:100]).vectors.shape == (100, first.dimensions)
    assert first(digits.samples[:100]).logits.shape == (100, first.classes) == (100, 10)
    assert not list(tmp_path.rglob("*.part"))


def test_other_contents_have_another_classifier(digits, monkeypatch, tmp_path):
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path))
    ClassifierFeatures(digits)
    ClassifierFeatures(replace(digits, fingerprint="other"))
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


@pytest.mark.parametrize("harm", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"{" * 100])
def test_a_damaged_file_is_made_again(digits, monkeypatch, tmp_path, harm):
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path))
    before = ClassifierFeatures(digits)(digits.samples[:8]).vectors
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(harm(file.read_bytes()))
    np.testing.assert_array_equal(ClassifierFeatures(digits)(digits.samples[:8]).vectors, before)


def test_training_is_deterministic_and_leaves_the_global_random_numbers_alone(digits):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one, _ = classifier.train(digits, digits.labels)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    other, _ = classifier.train(digits, digits.labels)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("side", [2, 8, 28, 33, 64, 256])
def test_images_of_any_size_have_64_features(side):
    assert Classifier(3, 5).eval().features(torch.zeros(2, 3, side, side)).shape == (2, 64)


def test_an_unwritable_cache_is_told(digits, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="GANVAS_CACHE"):
        ClassifierFeatures(digits)
