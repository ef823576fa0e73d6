"""The ladder of docs/evaluation.md: every metric on real images, a good run, a short run, another set, and noise.

    python benchmarks/ladder.py --data ../shared/data/mnist --good RUN --short RUN/checkpoints/000020 \
        --other ../shared/data/fashion-mnist

Prints a table in Markdown. A rung that breaks the order is marked with "!", as not every metric is meant to keep it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import ganvas
from ganvas.data import load
from ganvas.metrics import SAMPLING
from ganvas.report.words import number

RUNGS = ("real", "good run", "short run", "other set", "noise")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--good", required=True)
    parser.add_argument("--short", required=True)
    parser.add_argument("--other", nargs="+", required=True)
    parser.add_argument("--metrics", default="all")
    parser.add_argument("--features", default="auto")
    parser.add_argument("--n", type=int, default=10_000)
    args = parser.parse_args()
    records = measured(args)
    print(f"Features: {records[0]['features']}; {args.n:,} judged, {records[0]['n_real']:,} real.\n")
    print(f"| metric | {' | '.join(RUNGS)} |\n|---|{'---:|' * len(RUNGS)}")
    for name in SAMPLING:
        row = values(name, records)
        if any(v is not None for v in row):
            print(f"| {name} | {' | '.join(marked(name, row))} |")
    for name, why in {k: v for r in records for k, v in r.get("left_out", {}).items()}.items():
        print(f"\nleft out of some rung: {name}: {why}")


def measured(args: argparse.Namespace) -> list[dict[str, Any]]:
    """A record for each rung but the first, whose figures are the floors."""
    good = ganvas.load(args.good)
    shape = tuple(good.data.shape)
    read = {"size": f"{shape[1]}x{shape[2]}", "channels": shape[0]}
    data = load(args.data, **read)
    with tempfile.TemporaryDirectory() as folder:
        noise = Path(folder) / "noise.npz"
        np.savez(noise, images=np.random.default_rng(0).integers(0, 256, (args.n, *shape[1:], shape[0]), np.uint8))
        subjects = (good, ganvas.load(args.short), load(args.other, **read), load(noise, **read))
        found = []
        for rung, what in zip(RUNGS[1:], subjects, strict=True):
            begun = time.perf_counter()
            found.append(ganvas.evaluate(what, data, metrics=args.metrics.split(","), features=args.features, n=args.n))
            print(f"<!-- {rung}: {time.perf_counter() - begun:.0f} s -->", flush=True)
    return found


def values(name: str, records: list[dict[str, Any]]) -> list[float | None]:
    entries = [r["metrics"].get(name, {}) for r in records]
    floor = next((e["floor"] for e in entries if "floor" in e), None)
    return [floor, *(e.get("value") for e in entries)]


def marked(name: str, row: list[float | None]) -> list[str]:
    sign = -1 if SAMPLING[name].higher_is_better else 1
    texts, last = [], -np.inf
    for v in row:
        broken = v is not None and sign * v < last
        texts.append("" if v is None else number(v) + (" !" if broken else ""))
        last = last if v is None else max(last, sign * v)
    return texts


if __name__ == "__main__":
    main()
