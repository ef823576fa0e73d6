"""The plans of SNGAN's residual networks (Miyato et al. 2018, Appendix B.4), and of its authors' later ones.

At 32 pixels those of Table 4 (CIFAR-10), at 48 of Table 5 (STL-10), at 128 of Table 6 (ImageNet); at 64 those of the
authors' published code for the projection discriminator. At 16 the networks for 32 with a doubling and a halving less.
The width of the papers is 64.
"""

from __future__ import annotations

from ganvas.networks.resnet import Plan

PLANS = {
    16: Plan(4, up=(4, 4, 4), down=(2, 2, 2), halvings=1),
    32: Plan(4, up=(4, 4, 4, 4), down=(2, 2, 2, 2), halvings=2),
    48: Plan(6, up=(8, 4, 2, 1), down=(1, 2, 4, 8, 16), halvings=4),
    64: Plan(4, up=(16, 8, 4, 2, 1), down=(1, 2, 4, 8, 16), halvings=5),
    128: Plan(4, up=(16, 16, 8, 4, 2, 1), down=(1, 2, 4, 8, 16, 16), halvings=5),
}
