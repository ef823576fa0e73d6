"""What the classic games promise beyond the laws."""

from __future__ import annotations

import pytest
import torch
from worlds_apart import IMAGES, POINTS, Patterns, difference, played, session, state, tiny

from ganvas import games
from ganvas.engine import play, take
from ganvas.errors import UserError
from ganvas.game import DataSpec
from ganvas.losses import adversarial

float64 = pytest.mark.usefixtures("float64")


@float64
def test_simultaneous_updates_are_each_players_own_gradient():
    """One shared forward pass gives the very gradients of two passes in which the other player rests."""
    game = tiny("gan", dropout=0.0, dropout_input=0.0, updates="simultaneous")
    table = session(game)
    table.begin(game)
    batch = table.draw(Patterns(IMAGES))
    z = table.split(batch, game.turns[0], 0)[0].noise(game.prior)
    g, d = list(game.G.parameters()), list(game.D.parameters())
    of_d = torch.autograd.grad(adversarial.discriminator(game.D(batch["x"]), game.D(game.G(z).detach())), d)
    of_g = torch.autograd.grad(adversarial.non_saturating_generator(game.D(game.G(z))), g)
    take(game, game.turns[0], batch, table)
    for parameters, expected in ((d, of_d), (g, of_g)):
        for q, e in zip(parameters, expected, strict=True):
            torch.testing.assert_close(q.grad, e)


@float64
@pytest.mark.parametrize("name", ["gan", "dcgan"])
def test_simultaneous_updates_accumulate(name):
    changes = {"updates": "simultaneous", **({"norm_g": "layer", "norm_d": "none"} if name == "dcgan" else {})}
    whole, parts = (state(played(name, 2, IMAGES, changes, accumulate=m)) for m in (1, 4))
    assert difference(whole, parts) < 1e-9


def test_k_steps_of_the_discriminator():
    game = played("gan", 2, changes={"k": 3})
    assert [t.repeat for t in game.turns] == [3, 1]


def test_clipping_keeps_the_critic_in_its_box():
    game = played("wgan", 3)
    assert max(float(q.abs().max()) for q in game.D.parameters()) <= 0.01
    assert max(float(q.abs().max()) for q in game.G.parameters()) > 0.01, "the generator is free"


def test_a_critic_with_batch_norm_is_refused():
    with pytest.raises(UserError, match="--norm-d layer"):
        tiny("wgan-gp", norm_d="batch")


def test_the_critic_finds_the_penalised_optimum():
    """Two points d apart: a slope s earns s·d − λ(s − 1)², most at s = 1 + d/2λ. A wrong penalty finds another."""
    game = tiny("wgan-gp", POINTS, width=32, gp_weight=10.0)

    class Apart(Patterns):
        def batch(self, cursor, start, stop):
            return {"x": torch.tensor([[3.0, 4.0]]).repeat(stop - start, 1)}

    with torch.no_grad():  # the generator makes the origin, and stays there
        for q in game.G.parameters():
            q.zero_()
    game.turns = [game.turns[0]]
    for _ in play(game, Apart(POINTS), session(game, 100)):
        pass
    with torch.no_grad():
        apart = game.D(torch.tensor([[3.0, 4.0]])) - game.D(torch.zeros(1, 2))
    assert float(apart) == pytest.approx(5.0 * (1 + 5.0 / 20.0), rel=0.04)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize("act", ["relu", "leaky-relu", "elu"])
def test_the_blogs_variations(kernel, norm, act):
    game = tiny("dcgan", kernel=kernel, norm_g=norm, norm_d=norm, act_g=act, act_d=act)
    assert game.sample(2).shape == (2, *IMAGES.shape)


def test_least_squares_targets_of_both_choices():
    for targets, (a, b, c) in {"0,1,1": (0, 1, 1), "-1,1,0": (-1, 1, 0)}.items():
        game = tiny("lsgan", targets=targets)
        assert (game.a, game.b, game.c) == (a, b, c)


def test_sizes():
    cls = games.find("dcgan")
    draft = cls.Config()
    assert [cls.size_for(n, draft) for n in (8, 16, 28, 33, 64, 200, 500)] == [16, 16, 32, 64, 64, 256, 256]
    assert games.find("gan").size_for(28, games.find("gan").Config()) == 28
    with pytest.raises(UserError, match="--size 32"):
        tiny("dcgan", DataSpec((1, 28, 28)))


def test_truncation_pulls_towards_the_mean():
    game = tiny("gan")
    assert torch.equal(game.sample(3, truncation=0.0)[0], game.sample(3, truncation=0.0)[1])
    with pytest.raises(UserError, match="truncation"):
        game.sample(1, truncation=1.5)


def test_a_label_for_a_game_without_labels_is_told():
    with pytest.raises(UserError, match="not conditional"):
        tiny("dcgan").sample(1, labels="3")


def test_unknown_games_are_answered_with_the_nearest():
    with pytest.raises(UserError, match="Did you mean wgan-gp"):
        games.find("wgangp")
