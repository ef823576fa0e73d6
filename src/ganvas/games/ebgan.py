r"""Energy-based GAN (Zhao, Mathieu and LeCun 2016, arXiv:1609.03126).

The discriminator is an autoencoder, and a sample's energy D(x) its mean squared error. The energy of reals is lowered,
that of fakes raised until it reaches a margin m, from where they are left alone:

    L_D = E D(x) + E max(0, m − D(G(z))),     L_G = E D(G(z)) + λ f_PT                        (Eq. 1, 2)
    f_PT = 1/(N (N − 1)) Σ_i Σ_{j≠i} cos²(S_i, S_j),     S = Enc(G(z))                        (Eq. 4)

f_PT, the pulling-away term, turns the features of a batch's fakes away from each other (EBGAN-PT, λ = 0.1). The
discriminator is the appendix's for 64×64: three convolutions 4×4 of 64, 128 and 256 channels, mirrored; the generator
is DCGAN's.
The paper's margins (10 to 80) belong to its own scale; here an energy is a mean over pixels, whatever the size. Too
large a margin stalls the game: on digits, whose energy is 0.5 at the start, 0.1 and 0.2 learnt and 1.0 did not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ganvas.config import setting
from ganvas.errors import UserError
from ganvas.game import Aux, Batch, DataSpec, Turn
from ganvas.games.two_player import ConvolutionalConfig, TwoPlayer, is_convolutional
from ganvas.losses import energies
from ganvas.networks import dcgan, mlp
from ganvas.networks.layers import normal_init

APPENDIX = "Zhao et al. 2017, appendix"


@dataclass(frozen=True)
class EBGANConfig(ConvolutionalConfig):
    """Settings of EBGAN."""

    margin: float = setting(
        0.2,
        "m, the energy (squared error by pixel) fakes are raised to",
        "tried on digits; Eq. 1 leaves it open",
        above=0,
    )
    pull_away: float = setting(0.1, "λ, the weight of the pulling-away term; 0 = off", "§2.4", low=0)
    width_d: int = setting(64, "channels after the autoencoder's first layer", APPENDIX, low=1)
    width: int = setting(128, "channels before the generator's last layer; hidden units of an mlp", APPENDIX, low=1)
    kernel: int = setting(4, "side of the convolutions' kernels", APPENDIX, low=2, high=9)


class EBGAN(TwoPlayer):
    """A generator against an autoencoder."""

    Config = EBGANConfig
    D: dcgan.Autoencoder | mlp.Autoencoder
    judges = "score"
    presets = {"tiny": TwoPlayer.presets["tiny"] | {"width_d": 8}}

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        self.turns = [Turn(("D",), self.discriminator), Turn(("G",), self.generator)]

    def networks(self, c: Any, data: DataSpec) -> tuple[nn.Module, nn.Module]:
        generator, _ = super().networks(c, data)
        if not is_convolutional(c):
            return generator, mlp.Autoencoder(data.shape, c.width, c.depth, c.act_d, c.leak)
        critic = dcgan.Autoencoder(data.shape, c.width_d, c.max_width, c.kernel, c.norm_d, c.act_d, c.leak)
        normal_init(critic, c.init_std)
        return generator, critic

    def discriminator(self, b: Batch) -> tuple[Tensor, Aux]:
        real, fake = self.pair(b)
        on_real, on_fake = (
            energies.squared(x, y) for x, y in zip((real, fake), self.verdicts(b, real, fake), strict=True)
        )
        loss = energies.margin(on_real, on_fake, self.config.margin)
        return loss, {"D(x)": on_real.mean(), "D(G(z))": on_fake.mean()}

    def generator(self, b: Batch) -> tuple[Tensor, Aux]:
        fake = self.seen(b, self.G(b.noise(self.prior)))
        features = self.D.encoder(fake)
        energy = energies.squared(fake, self.D.decode(features)).mean()
        if not self.config.pull_away:
            return energy, {}
        parallel = energies.pulling_away(features)
        return energy + self.config.pull_away * parallel, {"pulling_away": parallel}

    @classmethod
    def for_points(cls) -> dict[str, Any]:
        return super().for_points() | {"margin": 1.0}

    @torch.no_grad()
    def judge(self, x: Tensor, labels: Any = None) -> Tensor:
        """[n]: minus the energy, which is higher for samples that look more real."""
        x = x.to(self.device)
        return -energies.squared(x, self.D(x))

    @classmethod
    def check(cls, config: Any, data: DataSpec) -> None:
        super().check(config, data)
        if config.ada:
            raise UserError(
                f"{cls.name}: ada asks whether D takes a real for real, and an energy has no such bound; "
                "use --diffaugment color,translation,cutout."
            )

    @classmethod
    def exemptions(cls, config: Any) -> dict[str, str]:
        found = super().exemptions(config)
        if config.pull_away:
            pairs = "the pulling-away term is about all pairs of a batch, and a micro-batch has fewer (pull_away > 0)"
            found["accumulation"] = "; ".join(filter(None, [found.get("accumulation"), pairs]))
        return found
