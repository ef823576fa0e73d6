r"""R3GAN (Huang, Gokaslan, Kuleshov and Tompkin 2024, arXiv:2501.05441), configuration E.

Every real sample is paired with a generated one, and only their difference counts: D says which of the two is the real
one, so that G cannot win by leaving modes out. Penalties on both make the game converge locally (Theorem 1).

    L_D = E softplus(−(D(x) − D(G(z)))) + γ/2 E ‖∇D(x)‖² + γ/2 E ‖∇D(G(z))‖²              (R1 and R2, in every turn)
    L_G = E softplus(−(D(G(z)) − D(x)))

Networks are plain residual ones without any normalisation (`ganvas.networks.r3gan`). Adam has no momentum; in a
burn-in, cosines lead from a coarse game to a fine one: learning rates fall from 2e-4 to 5e-5, γ to a tenth, β₂ rises
from 0.9 to 0.99, and the half-life of the average from 0 to what it is set to. The authors' burn-in takes 20,000 kimg;
`burn_in_kimg` = 0 gives it half the schedule, so that shorter runs go through all of it.

D moves first. Both turns see the same reals, each against fakes of its own; the authors draw fresh reals for G's turn.
Value and penalty are of one pass over real and fake, in full precision, at what D sees: the gradient passes through
augmentation. The authors' p of adaptive augmentation, which rises to 0.3 (0.55 on CIFAR-10), is not part of the game.

Settings of γ and batch are those of the authors' nearest preset: `cifar` for CIFAR-10 (theirs is told the class:
`--condition labels`), `ffhq-64`, `ffhq-256`; at 128 pixels, for which they have none, γ is between those of 64 and 256.
Without a preset batches are smaller, for one device. `narrow` is for small machines and short runs: a quarter of the
channels at 4×4 and a thirty-second from 32×32 on, one block a stage, batches of 8, larger steps, β₂ = 0.99 throughout.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganvas.conditions import Kind
from ganvas.config import setting
from ganvas.errors import UserError
from ganvas.game import Aux, Batch, DataSpec, Progress, Turn
from ganvas.games.adaptive import ShownConfig
from ganvas.games.two_player import TwoPlayer, demand_images
from ganvas.losses import adversarial
from ganvas.losses.penalties import scored
from ganvas.networks.r3gan import Discriminator, Generator, stages, widths
from ganvas.optim import Optimizer

PAPER = "Huang et al. 2024, configuration E"
GAMMAS = {32: 0.05, 64: 2.0, 128: 17.0, 256: 150.0}
"""γ by the side of the image: CIFAR-10's, FFHQ's of 64 and 256 pixels, and their geometric mean at 128."""
FULL = {"width": 768, "base": 24576, "blocks": 2, "group": 16, "burn_in_kimg": 20000.0}
LARGEST = 1024


@dataclass(frozen=True)
class R3GANConfig(ShownConfig):
    """Settings of R3GAN; defaults are those for FFHQ of 256×256."""

    batch: int = setting(256, "images a turn takes", PAPER, low=2)
    z_dim: int = setting(64, "dimensions of the latent", PAPER, low=1)
    prior: Literal["normal"] = setting("normal", "what latents are drawn from", PAPER)
    width: int = setting(768, "most channels of a stage", PAPER, low=1)
    base: int = setting(24576, "a stage of side s has base / s channels, up to width", PAPER, low=1)
    blocks: int = setting(2, "residual blocks of a stage", PAPER, low=1)
    expansion: int = setting(2, "how many times as many channels a block has inside", PAPER, low=1)
    group: int = setting(16, "channels of a group of the 3×3 convolutions, or a divisor of it", PAPER, low=1)
    condition: Kind = setting("none", "what both players are told; auto = labels and attributes, as there are")
    gamma: float = setting(150.0, "γ, the weight of R1 and of R2, at first", PAPER, low=0)
    gamma_left: float = setting(0.1, "what the burn-in leaves of γ", PAPER, low=0)
    lr_left: float = setting(0.25, "what the burn-in leaves of the learning rates", PAPER, low=0)
    beta2_end: float = setting(0.99, "Adam's β₂ after the burn-in", PAPER, low=0, high=0.99999)
    burn_in_kimg: float = setting(0.0, "length of the burn-in; 0 = half the schedule", f"{PAPER}: 20,000", low=0)
    opt_g: Optimizer = setting(Optimizer(lr=2e-4, beta1=0.0, beta2=0.9), "the generator's optimizer, at first", PAPER)
    opt_d: Optimizer = setting(
        Optimizer(lr=2e-4, beta1=0.0, beta2=0.9), "the discriminator's optimizer, at first", PAPER
    )


class R3GAN(TwoPlayer):
    """Two residual networks that mirror each other, a relativistic loss of pairs, and R1 and R2 in every turn."""

    Config = R3GANConfig
    presets = {
        "tiny": {"width": 8, "base": 64, "z_dim": 8, "blocks": 1, "group": 4, "batch": 16},
        "narrow": {
            "width": 192, "base": 768, "blocks": 1, "group": 8, "batch": 8,
            "opt_g.lr": 1.5e-3, "opt_d.lr": 1.5e-3, "opt_g.beta2": 0.99, "opt_d.beta2": 0.99,
        },
        "cifar": {"batch": 512, "gamma": 0.05, **FULL},
        "ffhq-64": {"batch": 256, "gamma": 2.0, **FULL},
        "ffhq-256": {"batch": 256, "gamma": 150.0, **FULL},
    }  # fmt: skip
    preset_settings = {
        "cifar": {"ema_halflife_kimg": 5000.0, "ema_rampup": 0.0},
        "ffhq-64": {"ema_halflife_kimg": 500.0, "ema_rampup": 0.0},
        "ffhq-256": {"ema_halflife_kimg": 500.0, "ema_rampup": 0.0},
    }
    judges = "score"
    zero: float | None = None
    gamma: Tensor
    """γ now; `begin` writes it."""

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        self.register_buffer("gamma", torch.tensor(float(config.gamma)))
        self.turns = [Turn(("D",), self.discriminator), Turn(("G",), self.generator)]

    def networks(self, c: Any, data: DataSpec) -> tuple[nn.Module, nn.Module]:
        channels, k = widths(data.size, c.width, c.base), self.condition.dim
        return (
            Generator(data.channels, c.z_dim, k, channels, c.blocks, c.expansion, c.group),
            Discriminator(data.channels, k, channels[::-1], c.blocks, c.expansion, c.group),
        )

    # Turns

    def discriminator(self, b: Batch) -> tuple[Tensor, Aux]:
        with torch.no_grad():
            fake = self.made(b).to(b["x"].dtype)
        told = [torch.cat([c, c]) for c in self.shown(b)]

        def verdicts(x: Tensor) -> Tensor:
            return self.D(torch.cat([self.seen(b, half) for half in x.chunk(2)]), *told)

        scores, slopes = scored(verdicts, torch.cat([b["x"], fake]))
        (real, fake), (r1, r2) = scores.chunk(2), slopes.view(2, -1).mean(1)
        loss = adversarial.relativistic_pairing_discriminator(real, fake) + self.gamma / 2 * (r1 + r2)
        aux = {"lead": (real - fake).mean(), "R1": r1, "R2": r2, "gamma": self.gamma.clone()}
        return loss, aux | self.told(b) | self.heard(real, fake)

    def generator(self, b: Batch) -> tuple[Tensor, Aux]:
        fake = self.verdict(b)
        with torch.no_grad():
            real = self.D(self.seen(b, b["x"]), *self.shown(b))
        return adversarial.relativistic_pairing_generator(real, fake), {}

    # The burn-in

    def burnt_in(self, progress: Progress) -> float:
        """How much of the burn-in is over, from 0 to 1, along a cosine."""
        length = self.config.burn_in_kimg or progress.schedule_kimg / 2
        over = min(progress.kimg / length, 1.0) if length > 0 else 1.0
        return (1 - math.cos(math.pi * over)) / 2

    def averaging_at(self, progress: Progress) -> float:
        return self.burnt_in(progress)

    @torch.no_grad()
    def begin(self, progress: Progress) -> None:
        """Sets γ, learning rates and β₂."""
        super().begin(progress)
        c, t = self.config, self.burnt_in(progress)
        self.gamma.fill_(c.gamma * (1 + t * (c.gamma_left - 1)))
        for p, opt in ((self.players["G"], c.opt_g), (self.players["D"], c.opt_d)):
            for group in p.opt.param_groups:
                group["initial_lr"] = opt.lr * (1 + t * (c.lr_left - 1))
                if "betas" in group:
                    group["betas"] = (float(opt.beta1), opt.beta2 + t * (c.beta2_end - opt.beta2))

    # What it is built for

    @classmethod
    def check(cls, config: Any, data: DataSpec) -> None:
        demand_images(config, data, cls.name)
        if not stages(data.size) or data.size > LARGEST or data.shape[1] != data.shape[2]:
            raise UserError(
                f"{cls.name} cannot make images of {data.shape[1]}×{data.shape[2]}: it doubles 4×4 up to a square of "
                f"side 8, 16 and so on, up to {LARGEST}; use --size {cls.size_for(max(data.shape[1:]), config)}."
            )

    @classmethod
    def size_for(cls, native: int, config: Any) -> int:
        return min(max(8, 1 << (native - 1).bit_length()), LARGEST)

    @classmethod
    def defaults(cls, data: DataSpec) -> Any:
        """γ of the authors' nearest preset, batches for one device, and small networks below 32 pixels."""
        if not data.is_image:
            return cls.Config()
        side = next((s for s in GAMMAS if s >= data.size), 256)
        c = replace(cls.Config(), gamma=GAMMAS[side], batch=64 if side <= 64 else 32)
        return replace(c, width=64, base=1024, blocks=1, group=8) if data.size < 32 else c
