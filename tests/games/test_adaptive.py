"""ADA's feedback: what counts as a verdict, when p moves and which way, where it stops, and who refuses it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from worlds_apart import COLOURED, IMAGES, POINTS, Patterns, played, session, specs, tiny

from ganvas import config, games
from ganvas.engine import play, take
from ganvas.errors import UserError
from ganvas.game import Turn
from ganvas.losses import f_divergences
from ganvas.plans import plan, request_of

ADAPTIVE = [n for n in games.names() if "ada" in games.find(n).Config.__dataclass_fields__ and n != "ebgan"]
BATCH = 16


def told(game, signs: list[float], turns: int = 1) -> list[float]:
    """p after each of so many turns of D that gave these verdicts on reals."""
    found = []
    for _ in range(turns):
        aux = {"signs": torch.tensor(signs)}
        game.after(Turn(("D",), lambda b: None, name="D's"), aux)
        found.append(float(aux["ada_p"]))
        assert float(aux["r_t"]) == pytest.approx(sum(signs) / len(signs))
    return found


def test_p_rises_where_d_is_sure_and_falls_where_it_is_not() -> None:
    """Every fourth turn, by the images of four turns over those in which it would go from 0 to 1."""
    game = tiny("dcgan", ada="bgc", ada_kimg=1.0)
    sure, unsure = [1.0] * BATCH, [1.0] * (BATCH // 2) + [-1.0] * (BATCH // 2)
    step = 4 * BATCH / 1000
    assert told(game, sure, 9) == pytest.approx([0, 0, 0, step, step, step, step, 2 * step, 2 * step])
    assert told(game, unsure, 3) == pytest.approx([2 * step, 2 * step, step], abs=1e-6)


def test_p_stays_between_0_and_1() -> None:
    """In the authors' code it goes on above 1, and comes back as late as it has gone."""
    game = tiny("dcgan", ada="bgc", ada_kimg=0.1)
    assert told(game, [-1.0] * BATCH, 8)[-1] == 0
    assert told(game, [1.0] * BATCH, 20)[-1] == 1
    assert told(game, [-1.0] * BATCH, 4)[-1] == pytest.approx(1 - 4 * BATCH / 100)


def test_a_fixed_p() -> None:
    game = tiny("dcgan", ada="bgc", ada_p=0.3, ada_kimg=0.0)
    assert told(game, [1.0] * BATCH, 8)[-1] == pytest.approx(0.3)


def test_the_target() -> None:
    game = tiny("dcgan", ada="bgc", ada_p=0.5, ada_target=0.9)
    assert told(game, [1.0] * 14 + [-1.0] * 2, 4)[-1] < 0.5, "r_t is 0.75"


@pytest.mark.parametrize("name", ADAPTIVE)
def test_every_game_says_how_sure_d_is(name: str) -> None:
    """And its players see augmented images, real and fake, of every layout and number of channels it takes."""
    spec = IMAGES if IMAGES in specs(name) else COLOURED
    game = tiny(name, spec, ada="bgc", ada_p=1.0, ada_kimg=0.01)
    table = session(game, 1)
    table.seat(game)
    for _ in play(game, Patterns(spec), table):
        pass
    figures = table.meter.read()
    assert -1 <= figures["r_t"] <= 1
    assert 0 <= figures["ada_p"] <= 1
    plain = tiny(name, spec)
    assert "ada_p" not in plain.state_dict(), "a run without it has nothing of it"


def test_what_counts_as_real() -> None:
    real, fake = torch.tensor([0.4, 0.6, -1.0]), torch.tensor([0.5, 0.5, -2.0])
    assert tiny("dcgan").signs(real, fake).tolist() == [1, 1, -1]
    assert tiny("lsgan").signs(real, fake).tolist() == [-1, 1, -1], "0.5 lies between the targets 0 and 1"
    assert tiny("lsgan", targets="-1,1,0").signs(real, fake).tolist() == [1, 1, -1]
    assert tiny("wgan-gp").signs(real, fake).tolist() == [-1, 1, 1], "scores are compared"
    assert tiny("stylegan").zero == 0
    assert tiny("stylegan", loss="wgan-gp").zero is None
    for divergence in f_divergences.DIVERGENCES:
        game = tiny("f-gan", divergence=divergence)
        of = game.divergence
        more, less = (of.derivative(torch.tensor(u)) for u in (1.1, 0.9))  # T at these ratios p/q
        v = torch.linspace(-8, 8, 20001)
        found = [v[(of.activation(v) - t).abs().argmin()] for t in (more, less)]
        assert game.signs(torch.stack(found), torch.zeros(2)).tolist() == [1, -1], divergence


