"""The plans of BigGAN's networks (Brock et al. 2019, Tables 4 and 5), as its author's PyTorch code has them.

That code also gives those for 64 pixels, and for 32 (CIFAR-10), where its width is 64. At 16 the networks for 32 with
a doubling and a halving less. The width of the paper is 96.
"""

from __future__ import annotations

from ganvas.networks.resnet import Plan

PLANS = {
    16: Plan(4, up=(4, 4, 4), down=(4, 4, 4), halvings=1),
    32: Plan(4, up=(4, 4, 4, 4), down=(4, 4, 4, 4), halvings=2),
    64: Plan(4, up=(16, 16, 8, 4, 2), down=(1, 2, 4, 8, 16), halvings=4),
    128: Plan(4, up=(16, 16, 8, 4, 2, 1), down=(1, 2, 4, 8, 16, 16), halvings=5),
    256: Plan(4, up=(16, 16, 8, 8, 4, 2, 1), down=(1, 2, 4, 8, 8, 16, 16), halvings=6),
}
