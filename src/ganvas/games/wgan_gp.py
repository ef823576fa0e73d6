r"""Wasserstein GAN with gradient penalty (Gulrajani et al. 2017, arXiv:1704.00028).

    L_D = E D(G(z)) − E D(x) + λ E (‖∇_x̂ D(x̂)‖₂ − 1)²,     x̂ = ε x + (1 − ε) G(z),  ε ~ U[0, 1]     (Eq. 3)
    L_G = −E D(G(z))

λ = 10, five critic steps, Adam 1e-4 with β = (0, 0.9) (Algorithm 1). The penalty is a property of each sample, so
the critic must treat samples apart: LayerNorm or none, never BatchNorm (§4). Networks are Table 1 of the seed blog
with LayerNorm in the critic, optimizer and batch its Table 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from ganvas.config import setting
from ganvas.errors import UserError
from ganvas.game import Aux, Batch, DataSpec, Turn
from ganvas.games.two_player import TABLE_1, ConvolutionalConfig, TwoPlayer, is_convolutional
from ganvas.losses import adversarial
from ganvas.losses.penalties import gradient_penalty
from ganvas.optim import Optimizer

ALGORITHM_1 = "Algorithm 1 of Gulrajani et al. 2017"


@dataclass(frozen=True)
class WGANGPConfig(ConvolutionalConfig):
    """Settings of WGAN-GP."""

    gp_weight: float = setting(10.0, "λ, the weight of the gradient penalty", ALGORITHM_1, low=0)
    gp_target: float = setting(1.0, "the gradient norm that is not punished", "Eq. 3", low=0)
    critic_steps: int = setting(5, "critic steps for each of the generator", ALGORITHM_1, low=1)
    norm_d: Literal["batch", "layer", "none"] = setting("layer", "normalisation in the critic", TABLE_1)
    opt_g: Optimizer = setting(Optimizer(lr=1e-4, beta1=0.0, beta2=0.9), "the generator's optimizer", ALGORITHM_1)
    opt_d: Optimizer = setting(Optimizer(lr=1e-4, beta1=0.0, beta2=0.9), "the critic's optimizer", ALGORITHM_1)


class WGANGP(TwoPlayer):
    """A generator against a critic whose gradient is drawn to norm 1."""

    Config = WGANGPConfig
    judges = "score"
    zero: float | None = None

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        self.lipschitz = config.gp_target
        self.turns = [Turn(("D",), self.critic, repeat=config.critic_steps), Turn(("G",), self.generator)]

    def critic(self, b: Batch) -> tuple[Tensor, Aux]:
        real, fake = self.pair(b)
        on_real, on_fake = self.verdicts(b, real, fake)
        distance = -adversarial.wasserstein_critic(on_real, on_fake)
        mix = b.chance.uniform(purpose="mix")
        penalty = gradient_penalty(self.D, real, fake, mix, self.config.gp_target)
        return self.config.gp_weight * penalty - distance, {"wasserstein": distance, "penalty": penalty} | self.heard(
            on_real, on_fake
        )

    def generator(self, b: Batch) -> tuple[Tensor, Aux]:
        return adversarial.wasserstein_generator(self.verdict(b)), {}

    @classmethod
    def check(cls, config: Any, data: DataSpec) -> None:
        super().check(config, data)
        if is_convolutional(config) and config.norm_d == "batch":
            raise UserError(
                f"{cls.name}: norm_d = batch mixes the samples of a batch, so the gradient penalty would punish the "
                "wrong gradients (Gulrajani et al. 2017, §4); use --norm-d layer or --norm-d none."
            )

    @classmethod
    def for_points(cls) -> dict[str, Any]:
        adam = Optimizer(lr=1e-3, beta1=0.0, beta2=0.9)
        return super().for_points() | {"gp_weight": 0.1, "opt_g": adam, "opt_d": adam}
