"""Reading what a run wrote down: its ticks, its events, its evaluations.

The log is only ever appended to, and a run may be killed in the middle of a line and resumed from an earlier
checkpoint. So a line that is no JSON object is skipped, and what a resumed run did again is dropped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

Record = dict[str, Any]


def read(run_dir: Path) -> tuple[list[Record], list[Record]]:
    """The ticks and the events of `log.jsonl` that stand, in order; empty lists where there is no log.

    A resume at `kimg` k supersedes every earlier line beyond k. A tick that does not lie beyond an earlier one
    supersedes that one too: the resume between them was torn. A warning supersedes nothing.
    """
    records: list[Record] = []
    events: list[Record] = []
    for line in _lines(run_dir / "log.jsonl"):
        kimg = kimg_of(line)
        if isinstance(line.get("event"), str):
            if line["event"] == "resumed":
                records = [r for r in records if kimg_of(r) <= kimg]
                events = [e for e in events if kimg_of(e) <= kimg]
            events.append(line)
        elif "kimg" in line:
            while "warning" not in line and records and kimg_of(records[-1]) >= kimg:
                records.pop()
            records.append(line)
    return records, events


def read_metrics(run_dir: Path) -> list[Record]:
    """The evaluations of `metrics.jsonl` by kimg; of the same evaluation made twice, the later."""
    latest: dict[tuple[Any, ...], Record] = {}
    for line in _lines(run_dir / "metrics.jsonl"):
        if isinstance(line.get("metrics"), dict):
            same = (kimg_of(line), *(str(line.get(k)) for k in ("features", "data", "n_generated", "n_real")))
            line["metrics"] = {**latest.get(same, {}).get("metrics", {}), **line["metrics"]}
            latest[same] = line
    return sorted(latest.values(), key=kimg_of)


def read_config(run_dir: Path) -> Record:
    """`config.json`, or an empty dictionary where it is missing or damaged."""
    return next(_parsed([_text(run_dir / "config.json")]), {})


def kimg_of(line: Mapping[str, Any]) -> float:
    """Where in the run a line was written, in thousand images; 0 where it does not say."""
    kimg = line.get("kimg")
    return float(kimg) if is_number(kimg) and math.isfinite(kimg) else 0.0


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether a value of the log is a figure (finite or not), rather than a text, a truth or nothing."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _lines(path: Path) -> Iterator[Record]:
    return _parsed(_text(path).splitlines())


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _parsed(texts: list[str]) -> Iterator[Record]:
    for text in texts:
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        if isinstance(line, dict):
            yield line
