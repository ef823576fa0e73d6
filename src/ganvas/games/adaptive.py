r"""What a discriminator is shown instead of samples, and adaptive discriminator augmentation's control of it.

ADA (Karras et al. 2020, arXiv:2006.06676) transforms real and fake images with a probability p (`ganvas.losses.ada`),
and raises p where D has begun to know its training set by heart,

    r_t = E sign D(x),  x real and augmented, over four of D's turns:  0 where D guesses, 1 where it knows all   (Eq. 1)
    p  ←  p ± images of these turns / (1000 `ada_kimg`),  + where r_t > `ada_target`                             (§3.1)

and stays in [0, 1], which the authors' code does not hold it to above. What D's "real" is, is the loss's affair: a
logit above 0, a score nearer to the target of reals, an f-divergence's T above f′(1). The scores of a Wasserstein or a
relativistic critic have no zero, so there a real is compared with a fake, r_t = E sign(D(x) − D(G(z))): ours, not the
paper's. `--ada-p` with `--ada-kimg 0` is a fixed p. In the log are `ada_p` and `r_t`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ganvas.config import setting
from ganvas.errors import UserError
from ganvas.game import Aux, Batch, DataSpec
from ganvas.losses import ada, diffaugment, precise

ADA = "Karras et al. 2020 (ADA)"
INTERVAL = 4
"""Turns of D between two changes of p."""
SIGNS = "signs"


@dataclass(frozen=True)
class ShownConfig:
    """Settings of what the discriminator is shown, real and fake alike."""

    batch: int = setting(64, "images a turn takes", low=2)
    instance_noise: float = setting(
        0.0, "noise added to what the discriminator sees, falling to 0 over the schedule", "Sønderby et al. 2017", low=0
    )
    diffaugment: str = setting(
        "", "DiffAugment's policy on real and fake alike, as in color,translation,cutout", "Zhao et al. 2020"
    )
    ada: str = setting(
        "", "adaptive augmentation of real and fake alike, as in bgc, by the paper's names; none = off", ADA
    )
    ada_target: float = setting(0.6, "r_t above which augmentation becomes more frequent", ADA, low=-1, high=1)
    ada_kimg: float = setting(500.0, "thousand images in which its p can go from 0 to 1; 0 = p stays", ADA, low=0)
    ada_p: float = setting(0.0, "p at the start: with which each transformation is applied", ADA, low=0, high=1)


class Shown:
    """A game whose discriminator is shown samples augmented and with noise, where its configuration says so.

    D's turn reports by `heard` what D thinks of reals, and `after` hands the report to `adapt`.
    """

    config: Any
    noise_std: Tensor
    ada_p: Tensor
    ada_tally: Tensor
    """Signs of verdicts on reals, their number, and turns, since p last changed."""
    zero: float | None = 0.0
    """The verdict above which a sample counts as real; None of scores that only compare samples."""

    def prepare(self, config: Any) -> None:
        """Registers the state that showing takes."""
        assert isinstance(self, nn.Module)
        self.augmentations = diffaugment.policy(config.diffaugment)
        self.transforms = ada.policy(getattr(config, "ada", ""))
        self.register_buffer("noise_std", torch.tensor(float(config.instance_noise)))
        if self.transforms:
            self.register_buffer("ada_p", torch.tensor(float(config.ada_p)))
            self.register_buffer("ada_tally", torch.zeros(3))

    def seen(self, b: Batch, x: Tensor) -> Tensor:
        """What the discriminator sees of `x`: x, augmented and with instance noise where these are on."""
        if self.transforms:
            x = ada.augment(x, self.transforms, b.chance, self.ada_p)
        if self.augmentations:
            x = diffaugment.augment(x, self.augmentations, lambda purpose: b.chance.uniform(purpose=purpose))
        if not self.config.instance_noise:
            return x
        return x + self.noise_std * b.chance.normal(*x.shape[1:], purpose="instance noise")

    def signs(self, real: Tensor, fake: Tensor) -> Tensor:
        """1 where D takes a real for real, −1 where it does not; of verdicts on as many reals as fakes."""
        return (precise(real) - (precise(fake) if self.zero is None else self.zero)).sign()

    def heard(self, real: Tensor, fake: Tensor) -> Aux:
        """What `adapt` wants to know of D's verdicts on augmented reals and fakes."""
        return {SIGNS: self.signs(real, fake).detach().flatten()} if self.transforms else {}

    @torch.no_grad()
    def adapt(self, aux: Aux) -> None:
        """Moves p after every fourth turn of D, and puts it and r_t into the log."""
        if SIGNS not in aux:
            return
        c, signs = self.config, aux[SIGNS].to(self.ada_tally)
        aux["r_t"] = signs.mean()
        self.ada_tally += torch.stack(
            [signs.sum(), torch.full_like(self.ada_p, len(signs)), torch.ones_like(self.ada_p)]
        )
        total, images, turns = self.ada_tally
        due = turns >= INTERVAL
        if c.ada_kimg:
            step = (total / images - c.ada_target).sign() * images / (1000 * c.ada_kimg)
            self.ada_p.copy_(torch.where(due, self.ada_p + step, self.ada_p).clamp(0, 1))
        self.ada_tally *= ~due
        aux["ada_p"] = self.ada_p.clone()


def check(config: Any, data: DataSpec, name: str) -> None:
    """Raises a `UserError` where what the discriminator is to be shown cannot be made of such data."""
    asked = {"diffaugment": diffaugment.policy(config.diffaugment), "ada": ada.policy(getattr(config, "ada", ""))}
    for setting_name, transforms in asked.items():
        if transforms and not data.is_image:
            raise UserError(f"{name}: {setting_name} changes images, not the points of a 2-D world; leave it out.")
    if all(asked.values()):
        raise UserError(f"{name}: ada and diffaugment both vary what D sees; give one of them (docs/small-data.md).")
