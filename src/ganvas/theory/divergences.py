r"""What a distance between distributions can teach a generator, as real and generated data move apart.

JS is what the optimal discriminator of a GAN measures (Goodfellow et al. 2014, Eq. 6), KL what maximum likelihood
minimises, W1 what WGAN's critic estimates. The uniform distributions are Example 1 of Arjovsky et al. 2017 on a line:
once the supports are disjoint JS is log 2 at any distance, so that its slope is 0, and KL is infinite unless they are
the same. Gaussians overlap everywhere; yet the slope of JS dies like exp(−θ²/8), that of W1 is 1.
"""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure

from ganvas.theory import densities, figures

_X = -8 + (np.arange(24_000) + 0.5) / 1000  # the middles of cells, so that no end of a uniform falls on a point
_APART = np.linspace(0, 8, 81)  # θ, in widths of the uniform and standard deviations of the Gaussian


def study(seed: int = 0) -> tuple[dict[str, float], Figure]:
    """Distances by quadrature between U[0, 1] and U[θ, θ+1], N(0, 1) and N(θ, 1); nothing in it is random."""
    distances = {"js": densities.js, "kl": densities.kl, "w1": densities.wasserstein}
    uniform = {k: np.array([d(_X, *_uniforms(t)) for t in _APART]) for k, d in distances.items()}
    gauss = {k: np.array([d(_X, *_gaussians(t)) for t in _APART]) for k, d in distances.items()}
    slope = {k: np.gradient(gauss[k], _APART) for k in distances}
    far = np.abs(_APART - 6).argmin()
    disjoint = _APART >= 1
    numbers = {
        "log_2": math.log(2),
        "uniform_js_least_where_disjoint": uniform["js"][disjoint].min(),
        "uniform_js_most_where_disjoint": uniform["js"][disjoint].max(),
        "uniform_kl_least_where_apart": uniform["kl"][1:].min(),
        "uniform_w1_slope": np.polyfit(_APART, uniform["w1"], 1)[0],
        "gauss_js_at_8": gauss["js"][-1],
        "gauss_js_slope_at_6": slope["js"][far],
        "gauss_kl_largest_error": np.abs(gauss["kl"] - _APART**2 / 2).max(),
        "gauss_w1_slope_at_6": slope["w1"][far],
    }
    return {k: float(v) for k, v in numbers.items()}, _draw(uniform, gauss, slope)


def _uniforms(apart: float) -> tuple[np.ndarray, np.ndarray]:
    return densities.uniform(_X, 0), densities.uniform(_X, apart)


def _gaussians(apart: float) -> tuple[np.ndarray, np.ndarray]:
    return densities.gaussian(_X, 0, 1), densities.gaussian(_X, apart, 1)


def _draw(uniform: dict[str, np.ndarray], gauss: dict[str, np.ndarray], slope: dict[str, np.ndarray]) -> Figure:
    fig, axes = figures.panels(3)
    looks = {
        "w1": ("Wasserstein", figures.BLUE, "-"),
        "js": ("Jensen-Shannon", figures.ORANGE, "--"),
        "kl": ("KL", figures.GREEN, ":"),
    }
    for ax, curves in zip(axes, (uniform, gauss, slope), strict=True):
        for key, (label, colour, dash) in looks.items():
            ax.plot(_APART[1:], curves[key][1:], dash, color=colour, label=label, lw=2)
        ax.set_xlim(0, 8)
    for ax in axes[:2]:
        ax.set_ylim(0, 4)
        ax.axhline(math.log(2), color="0.7", lw=0.8, zorder=0)
        ax.text(7.9, math.log(2) + 0.06, "log 2", ha="right", fontsize=8, color="0.4")
    axes[0].text(2.4, 0.25, "KL = ∞ for every θ > 0", fontsize=8, color=figures.GREEN)
    axes[2].set_yscale("log")
    axes[2].set_ylim(1e-5, 20)
    figures.finish(axes[0], "U[0, 1] and U[θ, θ + 1]", "distance θ", "distance measured (nats; length)", "center right")
    figures.finish(axes[1], "N(0, 1) and N(θ, 1)", "distance θ", legend="")
    figures.finish(axes[2], "slope for the Gaussians", "distance θ", legend="lower left")
    return fig
