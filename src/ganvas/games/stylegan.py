r"""StyleGAN (Karras, Laine and Aila 2019, arXiv:1812.04948): a generator whose layers are told what to do by styles.

ProGAN's game with another generator (`networks/stylegan.py`). A mapping network f, 8 dense layers that learn at a
hundredth of the speed, makes w = f(z) of a normalised latent; each layer normalises its feature maps and takes mean and
deviation from w,

    AdaIN(x, y) = y_s (x − μ(x)) / σ(x) + y_b,     y = A w + (1, 0)                                       (Eq. 1)

begins with a learned constant, and adds noise of its own. Nine of ten samples take a second w from a layer on that is
drawn for each (mixing regularisation, §3.1). Doubling and halving blur with [1, 2, 1]. The players minimise

    L_D = E softplus(D(G(z))) + E softplus(−D(x)) + γ/2 E ‖∇D(x)‖²,    L_G = E softplus(−D(G(z))),    γ = 10

or, with `--loss wgan-gp`, those of ProGAN, as the paper does on CelebA-HQ. Growing begins at 8×8. With a `condition`,
D has a score for each class, and the mapping sees an embedding beside the latent, as in the authors' code.

Presets `a` to `f` are the paper's Table 1, one step more in each: ProGAN; blurred resampling and its tuning; mapping
and AdaIN; a constant instead of the latent; noise; mixing. `ganvas compare stylegan:a stylegan:f` trains them one after
the other. `narrow` has an eighth of the channels, small batches, larger steps and no growth, for minutes or hours of a
CPU (docs/style.md), as in `stylegan:a+narrow`; `paper` has its phases and batches.

`--truncation` ψ draws all layers' w towards its running mean: w̄ + ψ (w − w̄).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganvas.conditions import Kind
from ganvas.config import setting
from ganvas.errors import UserError
from ganvas.game import Aux, Batch, DataSpec, Turn
from ganvas.games.progan import ProGANConfig, Wasserstein
from ganvas.games.styles import Noise, Styled
from ganvas.losses import adversarial, precise
from ganvas.losses.penalties import zero_centred
from ganvas.networks.progressive import Discriminator
from ganvas.networks.stylegan import Generator

PAPER = "Karras et al. 2019"
TABLE_1 = "Table 1 of Karras et al. 2019"
APPENDIX_C = "appendix C of Karras et al. 2019"


@dataclass(frozen=True)
class StyleGANConfig(ProGANConfig):
    """Settings of StyleGAN."""

    batch: int = setting(32, "images a turn takes, over all processes", APPENDIX_C, low=2)
    w_dim: int = setting(512, "dimensions of a style", PAPER, low=1)
    condition: Kind = setting("none", "what both players are told; auto = labels and attributes, as there are")
    blur: bool = setting(True, "bilinear resampling: [1, 2, 1] after doubling and before halving", TABLE_1)
    mapping: int = setting(
        8, "dense layers from latent to style; 0 = the normalised latent is the style", TABLE_1, low=0
    )
    styles: bool = setting(True, "AdaIN in every layer; without, pixels are normalised", TABLE_1)
    constant: bool = setting(True, "begin with a learned constant instead of the latent", TABLE_1)
    noise: bool = setting(True, "noise in every layer", TABLE_1)
    mixing: float = setting(0.9, "probability that a sample mixes two styles", "Table 2", low=0, high=1)
    loss: Literal["non-saturating", "wgan-gp"] = setting("non-saturating", "what the players minimise", APPENDIX_C)
    r1_gamma: float = setting(10.0, "γ, the weight of R1, of the non-saturating loss", APPENDIX_C, low=0)
    w_beta: float = setting(0.995, "what the running mean of w keeps in a turn", "the authors' code", low=0, high=1)
    start: int = setting(8, "side of the first images; 0 = the full side, no growing", PAPER, low=0)
    lr_at: str = setting(
        "128:0.0015,256:0.002,512:0.003,1024:0.003", "learning rates of both players at single stages", APPENDIX_C
    )


_E: dict[str, Any] = {"mixing": 0.0}
_D = _E | {"noise": False}
_C = _D | {"constant": False}
_B = _C | {"mapping": 0, "styles": False}
_A = _B | {"blur": False, "loss": "wgan-gp", "start": 4, "batch": 16, "lr_at": ""}


class StyleGAN(Styled, Wasserstein):
    """A style-based generator against ProGAN's critic, both growing."""

    Config = StyleGANConfig
    presets = {
        "tiny": {"width": 8, "base": 64, "z_dim": 8, "w_dim": 8, "mapping": 2, "batch": 16},
        "narrow": {
            "batch": 8, "width": 64, "base": 1024, "z_dim": 128, "w_dim": 128, "start": 0,
            "lr_at": "", "opt_g.lr": 2.5e-3, "opt_d.lr": 2.5e-3,
        },
        "paper": {"phase_kimg": 600.0, "batch_at": "8:256,16:128,32:64"},
        "a": _A,
        "b": _B,
        "c": _C,
        "d": _D,
        "e": _E,
        "f": {},
    }  # fmt: skip
    G: Generator

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        if config.loss == "non-saturating":
            self.judges, self.zero = "probability", 0.0
            self.turns = [Turn(("D",), self.discriminator), Turn(("G",), self.generator)]

    def networks(self, c: Any, data: DataSpec) -> tuple[nn.Module, nn.Module]:
        k, levels, start = self.condition.dim, self.growth.levels[-1] + 1, self.growth.levels[0]
        switches = {"styles": c.styles, "constant": c.constant, "noise": c.noise, "blur": c.blur}
        g = Generator(
            data.channels, levels, c.z_dim, k, c.w_dim, c.mapping, c.width, c.base, **switches, start=start
        )  # fmt: skip
        return g, Discriminator(data.channels, levels, c.width, c.base, k, blur=c.blur, start=start)

    # Turns

    def critic(self, b: Batch) -> tuple[Tensor, Aux]:
        loss, aux = super().critic(b)
        return loss, aux | self.told(b)

    def discriminator(self, b: Batch) -> tuple[Tensor, Aux]:
        real, fake = self.pair(b)
        on_real, on_fake = self.verdicts(b, real, fake)
        loss = adversarial.discriminator(on_real, on_fake)
        thinks = {"D(x)": precise(on_real).sigmoid().mean(), "D(G(z))": precise(on_fake).sigmoid().mean()}
        aux = thinks | self.told(b) | self.heard(on_real, on_fake)
        if not self.config.r1_gamma:
            return loss, aux
        told = self.shown(b)
        penalty = zero_centred(lambda x: self.D(x, *told), real)
        return loss + self.config.r1_gamma / 2 * penalty, aux | {"penalty": penalty}

    def generator(self, b: Batch) -> tuple[Tensor, Aux]:
        fake, w = self.fakes(b)
        verdict = self.D(self.seen(b, fake), *self.shown(b))
        logistic = self.config.loss == "non-saturating"
        loss = adversarial.non_saturating_generator if logistic else adversarial.wasserstein_generator
        return loss(verdict), {"w": w.detach()}

    @torch.no_grad()
    def after(self, turn: Turn, aux: Aux) -> Batch:
        if "w" in aux:
            self.G.mapping.w_mean.lerp_(aux["w"].mean(0), 1 - self.config.w_beta)
        return super().after(turn, aux)

    def made(self, b: Batch) -> Tensor:
        return self.fakes(b)[0]

    def fakes(self, b: Batch) -> tuple[Tensor, Tensor]:
        """Images of the stage, as many as the batch has reals, of random styles and noise; and the first w of each."""
        z, c = b.noise(self.prior), self.given(b)
        noise = [b.chance.normal(1, *side, purpose="noise").to(z.dtype) for side in self.G.noise_shapes]
        if not self.config.mixing:
            w = self.G.mapping(z, *c)
            return self.G.synthesis(w, noise), w
        w, other = self.G.mapping(torch.cat([z, b.noise(self.prior)]), *(torch.cat([x, x]) for x in c)).chunk(2)
        w_plus = self.mixed(w, other, b.chance.uniform(2, purpose="mixing"))
        return self.G.synthesis(w_plus, noise), w

    # Styles

    @property
    def playing(self) -> int:
        return 2 * (self.G.stage()[0] + 1)

    @property
    def layer_sides(self) -> tuple[int, ...]:
        """[layers], the side of the volume that each style acts on."""
        return tuple(4 << i // 2 for i in range(self.layers))

    def synthesize(self, w: Tensor, noise: Noise = "const", seed: int = 0) -> Tensor:
        """As of all games with styles; while training is at an earlier stage, its pixels are repeated."""
        return self.G.full_size(super().synthesize(w, noise, seed))

    @classmethod
    def check(cls, config: Any, data: DataSpec) -> None:
        super().check(config, data)
        for name, value in (("constant", config.constant), ("mixing", config.mixing)):
            if value and not config.styles:
                off = "--no-constant" if name == "constant" else "--mixing 0"
                raise UserError(
                    f"{cls.name}: {name} needs styles, through which alone the latent would act; give {off}."
                )

    @classmethod
    def engine_defaults(cls, data: DataSpec) -> Mapping[str, Any]:
        return {"ema_halflife_kimg": 10.0}
