r"""What a discriminator of K classes learns from few labels and many pictures without (Salimans et al. 2016, §5).

The (K + 1)st class is "generated". Its logit is fixed at 0, as adding a number to all logits changes nothing, so that
with logits l [B, K] and Z = Σₖ exp lₖ a picture is real with the probability D = Z / (Z + 1) = σ(log Z).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ganvas.losses import precise
from ganvas.losses.adversarial import discriminator


def realness(logits: Tensor) -> Tensor:
    """log Z [B], the logit of D, float32, of the logits of K classes [B, K]."""
    return precise(logits).logsumexp(1)


def supervised(logits: Tensor, labels: Tensor) -> Tensor:
    """−E log p(y | x, y ≤ K): the cross-entropy of the classes, of logits [B, K] and labels int64 [B]."""
    return F.cross_entropy(precise(logits), labels)


def unsupervised(real: Tensor, fake: Tensor) -> Tensor:
    """−½ E log D(x) − ½ E log(1 − D(G(z))), of logits [B, K] on real and generated pictures.

    The paper's L_unsupervised has no halves, its published code has.
    """
    return 0.5 * discriminator(realness(real), realness(fake))


def feature_matching(real: Tensor, fake: Tensor) -> Tensor:
    """‖E f(x) − E f(G(z))‖² / d (§3.1), of the means [d] of features over real and over generated pictures.

    The paper does not divide, its published code does, and steps of Adam depend on it where its ε is not negligible.
    """
    return (precise(real) - precise(fake)).square().mean()
