r"""Conditional generative adversarial nets (Mirza and Osindero 2014, arXiv:1411.1784).

    min_G max_D V(D, G) = E log D(x|c) + E log(1 − D(G(z|c)))                              (Eq. 2)

Goodfellow's game, in which both players are told a condition c: a class, attributes, or both. Here the fakes of a turn
are made for the conditions of its reals. The networks are the paper's for MNIST, fully connected: latent and condition,
image and condition go through layers of their own before they are joined. With `--network dcgan` they are
convolutional, and the condition is concatenated to the latent and, as planes, to the image; that is the default for
images of 32 pixels and more, or in colour, of which the paper has none.

Of the paper's training the rates of dropout and the momentum schedule are those of `gan`: its SGD diverges with images
in [−1, 1] (docs/log.md), so the optimizer is Adam. The paper's generator has no normalisation; without BatchNorm ours
made one image of a class, and of the wrong class (docs/log.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor, nn

from ganvas.conditions import Kind
from ganvas.config import setting
from ganvas.game import Aux, Batch, DataSpec
from ganvas.games.gan import Minimax, MinimaxRules
from ganvas.games.two_player import ConvolutionalConfig
from ganvas.networks import mlp
from ganvas.optim import Optimizer

SECTION = "§4.1 of Mirza and Osindero 2014"


@dataclass(frozen=True)
class CGANConfig(MinimaxRules, ConvolutionalConfig):
    """Settings of the conditional GAN."""

    condition: Kind = setting("auto", "what both players are told; auto = labels and attributes, as there are")
    batch: int = setting(100, "images a turn takes", SECTION, low=2)
    z_dim: int = setting(100, "dimensions of the latent", SECTION, low=1)
    network: Literal["dcgan", "mlp"] = setting("mlp", "the paper's fully connected networks, or convolutional ones")
    width_z: int = setting(200, "mlp: the generator's units for the latent", SECTION, low=1)
    width_c: int = setting(1000, "mlp: the generator's units for the condition", SECTION, low=1)
    width_joint: int = setting(1200, "mlp: the generator's units for both", SECTION, low=1)
    maxout_units: int = setting(240, "mlp: the discriminator's maxout units", SECTION, low=1)
    maxout_units_c: int = setting(50, "mlp: the discriminator's maxout units for the condition", SECTION, low=1)
    dropout: float = setting(0.5, "mlp: dropout of the discriminator's hidden units", SECTION, low=0, high=0.9)
    dropout_g: float = setting(0.0, "mlp: dropout of the generator's hidden units; the paper's 0.5", low=0, high=0.9)
    opt_g: Optimizer = setting(Optimizer(), "the generator's optimizer", "as dcgan")
    opt_d: Optimizer = setting(Optimizer(), "the discriminator's optimizer", "as dcgan")


class CGAN(Minimax):
    """Goodfellow's game between networks that are told a condition."""

    Config = CGANConfig
    presets = {
        "tiny": {
            "width": 8, "z_dim": 8, "batch": 16, "width_z": 8, "width_c": 8, "width_joint": 16, "maxout_units": 8,
            "maxout_units_c": 4,
        },
        "dcgan": {"network": "dcgan", "batch": 128},
        "narrow": {"network": "dcgan", "batch": 64, "width": 32},
    }  # fmt: skip

    def networks(self, c: Any, data: DataSpec) -> tuple[nn.Module, nn.Module]:
        k = self.condition.dim
        if c.network == "mlp":
            # PyTorch's initial weights, which shrink with a layer's inputs: of one size for all, as DCGAN has them, the
            # few numbers of a condition would drown in those of the image, and the labels be learnt wrongly or not.
            return (
                mlp.JointGenerator(data.shape, c.z_dim, k, c.width_z, c.width_c, c.width_joint, c.dropout_g, c.norm_g),
                mlp.JointDiscriminator(data.shape, k, c.maxout_units, c.maxout_units_c, c.dropout),
            )
        return self.convolutional(c, data.shape, k)

    def discriminator(self, b: Batch) -> tuple[Tensor, Aux]:
        loss, aux = super().discriminator(b)
        return loss, aux | self.told(b)

    @classmethod
    def exemptions(cls, config: Any) -> dict[str, str]:
        if config.network == "mlp" and config.norm_g == "batch":
            return {"accumulation": "BatchNorm's statistics are those of each micro-batch (norm_g = batch)"}
        return super().exemptions(config)

    @classmethod
    def defaults(cls, data: DataSpec) -> Any:
        if data.channels == 1 and data.size < 32:
            fast = Optimizer(lr=1e-3)  # at 2e-4 it takes several times as long (docs/log.md)
            return replace(cls.Config(), opt_g=fast, opt_d=fast)
        return replace(super().defaults(data), network="dcgan")