def test_d_s_overfitting_raises_p_in_training() -> None:
    """Sixteen images again and again: D soon knows them all."""

    class Few(Patterns):
        def batch(self, cursor, start, stop):
            return super().batch(0, start, stop)

    changes = {"ada": "bgc", "ada_kimg": 2.0, "opt_d.lr": 2e-3, "opt_g.lr": 1e-6, "norm_d": "none"}
    game = tiny("dcgan", **changes)
    table = session(game, 40)
    table.seat(game)
    for _ in play(game, Few(IMAGES), table):
        pass
    assert float(game.ada_p) > 0.1


@pytest.mark.parametrize("name", ["dcgan", "wgan-gp"])
def test_both_players_see_augmented_images(name: str) -> None:
    game = tiny(name, ada="cutout", ada_p=1.0, ada_kimg=0.0)
    shown: list[Tensor] = []
    game.D.register_forward_pre_hook(lambda net, inputs: shown.append(inputs[0].detach()))
    table = session(game)
    table.seat(game)
    table.begin(game)
    for turn in game.turns:
        shown.clear()
        take(game, turn, table.draw(Patterns(IMAGES)), table)
        holes = (shown[0] == 0).float()
        assert len(holes) == (2 * BATCH if turn.players == ("D",) else BATCH), "real and fake, or fake alone"
        assert bool((holes.mean((1, 2, 3)) > 0.05).all())
        assert bool((holes.mean(0) < 0.9).all()), "each of its own"


def test_r1_sees_them_too() -> None:
    """The lazy penalty of stylegan2 differentiates through the pipeline."""
    plain, augmented = (played("stylegan2", 2, changes={"ada": "bgc", "ada_p": p, "ada_kimg": 0.0}) for p in (0.0, 1.0))
    pairs = zip(plain.D.parameters(), augmented.D.parameters(), strict=True)
    assert all(bool(b.isfinite().all()) for _, b in pairs)
    assert any(not torch.equal(a, b) for a, b in zip(plain.D.parameters(), augmented.D.parameters(), strict=True))


def test_with_p_0_nothing_changes() -> None:
    """To the bit: the pipeline draws from numbers of its own and leaves images alone."""
    states = [played("dcgan", 3, changes=c).D.state_dict() for c in ({}, {"ada": "bgcfnc", "ada_kimg": 0.0})]
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])


@pytest.mark.parametrize("name", ADAPTIVE)
def test_games_refuse_what_they_cannot_augment(name: str) -> None:
    spec = IMAGES if IMAGES in specs(name) else COLOURED
    with pytest.raises(UserError, match="Did you mean bgc"):
        tiny(name, spec, ada="bgcc")
    with pytest.raises(UserError, match="points"):
        tiny(name, POINTS, ada="bgc")
    with pytest.raises(UserError, match="give one of them"):
        tiny(name, spec, ada="bgc", diffaugment="cutout")


def test_an_energy_is_no_verdict() -> None:
    with pytest.raises(UserError, match="--diffaugment"):
        tiny("ebgan", ada="bgc")


def test_a_configuration_from_before_it_was_there_has_none() -> None:
    cls = games.find("sngan")
    old = config.to_json(cls.Config())
    for name in ("ada", "ada_target", "ada_kimg", "ada_p"):
        del old[name]
    assert config.from_json(cls.Config, old, "config.json") == cls.Config()


@pytest.mark.parametrize("name", ["dcgan", "sngan", "stylegan2"])
def test_the_preset_for_small_sets_augments_and_mirrors(name: str) -> None:
    small, narrow = (
        plan(request_of({"preset": p, "size": 16, "limit": 100}, name, "blossoms")) for p in ("small", "narrow")
    )
    assert (small.config.ada, small.dataset.augment) == ("bgc", "mirror")
    assert (narrow.config.ada, narrow.dataset.augment) == ("", "")
    asked = plan(request_of({"preset": "small", "size": 16, "limit": 100, "augment": "none"}, name, "blossoms"))
    assert asked.dataset.augment == "none", "what a person asks for counts"
    both = plan(request_of({"preset": "small+tiny", "size": 16, "limit": 100}, name, "blossoms"))
    assert both.dataset.augment == "mirror", "whichever of several presets says so"
