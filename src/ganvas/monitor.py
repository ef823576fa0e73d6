"""Tells when a training goes wrong, from what it writes down alone.

What a watch finds (`watches.py`) becomes an `Alarm`, told once when it begins and once when it ends. A monitor draws no
random numbers, needs no PyTorch, and is a function of the records it has seen: after a resume the log brings it back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ganvas.advice import advise
from ganvas.errors import UserError, did_you_mean
from ganvas.report.logs import kimg_of
from ganvas.watches import Balance, Collapse, Record, Spikes, Starved, Steepness, Watch

ENDS = {
    "spike": "the curves are as usual, or usual at a new level",
    "collapse": "the samples vary again",
    "starved": "the generator learns again",
    "lipschitz": "the critic's gradient is near the norm that is meant",
    "balance": "k_t moves between its bounds",
}
KINDS = tuple(ENDS)
CALM = 3  # good ticks in a row until an alarm of ticks is over; of snapshots, one is enough


@dataclass(frozen=True)
class Alarm:
    """The beginning or the end of a fault.

    Attributes:
        kind: one of `KINDS`.
        kimg: where the run was when it was told, in thousand images.
        since: where the fault began to be seen.
        saw: what was seen, with figures.
        advice: what people do about it; "" at an end.
        begins: False at its end.
    """

    kind: str
    kimg: float
    since: float
    saw: str
    advice: str = ""
    begins: bool = True

    def to_json(self) -> dict[str, Any]:
        """Its line in the log."""
        told = {"kind": self.kind, "kimg": self.kimg, "since": self.since, "saw": self.saw}
        return {"event": "alarm", **told, "advice": self.advice} if self.begins else {"event": "calm", **told}

    def __str__(self) -> str:
        return f"alarm: {self.kind}: {self.saw}. {self.advice}" if self.begins else f"calm: {self.kind}: {self.saw}."


class Monitor:
    """Watches one run.

    Args:
        judges: what its discriminator gives, "probability" or "score" (`game.Judges`); "" where there is none.
        lipschitz: the norm that its critic's gradient is drawn to; None where it is drawn to none.
        knobs: names of the settings that the game and the engine have, so that advice names no other.
    """

    def __init__(self, judges: str = "", lipschitz: float | None = None, knobs: Collection[str] = ()):
        self.knobs = frozenset(knobs)
        self.active: dict[str, Alarm] = {}
        self._good: dict[str, int] = {}
        self._of_ticks: dict[str, Watch] = {"spike": Spikes(), "starved": Starved(judges), "balance": Balance()}
        self._of_snapshots: dict[str, Watch] = {"collapse": Collapse(), "lipschitz": Steepness(lipschitz)}

    def tick(self, record: Record) -> list[Alarm]:
        """Takes a line of the log; the alarms that begin or end with it."""
        return self._look(self._of_ticks, record, CALM)

    def snapshot(self, record: Record) -> list[Alarm]:
        """Takes the figures of a snapshot: `diversity`, and `lipschitz/mean` where there is a critic."""
        return self._look(self._of_snapshots, record, 1)

    def _look(self, watches: Mapping[str, Watch], record: Record, calm: int) -> list[Alarm]:
        told = []
        for kind, watch in watches.items():
            sign, alarm = watch.look(record), self.active.get(kind)
            self._good[kind] = self._good.get(kind, 0) + 1 if sign is None else 0
            if sign and sign.saw and alarm is None:
                advice = advise(sign.case, self.knobs)
                self.active[kind] = Alarm(kind, kimg_of(record), sign.since, sign.saw, advice)
                told.append(self.active[kind])
            elif alarm is not None and self._good[kind] >= calm:
                del self.active[kind]
                told.append(Alarm(kind, kimg_of(record), alarm.since, ENDS[kind], begins=False))
        return told


def kinds(listed: str) -> tuple[str, ...]:
    """The kinds of alarm in a list such as `spike,collapse`; a `UserError` where one is unknown."""
    found = tuple(k.strip() for k in listed.split(",") if k.strip())
    for k in found:
        if k not in KINDS:
            raise UserError(
                f"--stop-on: there is no alarm {k!r}.{did_you_mean(k, KINDS)} The alarms are {', '.join(KINDS)}."
            )
    return found
