"""The random numbers of the pipeline: for every purpose its own, a row for each image."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Source(Protocol):
    """Where random numbers come from, a row for each image: `ganvas.rng.Chance`."""

    def uniform(self, *shape: int, purpose: str = ...) -> Tensor: ...

    def normal(self, *shape: int, purpose: str = ...) -> Tensor: ...


class Dice:
    """Numbers [B] for the images of a batch, in the precision of p, with which each transformation is applied."""

    def __init__(self, source: Source, p: Tensor):
        self.source, self.p = source, p

    def chosen(self, name: str, p: Tensor | None = None) -> Tensor:
        """[B], booleans: which images the transformation is applied to."""
        return self.uniform(f"{name}?") < (self.p if p is None else p)

    def uniform(self, name: str, *shape: int) -> Tensor:
        """Uniform in [0, 1): [B, *shape]."""
        return self.source.uniform(*shape, purpose=f"ada {name}").to(self.p)

    def normal(self, name: str, *shape: int) -> Tensor:
        """Standard normal: [B, *shape]."""
        return self.source.normal(*shape, purpose=f"ada {name}").to(self.p)

    def either(self, chosen: Tensor, then: Tensor, otherwise: float) -> Tensor:
        """`then` for the images that were chosen, and the number that changes nothing for the others."""
        return torch.where(chosen, then, torch.full_like(then, otherwise))
