"""Modes covered, good samples and the evenness of modes, on samples whose modes are known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import entropy

from ganvas.data import load
from ganvas.data.worlds import WORLDS
from ganvas.errors import UserError
from ganvas.metrics.base import Block, Evidence, Part, Terms
from ganvas.metrics.modes import Modes, kl_to_uniform

RING = WORLDS["ring"]


def at_modes(*counts: int, bad: int = 0) -> np.ndarray:
    """So many points on each centre of the ring, and some in its middle, where nothing is."""
    return np.concatenate([np.repeat(RING.centres[: len(counts)], counts, axis=0), np.zeros((bad, 2))]).astype(
        np.float32
    )


def result(generated: np.ndarray, floor: np.ndarray | None = None, block: int = 256) -> dict:
    ring = load("ring")
    modes, parts = Modes(ring, Terms()), {"generated": generated} | ({} if floor is None else {"floor": floor})
    for part, points in parts.items():
        for start in range(0, len(points), block):
            modes.see(part, Block(points[start : start + block]))  # type: ignore[arg-type]
    rows: dict[Part, np.ndarray] = {part: np.arange(len(x)) for part, x in parts.items()}  # type: ignore[misc]
    return modes.result(Evidence(ring, ring, None, Terms(), len(generated), rows=rows))


def test_evenness_is_the_relative_entropy_of_the_counts():
    assert kl_to_uniform(np.full(8, 5)) == pytest.approx(0, abs=1e-15)
    assert kl_to_uniform(np.array([9, 0, 0, 0])) == pytest.approx(np.log(4))
    assert kl_to_uniform(np.array([6, 6, 0, 0])) == pytest.approx(np.log(2))
    counts = np.array([3, 1, 0, 8, 20])
    assert kl_to_uniform(counts) == pytest.approx(entropy(counts / 32, np.full(5, 0.2)), rel=1e-12)
    assert kl_to_uniform(np.zeros(25, int)) == pytest.approx(np.log(25))  # and finite, where nothing is good


def test_modes_are_counted_among_the_good_samples():
    found = result(at_modes(5, 0, 3, 1, bad=11))
    assert json.loads(json.dumps(found)) == found
    assert found == {
        "value": 3,
        "of": 8,
        "good_share": 9 / 20,
        "kl": pytest.approx(entropy([5 / 9, 3 / 9, 1 / 9]) * -1 + np.log(8)),
    }


def test_real_samples_are_measured_beside_them_whatever_the_blocks():
    real, collapsed = RING.sample(2500, seed=1), at_modes(1000)
    found = result(collapsed, real)
    assert (found["value"], found["floor"], found["of"]) == (1, 8, 8)
    assert found["good_share"] == 1 and found["kl"] == pytest.approx(np.log(8))
    assert found["good_share_of_reals"] == pytest.approx(1 - np.exp(-4.5), abs=0.01)
    assert 0 < found["kl_of_reals"] < 0.01
    assert result(collapsed, np.random.default_rng(0).permutation(real), block=7) == found
    assert found["good_share_of_reals"] == RING.measure(real)["good_share"]


def test_they_tell_fewer_modes_and_more_noise():
    few = [result(at_modes(*[10] * k)) for k in (8, 6, 4, 2, 1)]
    assert [f["value"] for f in few] == [8, 6, 4, 2, 1]
    assert [f["kl"] for f in few] == sorted(f["kl"] for f in few)
    noise = np.random.default_rng(0).standard_normal((2500, 2)).astype(np.float32)
    good = [result(RING.sample(2500) + s * noise)["good_share"] for s in (0.0, 0.1, 0.2, 0.4)]
    assert good == sorted(good, reverse=True) and good[0] > 0.98 and good[-1] < 0.2


def test_only_worlds_have_known_modes():
    Modes.check(load("grid"))
    with pytest.raises(UserError, match=r"digits is no 2-D world.* or count the classes"):
        Modes.check(load("digits"))
