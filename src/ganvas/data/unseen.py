"""What a run does not see of its data: the part that is held out, or published to test on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ganvas.data.dataset import Dataset, load
from ganvas.data.reading import Reading
from ganvas.data.sources import apart, find
from ganvas.data.sources.base import Source
from ganvas.data.sources.parts import part_named
from ganvas.errors import UserError

if TYPE_CHECKING:
    from ganvas.game import DataSpec

_TO_JUDGE_ON = ("test", "validation")  # whichever is published; the test part rather
_TRAINING = (None, "train", "training")


def unseen(names: Sequence[str], reading: Reading, limit: int | None = None) -> Dataset | None:
    """The pictures that a run on these data does not see, read in the same way, all of them and with all their labels.

    They are the share that `--held-out` holds out; without it the test part of a set that publishes one, or else its
    validation part; of sets that are joined each must have it.

    Args:
        reading: with nothing left to be derived (`read_alike`).
        limit: at most so many of them, always the same, which are read alone.

    Returns:
        None where there are none: then everything is trained on.

    Raises:
        UserError: there is such a part, and it cannot be used.
    """
    whole = replace(reading, limit=limit, labelled=None, imbalance=None, augment="")
    if reading.held_out is not None:
        return load(names, replace(whole, split="test")) if reading.split in _TRAINING else None
    plain = [apart(name) for name in names]
    if reading.split not in _TRAINING or any(part not in _TRAINING for _, part in plain):
        return None  # trained on another part: what is left is not ours to choose
    heads = [head for head, _ in plain]
    found = [find(head, None, reading.attributes) for head in heads]
    parts = [{part_named(part): part for part in f.splits} if isinstance(f, Source) else {} for f in found]
    wanted = next((kind for kind in _TO_JUDGE_ON if all(kind in p for p in parts)), None)
    if wanted is None:
        return None
    part = parts[0][wanted]
    try:
        return load(heads, replace(whole, split=part))
    except UserError as e:
        raise UserError(
            f"the part {part}, which is judged on, cannot be used: {e} Or hold pictures out of the training part by "
            "--held-out 0.1."
        ) from None


def read_alike(reading: Reading, spec: DataSpec) -> Reading:
    """How other data are read as those were of which `spec` tells: at the same size, as the same task."""
    own = {"channels": spec.channels} if spec.task != "pairs" else {}  # of pairs each side has its own
    height, width = spec.shape[1:]
    return replace(reading, size=f"{height}x{width}", task=spec.task, **own)  # type: ignore[arg-type]
