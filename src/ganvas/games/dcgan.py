"""Deep convolutional GAN (Radford, Metz and Chintala 2015, arXiv:1511.06434).

The game is Goodfellow's with the non-saturating loss; what is new are the players: strided convolutions instead of
pooling, BatchNorm in both (not on the discriminator's input nor the generator's output), ReLU and tanh in the
generator, leaky ReLU in the discriminator, Adam with β₁ = 0.5. Defaults are Tables 1 and 3 of the seed blog: 5×5
kernels, a latent of 128 uniform numbers, 36.6 M parameters at 64×64. The preset `paper` is the paper's latent of
100; `small` is for 100 to 1,000 images: narrow, with adaptive augmentation (docs/small-data.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ganvas.games.gan import Minimax, MinimaxRules
from ganvas.games.two_player import ConvolutionalConfig


@dataclass(frozen=True)
class DCGANConfig(MinimaxRules, ConvolutionalConfig):
    """Settings of DCGAN."""


class DCGAN(Minimax):
    """Goodfellow's game between convolutional networks."""

    Config = DCGANConfig
    presets = Minimax.presets | {
        "paper": {"z_dim": 100},
        "narrow": {"batch": 64, "width": 32},
        "small": {"batch": 32, "width": 32, "ada": "bgc", "ada_kimg": 10.0},
    }
    preset_augment: ClassVar[dict[str, str]] = {"small": "mirror"}
