"""Fused Adam on channels_last weights: PyTorch's as it is, and ours, which hands it the same memory as contiguous.

    python benchmarks/fused_adam.py [threads]

Prints milliseconds of a step for the weights of pix2pix's U-Net at half width, and the ratio, from one run.
"""

import sys
import time

import torch

from ganvas.networks.unet import UNet
from ganvas.optim import Adam

STEPS = 20


def step_ms(kind: type[torch.optim.Adam]) -> float:
    net = UNet(3, 3, 32, 8).to(memory_format=torch.channels_last)
    opt = kind(net.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)
    for p in net.parameters():
        p.grad = torch.randn_like(p)
    best = float("inf")
    for _ in range(STEPS):
        begun = time.perf_counter()
        opt.step()
        best = min(best, time.perf_counter() - begun)
    return best * 1000


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else torch.get_num_threads())
    theirs, ours = step_ms(torch.optim.Adam), step_ms(Adam)
    print(f"torch.optim.Adam {theirs:.1f} ms, ours {ours:.1f} ms: {theirs / ours:.2f}x")
