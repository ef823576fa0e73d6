"""R3GAN: what its turns minimise, its burn-in, and what it is built for."""

from __future__ import annotations

import pytest
import torch
from worlds_apart import COLOURED, IMAGES, POINTS, Patterns, session, tiny

from ganvas import config, ema, games
from ganvas.engine import play
from ganvas.errors import UserError
from ganvas.game import Batch, DataSpec, Progress
from ganvas.losses import adversarial
from ganvas.losses.penalties import zero_centred

R3 = games.find("r3gan")
float64 = pytest.mark.usefixtures("float64")


def lit(game):
    """With weights as they might be later: residual branches start at 0."""
    torch.manual_seed(1)
    for q in game.parameters():
        torch.nn.init.normal_(q, std=0.3)
    return game


def batches(game, turn, spec=IMAGES):
    table = session(game)
    batch = table.draw(Patterns(spec))
    return lambda: table.split(Batch(batch), turn, 0)[0]


@float64
@pytest.mark.parametrize("spec", [IMAGES, COLOURED])
def test_the_turns_are_the_papers(spec):
    told = {"condition": "labels"} if spec.classes else {}
    game = lit(tiny("r3gan", spec, gamma=3.0, **told))
    assert [(t.name, t.players, t.every, t.repeat) for t in game.turns] == [
        ("discriminator", ("D",), 1, 1), ("generator", ("G",), 1, 1),
    ]  # fmt: skip
    drawn = batches(game, game.turns[0], spec)
    loss, aux = game.discriminator(drawn())
    b = drawn()
    fake, c = game.made(b), game.given(b)
    real = game.D(b["x"], *c)
    r1 = zero_centred(lambda x: game.D(x, *c), b["x"])
    r2 = zero_centred(lambda x: game.D(x, *c), fake)
    torch.testing.assert_close(aux["R1"], r1)
    torch.testing.assert_close(aux["R2"], r2)
    value = adversarial.relativistic_pairing_discriminator(real, game.D(fake, *c))
    torch.testing.assert_close(loss, value + 1.5 * r1 + 1.5 * r2)
    drawn = batches(game, game.turns[1], spec)
    b = drawn()
    value = adversarial.relativistic_pairing_generator(real, game.D(game.made(b), *game.given(b)))
    torch.testing.assert_close(game.generator(drawn())[0], value)


@float64
def test_the_penalty_is_taken_through_the_augmentation_of_the_value():
    """R1 of the image before augmentation, for which both draw the same numbers: exact for mere brightness."""
    game = lit(tiny("r3gan", diffaugment="color"))
    drawn = batches(game, game.turns[0])
    _, aux = game.discriminator(drawn())
    b = drawn()
    game.made(b)
    torch.testing.assert_close(aux["R1"], zero_centred(lambda x: game.D(game.seen(b, x)), b["x"]))


def at(game, kimg, schedule=1000.0):
    game.begin(Progress(round(kimg * 1000), schedule))
    groups = [p.opt.param_groups[0] for p in game.players.values()]
    assert groups[0]["betas"] == groups[1]["betas"]
    return [float(game.gamma), groups[0]["initial_lr"], *groups[1]["betas"]]


def test_the_burn_in_is_a_cosine():
    game = tiny("r3gan", gamma=2.0, burn_in_kimg=20.0)
    assert at(game, 0) == pytest.approx([2.0, 2e-4, 0.0, 0.9])
    assert at(game, 10) == pytest.approx([1.1, 1.25e-4, 0.0, 0.945])
    assert at(game, 5)[0] == pytest.approx(2 - 1.8 * 0.1464466)
    for kimg in (20, 21, 5000):
        assert at(game, kimg) == pytest.approx([0.2, 5e-5, 0.0, 0.99])
    assert [game.averaging_at(Progress(n * 1000, 9.0)) for n in (0, 10, 20, 30)] == pytest.approx([0, 0.5, 1, 1])


def test_without_a_length_the_burn_in_takes_half_the_schedule():
    game = tiny("r3gan", gamma=2.0)
    assert at(game, 25, 100)[0] == pytest.approx(1.1)
    assert at(game, 50, 100)[0] == pytest.approx(0.2)
    assert at(game, 0, 0)[0] == pytest.approx(0.2), "no schedule is over at once"


def test_the_engine_follows_learning_rates_momenta_and_half_life():
    game = tiny("r3gan", burn_in_kimg=0.064)
    table = session(game, 5, ema_halflife_kimg=0.02, ema_rampup=0.0)
    table.seat(game)
    parts = []
    for _ in play(game, Patterns(IMAGES), table):
        t = game.averaging_at(Progress(table.clock.nimg - 16, 1.0))
        parts.append(t)
        assert table.halflife_kimg == pytest.approx(0.02 * t)
        group = game.players["D"].opt.param_groups[0]
        assert group["lr"] == pytest.approx(2e-4 - 1.5e-4 * t)
        assert group["betas"][1] == pytest.approx(0.9 + 0.09 * t)
        if not t:
            for a, q in zip(game.players["G"].ema.parameters(), game.G.parameters(), strict=True):
                assert torch.equal(a, q), "of no half-life, an average is the newest weights"
    assert parts == pytest.approx([0, (1 - 0.5**0.5) / 2, 0.5, (1 + 0.5**0.5) / 2, 1])
    assert ema.decay(16, 80, table.halflife_kimg, 0.0) == pytest.approx(0.5 ** (16 / 20))


def test_settings_by_size():
    def known(side):
        c = R3.defaults(DataSpec((3, side, side)))
        return c.gamma, c.batch, c.width

    assert known(8) == (0.05, 64, 64)
    assert known(32) == (0.05, 64, 768)
    assert known(64) == (2.0, 64, 768)
    assert known(128) == (17.0, 32, 768)
    assert known(512) == (150.0, 32, 768)
    batches = {name: config.preset(R3.Config(), R3, name).batch for name in R3.presets}
    assert batches == {"tiny": 16, "narrow": 8, "cifar": 512, "ffhq-64": 256, "ffhq-256": 256}


@pytest.mark.parametrize("shape", [(3, 24, 24), (3, 16, 32), (1, 4, 4), (3, 2048, 2048)])
def test_only_squares_of_a_power_of_two(shape):
    with pytest.raises(UserError, match="use --size"):
        tiny("r3gan", DataSpec(shape))
    assert R3.size_for(max(shape[1:]), None) in (8, 32, 1024)


def test_no_points():
    with pytest.raises(UserError, match="2-D world"):
        tiny("r3gan", POINTS)
