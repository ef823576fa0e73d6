"""SNGAN: its losses, what moves the vectors of its singular values and when, its conditional presets, its sizes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from worlds_apart import COLOURED, IMAGES, LABELLED, POINTS, Patterns, played, session, tiny

from ganvas import config, games
from ganvas.engine import take
from ganvas.errors import UserError
from ganvas.game import DataSpec
from ganvas.networks import spectral
from ganvas.networks.attention import SelfAttention

float64 = pytest.mark.usefixtures("float64")


def at_the_table(game):
    """The game with its first batch drawn, and a fresh micro-batch for each turn."""
    table = session(game)
    table.seat(game)
    table.begin(game)
    batch = table.draw(Patterns(game.data))
    return table, batch, lambda turn: table.split(batch, turn, 0)[0]


@float64
@pytest.mark.parametrize("loss", ["hinge", "non-saturating"])
@pytest.mark.parametrize("spec", [IMAGES, LABELLED])
def test_the_losses_are_the_papers(loss, spec):
    """Eq. 16 and 17, or the logistic ones; fakes are made, and judged, for the conditions of the reals."""
    game = tiny("sngan", spec, loss=loss, condition="auto" if spec.classes else "none")
    _, batch, micro = at_the_table(game)
    given = [game.condition.vector(batch["y"], batch["attributes"])] if spec.classes else []
    with torch.no_grad():
        on_real = game.D(batch["x"].double(), *given)
        on_fake, in_turn = (game.D(game.G(micro(t).noise(game.prior), *given), *given) for t in game.turns)
        if loss == "hinge":
            of_d = (1 - on_real).clamp(min=0).mean() + (1 + on_fake).clamp(min=0).mean()
            of_g = -in_turn.mean()
        else:
            entropy = F.binary_cross_entropy_with_logits
            of_d = entropy(on_real, torch.ones_like(on_real)) + entropy(on_fake, torch.zeros_like(on_fake))
            of_g = entropy(in_turn, torch.ones_like(in_turn))
        assert float(game.discriminator(micro(game.turns[0]))[0]) == pytest.approx(float(of_d), rel=1e-9)
        assert float(game.generator(micro(game.turns[1]))[0]) == pytest.approx(float(of_g), rel=1e-9)
        verdict = game.judge(batch["x"].double(), given[0].float() if given else None)
    torch.testing.assert_close(verdict, (on_real if loss == "hinge" else on_real.sigmoid()).float())
    assert game.judges == ("score" if loss == "hinge" else "probability")


def vectors(net):
    return [torch.cat([m.u, m.v]) for m in spectral.normalised(net)]


@float64
def test_one_power_iteration_for_each_turn_of_the_player():
    """Algorithm 1, on the weights that the turn has left; the resting player's vectors rest."""
    game = tiny("sngan", COLOURED, condition="labels", spectral_g=True, attention=8)
    table, batch, _ = at_the_table(game)
    for turn, other in zip(game.turns, ("G", "D"), strict=True):
        net, resting = game.players[turn.players[0]].net, game.players[other].net
        before, rested = [m.u.clone() for m in spectral.normalised(net)], vectors(resting)
        assert len(before) > 8
        take(game, turn, batch, table)
        for u, m in zip(before, spectral.normalised(net), strict=True):
            w = m.weight.detach().flatten(1)
            v = F.normalize(w.T @ u, dim=0)
            torch.testing.assert_close(m.v, v)
            torch.testing.assert_close(m.u, F.normalize(w @ v, dim=0))
        assert all(torch.equal(a, b) for a, b in zip(rested, vectors(resting), strict=True))


def test_sigma_is_known_before_the_first_turn():
    game = tiny("sngan", spectral_g=True, width=8)
    with torch.no_grad():
        for m in [*spectral.normalised(game.D), *spectral.normalised(game.G)]:
            assert float(m.sigma()) == pytest.approx(float(torch.linalg.matrix_norm(m.weight.flatten(1), 2)), rel=0.05)


def test_spectral_normalisation_is_in_d_and_in_g_where_it_is_asked_for():
    def all_of(net):
        return [m for m in net.modules() if isinstance(m, spectral.Weighted)]

    for asked in (False, True):
        game = tiny("sngan", LABELLED, condition="auto", spectral_g=asked)
        assert all(m.u is not None for m in all_of(game.D))
        bare = [m for m in all_of(game.G) if m.u is None]
        gains = [m for b in game.G.blocks for n in (b.norm1, b.norm2) for m in (n.gain, n.bias)]
        assert {*map(id, bare)} == {*map(id, gains if asked else all_of(game.G))}


def test_conditional_presets():
    cls, spec = games.find("sngan"), DataSpec((3, 64, 64), 10)
    plain, told, sagan = (
        config.replace(config.preset(cls.Config(), cls, p) if p else cls.Config(), {"width": 4}, "sngan")
        for p in ("", "projection", "sagan")
    )
    assert (sagan.opt_g.lr, sagan.opt_d.lr, sagan.d_steps, sagan.batch) == (1e-4, 4e-4, 1, 256)
    assert (sagan.opt_g.beta1, sagan.opt_g.beta2) == (0.0, 0.9)
    made = [cls(c, spec) for c in (plain, told, sagan)]
    assert [g.conditions for g in made] == [0, 10, 10]
    assert [hasattr(g.D.embed, "weight") for g in made] == [False, True, True]
    for net in (made[2].G, made[2].D):
        assert sum(isinstance(m, SelfAttention) for m in net.modules()) == 1
    assert not any(isinstance(m, SelfAttention) for m in made[1].modules())
    assert next(spectral.normalised(made[2].G), None) is not None
    with pytest.raises(UserError, match="neither"):
        tiny("sngan", IMAGES, condition="auto")


def test_samples_of_what_is_asked_for():
    game = played("sngan", 2, COLOURED, {"condition": "labels"})
    game.eval()
    with torch.no_grad():  # as after some training
        for block in game.G.blocks:
            block.norm1.gain.weight.normal_()
    two = game.sample(4, seed=1, labels="2")
    assert torch.equal(two, game.sample(4, seed=1, labels=2))
    assert torch.equal(two, game.sample(4, seed=1, labels=torch.eye(4)[[2] * 4]))
    assert not torch.allclose(two, game.sample(4, seed=1, labels=3), atol=1e-3)
    with pytest.raises(UserError, match="numbered from 0"):
        game.sample(1, labels=4)


def test_sizes():
    cls = games.find("sngan")
    draft = cls.Config()
    assert [cls.size_for(n, draft) for n in (8, 28, 33, 64, 96, 600)] == [16, 32, 48, 64, 128, 128]
    assert cls.defaults(IMAGES).width == 32
    assert cls.defaults(DataSpec((3, 32, 32))) == draft
    for size in (16, 32, 48):
        assert tiny("sngan", DataSpec((3, size, size)), width=1).sample(1).shape == (1, 3, size, size)
    with pytest.raises(UserError, match="--size 32"):
        tiny("sngan", DataSpec((1, 28, 28)))
    with pytest.raises(UserError, match="not the points"):
        tiny("sngan", POINTS)
    with pytest.raises(UserError, match="feature maps of side 8, 16"):
        tiny("sngan", IMAGES, attention=7)
    with pytest.raises(UserError, match="diffaugment"):
        tiny("sngan", IMAGES, diffaugment="nonsense")
