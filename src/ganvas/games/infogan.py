r"""InfoGAN (Chen et al. 2016, arXiv:1606.03657): classes and factors found without labels.

The latent has codes in it: a class, one-hot, and numbers, uniform on [−1, 1]. A third network Q, which shares the
discriminator's layers, tells the codes from samples, so that the samples must show them:

    min_{G,Q} max_D V(D, G) − λ L_I(G, Q),     L_I = E log Q(c | G(z, c)) + H(c) ≤ I(c; G(z, c))      (Eq. 5, 6)

Q is the likelihood of a categorical and of normal distributions, of deviation 1 as in the published code. There, as
here, the discriminator's optimizer also moves Q and the layers they share on L_I. `mutual_information` in the log is
L_I of the class, in nats: log 10 ≈ 2.30 when it is told without error (Fig. 1).

Networks are DCGAN's, the sizes of latent and codes and the learning rates the paper's for MNIST (appendix C.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.conditions import Condition
from ganvas.config import setting
from ganvas.errors import UserError
from ganvas.game import Aux, Batch, DataSpec, Turn
from ganvas.games.gan import Minimax, MinimaxRules
from ganvas.games.two_player import ConvolutionalConfig, is_convolutional
from ganvas.losses import precise
from ganvas.networks.layers import batches_apart, normal_init, normalisation
from ganvas.optim import Optimizer
from ganvas.priors import Coded

C_1 = "Chen et al. 2016, appendix C.1"


@dataclass(frozen=True)
class InfoGANConfig(MinimaxRules, ConvolutionalConfig):
    """Settings of InfoGAN."""

    batch: int = setting(128, "images a turn takes", C_1, low=2)
    z_dim: int = setting(62, "dimensions of the latent besides the codes", C_1, low=1)
    prior: Literal["uniform", "normal"] = setting("uniform", "what the latent besides the codes is drawn from")
    categories: int = setting(10, "values of the categorical code; 0 = none", C_1, low=0)
    numbers: int = setting(2, "codes that are numbers in [-1, 1]", C_1, low=0)
    info_weight: float = setting(1.0, "λ, the weight of the categorical code's information", "§5", low=0)
    info_weight_numbers: float = setting(1.0, "the same of the numbers", "the published code", low=0)
    width_q: int = setting(128, "hidden units of Q", C_1, low=1)
    norm_q: Literal["batch", "layer", "none"] = setting("batch", "normalisation in Q", C_1)
    width: int = setting(64, "channels after the discriminator's first layer", C_1, low=1)
    kernel: int = setting(4, "side of the convolutions' kernels", C_1, low=2, high=9)
    leak: float = setting(0.1, "slope of leaky ReLU below 0", C_1, low=0, high=1)
    opt_g: Optimizer = setting(Optimizer(lr=1e-3), "the generator's optimizer", C_1)
    opt_d: Optimizer = setting(Optimizer(lr=2e-4), "the optimizer of discriminator and Q", C_1)


class Recognition(nn.Module):
    """Q: features of the discriminator [B, inputs] → logits of the class and means of the numbers [B, outputs]."""

    def __init__(self, inputs: int, width: int, outputs: int, norm: str, leak: float):
        super().__init__()
        linear = nn.Linear(inputs, width, bias=norm != "batch")
        self.body = nn.Sequential(linear, normalisation(norm, width), nn.LeakyReLU(leak))
        self.project = nn.Linear(width, outputs)

    def forward(self, features: Tensor) -> Tensor:
        return self.project(self.body(features))


class InfoGAN(Minimax):
    """Goodfellow's game, and a network that reads the codes."""

    Config = InfoGANConfig
    prior: Coded
    presets = {
        "tiny": Minimax.presets["tiny"] | {"categories": 3, "width_q": 8},
        "narrow": {"width": 32, "batch": 64},
    }

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        c = config
        self.prior = Coded(c.z_dim + c.categories + c.numbers, c.prior, categories=c.categories, numbers=c.numbers)
        self.codes = Condition(tuple(f"code {k}" for k in range(c.categories)))
        answers = c.categories + c.numbers
        self.Q = Recognition(self.D.project.in_features, c.width_q, answers, c.norm_q, c.leak)  # type: ignore
        normal_init(self.Q, c.init_std)
        self.players["Q"] = self.player(self.Q, c.opt_d.build(self.Q))
        self.turns = [Turn(("D", "Q"), self.discriminator, repeat=c.k), Turn(("G",), self.generator)]

    def networks(self, c: Any, data: DataSpec) -> tuple[nn.Module, nn.Module]:
        codes = c.categories + c.numbers
        G, _ = self.convolutional(c, data.shape, codes)
        _, D = self.convolutional(c, data.shape)
        return G, D

    def discriminator(self, b: Batch) -> tuple[Tensor, Aux]:
        z = b.noise(self.prior)
        with torch.no_grad():
            fake = self.G(z).to(b["x"].dtype)
        images = torch.cat([self.seen(b, b["x"]), self.seen(b, fake)])
        with batches_apart(2):
            features = self.D.features(images)  # type: ignore[operator]
        real, fake_verdict = self.D.project(features).squeeze(1).chunk(2)  # type: ignore[operator]
        loss, aux = self.rejection(real, fake_verdict)
        info, told = self.information(features.chunk(2)[1], z)
        return loss + info, aux | told

    def generator(self, b: Batch) -> tuple[Tensor, Aux]:
        z = b.noise(self.prior)
        features = self.D.features(self.seen(b, self.G(z)))  # type: ignore[operator]
        info, _ = self.information(features, z)
        return self.persuasion(self.D.project(features).squeeze(1)) + info, {}  # type: ignore[operator]

    def information(self, features: Tensor, z: Tensor) -> tuple[Tensor, Aux]:
        """−λ (L_I − H(c)): what Q's answers cost, and what it knows of each kind of code."""
        c = self.config
        logits, means = precise(self.Q(features)).split([c.categories, c.numbers], 1)
        _, category, numbers = z.split([c.z_dim, c.categories, c.numbers], 1)
        cost, aux = logits.new_zeros(()), {}
        if c.categories:
            error = F.cross_entropy(logits, category.argmax(1))
            cost = cost + c.info_weight * error
            aux["mutual_information"] = math.log(c.categories) - error
        if c.numbers:
            error = 0.5 * (means - numbers).square().sum(1).mean()
            cost = cost + c.info_weight_numbers * error
            aux["code_error"] = error
        return cost, aux

    def asked(self, labels: Any, n: int) -> list[Tensor]:
        """[], or the one-hot codes [n, categories] that are asked for; `generate` writes them into the latents."""
        return [] if labels is None else [self.codes.asked(labels, n, self.codes.initial().to(self.device), self.name)]

    @torch.no_grad()
    def generate(self, z: Tensor, labels: Any = None) -> Tensor:
        """Samples [n, *shape] in [−1, 1] from latents [n, dim], and of a categorical code if one is asked for."""
        for code in self.asked(labels, len(z)):
            start = self.config.z_dim
            z = torch.cat([z[:, :start], code.to(z), z[:, start + self.config.categories :]], 1)
        return super().generate(z)

    @property
    def rows(self) -> int:
        """How many rows a grid of its codes has."""
        return self.config.categories

    def axes(self) -> Tensor:
        """[numbers, dim]: the directions of the latents along which one number varies, of length 1."""
        return torch.eye(self.prior.dim, device=self.device)[self.prior.dim - self.config.numbers :]

    @classmethod
    def check(cls, config: Any, data: DataSpec) -> None:
        super().check(config, data)
        if not is_convolutional(config):
            raise UserError(f"{cls.name}: Q shares layers of a convolutional discriminator; leave --network mlp out.")
        if config.updates == "simultaneous":
            raise UserError(f"{cls.name}: three networks move in two turns; leave --updates simultaneous out.")
        if config.categories == 1 or config.categories + config.numbers == 0:
            raise UserError(f"{cls.name}: give at least 2 --categories, or --numbers, to be found.")
