"""What ADA's pipeline costs: a round of narrow DCGANs without it, with it, and with DiffAugment.

    python benchmarks/ada.py [--rounds 5] [--sizes 32,64]

Both turns see augmented images, real and fake, so a round augments three batches and differentiates through one. p is
0.5 and stays. Each variant is timed in turn, several times over, in one process: the ratios are what counts.
"""

from __future__ import annotations

import argparse

import torch
from steps import engine, made, medians, where

from ganvas.game import DataSpec

BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", default="32,64")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    fixed = {"ada_p": 0.5, "ada_kimg": 0.0}
    settings = {
        "without": {"ada": ""},
        "DiffAugment": {"ada": "", "diffaugment": "color,translation,cutout"},
        **{f"ADA, {name}": {"ada": name, **fixed} for name in ("blit", "bg", "bgc", "bgcfnc")},
    }
    for size in map(int, options.sizes.split(",")):
        spec = DataSpec((3, size, size))
        variants = {
            name: engine(made("dcgan", spec, BATCH, chosen, "small"), spec, device, "fp32")
            for name, chosen in settings.items()
        }
        print(f"\n{size}×{size}, width 32, batch {BATCH}, fp32; {where(device)}\n")
        seconds = medians(variants, options.rounds, device)
        print("| shown to D | s a round | against without |\n|---|---:|---:|")
        for name, t in seconds.items():
            print(f"| {name} | {t:.3f} | {t / seconds['without']:.2f} |")


if __name__ == "__main__":
    main()
