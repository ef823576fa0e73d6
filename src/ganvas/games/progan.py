r"""Progressive growing of GANs (Karras, Aila, Laine and Lehtinen 2018, arXiv:1710.10196).

Both networks begin with images of 4×4, and layers for twice the side are faded in again and again, so that what is
coarse is learned first, and quickly (§2; `games/growth.py` and `networks/progressive.py`). The critic sees how much
samples of a minibatch differ (§3); weights are scaled when they are used, so that all learn at the same speed (§4.1);
the generator's features are normalised at every pixel (§4.2).

    L_D = E D(G(z)) − E D(x) + λ/γ² E (‖∇_x̂ D(x̂)‖₂ − γ)² + ε E D(x)²,     λ = 10, γ = 1, ε = 1e-3     (appendix A.1)
    L_G = −E D(G(z))

One step of each, Adam 1e-3 with β = (0, 0.99), started anew with every stage, as in the authors' code. Their average of
0.999 a step, at 16 images each, forgets half in 11.1 thousand images. The penalty is of the summed scores, as theirs
is: through the minibatch's statistic a sample's gradient has a share of its group's.

A phase of the paper's is 800 kimg (preset `paper`, which also has its batches for large stages); by default growing
takes half the schedule. Preset `code` is the authors' later one for a single GPU, `cifar` that of §6.5 for 32×32, and
`narrow` has an eighth of the channels, small batches and larger steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ganvas.config import setting
from ganvas.game import Aux, Batch, DataSpec, Turn
from ganvas.games.growing import APPENDIX_A1, GrowingConfig, GrowingGame
from ganvas.losses import adversarial, precise
from ganvas.losses.penalties import gradient_penalty
from ganvas.networks.progressive import Discriminator, Generator


@dataclass(frozen=True)
class ProGANConfig(GrowingConfig):
    """Settings of ProGAN."""

    gp_weight: float = setting(10.0, "λ, the weight of the gradient penalty", APPENDIX_A1, low=0)
    gp_target: float = setting(1.0, "γ, the gradient norm that is not punished", "§6.5: 750 on CIFAR-10", above=0)
    drift: float = setting(1e-3, "ε, the weight of the squared score of reals, which stay near 0", APPENDIX_A1, low=0)


class Wasserstein(GrowingGame):
    """A critic that grows, its gradient drawn to norm γ, and a generator that does."""

    Config = ProGANConfig
    judges = "score"
    zero: float | None = None

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        self.turns = [Turn(("D",), self.critic), Turn(("G",), self.generator)]

    def critic(self, b: Batch) -> tuple[Tensor, Aux]:
        c = self.config
        real, fake = self.pair(b)
        on_real, on_fake = self.verdicts(b, real, fake)
        distance = -adversarial.wasserstein_critic(on_real, on_fake)
        told = self.shown(b)
        penalty = gradient_penalty(lambda x: self.D(x, *told), real, fake, b.chance.uniform(purpose="mix"), c.gp_target)
        loss = c.gp_weight / c.gp_target**2 * penalty - distance + c.drift * precise(on_real).square().mean()
        return loss, {"wasserstein": distance, "penalty": penalty} | self.heard(on_real, on_fake)

    def generator(self, b: Batch) -> tuple[Tensor, Aux]:
        return adversarial.wasserstein_generator(self.verdict(b)), {}

    @classmethod
    def engine_defaults(cls, data: DataSpec) -> Mapping[str, Any]:
        return {"ema_halflife_kimg": 11.1}  # 0.999 a step of 16 images


class ProGAN(Wasserstein):
    """A generator and a critic that begin with images of 4×4 and grow."""

    presets = {
        "tiny": {"width": 8, "base": 64, "z_dim": 8, "batch": 16},
        "narrow": {
            "batch": 8, "width": 64, "base": 1024, "z_dim": 128, "opt_g.lr": 2.5e-3, "opt_d.lr": 2.5e-3,
        },
        "paper": {"phase_kimg": 800.0, "batch_at": "256:14,512:6,1024:3"},
        "code": {
            "phase_kimg": 600.0, "batch": 4, "batch_at": "4:128,8:128,16:128,32:64,64:32,128:16,256:8",
            "lr_at": "1024:0.0015",
        },
        "cifar": {"width": 128, "base": 4096, "z_dim": 128, "phase_kimg": 400.0, "gp_target": 750.0},
    }  # fmt: skip

    def networks(self, c: Any, data: DataSpec) -> tuple[nn.Module, nn.Module]:
        levels, start = self.growth.levels[-1] + 1, self.growth.levels[0]
        return (
            Generator(data.channels, levels, c.z_dim, c.width, c.base, start),
            Discriminator(data.channels, levels, c.width, c.base, start=start),
        )
