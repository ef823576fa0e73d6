r"""BigGAN (Brock, Donahue and Simonyan 2019, arXiv:1809.11096).

SAGAN's game, made large: hinge losses, projection in D, spectral normalisation in both. What is new is in the
generator. All its blocks see one linear embedding of the condition, of 128 numbers; the latent is cut into parts, one
for the first volume and one for each block, which is joined to the embedding; gains (1 + ·) and biases of the
normalisation are linear in both (Figure 15). Weights begin orthogonal, and the generator's stay nearly so,

    R_β(W) = β ‖W Wᵀ ⊙ (1 − I)‖²_F,     β = 1e-4                                            (Eq. 3)

with filters as rows, the embedding excepted. Samples are of averaged weights, with BatchNorm's statistics measured
under them (the paper's standing statistics), and `--truncation` t below 1 draws those values of a latent again that lie
beyond 2 t: less variety, more fidelity (§3.1; its thresholds go up to 2).

Two steps of D for one of G, Adam 2e-4 and 5e-5 with β = (0, 0.999), batches of 2,048. The paper's average of 0.9999 a
step of G is `--ema-halflife-kimg` 6931 · batch · d_steps / 1000: 28,000 with those, 1,400 in the preset `cifar`.
Preset `author` is the author's PyTorch code for ImageNet: one step of D, 4e-4 and 1e-4, no regularisation (where it
adds one, its gradient is half that of Eq. 3). `cifar` is his script for CIFAR-10: four steps of D, 2e-4 for both, a
whole latent of 128, no embedding, initial weights N(0, 0.02²). `narrow` is for small machines.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor, nn

from ganvas.conditions import Kind
from ganvas.config import setting
from ganvas.errors import UserError
from ganvas.game import Aux, Batch, DataSpec
from ganvas.games.residual import Residual, ResidualConfig
from ganvas.losses.penalties import orthogonality
from ganvas.networks.biggan import PLANS
from ganvas.networks.resnet import Discriminator, Generator, Plan
from ganvas.optim import Optimizer
from ganvas.priors import Resampled

PAPER = "Brock et al. 2019"


@dataclass(frozen=True)
class BigGANConfig(ResidualConfig):
    """Settings of BigGAN."""

    batch: int = setting(2048, "images a turn takes", PAPER, low=2)
    z_dim: int = setting(120, "dimensions of the latent, rounded down to equal parts where it is cut", PAPER, low=1)
    prior: Literal["normal"] = setting("normal", "what latents are drawn from", PAPER)
    width: int = setting(96, "channels where a plan says 1", PAPER, low=1)
    condition: Kind = setting("auto", "what both players are told; auto = labels and attributes, as there are")
    d_steps: int = setting(2, "discriminator steps for each of the generator", PAPER, low=1)
    attention: int = setting(
        64, "side of the feature map after which both have self-attention, at most half the image's; 0 = none", PAPER,
        low=0,
    )  # fmt: skip
    embedding: int = setting(128, "dimensions of the condition's embedding; 0 = blocks see it bare", PAPER, low=0)
    hierarchical: bool = setting(True, "whether the latent is cut into a part for each block", PAPER)
    init: Literal["orthogonal", "normal"] = setting("orthogonal", "initial weights; normal = N(0, 0.02²)", PAPER)
    ortho: float = setting(1e-4, "β, the weight of the generator's orthogonal regularisation", "Eq. 3", low=0)
    opt_g: Optimizer = setting(Optimizer(lr=5e-5, beta1=0.0, beta2=0.999), "the generator's optimizer", PAPER)
    opt_d: Optimizer = setting(Optimizer(lr=2e-4, beta1=0.0, beta2=0.999), "the discriminator's optimizer", PAPER)


class BigGAN(Residual):
    """A large residual generator whose every block sees class and latent, against a wide projection discriminator."""

    Config = BigGANConfig
    plans = PLANS
    eps = 1e-6
    presets = {
        "tiny": {"width": 4, "z_dim": 9, "batch": 16, "embedding": 4, "attention": 8},
        "narrow": {
            "width": 16, "z_dim": 64, "batch": 64, "embedding": 32, "attention": 0, "opt_g.lr": 2e-4,
        },
        "author": {
            "d_steps": 1, "opt_g.lr": 1e-4, "opt_d.lr": 4e-4, "opt_g.eps": 1e-6, "opt_d.eps": 1e-6, "ortho": 0.0,
        },
        "cifar": {
            "width": 64, "z_dim": 128, "batch": 50, "embedding": 0, "hierarchical": False, "attention": 0,
            "init": "normal", "ortho": 0.0, "d_steps": 4, "opt_g.lr": 2e-4, "opt_d.lr": 2e-4,
        },
    }  # fmt: skip
    G: Generator

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        self.prior = Resampled(self.latents(config, PLANS[data.size]))

    @staticmethod
    def latents(c: Any, plan: Plan) -> int:
        """Dimensions of the latent: a whole number for each part."""
        parts = len(plan.up) if c.hierarchical else 1
        return c.z_dim // parts * parts

    def networks(self, c: Any, data: DataSpec) -> tuple[nn.Module, nn.Module]:
        plan = PLANS[data.size]
        g = Generator(
            data.channels,
            plan,
            c.width,
            self.latents(c, plan),
            self.condition.dim,
            norm=c.norm_g,
            spectral=True,
            embedding=c.embedding,
            hierarchical=c.hierarchical,
            attention=c.attention,
        )
        d = Discriminator(data.channels, plan, c.width, self.condition.dim, wide=True, attention=c.attention)
        return self.ready(g, c.init), self.ready(d, c.init)

    def generator(self, b: Batch) -> tuple[Tensor, Aux]:
        loss, aux = super().generator(b)
        if not self.config.ortho:
            return loss, aux
        bent = orthogonality([q for n, q in self.G.named_parameters() if q.dim() > 1 and not n.startswith("embed.")])
        return loss + self.config.ortho * bent, aux | {"orthogonality": bent}

    @classmethod
    def check(cls, config: Any, data: DataSpec) -> None:
        super().check(config, data)
        if not cls.latents(config, PLANS[data.size]):
            raise UserError(
                f"{cls.name}: z_dim = {config.z_dim} cannot be cut into a part for each of the generator's blocks; "
                f"give --z-dim {len(PLANS[data.size].up)} or more."
            )

    @classmethod
    def defaults(cls, data: DataSpec) -> Any:
        """The paper's settings, but for what it did on 512 cores, and what it does not say.

        Batches of 256 (64 below 64 pixels); 140 latent dimensions at 256 pixels, as in the paper's Table 8; below 64
        pixels the width of the author's CIFAR-10 networks, and no attention, as there.
        """
        if data.is_image and data.size < 64:
            return replace(cls.Config(), batch=64, width=64, attention=0)
        return replace(cls.Config(), batch=256, z_dim=140 if data.is_image and data.size == 256 else 120)
