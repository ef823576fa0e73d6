r"""What a discriminator and a generator minimise, as functions of the discriminator's outputs.

`real` = D(x) and `fake` = D(G(z)) are logits or scores [B] (or any shape; the mean is over all of it). Every function
returns a scalar in float32, whatever the precision of the networks. With σ the logistic function and
softplus(t) = log(1 + exp t), −log σ(t) = softplus(−t) and −log(1 − σ(t)) = softplus(t), which never overflow.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ganvas.losses import precise


def discriminator(real: Tensor, fake: Tensor, smooth: float = 0.0) -> Tensor:
    r"""−E log σ(D(x)) − E log(1 − σ(D(G(z)))): the discriminator's half of the minimax game.

    Eq. 1 of Goodfellow et al. 2014, negated. `smooth` = s replaces the real target 1 by 1 − s (one-sided label
    smoothing, Salimans et al. 2016, §3.4); the fakes' target stays 0. Equal to −V(D, G); 2 log 2 where D = ½.
    """
    real, fake = precise(real), precise(fake)
    on_real = (
        F.softplus(-real).mean()
        if not smooth
        else ((1 - smooth) * F.softplus(-real) + smooth * F.softplus(real)).mean()
    )
    return on_real + F.softplus(fake).mean()


def minimax_generator(fake: Tensor) -> Tensor:
    """E log(1 − σ(D(G(z)))): the generator's half of the minimax game (Goodfellow et al. 2014, Eq. 1). It saturates."""
    return -F.softplus(precise(fake)).mean()


def non_saturating_generator(fake: Tensor) -> Tensor:
    """−E log σ(D(G(z))): the same fixed point with strong gradients where D rejects (Goodfellow et al. 2014, §3)."""
    return F.softplus(-precise(fake)).mean()


def least_squares_discriminator(real: Tensor, fake: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """½ E (D(x) − b)² + ½ E (D(G(z)) − a)² (Mao et al. 2017, Eq. 2)."""
    return 0.5 * ((precise(real) - b).square().mean() + (precise(fake) - a).square().mean())


def least_squares_generator(fake: Tensor, c: float = 1.0) -> Tensor:
    """½ E (D(G(z)) − c)² (Mao et al. 2017, Eq. 2)."""
    return 0.5 * (precise(fake) - c).square().mean()


def wasserstein_critic(real: Tensor, fake: Tensor) -> Tensor:
    """E D(G(z)) − E D(x): minus the critic's estimate of the earth mover's distance (Arjovsky et al. 2017, Eq. 2)."""
    return precise(fake).mean() - precise(real).mean()


def wasserstein_generator(fake: Tensor) -> Tensor:
    """−E D(G(z)) (Arjovsky et al. 2017, Algorithm 1)."""
    return -precise(fake).mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E max(0, 1 − D(x)) + E max(0, 1 + D(G(z))) (Lim and Ye 2017; Miyato et al. 2018, Eq. 16)."""
    return F.relu(1 - precise(real)).mean() + F.relu(1 + precise(fake)).mean()


def relativistic_average_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """−E log σ(D(x) − E D(G(z))) − E log(1 − σ(D(G(z)) − E D(x))) (Jolicoeur-Martineau 2018, §4.1)."""
    real, fake = precise(real), precise(fake)
    return discriminator(real - fake.mean(), fake - real.mean())


def relativistic_average_generator(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's objective with real and fake exchanged (Jolicoeur-Martineau 2018, §4.1)."""
    return relativistic_average_discriminator(fake, real)


def relativistic_pairing_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E softplus(−(D(x) − D(G(z)))) over pairs [B], [B] (Jolicoeur-Martineau 2018, §3.3; Huang et al. 2024, Eq. 2)."""
    return F.softplus(precise(fake) - precise(real)).mean()


def relativistic_pairing_generator(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's objective with real and fake exchanged, pair by pair: log 2 where no difference is seen."""
    return relativistic_pairing_discriminator(fake, real)
