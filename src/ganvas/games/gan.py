r"""Generative adversarial nets (Goodfellow et al. 2014, arXiv:1406.2661).

    min_G max_D V(D, G) = E log D(x) + E log(1 − D(G(z)))                                  (Eq. 1)

`k` steps of the discriminator for one of the generator (Algorithm 1; the paper uses k = 1). Where D rejects samples
with confidence, log(1 − D(G(z))) is flat, so the generator by default maximises log D(G(z)) instead (§3): the same
fixed point, stronger gradients. The networks are the paper's: a generator of rectified linear units, a discriminator
of maxout units trained with dropout.

What the paper leaves open is taken from its published code for MNIST: sizes, dropout, initial weights, and the limit
on the norm of each discriminator unit's weights (without which maxout units run away). Its SGD is not: with pictures in
[-1, 1] and a tanh it diverged here (docs/log.md), so the optimizer is DCGAN's Adam; the preset `sgd` brings it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganvas.config import setting
from ganvas.errors import UserError
from ganvas.game import Aux, Batch, DataSpec, Turn
from ganvas.games.two_player import TwoPlayer, TwoPlayerConfig
from ganvas.losses import adversarial, precise
from ganvas.networks import mlp
from ganvas.networks.layers import uniform_init
from ganvas.optim import Optimizer

CODE = "the paper's published code for MNIST"


@dataclass(frozen=True)
class MinimaxRules:
    """Settings of Goodfellow's game, whatever its networks."""

    loss: Literal["non-saturating", "minimax"] = setting("non-saturating", "what the generator minimises", "§3")
    k: int = setting(1, "discriminator steps for each of the generator", "Algorithm 1: k = 1", low=1)
    updates: Literal["alternating", "simultaneous"] = setting(
        "alternating", "whether the generator's turn sees the discriminator's step, or both move at once", "Algorithm 1"
    )
    label_smoothing: float = setting(
        0.0, "the target of reals is 1 minus this", "Salimans et al. 2016, §3.4: 0.1", low=0, high=0.5
    )


class Minimax(TwoPlayer):
    """Goodfellow's two turns, between any two networks."""

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        if config.updates == "simultaneous":
            if config.k > 1:
                raise UserError(f"{self.name}: with --updates simultaneous both players move at once; leave --k out.")
            self.turns = [Turn(("G", "D"), self.both)]
        else:
            self.turns = [Turn(("D",), self.discriminator, repeat=config.k), Turn(("G",), self.generator)]

    def discriminator(self, b: Batch) -> tuple[Tensor, Aux]:
        return self.rejection(*self.verdicts(b, *self.pair(b)))

    def generator(self, b: Batch) -> tuple[Tensor, Aux]:
        return self.persuasion(self.verdict(b)), {}

    def both(self, b: Batch) -> tuple[dict[str, Tensor], Aux]:
        """Both players' losses from one pass of each network: a sixth fewer passes than in two turns."""
        real, fake = self.verdicts(b, self.seen(b, b["x"]), self.seen(b, self.made(b)))
        loss, aux = self.rejection(real, fake)
        return {"G": self.persuasion(fake), "D": loss}, aux

    def rejection(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Aux]:
        """The discriminator's objective, and what it thinks on average."""
        loss = adversarial.discriminator(real, fake, self.config.label_smoothing)
        thinks = {"D(x)": precise(real).sigmoid().mean(), "D(G(z))": precise(fake).sigmoid().mean()}
        return loss, thinks | self.heard(real, fake)

    def persuasion(self, fake: Tensor) -> Tensor:
        """The generator's objective."""
        if self.config.loss == "minimax":
            return adversarial.minimax_generator(fake)
        return adversarial.non_saturating_generator(fake)


@dataclass(frozen=True)
class GANConfig(MinimaxRules, TwoPlayerConfig):
    """Settings of the original GAN: the paper's fully connected networks."""

    batch: int = setting(100, "samples a turn takes", CODE, low=2)
    z_dim: int = setting(100, "dimensions of the latent", CODE, low=1)
    width: int = setting(1200, "hidden units of the generator", CODE, low=1)
    depth: int = setting(2, "hidden layers", CODE, low=1, high=16)
    maxout_units: int = setting(240, "hidden units of the discriminator's maxout layers; 0 = no maxout", CODE, low=0)
    maxout_pieces: int = setting(5, "affine maps of which a maxout unit is the largest", CODE, low=2)
    dropout_input: float = setting(0.2, "dropout of the discriminator's input", CODE, low=0, high=0.9)
    dropout: float = setting(0.5, "dropout of the discriminator's hidden units", CODE, low=0, high=0.9)
    init_range: float = setting(0.05, "the generator's weights start uniform in ± this; 0 = PyTorch's", CODE, low=0)
    init_range_d: float = setting(0.005, "the same of the discriminator", CODE, low=0)
    opt_g: Optimizer = setting(Optimizer(), "the generator's optimizer", "as dcgan")
    opt_d: Optimizer = setting(Optimizer(), "the discriminator's optimizer", "as dcgan")
    max_norm_d: float = setting(1.9365, "largest norm of the weights into a unit of the discriminator", CODE, above=0)


class GAN(Minimax):
    """The minimax game between fully connected networks."""

    Config = GANConfig
    presets = {
        "tiny": {"width": 16, "z_dim": 8, "batch": 16, "maxout_units": 8, "maxout_pieces": 2},
        "sgd": {
            **{f"opt_{p}.kind": "sgd" for p in "gd"},
            **{f"opt_{p}.momentum": 0.5 for p in "gd"},
            "opt_g.lr": 0.1,
            "opt_d.lr": 0.05,  # the published 0.1 is on half of this loss
        },
    }

    def networks(self, c: Any, data: DataSpec) -> tuple[nn.Module, nn.Module]:
        generator = mlp.Generator(data.shape, c.z_dim, c.width, c.depth, c.act_g, c.leak)
        units, pieces = (c.maxout_units, c.maxout_pieces) if c.maxout_units else (c.width, 1)
        critic = mlp.Discriminator(data.shape, units, c.depth, c.act_d, c.leak, pieces, c.dropout_input, c.dropout)
        for net, limit in ((generator, c.init_range), (critic, c.init_range_d)):
            if limit:
                uniform_init(net, limit)
        return generator, critic

    @torch.no_grad()
    def after(self, turn: Turn, aux: Aux) -> Batch:
        if "D" in turn.players:
            for m in self.D.modules():
                if isinstance(m, nn.Linear):
                    m.weight.copy_(torch.renorm(m.weight, 2, 0, self.config.max_norm_d))
        return super().after(turn, aux)

    @classmethod
    def for_points(cls) -> dict[str, Any]:
        plain = {"maxout_units": 0, "dropout_input": 0.0, "dropout": 0.0}
        plain |= {"init_range": 0.0, "init_range_d": 0.0, "max_norm_d": 1e6}
        return super().for_points() | plain
