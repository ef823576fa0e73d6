"""The 2-D worlds: exact densities, samples that follow them, and the counts of the mode-collapse literature."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ganvas.data.worlds import EXTENT, GOOD_STDS, WORLDS, World

SAMPLES = {name: world.sample(20_000, seed=3) for name, world in WORLDS.items()}


def cells(bins: int, fine: int) -> tuple[np.ndarray, float]:
    """The centres [(bins·fine)², 2] of a fine grid over the square, and the area of one of its cells."""
    n = bins * fine
    ticks = (np.arange(n) + 0.5) / n * 2 * EXTENT - EXTENT
    return np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2), (2 * EXTENT / n) ** 2


def probabilities(world: World, bins: int, fine: int = 15) -> np.ndarray:
    """The probability of each of bins² cells of the square, by integrating the density on a finer grid."""
    x, area = cells(bins, fine)
    return (world.density(x) * area).reshape(bins, fine, bins, fine).sum(axis=(1, 3)).ravel()


@pytest.mark.parametrize("world", WORLDS.values(), ids=list(WORLDS))
class TestEveryWorld:
    def test_density_integrates_to_one_inside_the_square(self, world: World) -> None:
        assert probabilities(world, bins=20).sum() == pytest.approx(1, abs=1e-4)

    def test_samples_follow_the_density(self, world: World) -> None:
        edges = np.linspace(-EXTENT, EXTENT, 21)
        points = SAMPLES[world.name]
        counts, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=[edges, edges])
        expected = probabilities(world, bins=20) * len(points)
        likely = expected >= 5  # the usual rule of the chi-square test; the unlikely cells are pooled
        observed = np.append(counts.ravel()[likely], len(points) - counts.ravel()[likely].sum())
        wanted = np.append(expected[likely], len(points) - expected[likely].sum())
        assert stats.chisquare(observed, wanted, sum_check=False).pvalue > 1e-3

    def test_a_point_depends_on_seed_and_index_alone(self, world: World) -> None:
        points = world.sample(1_000, seed=7)
        assert points.dtype == np.float32 and points.shape == (1_000, 2)
        np.testing.assert_array_equal(points[:137], world.sample(137, seed=7))
        assert not np.array_equal(points, world.sample(1_000, seed=8))

    def test_real_samples_cover_every_mode(self, world: World) -> None:
        measured = world.measure(SAMPLES[world.name])
        assert measured["modes"] == measured["modes_of"] == world.modes
        in_the_plane, across_a_line = 1 - math.exp(-(GOOD_STDS**2) / 2), math.erf(GOOD_STDS / math.sqrt(2))
        apart = len(world.centres) == world.modes
        assert measured["good_share"] == pytest.approx(in_the_plane if apart else across_a_line, abs=0.003)

    def test_samples_of_one_mode_count_as_one(self, world: World) -> None:
        middle = world.centres[len(world.centres) // world.modes // 2]
        points = middle + world.std * np.random.default_rng(0).standard_normal((1_000, 2)).clip(-2, 2)
        assert world.measure(points)["modes"] == 1

    def test_noise_far_away_covers_nothing(self, world: World) -> None:
        measured = world.measure(np.full((10, 2), 1.45))
        assert measured == {"modes": 0, "modes_of": world.modes, "good_share": 0.0}


def test_mode_counts_are_the_published_ones() -> None:
    assert WORLDS["ring"].modes == 8 and WORLDS["grid"].modes == 25
    assert list(WORLDS) == ["ring", "grid", "spiral", "two-moons"]


def test_density_of_one_gaussian_is_the_textbook_formula() -> None:
    world = World("one", np.array([[0.5, -0.5]]), std=0.2, modes=1)
    x = np.array([[0.5, -0.5], [0.7, -0.5], [0.0, 0.0]])
    textbook = stats.norm.pdf(x[:, 0], 0.5, 0.2) * stats.norm.pdf(x[:, 1], -0.5, 0.2)
    np.testing.assert_allclose(world.density(x), textbook, rtol=1e-12)


@pytest.mark.parametrize("name", ["spiral", "two-moons"])
def test_density_is_level_along_a_curve(name: str) -> None:
    """Between neighbouring centres the density is what it is on them, so that a curve has no modes of its own."""
    world = WORLDS[name]
    half = len(world.centres) // 2  # one moon, or one half of the spiral
    on, between = world.centres[20 : half - 20], (world.centres[20 : half - 20] + world.centres[21 : half - 19]) / 2
    np.testing.assert_allclose(world.density(between), world.density(on), rtol=0.01)
    apart = np.linalg.norm(np.diff(world.centres[:half], axis=0), axis=1)
    np.testing.assert_allclose(apart, apart.mean(), rtol=0.01)  # as dense at one end as at the other
    assert apart.mean() < world.std


def test_chunks_do_not_change_the_answer() -> None:
    x = SAMPLES["ring"][:5_000]
    np.testing.assert_array_equal(WORLDS["ring"].density(x)[4_090:4_100], WORLDS["ring"].density(x[4_090:4_100]))
