"""A run directory as the page reads it: whatever is there, and quiet defaults for what is not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ganvas.report import logs, pictures
from ganvas.report.logs import Record, is_number, kimg_of

_ENDINGS = {
    "finished": "finished",
    "interrupted": "interrupted",
    "stopped": "stopped",
    "failed": "failed",
    "resumed": "in progress",
}


@dataclass(frozen=True)
class RunFiles:
    """The files of one run directory, read once and never written."""

    directory: Path

    @cached_property
    def config(self) -> Record:
        return logs.read_config(self.directory)

    @cached_property
    def log(self) -> tuple[list[Record], list[Record]]:
        return logs.read(self.directory)

    @cached_property
    def evaluations(self) -> list[Record]:
        return logs.read_metrics(self.directory)

    @cached_property
    def snapshots(self) -> list[pictures.Snapshot]:
        return pictures.snapshots(self.directory, self.kimg if self.records else None)

    @property
    def records(self) -> list[Record]:
        return self.log[0]

    @property
    def events(self) -> list[Record]:
        return self.log[1]

    def group(self, *keys: str) -> Record:
        """A group of `config.json` by its keys; empty where it is missing."""
        found: Any = self.config
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}

    @property
    def game(self) -> str:
        return str(self.group("card").get("name") or self.config.get("game") or "A run")

    @property
    def data(self) -> str:
        return str(self.group("data").get("name") or "")

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W) of images, (2,) of points, () where it is not told."""
        shape = self.group("data").get("shape")
        good = isinstance(shape, list) and all(isinstance(side, int) for side in shape)
        return tuple(shape) if isinstance(shape, list) and good else ()

    @property
    def kimg(self) -> float:
        return kimg_of(self.records[-1]) if self.records else 0.0

    @property
    def budget_kimg(self) -> float:
        """What the run was asked for; 0 where it is not told."""
        kimg = self.group("settings").get("kimg")
        return float(kimg) if is_number(kimg) and math.isfinite(kimg) else 0.0

    @property
    def status(self) -> str:
        """How the last session ended; "in progress" while none has, for a killed one cannot say so."""
        said = [_ENDINGS[str(e["event"])] for e in self.events if e["event"] in _ENDINGS]
        return said[-1] if said else "in progress"

    @property
    def resumed_at_kimg(self) -> list[float]:
        return [kimg_of(e) for e in self.events if e["event"] == "resumed"]

    @property
    def snapshot_events(self) -> list[Record]:
        """The events that carry what was measured at snapshots (`diversity`, ...)."""
        return [e for e in self.events if e["event"] == "snapshot"]

    def latest(self, key: str) -> float | None:
        """The last finite value of a figure of the log."""
        return next(
            (float(r[key]) for r in reversed(self.records) if is_number(r.get(key)) and math.isfinite(r[key])), None
        )
