r"""Proposition 1 and Theorem 1 of Goodfellow et al. 2014, on densities that are known.

For a fixed generator the best discriminator is D*(x) = p(x)/(p(x) + q(x)); its value is V(D*, G) = −log 4 + 2 JS(p, q),
least where q = p: there D* = ½ and V = −log 4. Here a network is trained on samples alone, and held against both.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy import special

from ganvas import rng
from ganvas.losses import adversarial
from ganvas.networks import mlp
from ganvas.theory import densities, figures

_X = np.linspace(-6, 6, 2_401)
_REAL = ((-1.0, 0.6), (1.5, 0.6))  # p: an equal mixture of two Gaussians (mean, standard deviation)
_GENERATED = {"equal": _REAL, "one_mode": ((1.5, 0.6),), "shifted": ((-2.5, 0.6), (0.0, 0.6))}
_TITLES = {"equal": "a perfect generator", "one_mode": "a generator that lost a mode", "shifted": "one beside the data"}
_STEPS, _BATCH = 500, 1_024


def study(seed: int = 0) -> tuple[dict[str, float], Figure]:
    """Trains a discriminator for each of three generators: perfect, one that lost a mode, and one beside the data."""
    fig, axes = figures.panels(len(_GENERATED), height=3.4)
    numbers: dict[str, float] = {"minus_log_4": -math.log(4)}
    p = _density(_REAL)
    for ax, (name, generated) in zip(axes, _GENERATED.items(), strict=True):
        q = _density(generated)
        logits = _train(generated, seed)
        found, best = special.expit(logits), densities.optimal_discriminator(p, q)
        gap, weight = np.abs(found - best), (p + q) / 2
        numbers |= {
            f"{name}_value": densities.value(_X, p, q, logits),
            f"{name}_value_exact": -math.log(4) + 2 * densities.js(_X, p, q),
            f"{name}_gap_mean": densities.expectation(_X, weight, gap),
            f"{name}_gap_max": float((gap * weight).max() / weight.max()),
        }
        ax.fill_between(_X, p, color=figures.BLUE, alpha=0.25, lw=0, label="p, real")
        ax.fill_between(_X, q, color=figures.ORANGE, alpha=0.25, lw=0, label="q, generated")
        ax.plot(_X, best, color="black", lw=2, label="D* = p / (p + q)")
        ax.plot(_X, found, "--", color=figures.GREEN, lw=2, label="D, trained")
        ax.set(xlim=(-5, 4), ylim=(0, 1.02))
        reached, exact = (f"{numbers[f'{name}_value{which}']:.3f}".replace("-", "−") for which in ("", "_exact"))
        title = f"{_TITLES[name]}\nV = {reached}, exact {exact}"
        figures.finish(ax, title, "x", legend="upper left" if name == "equal" else "")
    return numbers, fig


def _density(mixture: tuple[tuple[float, float], ...]) -> np.ndarray:
    return np.mean([densities.gaussian(_X, mean, std) for mean, std in mixture], axis=0)


def _draw(mixture: tuple[tuple[float, float], ...], n: int, g: torch.Generator) -> torch.Tensor:
    means, stds = torch.tensor(mixture).T
    which = torch.randint(len(mixture), (n,), generator=g)
    return (means[which] + stds[which] * torch.randn(n, generator=g))[:, None]


def _train(generated: tuple[tuple[float, float], ...], seed: int) -> np.ndarray:
    """The logits on the grid of a discriminator that saw samples of both densities."""
    with rng.seeded_globally(seed, "optimum"):
        net = mlp.Discriminator((1,), width=32, depth=2, act="elu", leak=0.0)
    opt = torch.optim.Adam(net.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, _STEPS)
    g = rng.generator(seed, "optimum")
    for _ in range(_STEPS):
        loss = adversarial.discriminator(net(_draw(_REAL, _BATCH, g)), net(_draw(generated, _BATCH, g)))
        opt.zero_grad()
        loss.backward()
        opt.step()
        schedule.step()
    with torch.no_grad():
        return net(torch.from_numpy(_X).float()[:, None]).double().numpy()
