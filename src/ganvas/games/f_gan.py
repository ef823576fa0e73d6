r"""f-GAN (Nowozin, Cseke and Tomioka 2016, arXiv:1606.00709).

    min_θ max_ω F(θ, ω) = E_P g_f(V_ω(x)) − E_{Q_θ} f*(g_f(V_ω(x)))                          (Eq. 6, 7)

For each f-divergence of the paper's tables, F is a lower bound of D_f(P‖Q), tight at the best discriminator; it is
logged as `bound`. Algorithm 1 takes a step of both players from one gradient. §3.2 replaces the generator's half by the
maximisation of E g_f(V(G(z))), whose gradient does not die where the discriminator rejects; the authors found that
quicker, and it is the default. With `--divergence gan` this is Goodfellow's game. Networks are DCGAN's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ganvas.config import setting
from ganvas.game import Aux, DataSpec
from ganvas.games.gan import Minimax
from ganvas.games.two_player import ConvolutionalConfig
from ganvas.losses import f_divergences, precise

Name = Literal["kl", "reverse-kl", "pearson", "squared-hellinger", "jensen-shannon", "gan"]


@dataclass(frozen=True)
class FGANConfig(ConvolutionalConfig):
    """Settings of f-GAN."""

    divergence: Name = setting("squared-hellinger", "the f-divergence between data and samples", "Table 2")
    loss: Literal["alternative", "saturating"] = setting("alternative", "what the generator minimises", "§3.2")
    k: int = setting(1, "discriminator steps for each of the generator, where they alternate", "Algorithm 1", low=1)
    updates: Literal["alternating", "simultaneous"] = setting(
        "simultaneous", "whether both players move at once, or the generator sees the discriminator's step",
        "Algorithm 1",
    )  # fmt: skip


class FGAN(Minimax):
    """Goodfellow's turns with any f-divergence for what they measure."""

    Config = FGANConfig
    judges = "score"

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        self.divergence = f_divergences.DIVERGENCES[config.divergence]

    def rejection(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Aux]:
        """The discriminator's objective, and the bound of the divergence that it has found."""
        bound = f_divergences.bound(real, fake, self.divergence)
        return -bound, {"bound": bound} | self.heard(real, fake)

    def signs(self, real: Tensor, fake: Tensor) -> Tensor:
        """1 where a sample is more frequent in the data than among the fakes: T = f′(p/q) lies above f′(1)."""
        one = self.divergence.derivative(torch.ones([], device=real.device))
        return (self.divergence.activation(precise(real)) - one).sign()

    def persuasion(self, fake: Tensor) -> Tensor:
        """The generator's objective."""
        if self.config.loss == "saturating":
            return f_divergences.saturating_generator(fake, self.divergence)
        return f_divergences.alternative_generator(fake, self.divergence)

    @torch.no_grad()
    def judge(self, x: Tensor, labels: Any = None) -> Tensor:
        """[n]: g_f(V(x)), which rises with the ratio p/q of data and samples."""
        return self.divergence.activation(super().judge(x, labels))
