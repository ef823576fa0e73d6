r"""CycleGAN: unpaired image-to-image translation (Zhu, Park, Isola and Efros 2017, arXiv:1703.10593).

    L_cyc = E ‖G_ba(G_ab(a)) − a‖₁ + E ‖G_ab(G_ba(b)) − b‖₁                                (Eq. 2)
    L_id  = E ‖G_ab(b) − b‖₁ + E ‖G_ba(a) − a‖₁                                            (§5.2)

Two generators and two discriminators: each generator fools the discriminator of the domain that it makes, in the sense
of least squares (§4), and the two together bring an image back to what it was,

    min_G  E (D_b(G_ab(a)) − 1)² + E (D_a(G_ba(b)) − 1)² + λ L_cyc + 0.5 λ L_id,   λ = 10
    min_D  ½ E (D(x) − 1)² + ½ E D(fake)²,   in each domain

where discriminators see fakes from a pool of the last 50. Generators are residual (`--network unet` is pix2pix's),
discriminators judge 70 × 70 patches, instance normalisation everywhere. Generators move first. Batches are of one
image; learning rates are constant for half of the schedule and fall to 0 over the other. Images are varied as there,
enlarged by 286 / 256, cropped at random and mirrored (`--augment none` leaves them as they are).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganvas.config import setting
from ganvas.errors import UserError
from ganvas.game import Aux, Batch, DataSpec, Turn
from ganvas.games.pool import DRAWS, Pool
from ganvas.games.translation import Norm, Translation, TranslationConfig
from ganvas.losses import adversarial, energies, precise
from ganvas.networks.layers import batches_apart, normal_init

PAPER = "Zhu et al. 2017"


@dataclass(frozen=True)
class CycleGANConfig(TranslationConfig):
    """Settings of CycleGAN."""

    cycle_weight: float = setting(10.0, "λ, the weight of the way there and back", PAPER, low=0)
    identity_weight: float = setting(0.5, "weight of leaving images of the target as they are, times λ", "§5.2", low=0)
    pool: int = setting(50, "fakes of each domain that are kept; 0 = the newest are shown", PAPER, low=0)
    network: Literal["resnet", "unet"] = setting("resnet", "the generators: residual, or pix2pix's U-Net", PAPER)
    norm_g: Norm = setting("instance", "normalisation in the generators", PAPER)
    norm_d: Norm = setting("instance", "normalisation in the discriminators", PAPER)


class CycleGAN(Translation):
    """Two generators that bring an image back, against a discriminator in each domain."""

    Config = CycleGANConfig
    task = "domains"
    augment = "jitter,mirror"
    memory_format = "nchw"  # padding by reflection and instance normalisation copy in the other
    directions = ("ab", "ba")
    presets = {
        "tiny": {"width": 4, "width_d": 4, "blocks": 1, "batch": 4, "pool": 3},
        "narrow": {"width": 32, "width_d": 32},
    }

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        c = config
        sides = data.shape[1:]
        self.G = nn.ModuleDict({way: self.generator_net(c, *self.channels(way), *sides) for way in self.directions})
        self.D = nn.ModuleDict({"a": self.critic_net(c, self.channels("ab")[0], data),
                                "b": self.critic_net(c, self.channels("ab")[1], data)})  # fmt: skip
        for net in (self.G, self.D):
            normal_init(net, c.init_std)
        self.players = {
            "G": self.player(self.G, c.opt_g.build(self.G), averaged=True),
            "D": self.player(self.D, c.opt_d.build(self.D)),
        }
        self.turns = [Turn(("G",), self.generator), Turn(("D",), self.discriminator)]
        assert data.given is not None  # as `check` has seen
        self.pool_a, self.pool_b = Pool(c.pool, data.given), Pool(c.pool, data.shape)

    def generator_of(self, direction: str) -> nn.Module:
        return self.G[direction]

    def generator(self, b: Batch) -> tuple[Tensor, Aux]:
        c = self.config
        fake_b, same_b = self._made("ab", b["a"], b["b"])
        fake_a, same_a = self._made("ba", b["b"], b["a"])
        back_a, back_b = self.G["ba"](fake_b), self.G["ab"](fake_a)
        on_a, on_b = self.D["a"](fake_a), self.D["b"](fake_b)
        fooling = 2 * (adversarial.least_squares_generator(on_a) + adversarial.least_squares_generator(on_b))
        cycles = _far(b["a"], back_a), _far(b["b"], back_b)
        loss = fooling + c.cycle_weight * sum(cycles)
        aux = {"adversarial": fooling, "cycle/a": cycles[0], "cycle/b": cycles[1], "fake/a": fake_a, "fake/b": fake_b}
        if same_a is not None and same_b is not None:
            identity = _far(b["a"], same_a) + _far(b["b"], same_b)
            loss = loss + c.identity_weight * c.cycle_weight * identity
            aux["identity"] = identity
        chance = {f"chance/{side}": b.chance.uniform(DRAWS, purpose=f"pool {side}") for side in "ab"}
        return loss, aux | chance

    def _made(self, way: str, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None]:
        """Translations of the source, and what becomes of images that are of the target already."""
        if not self.config.identity_weight:
            return self.G[way](source), None
        with batches_apart(2):
            made, same = self.G[way](torch.cat([source, target])).chunk(2)
        return made, same

    def discriminator(self, b: Batch) -> tuple[Tensor, Aux]:
        loss, aux = torch.zeros((), device=b["a"].device), Aux()
        for side in "ab":
            with batches_apart(2):
                shown = torch.cat([b[side], b[f"shown/{side}"].to(b[side].dtype)])
                real, fake = self.D[side](shown).chunk(2)
            loss = loss + adversarial.least_squares_discriminator(real, fake)
            aux |= {f"D_{side}(x)": precise(real).mean(), f"D_{side}(G(z))": precise(fake).mean()}
        return loss, aux

    @torch.no_grad()
    def after(self, turn: Turn, aux: Aux) -> Batch:
        if "fake/a" not in aux:
            return Batch()
        pools = {"a": self.pool_a, "b": self.pool_b}
        return Batch(
            {
                f"shown/{side}": pool.exchange(aux.pop(f"fake/{side}"), aux.pop(f"chance/{side}"))
                for side, pool in pools.items()
            }
        )

    def rehearse(self, batch: Batch) -> None:
        self.G["ab"](batch["a"])
        self.G["ba"](batch["b"])

    @classmethod
    def check(cls, config: Any, data: DataSpec) -> None:
        super().check(config, data)
        if config.identity_weight and data.given and data.given[0] != data.channels:
            raise UserError(
                f"{cls.name}: images of A have {data.given[0]} channels and those of B {data.channels}, so none can be "
                "left as it is; give --identity-weight 0, or --channels 3."
            )


def _far(x: Tensor, y: Tensor) -> Tensor:
    """The mean L1 distance of images [B, C, H, W]."""
    return energies.absolute(x, y).mean()
