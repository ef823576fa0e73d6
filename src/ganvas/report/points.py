"""A picture of a game on a 2-D world: its points, and its discriminator beside the optimal one.

The world's density p is known; the generator's density q is not, and is estimated from its points. By Proposition 1 of
Goodfellow et al. 2014 the best discriminator against that generator is D*(x) = p(x) / (p(x) + q(x)).
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganvas.data.worlds import EXTENT, World

if TYPE_CHECKING:
    from torch import Tensor

REAL, FAKE, EMPTY = "#0072B2", "#D55E00", "#D9D9D9"
"""Blue and vermilion of Okabe and Ito, told apart by every kind of colour vision; grey where there is nothing."""

_CELLS = 200  # of the surfaces' grid, along each side
_SHOWN = 2_500  # points of each kind that are drawn, and counted in the title: as many as VEEGAN and PacGAN count
_LITTLE = 1e-3  # of the highest p + q: below it neither density says anything about D*


def figure(
    path: Path | str,
    world: World,
    real: np.ndarray,
    fake: np.ndarray,
    judge: Callable[[Tensor], Tensor] | None = None,
    judges: str = "probability",
) -> None:
    """Writes a PNG of real and generated points [n, 2], the judge's surface, and the optimal discriminator.

    `judge` maps points [n, 2] (float32, on the CPU) to [n] probabilities of being real, or to a critic's scores where
    `judges` is "score"; without it the surface is left out. The first 2,500 points are drawn and counted in the title,
    all of `fake` enter the estimate of q: ten thousand make it smooth. Every panel shows the same square, [-1.5, 1.5]².
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    probability = judges == "probability"
    colours = LinearSegmentedColormap.from_list("fake to real", [FAKE, "white", REAL]).with_extremes(bad=EMPTY)
    panels = 3 if judge else 2
    fig = Figure(figsize=(3 * panels, 4.15), dpi=150, layout="constrained")
    axes, bars = fig.subplots(2, panels, height_ratios=[30, 1])
    bars[0].set_axis_off()

    _scatter(axes[0], world, real, fake)
    if judge is not None and probability:
        _surface(axes[1], bars[1], verdicts(judge), "probability of being real", cmap=colours, vmin=0, vmax=1)
        axes[1].set_title("the trained discriminator D")
    elif judge is not None:
        _surface(axes[1], bars[1], verdicts(judge), "critic's score", cmap="cividis")
        axes[1].set_title("the trained critic (not a probability)")
    _surface(axes[-1], bars[-1], optimum(world, fake), "p / (p + q)", cmap=colours, vmin=0, vmax=1)
    axes[-1].set_title("the optimal discriminator D*" if probability else "p / (p + q), for comparison")

    for ax in axes:
        ax.set(xlim=(-EXTENT, EXTENT), ylim=(-EXTENT, EXTENT), aspect="equal", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
        ax.title.set_fontsize(9)
        ax.tick_params(labelsize=8)
    caption = (
        f"{'D* = ' if probability else ''}p / (p + q): p is the exact density of the world {world.name}, "
        f"q a kernel density estimate from {len(fake):,} generated points "
        f"(Gaussian kernel of width {_width(world):g}). Grey: neither has any mass."
    )
    fig.supxlabel("\n".join(textwrap.wrap(caption, 45 * panels)), fontsize=8, color="0.3")
    fig.savefig(path)


def optimum(world: World, fake: np.ndarray) -> np.ndarray:
    """D* = p / (p + q) on the square's grid: [200, 200], rows along y; NaN where p + q is under 0.001 of its peak.

    q is a Gaussian kernel density estimate from the points `fake` [n, 2], its kernel half as wide as the world's own
    Gaussians: wide enough to be smooth with some thousand points. It widens a perfect generator's Gaussians by an
    eighth, so that at their centres D* reads .56 instead of ½.
    """
    ticks, width = _ticks(), _width(world)
    p = world.density(_square()).reshape(_CELLS, _CELLS)
    x, y = (np.exp(-((ticks[:, None] - fake[:, axis]) ** 2) / (2 * width**2)) for axis in range(2))
    # the kernel is a product over the axes, so that the sum over the points is a product of matrices
    q = (y @ x.T) / (len(fake) * 2 * np.pi * width**2)
    both = p + q
    return np.where(both >= _LITTLE * both.max(), p / np.maximum(both, np.finfo(float).tiny), np.nan)


def verdicts(judge: Callable[[Tensor], Tensor]) -> np.ndarray:
    """The judge's answers on the square's grid: [200, 200], rows along y."""
    import torch

    with torch.no_grad():
        answers = judge(torch.from_numpy(_square().astype(np.float32)))
    return answers.float().cpu().numpy().reshape(_CELLS, _CELLS)


def _ticks() -> np.ndarray:
    return (np.arange(_CELLS) + 0.5) / _CELLS * 2 * EXTENT - EXTENT


def _square() -> np.ndarray:
    return np.stack(np.meshgrid(_ticks(), _ticks()), axis=-1).reshape(-1, 2)


def _width(world: World) -> float:
    return world.std / 2


def _surface(ax: Any, bar: Any, values: np.ndarray, label: str, **style: Any) -> None:
    image = ax.imshow(values, origin="lower", extent=(-EXTENT, EXTENT) * 2, interpolation="bilinear", **style)
    ax.figure.colorbar(image, cax=bar, orientation="horizontal")
    bar.set_xlabel(label, fontsize=8)
    bar.tick_params(labelsize=8)


def _scatter(ax: Any, world: World, real: np.ndarray, fake: np.ndarray) -> None:
    for points, colour, label in ((real, REAL, "real"), (fake, FAKE, "generated")):
        ax.scatter(*points[:_SHOWN].T, s=3, color=colour, alpha=0.4, linewidths=0, label=label)
    found = world.measure(fake[:_SHOWN])
    ax.set_title(f"{found['modes']} of {found['modes_of']} modes, {found['good_share']:.0%} good")
    legend = ax.legend(fontsize=8, ncols=2, loc="lower center", markerscale=3, borderaxespad=0.2, frameon=False)
    for handle in legend.legend_handles:
        handle.set_alpha(1)
