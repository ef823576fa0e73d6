r"""pix2pix: image-to-image translation with conditional adversarial networks (Isola et al. 2017, arXiv:1611.07004).

    L_cGAN(G, D) = E log D(a, b) + E log(1 − D(a, G(a, z)))                                (Eq. 1)
    G* = arg min_G max_D L_cGAN(G, D) + λ E ‖b − G(a, z)‖₁,   λ = 100                      (Eq. 4)

G is a U-Net and D a PatchGAN, which sees the input beside the output and judges 70 × 70 patches of both. There is no
latent: z is the dropout of the decoder, at test time, too, where each image is also normalised by its own statistics
(§3.3). Both are choices: `--test-dropout no` makes a translation the same for every seed, `--test-statistics running`
normalises by averages over the training set, measured under the averaged weights. In batches of more than one image,
which the paper has not, each image was normalised together with others, and alone it would be another image to the
network: then `auto`, the default, is `running`.

The paper's ablation (§4.2) is `--adversarial cgan|gan|none` and `--l1-weight`: with `gan` D does not see the input;
presets `l1` and `cgan` have one of the two terms alone. G moves before D, so that both see the same fakes; D's loss is
halved, which slows it (§3.3). Batches are of one image, learning rates constant for half of the schedule and then
falling to 0. Pairs are varied as there, enlarged by 286 / 256, cropped at random and mirrored (`--augment none` leaves
them as they are).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganvas.config import setting
from ganvas.game import Aux, Batch, DataSpec, Turn
from ganvas.games.translation import Translation, TranslationConfig
from ganvas.losses import adversarial, energies, precise
from ganvas.networks.layers import batches_apart, normal_init
from ganvas.networks.unet import Dropped

CODE = "the authors' PyTorch code"


@dataclass(frozen=True)
class Pix2PixConfig(TranslationConfig):
    """Settings of pix2pix."""

    adversarial: Literal["cgan", "gan", "none"] = setting(
        "cgan", "whether D sees the input beside the output, the output alone, or is left out", "§4.2"
    )
    l1_weight: float = setting(100.0, "λ, the weight of the L1 distance to the target", "Eq. 4", low=0)
    dropout: Dropped = setting(
        "code", "the decoder's blocks that drop half of their units: those of full width but the innermost, or the "
        "three innermost", CODE
    )  # fmt: skip
    test_dropout: bool = setting(True, "units are dropped in translations, too", "§3.3")
    test_statistics: Literal["auto", "image", "running"] = setting(
        "auto", "what BatchNorm normalises translations by: the image itself, or averages of training; auto = the "
        "image where batches were of one", "§3.3"
    )  # fmt: skip


class Pix2Pix(Translation):
    """A U-Net that is told the input, against a PatchGAN that is told it, too."""

    Config = Pix2PixConfig
    task = "pairs"
    augment = "jitter,mirror"
    presets = {
        "tiny": {"width": 8, "width_d": 8, "batch": 4},
        "narrow": {"width": 32, "width_d": 32},
        "l1": {"adversarial": "none"},
        "cgan": {"l1_weight": 0.0},
    }
    G: nn.Module

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        c = config
        inputs, outputs = self.channels("ab")
        self.G = self.generator_net(c, inputs, outputs, *data.shape[1:])
        normal_init(self.G, c.init_std)
        self.players = {"G": self.player(self.G, c.opt_g.build(self.G), averaged=True)}
        self.turns = [Turn(("G",), self.generator)]
        if c.adversarial != "none":
            self.D = self.critic_net(c, outputs + (inputs if c.adversarial == "cgan" else 0), data)
            normal_init(self.D, c.init_std)
            self.players["D"] = self.player(self.D, c.opt_d.build(self.D))
            self.turns.append(Turn(("D",), self.discriminator, weight=0.5))

    def generator_of(self, direction: str) -> nn.Module:
        return self.G

    def generator(self, b: Batch) -> tuple[Tensor, Aux]:
        fake = self.G(b["a"])
        l1 = energies.absolute(b["b"], fake).mean()
        aux = {"l1": l1}
        if self.config.adversarial == "none":
            return self.config.l1_weight * l1, aux
        loss = adversarial.non_saturating_generator(self.D(self.seen(b, fake)))
        return loss + self.config.l1_weight * l1, aux | {"adversarial": loss, "fake": fake}

    def discriminator(self, b: Batch) -> tuple[Tensor, Aux]:
        fake = b["fake"].to(b["b"].dtype)
        with batches_apart(2):
            both = self.D(torch.cat([self.seen(b, b["b"]), self.seen(b, fake)]))
        real, fake = both.chunk(2)
        aux = {"D(x)": precise(real).sigmoid().mean(), "D(G(z))": precise(fake).sigmoid().mean()}
        return adversarial.discriminator(real, fake), aux

    def seen(self, b: Batch, output: Tensor) -> Tensor:
        """What D sees of an output: the input beside it, where it is told that."""
        return torch.cat([b["a"].to(output.dtype), output], 1) if self.config.adversarial == "cgan" else output

    def after(self, turn: Turn, aux: Aux) -> Batch:
        return Batch({"fake": aux.pop("fake")} if "fake" in aux else {})

    def rehearse(self, batch: Batch) -> None:
        self.G(batch["a"])
