"""Classes counted among images whose classes are known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import entropy

from ganvas.data import Dataset, load
from ganvas.errors import UserError
from ganvas.metrics.base import Block, Evidence, Part, Terms
from ganvas.metrics.classes import Classes


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


def result(data: Dataset, generated: np.ndarray, floor: np.ndarray | None = None, block: int = 256) -> dict:
    """The metric's record of these rows of the set."""
    classes, parts = Classes(data, Terms()), {"generated": generated} | ({} if floor is None else {"floor": floor})
    for part, rows in parts.items():
        for start in range(0, len(rows), block):
            classes.see(part, Block(data.samples[rows[start : start + block]]))  # type: ignore[arg-type]
    shown: dict[Part, np.ndarray] = dict(parts)  # type: ignore[arg-type]
    return classes.result(Evidence(data, data, None, Terms(), len(generated), rows=shown))


def test_all_classes_are_found_among_real_images_and_one_among_copies(digits):
    rng = np.random.default_rng(0)
    some, copies = rng.permutation(len(digits))[:600], np.repeat(np.flatnonzero(digits.labels == 3)[:1], 200)
    found = result(digits, copies, some)
    assert json.loads(json.dumps(found)) == found
    assert (found["value"], found["floor"], found["of"]) == (1, 10, 10)
    assert found["counts"] == {name: 200 * (name == "3") for name in digits.label_names}
    assert found["kl"] == pytest.approx(np.log(len(digits) / (digits.labels == 3).sum()))
    assert 0 < found["kl_of_reals"] < 0.02 and found["accuracy"] > 0.95
    assert found["classifier"] == "5 nearest neighbours on 50 principal components"
    assert result(digits, copies, rng.permutation(some), block=31) == found
    assert "floor" not in result(digits, copies)


def test_the_divergence_is_that_of_the_counts_from_the_real_shares(digits):
    rows = np.concatenate([np.flatnonzero(digits.labels == c)[:k] for c, k in enumerate((90, 60, 30, 0, 20, 5))])
    found = result(digits, rows)
    counts = np.array(list(found["counts"].values()))
    assert counts.sum() == len(rows) and abs(counts[0] - 90) <= 3
    assert found["kl"] == pytest.approx(entropy(counts / counts.sum(), np.bincount(digits.labels) / len(digits)))


def test_a_class_is_found_from_a_tenth_of_its_share_on(digits):
    zeros, ones = (np.flatnonzero(digits.labels == label) for label in (0, 1))

    def found(few: int) -> int:
        return result(digits, np.concatenate([zeros[: 150 - few], ones[:few]]))["value"]

    assert (found(few=0), found(few=1), found(few=6)) == (1, 1, 2)  # a tenth of a tenth of 150 is 1.5


def test_fewer_classes_are_further_from_the_real_shares(digits):
    found = [result(digits, np.flatnonzero(digits.labels < k)) for k in (10, 8, 5, 3, 1)]
    assert [f["value"] for f in found] == [10, 8, 5, 3, 1]
    assert [f["kl"] for f in found] == sorted(f["kl"] for f in found)


def test_labels_and_some_images_are_needed(digits):
    Classes.check(digits)
    with pytest.raises(UserError, match="digits has no labels"):
        Classes.check(replace(digits, labels=None, label_names=()))
    with pytest.raises(UserError, match="has 8 labelled images, and the metric classes needs 10"):
        Classes.check(replace(digits, samples=digits.samples[:8], labels=digits.labels[:8]))
