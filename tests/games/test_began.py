"""BEGAN: its counts, its controller by hand, its descriptors' moments, its vanishing residuals."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from worlds_apart import IMAGES, POINTS, Patterns, difference, played, session, state, tiny

from ganvas import checkpoint, config, games
from ganvas.engine import play, take
from ganvas.errors import UserError
from ganvas.game import DataSpec, Encodes, Moments, Progress, Samples
from ganvas.losses import energies
from ganvas.networks import began
from ganvas.rng import generator

float64 = pytest.mark.usefixtures("float64")


def numbers(spec: DataSpec, **changes) -> dict[str, int]:
    cls = games.find("began")
    with torch.device("meta"):
        game = cls(config.replace(cls.Config(), changes, "began"), spec)
    return {n: sum(q.numel() for q in p.net.parameters()) for n, p in game.players.items()}


def test_table_2_has_17_2_million_parameters():
    counts = numbers(DataSpec((3, 64, 64)))
    assert counts == {"G": 2_749_315, "D": 14_438_083}
    assert sum(counts.values()) == 17_187_398


def test_table_2_volumes():
    """Activation volumes of encoder and decoder, as listed; the bottleneck is 32768 × 64 and 64 × 8192."""
    with torch.device("meta"):
        net = began.Autoencoder((3, 64, 64), 64, 128)
        x = torch.empty(1, 3, 64, 64)
        seen = []
        for layer in net.encoder.layers:
            x = layer(x)
            seen.append(tuple(x.shape[1:]))
        h = net.encoder(torch.empty(2, 3, 64, 64))
        assert net.decoder(h).shape == (2, 3, 64, 64)
    assert seen == [
        *[(128, 64, 64)] * 3, (128, 32, 32), *[(256, 32, 32)] * 2, (256, 16, 16), *[(384, 16, 16)] * 2,
        (384, 8, 8), *[(512, 8, 8)] * 2,
    ]  # fmt: skip
    assert net.encoder.project.weight.shape == (64, 32768)
    assert net.decoder.project.weight.shape == (8192, 64)
    assert [layer.in_channels for block in net.decoder.blocks for layer in block] == [128] * 3 + [256, 128, 128] * 3


def test_sizes():
    cls = games.find("began")
    draft = cls.Config()
    assert [cls.size_for(n, draft) for n in (8, 28, 33, 64, 128, 600)] == [16, 32, 64, 64, 128, 256]
    for size, halvings in ((32, 2), (128, 4)):
        assert began.halvings(size) == halvings
        assert tiny("began", DataSpec((3, size, size))).sample(1).shape == (1, 3, size, size)
    assert numbers(DataSpec((3, 32, 32)), width=64) == {"G": 674_051, "D": 1_821_440 + 674_051}
    with pytest.raises(UserError, match="--size 32"):
        tiny("began", DataSpec((1, 28, 28)))
    with pytest.raises(UserError, match="not the points"):
        tiny("began", POINTS)


# The controller


def told(game, real: float, fake: float) -> dict[str, float]:
    """What `after` adds to the log when the two turns reported such losses."""
    for turn, name, value in zip(game.turns, ("L(x)", "L(G(z))"), (real, fake), strict=True):
        aux = {name: torch.tensor(value)}
        if name == "L(x)":
            aux["descriptors"] = torch.randn(16, 8)
        game.after(turn, aux)
    return {k: float(v) for k, v in aux.items()}


def test_the_controller_by_hand():
    """k_{t+1} = k_t + λ (γ L(x) − L(G(z))): 0.01 (0.5 · 0.4 − 0.1) = 0.001, and so on; M beside it."""
    game = tiny("began", k_lr=0.01, gamma=0.5)
    assert float(game.k) == 0
    steps = [
        ((0.4, 0.1), 0.001, 0.5),
        ((0.4, 0.1), 0.002, 0.5),
        ((0.2, 0.15), 0.0015, 0.25),
        ((0.2, 0.9), 0.0, 1.0),  # 0.0015 − 0.008 is below 0
    ]
    for losses, k, measure in steps:
        figures = told(game, *losses)
        assert figures["k_t"] == pytest.approx(k, abs=1e-7)
        assert float(game.k) == pytest.approx(k, abs=1e-7)
        assert figures["convergence"] == pytest.approx(measure)
    game = tiny("began", k_lr=1.0, gamma=1.0, k_0=0.9)
    assert told(game, 0.5, 0.1)["k_t"] == 1.0


@float64
def test_the_losses_are_the_papers():
    """L_D = L(x) − k L(G(z)), the very k of the state; L_G = L(G(z)) with D at rest."""
    game = tiny("began", k_0=0.3)
    table = session(game)
    table.begin(game)
    batch = table.draw(Patterns(IMAGES))
    micro = table.split(batch, game.turns[0], 0)[0]
    with torch.no_grad():
        fake = game.G(table.split(batch, game.turns[0], 0)[0].noise(game.prior))
        on_real, on_fake = ((v - game.D(v)).abs().mean() for v in (batch["x"].double(), fake))
        loss, aux = game.discriminator(micro)
        micro, again = (table.split(batch, game.turns[1], 0)[0] for _ in range(2))
        fake = game.G(again.noise(game.prior))
        assert float(game.generator(micro)[0]) == pytest.approx(float((fake - game.D(fake)).abs().mean()), rel=1e-12)
    assert float(loss) == pytest.approx(float(on_real - 0.3 * on_fake), rel=1e-12)
    assert float(aux["L(x)"]) == pytest.approx(float(on_real), rel=1e-12)


def test_balance_is_logged(tmp_path):
    import ganvas

    run = ganvas.train("began", "digits", preset="tiny", kimg=0.2, every=0.1, out=tmp_path / "run", quiet=True)
    ticks = [t for t in map(json.loads, (run.dir / "log.jsonl").read_text().splitlines()) if "img_per_s" in t]
    for figure in ("k_t", "convergence", "L(x)", "L(G(z))"):
        assert all(np.isfinite(t[figure]) for t in ticks)
    assert not any("descriptors" in t for t in ticks)


def test_what_the_log_averages_is_not_the_state_itself():
    """`k_t` of two rounds is their mean; were the buffer itself reported, it would be twice the last over two."""
    game = tiny("began", k_lr=0.5, gamma=1.0)
    table = session(game, 2)
    table.seat(game)
    seen = [float(game.k) for _ in play(game, Patterns(IMAGES), table)]
    assert seen[0] != seen[1]
    assert table.meter.read()["k_t"] == pytest.approx(sum(seen) / 2, rel=1e-6)


def test_the_convergence_measure_is_of_the_global_batch():
    """|γ L(x) − L(G(z))| of means, not a mean of |·|: micro-batches change nothing."""
    whole, parts = (session(tiny("began"), 2, accumulate=m) for m in (1, 4))
    read = []
    for table in (whole, parts):
        game = tiny("began")
        table.seat(game)
        for _ in play(game, Patterns(IMAGES), table):
            pass
        read.append(table.meter.read()["convergence"])
    assert read[0] == pytest.approx(read[1], rel=1e-5)


# Vanishing residuals


def test_at_carry_1_layers_of_one_size_are_the_identity_and_at_0_plain():
    layer, x = began.SuperLayer(4, 4), torch.randn(2, 4, 8, 8)
    plain = torch.nn.functional.elu(torch.nn.Conv2d.forward(layer, x))
    assert torch.equal(layer(x, torch.tensor(1.0)), x)
    assert torch.equal(layer(x, torch.tensor(0.0)), plain)
    assert torch.equal(layer(x), plain)
    torch.testing.assert_close(layer(x, torch.tensor(0.25)), 0.25 * x + 0.75 * plain)
    for other in (began.SuperLayer(4, 5), began.SuperLayer(4, 4, stride=2)):
        assert torch.equal(other(x, torch.tensor(1.0)), other(x)), "a layer that changes the size carries nothing"


def test_the_carry_falls_over_its_steps():
    game = tiny("began", carry_steps=16000)
    nets = (game.G, game.D.encoder, game.D.decoder)
    for done, carry in ((0, 1.0), (4000, 0.75), (15999, 1 / 16000), (16000, 0.0), (99999, 0.0)):
        game.begin(Progress(0, 1.0, done))
        assert [float(n.carry) for n in nets] == pytest.approx([carry] * 3, abs=1e-7)
        assert all(n.vanished == (carry == 0) for n in nets)
    assert float(tiny("began", carry_steps=0).G.carry) == 0


def test_the_average_has_the_carry_of_its_generator(tmp_path):
    game = played("began", 3, changes={"carry_steps": 8})
    assert float(game.players["G"].ema.carry) == pytest.approx(float(game.G.carry)) == pytest.approx(0.75)
    checkpoint.save(tmp_path / "1", game, session(game).clock)
    loaded = tiny("began", seed=1)
    checkpoint.load_averaged(tmp_path / "1", loaded)
    assert float(loaded.G.carry) == 0.75


# Descriptors


def test_descriptors_before_any_are_known():
    game = tiny("began")
    with pytest.raises(UserError, match="not known"):
        game.latent_moments()
    z = game.prior.seeded(4096, 0)
    assert float(z.mean(0).abs().max()) < 0.08
    torch.testing.assert_close(torch.cov(z.T), torch.eye(8), atol=0.1, rtol=0)
    assert game.sample(2).isfinite().all()


@float64
def test_generator_inputs_have_the_descriptors_moments():
    game = played("began", 4)
    mean, cov = game.latent_moments()
    z = game.prior.draw(200_000, generator("test"))
    assert float((z.mean(0) - mean).abs().max() / cov.diagonal().sqrt().max()) < 0.02
    assert float((torch.cov(z.T) - cov).abs().max() / cov.abs().max()) < 0.02
    assert torch.equal(game.prior.seeded(5, 1), game.prior.seeded(70, 1)[:5])
    for row in game.prior.seeded(3, 1, truncation=0.0):
        torch.testing.assert_close(row, mean)


@float64
def test_the_moments_are_of_the_encoders_descriptors_of_reals():
    """One round: those of the first batch, by the encoder as it was before its step."""
    game = tiny("began")
    table = session(game)
    table.begin(game)
    batch = table.draw(Patterns(IMAGES))
    h = game.encode(batch["x"].double()).double()
    take(game, game.turns[0], batch, table)
    mean, cov = game.latent_moments()
    torch.testing.assert_close(mean, h.mean(0), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(cov, torch.cov(h.T, correction=0), rtol=1e-4, atol=1e-9)


def test_the_papers_uniform_prior():
    game = played("began", 2, changes={"prior": "uniform", "last": "linear"})
    z = game.prior.seeded(256, 0)
    assert float(z.abs().max()) <= 1
    assert float(z.std()) == pytest.approx(3**-0.5, rel=0.05)
    with pytest.raises(UserError, match="--prior descriptors"):
        game.latent_moments()
    draft = config.preset(games.find("began").Config(), games.find("began"), "paper")
    assert (draft.prior, draft.batch, draft.last) == ("uniform", 16, "linear")


def test_what_it_can_do():
    game = played("began", 2)
    for capability in (Samples, Encodes, Moments):
        assert isinstance(game, capability)
    x = Patterns(IMAGES).x[:5]
    h = game.encode(x)
    assert h.shape == (5, 8)
    assert game.decode(h).shape == x.shape
    with torch.no_grad():
        torch.testing.assert_close(game.judge(x), -energies.absolute(x, game.D(x)))


def test_images_are_clamped_at_the_edge_of_the_house():
    """An ELU has no upper end; samples have."""
    game = tiny("began")
    with torch.no_grad():
        game.G.last.bias.fill_(3.0)
        assert float(game.G(torch.randn(2, 8)).max()) > 1
    assert float(game.sample(2).max()) == 1.0


# Both at once


@float64
def test_simultaneous_updates_are_each_players_own_gradient():
    game = tiny("began", updates="simultaneous", k_0=0.4)
    table = session(game)
    table.begin(game)
    batch = table.draw(Patterns(IMAGES))
    fake = game.G(table.split(batch, game.turns[0], 0)[0].noise(game.prior))
    x = batch["x"].double()
    on_real, on_fake = ((v - game.D(v)).abs().mean() for v in (x, fake.detach()))
    of_d = torch.autograd.grad(on_real - 0.4 * on_fake, list(game.D.parameters()))
    of_g = torch.autograd.grad((fake - game.D(fake)).abs().mean(), list(game.G.parameters()))
    take(game, game.turns[0], batch, table)
    for net, expected in ((game.D, of_d), (game.G, of_g)):
        for q, e in zip(net.parameters(), expected, strict=True):
            torch.testing.assert_close(q.grad, e)


@float64
def test_simultaneous_updates_accumulate():
    whole, parts = (state(played("began", 2, IMAGES, {"updates": "simultaneous"}, accumulate=m)) for m in (1, 4))
    assert difference(whole, parts) < 1e-9
