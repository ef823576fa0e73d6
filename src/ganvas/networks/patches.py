"""CUT's heads: features of places of an image, as points on a sphere (Park et al. 2020, arXiv:2007.15651, §3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.losses import precise


class PatchHeads(nn.Module):
    """Feature maps [B, C_l, h_l, w_l] of layers l, and places in them → points [B, S_l, width] of length 1.

    A network of two dense layers for each feature map, whose `channels` are told; it sees one place at a time.
    """

    def __init__(self, channels: Sequence[int], width: int = 256):
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(c, width), nn.ReLU(), nn.Linear(width, width)) for c in channels
        )

    def forward(self, maps: Sequence[Tensor], places: Sequence[Tensor]) -> list[Tensor]:
        """Of each map at its places, int64 [B, S_l], counted along the rows."""
        return [
            F.normalize(precise(head(at(x, where))), dim=2)
            for head, x, where in zip(self.heads, maps, places, strict=True)
        ]


def at(x: Tensor, places: Tensor) -> Tensor:
    """What a map [B, C, h, w] has at places [B, S]: [B, S, C]."""
    # along the last dimension, so that the gradient lies in memory as images do: see `each_image_normalised`
    return x.flatten(2).gather(2, places[:, None].expand(-1, x.shape[1], -1)).transpose(1, 2)
