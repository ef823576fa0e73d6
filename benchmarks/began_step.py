"""BEGAN of Table 2 at 64×64, batch 48: images per second against a plain loop of the same networks.

    python benchmarks/began_step.py [--rounds 3] [--batch 48] [--device cpu]

Every variant is timed in turn, several times over, in one process: the ratios are what counts. All but one are as they
are after the first 16,000 rounds, when the residuals have vanished. The rows with pages kept come last, because the
allocator cannot be told to go back. Prints a Markdown table for `benchmarks/results.md`.
"""

from __future__ import annotations

import argparse

import torch
from steps import PLAIN, Noise, Step, engine, made, medians, show, where

from ganvas import rng
from ganvas.game import DataSpec
from ganvas.networks import began

SPEC, Z = DataSpec((3, 64, 64)), 64


def plain_loop(batch: int, device: torch.device) -> Step:
    """The loop that people write, in fp32 and NCHW: D on reals and on fakes, then G through D, Adam for both."""
    g, d = began.Decoder(SPEC.shape, Z, 128).to(device), began.Autoencoder(SPEC.shape, Z, 128).to(device)
    for m in [*g.modules(), *d.modules()]:
        if isinstance(m, began.Vanishing):
            m.fade(0.0)
    adam = [torch.optim.Adam(n.parameters(), lr=1e-4, betas=(0.5, 0.999)) for n in (g, d)]
    x = Noise(SPEC, batch, device).parts["x"].contiguous()
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


def played(batch: int, device: torch.device, precision: str, layout: str = "auto", **chosen: object) -> Step:
    game = made("began", SPEC, batch, {"carry_steps": 0, **chosen})
    return engine(game, SPEC, device, precision, layout)


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
    variants: dict[str, Step] = {
        PLAIN: plain_loop(batch, device),
        "engine, fp32": played(batch, device, "fp32"),
        "engine, bf16, NCHW": played(batch, device, "bf16", "nchw"),
        "engine, bf16": played(batch, device, "bf16"),
        "engine, bf16, residuals not yet vanished": played(batch, device, "bf16", carry_steps=10**9),
        "engine, bf16, simultaneous updates": played(batch, device, "bf16", updates="simultaneous"),
    }
    work = flops_an_image() * batch / 1e12

    def tflops(name: str, seconds: float) -> str:
        return "" if "simultaneous" in name else f"{work / seconds:.2f}"

    kept = ("engine, bf16", "engine, bf16, simultaneous updates")
    print(f"{where(device)}, batch {batch}; {work:.2f} TFLOP a round\n")
    show(medians(variants, options.rounds, device, kept), batch, {"TFLOP/s": tflops})


if __name__ == "__main__":
    main()
