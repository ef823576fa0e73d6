"""Interpolation between two latents, through several, and among four."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor

from ganvas.errors import UserError, did_you_mean
from ganvas.latent.paths import lerp, slerp
from ganvas.priors import Coded, Prior

Path = Literal["linear", "spherical"]

_SPHERICAL = ("normal", "uniform", "sphere")


def default_path(prior: Prior) -> Path:
    """The path where nobody asks for another: spherical for normal and uniform priors, linear for others.

    Independent latents of many dimensions lie near a sphere, and the middle of a chord is far inside it (White 2016,
    arXiv:1609.04468); docs/steering.md measures what that is worth. BEGAN's N(μ, Σ) fills an ellipsoid, which straight
    paths never leave.
    """
    return "spherical" if prior.kind in _SPHERICAL and not isinstance(prior, Coded) else "linear"


def along(waypoints: Tensor, steps: int, path: Path = "linear", centre: Tensor | None = None) -> Tensor:
    """Latents [k − 1, steps, d] on the legs of a path through the waypoints [k, d], the ends of each leg among them.

    Args:
        waypoints: at least two latents.
        steps: how many of each leg, at least 2.
        path: "linear", or "spherical" about the `centre` [d] (0 where it is None).

    Raises:
        UserError: fewer waypoints or steps, or a path that there is not.
    """
    between = _about(path, centre)
    if len(waypoints) < 2:
        raise UserError(f"A path needs at least two waypoints, not {len(waypoints)}.")
    t = _times(steps, waypoints)
    starts, stops = (w.unsqueeze(1).expand(-1, steps, -1) for w in (waypoints[:-1], waypoints[1:]))
    return _apply(between, starts, stops, t.expand(len(starts), steps))


def among_four(corners: Tensor, steps: int, path: Path = "linear", centre: Tensor | None = None) -> Tensor:
    """A square of latents [steps, steps, d] with the corners [4, d] in reading order: along two sides, then across."""
    between = _about(path, centre)
    if len(corners) != 4:
        raise UserError(f"A grid of interpolation has 4 corners, not {len(corners)}.")
    t = _times(steps, corners)
    sides = _apply(between, corners[:2, None].expand(2, steps, -1), corners[2:, None].expand(2, steps, -1),
                   t.expand(2, steps))  # fmt: skip
    left, right = (side.unsqueeze(1).expand(steps, steps, -1) for side in sides)
    return _apply(between, left, right, t.expand(steps, steps))


def _times(steps: int, like: Tensor) -> Tensor:
    if steps < 2:
        raise UserError(f"steps = {steps} is out of range; give at least 2, the two ends.")
    return torch.linspace(0, 1, steps, dtype=like.dtype, device=like.device)


def _about(path: str, centre: Tensor | None) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    if path not in get_args(Path):
        raise UserError(f"path = {path!r} is none of {', '.join(get_args(Path))}.{did_you_mean(path, get_args(Path))}")
    if path == "linear":
        return lerp
    if centre is None:
        return slerp
    return lambda a, b, t: centre + slerp(a - centre, b - centre, t)


def _apply(between: Callable[[Tensor, Tensor, Tensor], Tensor], a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    return between(a.reshape(-1, a.shape[-1]), b.reshape(-1, b.shape[-1]), t.reshape(-1)).reshape(a.shape)
