"""What the classic games share: one generator, one discriminator or critic, and a choice of networks for both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ganvas.conditions import Condition
from ganvas.config import setting
from ganvas.errors import UserError
from ganvas.game import Aux, Batch, DataSpec, Game, Progress, Turn
from ganvas.games import adaptive
from ganvas.games.adaptive import Shown, ShownConfig
from ganvas.networks import dcgan, mlp
from ganvas.networks.layers import batches_apart, normal_init
from ganvas.optim import Optimizer
from ganvas.priors import Prior

TABLE_1 = "Table 1 of the seed blog"
TABLE_3 = "Table 3 of the seed blog"
CHUNK = {"cpu": 8, "cuda": 16}
"""Images made in one go, by device: always as many, as matrix products of other heights round otherwise."""
POINTS = 256
"""The same of the points of a 2-D world."""
TYPICAL = 64  # conditions of reals that a conditional game keeps


@dataclass(frozen=True)
class TwoPlayerConfig(ShownConfig):
    """Settings of a generator and a discriminator, whatever their networks."""

    batch: int = setting(128, "images a turn takes", TABLE_3, low=2)
    z_dim: int = setting(128, "dimensions of the latent", TABLE_3, low=1)
    prior: Literal["uniform", "normal"] = setting("uniform", "what latents are drawn from", "the seed blog: uniform")
    width: int = setting(128, "channels after the discriminator's first layer; hidden units of an mlp", TABLE_1, low=1)
    depth: int = setting(3, "hidden layers of an mlp", low=1, high=16)
    act_g: Literal["relu", "leaky-relu", "elu"] = setting("relu", "activation in the generator", TABLE_1)
    act_d: Literal["relu", "leaky-relu", "elu"] = setting("leaky-relu", "activation in the discriminator", TABLE_1)
    leak: float = setting(0.2, "slope of leaky ReLU below 0", TABLE_3, low=0, high=1)
    opt_g: Optimizer = setting(Optimizer(), "the generator's optimizer", TABLE_3)
    opt_d: Optimizer = setting(Optimizer(), "the discriminator's optimizer", TABLE_3)


@dataclass(frozen=True)
class ConvolutionalConfig(TwoPlayerConfig):
    """Settings of DCGAN's networks; defaults are those of Tables 1 and 3 of the blog."""

    network: Literal["dcgan", "mlp"] = setting("dcgan", "convolutional networks for images, or fully connected ones")
    max_width: int = setting(1024, "where the doubling of channels stops", TABLE_1, low=1)
    kernel: int = setting(5, "side of the convolutions' kernels", TABLE_1, low=2, high=9)
    norm_g: Literal["batch", "layer", "none"] = setting("batch", "normalisation in the generator", TABLE_1)
    norm_d: Literal["batch", "layer", "none"] = setting("batch", "normalisation in the discriminator", TABLE_1)
    init_std: float = setting(0.02, "standard deviation of the initial weights", TABLE_3, above=0)


def is_convolutional(config: Any) -> bool:
    """Whether a configuration has DCGAN's networks; without a choice of networks they are fully connected."""
    return getattr(config, "network", "mlp") == "dcgan"


def demand_images(config: Any, data: DataSpec, name: str) -> None:
    """A `UserError` of a game that makes images alone, where such data, or what is asked of them, does not suit it."""
    if not data.is_image:
        raise UserError(f"{name} makes images, not the points of a 2-D world; try gan or wgan-gp.")
    adaptive.check(config, data, name)
    if hasattr(config, "condition"):
        Condition.of(data, config.condition, name)


def in_chunks(function: Callable[..., Tensor], inputs: Sequence[Tensor], at_once: int = 0) -> Tensor:
    """What `function` makes of the rows of its inputs, so many at a time (0 = `CHUNK`), the last filled up with zeros.

    So a sample is the same to the bit, however many are asked for with it.
    """
    n, at_once = len(inputs[0]), at_once or CHUNK[inputs[0].device.type]
    if not n:
        return function(*(x.new_zeros(at_once, *x.shape[1:]) for x in inputs))[:0]
    parts = zip(*(x.split(at_once) for x in inputs), strict=True)
    whole = ([torch.cat([x, x.new_zeros(at_once - len(x), *x.shape[1:])]) for x in part] for part in parts)
    return torch.cat([function(*part) for part in whole])[:n]


