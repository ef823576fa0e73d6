r"""Spectrally normalised GAN (Miyato, Kataoka, Koyama and Yoshida 2018, arXiv:1802.05957).

Every weight of the discriminator is divided by its largest singular value, W / σ(W), which bounds its Lipschitz
constant; σ is followed by one power iteration after each of its steps (Algorithm 1; here none within a loss). With the
hinge loss

    L_D = E max(0, 1 − D(x)) + E max(0, 1 + D(G(z))),     L_G = −E D(G(z))                 (Eq. 16, 17)

or the non-saturating one. Networks are the residual ones of Appendix B.4; five steps of D for one of G, Adam 2e-4 with
β = (0, 0.9), batches of 64, 100 k steps of G, which are 32,000 kimg. In the authors' code learning rates fall to 0;
`--lr-schedule linear` lets them fall over the second half.

Presets: `projection` is the conditional game of Miyato and Koyama 2018 (arXiv:1802.05637): gains and biases of the
generator's normalisation are chosen by the condition c, and D(x, c) = ψ·h + <V c, h>. `sagan` is SAGAN (Zhang et al.
2019, arXiv:1805.08318): that, with spectral normalisation in both, self-attention at 32×32, one step of D, and learning
rates of 1e-4 and 4e-4, in batches of 256. `narrow` has half the channels, for small machines, and
`small`, which is for 100 to 1,000 images, ADA besides (docs/small-data.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from torch import nn

from ganvas.config import setting
from ganvas.game import DataSpec
from ganvas.games.residual import Residual, ResidualConfig
from ganvas.networks.resnet import Discriminator, Generator
from ganvas.networks.sngan import PLANS


@dataclass(frozen=True)
class SNGANConfig(ResidualConfig):
    """Settings of SNGAN."""

    spectral_g: bool = setting(False, "spectral normalisation in the generator, too", "Zhang et al. 2019: yes")


class SNGAN(Residual):
    """A residual generator against a spectrally normalised critic."""

    Config = SNGANConfig
    plans = PLANS
    presets = {
        "tiny": {"width": 4, "z_dim": 8, "batch": 16, "d_steps": 2},
        "narrow": {"width": 32},
        "small": {"width": 32, "batch": 32, "ada": "bgc", "ada_kimg": 10.0},
        "projection": {"condition": "auto"},
        "sagan": {
            "condition": "auto", "spectral_g": True, "attention": 32, "d_steps": 1, "batch": 256,
            "opt_g.lr": 1e-4, "opt_d.lr": 4e-4,
        },
    }  # fmt: skip

    preset_augment: ClassVar[dict[str, str]] = {"small": "mirror"}

    def networks(self, c: Any, data: DataSpec) -> tuple[nn.Module, nn.Module]:
        size = (data.channels, PLANS[data.size], c.width)
        k = self.condition.dim
        g = Generator(*size, c.z_dim, k, norm=c.norm_g, spectral=c.spectral_g, attention=c.attention)
        d = Discriminator(*size, k, attention=c.attention)
        return self.ready(g, "xavier"), self.ready(d, "xavier")

    @classmethod
    def defaults(cls, data: DataSpec) -> Any:
        """The paper's settings; below 32 pixels half of its channels, as dcgan has."""
        return replace(cls.Config(), width=32) if data.is_image and data.size < 32 else cls.Config()
