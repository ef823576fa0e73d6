"""What SNGAN and BigGAN share: residual networks, spectral normalisation, and the hinge or the non-saturating loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ganvas.conditions import Kind
from ganvas.config import setting
from ganvas.errors import UserError
from ganvas.game import Aux, Batch, DataSpec, Turn
from ganvas.games.adaptive import ShownConfig
from ganvas.games.two_player import TwoPlayer, demand_images
from ganvas.losses import adversarial, precise
from ganvas.networks import spectral
from ganvas.networks.resnet import Plan, initialise
from ganvas.optim import Optimizer


@dataclass(frozen=True)
class ResidualConfig(ShownConfig):
    """Settings of two residual networks; defaults are SNGAN's."""

    batch: int = setting(64, "images a turn takes", "Miyato et al. 2018", low=2)
    z_dim: int = setting(128, "dimensions of the latent", "Miyato et al. 2018", low=1)
    prior: Literal["normal", "uniform"] = setting("normal", "what latents are drawn from", "Miyato et al. 2018")
    width: int = setting(64, "channels where a plan says 1", "Miyato et al. 2018", low=1)
    condition: Kind = setting("none", "what both players are told; auto = labels and attributes, as there are")
    loss: Literal["hinge", "non-saturating"] = setting("hinge", "what the players minimise", "Miyato et al. 2018")
    d_steps: int = setting(5, "discriminator steps for each of the generator", "Miyato et al. 2018", low=1)
    attention: int = setting(
        0, "side of the feature map after which both have self-attention, at most half the image's; 0 = none", low=0
    )
    norm_g: Literal["batch", "layer", "none"] = setting("batch", "normalisation in the generator")
    opt_g: Optimizer = setting(Optimizer(beta1=0.0, beta2=0.9), "the generator's optimizer", "Miyato et al. 2018")
    opt_d: Optimizer = setting(Optimizer(beta1=0.0, beta2=0.9), "the discriminator's optimizer", "Miyato et al. 2018")


class Residual(TwoPlayer):
    """A residual generator against a residual discriminator; both may be told a condition."""

    Config: ClassVar[type] = ResidualConfig
    plans: ClassVar[dict[int, Plan]]
    """The networks, by the side of the image."""
    eps: ClassVar[float] = 1e-12
    """Below which a norm in a power iteration counts as it."""

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        self.judges = "score" if config.loss == "hinge" else "probability"
        self.turns = [Turn(("D",), self.discriminator, repeat=config.d_steps), Turn(("G",), self.generator)]

    def ready(self, net: nn.Module, init: str) -> nn.Module:
        """The network with its initial weights, whose singular values are known."""
        initialise(net, init)
        spectral.iterate(net, spectral.SETTLING, self.eps)
        return net

    def discriminator(self, b: Batch) -> tuple[Tensor, Aux]:
        real, fake = self.verdicts(b, *self.pair(b))
        aux = self.told(b) | self.heard(real, fake)
        if self.config.loss == "hinge":
            return adversarial.hinge_discriminator(real, fake), {"D(x)": real.mean(), "D(G(z))": fake.mean()} | aux
        thinks = {"D(x)": precise(real).sigmoid().mean(), "D(G(z))": precise(fake).sigmoid().mean()}
        return adversarial.discriminator(real, fake), thinks | aux

    def generator(self, b: Batch) -> tuple[Tensor, Aux]:
        return self.persuasion(self.verdict(b)), {}

    def persuasion(self, fake: Tensor) -> Tensor:
        """The generator's objective: −E D(G(z)), or −E log σ(D(G(z)))."""
        if self.config.loss == "hinge":
            return adversarial.wasserstein_generator(fake)
        return adversarial.non_saturating_generator(fake)

    @torch.no_grad()
    def after(self, turn: Turn, aux: Aux) -> Batch:
        for name in turn.players:
            spectral.iterate(self.players[name].net, 1, self.eps)
        return super().after(turn, aux)

    @classmethod
    def check(cls, config: Any, data: DataSpec) -> None:
        demand_images(config, data, cls.name)
        if data.size not in cls.plans or data.shape[1] != data.shape[2]:
            raise UserError(
                f"{cls.name} cannot make images of {data.shape[1]}×{data.shape[2]}: it has networks for squares of "
                f"side {', '.join(map(str, cls.plans))}; use --size {cls.size_for(data.size, config)}."
            )
        plan = cls.plans[data.size]
        if config.attention and plan.attended(config.attention) not in plan.sides_up() + plan.sides_down():
            sides = sorted({*plan.sides_up(), *plan.sides_down()})
            raise UserError(
                f"{cls.name}: attention = {config.attention}, and the networks for {data.size}×{data.size} have "
                f"feature maps of side {', '.join(map(str, sides))}; give one of them up to {data.size // 2}, or 0."
            )

    @classmethod
    def defaults(cls, data: DataSpec) -> Any:
        return cls.Config()

    @classmethod
    def size_for(cls, native: int, config: Any) -> int:
        return next((s for s in cls.plans if s >= native), max(cls.plans))

    @classmethod
    def exemptions(cls, config: Any) -> dict[str, str]:
        if config.norm_g != "batch":
            return {}
        return {"accumulation": "BatchNorm's statistics are those of each micro-batch (norm_g = batch)"}
