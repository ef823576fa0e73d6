r"""StyleGAN2 (Karras et al. 2020, arXiv:1912.04958; settings by size: Karras et al. 2020, arXiv:2006.06676).

Styles w = f(z) of a mapping network modulate every convolution of the generator g (`ganvas.networks.stylegan2`).

    L_G = E softplus(−D(g(w)))                          L_D = E softplus(−D(x)) + E softplus(D(g(w)))
    R1  = γ/2 E ‖∇D(x)‖²                                every 16 rounds
    PL  = 2 E (‖J_wᵀ y‖₂ − a)²,  y ~ N(0, I)            every 4 rounds, on every second sample      (Eq. 4)

a is a running mean of the lengths, 0.01 nearer to their mean after each such turn. A penalty that is taken every k
rounds counts k times, and Adam makes k + 1 steps for k rounds: lr · c and β ** c with c = k / (k + 1) (§3.1).

Nine of ten samples have a second w from a layer on that is drawn for each (mixing). `--truncation` ψ draws w towards
its running mean: w̄ + ψ (w − w̄). Images may be rectangular: the learned constant is of their shape.

Settings are those of the second paper's code for the size of the images (its `auto`, on one device); `paper` is
configuration F of the first, `cifar` the second's for CIFAR-10, `narrow` is for small machines, and
`small` for 100 to 1,000 images, which it augments (docs/small-data.md). `condition` tells
classes and attributes as the second does. The average is `--ema-halflife-kimg` batch · 10 / 32.

The authors' code takes the gradient through a, too, whose share in it is 0.01; here a rests during the turn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ganvas.conditions import Kind
from ganvas.config import setting
from ganvas.errors import UserError
from ganvas.game import Aux, Batch, DataSpec, Turn
from ganvas.games.adaptive import ShownConfig
from ganvas.games.styles import Styled
from ganvas.games.two_player import TwoPlayer, demand_images
from ganvas.losses import adversarial, precise
from ganvas.losses.penalties import path_lengths, zero_centred
from ganvas.networks.stylegan2 import LARGEST, SMALLEST, Discriminator, Generator, levels
from ganvas.optim import Optimizer

PAPER = "Karras et al. 2020 (StyleGAN2), configuration F"
ADA = "Karras et al. 2020 (StyleGAN2-ADA)"


@dataclass(frozen=True)
class StyleGAN2Config(ShownConfig):
    """Settings of StyleGAN2."""

    batch: int = setting(32, "images a turn takes", PAPER, low=2)
    z_dim: int = setting(512, "dimensions of the latent", PAPER, low=1)
    prior: Literal["normal"] = setting("normal", "what latents are drawn from", PAPER)
    w_dim: int = setting(512, "dimensions of a style", PAPER, low=1)
    mapping_layers: int = setting(8, "dense layers from latent to style", PAPER, low=1)
    channel_base: int = setting(32768, "channels times side: what a feature map has at most", PAPER, low=1)
    channel_max: int = setting(512, "channels at most", PAPER, low=1)
    condition: Kind = setting("none", "what both players are told; auto = labels and attributes, as there are")
    residual_d: bool = setting(True, "residual blocks in the discriminator, instead of plain ones", PAPER)
    stddev_group: int = setting(4, "samples over which the discriminator takes standard deviations", PAPER, low=1)
    mixing: float = setting(0.9, "probability that a sample mixes two styles", PAPER, low=0, high=1)
    r1_gamma: float = setting(10.0, "γ, the weight of R1", PAPER, low=0)
    r1_every: int = setting(16, "rounds from one R1 turn to the next", PAPER, low=1)
    path_weight: float = setting(2.0, "weight of the path length regularisation", PAPER, low=0)
    path_every: int = setting(4, "rounds from one path length turn to the next", PAPER, low=1)
    path_decay: float = setting(0.01, "what a turn's lengths count in their running mean", PAPER, low=0, high=1)
    w_beta: float = setting(0.995, "what the running mean of w keeps in a turn", PAPER, low=0, high=1)
    opt_g: Optimizer = setting(
        Optimizer(lr=2e-3, beta1=0.0, beta2=0.99), "the generator's optimizer, before its correction", PAPER
    )
    opt_d: Optimizer = setting(
        Optimizer(lr=2e-3, beta1=0.0, beta2=0.99), "the discriminator's optimizer, before its correction", PAPER
    )


class StyleGAN2(Styled, TwoPlayer):
    """A generator of modulated convolutions against a residual discriminator, both regularised lazily."""

    Config = StyleGAN2Config
    presets = {
        "tiny": {
            "channel_base": 64, "channel_max": 8, "z_dim": 8, "w_dim": 8, "mapping_layers": 2, "batch": 16,
            "r1_every": 2, "path_every": 2,
        },
        "narrow": {"batch": 8, "channel_base": 2048, "channel_max": 64, "z_dim": 128, "w_dim": 128, "r1_gamma": 0.1},
        "small": {
            "batch": 8, "channel_base": 2048, "channel_max": 64, "z_dim": 128, "w_dim": 128, "r1_gamma": 0.1,
            "ada": "bgc", "ada_kimg": 20.0,
        },
        "paper": {
            "batch": 32, "channel_base": 32768, "mapping_layers": 8, "r1_gamma": 10.0,
            "opt_g.lr": 2e-3, "opt_d.lr": 2e-3,
        },
        "cifar": {
            "batch": 64, "channel_base": 32768, "mapping_layers": 2, "r1_gamma": 0.01, "opt_g.lr": 2.5e-3,
            "opt_d.lr": 2.5e-3, "path_weight": 0.0, "mixing": 0.0, "residual_d": False, "stddev_group": 32,
        },
    }  # fmt: skip
    preset_augment: ClassVar[dict[str, str]] = {"small": "mirror"}
    preset_settings = {"paper": {"ema_halflife_kimg": 10.0, "ema_rampup": 0.0}, "cifar": {"ema_halflife_kimg": 500.0}}
    G: Generator
    path_mean: Tensor

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        c = config
        self.register_buffer("path_mean", torch.zeros([]))
        path = Turn(("G",), self.path_length, every=c.path_every, weight=c.path_every)
        r1 = Turn(("D",), self.r1, every=c.r1_every, weight=c.r1_every)
        self.turns = [
            Turn(("G",), self.generator),
            *([path] if c.path_weight else []),
            Turn(("D",), self.discriminator),
            *([r1] if c.r1_gamma else []),
        ]

    def networks(self, c: Any, data: DataSpec) -> tuple[nn.Module, nn.Module]:
        k, width = self.condition.dim, (c.channel_base, c.channel_max)
        return (
            Generator(data.shape, c.z_dim, k, c.w_dim, c.mapping_layers, *width),
            Discriminator(data.shape, k, *width, residual=c.residual_d, group=c.stddev_group),
        )

    def optimizers(self, c: Any) -> tuple[Optimizer, Optimizer]:
        """Corrected for the steps that regularisation adds."""
        return (
            c.opt_g.lazy(c.path_every) if c.path_weight else c.opt_g,
            c.opt_d.lazy(c.r1_every) if c.r1_gamma else c.opt_d,
        )

    # Turns

    def generator(self, b: Batch) -> tuple[Tensor, Aux]:
        fake, aux = self.fakes(b)
        return adversarial.non_saturating_generator(self.D(self.seen(b, fake), *self.shown(b))), aux

    def path_length(self, b: Batch) -> tuple[Tensor, Aux]:
        half = slice(None, None, 2)  # every second row, so that processes and micro-batches take the same
        with torch.autocast(self.device.type, enabled=False):
            w, mean = self.styles(b, half)
            noise = self.random_noise(b, half)
            y = b.chance.normal(*self.data.shape, purpose="path")[half] / math.sqrt(math.prod(self.data.shape[1:]))
            lengths = path_lengths(lambda v: self.G.synthesis(v, noise), w, y)
            loss = self.config.path_weight * (lengths - self.path_mean).square().mean()
        return loss, {"path length": lengths.mean(), "w": mean}

    def discriminator(self, b: Batch) -> tuple[Tensor, Aux]:
        with torch.no_grad():
            fake, aux = self.fakes(b)
        real, fake = self.verdicts(b, self.seen(b, b["x"]), self.seen(b, fake.to(b["x"].dtype)))
        thinks = {"D(x)": precise(real).sigmoid().mean(), "D(G(z))": precise(fake).sigmoid().mean()}
        return adversarial.discriminator(real, fake), thinks | aux | self.told(b) | self.heard(real, fake)

    def r1(self, b: Batch) -> tuple[Tensor, Aux]:
        penalty = zero_centred(lambda x: self.D(self.seen(b, x), *self.shown(b)), b["x"])
        return self.config.r1_gamma / 2 * penalty, {"penalty": penalty}

    @torch.no_grad()
    def after(self, turn: Turn, aux: Aux) -> Batch:
        if "w" in aux:
            self.G.mapping.w_mean.lerp_(aux["w"].mean(0), 1 - self.config.w_beta)
        if "path length" in aux:
            self.path_mean.lerp_(aux["path length"], self.config.path_decay)
        return super().after(turn, aux)

    # What the turns share

    def fakes(self, b: Batch) -> tuple[Tensor, Aux]:
        """Images of random styles and noise, as many as the batch has reals, and the mean style for `after`."""
        w, mean = self.styles(b)
        return self.G.synthesis(w, self.random_noise(b)), {"w": mean}

    def made(self, b: Batch) -> Tensor:
        return self.fakes(b)[0]

    def styles(self, b: Batch, rows: slice = slice(None)) -> tuple[Tensor, Tensor]:
        """w [B, layers, w_dim], mixed, of some rows of the batch, and the mean [1, w_dim] of those not mixed in."""
        c = [given[rows] for given in self.given(b)]
        w = self.G.mapping(b.noise(self.prior)[rows], *c)
        mean = w.detach().mean(0, keepdim=True)
        if not self.config.mixing:
            return w[:, None].expand(-1, self.layers, -1), mean
        other = self.G.mapping(b.noise(self.prior)[rows], *c)
        return self.mixed(w, other, b.chance.uniform(2, purpose="mixing")[rows]), mean

    def random_noise(self, b: Batch, rows: slice = slice(None)) -> list[Tensor]:
        """Fresh noise for each of the generator's convolutions."""
        return [b.chance.normal(1, *side, purpose="noise")[rows] for side in self.G.noise_shapes]

    # Styles

    @property
    def layer_sides(self) -> tuple[int, ...]:
        """[layers], the longer side of the feature maps that each style acts on; the last shows the image."""
        sides = [max(shape) for shape in self.G.noise_shapes]
        return (*sides, sides[-1])

    # What it is built for

    @classmethod
    def check(cls, config: Any, data: DataSpec) -> None:
        demand_images(config, data, cls.name)
        height, width = data.shape[1:]
        if levels(height, width) is None:
            raise UserError(
                f"{cls.name} cannot make images of {height}×{width}: it doubles a constant whose sides are {SMALLEST} "
                f"to {LARGEST}, as of 64×64 or 64×96; use --size {cls.size_for(max(height, width), config)}."
            )

    @classmethod
    def size_for(cls, native: int, config: Any) -> int:
        return native if levels(native, native) else max(2 * SMALLEST, 1 << (native - 1).bit_length())

    @classmethod
    def defaults(cls, data: DataSpec) -> Any:
        """The second paper's settings for such a size, on one device (`auto` in its code)."""
        if not data.is_image:
            return cls.Config()
        side = max(data.shape[1:])
        batch = max(min(4096 // side, 32), 2)
        base = cls.Config()
        lr = 2e-3 if side >= 1024 else 2.5e-3
        return replace(
            base,
            batch=batch,
            stddev_group=min(batch, 4),
            channel_base=32768 if side >= 512 else 16384,
            opt_g=replace(base.opt_g, lr=lr),
            opt_d=replace(base.opt_d, lr=lr),
            r1_gamma=2e-4 * data.shape[1] * data.shape[2] / batch,
            mapping_layers=2,
        )

    @classmethod
    def engine_defaults(cls, data: DataSpec) -> Mapping[str, Any]:
        return {"ema_halflife_kimg": cls.defaults(data).batch * 10 / 32, "ema_rampup": 0.05}
