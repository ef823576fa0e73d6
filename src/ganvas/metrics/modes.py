"""Modes covered and good samples, counted where the density that made the data is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganvas.data import Dataset
from ganvas.errors import UserError
from ganvas.metrics.base import Metric, Part


class Modes(Metric):
    """Modes of a 2-D world that have a good sample, and the share of good samples (see `World.measure`)."""

    name = "modes"
    looks_at = frozenset({"floor", "generated"})

    @classmethod
    def check(cls, data: Dataset) -> None:
        if data.world is None:
            raise UserError(
                f"{data.name} is no 2-D world, so its modes are not known; leave the metric modes out, "
                "or count the classes of labelled images with classes."
            )

    def __init__(self, data: Dataset):
        assert data.world is not None
        self._world = data.world
        self._points: dict[Part, list[np.ndarray]] = {part: [] for part in self.looks_at}

    def see(self, part: Part, samples: np.ndarray, features: np.ndarray | None) -> None:
        self._points[part].append(samples)

    def result(self) -> dict[str, Any]:
        made, real = (self._world.measure(np.concatenate(self._points[part])) for part in ("generated", "floor"))
        return {
            "value": int(made["modes"]),
            "of": int(made["modes_of"]),
            "good_share": made["good_share"],
            "good_share_of_reals": real["good_share"],
        }
