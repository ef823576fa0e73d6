"""The semi-supervised GAN: its losses by hand, its networks as published, and labels that are few."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
import torch
from worlds_apart import LABELLED, Patterns, session, tiny

from ganvas import games, rng
from ganvas.engine import play, take
from ganvas.errors import UserError
from ganvas.game import Batch, Classifies, Conditional, DataSpec, Judges, Samples
from ganvas.losses import semi_supervised
from ganvas.networks.layers import GaussianNoise, WeightNormLinear
from ganvas.networks.ssgan import Softplus

MNIST = DataSpec((1, 28, 28), 10)


def ssgan(data: DataSpec = MNIST):
    cls = games.find("ssgan")
    return cls(cls.defaults(data), data)


# Losses.


def test_k_plus_one_classes_with_the_last_logit_at_0():
    logits = torch.tensor([[1.0, -2.0, 0.5], [3.0, 3.0, -1.0]], dtype=torch.float64)
    whole = torch.cat([logits, torch.zeros(2, 1, dtype=torch.float64)], 1).softmax(1)
    real = semi_supervised.realness(logits).sigmoid()
    torch.testing.assert_close(real, 1 - whole[:, -1])  # D(x) = Z / (Z + 1)
    z = logits.exp().sum(1)
    torch.testing.assert_close(real, z / (z + 1))


def test_what_is_learnt_with_labels_and_without():
    real = torch.tensor([[0.0, math.log(3.0)], [math.log(2.0), 0.0]], dtype=torch.float64)
    fake = torch.tensor([[0.0, 0.0], [math.log(0.5), math.log(1.5)]], dtype=torch.float64)
    labels = torch.tensor([1, 1])
    assert float(semi_supervised.supervised(real, labels)) == pytest.approx(-(math.log(3 / 4) + math.log(1 / 3)) / 2)
    # Z is 4 and 3 of the reals, 2 and 2 of the others: D = 4/5, 3/4, 2/3, 2/3
    on_real, on_fake = -(math.log(4 / 5) + math.log(3 / 4)) / 2, -math.log(1 / 3)
    assert float(semi_supervised.unsupervised(real, fake)) == pytest.approx((on_real + on_fake) / 2)


def test_without_overflow():
    assert float(semi_supervised.unsupervised(torch.full((2, 3), 1e4), torch.full((2, 3), -1e4))) == 0
    assert semi_supervised.realness(torch.full((1, 2), 500.0, dtype=torch.bfloat16)).dtype == torch.float32


def test_feature_matching_compares_means():
    real, fake = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0])
    assert float(semi_supervised.feature_matching(real, fake)) == 2.5


# Networks.


def test_weights_are_normed_row_by_row():
    layer = WeightNormLinear(3, 2, learn_scale=True).double()
    with torch.no_grad():
        layer.direction.copy_(torch.tensor([[3.0, 0.0, 4.0], [0.0, 2.0, 0.0]]))
        layer.scale.copy_(torch.tensor([10.0, 1.0]))
        layer.bias.copy_(torch.tensor([0.5, -1.0]))
    x = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64)
    torch.testing.assert_close(layer(x), torch.tensor([[6 * 1 + 8 * 3 + 0.5, 2 - 1.0]], dtype=torch.float64))
    assert {n for n, _ in layer.named_parameters()} == {"direction", "bias", "scale"}
    assert {n for n, _ in WeightNormLinear(3, 2).named_parameters()} == {"direction", "bias"}


def test_data_dependent_initialisation():
    layer, x = WeightNormLinear(5, 4).double(), torch.randn(64, 5, dtype=torch.float64) * 3 + 1
    y = layer.initialise(x)
    torch.testing.assert_close(y, layer(x))
    torch.testing.assert_close(y.mean(0), torch.zeros(4, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(y.var(0, unbiased=False), torch.ones(4, dtype=torch.float64))
    noisy = layer.initialise(x, noise=2.0)
    many = layer((x[:, None] + 2.0 * torch.randn(64, 4000, 5, dtype=torch.float64)).flatten(0, 1))
    assert bool((many.var(0) - 1).abs().max() < 0.03) and bool((noisy.var(0) < 1).all())
    layer.initialise(torch.ones(3, 5, dtype=torch.float64))
    assert bool(layer(x).isfinite().all()), "inputs that never vary"


def test_the_networks_are_the_published_ones():
    game = ssgan()
    counts = {n: sum(q.numel() for q in p.net.parameters()) for n, p in game.players.items()}
    sides = [784, 1000, 500, 250, 250, 250, 10]
    assert counts["D"] == sum(a * b + b for a, b in itertools.pairwise(sides)) + 10  # the last one's scales
    assert counts["G"] == (100 * 500 + 500) + (500 * 500 + 500) + (500 * 784 + 784) + 784
    assert [n.std for n in game.D.modules() if isinstance(n, GaussianNoise)] == [0.3, 0.5, 0.5, 0.5, 0.5, 0.5]
    x = game.G(torch.randn(5, 100)).detach()
    assert x.shape == (5, 1, 28, 28) and float(x.abs().max()) < 1
    assert game.D.features(x).shape == (5, 250) and game.D(x).shape == (5, 10)


def test_the_classifier_sees_images_in_0_to_1():
    net = ssgan().eval().D
    x = torch.rand(3, 1, 28, 28) * 2 - 1
    h = (x.flatten(1) + 1) / 2
    for layer in net.layers:
        h = layer(h).relu()
    torch.testing.assert_close(net.features(x), h)
    torch.testing.assert_close(net(x), net.last(h))


def test_a_sample_does_not_depend_on_how_many_there_are():
    x = torch.randn(256, 37)
    y = Softplus()(x)
    torch.testing.assert_close(y, torch.nn.functional.softplus(x))
    assert all(torch.equal(Softplus()(x[:n].clone()), y[:n]) for n in (1, 2, 5, 70))


def test_noise_is_for_training_and_of_the_turn_alone():
    layer = GaussianNoise(0.5)
    x = torch.zeros(4000, 2)
    assert torch.equal(layer(x), x), "no turn"
    with rng.Chance("key", start=0, stop=2000, total=2000):
        twice = layer(x)
        assert float(twice.std()) == pytest.approx(0.5, rel=0.05)
        assert not torch.equal(twice[:2000], twice[2000:]), "two batches in one pass have noise of their own"
        assert torch.equal(layer.eval()(x), x)


def test_networks_suit_the_images():
    cls = games.find("ssgan")
    for shape, network in {
        (1, 28, 28): "mlp",
        (1, 32, 32): "mlp",
        (3, 28, 28): "mlp",
        (3, 32, 32): "dcgan",
        (1, 64, 64): "dcgan",
    }.items():
        data = DataSpec(shape, 3)
        chosen = cls.defaults(data)
        assert chosen.network == network
        cls.check(chosen, data)
    assert [cls.size_for(n, cls.Config()) for n in (8, 28, 32, 40, 200, 500)] == [8, 28, 32, 64, 256, 256]
    assert cls.defaults(DataSpec((3, 64, 64), 3)).opt_d.lr == 3e-4


# The game.


def turn_of(game, name):
    return next(t for t in game.turns if t.name == name)


def test_the_first_batch_initialises_the_classifier():
    game = tiny("ssgan", LABELLED, noise=0.0, noise_input=0.0)
    table = session(game)
    table.seat(game)
    table.begin(game)
    batch = table.draw(Patterns(LABELLED))
    take(game, turn_of(game, "discriminator"), batch, table)
    h = (batch["x"].flatten(1) + 1) / 2
    for layer in game.D.layers:
        y = layer(h)
        torch.testing.assert_close(y.mean(0), torch.zeros(y.shape[1]), atol=1e-4, rtol=0)
        torch.testing.assert_close(y.var(0, unbiased=False), torch.ones(y.shape[1]), atol=1e-3, rtol=1e-3)
        h = y.relu()
    scales = [layer.scale.clone() for layer in game.D.layers]
    table.clock.round = 1
    table.begin(game)
    take(game, turn_of(game, "discriminator"), table.draw(Patterns(LABELLED)), table)
    assert all(torch.equal(a, layer.scale) for a, layer in zip(scales, game.D.layers, strict=True)), "once"


def discriminated(game, batch):
    table = session(game)
    table.begin(game)
    (micro,) = table.split(batch, turn_of(game, "discriminator"), 0)
    with micro.chance:
        return game.discriminator(micro)


def test_labels_are_read_of_the_labelled_rows_alone():
    game, data = tiny("ssgan", LABELLED), Patterns(LABELLED)
    batch = Batch(data.batch(0, 0, 16))
    loss, _ = discriminated(game, batch)
    hidden = batch | {"y": torch.full((16,), -1)}
    assert torch.equal(discriminated(game, hidden)[0], loss), "the labels of the others are not looked at"
    other = batch | {"y_labelled": (batch["y_labelled"] + 1) % 4}
    assert not torch.equal(discriminated(game, other)[0], loss)
    unweighted = tiny("ssgan", LABELLED, unlabelled_weight=0.0)
    first, aux = discriminated(unweighted, batch)
    moved = batch | {"x": batch["x"].flip(0) * 0.5}
    assert torch.equal(discriminated(unweighted, moved)[0], first), "then only the labelled ones teach"
    assert torch.equal(first, aux["class_error"])


def test_where_all_are_labelled_they_are_read_themselves():
    game, data = tiny("ssgan", LABELLED, noise=0.0, noise_input=0.0), Patterns(LABELLED)
    whole = {k: v for k, v in data.batch(0, 0, 16).items() if not k.endswith("_labelled")}
    same = whole | {"x_labelled": whole["x"], "y_labelled": whole["y"]}
    a, b = discriminated(game, Batch(whole)), discriminated(game, Batch(same))
    torch.testing.assert_close(a[0], b[0])
    torch.testing.assert_close(a[1]["accuracy"], b[1]["accuracy"])


def test_the_generator_matches_means_of_features():
    game = tiny("ssgan", LABELLED, noise=0.0, noise_input=0.0)
    table = session(game)
    table.begin(game)
    (b,) = table.split(Batch(Patterns(LABELLED).batch(0, 0, 16)), turn_of(game, "generator"), 0)
    loss, _ = game.generator(b)
    (b,) = table.split(Batch(Patterns(LABELLED).batch(0, 0, 16)), turn_of(game, "generator"), 0)
    fake = game.G(b.noise(game.prior))
    gap = game.D.features(b["x"]).mean(0) - game.D.features(fake).mean(0)
    torch.testing.assert_close(loss, gap.square().mean())

    usual = tiny("ssgan", LABELLED, noise=0.0, noise_input=0.0, feature_matching=False)
    usual.load_state_dict(game.state_dict())
    (b,) = table.split(Batch(Patterns(LABELLED).batch(0, 0, 16)), turn_of(game, "generator"), 0)
    wanted = -usual.judge(fake).log().mean()
    torch.testing.assert_close(usual.generator(b)[0], wanted, rtol=1e-4, atol=1e-5)


def test_it_learns_four_patterns_from_twelve_labels():
    """Each class is a picture of its own, seen through noise; 4 of 64 pictures have the class's number by chance."""
    game = tiny("ssgan", LABELLED, widths_d=(32, 32))
    table = session(game, 60)
    table.seat(game)
    data = Patterns(LABELLED)
    data.x = data.x[torch.arange(64) % 4] + 0.3 * torch.randn(64, 1, 16, 16, generator=rng.generator("noise"))
    for _ in play(game, data, table):
        pass
    game.eval()
    assert float((game.classify(data.x).argmax(1) == data.y).float().mean()) > 0.95


