r"""CUT: contrastive learning for unpaired translation (Park, Efros, Zhang and Zhu 2020, arXiv:2007.15651).

One generator, from A to B, and no way back: what holds a translation to its input is that each of its patches must
resemble the patch of the input at the same place more than the input's other patches. The first half of the generator
itself, and small networks F on its feature maps, say what resembles what: with q and k the points of G(a) and of a,

    ℓ = E −log exp(q_s · k_s / τ) / Σ_t exp(q_s · k_t / τ)       over maps and places s, τ = 0.07      (Eqs. 2 and 3)
    min_G,F  E (D(G(a)) − 1)² + ½ (λ_X ℓ(G(a), a) + λ_Y ℓ(G(b), b)),   λ_X = λ_Y = 1                   (Eq. 5)
    min_D    ½ E (D(b) − 1)² + ½ E D(G(a))²

Images of B are to stay what they are (λ_Y). Maps are the pixels, both convolutions of stride 2, and residual blocks 1
and 5 of 9 (of fewer, 1 and the last of the first half); of each 256 places are drawn, all of a smaller one. No gradient
reaches k. Sums over maps and places are means here, and that over the two terms too, as in the authors' code.

`fast` is FastCUT: λ_X = 10 and no λ_Y, and half of the images go in mirrored, so that features must mirror, too. G
moves before D, so that both see the same fakes. Networks, batches, rates and jitter are CycleGAN's: the authors'
generator also blurs what it makes smaller or larger, so that their maps see 1, 9, 15, 35 and 99 pixels a side, and
these 1, 9, 13, 29 and 93.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ganvas.config import setting
from ganvas.errors import UserError
from ganvas.game import Aux, Batch, DataSpec, Turn
from ganvas.games.translation import Norm, Translation, TranslationConfig
from ganvas.losses import adversarial, precise
from ganvas.losses.contrastive import patch_nce
from ganvas.networks.layers import batches_apart, normal_init
from ganvas.networks.patches import PatchHeads
from ganvas.networks.translator import Translator

PAPER = "Park et al. 2020"


@dataclass(frozen=True)
class CUTConfig(TranslationConfig):
    """Settings of CUT."""

    nce_weight: float = setting(1.0, "λ_X, the weight of patches staying what they are", PAPER, low=0)
    identity_weight: float = setting(
        1.0, "λ_Y, the same for images of the target; 0 = they are not shown", PAPER, low=0
    )
    temperature: float = setting(0.07, "τ, by which similarities are divided", PAPER, above=0)
    patches: int = setting(256, "places of a feature map that are compared", PAPER, low=2)
    width_f: int = setting(256, "units of both layers of the networks on feature maps", PAPER, low=1)
    flip: bool = setting(False, "half of the images go in mirrored, and their features are mirrored back", "FastCUT")
    network: Literal["resnet"] = setting("resnet", "the generator: CycleGAN's, whose first half compares", PAPER)
    norm_g: Norm = setting("instance", "normalisation in the generator", PAPER)
    norm_d: Norm = setting("instance", "normalisation in the discriminator", PAPER)


class CUT(Translation):
    """A generator whose patches must be told by those they were made of, against a discriminator."""

    Config = CUTConfig
    task = "domains"
    augment = "jitter,mirror"
    memory_format = "nchw"  # as CycleGAN
    presets = {
        "tiny": {"width": 4, "width_d": 4, "blocks": 2, "batch": 4, "patches": 8, "width_f": 8},
        "narrow": {"width": 32, "width_d": 32},
        "fast": {"nce_weight": 10.0, "identity_weight": 0.0, "flip": True},
    }
    G: Translator

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        c = config
        inputs, outputs = self.channels("ab")
        self.G = self.generator_net(c, inputs, outputs, *data.shape[1:])  # type: ignore[assignment]
        self.F = PatchHeads(self.G.encoded, c.width_f)
        self.D = self.critic_net(c, outputs, data)
        for net in (self.G, self.F, self.D):
            normal_init(net, c.init_std)
        self.players = {
            "G": self.player(self.G, c.opt_g.build(self.G), averaged=True),
            "F": self.player(self.F, c.opt_g.build(self.F)),
            "D": self.player(self.D, c.opt_d.build(self.D)),
        }
        self.turns = [Turn(("G", "F"), self.generator), Turn(("D",), self.discriminator)]

    def generator(self, b: Batch) -> tuple[Tensor, Aux]:
        c = self.config
        weights = {"nce": c.nce_weight, "nce/identity": c.identity_weight}
        weights = {name: weight for name, weight in weights.items() if weight or name == "nce"}
        source = torch.cat([b["a"], b["b"]][: len(weights)])
        with batches_apart(len(weights)):
            made, queries, keys = self._compared(b, source)
        fake = made[: len(b["a"])]
        fooling = 2 * adversarial.least_squares_generator(self.D(fake))
        resemblance = self._resemblance(b, queries, keys, len(weights))
        aux = dict(zip(weights, resemblance, strict=True))
        held = sum(weight * aux[name] for name, weight in weights.items()) / len(weights)
        return fooling + held, aux | {"adversarial": fooling, "fake": fake}

    def _compared(self, b: Batch, source: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """What is made of images, and the feature maps of that and of the images themselves."""
        queries: list[Tensor] = []
        keys: list[Tensor] = []
        sides = source.shape[2:]
        if not self.config.flip:
            made = self.G.decode(self.G.encode(source, keys), *sides)
            self.G.encode(made, queries)
            return made, queries, keys
        mirrored = b.chance.uniform_like(source[:, 0, 0, 0], purpose="mirror") < 0.5
        made = self.G(_mirror(source, mirrored))
        self.G.encode(made, queries)
        with torch.no_grad():
            self.G.encode(source, keys)
        return made, [_mirror(q, mirrored) for q in queries], keys

    def _resemblance(self, b: Batch, queries: list[Tensor], keys: list[Tensor], n: int) -> list[Tensor]:
        """ℓ of each of the `n` batches whose maps lie one after the other: its mean over the maps."""
        places = [
            b.chance.uniform_like(k[:, 0].flatten(1), purpose=f"places {i}").argsort(1)[:, : self.config.patches]
            for i, k in enumerate(keys)
        ]
        with torch.no_grad():
            known = self.F(keys, places)
        pairs = list(zip(self.F(queries, places), known, strict=True))
        each = [[patch_nce(q.chunk(n)[i], k.chunk(n)[i], self.config.temperature) for q, k in pairs] for i in range(n)]
        return [torch.stack(losses).mean() for losses in each]

    def discriminator(self, b: Batch) -> tuple[Tensor, Aux]:
        with batches_apart(2):
            real, fake = self.D(torch.cat([b["b"], b["fake"].to(b["b"].dtype)])).chunk(2)
        aux = {"D(x)": precise(real).mean(), "D(G(z))": precise(fake).mean()}
        return adversarial.least_squares_discriminator(real, fake), aux

    def after(self, turn: Turn, aux: Aux) -> Batch:
        return Batch({"fake": aux.pop("fake")} if "fake" in aux else {})

    def rehearse(self, batch: Batch) -> None:
        self.G(batch["a"])

    @classmethod
    def check(cls, config: Any, data: DataSpec) -> None:
        super().check(config, data)
        if data.given and data.given[0] != data.channels:
            raise UserError(
                f"{cls.name}: images of A have {data.given[0]} channels and those of B {data.channels}, and one "
                "network is to compare them; give --channels 3."
            )


def _mirror(x: Tensor, which: Tensor) -> Tensor:
    """Those images, or maps, of x [B, C, H, W] mirrored that `which` [B] says."""
    return torch.where(which[:, None, None, None], x.flip(3), x)
