r"""Wasserstein GAN (Arjovsky, Chintala and Bottou 2017, arXiv:1701.07875).

    min_G max_{‖D‖_L ≤ 1} E D(x) − E D(G(z))                                               (Eq. 2)

The critic D estimates the earth mover's distance up to a factor; it is kept Lipschitz by clipping its weights to
[−c, c] after each of its `critic_steps` steps (Algorithm 1: c = 0.01, 5 steps, RMSProp 5e-5, batch 64). The estimate
is logged as `wasserstein`. Networks are DCGAN's with the sigmoid removed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ganvas.config import setting
from ganvas.game import Aux, Batch, DataSpec, Turn
from ganvas.games.two_player import ConvolutionalConfig, TwoPlayer
from ganvas.losses import adversarial
from ganvas.optim import Optimizer

ALGORITHM_1 = "Algorithm 1 of Arjovsky et al. 2017"


@dataclass(frozen=True)
class WGANConfig(ConvolutionalConfig):
    """Settings of WGAN with weight clipping."""

    batch: int = setting(64, "images a turn takes", ALGORITHM_1, low=2)
    clip_weights: float = setting(0.01, "the critic's weights are clipped to ± this", ALGORITHM_1, above=0)
    critic_steps: int = setting(5, "critic steps for each of the generator", ALGORITHM_1, low=1)
    opt_g: Optimizer = setting(Optimizer("rmsprop", lr=5e-5), "the generator's optimizer", ALGORITHM_1)
    opt_d: Optimizer = setting(Optimizer("rmsprop", lr=5e-5), "the critic's optimizer", ALGORITHM_1)


class WGAN(TwoPlayer):
    """A generator against a critic whose weights are clipped."""

    Config = WGANConfig
    judges = "score"
    zero: float | None = None
    lipschitz = None
    """Clipping bounds the gradient by some constant, not by 1: it is measured, and any will do."""

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        self.turns = [Turn(("D",), self.critic, repeat=config.critic_steps), Turn(("G",), self.generator)]

    def critic(self, b: Batch) -> tuple[Tensor, Aux]:
        real, fake = self.verdicts(b, *self.pair(b))
        loss = adversarial.wasserstein_critic(real, fake)
        return loss, {"wasserstein": -loss} | self.heard(real, fake)

    def generator(self, b: Batch) -> tuple[Tensor, Aux]:
        return adversarial.wasserstein_generator(self.verdict(b)), {}

    @torch.no_grad()
    def after(self, turn: Turn, aux: Aux) -> Batch:
        if turn.players == ("D",):
            c = self.config.clip_weights
            for weight in self.D.parameters():
                weight.clamp_(-c, c)
        return super().after(turn, aux)

    @classmethod
    def for_points(cls) -> dict[str, Any]:
        adam = {"opt_g": Optimizer("rmsprop", lr=5e-4), "opt_d": Optimizer("rmsprop", lr=5e-4), "clip_weights": 0.1}
        return super().for_points() | adam
