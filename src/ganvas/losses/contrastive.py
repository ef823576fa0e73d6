r"""What a representation minimises that is to tell which things belong together."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.losses import precise


def patch_nce(query: Tensor, key: Tensor, temperature: float) -> Tensor:
    r"""The cross-entropy of finding, among the places of an image, the one that a query is of, in float32.

    E −log exp(q_s · k_s / τ) / Σ_t exp(q_s · k_t / τ): Eqs. 2 and 3 of Park et al. 2020 (arXiv:2007.15651), for one
    layer. Keys are of the same image alone; images do not meet. log S where nothing is told from anything.

    Args:
        query: features [B, S, D] of length 1 at S places of what was made.
        key: those of what it was made from, at the same places; no gradient reaches them.
        temperature: τ.

    Returns:
        The mean over images and places, a scalar.
    """
    q, k = precise(query), precise(key.detach())
    with torch.autocast(q.device.type, enabled=False):
        logits = q @ k.transpose(1, 2) / temperature
    places = torch.arange(q.shape[1], device=q.device).expand(len(q), -1)
    return F.cross_entropy(logits.flatten(0, 1), places.flatten())
