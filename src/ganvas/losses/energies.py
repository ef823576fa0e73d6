r"""What an autoencoder makes of a sample: energies, and the losses on them. Everything in float32."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ganvas import processes
from ganvas.losses import precise


def absolute(x: Tensor, reconstruction: Tensor) -> Tensor:
    """|x − D(x)| [B], a mean over pixels and channels (Berthelot et al. 2017, Eq. 1 with η = 1)."""
    return (precise(x) - precise(reconstruction)).abs().flatten(1).mean(1)


def squared(x: Tensor, reconstruction: Tensor) -> Tensor:
    """(x − D(x))² [B], a mean over pixels and channels."""
    return (precise(x) - precise(reconstruction)).square().flatten(1).mean(1)


def margin(real: Tensor, fake: Tensor, m: float) -> Tensor:
    """E D(x) + E max(0, m − D(G(z))) of energies [B] (Zhao et al. 2017, Eq. 1)."""
    return real.mean() + F.relu(m - fake).mean()


def pulling_away(features: Tensor) -> Tensor:
    """The mean squared cosine of all pairs of different rows of features [B, ...] (Zhao et al. 2017, Eq. 4).

    The rows are those of the global batch: 1/(N (N − 1)) Σ_i Σ_{j≠i} (s_iᵀ s_j / ‖s_i‖ ‖s_j‖)². 0 where all are
    orthogonal, 1 where all are parallel.
    """
    s = F.normalize(processes.differentiable_concatenate(precise(features).flatten(1)), dim=1)
    n = len(s)
    cosines = s @ s.T
    return (cosines.square().sum() - cosines.diagonal().square().sum()) / (n * (n - 1))
