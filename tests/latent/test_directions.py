"""Directions against closed forms: a linear generator's singular vectors, a known covariance's eigenvectors."""

from __future__ import annotations

import pytest
import torch

from ganvas.errors import UserError
from ganvas.game import DataSpec
from ganvas.games import find
from ganvas.latent import eigen_directions, prior_covariance, response_directions

SCALES = torch.tensor([3.0, 2.0, 1.0, 0.5, 0.1], dtype=torch.float64)


def orthogonal(d: int, seed: int = 0) -> torch.Tensor:
    q, _ = torch.linalg.qr(torch.randn(d, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))
    return q


def same_up_to_sign(a: torch.Tensor, b: torch.Tensor) -> bool:
    return torch.allclose((a * b).sum(1).abs(), torch.ones(len(a), dtype=a.dtype), atol=1e-6)


def test_eigen_directions_of_a_known_covariance():
    v = orthogonal(5)
    found = eigen_directions(v.T @ torch.diag(SCALES**2) @ v)
    assert same_up_to_sign(found.vectors, v)
    assert torch.allclose(found.scales, SCALES)
    assert torch.allclose(found.shares, SCALES**2 / (SCALES**2).sum())
    assert (len(found), found.by) == (5, "covariance")
    largest = found.vectors.gather(1, found.vectors.abs().argmax(1, keepdim=True))
    assert (largest > 0).all(), "the sign is settled"


def test_the_response_of_a_linear_generator_is_its_right_singular_vectors():
    u, v = orthogonal(7, 1)[:, :5], orthogonal(5)
    a = u @ torch.diag(SCALES) @ v
    z = torch.randn(3, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    variance = torch.diag(torch.tensor([4.0, 1, 1, 1, 9], dtype=torch.float64))
    found = response_directions(lambda z: (z @ a.T + 1).reshape(-1, 1, 1, 7), z, variance)
    assert same_up_to_sign(found.vectors, v)
    assert torch.allclose(found.shares, SCALES**2 / (SCALES**2).sum())
    assert torch.allclose(found.scales, (v @ variance @ v.T).diagonal().sqrt()), "how far latents reach along each"


def test_the_response_is_the_mean_over_the_latents():
    """G(z) = (z₁², z₂): JᵀJ = diag(4 z₁², 1), to the differences' step of 0.1."""
    z = torch.tensor([[0.0, 5.0], [1.0, -5.0]], dtype=torch.float64)
    found = response_directions(lambda z: torch.stack([z[:, 0] ** 2, z[:, 1]], 1), z, torch.eye(2).double())
    forward = (0.1**2 + 2.1**2) / 2
    assert torch.allclose(found.shares, torch.tensor([forward, 1.0], dtype=torch.float64) / (1 + forward))
    assert torch.allclose(found.vectors, torch.eye(2, dtype=torch.float64))


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (torch.zeros(3, 3), "not known yet"),
        (torch.full((3, 3), float("nan")), "not known yet"),
        (torch.zeros(3, 4), "square"),
        (torch.diag(torch.tensor([1.0, -1.0])), "negative"),
    ],
)
def test_what_is_no_covariance(matrix, words):
    with pytest.raises(UserError, match=words):
        eigen_directions(matrix)


def test_a_generator_that_does_not_respond_and_a_covariance_of_another_size():
    with pytest.raises(UserError, match="does not respond"):
        response_directions(lambda z: torch.ones(len(z), 4), torch.zeros(2, 3), torch.eye(3))
    with pytest.raises(UserError, match="4 dimensions, and the latents have 3"):
        response_directions(lambda z: z, torch.zeros(2, 3), torch.eye(4))


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_the_covariance_of_a_prior_is_that_of_its_draws(kind):
    cls = find("gan")
    game = cls(cls.Config(prior=kind, z_dim=4, width=8), DataSpec((1, 8, 8)))
    drawn = game.prior.seeded(20_000, 0).T.cov()
    assert torch.allclose(prior_covariance(game), drawn, atol=0.03)


def test_the_covariance_of_a_prior_of_ones_own_is_estimated_or_asked_for():
    class Own:
        kind, dim = "own", 2

        def draw(self, n, g):
            return torch.randn(n, 2, generator=g) * torch.tensor([3.0, 1.0])

    class Game:
        prior, device = Own(), torch.device("cpu")

    assert torch.allclose(prior_covariance(Game()), torch.diag(torch.tensor([9.0, 1.0])), atol=0.6)

    class Knows(Game):
        def latent_moments(self):
            return torch.zeros(2), torch.eye(2) * 7

    assert torch.equal(prior_covariance(Knows()), torch.eye(2) * 7)
