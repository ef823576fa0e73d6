"""What the games of translation share: an image goes in, and the same image comes out in the other domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ganvas.config import setting
from ganvas.errors import UserError
from ganvas.game import DataSpec, Game
from ganvas.networks import patchgan, unet
from ganvas.networks.layers import as_in_training
from ganvas.networks.translator import Translator
from ganvas.networks.unet import Dropped, UNet
from ganvas.optim import Optimizer

_PIXELS = 2**20  # that are translated in one pass
_FEWEST = 8  # pixels of a side, which is reflected at its ends


Norm = Literal["batch", "instance", "layer", "none"]
ADAM = Optimizer(lr=2e-4, beta1=0.5, beta2=0.999)
BOTH = "Isola et al. 2017, Zhu et al. 2017"


@dataclass(frozen=True)
class TranslationConfig:
    """Settings of networks that translate and of those that judge them, where both papers say the same."""

    batch: int = setting(1, "images of each side a turn takes", BOTH, low=1)
    network: Literal["unet", "resnet"] = setting("unet", "the generator: pix2pix's U-Net, or CycleGAN's, residual")
    width: int = setting(64, "channels of the generator's first layer", BOTH, low=1)
    depth: int = setting(0, "unet: how often it halves the image; 0 = down to one pixel", low=0, high=12)
    dropout: Dropped = setting("none", "unet: the decoder's blocks that drop half of their units, as pix2pix says")
    blocks: int = setting(0, "resnet: residual blocks; 0 = 9 from 256 pixels on, else 6", "Zhu et al. 2017", low=0)
    norm_g: Norm = setting("batch", "normalisation in the generator")
    width_d: int = setting(64, "channels of the discriminator's first layer", BOTH, low=1)
    patch: int = setting(0, "pixels of the side of a patch: 1, 16, 34, 70, 142, 286; 0 = 70 from 64 pixels on", BOTH)
    norm_d: Norm = setting("batch", "normalisation in the discriminator")
    init_std: float = setting(0.02, "standard deviation of the initial weights", BOTH, above=0)
    opt_g: Optimizer = setting(ADAM, "the generator's optimizer", BOTH)
    opt_d: Optimizer = setting(ADAM, "the discriminator's optimizer", BOTH)


class Translation(Game):
    """A game whose generators map images to images of the same height and width."""

    directions: ClassVar[tuple[str, ...]] = ("ab",)
    """The ways it translates: "ab" makes images of B from images of A."""
    memory_format = "nhwc"

    @property
    def test_statistics(self) -> str:
        """What BatchNorm normalises translations by where nobody says otherwise: "image" or "running"."""
        told = getattr(self.config, "test_statistics", "running")
        return told if told != "auto" else "image" if self.config.batch == 1 else "running"

    def generator_of(self, direction: str) -> nn.Module:
        """The network of a direction: of one alone `G`."""
        return self.G  # type: ignore[return-value]

    def channels(self, direction: str) -> tuple[int, int]:
        """Channels of what goes in, and of what comes out."""
        assert self.data.given is not None
        a, b = self.data.given[0], self.data.channels
        return (a, b) if direction == "ab" else (b, a)

    @torch.no_grad()
    def translate(
        self,
        x: Tensor,
        direction: str = "ab",
        seed: int = 0,
        *,
        dropout: bool | None = None,
        statistics: str | None = None,
    ) -> Tensor:
        """Images of the other domain [n, C', H, W], float32 in [-1, 1], of images [n, C, H, W] in [-1, 1].

        Each is a function of its own input alone, and of `seed` where there is dropout.

        Args:
            x: of any height and width.
            direction: "ab", or "ba" of a game that translates both ways.
            seed: of the dropout's mask.
            dropout: whether units are dropped as in training; None does as the game's settings say.
            statistics: what BatchNorm normalises by, "image" or "running"; None as the game's settings say.

        Raises:
            UserError: a direction that the game has not, other channels, or images of less than 8 pixels a side.
        """
        self.demand(x, direction)
        dropped = getattr(self.config, "test_dropout", False) if dropout is None else dropout
        by = statistics or self.test_statistics
        net, at_once = self.generator_of(direction), max(1, _PIXELS // (x.shape[2] * x.shape[3]))
        with as_in_training(statistics=by == "image", dropout=seed if dropped else None):
            parts = [net(part).float() for part in x.to(self.device).split(at_once)]
        return torch.cat(parts).clamp(-1, 1).contiguous()

    def demand(self, x: Tensor, direction: str) -> None:
        """A `UserError` where such images cannot be translated that way."""
        if direction not in self.directions:
            has = " and ".join(self.directions)
            raise UserError(f"{self.name} has no direction {direction!r}; it translates {has}.")
        wanted = self.channels(direction)[0]
        if x.dim() != 4 or x.shape[1] != wanted:
            raise UserError(
                f"{self.name} translates images of {wanted} channel{'s' * (wanted > 1)} ({direction}), and these are "
                f"{'×'.join(map(str, x.shape))} (n × channels × height × width)."
            )
        if min(x.shape[2:]) < _FEWEST:
            raise UserError(
                f"an image of {x.shape[2]}×{x.shape[3]} pixels (height × width) is too small to be translated; give "
                f"{_FEWEST} pixels a side at least."
            )

    @staticmethod
    def generator_net(c: Any, inputs: int, outputs: int, height: int, width: int) -> nn.Module:
        """The generator that the configuration chooses, for images of this size."""
        if c.network == "unet":
            depth = c.depth or unet.depth_for(height, width)
            return UNet(inputs, outputs, c.width, depth, c.norm_g, c.dropout)
        return Translator(inputs, outputs, c.width, c.blocks or blocks_for(height, width), c.norm_g)

    @staticmethod
    def critic_net(c: Any, inputs: int, data: DataSpec) -> nn.Module:
        return patchgan.PatchGAN(inputs, c.width_d, c.patch or patchgan.patch_for(min(data.shape[1:])), c.norm_d)

    @classmethod
    def check(cls, config: Any, data: DataSpec) -> None:
        if not data.is_image or data.given is None:
            raise UserError(f"{cls.name} plays on {cls.task} of images A and B; {_LAYOUTS[cls.task]}")
        side = min(data.shape[1:])
        where = f"{data.shape[1]}×{data.shape[2]} pixels (height × width)"
        if config.network == "unet" and (deepest := unet.depth_for(*data.shape[1:])) < config.depth:
            raise UserError(
                f"{cls.name}: a U-Net of --depth {config.depth} cannot halve images of {where} so often; give at most "
                f"{deepest}, or leave it out."
            )
        patch = config.patch or patchgan.patch_for(side)
        if patch not in patchgan.LAYERS:
            raise UserError(
                f"{cls.name}: --patch {patch} is no PatchGAN; give 0 (what suits the size), "
                f"{', '.join(map(str, patchgan.LAYERS))}."
            )
        if side < (least := patchgan.smallest_side(patch)):
            raise UserError(
                f"{cls.name}: images of {where} are too small for patches of {patch}; give --size {least} or more, or "
                "a smaller --patch."
            )

    @classmethod
    def exemptions(cls, config: Any) -> dict[str, str]:
        norms = [n for n in ("norm_g", "norm_d") if getattr(config, n) == "batch"]
        if not norms:
            return {}
        return {"accumulation": f"BatchNorm's statistics are those of each micro-batch ({', '.join(norms)} = batch)"}

    @classmethod
    def engine_defaults(cls, data: DataSpec) -> Mapping[str, Any]:
        return {"lr_schedule": "linear"}


_LAYOUTS = {
    "pairs": "give folders A and B whose files share their names, or make pairs of any images with --pairs superres:4, "
    "inpaint, colorize, edges or denoise.",
    "domains": "give a folder with trainA and trainB.",
}


def blocks_for(height: int, width: int) -> int:
    """Residual blocks of CycleGAN's generator: 9 for images of 256 pixels and more, else 6."""
    return 9 if min(height, width) >= 256 else 6
