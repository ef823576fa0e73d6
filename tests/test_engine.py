"""The engine's options, each against what it promises. The laws are in test_laws.py."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from worlds_apart import IMAGES, Patterns, difference, played, session, state, tiny

from ganvas import config, ema, precision, rng
from ganvas.engine import Meter, Session, Settings, averaged, backward, gather, play, reestimate, take
from ganvas.errors import UserError
from ganvas.game import Batch, Game, Player, Progress, Turn
from ganvas.optim import Optimizer, lr_factor


def test_kimg_counts_every_real_image_that_was_drawn():
    game = tiny("wgan")
    table = session(game, 2)
    for _ in play(game, Patterns(IMAGES), table):
        pass
    assert table.clock.round == 2
    assert table.clock.updates == {"D": 10, "G": 2}
    assert table.clock.nimg == 2 * 5 * game.config.batch


def test_critic_repeats_see_fresh_reals():
    seen = []

    class Watching(Patterns):
        def batch(self, cursor, start, stop):
            seen.append((cursor, start, stop))
            return super().batch(cursor, start, stop)

    game = tiny("wgan")
    for _ in play(game, Watching(IMAGES), session(game, 2)):
        pass
    assert [c for c, _, _ in seen] == [16 * i for i in range(10)]


class Pair(Game):
    """Two numbers; one wants their product small, the other large."""

    def __init__(self):
        nn.Module.__init__(self)
        self.a, self.b = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        self.players = {
            n: Player(getattr(self, n), torch.optim.SGD(getattr(self, n).parameters(), lr=1.0)) for n in "ab"
        }
        self.turns = [Turn(("a", "b"), self.both)]

    def both(self, batch):
        y = self.b(self.a(batch["x"])).mean()
        return {"a": y, "b": -y}, {}


def test_gradients_of_shared_tensors_are_not_added_twice():
    """autograd gives parameters that are only added together one gradient tensor; micro-batches must not double it."""

    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))

    net = Sum()
    player = Player(net, torch.optim.SGD(net.parameters(), lr=1.0))
    for _ in range(2):
        backward({"p": (torch.ones(1) * (net.a + net.b)).sum()}, {"p": player}, 0.5)
    assert (net.a.grad.item(), net.b.grad.item()) == (1.0, 1.0)


def test_what_is_frozen_for_good_stays_frozen():
    game = tiny("dcgan")
    first = game.D.body[0].weight.requires_grad_(False)
    before = first.clone()
    for _ in play(game, Patterns(IMAGES), session(game, 2)):
        pass
    assert not first.requires_grad
    assert torch.equal(first, before)
    assert game.D.body[2].weight.requires_grad


def test_turns_of_one_name_are_refused():
    game = tiny("gan")
    game.turns = [game.turns[0], game.turns[0]]
    with pytest.raises(AssertionError, match="share a name"):
        session(game).seat(game)


def test_losses_of_each_player_are_logged():
    game = tiny("gan", updates="simultaneous", loss="minimax")
    table = session(game, 1)
    for _ in play(game, Patterns(IMAGES), table):
        pass
    read = table.meter.read()
    assert read["loss/both"] == pytest.approx(read["loss/both/G"] + read["loss/both/D"], rel=1e-5)


def test_a_turn_with_a_loss_for_each_player():
    """Simultaneous descent: each player follows its own loss, through one shared forward pass."""
    game = Pair()
    with torch.no_grad():
        game.a.weight.fill_(2.0)
        game.b.weight.fill_(3.0)
    table = Session(Settings(batch=2, kimg=1), torch.device("cpu"))
    table.begin(game)
    take(game, game.turns[0], Batch({"x": torch.ones(2, 1)}), table)
    assert game.a.weight.item() == 2.0 - 3.0
    assert game.b.weight.item() == 3.0 + 2.0


def test_every_weights_and_intervals():
    """A lazy turn is taken in every n-th round, its gradient weighted."""
    game = tiny("gan")
    taken = []
    lazy = Turn(
        ("D",), lambda b: (taken.append(1) or sum(q.sum() for q in game.D.parameters()), {}), every=3, weight=3.0
    )
    game.turns = [lazy, game.turns[1]]
    for _ in play(game, Patterns(IMAGES), session(game, 7)):
        pass
    assert len(taken) == 3
    steps = []
    for weight in (1.0, 3.0):
        pair = Pair()
        pair.turns = [Turn(("a",), lambda b, pair=pair: (pair.a(b["x"]).mean(), {}), weight=weight, name="lazy")]
        before = pair.a.weight.item()
        table = Session(Settings(batch=2, kimg=1), torch.device("cpu"))
        table.begin(pair)
        take(pair, pair.turns[0], Batch({"x": torch.ones(2, 1)}), table)
        steps.append(before - pair.a.weight.item())
    assert steps == pytest.approx([1.0, 3.0])


def test_clipping_bounds_the_gradient():
    game = tiny("dcgan")
    table = session(game, 1, clip=0.01)
    table.begin(game)
    take(game, game.turns[0], table.draw(Patterns(IMAGES)), table)
    norm = torch.stack([q.grad.norm() for q in game.D.parameters()]).norm()
    assert float(norm) == pytest.approx(0.01, rel=1e-3)
    assert table.meter.read()["grad_norm/D"] > 0.01, "the log tells the norm before clipping"


def test_schedules_are_pure_functions_of_progress():
    def at(kind, kimg, warmup=0.0):
        return lr_factor(kind, Progress(int(kimg * 1000), schedule_kimg=100), warmup)

    assert [at("constant", k) for k in (0, 50, 500)] == [1, 1, 1]
    assert [at("linear", k) for k in (0, 50, 75, 100, 200)] == pytest.approx([1, 1, 0.5, 0, 0])
    assert [at("cosine", k) for k in (0, 50, 100)] == pytest.approx([1, 0.5, 0])
    assert [at("constant", k, 10) for k in (0, 5, 10, 20)] == pytest.approx([0, 0.5, 1, 1])


def test_training_on_does_not_bend_the_schedule():
    game = tiny("dcgan")
    table = session(game, 6, lr_schedule="linear", schedule_kimg=0.064)
    rates = []
    for _ in play(game, Patterns(IMAGES), table):
        rates.append(game.players["G"].opt.param_groups[0]["lr"])
    assert rates == pytest.approx([2e-4, 2e-4, 2e-4, 1e-4, 0, 0])


def test_ema_forgets_half_in_its_halflife():
    assert ema.decay(1000, 10**9, halflife_kimg=1.0, rampup=0) == pytest.approx(0.5)
    assert ema.decay(100, 10**9, halflife_kimg=1.0, rampup=0) ** 10 == pytest.approx(0.5)
    assert ema.decay(100, 1000, halflife_kimg=10.0, rampup=0.05) == pytest.approx(0.5 ** (100 / 50)), "young: ramped up"
    assert ema.decay(100, 1000, halflife_kimg=0.0, rampup=0.05) == 0.0


def test_ema_averages_weights_and_copies_the_rest():
    net, average = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1)), nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
    net.register_buffer("u", torch.tensor([1.0]))
    average.register_buffer("u", torch.tensor([0.0]))
    with torch.no_grad():
        net[0].weight.fill_(1.0)
        average[0].weight.fill_(0.0)
        net[1].running_mean.fill_(7.0)
    ema.update(average, net, 0.75)
    assert average[0].weight.item() == pytest.approx(0.25)
    assert average.u.item() == 1.0, "vectors of power iterations are copied"
    assert average[1].running_mean.item() == 0.0, "batch statistics are re-estimated, not averaged"


def test_batch_statistics_are_reestimated_under_the_averaged_weights():
    game = played("dcgan", 3)
    table = session(game)
    norm = game.players["G"].ema.first[0]
    stale = norm.running_mean.clone()
    reestimate(game, Patterns(IMAGES), table, batches=32)
    assert not torch.equal(norm.running_mean, stale)
    z = game.prior.seeded(8192, 1)
    with torch.no_grad(), averaged(game):
        volume = game.G.project(z).view(len(z), 4, 4, -1)
    torch.testing.assert_close(norm.running_mean, volume.mean((0, 1, 2)), atol=2e-3, rtol=0.1)
    torch.testing.assert_close(norm.running_var, volume.var((0, 1, 2)), atol=0, rtol=0.15)
    assert norm.momentum == 0.1
    assert not game.G.first[0].training or game.training


def test_averaged_copies_stand_in_and_go_again():
    game = played("dcgan", 2)
    own = game.G
    with averaged(game):
        assert game.G is game.players["G"].ema
        assert not game.training
    assert game.G is own
    assert game.training


def test_chance_is_drawn_for_the_global_batch_and_sliced():
    def normal(start, stop, purpose="normal"):
        return rng.Chance(0, 5, "D", 1, start=start, stop=stop, total=12).normal(3, purpose=purpose)

    whole = normal(0, 12)
    assert torch.equal(torch.cat([normal(0, 5), normal(5, 12)]), whole)
    assert not torch.equal(normal(0, 12, purpose="other"), whole)
    chance = rng.Chance("k", start=2, stop=8, total=12)
    first, second = chance.normal(1), chance.normal(1)
    assert not torch.equal(first, second), "two calls differ"
    again = chance.part(1, 3)
    assert torch.equal(again.normal(1), first[1:3])
    assert torch.equal(again.normal(1), second[1:3])


def test_reports_are_averaged_and_joined():
    reports = [{"a": torch.tensor(1.0), "x": torch.ones(2, 3)}, {"a": torch.tensor(3.0), "x": torch.zeros(2, 3)}]
    got = gather(reports)
    assert got["a"].item() == 2.0
    assert got["x"].shape == (4, 3)
    assert not got["a"].requires_grad


def test_meter_names_the_turn_that_is_not_finite():
    meter = Meter()
    meter.add({"loss/critic": torch.tensor(1.0), "other": torch.tensor(math.nan)})
    assert meter.not_finite() == ""
    meter.add({"loss/critic": torch.tensor(math.inf)})
    assert meter.not_finite() == "critic"
    assert meter.read()["loss/critic"] == math.inf
    assert meter.not_finite() == ""


def test_precision_follows_the_hardware(monkeypatch):
    cpu = torch.device("cpu")
    for capabilities, unit in (
        ({"amx_bf16": True, "avx512_bf16": True}, "AMX"),
        ({"avx512_bf16": True}, "AVX512-BF16"),
        ({}, ""),
    ):
        precision.native_bf16.cache_clear()
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda c=capabilities: c, raising=False)
        assert precision.native_bf16(cpu) == unit
        monkeypatch.setattr(precision, "_gains", {})
        assert (precision.bf16_gain(cpu) > 0) == bool(unit)
        precision.settle(cpu, 0.5)
        assert precision.bf16_gain(cpu) == 0.5, "what the processes have agreed on"
    precision.native_bf16.cache_clear()


@pytest.mark.parametrize(("gain", "chosen"), [(0.4, "fp32"), (1.0, "fp32"), (2.0, "bf16")])
def test_auto_takes_bf16_where_it_is_quicker(monkeypatch, gain, chosen):
    """Having the unit is not enough: a Xeon whose virtual machine hides AMX is slower with it."""
    cpu = torch.device("cpu")
    monkeypatch.setattr(precision, "bf16_gain", lambda device: gain)
    assert precision.choose("auto", cpu) == chosen
    assert precision.choose("auto", cpu, worthwhile=False) == "fp32"
    assert precision.choose("bf16", cpu) == "bf16", "an explicit wish is met"


def test_bf16_trains_the_same_game_nearly():
    start, exact, rough = tiny("lsgan"), played("lsgan", 4), played("lsgan", 4, precision="bf16")

    def moved(game, name):
        return game.get_parameter(name) - start.get_parameter(name)

    for name in ("D.body.0.weight", "D.body.2.weight", "D.project.weight"):
        a, b = moved(exact, name).flatten(), moved(rough, name).flatten()
        assert not torch.equal(a, b)
        assert float(torch.cosine_similarity(a, b, dim=0)) > 0.9, name
    assert all(q.dtype == torch.float32 for q in rough.parameters())


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_memory_format_changes_nothing_but_the_layout(layout):
    game = tiny("dcgan")
    table = session(game, 1, memory_format=layout)
    table.seat(game)
    assert game.D.body[2].weight.is_contiguous(memory_format=torch.channels_last) == (layout == "nhwc")
    assert difference(state(played("wgan", 1, memory_format=layout)), state(played("wgan", 1))) < 1e-3


def test_uneven_splits_are_told():
    with pytest.raises(UserError, match="multiple of 3"):
        Session(Settings(batch=16, accumulate=3), torch.device("cpu"))


@pytest.mark.parametrize("kind", ["adam", "rmsprop", "sgd"])
def test_optimizers(kind):
    net = nn.Linear(2, 1)
    opt = Optimizer(kind, lr=0.1, momentum=0.5 if kind != "adam" else 0.0).build(net)
    before = net.weight.clone()
    net(torch.ones(1, 2)).sum().backward()
    opt.step()
    assert not torch.equal(net.weight, before)


def test_integers_among_the_betas_are_made_floats():
    checked = config.replace(Optimizer(), {"beta1": 0}, "test")
    assert isinstance(checked.beta1, float)
    Optimizer(beta1=0).build(nn.Linear(1, 1)).step()


def test_averages_follow_once_a_round():
    game = tiny("wgan")
    calls = []
    table = session(game, 3)
    table.average = lambda g: calls.append(table.clock.round)
    for _ in play(game, Patterns(IMAGES), table):
        pass
    assert calls == [1, 2, 3]


def test_instance_noise_falls_to_zero_over_the_schedule():
    game = tiny("dcgan", instance_noise=0.4)
    for kimg, std in ((0, 0.4), (50, 0.2), (100, 0.0), (200, 0.0)):
        game.begin(Progress(kimg * 1000, schedule_kimg=100))
        assert game.noise_std.item() == pytest.approx(std)
