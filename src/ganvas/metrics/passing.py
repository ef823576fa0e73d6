"""One pass over the samples of an evaluation: features extracted once for all metrics, and kept of real samples."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ganvas import processes
from ganvas.data.cache import cache_folder
from ganvas.data.problems import digest
from ganvas.metrics.base import Block, Evidence, Extracted, Features, Metric, Need, Part
from ganvas.metrics.moments import Moments
from ganvas.metrics.samples import Shown

_VERSION = 1  # part of every key: raise it when the same settings would give other statistics


def show(part: Part, shown: Shown, measures: Sequence[Metric], evidence: Evidence) -> None:
    """Shows a part to the metrics that look at it, and gathers what they ask of its features into `evidence`.

    Processes share the extraction, block by block, and the first one gathers, in order: so two give what one gives, to
    the bit. What real samples' features gave is kept in the cache folder, by data and settings.
    """
    watching = [m for m in measures if part in m.looks_at]
    needs: frozenset[Need] = frozenset().union(*(m.needs for m in watching))
    if not needs:
        return
    evidence.rows = {**evidence.rows, part: shown.rows}
    if shown.labels is not None:
        evidence.labels[part] = shown.labels
    viewers = [m for m in watching if "samples" in m.needs]
    extractor = evidence.extractor if needs - {"samples"} else None
    found = Found(needs)
    file = _file(shown, extractor) if extractor else None
    known = processes.all_say(lambda: file is not None and found.restore(file))[0]
    if known:
        extractor = None

    def look(i: int) -> tuple[Block | None, Extracted | None]:
        block = shown.block(i)
        return block if viewers else None, extractor(block.samples) if extractor else None

    if viewers or extractor:
        for block, extracted in processes.in_turn(shown.blocks, look):
            if extracted is not None:
                found.add(extracted)
            for metric in viewers:
                assert block is not None
                metric.see(part, block)
    if processes.rank() != 0:
        return
    found.finish(evidence, part)
    if file is not None and not known:
        assert shown.of is not None and evidence.extractor is not None
        found.keep(file, f"{shown.of.name}: {evidence.extractor.name}")


def _file(shown: Shown, extractor: Features) -> Path | None:
    """Where the statistics of these samples of a set are kept; None where they are not."""
    if shown.of is None or not shown.of.fingerprint or not extractor.key:
        return None
    whose = (shown.of.fingerprint, len(shown.of), shown.of.samples.shape[1:], shown.rows.tobytes())
    return cache_folder() / "features" / f"{digest(_VERSION, extractor.key, *whose)}.safetensors"


class Found:
    """What the features of a part gave so far: moments always, vectors and logits where they are needed."""

    def __init__(self, needs: frozenset[Need]):
        self.needs: set[str] = set(needs)
        self.moments = Moments()
        self.vectors: list[np.ndarray] = []
        self.logits: list[np.ndarray] = []

    def add(self, extracted: Extracted) -> None:
        self.moments.add(extracted.vectors)
        if "vectors" in self.needs:
            self.vectors.append(extracted.vectors.astype(np.float32, copy=False))
        if "logits" in self.needs and extracted.logits is not None:
            self.logits.append(extracted.logits)

    def finish(self, evidence: Evidence, part: Part) -> None:
        """Puts it into the evidence."""
        if self.moments.count:
            evidence.moments[part] = self.moments
        for name in ("vectors", "logits"):
            if blocks := getattr(self, name):
                whole = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
                setattr(self, name, [whole])
                getattr(evidence, name)[part] = whole

    def restore(self, file: Path) -> bool:
        """Whether the file is whole and holds all that is needed, which is then taken from it."""
        damaged = (OSError, SafetensorError, KeyError, ValueError, TypeError)
        with suppress(*damaged):
            kept = load_file(file)
            vectors, logits = kept.pop("vectors", None), kept.pop("logits", None)
            there = {"moments", *(k for k, v in (("vectors", vectors), ("logits", logits)) if v is not None)}
            if self.needs - {"samples"} <= there:
                self.moments = Moments.restore(kept)
                self.vectors = [vectors] if vectors is not None and "vectors" in self.needs else []
                self.logits = [logits] if logits is not None and "logits" in self.needs else []
                os.utime(file)  # when it was last used, for whoever tidies the folder
                return True
            self.needs |= there  # what is kept now is made again with the rest, so that the file only ever grows
        return False

    def keep(self, file: Path, source: str) -> None:
        """Writes it aside and renames it. A folder that cannot be written costs time the next time, nothing else."""
        tensors = self.moments.state() if self.moments.count else {}
        for name in ("vectors", "logits"):
            if blocks := getattr(self, name):
                tensors[name] = np.ascontiguousarray(blocks[0])
        aside = file.with_suffix(f".{os.getpid()}.part")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            about = {"source": source, "shape": [self.moments.count, len(self.moments.mean)]}
            save_file(tensors, aside, {"about": json.dumps(about)})
            aside.replace(file)
        except (OSError, SafetensorError):
            with suppress(OSError):
                aside.unlink(missing_ok=True)
