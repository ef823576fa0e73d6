"""Evaluations: how much of their time is spent in the extractor of features, and what memory they take.

    python benchmarks/evaluate.py [--images 50000] [--inception-images 2000] [--data ../shared/data/mnist]

Inception has its architecture and random weights, for its speed does not depend on them. The real samples' features
are extracted anew (an empty cache). Prints a Markdown table for `benchmarks/results.md`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from ganvas.data import Dataset, load
from ganvas.metrics import evaluation, published
from ganvas.metrics.base import Extracted, Features
from ganvas.metrics.inception import Inception


class Timed(Features):
    """Another extractor, with the seconds spent in it."""

    def __init__(self, inner: Features):
        self.inner, self.seconds, self.images, self.most_gb = inner, 0.0, 0, 0.0
        for name in ("name", "dimensions", "classes", "resizing", "weights", "is_inception", "photographs"):
            setattr(self, name, getattr(inner, name))
        self.key = ""  # nothing is kept

    def __call__(self, samples: np.ndarray) -> Extracted:
        begun = time.perf_counter()
        found = self.inner(samples)
        self.seconds += time.perf_counter() - begun
        self.images += len(samples)
        self.most_gb = max(self.most_gb, psutil.Process().memory_info().rss / 2**30)
        return found


def measured(data: Dataset, metrics: list[str], **terms: Any) -> tuple[Timed, float, float]:
    """The extractor after an evaluation of one half of the set against the other, its seconds, and memory before it."""
    made: list[Timed] = []
    find = evaluation.find_features

    def timed(*args: Any) -> Features:
        made.append(Timed(find(*args)))
        return made[-1]

    evaluation.find_features = timed
    try:
        find(evaluation.Terms(features=terms["features"]), data)  # loads, or trains, what the extractor needs
        before, begun = psutil.Process().memory_info().rss / 2**30, time.perf_counter()
        evaluation.evaluate(data, data, metrics=metrics, **terms)
        return made[0], time.perf_counter() - begun, before
    finally:
        evaluation.find_features = find


def random_inception(folder: Path) -> Path:
    """A file of weights that passes for the published one in this process."""
    torch.manual_seed(0)
    path = folder / "random.pth"
    torch.save(Inception().state_dict(), path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    published.PUBLISHED["inception"] = replace(published.PUBLISHED["inception"], sha256=sha256[:8])
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--inception-images", type=int, default=2_000)
    parser.add_argument("--data", nargs="+", default=["stacked:digits"])
    args = parser.parse_args()
    print("| features | metrics | images | img/s of all | in the extractor | memory before, at most |")
    print("|---|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GANVAS_CACHE"] = folder
        weights = random_inception(Path(folder))
        for n, features, metrics in (
            (args.images, "classifier", ["fd"]),
            (args.images, "classifier", ["fd", "kid", "is"]),
            (args.inception_images, str(weights), ["fd"]),
        ):
            # one half is judged, the other is the reference, and the floor is a half again: so many in all
            data = load(args.data, limit=n * 2 // 3)
            extractor, seconds, before = measured(data, metrics, features=features, n=len(data) // 2)
            name = "inception" if features == str(weights) else features
            print(
                f"| {name} | {', '.join(metrics)} | {extractor.images:,} | {extractor.images / seconds:,.0f} | "
                f"{extractor.seconds / seconds:.1%} | {before:.2f}, {extractor.most_gb:.2f} GB |",
                flush=True,
            )


if __name__ == "__main__":
    main()
