"""Networks that grow: continuity, the schedule, stages in training, the paper's counts and losses."""

from __future__ import annotations

import math

import pytest
import torch
from worlds_apart import IMAGES, Patterns, difference, played, session, state, tiny

from ganvas import checkpoint, config, ema, games
from ganvas.engine import averaged, play
from ganvas.errors import UserError
from ganvas.game import DataSpec, Progress
from ganvas.games.growth import Growth, by_side
from ganvas.losses.penalties import gradient_penalty
from ganvas.networks.progressive import Discriminator, Generator, channels
from ganvas.networks.updown import doubled, halved

PRO = games.find("progan")
float64 = pytest.mark.usefixtures("float64")


def millions(net):
    return round(sum(q.numel() for q in net.parameters()) / 1e6, 1)


def test_parameter_counts_of_table_2():
    with torch.device("meta"):
        game = PRO(PRO.Config(), DataSpec((3, 1024, 1024)))
    assert (millions(game.G), millions(game.D)) == (23.1, 23.1)
    assert channels(512, 8192, 9) == [512, 512, 512, 512, 256, 128, 64, 32, 16]
    assert channels(128, 4096, 4) == [128] * 4, "CIFAR-10's, §6.5"


# Growing is continuous


@float64
@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_generator_grows_without_a_jump(level):
    torch.manual_seed(0)
    g, z = Generator(3, 4, 5, 6, 200), torch.randn(4, 5)
    g.grow(level - 1, 1.0)
    before = g(z)
    g.grow(level, 0.0)
    torch.testing.assert_close(g(z), doubled(before))
    g.grow(level, 0.3)
    between = g(z)
    g.grow(level, 1.0)
    after = g(z)
    assert after.shape == (4, 3, 4 << level, 4 << level)
    torch.testing.assert_close(between, 0.7 * doubled(before) + 0.3 * after)
    g.grow(level, 1 - 1e-12)
    torch.testing.assert_close(g(z), after)
    assert float((after - doubled(before)).detach().abs().max()) > 0.1


@float64
@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("blur", [False, True])
def test_a_discriminator_grows_without_a_jump(level, blur):
    torch.manual_seed(0)
    d, x = Discriminator(3, 4, 6, 200, blur=blur), torch.randn(4, 3, 4 << level, 4 << level)
    d.grow(level - 1, 1.0)
    before = d(halved(x))
    d.grow(level, 0.0)
    torch.testing.assert_close(d(x), before)
    d.grow(level, 1 - 1e-12)
    almost = d(x)
    d.grow(level, 1.0)
    torch.testing.assert_close(d(x), almost)
    assert float((d(x) - before).detach().abs().max()) > 1e-3


@float64
def test_reals_are_seen_as_fakes_are_made():
    d, x = Discriminator(1, 4, 4, 64), torch.randn(2, 1, 32, 32)
    d.grow(1, 1.0)
    torch.testing.assert_close(d.at_stage(x), halved(halved(x)))
    d.grow(2, 0.25)
    y = halved(x)
    torch.testing.assert_close(d.at_stage(x), 0.75 * doubled(halved(y)) + 0.25 * y)
    d.grow(3, 1.0)
    assert d.at_stage(x) is x and d.full_size(x) is x
    d.grow(0, 1.0)
    torch.testing.assert_close(d.at_stage(d.full_size(x[:, :, :4, :4])), x[:, :, :4, :4])


# The schedule


def test_stages_of_the_paper():
    growth = Growth(4, 16, 800.0)
    at = {0: (0, 1), 799: (0, 1), 800: (1, 0), 1200: (1, 0.5), 1600: (1, 1), 2399: (1, 1), 2800: (2, 0.5), 9000: (2, 1)}
    assert {k: growth.at(Progress(k * 1000, 1.0)) for k in at} == at
    assert growth.sides == (4, 8, 16)


