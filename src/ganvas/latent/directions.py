"""Directions along which to move: eigenvectors of the latents' covariance, or of the generator's response."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas.errors import UserError
from ganvas.game import Game, Moments
from ganvas.priors import Prior
from ganvas.rng import generator

RESPONSE_LATENTS = 16
"""At so many latents the leading 20 directions of a DCGAN of MNIST held 99 % of what the true ones hold."""
_STEP = 0.1  # of the difference, in standard deviations of the latents: above float32's rounding, below bends
_ESTIMATE = 4096  # latents from which the covariance of a prior of one's own is estimated


@dataclass(frozen=True)
class Directions:
    """Orthonormal directions, the strongest first.

    Attributes:
        vectors: [m, d], unit rows; the component of largest magnitude is positive, which settles the sign.
        scales: [m], what one unit of strength is: √λ, the latents' standard deviation along each.
        shares: [m], of the total variance, or of the total response; they sum to 1 where m = d.
        by: "covariance", "response", or "codes" that the game has.
    """

    vectors: Tensor
    scales: Tensor
    shares: Tensor
    by: str

    def __len__(self) -> int:
        return len(self.vectors)

    def to(self, device: torch.device | str) -> Directions:
        return Directions(self.vectors.to(device), self.scales.to(device), self.shares.to(device), self.by)


def code_directions(axes: Tensor) -> Directions:
    """The axes [m, d] of a game's codes, uniform on [-1, 1], whose standard deviation is 1/√3."""
    return Directions(axes, axes.new_full((len(axes),), 3**-0.5), axes.new_full((len(axes),), 1 / len(axes)), "codes")


def eigen_directions(covariance: Tensor) -> Directions:
    """Σ = VΛVᵀ: the eigenvectors of a covariance [d, d], with √λ as their scales (the seed blog's Fig. 9).

    Raises:
        UserError: a matrix that is no covariance, or one of zeros, as before the first images were seen.
    """
    if covariance.dim() != 2 or covariance.shape[0] != covariance.shape[1]:
        raise UserError(f"A covariance is a square matrix, not one of shape {list(covariance.shape)}.")
    sigma = covariance.double()
    if not sigma.isfinite().all() or not sigma.any():
        raise UserError("The covariance of the latents is not known yet: it is zero or not finite; train the game.")
    values, vectors = _leading(sigma)
    if values[-1] < -1e-6 * values[0]:
        raise UserError("A covariance has no negative eigenvalues, and this matrix has.")
    values = values.clamp(min=0)
    like = covariance if covariance.is_floating_point() else covariance.float()
    return Directions(vectors.to(like), values.sqrt().to(like), (values / values.sum()).to(like), "covariance")


@torch.no_grad()
def response_directions(generate: Callable[[Tensor], Tensor], z: Tensor, covariance: Tensor) -> Directions:
    """The principal directions of the generator's mean response, eigenvectors of E[JᵀJ] with J = ∂G/∂z.

    JᵀJ is the metric that G pulls back from the pixels: vᵀJᵀJv is how much the image changes along v. For a linear
    G(z) = Az + b the directions are the right singular vectors of A. It is the metric of Arvanitidis et al. 2018
    (arXiv:1710.11379) and Ramesh et al. 2018 (arXiv:1812.01161), averaged over latents. J is found by forward
    differences of a tenth of a standard deviation, so that any generator will do, at n (d + 1) images.

    Args:
        generate: G, [n, d] → [n, ...].
        z: the latents at which the response is measured, [n, d]; 16 give steady leading directions.
        covariance: of the latents, [d, d], for the steps and the scales.
    """
    d = z.shape[1]
    _demand_length(covariance, d, "covariance")
    spread = covariance.diagonal().mean().sqrt()
    steps = torch.eye(d, dtype=z.dtype, device=z.device) * (_STEP * spread)
    metric = torch.zeros(d, d, dtype=torch.float64, device=z.device)
    for point in z:
        images = generate(torch.cat([point[None], point + steps])).flatten(1)
        jacobian = ((images[1:] - images[:1]) / (_STEP * spread)).double()  # Jᵀ, [d, pixels]
        metric += jacobian @ jacobian.T / len(z)
    if not metric.isfinite().all() or not metric.any():
        raise UserError("The generator does not respond to its latents: its images are all alike, or not finite.")
    values, vectors = _leading(metric)
    scales = torch.einsum("md,de,me->m", vectors, covariance.double(), vectors).clamp(min=0).sqrt()
    return Directions(vectors.to(z), scales.to(z), (values / values.sum()).to(z), "response")


def prior_covariance(game: Game) -> Tensor:
    """[d, d], of what a game's latents are drawn from: exact where it is known, else of 4,096 latents."""
    prior: Prior = game.prior  # type: ignore[assignment]
    if type(prior) is Prior:
        variance = 1.0 if prior.kind == "normal" else 1 / 3
        return torch.eye(prior.dim, device=game.device) * variance
    if isinstance(game, Moments):
        return game.latent_moments()[1]
    return prior.draw(_ESTIMATE, generator("covariance", 0, device=game.device)).T.cov().reshape(prior.dim, prior.dim)


def _leading(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues [d] and eigenvectors [d, d] (rows) of a symmetric matrix, the largest first, signs settled."""
    values, columns = torch.linalg.eigh((matrix + matrix.T) / 2)
    vectors = columns.T.flip(0)
    largest = vectors.abs().argmax(dim=1, keepdim=True)
    return values.flip(0), vectors * vectors.gather(1, largest).sign()


def _demand_length(x: Tensor, d: int, what: str) -> None:
    if x.shape[-1] != d:
        raise UserError(f"The {what} is one of {x.shape[-1]} dimensions, and the latents have {d}.")