class FromLatents:
    """A game whose generator `G` makes samples of latents of its `prior`, and of conditions where it takes any."""

    G: nn.Module
    prior: Prior
    condition = Condition()
    """What it can be asked for; nothing, of an unconditional game."""
    typical: Tensor
    """Of a conditional game, a buffer: conditions c [m, condition.dim] of the data."""

    @property
    def conditions(self) -> int:
        """How many classes can be asked for."""
        return len(self.condition.names)

    def meet(self, config: Any, data: DataSpec) -> None:
        """Learns what the data can be asked for, where the configuration has a `condition`."""
        assert isinstance(self, Game)
        if hasattr(config, "condition"):
            self.condition = Condition.of(data, config.condition, self.name)
        if self.condition:
            known = self.condition.initial()
            self.register_buffer("typical", known[torch.arange(TYPICAL) % len(known)])

    def given(self, b: Batch) -> list[Tensor]:
        """[c], the conditions of the batch's reals, which its fakes are made for, too; [] of an unconditional game."""
        return [self.condition.vector(b.get("y"), b.get("attributes"))] if self.condition else []

    def told(self, b: Batch) -> Aux:
        """What `remember` wants to know of a batch."""
        return {"conditions": self.given(b)[0]} if self.condition.columns else {}

    @torch.no_grad()
    def remember(self, aux: Aux) -> None:
        """Keeps attributes of reals, for samples that are not asked for any of their own."""
        if "conditions" in aux:
            c = aux["conditions"][:TYPICAL]
            self.typical[: len(c)] = c

    @torch.no_grad()
    def generate(self, z: Tensor, labels: Any = None) -> Tensor:
        """Samples [n, *shape], images in [−1, 1], from latents [n, z_dim] and what `labels` ask for."""
        assert isinstance(self, Game)
        at_once = 0 if self.data.is_image else POINTS
        samples = in_chunks(self.G, [z, *self.asked(labels, len(z))], at_once).float().contiguous()
        return samples.clamp(-1, 1) if samples.dim() == 4 else samples

    def sample(self, n: int, seed: int = 0, labels: Any = None, truncation: float = 1.0) -> Tensor:
        """`n` samples [n, *shape], float32, images in [−1, 1]; each is a function of (seed, its index) alone."""
        assert isinstance(self, Game)
        return self.generate(self.prior.seeded(n, seed, self.device, truncation), labels)

    def asked(self, labels: Any, n: int) -> list[Tensor]:
        """[c], c [n, condition.dim], of what a person asks for (`Condition.asked`); [] of an unconditional game."""
        assert isinstance(self, Game)
        if self.condition:
            return [self.condition.asked(labels, n, self.typical, self.name)]
        if labels is not None:
            raise UserError(f"{self.name} is not conditional: it cannot draw samples of a label; leave the label out.")
        return []


