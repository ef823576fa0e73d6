"""Densities on a line, as their values on an evenly spaced grid, and the distances between them by quadrature."""

from __future__ import annotations

import numpy as np


def gaussian(x: np.ndarray, mean: float | np.ndarray, std: float) -> np.ndarray:
    """The density of N(mean, std²) at `x`."""
    return np.exp(-(((x - mean) / std) ** 2) / 2) / (std * np.sqrt(2 * np.pi))


def uniform(x: np.ndarray, start: float) -> np.ndarray:
    """The density of the uniform distribution on [start, start + 1) at `x`."""
    return ((x >= start) & (x < start + 1)).astype(float)


def kernel_estimate(x: np.ndarray, points: np.ndarray, width: float) -> np.ndarray:
    """The density [len(x)] of `points` [n], each spread to a Gaussian of standard deviation `width`."""
    return gaussian(x[:, None], points[None, :], width).mean(axis=1)


def expectation(x: np.ndarray, p: np.ndarray, values: np.ndarray) -> float:
    """E over p of `values`, where what p gives no weight counts for nothing, though it be infinite."""
    mass = p > 0
    return float(np.sum(p[mass] * values[mass]) * (x[1] - x[0]))


def kl(x: np.ndarray, p: np.ndarray, q: np.ndarray) -> float:
    """KL(p‖q) = E_p log(p/q) in nats; infinite where p has mass and q has none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return expectation(x, p, np.log(p / q))


def js(x: np.ndarray, p: np.ndarray, q: np.ndarray) -> float:
    """The Jensen-Shannon divergence ½ KL(p‖m) + ½ KL(q‖m), m = (p + q)/2, in nats: from 0 to log 2."""
    middle = (p + q) / 2
    return (kl(x, p, middle) + kl(x, q, middle)) / 2


def wasserstein(x: np.ndarray, p: np.ndarray, q: np.ndarray) -> float:
    """W1(p, q), the earth mover's distance: on a line exactly ∫ |P − Q| dx, P and Q the distribution functions."""
    dx = x[1] - x[0]
    return float(np.abs(np.cumsum(p - q) * dx).sum() * dx)


def optimal_discriminator(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """D* = p/(p + q), Proposition 1 of Goodfellow et al. 2014; NaN where neither has mass."""
    with np.errstate(invalid="ignore"):
        return p / (p + q)


def value(x: np.ndarray, p: np.ndarray, q: np.ndarray, logits: np.ndarray) -> float:
    """V(D, G) = E_p log D + E_q log(1 − D), Eq. 1 of Goodfellow et al. 2014, for D given by its logits at `x`."""
    return expectation(x, p, -np.logaddexp(0, -logits)) + expectation(x, q, -np.logaddexp(0, logits))
