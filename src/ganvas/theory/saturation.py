r"""Why the minimax loss starves the generator.

With a = D(G(z)) the discriminator's logit on a generated sample, the generator's loss is felt through its slope in a:

    minimax         log(1 − σ(a)):   |d/da| = σ(a)        → 0 where D rejects the sample with confidence
    non-saturating  −log σ(a):       |d/da| = 1 − σ(a)    → 1 there

(Goodfellow et al. 2014, §3; Theorem 2.4 of Arjovsky and Bottou 2017 for the vanishing). So a discriminator that learns
faster than its generator silences the first loss, just when the generator has most to learn. Here the generator stands
still at its initial weights, a discriminator learns to tell its points from the ring's, and both losses' gradients with
respect to the generator's weights are measured on the way.
"""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from ganvas import rng
from ganvas.data.worlds import WORLDS
from ganvas.losses import adversarial
from ganvas.networks import mlp
from ganvas.priors import Prior
from ganvas.theory import figures

_LOSSES = {"minimax": adversarial.minimax_generator, "non_saturating": adversarial.non_saturating_generator}
_STEPS, _BATCH = 1_500, 256
_PRIOR = Prior(2, "uniform")  # bounded, so that no far sample happens to fall among the data


def study(seed: int = 0) -> tuple[dict[str, float], Figure]:
    """Slopes of both losses in the logit, and norms of the generator's gradient while a discriminator learns."""
    logits = np.linspace(-8, 8, 161)
    slopes = {name: _slopes(name, logits) for name in _LOSSES}
    steps, norms, verdict = _learn(seed)
    sigma = 1 / (1 + np.exp(-logits))
    numbers = {
        "slope_largest_error": max(
            np.abs(slopes["minimax"] - sigma).max(), np.abs(slopes["non_saturating"] - (1 - sigma)).max()
        ),
        "D_of_fake_first": verdict[0],
        "D_of_fake_last": verdict[-1],
        "minimax_gradient_first": norms["minimax"][0],
        "minimax_gradient_last": norms["minimax"][-1],
        "non_saturating_gradient_first": norms["non_saturating"][0],
        "non_saturating_gradient_last": norms["non_saturating"][-1],
    }
    return {k: float(v) for k, v in numbers.items()}, _draw(logits, slopes, steps, norms, verdict)


def _slopes(name: str, logits: np.ndarray) -> np.ndarray:
    a = torch.from_numpy(logits).requires_grad_()
    (slope,) = torch.autograd.grad(_LOSSES[name](a) * len(a), a)  # the loss is a mean over the logits
    return slope.abs().numpy()


def _learn(seed: int) -> tuple[list[int], dict[str, list[float]], list[float]]:
    """Steps of the discriminator, the generator's gradient norm by loss, and the mean of D(G(z)), in step."""
    with rng.seeded_globally(seed, "saturation"):
        generator = mlp.Generator((2,), z_dim=2, width=64, depth=2, act="relu", leak=0.0)
        net = mlp.Discriminator((2,), width=64, depth=2, act="leaky-relu", leak=0.2)
    opt = torch.optim.Adam(net.parameters(), lr=1e-3)
    g = rng.generator(seed, "saturation")
    real = torch.from_numpy(WORLDS["ring"].sample(_STEPS * _BATCH, seed)).split(_BATCH)
    held_out = _PRIOR.draw(2_048, g)
    steps: list[int] = []
    norms: dict[str, list[float]] = {name: [] for name in _LOSSES}
    verdict: list[float] = []
    for step in range(_STEPS + 1):
        if step % 20 == 0:
            judged = net(generator(held_out))
            steps.append(step)
            verdict.append(judged.sigmoid().mean().item())
            for name, loss in _LOSSES.items():
                norms[name].append(_gradient_norm(loss(judged), generator))
        if step < _STEPS:
            fake = generator(_PRIOR.draw(_BATCH, g)).detach()
            opt.zero_grad()
            adversarial.discriminator(net(real[step]), net(fake)).backward()
            opt.step()
    return steps, norms, verdict


def _gradient_norm(loss: torch.Tensor, net: nn.Module) -> float:
    gradients = torch.autograd.grad(loss, list(net.parameters()), retain_graph=True)
    return torch.cat([g.flatten() for g in gradients]).norm().item()


def _draw(
    logits: np.ndarray,
    slopes: dict[str, np.ndarray],
    steps: list[int],
    norms: dict[str, list[float]],
    verdict: list[float],
) -> Figure:
    fig, (left, middle, right) = figures.panels(3)
    looks = {
        "minimax": ("minimax: log(1 − D)", figures.ORANGE, "-"),
        "non_saturating": ("non-saturating: −log D", figures.BLUE, "--"),
    }
    for name, (label, colour, dash) in looks.items():
        left.plot(logits, slopes[name], dash, color=colour, label=label, lw=2)
        right.plot(steps, norms[name], dash, color=colour, label=label, lw=2)
    left.set_ylim(0, 1.4)
    middle.plot(steps, verdict, color=figures.GREEN, lw=2)
    middle.set_yscale("log")
    right.set_yscale("log")
    figures.finish(
        left, "slope of the loss in D's logit", "rejected  ←  logit of D(G(z))  →  accepted", "", "upper center"
    )
    figures.finish(middle, "D learns to reject the fakes", "steps of the discriminator", "mean D(G(z))", legend="")
    figures.finish(right, "what reaches G's weights", "steps of the discriminator", "norm of G's gradient", legend="")
    return fig
