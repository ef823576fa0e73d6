"""The sliced Wasserstein distance against closed forms, scipy and POT; its pyramid against a plain convolution."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import convolve, gaussian_filter
from scipy.stats import wasserstein_distance

from ganvas.data import Dataset, load
from ganvas.errors import UserError
from ganvas.metrics.base import Block, Evidence, Part, Terms
from ganvas.metrics.sliced import (
    PATCHES,
    Patches,
    SlicedWasserstein,
    directions_of_the_plane,
    laplacian_pyramid,
    level_shapes,
    normalised,
    random_directions,
    sliced_wasserstein,
)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits", size=32)


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def result(data: Dataset, block: int = 256, **parts: np.ndarray) -> dict:
    metric = SlicedWasserstein(data, Terms())
    for part, samples in parts.items():
        for start in range(0, len(samples), block):
            metric.see(part, Block(samples[start : start + block]))  # type: ignore[arg-type]
    rows: dict[Part, np.ndarray] = {part: np.arange(len(x)) for part, x in parts.items()}  # type: ignore[misc]
    return metric.result(Evidence(data, data, None, Terms(), len(parts["generated"]), rows=rows))


class TestOfVectors:
    def test_agrees_with_scipy_on_every_line_and_with_pot(self) -> None:
        x, y, directions = normal(200, 5), 2 * normal(200, 5, seed=1) + 1, random_directions(70, 5)
        on_lines = [wasserstein_distance(x @ line, y @ line) for line in directions]
        assert sliced_wasserstein(x, y, directions) == pytest.approx(np.mean(on_lines), rel=1e-12)
        ot = pytest.importorskip("ot")
        theirs = ot.sliced_wasserstein_distance(x, y, projections=directions.T, p=1)
        assert sliced_wasserstein(x, y, directions) == pytest.approx(float(theirs), rel=1e-9)

    def test_a_shift_of_the_plane_has_a_closed_form(self) -> None:
        x, shift = normal(500, 2), np.array([3.0, -4.0])
        # E|⟨θ, v⟩| = ‖v‖ · 2/π on the circle, whichever way v points.
        assert sliced_wasserstein(x, x + shift, directions_of_the_plane(512)) == pytest.approx(5 * 2 / np.pi, rel=1e-5)

    def test_a_shift_of_space_has_one_too(self) -> None:
        x, shift = normal(50, 3), np.array([0.0, 0.0, 2.0])
        # On the sphere ⟨θ, e⟩ is uniform on [-1, 1], so that E|⟨θ, v⟩| = ‖v‖ / 2.
        assert sliced_wasserstein(x, x + shift, random_directions(20_000, 3)) == pytest.approx(1, rel=0.02)

    def test_order_costs_nothing_and_directions_are_of_length_one(self) -> None:
        x, directions = normal(100, 4), random_directions(64, 4)
        assert sliced_wasserstein(x, np.random.default_rng(2).permutation(x), directions) == pytest.approx(0, abs=1e-15)
        for found in (directions, directions_of_the_plane(9)):
            np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
        np.testing.assert_array_equal(directions, random_directions(64, 4))


class TestThePyramid:
    def test_every_size_has_its_levels(self) -> None:
        assert level_shapes(32, 32) == [(32, 32), (16, 16)]
        assert level_shapes(28, 28) == [(28, 28)]
        assert level_shapes(64, 48) == [(64, 48), (32, 24)]
        assert level_shapes(128, 67) == [(128, 67), (64, 34), (32, 17)]
        assert level_shapes(31, 31) == [(31, 31), (16, 16)]

    def test_a_level_is_what_the_published_convolution_gives(self) -> None:
        """With zeros spread between the pixels of the coarser level, and mirrored borders."""
        x = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3))
        kernel = np.outer(*[[1, 4, 6, 4, 1]] * 2)[None, :, :, None] / 256
        smaller = convolve(x.astype(float), kernel, mode="mirror")[:, ::2, ::2]
        spread = np.zeros(x.shape)
        spread[:, ::2, ::2] = smaller
        smallest = convolve(smaller, kernel, mode="mirror")[:, ::2, ::2]
        found = laplacian_pyramid(x, 3)
        np.testing.assert_allclose(found[0], x - convolve(spread, 4 * kernel, mode="mirror"), atol=1e-4)
        np.testing.assert_allclose(found[2], smallest, atol=1e-4)

    @pytest.mark.parametrize("shape", [(64, 64), (67, 35)])
    def test_an_even_image_is_only_in_the_coarsest_level(self, shape: tuple[int, int]) -> None:
        levels = level_shapes(*shape)
        *fine, coarse = laplacian_pyramid(np.full((1, *shape, 3), 77, np.uint8), len(levels))
        assert all((level == 0).all() for level in fine) and (coarse == 77).all()
        assert [level.shape[1:3] for level in (*fine, coarse)] == levels


class TestPatches:
    def test_they_do_not_depend_on_blocks(self, digits: Dataset) -> None:
        images = digits.samples[:70]
        whole, single = Patches(), Patches()
        whole.add(images)
        for i in range(len(images)):
            single.add(images[i : i + 1])
        assert len(whole) == 70 * PATCHES
        for level in range(2):
            np.testing.assert_array_equal(whole.of(level, 5000), single.of(level, 5000))

    def test_of_more_images_each_gives_fewer(self, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ganvas.metrics.sliced.MOST", 32 * PATCHES)
        few, many, at_once = Patches(), Patches(), Patches()
        few.add(digits.samples[:32])
        some = Patches()
        some.add(digits.samples[:40])
        assert (some.per_image, len(some)) == (PATCHES // 2, 40 * PATCHES // 2)
        for block in np.split(digits.samples[:100], [3, 40, 41]):
            many.add(block)
        at_once.add(digits.samples[:100])
        assert (few.per_image, many.per_image, len(many)) == (PATCHES, PATCHES // 4, 100 * PATCHES // 4)
        first = few.of(0, len(few)).reshape(32, PATCHES, -1)[:, : PATCHES // 4]
        np.testing.assert_array_equal(many.of(0, len(many)).reshape(100, PATCHES // 4, -1)[:32], first)
        np.testing.assert_array_equal(many.of(1, 999), at_once.of(1, 999))

    def test_they_are_pieces_of_the_image_from_all_over_it(self) -> None:
        image = np.arange(20 * 24, dtype=np.float32).reshape(1, 20, 24, 1)
        patches = Patches()
        for _ in range(8):
            patches.add(image)
        corners = set()
        windows = np.lib.stride_tricks.sliding_window_view(image[0, :, :, 0], (7, 7))
        for patch in patches.of(0, len(patches))[:, 0]:
            (at,) = np.argwhere((windows == patch).all(axis=(2, 3)))
            corners.add(tuple(at))
        assert {y for y, _ in corners} == set(range(14)) and {x for _, x in corners} == set(range(18))

    def test_channels_are_normalised_each_by_itself(self) -> None:
        x = np.random.default_rng(0).standard_normal((400, 3, 7, 7)).astype(np.float32)
        x = x * np.array([1, 50, 0]).reshape(3, 1, 1) + np.array([9, -30, 4.3]).reshape(3, 1, 1)
        found = normalised(x.astype(np.float32)).reshape(400, 3, 49)
        np.testing.assert_allclose(found.mean(axis=(0, 2)), 0, atol=1e-5)
        np.testing.assert_allclose(found.std(axis=(0, 2)), [1, 1, 0], atol=1e-5)


class TestOfImages:
    @pytest.fixture(autouse=True)
    def few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ganvas.metrics.sliced.PATCHES", 16)
        monkeypatch.setattr("ganvas.metrics.sliced.DIRECTIONS", 100)

    def test_a_set_is_at_distance_zero_from_itself_and_the_record_says_all(self, digits: Dataset) -> None:
        x, y = digits.samples[:150], digits.samples[150:350]
        found = result(digits, generated=x, reference=x, floor=y)
        assert json.loads(json.dumps(found)) == found
        assert found["value"] == 0 and found["levels"] == {"32": 0.0, "16": 0.0}
        assert found["floor"] == pytest.approx(np.mean(list(found["levels_of_reals"].values()))) and found["floor"] > 0
        assert (found["patches"], found["patches_of_an_image"]) == (150 * 16, 16)
        again = result(digits, block=33, generated=x, reference=x, floor=y)
        assert again == found
        shuffled = np.random.default_rng(0).permutation(x)
        assert result(digits, generated=shuffled, reference=x)["value"] < found["floor"]

    def test_value_and_floor_are_of_as_many_patches(self, digits: Dataset) -> None:
        rng = np.random.default_rng(0)
        some, others = np.split(rng.permutation(len(digits))[:900], [300])
        found = result(digits, generated=digits.samples[some[:100]], reference=digits.samples[others],
                       floor=digits.samples[some[100:200]])  # fmt: skip
        assert found["patches"] == 100 * 16
        assert found["value"] == pytest.approx(found["floor"], rel=0.5)

    def test_it_grows_with_noise_and_blur_and_says_at_which_level(self, digits: Dataset) -> None:
        rng = np.random.default_rng(0)
        rows = rng.permutation(len(digits))
        reference, fresh = digits.samples[np.sort(rows[:300])], digits.samples[np.sort(rows[300:600])].astype(float)

        def judged(images: np.ndarray) -> dict:
            images = images.round().clip(0, 255).astype(np.uint8)
            return result(digits, generated=images, reference=reference)

        white = rng.standard_normal(fresh.shape)
        noisy = [judged(fresh + s * white) for s in (0, 10, 30, 90)]
        assert [f["value"] for f in noisy] == sorted(f["value"] for f in noisy)
        clean, little = noisy[0]["levels"], noisy[1]["levels"]
        assert little["32"] - clean["32"] > 3 * (little["16"] - clean["16"])  # white noise is a matter of detail
        soft = [judged(gaussian_filter(fresh, (0, s, s, 0)))["value"] for s in (0, 0.8, 1.6, 3)]
        assert soft == sorted(soft) and soft[-1] > 3 * soft[0]

    def test_images_of_nothing_give_a_figure(self, digits: Dataset) -> None:
        black = np.zeros((20, 32, 32, 1), np.uint8)
        found = result(digits, generated=black, reference=digits.samples[:50])
        assert np.isfinite(found["value"]) and found["value"] > 100


def test_points_of_the_plane_are_compared_as_they_are():
    ring = load("ring")
    x, y = ring.samples[:600], ring.samples[1000:3500]
    shift = np.array([0.6, 0.8], np.float32)
    found = result(ring, generated=x + shift, reference=x, floor=x)
    assert json.loads(json.dumps(found)) == found
    assert found == {"value": pytest.approx(2 / np.pi, rel=1e-5), "floor": 0.0, "samples": 600}
    assert result(ring, block=7, generated=x, reference=y) == result(ring, generated=x, reference=y)
    dropped = [result(ring, generated=y[np.arctan2(*y.T) > a][:300], reference=x)["value"] for a in (-4, -2, 0, 1.5)]
    assert dropped == sorted(dropped) and dropped[-1] > 0.3


def test_images_that_are_too_small_are_refused(digits):
    SlicedWasserstein.check(digits)
    SlicedWasserstein.check(load("ring"))
    SlicedWasserstein.check(replace(digits, samples=digits.samples[:, :16, :16]))
    with pytest.raises(UserError, match="images of 16 px or more, and those of digits are 32x15"):
        SlicedWasserstein.check(replace(digits, samples=digits.samples[:, :, :15]))
