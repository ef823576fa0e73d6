"""What the benchmarks of a step share: games played by the engine on images that cost nothing, and fair timing."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ganvas import config, games, memory
from ganvas.engine import Session, Settings, play
from ganvas.game import DataSpec, Game
from ganvas.precision import native_bf16

PLAIN = "plain loop, fp32, NCHW"
Step = Callable[[], object]


class Noise:
    """Images of one sort or two, and labels, always the same, so that the step alone is timed."""

    def __init__(self, spec: DataSpec, batch: int, device: torch.device):
        shapes = {"x": spec.shape} if spec.given is None else {"a": spec.given, "b": spec.shape}
        g = torch.Generator(device).manual_seed(0)
        self.parts = {
            k: torch.rand(batch, *s, generator=g, device=device).mul(2).sub(1).to(memory_format=torch.channels_last)
            for k, s in shapes.items()
        }
        if spec.classes:
            self.parts["y"] = torch.arange(batch, device=device) % spec.classes

    def batch(self, cursor: int, start: int, stop: int) -> dict[str, Tensor]:
        return {k: v[start:stop] for k, v in self.parts.items()}


def made(name: str, spec: DataSpec, batch: int, chosen: Mapping[str, Any], preset: str = "") -> Game:
    """The game with its defaults for such data, but for what is chosen."""
    cls = games.find(name)
    start = config.preset(cls.defaults(spec), cls, preset) if preset else cls.defaults(spec)
    return cls(config.replace(start, {"batch": batch, **chosen}, name), spec)


def engine(game: Game, spec: DataSpec, device: torch.device, precision: str, layout: str = "auto") -> Step:
    """The game played by the engine, one round a call."""
    batch = game.config.batch
    settings = Settings(batch=batch, kimg=1e9, precision=precision, memory_format=layout)  # type: ignore[arg-type]
    table = Session(settings, device)
    table.seat(game)
    rounds = play(game, Noise(spec, batch, device), table)
    return lambda: next(rounds)


def timed(step: Step, device: torch.device) -> float:
    """Seconds of one call."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def medians(
    variants: Mapping[str, Step], rounds: int, device: torch.device, kept: Sequence[str] = ()
) -> dict[str, float]:
    """Median seconds of every variant, each timed in turn so that what else the machine does hits all of them.

    Those in `kept` are timed once more at the end with the allocator told to keep its pages, as `ganvas train` runs:
    that cannot be undone.
    """
    times: dict[str, list[float]] = {name: [] for name in variants}
    for step in variants.values():
        step()
    for _ in range(rounds):
        for name, step in variants.items():
            times[name].append(timed(step, device))
    if device.type == "cpu" and kept and memory.keep_pages():
        for name in kept:
            variants[name]()
        for _ in range(rounds):
            for name in kept:
                times.setdefault(f"{name}, pages kept", []).append(timed(variants[name], device))
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def where(device: torch.device) -> str:
    """What a figure depends on, for the line above a table."""
    return f"{native_bf16(device) or 'no bf16 unit'}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def show(
    seconds: Mapping[str, float], images: int, more: Mapping[str, Callable[[str, float], str]] | None = None
) -> None:
    """Prints a Markdown table; `images` are shown in a call, and `more` columns are functions of (variant, seconds)."""
    more = more or {}
    print("| " + " | ".join(["variant", "s a round", "img/s", "against the plain loop", *more]) + " |")
    print("|---" + "|---:" * (3 + len(more)) + "|")
    for name, t in seconds.items():
        cells = [
            name,
            f"{t:.3f}",
            f"{images / t:.2f}",
            f"{seconds[PLAIN] / t:.2f}×",
            *(f(name, t) for f in more.values()),
        ]
        print("| " + " | ".join(cells) + " |")