def test_a_schedule_that_scales_grows_over_its_first_half():
    for kimg in (1.0, 200.0):
        growth = Growth(4, 32)
        half = [growth.at(Progress(math.ceil(kimg * 1000 * t / 24), kimg)) for t in range(12)]
        assert [level for level, _ in half] == [0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3]
        assert [a for _, a in half] == pytest.approx([1, 1, 0, 0.5, 1, 1, 0, 0.5, 1, 1, 0, 0.5], abs=0.01)
        assert growth.at(Progress(int(kimg * 500), kimg)) == (3, 1.0)
    assert Growth(16, 16).at(Progress(0, 1.0)) == (2, 1.0)
    assert Growth(16, 16, 5.0).at(Progress(0, 1.0)) == (2, 1.0)
    assert Growth(8, 16).at(Progress(0, 1.0)) == (1, 1.0)


def test_numbers_by_side():
    assert by_side(" 8:16, 256:3.5", "it", (4, 8, 256)) == {8: 16, 256: 3.5}
    assert by_side("256:1", "it", (4, 8)) == {}
    for wrong in ("8", "8:x", "x:8", "9:1", "2:1", "8:0", "8:-1", "8:nan", "8:inf"):
        with pytest.raises(UserError, match="it: "):
            by_side(wrong, "it", (8,))


# Training across stages

GROWING = {"phase_kimg": 0.032, "batch_at": "4:16,8:8,16:4", "lr_at": "8:0.002"}


@float64
def test_batches_rates_and_optimizers_follow_the_stage():
    game = tiny("progan", **GROWING)
    table = session(game, 12)
    table.seat(game)
    seen, fresh = [], []
    for _ in play(game, Patterns(IMAGES), table):
        seen.append((*game.G.stage(), table.batch, table.clock.nimg, game.players["D"].opt.param_groups[0]["lr"]))
        steps = {int(s["step"]) for s in game.players["G"].opt.state.values()}
        fresh.append(steps)
    assert [s[:3] for s in seen[:7]] == [(0, False, 16)] * 2 + [(1, True, 8)] * 4 + [(1, False, 8)]
    assert [s[3] for s in seen[:7]] == [16, 32, 40, 48, 56, 64, 72]
    assert [s[4] for s in seen[:3]] == [1e-3, 1e-3, 2e-3]
    assert fresh[:7] == [{1}, {2}, {1}, {2}, {3}, {4}, {1}], "Adam begins anew where fading begins and ends"
    assert {s[:3] for s in seen if s[0] == 2} == {(2, True, 4), (2, False, 4)}
    assert int(game.players["G"].ema.level) == 2


@float64
def test_the_laws_hold_across_stages(tmp_path):
    """Micro-batches of whole groups, and resuming after every round."""
    changes = {"phase_kimg": 0.032, "batch_at": "8:8"}
    rounds = 7
    whole = played("progan", rounds, changes=changes)
    assert int(whole.G.level) == 2
    assert difference(state(whole), state(played("progan", rounds, changes=changes, accumulate=2))) < 1e-9

    def start():
        game = tiny("progan", **changes)
        table = session(game, rounds)
        table.seat(game)
        return game, table

    game, table = start()
    for _ in play(game, Patterns(IMAGES), table):
        checkpoint.save(tmp_path / f"{table.clock.round:06d}", game, table.clock)
    for at in range(1, table.clock.round):
        again, resumed = start()
        resumed.clock = checkpoint.load(tmp_path / f"{at:06d}", again)
        for _ in play(again, Patterns(IMAGES), resumed):
            pass
        one, two = state(game), state(again)
        assert one.keys() == two.keys()
        assert all(torch.equal(one[k], two[k]) for k in one), at


def test_samples_and_verdicts_are_of_full_size_at_every_stage():
    game = tiny("progan")
    x = torch.rand(5, 1, 16, 16) * 2 - 1
    for level in range(3):
        for p in game.players.values():
            p.net.grow(level, 1.0)
            if p.ema:
                p.ema.grow(level, 1.0)
        with averaged(game):
            made = game.sample(3)
        assert made.shape == (3, 1, 16, 16)
        side = 4 << level
        torch.testing.assert_close(made, game.D.full_size(game.D.at_stage(made)))
        assert game.judge(x).shape == (5,)
        torch.testing.assert_close(game.judge(x)[2:3], game.judge(x[2:3]), atol=1e-5, rtol=1e-4)
        assert game.G(game.prior.seeded(2, 0)).shape[-1] == side


