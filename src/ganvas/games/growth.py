r"""When a game that grows is at which stage: pure functions of the images shown (Karras et al. 2018, appendix A.1).

It begins with small images, which it plays for a phase. For every doubling of their side the new layers are then faded
in over a phase, α rising from 0 to 1, and played as they are for another; the last of these phases has no end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ganvas.errors import UserError
from ganvas.game import Progress
from ganvas.networks.layers import log2_exact

SIDES = (8, 16, 32, 64, 128, 256, 512, 1024)
"""Of the images that such games make."""
FIRST = 4
"""The side of the smallest stage, which is level 0."""


@dataclass(frozen=True)
class Growth:
    """The stages from side `start` (0 = `size`, no growing) to side `size`, each a level: sides are 4 · 2^level."""

    start: int
    size: int
    phase_kimg: float = 0.0
    """How long a phase takes; 0 = so long that all but the last share the first half of the schedule equally.

    In the papers' runs for 1024×1024 growing takes two thirds of the images (12.8 of 19 million, Karras et al. 2018),
    or one third (8.4 of 25 million, Karras et al. 2019).
    """

    @property
    def levels(self) -> range:
        return range(level_of(self.start or self.size), level_of(self.size) + 1)

    @property
    def sides(self) -> tuple[int, ...]:
        return tuple(FIRST << level for level in self.levels)

    def at(self, progress: Progress) -> tuple[int, float]:
        """The level, and α in [0, 1]: below 1 the level's layers are being faded in."""
        phases = 2 * (len(self.levels) - 1)  # before the last
        phase = self.phase_kimg or (progress.schedule_kimg / 2 / phases if phases else 0.0)
        passed = min(progress.kimg / phase, phases) if phase > 0 else phases
        doublings, within = divmod(passed, 2)  # a stable phase, then one of fading
        level = self.levels[int(doublings)]
        return (level, 1.0) if within < 1 else (level + 1, within - 1)


def level_of(side: int) -> int:
    """The level of a side: 0 of 4, 1 of 8."""
    k = log2_exact(side // FIRST)
    assert k is not None and side % FIRST == 0, side
    return k


def by_side(text: str, setting: str, sides: Sequence[int], low: float = 0.0) -> dict[int, float]:
    """Numbers for stages, as in "256:14,512:6": by the side of the image. Sides that are not played are left out.

    Raises:
        UserError: the text is not of that form, a side is none of a stage, or a number is not above `low`.
    """
    found: dict[int, float] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        side, _, value = part.partition(":")
        try:
            found[int(side)] = float(value)
        except ValueError:
            raise UserError(f"{setting}: {part!r} is no side and number; write them as in 128:16,256:8.") from None
        if int(side) not in (FIRST, *SIDES) or not low < found[int(side)] < float("inf"):
            known = ", ".join(map(str, (FIRST, *SIDES)))
            raise UserError(f"{setting}: {part!r} is out of range; give a side of {known} and a number above {low:g}.")
    return {side: value for side, value in found.items() if side in sides}
