"""BEGAN of Table 2 at 64×64, batch 48: images per second against a plain loop of the same networks.

    python benchmarks/began_step.py [--rounds 3] [--batch 48] [--device cpu]

Every variant is timed in turn, several times over, in one process: the ratios are what counts. All but one are as they
are after the first 16,000 rounds, when the residuals have vanished. The rows with pages kept come last, because the
allocator cannot be told to go back. Prints a Markdown table for `benchmarks/results.md`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from ganvas import config, games, memory, rng
from ganvas.engine import Session, Settings, play
from ganvas.game import DataSpec
from ganvas.networks import began
from ganvas.precision import native_bf16

SPEC, Z = DataSpec((3, 64, 64)), 64


class Noise:
    """Reals that cost nothing, so that the step alone is timed."""

    def __init__(self, batch: int, device: torch.device):
        self.x = torch.rand(batch, *SPEC.shape, device=device).mul(2).sub(1)
        self.x = self.x.to(memory_format=torch.channels_last)

    def batch(self, cursor: int, start: int, stop: int) -> dict[str, torch.Tensor]:
        return {"x": self.x[start:stop]}


def plain_loop(batch: int, device: torch.device) -> Callable[[], None]:
    """The loop that people write, in fp32 and NCHW: D on reals and on fakes, then G through D, Adam for both."""
    g, d = began.Decoder(SPEC.shape, Z, 128).to(device), began.Autoencoder(SPEC.shape, Z, 128).to(device)
    for m in [*g.modules(), *d.modules()]:
        if isinstance(m, began.Vanishing):
            m.fade(0.0)
    adam = [torch.optim.Adam(n.parameters(), lr=1e-4, betas=(0.5, 0.999)) for n in (g, d)]
    x = Noise(batch, device).x.contiguous()
    k = 0.0

    def error(v: torch.Tensor) -> torch.Tensor:
        return (v - d(v)).abs().mean()

    def step() -> None:
        nonlocal k
        with torch.no_grad():
            fake = g(torch.randn(batch, Z, device=device))
        on_real, on_fake = error(x), error(fake)
        adam[1].zero_grad()
        (on_real - k * on_fake).backward()
        adam[1].step()
        loss = error(g(torch.randn(batch, Z, device=device)))
        adam[0].zero_grad()
        loss.backward()
        adam[0].step()
        k = min(max(k + 1e-3 * (0.5 * on_real.item() - loss.item()), 0.0), 1.0)

    return step


def engine(batch: int, device: torch.device, precision: str, layout: str = "auto", **settings) -> Callable[[], object]:
    """The same game played by the engine, one round a call."""
    cls = games.find("began")
    chosen = {"batch": batch, "carry_steps": 0} | settings
    game = cls(config.replace(cls.Config(), chosen, "began"), SPEC)
    table = Session(Settings(batch=batch, kimg=1e9, precision=precision, memory_format=layout), device)  # type: ignore[arg-type]
    table.seat(game)
    rounds = play(game, Noise(batch, device), table)
    return lambda: next(rounds)


def timed(step: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def flops_an_image() -> float:
    """Multiplications and additions of a round for each image: D's turn without waste, then G's with D at rest."""
    from torch.utils.flop_counter import FlopCounterMode

    g, d = began.Decoder(SPEC.shape, Z, 128), began.Autoencoder(SPEC.shape, Z, 128)
    x, z = torch.rand(1, *SPEC.shape), torch.rand(1, Z)
    with FlopCounterMode(display=False) as counter:
        with torch.no_grad():
            fake = g(z)
        d(torch.cat([x, fake])).sum().backward()
        d.requires_grad_(False)
        d(g(z)).sum().backward()
    return float(counter.get_total_flops())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    device, batch = torch.device(options.device), options.batch
    torch.manual_seed(rng.seed_of("benchmark") % 2**31)
    variants: dict[str, Callable[[], object]] = {
        "plain loop, fp32, NCHW": plain_loop(batch, device),
        "engine, fp32": engine(batch, device, "fp32"),
        "engine, bf16, NCHW": engine(batch, device, "bf16", "nchw"),
        "engine, bf16": engine(batch, device, "bf16"),
        "engine, bf16, residuals not yet vanished": engine(batch, device, "bf16", carry_steps=10**9),
        "engine, bf16, simultaneous updates": engine(batch, device, "bf16", updates="simultaneous"),
    }
    times: dict[str, list[float]] = {name: [] for name in variants}
    for step in variants.values():
        step()
    for _ in range(options.rounds):
        for name, step in variants.items():
            times[name].append(timed(step, device))
    if memory.keep_pages():  # cannot be undone, so last: as `ganvas train` runs
        kept = ("engine, bf16", "engine, bf16, simultaneous updates")
        for name in kept:
            variants[name]()
        for _ in range(options.rounds):
            for name in kept:
                times.setdefault(f"{name}, pages kept", []).append(timed(variants[name], device))
    base = statistics.median(times["plain loop, fp32, NCHW"])
    work = flops_an_image() * batch / 1e12
    unit = native_bf16(device) or "no bf16 unit"
    where = f"{unit}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    print(f"{where}, batch {batch}; {work:.2f} TFLOP a round\n")
    print("| variant | s a round | img/s | against the plain loop | TFLOP/s |")
    print("|---|---:|---:|---:|---:|")
    for name, seconds in times.items():
        t = statistics.median(seconds)
        done = "" if "simultaneous" in name else f"{work / t:.2f}"
        print(f"| {name} | {t:.3f} | {batch / t:.2f} | {base / t:.2f}× | {done} |")


if __name__ == "__main__":
    main()
