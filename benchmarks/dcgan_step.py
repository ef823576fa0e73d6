"""DCGAN of Table 1 at 64×64, batch 64: images per second against a plain loop of the same networks.

    python benchmarks/dcgan_step.py [--rounds 5] [--device cpu]

Every variant is timed in turn, several times over, in one process: the ratios are what counts. The rows with pages
kept come last, because the allocator cannot be told to go back. Prints a Markdown table for `benchmarks/results.md`.
"""

from __future__ import annotations

import argparse

import torch
from steps import PLAIN, Noise, Step, engine, made, medians, show, timed, where
from torch import nn

from ganvas import rng
from ganvas.game import DataSpec
from ganvas.losses import adversarial
from ganvas.networks import conv, dcgan
from ganvas.networks.layers import batches_apart
from ganvas.precision import autocast

BATCH, SPEC = 64, DataSpec((3, 64, 64))


def networks() -> tuple[nn.Module, nn.Module]:
    g = dcgan.Generator(SPEC.shape, 128, 128, 1024, 5, "batch", "relu", 0.2)
    d = dcgan.Discriminator(SPEC.shape, 128, 1024, 5, "batch", "leaky-relu", 0.2)
    return g, d


def bare_loop(device: torch.device, precision: str, nhwc: bool, fused: bool) -> Step:
    """The loop that people write: D on reals and fakes, then G through D, Adam for both."""
    g, d = networks()
    layout = torch.channels_last if nhwc else torch.contiguous_format
    for net in (g, d):
        net.to(device).to(memory_format=layout)
    adam = [torch.optim.Adam(n.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=fused) for n in (g, d)]
    x = Noise(SPEC, BATCH, device).parts["x"].contiguous(memory_format=layout)

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


def played(device: torch.device, precision: str, updates: str = "alternating") -> Step:
    return engine(made("dcgan", SPEC, BATCH, {"updates": updates}), SPEC, device, precision)


def without_products(step: Step) -> Step:
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
    variants: dict[str, Step] = {
        PLAIN: bare_loop(device, "fp32", False, False),
        "engine, fp32, NHWC": played(device, "fp32"),
        "bare loop, bf16, NCHW": without_products(bare_loop(device, "bf16", False, False)),
        "bare loop, bf16, NHWC": without_products(bare_loop(device, "bf16", True, False)),
        "bare loop, bf16, NHWC, frozen D, fused Adam, one pass of D": without_products(
            bare_loop(device, "bf16", True, True)
        ),
        "the same, deep layers as products": bare_loop(device, "bf16", True, True),
        "engine, bf16": played(device, "bf16"),
        "engine, bf16, simultaneous updates": played(device, "bf16", "simultaneous"),
    }
    kept = ("the same, deep layers as products", "engine, bf16", "engine, bf16, simultaneous updates")
    seconds, work = medians(variants, options.rounds, device, kept), flops_a_round() / 1e12
    top = {p: peak(device, t) for p, t in (("bf16", torch.bfloat16), ("fp32", torch.float32))}
    print(f"{where(device)}; {work:.2f} TFLOP a round;")
    print(f"peak of a matrix product: bf16 {top['bf16']:.2f}, fp32 {top['fp32']:.2f} TFLOP/s\n")

    def share(name: str, t: float) -> str:
        done = work * (10 / 12 if "simultaneous" in name else 1)  # passes of a network's cost, of twelve
        return f"{done / t / top['bf16']:.0%}"

    show(seconds, BATCH, {"share of the bf16 peak": share})


if __name__ == "__main__":
    main()
