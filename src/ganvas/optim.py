"""Optimizers as plain settings, and learning rates as pure functions of progress."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganvas.config import setting
from ganvas.game import Player, Progress


@dataclass(frozen=True)
class Optimizer:
    """A player's optimizer: which one, and its numbers."""

    kind: Literal["adam", "rmsprop", "sgd"] = setting("adam", "which optimizer")
    lr: float = setting(2e-4, "base learning rate", above=0)
    beta1: float = setting(0.5, "Adam's decay of the mean gradient", low=0, high=0.9999)
    beta2: float = setting(0.999, "Adam's decay of the mean squared gradient", low=0, high=0.99999)
    eps: float = setting(1e-8, "what Adam adds to the root of the mean squared gradient", above=0)
    momentum: float = setting(0.0, "SGD's and RMSProp's momentum", low=0, high=0.9999)
    weight_decay: float = setting(0.0, "L2 penalty on the weights", low=0)

    def lazy(self, every: int) -> Optimizer:
        """Corrected for a regulariser that moves the same player once more every so many rounds.

        With c = k / (k + 1): lr · c, β ** c, so that k + 1 steps go as far as k would (Karras et al. 2020, §3.1).
        """
        c = every / (every + 1)
        return replace(self, lr=self.lr * c, beta1=self.beta1**c, beta2=self.beta2**c)

    def build(self, net: nn.Module) -> torch.optim.Optimizer:
        """The optimizer of the network's parameters, fused where PyTorch can."""
        parameters = list(net.parameters())
        if self.kind == "adam":
            betas = (float(self.beta1), float(self.beta2))  # an int among the betas crashes recent releases
            return Adam(parameters, lr=self.lr, betas=betas, eps=self.eps, weight_decay=self.weight_decay, fused=True)
        if self.kind == "sgd":
            return torch.optim.SGD(
                parameters, lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay, fused=True
            )
        return torch.optim.RMSprop(
            parameters, lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay, foreach=True
        )


class Adam(torch.optim.Adam):
    """Adam that hands channels_last weights to the fused step as the flat memory that they are.

    The fused step on a CPU copies whatever is not contiguous, its gradients of every step, which made it twice as
    slow (`benchmarks/fused_adam.py`). A channels_last [O, I, h, w] is a contiguous [O, h, w, I].
    """

    def _init_group(self, group: dict[str, Any], *lists: list[Tensor]) -> Any:
        found = super()._init_group(group, *lists)
        parameters, gradients, *moments = lists[:4]
        for i, p in enumerate(parameters if group["fused"] else ()):
            if p.dim() == 4 and not p.is_contiguous() and p.is_contiguous(memory_format=torch.channels_last):
                gradients[i] = beside(p, gradients[i])
                # of a copy the step would be lost
                assert all(m[i].stride() == p.stride() for m in moments), "moments lie as their weights do"
                for values in lists[:4]:
                    values[i] = values[i].permute(0, 2, 3, 1)
        return found


def beside(p: Tensor, values: Tensor) -> Tensor:
    """`values` in the very strides of the parameter `p`.

    Fused optimizers walk a parameter, its gradient and its moments as flat memory: with other strides (a channels_last
    weight, a contiguous gradient) they silently pair the wrong numbers.
    """
    if values.stride() == p.stride() and values.dtype == p.dtype:
        return values
    return torch.empty_like(p, requires_grad=False).copy_(values)


def lr_factor(schedule: str, progress: Progress, warmup_kimg: float) -> float:
    """What the base learning rates are multiplied with.

    `constant` stays 1; `linear` is 1 for the first half of the schedule and falls to 0 over the second (CycleGAN's);
    `cosine` falls from 1 to 0. A warm-up rises linearly from 0 over its thousand images.
    """
    t = progress.fraction
    factor = 1.0
    if schedule == "linear":
        factor = min(1.0, 2 - 2 * t)
    elif schedule == "cosine":
        factor = 0.5 * (1 + math.cos(math.pi * t))
    return factor * (min(progress.kimg / warmup_kimg, 1.0) if warmup_kimg > 0 else 1.0)


def set_learning_rate(player: Player, factor: float) -> None:
    """Base learning rate times `factor`, in every group of the player's optimizer."""
    for group in player.opt.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
