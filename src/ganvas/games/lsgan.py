r"""Least squares GAN (Mao et al. 2016, arXiv:1611.04076).

    min_D ½ E (D(x) − b)² + ½ E (D(G(z)) − a)²,     min_G ½ E (D(G(z)) − c)²               (Eq. 2)

Samples far on the right side of the decision boundary are still pulled towards it, so gradients do not vanish. With
b − c = 1 and b − a = 2 (a, b, c = −1, 1, 0) the generator minimises Pearson's χ² divergence (Eq. 8); the other
choice makes fakes look as real as possible (0, 1, 1; Eq. 9), which is the default here and in the paper's
experiments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from ganvas.config import setting
from ganvas.game import Aux, Batch, DataSpec, Turn
from ganvas.games.two_player import ConvolutionalConfig, TwoPlayer
from ganvas.losses import adversarial

TARGETS = {"0,1,1": (0.0, 1.0, 1.0), "-1,1,0": (-1.0, 1.0, 0.0)}


@dataclass(frozen=True)
class LSGANConfig(ConvolutionalConfig):
    """Settings of LSGAN."""

    targets: Literal["0,1,1", "-1,1,0"] = setting(
        "0,1,1", "a, b, c: the fakes', reals' and generator's targets", "Eq. 8, 9"
    )
    label_smoothing: float = setting(
        0.0, "b minus this is the target of reals", "Salimans et al. 2016", low=0, high=0.5
    )


class LSGAN(TwoPlayer):
    """Two players on squared distances to their targets."""

    Config = LSGANConfig
    judges = "score"

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        self.a, self.b, self.c = TARGETS[config.targets]
        self.zero = (self.a + self.b) / 2
        self.turns = [Turn(("D",), self.discriminator), Turn(("G",), self.generator)]

    def discriminator(self, b: Batch) -> tuple[Tensor, Aux]:
        real, fake = self.verdicts(b, *self.pair(b))
        target = self.b - self.config.label_smoothing
        loss = adversarial.least_squares_discriminator(real, fake, self.a, target)
        return loss, {"D(x)": real.float().mean(), "D(G(z))": fake.float().mean()} | self.heard(real, fake)

    def generator(self, b: Batch) -> tuple[Tensor, Aux]:
        return adversarial.least_squares_generator(self.verdict(b), self.c), {}
