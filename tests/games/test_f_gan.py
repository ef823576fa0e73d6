"""What f-GAN promises beyond the laws."""

from __future__ import annotations

import typing

import pytest
import torch
from worlds_apart import IMAGES, POINTS, Patterns, difference, played, session, state, tiny

from ganvas.engine import play
from ganvas.games import f_gan
from ganvas.losses.f_divergences import DIVERGENCES

float64 = pytest.mark.usefixtures("float64")


def test_every_divergence_is_a_choice():
    assert set(typing.get_args(f_gan.Name)) == set(DIVERGENCES)


@pytest.mark.parametrize("divergence", DIVERGENCES)
@pytest.mark.parametrize("loss", ["alternative", "saturating"])
def test_every_divergence_plays(divergence, loss):
    game = played("f-gan", 3, POINTS, {"divergence": divergence, "loss": loss})
    assert bool(game.sample(8).isfinite().all())
    assert bool(game.judge(Patterns(POINTS).x).isfinite().all())


@float64
@pytest.mark.parametrize(("loss", "of_gan"), [("alternative", "non-saturating"), ("saturating", "minimax")])
def test_with_gans_divergence_it_is_goodfellows_game(loss, of_gan):
    """The same weights after the same rounds as DCGAN, whose losses were written from another paper."""
    mine = state(played("f-gan", 3, IMAGES, {"divergence": "gan", "loss": loss}))
    theirs = state(played("dcgan", 3, IMAGES, {"loss": of_gan, "updates": "simultaneous"}))
    assert difference(mine, theirs) < 1e-9
    other = state(played("f-gan", 3, IMAGES, {"divergence": "pearson", "loss": loss}))
    assert difference(other, theirs) > 1e-4


class Clouds(Patterns):
    """N((1, 0), 1)."""

    def batch(self, cursor, start, stop):
        g = torch.Generator().manual_seed(cursor)
        return {"x": torch.randn(stop - start, 2, generator=g) + torch.tensor([1.0, 0.0])}


@pytest.mark.parametrize(
    ("divergence", "known"),
    [
        ("kl", 0.5),
        ("reverse-kl", 0.5),
        ("squared-hellinger", 2 - 2 * 2.718281828 ** (-1 / 8)),
        ("pearson", 2.718281828 - 1),
    ],
)
def test_the_logged_bound_finds_the_divergence(divergence, known):
    """A generator that makes N(0, 1) against data N((1, 0), 1): divergences of closed form, found from below."""
    game = tiny("f-gan", POINTS, width=32, batch=512, z_dim=2, divergence=divergence, updates="alternating")
    game.G = torch.nn.Identity()
    del game.players["G"]
    game.turns = [game.turns[0]]
    table, estimates = session(game, 300), []
    for _ in play(game, Clouds(POINTS), table):
        estimates.append(table.meter.read()["bound"])
    found = sum(estimates[-100:]) / 100
    assert 0.7 * known < found < 1.15 * known
