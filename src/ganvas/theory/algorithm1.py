r"""Algorithm 1 of Goodfellow et al. 2014 on a line: the paper's figure 1, measured.

The data are N(2, ½²). The game is the house's own `gan`, played by the house's own engine: k steps that raise
V(D, G) = E log D(x) + E log(1 − D(G(z))) in D, then one that lowers it in G. The latent has one dimension, so that the
generator's density q is found almost exactly, by pushing the quantiles of the prior through G.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy import special, stats

from ganvas import rng
from ganvas.engine import Session, Settings, play
from ganvas.game import DataSpec
from ganvas.games.gan import GAN, GANConfig
from ganvas.optim import Optimizer
from ganvas.theory import densities, figures

_X = np.linspace(-2, 5, 701)
_MEAN, _STD = 2.0, 0.5
_ROUNDS = (10, 50, 200, 800)  # when the game is measured and drawn
_K, _BATCH = 5, 256


class _Reals:
    """Points of N(2, ½²): the batch at a cursor is a function of (seed, cursor)."""

    def __init__(self, seed: int):
        self.seed = seed

    def batch(self, cursor: int, start: int, stop: int) -> dict[str, torch.Tensor]:
        noise = torch.randn(stop, 1, generator=rng.generator(self.seed, "algorithm1", cursor))
        return {"x": _MEAN + _STD * noise[start:]}


def study(seed: int = 0) -> tuple[dict[str, float], Figure]:
    """Plays the game, and holds it against its theory at four moments."""
    config = GANConfig(
        loss="minimax", k=_K, z_dim=1, prior="normal", width=32, depth=2, act_g="elu", act_d="elu",
        maxout_units=0, dropout_input=0.0, dropout=0.0, init_range=0.0,
        opt_g=Optimizer(lr=5e-4), opt_d=Optimizer(lr=5e-3),
    )  # fmt: skip
    with rng.seeded_globally(seed, "algorithm1"):
        game = GAN(config, DataSpec((1,)))
    kimg = _ROUNDS[-1] * _K * _BATCH / 1000
    settings = Settings(kimg=kimg, batch=_BATCH, seed=seed, precision="fp32", lr_schedule="linear")
    session = Session(settings, torch.device("cpu"), images=False)
    fig, axes = figures.panels(len(_ROUNDS))
    p = densities.gaussian(_X, _MEAN, _STD)
    numbers: dict[str, float] = {"minus_log_4": -math.log(4)}
    for at in play(game, _Reals(seed), session):
        if at.clock.round not in _ROUNDS:
            continue
        q, logits = _measure(game)
        judged = special.expit(logits)
        best = densities.optimal_discriminator(p, q)
        moment = f"round_{at.clock.round}"
        numbers |= {
            f"{moment}_wasserstein": densities.wasserstein(_X, p, q),
            f"{moment}_value": densities.value(_X, p, q, logits),
            f"{moment}_gap_mean": densities.expectation(_X, (p + q) / 2, np.abs(judged - best)),
        }
        _draw(axes[_ROUNDS.index(at.clock.round)], at.clock.round, p, q, judged, best)
    return numbers, fig


@torch.no_grad()
def _measure(game: GAN) -> tuple[np.ndarray, np.ndarray]:
    """The generator's density and the discriminator's logits on the grid."""
    quantiles = stats.norm.ppf((np.arange(4_000) + 0.5) / 4_000)
    made = game.G(torch.from_numpy(quantiles).float()[:, None]).double().numpy().ravel()
    logits = game.D(torch.from_numpy(_X).float()[:, None]).double().numpy()
    return densities.kernel_estimate(_X, made, width=0.05), logits


def _draw(ax: Any, number: int, p: np.ndarray, q: np.ndarray, judged: np.ndarray, best: np.ndarray) -> None:
    ax.fill_between(_X, p, color=figures.BLUE, alpha=0.3, lw=0, label="p, real")
    ax.fill_between(_X, q, color=figures.ORANGE, alpha=0.3, lw=0, label="q, generated")
    somewhere = p + q > 0.01  # elsewhere neither says what D* is
    ax.plot(_X, np.where(somewhere, best, np.nan), color="black", lw=1.5, label="D* = p / (p + q)")
    ax.plot(_X, judged, "--", color=figures.GREEN, lw=2, label="D")
    ax.axhline(0.5, color="0.8", lw=0.8, zorder=0)
    ax.set(xlim=(-2, 5), ylim=(0, 1.6))
    figures.finish(ax, f"after {number:,} rounds", "x", legend="upper left" if number == _ROUNDS[0] else "")