def test_what_it_can_do():
    game = tiny("ssgan", LABELLED).eval()
    x = Patterns(LABELLED).x
    assert isinstance(game, Samples) and isinstance(game, Judges) and isinstance(game, Classifies)
    assert isinstance(game, Conditional) and game.conditions == 0
    logits = game.classify(x)
    assert logits.shape == (64, 4) and logits.dtype == torch.float32 and not logits.requires_grad
    assert torch.equal(game.classify(x), logits), "noise is for training alone"
    torch.testing.assert_close(game.judge(x), 1 - torch.cat([logits, torch.zeros(64, 1)], 1).softmax(1)[:, -1])
    with pytest.raises(UserError, match="ssgan is not conditional"):
        game.sample(3, labels=[0, 1, 2])


def test_what_it_cannot_learn_from_is_told():
    cls = games.find("ssgan")
    for data in (DataSpec((2,)), DataSpec((1, 28, 28)), DataSpec((1, 28, 28), 1)):
        with pytest.raises(UserError, match="ssgan learns to tell classes apart and needs images with labels of two"):
            cls.check(cls.defaults(data), data)

    with pytest.raises(
        UserError, match=r"cannot make images of 28×28 with convolutions.*use --size 32, or --network mlp"
    ):
        cls.check(replace(cls.Config(), network="dcgan"), MNIST)
