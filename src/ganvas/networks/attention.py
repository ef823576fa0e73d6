r"""Self-attention over the positions of a feature map (Zhang et al. 2019, SAGAN, Eq. 1 to 3), as BigGAN has it.

With θ and φ of C/8 channels and g of C/2, all 1×1 convolutions without bias, φ and g max-pooled 2×2,

    y_i = γ o(Σ_j softmax_j(θ(x)_i · φ(x)_j) g(x)_j) + x_i,

o back to C channels and γ a learnt number that starts at 0, where the layer is the identity. The scores are not scaled.
PyTorch's fused attention never holds the matrix of all scores; on the CPU it asks for queries, keys and values of one
width, so θ and φ are filled up with zeros, which changes no score.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.networks.spectral import Conv


class SelfAttention(nn.Module):
    """[B, C, H, W] → the same shape; sides must be even."""

    def __init__(self, channels: int, spectral: bool):
        super().__init__()
        narrow, wide = max(channels // 8, 1), max(channels // 2, 1)
        self.theta = Conv(channels, narrow, 1, bias=False, spectral=spectral)
        self.phi = Conv(channels, narrow, 1, bias=False, spectral=spectral)
        self.g = Conv(channels, wide, 1, bias=False, spectral=spectral)
        self.o = Conv(wide, channels, 1, bias=False, spectral=spectral)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        query = self.theta(x)
        key, value = (F.max_pool2d(project(x), 2) for project in (self.phi, self.g))
        fill = (0, value.shape[1] - query.shape[1])
        q, k, v = (t.permute(0, 2, 3, 1).flatten(1, 2).unsqueeze(1) for t in (query, key, value))  # [B, 1, H·W, C]
        # Where channels do not lie side by side PyTorch would silently take the way that holds all scores.
        seen = F.scaled_dot_product_attention(F.pad(q, fill), F.pad(k, fill), v.contiguous(), scale=1.0)
        seen = seen.view(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2)
        return x + self.gamma.to(x.dtype) * self.o(seen)
