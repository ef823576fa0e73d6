"""The data: images per second that a stream gives, against what the fastest game takes; and how long training waits.

    python benchmarks/stream.py [--sizes 32 64 128] [--seconds 2] [--device cpu] [--set training-images/]

Without --set, 2,000 pictures of the built-in `blossoms` are written as JPEG of 160 pixels into a temporary folder, and
packed into tar shards beside it. Everything is timed in one process on one set. Prints two Markdown tables for
`benchmarks/results.md`.
"""

from __future__ import annotations

import argparse
import io
import os
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from ganvas import config, games, memory, rng
from ganvas.data import Dataset, Stream, load
from ganvas.data.sources.blossoms import Blossoms
from ganvas.engine import Session, Settings, play
from ganvas.errors import UserError

BATCH, PICTURES, SIDE, SHARDS = 64, 2000, 160, 8


def pictures(folder: Path) -> None:
    """A folder of photographs, as far as a decoder can tell."""
    source = Blossoms(PICTURES)
    for i in range(PICTURES):
        source.render(i, SIDE).save(folder / f"{i:05d}.jpg", quality=92)


def shards(folder: Path, pattern: Path) -> None:
    files = sorted(folder.glob("*.jpg"))
    for k in range(SHARDS):
        with tarfile.open(str(pattern).format(k), "w") as tar:
            for file in files[k::SHARDS]:
                content = file.read_bytes()
                member = tarfile.TarInfo(file.name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


def per_second(step: Callable[[int], object], seconds: float) -> float:
    """Calls of `step(i)` a second, after a few to warm up."""
    for i in range(3):
        step(i)
    begin, i = time.perf_counter(), 0
    while (passed := time.perf_counter() - begin) < seconds:
        step(3 + i)
        i += 1
    return i / passed


def stream_rate(dataset: Dataset, device: str, seconds: float) -> float:
    """Images a second from a stream of which nothing else asks anything."""
    stream = Stream(dataset, 0, device)

    def step(i: int) -> None:
        x = stream.batch(i * BATCH, 0, BATCH)["x"]
        if x.device.type == "cuda":
            torch.cuda.synchronize()

    return BATCH * per_second(step, seconds)


class Watched:
    """A stream that notes how long its reader waits for it."""

    def __init__(self, stream: Stream) -> None:
        self.stream, self.waited = stream, 0.0

    def batch(self, cursor: int, start: int, stop: int) -> dict[str, torch.Tensor]:
        begin = time.perf_counter()
        batch = self.stream.batch(cursor, start, stop)
        self.waited += time.perf_counter() - begin
        return batch


def game_rate(name: str, dataset: Dataset, device: str, seconds: float) -> tuple[float, float]:
    """(images a second that a game takes, the share of its time that it waits for them)."""
    cls = games.find(name)
    chosen = replace(cls.defaults(dataset.spec), batch=BATCH)
    settings = config.replace(Settings(), {"kimg": 1e9, "schedule_kimg": 200.0, "batch": BATCH}, "benchmark")
    session = Session(replace(settings, batch=BATCH), torch.device(device))
    with rng.seeded_globally("weights", 0):
        game = cls(chosen, dataset.spec)
    session.seat(game)
    data = Watched(Stream(dataset, 0, device))
    rounds = play(game, data, session)
    next(rounds), next(rounds)
    begin, drawn, data.waited = time.perf_counter(), session.clock.nimg, 0.0
    while time.perf_counter() - begin < seconds:
        next(rounds)
        if device != "cpu":
            torch.cuda.synchronize()
    passed = time.perf_counter() - begin
    return (session.clock.nimg - drawn) / passed, data.waited / passed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--set", type=Path)
    a = parser.parse_args()
    memory.keep_pages()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        os.environ["GANVAS_CACHE"] = str(root / "cache")
        folder = a.set or root / "pictures"
        if a.set is None:
            folder.mkdir()
            pictures(folder)
        shards(folder, root / "shard-{:04d}.tar")
        pattern = str(root / f"shard-{{0000..{SHARDS - 1:04d}}}.tar")
        measure(folder, pattern, a.sizes, a.device, a.seconds)


def measure(folder: Path, pattern: str, sizes: list[int], device: str, seconds: float) -> None:
    kinds: dict[str, Callable[[int], Dataset]] = {
        "packed": lambda size: load(folder, size=size),
        "packed, mirror": lambda size: load(folder, size=size, augment="mirror"),
        "packed, mirror,rotate90,color": lambda size: load(folder, size=size, augment="mirror,rotate90,color"),
        "packed, random-crop": lambda size: load(folder, size=size, fit="random-crop"),
        "packed, pairs of superres:4": lambda size: load(folder, size=size, pairs="superres:4"),
        "decoded on the fly": lambda size: load(folder, size=size, decode="always"),
        "shards, decoded on the fly": lambda size: load(pattern, size=size),
    }
    rates: dict[str, list[float]] = {}
    for size in sizes:
        begin = time.perf_counter()
        count = len(kinds["packed"](size))
        rates.setdefault("decoding and packing, once", []).append(count / (time.perf_counter() - begin))
        for kind, dataset in kinds.items():
            rates.setdefault(kind, []).append(_rate(kind, dataset(size), device, seconds))
    playing: dict[str, list[tuple[float, float]]] = {}
    for size in sizes:
        for name in games.names():
            try:
                found = game_rate(name, kinds["packed"](size), device, seconds)
            except UserError:  # a size or a kind of data that this game does not play
                found = (float("nan"), float("nan"))
            playing.setdefault(name, []).append(found)
    fastest = [max(found[k][0] for found in playing.values() if found[k][0] == found[k][0]) for k in range(len(sizes))]
    heading = " | ".join(f"{s}×{s}" for s in sizes)
    print(f"\n| images per second, batch {BATCH}, {device} (times the fastest game's) | {heading} |")
    print("|---|" + "---:|" * len(sizes))
    for kind, found in rates.items():
        cells = (f"{r:,.0f} ({r / f:.1f}×)" for r, f in zip(found, fastest, strict=True))
        print(f"| {kind} | " + " | ".join(cells) + " |")
    print(f"\n| game: images per second (share of the time it waits for the stream) | {heading} |")
    print("|---|" + "---:|" * len(sizes))
    for name, results in playing.items():
        print(f"| {name} | " + " | ".join(f"{r:,.0f} ({100 * w:.2f} %)" for r, w in results) + " |")


def _rate(kind: str, dataset: Dataset, device: str, seconds: float) -> float:
    if "pairs" not in kind:
        return stream_rate(dataset, device, seconds)
    stream = Stream(dataset, 0, device)
    return BATCH * per_second(lambda i: stream.batch(i * BATCH, 0, BATCH), seconds)


if __name__ == "__main__":
    main()
