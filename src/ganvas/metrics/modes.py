"""Modes covered and good samples, counted where the density that made the data is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganvas.data import Dataset
from ganvas.errors import UserError
from ganvas.metrics.base import Block, Evidence, Metric, Part, Terms


def kl_to_uniform(counts: np.ndarray) -> float:
    """KL(shares of the counts ‖ uniform) in nats, from 0 to log(len(counts)); nothing counted is the worst of it."""
    if not counts.sum():
        return float(np.log(len(counts)))
    shares = counts[counts > 0] / counts.sum()
    return float((shares * np.log(shares * len(counts))).sum())


class Modes(Metric):
    """Modes of a 2-D world that have a good sample, the share of good samples, and how evenly these lie on the modes.

    As counted by VEEGAN (Srivastava et al. 2017) and PacGAN (Lin et al. 2018): see `World.measure`; the divergence of
    the good samples' modes from the world's, which are equally likely, is their reverse KL, in nats.
    """

    name = "modes"
    needs = frozenset({"samples"})
    looks_at = frozenset[Part]({"floor", "generated"})

    @classmethod
    def check(cls, data: Dataset) -> None:
        if data.world is None:
            raise UserError(
                f"{data.name} is no 2-D world, so its modes are not known; leave the metric modes out, "
                "or count the classes of labelled images with classes."
            )

    def __init__(self, data: Dataset, terms: Terms):
        assert data.world is not None
        self._world = data.world
        self._good: dict[Part, np.ndarray] = {}
        self._seen: dict[Part, int] = {}

    def see(self, part: Part, block: Block) -> None:
        self._good[part] = self._good.get(part, 0) + self._world.good_counts(block.samples)
        self._seen[part] = self._seen.get(part, 0) + len(block)

    def result(self, evidence: Evidence) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for called, part in evidence.judged():
            good, ending = self._good[part], "" if part == "generated" else "_of_reals"
            found[called] = int(np.count_nonzero(good))
            found["good_share" + ending] = int(good.sum()) / self._seen[part]
            found["kl" + ending] = kl_to_uniform(good)
        return found | {"of": self._world.modes}
