"""Perceptual path length against closed forms of linear generators, and where it does not apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from worlds_apart import COLOURED, played

from ganvas.data import Dataset, load
from ganvas.errors import UserError
from ganvas.game import Samples, Styles
from ganvas.metrics import classifier, ppl
from ganvas.metrics.base import Evidence, Extracted, Features, Terms
from ganvas.metrics.ppl import PPL, PPLWEnd, PPLWFull, PPLZEnd, PPLZFull, path_lengths, within_percentiles
from ganvas.priors import Prior
from ganvas.rng import generator, seed_of

A = torch.randn(16, 6, generator=generator("A"), dtype=torch.float64)
EVERY = (PPLZFull, PPLZEnd, PPLWFull, PPLWEnd)


class Linear:
    """G(z) = f A z as images of 4x4."""

    name = "linear"

    def __init__(self, factor: float = 1.0, kind: Any = "normal"):
        self.prior, self.factor, self.most = Prior(6, kind), factor, 0

    def generate(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        self.most = max(self.most, len(z))
        return self.factor * (z @ A.T.to(z.dtype)).view(-1, 1, 4, 4)

    def sample(self, n: int, seed: int = 0, labels: Any = None, truncation: float = 1.0) -> Tensor:
        return self.generate(self.prior.seeded(n, seed))


class Styled(Linear):
    """w = 2 z, G = A w."""

    name, layers, layer_sides = "styled", 1, (4,)

    def w(self, z: Tensor, labels: Any = None, truncation: float = 1.0) -> Tensor:
        return 2 * z

    def synthesize(self, w: Tensor, noise: Any = "const", seed: int = 0) -> Tensor:
        return super().generate(w)

    def generate(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        raise AssertionError("its noise may differ from call to call")


class Identity(Features):
    """Images as they are."""

    name, dimensions = "identity", 16

    def __call__(self, samples: np.ndarray) -> Extracted:
        raise AssertionError("bytes are too coarse")

    def of_floats(self, x: Tensor) -> Tensor:
        return x.flatten(1)


class Bytes(Identity):
    name = "bytes"
    of_floats = Features.of_floats


def squared(one: Tensor, other: Tensor) -> Tensor:
    return (one - other).square().flatten(1).sum(1)


def ends(game: Linear, pairs: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """The latents that are joined, and the t of whole paths."""
    z = game.prior.seeded(2 * pairs, seed_of("ppl", seed))
    return z[0::2], z[1::2], torch.rand(pairs, generator=generator("ppl", "t", seed), dtype=torch.float64)


def measured(metric: type[PPL], game: Any, **terms: Any) -> dict[str, Any]:
    agreed = Terms(**{"n": 60} | terms)
    data = load("digits")
    return metric(data, agreed).result(Evidence(data, game, Identity(), agreed, 60))


@pytest.mark.parametrize("sampling", ["full", "end"])
def test_straight_paths_of_a_linear_generator_have_the_length_of_their_difference(float64, sampling):
    game = Styled()
    a, b, _ = ends(game, 40)
    expected = ((b - a) @ A.T * 2).square().sum(1)
    np.testing.assert_allclose(path_lengths(game, squared, 40, space="w", sampling=sampling), expected, rtol=1e-7)


@pytest.mark.parametrize("kind", ["normal", "uniform"])
@pytest.mark.parametrize("sampling", ["full", "end"])
def test_great_circles_of_a_linear_generator_have_the_length_of_their_velocity(float64, sampling, kind):
    game = Linear(kind=kind)
    a, b, t = ends(game, 40)
    t = t[:, None] if sampling == "full" else torch.zeros(40, 1)
    ra, rb = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    u = a / ra
    angle = (u * b / rb).sum(1, keepdim=True).acos()
    across = b / rb - angle.cos() * u
    across = across / across.norm(dim=1, keepdim=True)
    direction, turning = (f * u + g * across for f, g in (
        ((t * angle).cos(), (t * angle).sin()),
        (-(t * angle).sin(), (t * angle).cos()),
    ))  # fmt: skip
    velocity = (rb - ra) * direction + (ra + t * (rb - ra)) * angle * turning
    expected = (velocity @ A.T).square().sum(1)
    np.testing.assert_allclose(path_lengths(game, squared, 40, sampling=sampling), expected, rtol=2e-3)


def test_single_precision_changes_the_mean_by_little():
    # The step of 1e-2 is a hundred times as long: rounding does not matter there, and so it does not here.
    fine, coarse = (path_lengths(Linear(), squared, 500, epsilon=e).mean() for e in (ppl.EPSILON, 1e-2))
    assert fine == pytest.approx(coarse, rel=0.01)


def test_the_classifier_sees_steps_that_bytes_would_hide(monkeypatch):
    monkeypatch.setattr(classifier, "_SHOWN", 2_000)
    data = load("digits")
    features = classifier.ClassifierFeatures(data)
    images = torch.from_numpy(data.samples[:9].copy()).permute(0, 3, 1, 2).float() / 127.5 - 1
    np.testing.assert_allclose(features.of_floats(images), features(data.samples[:9]).vectors, rtol=1e-5, atol=1e-5)
    distance = ppl.of_features(features)
    small, large = (distance(images, images * (1 - e)) / e**2 for e in (1e-4, 1e-3))
    assert small.dtype == torch.float64
    torch.testing.assert_close(small, large, rtol=0.05, atol=0)
    wide = torch.nn.functional.interpolate(images, size=(64, 64))
    torch.testing.assert_close(features.of_floats(wide), features.of_floats(torch.nn.functional.avg_pool2d(wide, 2)))


def test_twice_as_steep_is_four_times_as_long():
    once, twice = (path_lengths(Linear(f), squared, 50) for f in (1, 2))
    np.testing.assert_allclose(twice, 4 * once, rtol=1e-5)


def test_a_pair_depends_on_the_seed_and_its_index_alone():
    game = Linear()
    many = path_lengths(game, squared, 70, sampling="end", seed=3)
    np.testing.assert_array_equal(many[:20], path_lengths(game, squared, 20, sampling="end", seed=3))
    assert game.most <= 64, "few samples at once"
    assert not np.allclose(many, path_lengths(game, squared, 70, sampling="end", seed=4))


def test_outliers_are_dropped_as_published():
    x = np.random.default_rng(0).permutation(np.arange(1000.0))
    kept = within_percentiles(x)
    # Of 0 to 999 the 1st percentile lies at 9.99, the 99th at 989.01; members below and above it stay.
    assert (kept.min(), kept.max(), len(kept)) == (9, 990, 982)
    np.testing.assert_array_equal(within_percentiles(np.ones(5)), np.ones(5))


@pytest.mark.parametrize("metric", EVERY)
def test_the_four_are_what_their_names_say(metric):
    game = Styled()
    found = measured(metric, game, seed=5)
    _, space, sampling = metric.name.split("-")
    expected = within_percentiles(path_lengths(game, squared, 60, space=space, sampling=sampling, seed=5))  # type: ignore[arg-type]
    assert found["value"] == pytest.approx(expected.mean(), rel=1e-3)
    assert found["standard_error"] == pytest.approx(expected.std() / np.sqrt(len(expected)), rel=1e-2)
    assert {k: found[k] for k in ("space", "sampling", "path", "epsilon", "pairs")} == {
        "space": space,
        "sampling": sampling,
        "path": "lerp" if space == "w" else "slerp",
        "epsilon": 1e-4,
        "pairs": 60,
    }
    assert found["distance"] == "squared Euclidean, identity"
    assert "floor" not in found
    assert not metric.has_floor


def test_ppl_is_that_at_the_ends_in_w_where_there_are_styles_and_whole_paths_in_z_elsewhere():
    assert measured(PPL, Styled()) == measured(PPLWEnd, Styled())
    assert measured(PPL, Linear()) == measured(PPLZFull, Linear())
    assert isinstance(Styled(), Styles)
    assert isinstance(Linear(), Samples)
    assert not isinstance(Linear(), Styles)


@pytest.mark.parametrize("name", ["stylegan", "stylegan2"])
@pytest.mark.parametrize("condition", ["none", "labels"])
def test_of_the_systems_with_styles(name, condition):
    game = played(name, 1, COLOURED, {"condition": condition})
    found = {metric.name: measured(metric, game, n=8)["value"] for metric in (PPL, *EVERY)}
    assert found["ppl"] == found["ppl-w-end"]
    assert len(set(found.values())) == 4
    assert all(0 < value < np.inf for value in found.values())


def test_two_metrics_share_one_measurement():
    data, game, terms = load("digits"), Linear(), Terms(n=10)
    evidence = Evidence(data, game, Identity(), terms, 10)
    first = PPL(data, terms).result(evidence)
    game.generate = None  # type: ignore[method-assign, assignment]
    assert PPLZFull(data, terms).result(evidence) == first


def test_how_many_pairs(monkeypatch):
    monkeypatch.setattr(ppl, "PAIRS", 30)
    monkeypatch.setattr(ppl, "PUBLISHED", 40)
    assert measured(PPL, Linear(), n=None)["pairs"] == 30
    assert measured(PPL, Linear(), n=20)["note"] == "of 20 pairs; the papers have 40."
    most = measured(PPL, Linear(), n=99)
    assert most["pairs"] == 40
    assert "note" not in most


def test_both_of_a_pair_are_of_one_class_and_classes_as_frequent_as_among_the_real():
    asked: list[Tensor] = []

    class Conditioned(Linear):
        conditions = 10

        def generate(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
            assert labels is not None
            asked.append(labels)
            return super().generate(z) * (1 + labels.view(-1, 1, 1, 1))

    measured(PPL, Conditioned(), n=400)
    assert all(torch.equal(one, other) for one, other in zip(asked[0::2], asked[1::2], strict=True))
    counts = torch.bincount(torch.cat(asked[0::2]), minlength=10)
    assert counts.min() > 20, "digits are equally frequent"
    unasked = Conditioned()
    unasked.conditions = 0
    with pytest.raises(AssertionError):
        measured(PPL, unasked)


def test_lpips_sees_images_of_three_channels_no_wider_than_it_was_learnt_on(monkeypatch):
    import sys
    import types

    class Measure:
        name, weights = "lpips-vgg16", "sha256:00"

        def __call__(self, one: Tensor, other: Tensor) -> Tensor:
            self.shape = one.shape
            return squared(one, other)

    measure = Measure()
    module = types.ModuleType("ganvas.metrics.lpips")
    module.parse = lambda perceptual: measure  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ganvas.metrics.lpips", module)
    found = measured(PPL, Linear(), perceptual="a.pth,b.pth")
    assert (found["distance"], found["weights"]) == ("lpips-vgg16", "sha256:00")
    plain = measured(PPL, Linear())["value"]
    assert found["value"] == pytest.approx(3 * plain, rel=1e-2), "each of three equal channels"
    distance, _ = ppl.of_perception("")
    distance(torch.zeros(2, 1, 700, 700), torch.zeros(2, 1, 700, 700))
    assert measure.shape == (2, 3, 350, 350)


def test_where_it_does_not_apply(monkeypatch):
    digits: Dataset = load("digits")
    for metric in (PPL, *EVERY):
        metric.check_subject(Styled(), Identity())
        with pytest.raises(UserError, match="is a set of samples"):
            metric.check_subject(digits, None)
    for metric in (PPLWFull, PPLWEnd):
        with pytest.raises(UserError, match=r"linear has no styles w.*give ppl-z-"):
            metric.check_subject(Linear(), None)
    PPLZEnd.check_subject(Linear(), None)
    with pytest.raises(UserError, match="bytes takes images as bytes"):
        PPL.check_subject(Linear(), Bytes())
    with pytest.raises(UserError, match="leave --perceptual out"):
        PPL(load("ring"), Terms(perceptual="a,b"))
    assert PPL(digits, Terms()).uses_features
    assert not PPL(digits, Terms(perceptual="a,b")).uses_features


def test_values_that_are_not_finite_are_told():
    with pytest.raises(UserError, match="not finite"):
        path_lengths(Linear(float("nan")), squared, 4)
