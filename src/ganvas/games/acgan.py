r"""Auxiliary classifier GAN (Odena, Olah and Shlens 2016, arXiv:1610.09585).

The generator is told a class; the discriminator is not, but has to name it, besides telling real from fake:

    L_S = E log P(real | x) + E log P(fake | G(z, c)),                                     (Eq. 2)
    L_C = E log P(c | x) + E log P(c | G(z, c));                                           (Eq. 3)

D maximises L_S + L_C, and G maximises L_C − L_S (here in the non-saturating form of L_S, as in practice). So a class
that D cannot tell is punished, and what D tells most easily is overdone: its samples are often the surest of their
class rather than the most varied (Shu et al. 2017). Attributes are told, too: words as classes, numbers by squares.

The networks are DCGAN's of Table 1 of the seed blog with the paper's latent of 110 numbers and batches of 100; the
paper's own networks for CIFAR-10 and ImageNet differ for each set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ganvas.conditions import Kind
from ganvas.config import setting
from ganvas.errors import UserError
from ganvas.game import Aux, Batch, DataSpec
from ganvas.games.gan import Minimax, MinimaxRules
from ganvas.games.two_player import ConvolutionalConfig, is_convolutional

APPENDIX = "Odena et al. 2016, appendix"


@dataclass(frozen=True)
class ACGANConfig(MinimaxRules, ConvolutionalConfig):
    """Settings of AC-GAN."""

    condition: Kind = setting("auto", "what the generator is told; auto = labels and attributes, as there are")
    batch: int = setting(100, "images a turn takes", APPENDIX, low=2)
    z_dim: int = setting(110, "dimensions of the latent", APPENDIX, low=1)
    class_weight_g: float = setting(1.0, "weight of L_C for the generator", "Eq. 3", low=0)
    class_weight_d: float = setting(1.0, "weight of L_C for the discriminator", "Eq. 3", low=0)
    tell_fakes: bool = setting(True, "whether the discriminator also learns to name the classes of fakes", "Eq. 3")


class ACGAN(Minimax):
    """A generator that is asked for a class, and a discriminator that names it."""

    Config = ACGANConfig
    presets = {
        "tiny": Minimax.presets["tiny"],
        "narrow": {"batch": 64, "width": 32},
    }

    def networks(self, c: Any, data: DataSpec) -> tuple[nn.Module, nn.Module]:
        return self.convolutional(c, data.shape, self.condition.dim, outputs=1 + self.condition.dim)

    def shown(self, b: Batch) -> list[Tensor]:
        return []

    def discriminator(self, b: Batch) -> tuple[Tensor, Aux]:
        return self.told_apart(b, *self.verdicts(b, *self.pair(b)))

    def generator(self, b: Batch) -> tuple[Tensor, Aux]:
        return self.convincing(b, self.verdict(b))

    def both(self, b: Batch) -> tuple[dict[str, Tensor], Aux]:
        real, fake = self.verdicts(b, self.seen(b, b["x"]), self.seen(b, self.made(b)))
        loss, aux = self.told_apart(b, real, fake)
        of_g, more = self.convincing(b, fake)
        return {"G": of_g, "D": loss}, aux | more

    def told_apart(self, b: Batch, real: Tensor, fake: Tensor) -> tuple[Tensor, Aux]:
        """The discriminator's objective, of its answers [B, 1 + c_dim]."""
        loss, aux = self.rejection(real[:, 0], fake[:, 0])
        (c,) = self.given(b)
        on_real = self.condition.errors(real[:, 1:], c).mean()
        errors = on_real + self.condition.errors(fake[:, 1:], c).mean() if self.config.tell_fakes else on_real
        if self.condition.names:
            right = real[:, 1 : 1 + self.conditions].argmax(1) == c[:, : self.conditions].argmax(1)
            aux["accuracy"] = right.float().mean()
        return loss + self.config.class_weight_d * errors, aux | {"class_error": on_real} | self.told(b)

    def convincing(self, b: Batch, fake: Tensor) -> tuple[Tensor, Aux]:
        """The generator's objective."""
        error = self.condition.errors(fake[:, 1:], *self.given(b)).mean()
        return self.persuasion(fake[:, 0]) + self.config.class_weight_g * error, {"class_error/G": error}

    @torch.no_grad()
    def judge(self, x: Tensor, labels: Any = None) -> Tensor:
        """[n]: the probability that a sample is real, whatever its class."""
        return self.D(x.to(self.device))[:, 0].float().sigmoid()

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor:
        """Logits [n, K], float32, of the classes of samples [n, *shape]."""
        if not self.condition.names:
            raise UserError(f"{self.name} was trained on attributes alone and tells no classes apart.")
        return self.D(x.to(self.device))[:, 1 : 1 + self.conditions].float()

    @classmethod
    def check(cls, config: Any, data: DataSpec) -> None:
        super().check(config, data)
        if not is_convolutional(config):
            raise UserError(f"{cls.name}: its discriminator is convolutional; leave --network mlp out.")
        if config.condition == "none":
            raise UserError(f"{cls.name} needs a condition; leave --condition none out, or play dcgan.")