class TwoPlayer(Shown, FromLatents, Game):
    """A generator `G`, a discriminator `D`, and a prior. Subclasses say what the two minimise."""

    Config: ClassVar[type] = ConvolutionalConfig
    D: nn.Module
    presets = {"tiny": {"width": 8, "z_dim": 8, "batch": 16, "depth": 2}}
    judges = "probability"

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        c = config
        self.prior = Prior(c.z_dim, c.prior)
        self.meet(config, data)
        self.G, self.D = self.networks(config, data)
        opt_g, opt_d = self.optimizers(c)
        self.players = {
            "G": self.player(self.G, opt_g.build(self.G), averaged=True),
            "D": self.player(self.D, opt_d.build(self.D)),
        }
        self.prepare(c)

    def optimizers(self, c: Any) -> tuple[Optimizer, Optimizer]:
        """The optimizers of G and D, as they are built."""
        return c.opt_g, c.opt_d

    def networks(self, c: Any, data: DataSpec) -> tuple[nn.Module, nn.Module]:
        """The two networks of the configuration, initialised."""
        if not is_convolutional(c):
            return (
                mlp.Generator(data.shape, c.z_dim, c.width, c.depth, c.act_g, c.leak),
                mlp.Discriminator(data.shape, c.width, c.depth, c.act_d, c.leak),
            )
        return self.convolutional(c, data.shape, self.condition.dim)

    @staticmethod
    def convolutional(
        c: Any, shape: tuple[int, ...], c_dim: int = 0, *, outputs: int = 1
    ) -> tuple[nn.Module, nn.Module]:
        """DCGAN's networks, initialised: conditions of `c_dim` numbers are concatenated to latents and images.

        With more than one of the `outputs` the discriminator tells the condition, and is not told it.
        """
        seen = (shape[0] + (c_dim if outputs == 1 else 0), *shape[1:])
        nets = (
            dcgan.Generator(shape, c.z_dim + c_dim, c.width, c.max_width, c.kernel, c.norm_g, c.act_g, c.leak),
            dcgan.Discriminator(seen, c.width, c.max_width, c.kernel, c.norm_d, c.act_d, c.leak, outputs),
        )
        for net in nets:
            normal_init(net, c.init_std)
        return nets

    @classmethod
    def defaults(cls, data: DataSpec) -> Any:
        """The paper's settings for images; small fully connected networks for the points of a 2-D world.

        Below 32 pixels convolutions have half of Table 1's channels: on the digits that is better at equal time.
        """
        if not data.is_image:
            return replace(cls.Config(), **cls.for_points())
        half = data.size < 32 and is_convolutional(cls.Config())
        return replace(cls.Config(), width=cls.Config().width // 2) if half else cls.Config()

    @classmethod
    def budget_kimg(cls, data: DataSpec) -> float:
        if data.is_image and data.size < 32:
            return 400.0
        return super().budget_kimg(data)

    @classmethod
    def for_points(cls) -> dict[str, Any]:
        """What differs on 2-D worlds: the papers' toy experiments use small networks and a Gaussian prior."""
        adam = Optimizer(lr=1e-3, beta1=0.5, beta2=0.9)
        small = {"width": 128, "depth": 3, "batch": 256, "z_dim": 2, "prior": "normal", "opt_g": adam, "opt_d": adam}
        return small | ({"network": "mlp"} if hasattr(cls.Config, "network") else {})

    @classmethod
    def check(cls, config: Any, data: DataSpec) -> None:
        adaptive.check(config, data, cls.name)
        if hasattr(config, "condition"):
            Condition.of(data, config.condition, cls.name)
        if not is_convolutional(config):
            return
        if not data.is_image:
            raise UserError(
                f"{cls.name}: network = dcgan makes images, not the points of a 2-D world; use --network mlp."
            )
        if data.size not in dcgan.SIZES or data.shape[1] != data.shape[2]:
            raise UserError(
                f"{cls.name} cannot make images of {data.shape[1]}×{data.shape[2]}: its convolutions halve a square "
                f"of side {', '.join(map(str, dcgan.SIZES))} down to 4×4; "
                f"use --size {cls.size_for(data.size, config)}, or --network mlp."
            )

    @classmethod
    def size_for(cls, native: int, config: Any) -> int:
        if not is_convolutional(config):
            return native
        return next((s for s in dcgan.SIZES if s >= native), dcgan.SIZES[-1])

    @classmethod
    def exemptions(cls, config: Any) -> dict[str, str]:
        known = [n for n in config.__dataclass_fields__ if n.startswith("norm_")]
        norms = [n for n in known if is_convolutional(config) and getattr(config, n) == "batch"]
        if not norms:
            return {}
        return {"accumulation": f"BatchNorm's statistics are those of each micro-batch ({', '.join(norms)} = batch)"}

    def begin(self, progress: Progress) -> None:
        self.noise_std.fill_(self.config.instance_noise * (1 - progress.fraction))

    def made(self, b: Batch) -> Tensor:
        """G(z), as many as the batch has reals."""
        return self.G(b.noise(self.prior), *self.given(b))

    def verdict(self, b: Batch) -> Tensor:
        """D(G(z)) in the generator's turn."""
        return self.D(self.seen(b, self.made(b)), *self.shown(b))

    def shown(self, b: Batch) -> list[Tensor]:
        """What D is told besides samples: the condition, of a conditional game."""
        return self.given(b)

    def pair(self, b: Batch) -> tuple[Tensor, Tensor]:
        """Real and generated samples as the discriminator sees them, in a turn in which the generator rests."""
        with torch.no_grad():
            fake = self.made(b).to(b["x"].dtype)
        return self.seen(b, b["x"]), self.seen(b, fake)

    def verdicts(self, b: Batch, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """D(x) and D(G(z)) from one pass, in which the statistics of BatchNorm do not mix."""
        with batches_apart(2):
            on_real, on_fake = self.D(torch.cat([real, fake]), *(torch.cat([c, c]) for c in self.shown(b))).chunk(2)
        return on_real, on_fake

    def after(self, turn: Turn, aux: Aux) -> Batch:
        self.remember(aux)
        self.adapt(aux)
        return Batch()

    def rehearse(self, batch: Batch) -> None:
        self.made(batch)

    @torch.no_grad()
    def judge(self, x: Tensor, labels: Any = None) -> Tensor:
        """[n]: the probability that a sample is real (and of what `labels` ask for), or the critic's score."""
        verdict = self.D(x.to(self.device), *self.asked(labels, len(x))).float()
        return verdict.sigmoid() if self.judges == "probability" else verdict
