r"""BEGAN: boundary equilibrium GAN (Berthelot, Schumm and Metz 2017, arXiv:1703.10717).

The discriminator is an autoencoder, and L(v) = |v − D(v)| is its loss by pixel (Eq. 1). It learns to reconstruct reals
and not fakes; the generator makes images that it reconstructs; a controller keeps E L(G(z)) = γ E L(x):

    L_D = L(x) − k_t L(G(z)),     L_G = L(G(z)),
    k_{t+1} = k_t + λ_k (γ L(x) − L(G(z))), kept in [0, 1]                                 (§3.4)
    M = L(x) + |γ L(x) − L(G(z))|                                                          (§3.4.1)

γ trades variety (high) against quality (low); M falls as training converges and is logged as `convergence`. Networks
are Table 2 of the seed blog, settings its Table 3. As there, the mean μ and covariance Σ of the encoder's descriptors
of real images are kept, and the generator's inputs are drawn from N(μ, Σ); before the first descriptors are known, from
N(0, 1). The preset `paper` draws them uniformly from [−1, 1] instead, in the paper's batches of 16, with a linear last
layer; `narrow` is half as wide, for images of 32 on small machines, and its carry vanishes in 1,500 rounds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from ganvas.config import setting
from ganvas.errors import UserError
from ganvas.game import Aux, Batch, DataSpec, Game, Progress, Turn
from ganvas.games.two_player import FromLatents
from ganvas.losses import energies, precise
from ganvas.moments import RunningMoments
from ganvas.networks import began
from ganvas.networks.layers import normal_init
from ganvas.optim import Optimizer
from ganvas.priors import Gaussian, Prior

PAPER = "Berthelot et al. 2017, "
TABLE_2 = "Table 2 of the seed blog"
TABLE_3 = "Table 3 of the seed blog"
ADAM = Optimizer(lr=1e-4, beta1=0.5, beta2=0.999)


@dataclass(frozen=True)
class BEGANConfig:
    """Settings of BEGAN."""

    batch: int = setting(48, "images a turn takes", TABLE_3, low=2)
    z_dim: int = setting(64, "dimensions of the descriptor", TABLE_3, low=1)
    prior: Literal["descriptors", "uniform"] = setting(
        "descriptors", "the generator's inputs: N(μ, Σ) of the descriptors of reals, or [-1, 1]", "the seed blog"
    )
    window: int = setting(100, "batches over which μ and Σ run", "the blog gives none", low=1)
    gamma: float = setting(0.5, "γ, the diversity ratio E L(G(z)) / E L(x)", "the seed blog", low=0, high=1)
    k_lr: float = setting(0.001, "λ_k, the gain of the controller", PAPER + "§3.4", low=0)
    k_0: float = setting(0.0, "where k_t starts", PAPER + "§3.4", low=0, high=1)
    updates: Literal["alternating", "simultaneous"] = setting(
        "alternating", "whether the generator's turn sees the discriminator's step, or both move at once"
    )
    width: int = setting(128, "channels of the first layer and of the decoders", TABLE_2, low=1)
    last: Literal["elu", "linear"] = setting("elu", "the decoders' last layer", TABLE_2)
    carry_steps: int = setting(16000, "rounds in which the residuals vanish; 0 = none", PAPER + "§3.5.1", low=0)
    init_std: float = setting(0.02, "standard deviation of the initial weights", TABLE_3, above=0)
    opt_g: Optimizer = setting(ADAM, "the generator's optimizer", TABLE_3)
    opt_d: Optimizer = setting(ADAM, "the discriminator's optimizer", TABLE_3)


class BEGAN(FromLatents, Game):
    """A decoder against an autoencoder, held in balance by proportional control."""

    Config = BEGANConfig
    judges = "score"
    presets = {
        "tiny": {"width": 8, "z_dim": 8, "batch": 16, "carry_steps": 8},
        "narrow": {"width": 64, "carry_steps": 1500},
        "paper": {"prior": "uniform", "batch": 16, "last": "linear"},
    }
    k: Tensor
    on_real: Tensor

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        c, size = config, (data.shape, config.z_dim, config.width)
        self.moments = RunningMoments(c.z_dim, c.window)
        self.prior = Prior(c.z_dim, "uniform") if c.prior == "uniform" else Gaussian(c.z_dim, moments=self.moments)
        self.G = began.Decoder(*size, last_elu=c.last == "elu")
        self.D = began.Autoencoder(*size, last_elu=c.last == "elu")
        for net in (self.G, self.D):
            normal_init(net, c.init_std)
        self.fade(1.0 if c.carry_steps else 0.0)
        self.players = {
            "G": self.player(self.G, c.opt_g.build(self.G), averaged=True),
            "D": self.player(self.D, c.opt_d.build(self.D)),
        }
        self.register_buffer("k", torch.tensor(float(c.k_0)))
        self.register_buffer("on_real", torch.tensor(0.0))
        if c.updates == "simultaneous":
            self.turns = [Turn(("G", "D"), self.both)]
        else:
            self.turns = [Turn(("D",), self.discriminator), Turn(("G",), self.generator)]

    def begin(self, progress: Progress) -> None:
        steps = self.config.carry_steps
        self.fade(max(0.0, 1 - progress.round / steps) if steps else 0.0)

    def fade(self, carry: float) -> None:
        """Sets the carry of the vanishing residuals in both players."""
        for m in self.modules():
            if isinstance(m, began.Vanishing):
                m.fade(carry)

    def discriminator(self, b: Batch) -> tuple[Tensor, Aux]:
        with torch.no_grad():
            fake = self.G(b.noise(self.prior))
        loss, _, aux = self.balance(b["x"], fake)
        return loss, aux

    def generator(self, b: Batch) -> tuple[Tensor, Aux]:
        fake = self.G(b.noise(self.prior))
        loss = energies.absolute(fake, self.D(fake)).mean()
        return loss, {"L(G(z))": loss}

    def both(self, b: Batch) -> tuple[dict[str, Tensor], Aux]:
        """Both players' losses from one pass of each network, as in the paper's training step."""
        of_d, of_g, aux = self.balance(b["x"], self.G(b.noise(self.prior)))
        return {"G": of_g, "D": of_d}, aux | {"L(G(z))": of_g}

    def balance(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor, Aux]:
        """L_D, L(G(z)), and what `after` needs to know, from one pass of the autoencoder over reals and fakes."""
        images = torch.cat([real.to(fake.dtype), fake])
        descriptors = self.D.encoder(images)
        energy = energies.absolute(images, self.D.decoder(descriptors))
        on_real, on_fake = (e.mean() for e in energy.chunk(2))
        return on_real - self.k * on_fake, on_fake, {"L(x)": on_real, "descriptors": precise(descriptors[: len(real)])}

    @torch.no_grad()
    def after(self, turn: Turn, aux: Aux) -> Batch:
        if "L(x)" in aux:
            self.moments.update(aux["descriptors"])
            self.on_real.copy_(aux["L(x)"])
        if "L(G(z))" in aux:
            off = self.config.gamma * self.on_real - aux["L(G(z))"]
            self.k.add_(self.config.k_lr * off).clamp_(0, 1)
            aux |= {"k_t": self.k.clone(), "convergence": self.on_real + off.abs()}
        return Batch()

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Descriptors [n, z_dim], float32, of images [n, *shape] in [−1, 1]; the generator's inputs are such, too.

        Raises:
            UserError: `prior` is `uniform`, so that they are not.
        """
        if self.config.prior == "uniform":
            raise UserError(
                f"{self.name} with --prior uniform draws the generator's inputs from [-1, 1], so no picture can be "
                "named by its descriptor; train with --prior descriptors."
            )
        return torch.cat([self.D.encoder(part) for part in x.to(self.device).split(256)]).float()

    @torch.no_grad()
    def decode(self, h: Tensor) -> Tensor:
        """The autoencoder's images [n, *shape] in [−1, 1] of descriptors [n, z_dim]."""
        return torch.cat([self.D.decoder(part) for part in h.to(self.device).split(256)]).float().clamp(-1, 1)

    def latent_moments(self) -> tuple[Tensor, Tensor]:
        """μ [z_dim] and Σ [z_dim, z_dim] of the descriptors of real images, which the generator's inputs share."""
        if self.config.prior == "uniform":
            raise UserError(
                f"{self.name} with --prior uniform draws the generator's inputs from [-1, 1], not from its "
                "descriptors: they have no covariance to follow; train with --prior descriptors."
            )
        if not self.moments.known:
            raise UserError(
                f"{self.name} has seen no images yet, so its descriptors' covariance is not known; train it."
            )
        return self.moments.mean.clone(), self.moments.cov.clone()

    @torch.no_grad()
    def judge(self, x: Tensor) -> Tensor:
        """[n]: −L(x), which is higher for images that the autoencoder reconstructs better."""
        x = x.to(self.device)
        return -energies.absolute(x, self.D(x))

    @classmethod
    def check(cls, config: Any, data: DataSpec) -> None:
        if not data.is_image:
            raise UserError(f"{cls.name} makes images, not the points of a 2-D world; try ebgan.")
        if data.size not in began.SIZES or data.shape[1] != data.shape[2]:
            raise UserError(
                f"{cls.name} cannot make images of {data.shape[1]}×{data.shape[2]}: its encoder halves a square of "
                f"side {', '.join(map(str, began.SIZES))} down to 8×8; use --size {cls.size_for(data.size, config)}."
            )

    @classmethod
    def size_for(cls, native: int, config: Any) -> int:
        return next((s for s in began.SIZES if s >= native), began.SIZES[-1])

    @classmethod
    def defaults(cls, data: DataSpec) -> Any:
        """The blog's settings; below 32 pixels half of Table 2's channels, as dcgan has of Table 1's."""
        return replace(cls.Config(), width=64) if data.is_image and data.size < 32 else cls.Config()
