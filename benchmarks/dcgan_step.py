"""DCGAN of Table 1 at 64×64, batch 64: images per second against a plain loop of the same networks.

    python benchmarks/dcgan_step.py [--rounds 5] [--device cpu]

Every variant is timed in turn, several times over, in one process: the ratios are what counts. The rows with pages
kept come last, because the allocator cannot be told to go back. Prints a Markdown table for `benchmarks/results.md`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from ganvas import config, games, memory, rng
from ganvas.engine import Session, Settings, play
from ganvas.game import DataSpec
from ganvas.losses import adversarial
from ganvas.networks import conv, dcgan
from ganvas.networks.layers import batches_apart
from ganvas.precision import autocast, native_bf16

BATCH, SPEC = 64, DataSpec((3, 64, 64))


class Noise:
    """Reals that cost nothing, so that the step alone is timed."""

    def __init__(self, device: torch.device):
        self.x = torch.rand(BATCH, *SPEC.shape, device=device).mul(2).sub(1).to(memory_format=torch.channels_last)

    def batch(self, cursor: int, start: int, stop: int) -> dict[str, torch.Tensor]:
        return {"x": self.x[start:stop]}


def networks() -> tuple[nn.Module, nn.Module]:
    g = dcgan.Generator(SPEC.shape, 128, 128, 1024, 5, "batch", "relu", 0.2)
    d = dcgan.Discriminator(SPEC.shape, 128, 1024, 5, "batch", "leaky-relu", 0.2)
    return g, d


def bare_loop(device: torch.device, precision: str, nhwc: bool, fused: bool) -> Callable[[], None]:
    """The loop that people write: D on reals and fakes, then G through D, Adam for both."""
    g, d = networks()
    layout = torch.channels_last if nhwc else torch.contiguous_format
    for net in (g, d):
        net.to(device).to(memory_format=layout)
    adam = [torch.optim.Adam(n.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=fused) for n in (g, d)]
    x = Noise(device).x.contiguous(memory_format=layout)

    def step() -> None:
        with autocast(precision, device):
            with torch.no_grad():
                fake = g(torch.rand(BATCH, 128, device=device) * 2 - 1)
            if fused:
                with batches_apart(2):
                    loss = adversarial.discriminator(*d(torch.cat([x, fake])).chunk(2))
            else:
                loss = adversarial.discriminator(d(x), d(fake))
        adam[1].zero_grad()
        loss.backward()
        adam[1].step()
        d.requires_grad_(fused is False)  # the plain loop computes D's gradients here too, and throws them away
        with autocast(precision, device):
            loss = adversarial.non_saturating_generator(d(g(torch.rand(BATCH, 128, device=device) * 2 - 1)))
        adam[0].zero_grad()
        loss.backward()
        adam[0].step()
        d.requires_grad_(True)

    return step


def engine(
    device: torch.device, precision: str, updates: str = "alternating", layout: str = "auto", compiled: str = "off"
):
    """The same game played by the engine, one round a call."""
    cls = games.find("dcgan")
    game = cls(config.replace(cls.Config(), {"batch": BATCH, "updates": updates}, "dcgan"), SPEC)
    settings = Settings(batch=BATCH, kimg=1e9, precision=precision, memory_format=layout, compile=compiled)
    session = Session(settings, device)
    session.seat(game)
    rounds = play(game, Noise(device), session)
    return lambda: next(rounds)


def without_products(step: Callable[[], None]) -> Callable[[], None]:
    def plain() -> None:
        pays, conv.product_pays = conv.product_pays, lambda *a: False
        try:
            step()
        finally:
            conv.product_pays = pays

    return plain


def peak(device: torch.device, dtype: torch.dtype) -> float:
    """TFLOP/s of the best matrix product of this machine, as measured."""
    best = 0.0
    for n in (1024, 2048, 4096):
        a = torch.randn(n, n, dtype=dtype, device=device)
        for _ in range(4):
            seconds = timed(lambda a=a: a @ a, device)
            best = max(best, 2 * n**3 / seconds / 1e12)
    return best


def timed(step: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def flops_a_round() -> float:
    """Multiplications and additions of one alternating round: 12 passes of a network's cost."""
    from torch.utils.flop_counter import FlopCounterMode

    g, d = networks()
    x, z = torch.rand(BATCH, *SPEC.shape), torch.rand(BATCH, 128)
    with FlopCounterMode(display=False) as counter:
        with torch.no_grad():
            fake = g(z)
        (d(x).sum() + d(fake).sum()).backward()
        d.requires_grad_(False)
        d(g(z)).sum().backward()
    return float(counter.get_total_flops())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    torch.manual_seed(rng.seed_of("benchmark") % 2**31)
    variants: dict[str, Callable[[], object]] = {
        "plain loop, fp32, NCHW": bare_loop(device, "fp32", False, False),
        "engine, fp32, NHWC": engine(device, "fp32"),
        "bare loop, bf16, NCHW": without_products(bare_loop(device, "bf16", False, False)),
        "bare loop, bf16, NHWC": without_products(bare_loop(device, "bf16", True, False)),
        "bare loop, bf16, NHWC, frozen D, fused Adam, one pass of D": without_products(
            bare_loop(device, "bf16", True, True)
        ),
        "the same, deep layers as products": bare_loop(device, "bf16", True, True),
        "engine, bf16": engine(device, "bf16"),
        "engine, bf16, simultaneous updates": engine(device, "bf16", "simultaneous"),
    }
    times: dict[str, list[float]] = {name: [] for name in variants}
    for step in variants.values():
        step()
    for _ in range(options.rounds):
        for name, step in variants.items():
            times[name].append(timed(step, device))
    if memory.keep_pages():  # cannot be undone, so last: as `ganvas train` runs
        kept = ("the same, deep layers as products", "engine, bf16", "engine, bf16, simultaneous updates")
        for name in kept * 2:
            variants[name]()
        for _ in range(options.rounds):
            for name in kept:
                times.setdefault(f"{name}, pages kept", []).append(timed(variants[name], device))
    base = statistics.median(times["plain loop, fp32, NCHW"])
    work = flops_a_round() / 1e12
    top = {p: peak(device, t) for p, t in (("bf16", torch.bfloat16), ("fp32", torch.float32))}
    unit = native_bf16(device) or "no bf16 unit"
    print(f"{unit}, {torch.get_num_threads()} threads, torch {torch.__version__}; {work:.2f} TFLOP a round;")
    print(f"peak of a matrix product: bf16 {top['bf16']:.2f}, fp32 {top['fp32']:.2f} TFLOP/s\n")
    print("| variant | s a round | img/s | against the plain loop | share of the bf16 peak |")
    print("|---|---:|---:|---:|---:|")
    for name, seconds in times.items():
        t = statistics.median(seconds)
        done = work * (10 / 12 if "simultaneous" in name else 1)  # passes of a network's cost, of twelve
        print(f"| {name} | {t:.3f} | {BATCH / t:.1f} | {base / t:.2f}× | {done / t / top['bf16']:.0%} |")


if __name__ == "__main__":
    main()
