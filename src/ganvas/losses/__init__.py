"""Pure functions: adversarial losses, penalties, reconstruction. They read tensors and know no network."""

from __future__ import annotations

from torch import Tensor


def precise(x: Tensor) -> Tensor:
    """`x` in float32 at least: what networks put out in half precision is not averaged there."""
    return x.float() if x.dtype.itemsize < 4 else x
