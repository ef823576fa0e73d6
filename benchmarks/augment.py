"""Augmentation of 64 images: images per second of ours against kornia's, and how far their colours differ.

    python benchmarks/augment.py [--rounds 21] [--device cpu]

kornia comes with the `dev` extra. Each pair is timed in turn, several times over, in one process: the ratios are what
counts. Prints a Markdown table for `benchmarks/results.md`.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable

import kornia
import torch
from torch import Tensor

from ganvas import memory, rng
from ganvas.data.augment import Augment, modulate_hsv

BATCH = 64
PEERS = {
    "mirror": ("RandomHorizontalFlip", kornia.augmentation.RandomHorizontalFlip(p=0.5)),
    "flip": ("RandomVerticalFlip", kornia.augmentation.RandomVerticalFlip(p=0.5)),
    "rotate90": ("RandomRotation90", kornia.augmentation.RandomRotation90((0, 3), p=1.0)),
    "color": ("ColorJiggle", kornia.augmentation.ColorJiggle(brightness=0.1, saturation=0.2, hue=0.1, p=1.0)),
}


def modulated_by_kornia(x: Tensor, hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """The same as `modulate_hsv`, by way of kornia's conversions."""
    h, s, v = kornia.color.rgb_to_hsv(x).unbind(1)
    h = (h + 2 * math.pi * hue[:, None, None]) % (2 * math.pi)
    s, v = ((part * by[:, None, None]).clamp(0, 1) for part, by in ((s, saturation), (v, value)))
    return kornia.color.hsv_to_rgb(torch.stack([h, s, v], 1))


def timed(step: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def medians(steps: dict[str, Callable[[], object]], rounds: int, device: torch.device) -> dict[str, float]:
    """Seconds of each step, taken in turn."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for r in range(rounds + 2):
        for name, step in steps.items():
            seconds = timed(step, device)
            if r >= 2:  # the first two warm up
                times[name].append(seconds)
    return {name: statistics.median(t) for name, t in times.items()}


def work(side: int, device: torch.device) -> dict[str, tuple[str, dict[str, Callable[[], object]]]]:
    """What is timed on images of this side: by our name, kornia's name, and what runs."""
    index = torch.arange(BATCH, device=device)
    x = colours(side, device)
    planes = x * 2 - 1
    pixels = planes.contiguous(memory_format=torch.channels_last)
    found: dict[str, tuple[str, dict[str, Callable[[], object]]]] = {}
    for name, (theirs, peer) in PEERS.items():
        ours = Augment.parse(name)
        found[name] = (theirs, {
            "planes": lambda ours=ours: ours([planes], 0, 0, index),
            "pixels": lambda ours=ours: ours([pixels], 0, 0, index),
            "kornia": lambda peer=peer: peer(x),
        })  # fmt: skip
    factors = modulations(device)
    bright = x.contiguous(memory_format=torch.channels_last)
    found["modulate_hsv"] = ("rgb_to_hsv, hsv_to_rgb", {
        "planes": lambda: modulate_hsv(x, *factors),
        "pixels": lambda: modulate_hsv(bright, *factors),
        "kornia": lambda: modulated_by_kornia(x, *factors),
    })  # fmt: skip
    return found


def colours(side: int, device: torch.device) -> Tensor:
    """Images [BATCH, 3, side, side] of every colour in [0, 1]."""
    return torch.rand(BATCH, 3, side, side, generator=rng.generator("colours")).to(device)


def modulations(device: torch.device) -> list[Tensor]:
    """Hue, saturation and value of each image, as `color` draws them."""
    u = torch.rand(3, BATCH, generator=rng.generator("modulations")).to(device) * 2 - 1
    return [0.1 * u[0], 1 + 0.2 * u[1], 1 + 0.1 * u[2]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    memory.keep_pages()  # as `ganvas train` runs
    print(f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}, kornia {kornia.__version__}\n")
    print("| side | ours | img/s | img/s, channels_last | kornia | img/s | ours against kornia |")
    print("|---:|---|---:|---:|---|---:|---:|")
    for side in (64, 128):
        for name, (theirs, steps) in work(side, device).items():
            planes, pixels, peer = (BATCH / s for s in medians(steps, options.rounds, device).values())
            print(
                f"| {side} | {name} | {planes:,.0f} | {pixels:,.0f} | {theirs} | {peer:,.0f} | {planes / peer:.2f}× |"
            )
    x, factors = colours(128, device), modulations(device)
    gap = (modulate_hsv(x, *factors) - modulated_by_kornia(x, *factors)).abs().max()
    print(f"\nmodulate_hsv and kornia's conversions differ by at most {float(gap):.1e} on [0, 1].")


if __name__ == "__main__":
    main()