def test_the_first_picture_is_of_the_first_stage():
    assert tiny("progan").G.stage() == (0, False)
    assert tiny("progan", start=8).players["G"].ema.stage() == (1, False)
    assert tiny("progan", start=16).G.stage() == tiny("progan", start=0).G.stage() == (2, False)


# Losses


@float64
def test_the_critics_loss():
    game = tiny("progan", gp_target=3.0, gp_weight=2.0, drift=0.25)
    for p in game.players.values():
        p.net.grow(1, 0.4)
    table = session(game)
    table.seat(game)
    batch = table.draw(Patterns(IMAGES))
    micro = lambda: table.split(batch, game.turns[0], 0)[0]  # noqa: E731
    loss, aux = game.critic(micro())
    b = micro()
    fake = game.G(b.noise(game.prior)).detach()
    real = game.D.at_stage(b["x"])
    assert real.shape == fake.shape == (16, 1, 8, 8)
    penalty = gradient_penalty(game.D, real, fake, b.chance.uniform(purpose="mix"), 3.0)
    d = game.D(fake).mean() - game.D(real).mean()
    expected = d + 2 / 9 * penalty + 0.25 * game.D(real).square().mean()
    torch.testing.assert_close(loss, expected)
    assert float(aux["wasserstein"]) == pytest.approx(-float(d))
    torch.testing.assert_close(game.generator(micro())[0], -game.D(game.G(micro().noise(game.prior))).mean())


def test_the_papers_average_as_a_half_life():
    kimg = PRO.engine_defaults(IMAGES)["ema_halflife_kimg"]
    assert ema.decay(16, 10**12, kimg, 0.05) == pytest.approx(0.999, abs=2e-6)


# What is refused


@pytest.mark.parametrize(
    "shape,changes,words",
    [
        ((3, 20, 20), {}, "--size 32"),
        ((3, 4, 4), {}, "--size 8"),
        ((3, 2048, 2048), {}, "--size 1024"),
        ((3, 16, 32), {}, "16×32"),
        ((2,), {}, "2-D world"),
        ((3, 16, 16), {"start": 32}, "up to 16"),
        ((3, 16, 16), {"start": 12}, "no stage"),
        ((3, 16, 16), {"batch_at": "16"}, "batch_at"),
        ((3, 16, 16), {"batch_at": "16:1"}, "above 1"),
        ((3, 16, 16), {"batch_at": "16:2.5"}, "whole number"),
        ((3, 16, 16), {"lr_at": "7:1e-3"}, "lr_at"),
    ],
)
def test_what_it_cannot_do_is_told(shape, changes, words):
    chosen = config.replace(PRO.Config(), changes, "progan")
    with pytest.raises(UserError, match=words):
        PRO.check(chosen, DataSpec(shape))


def test_batches_that_cannot_be_split_are_told_before_anything_happens():
    game = tiny("progan", batch_at="16:6")
    with pytest.raises(UserError, match="--batch 6 cannot be split"):
        session(game, accumulate=4).seat(game)
    session(tiny("progan", batch_at="32:6"), accumulate=4).seat(tiny("progan", batch_at="32:6"))


def test_presets():
    paper, code, cifar = (config.preset(PRO.Config(), PRO, p) for p in ("paper", "code", "cifar"))
    assert PRO.batches(paper, DataSpec((3, 1024, 1024))) == (16,) * 6 + (14, 6, 3)
    assert PRO.batches(code, DataSpec((3, 1024, 1024))) == (128, 128, 128, 64, 32, 16, 8, 4, 4)
    assert (paper.phase_kimg, code.phase_kimg, cifar.gp_target) == (800, 600, 750)
    with torch.device("meta"):
        assert millions(PRO(config.preset(PRO.Config(), PRO, "narrow"), DataSpec((3, 64, 64))).G) < 2
