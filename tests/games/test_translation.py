"""pix2pix and CycleGAN: objectives by hand, the pool, what translations depend on, wrong settings."""

import pytest
import torch
from worlds_apart import DOMAINS, PAIRS, Patterns, session, tiny

from ganvas import games
from ganvas.engine import play, take
from ganvas.errors import UserError
from ganvas.game import Batch, DataSpec, Translates
from ganvas.games.pool import Pool
from ganvas.rng import Chance


def batch_of(spec, n=4):
    return Batch(Patterns(spec).batch(0, 0, n), Chance(0, start=0, stop=n, total=n))


def log_sigmoid(x):
    return torch.nn.functional.logsigmoid(x)


# pix2pix


def test_pix2pix_minimises_the_papers_objective():
    game = tiny("pix2pix", PAIRS, dropout="none").eval()
    b = batch_of(PAIRS)
    loss, _ = game.generator(b)
    fake = game.G(b["a"])
    on_fake, on_real = (game.D(torch.cat([b["a"], x], 1)) for x in (fake, b["b"]))
    l1 = (fake - b["b"]).abs().mean()
    torch.testing.assert_close(loss, -log_sigmoid(on_fake).mean() + 100 * l1)
    loss, _ = game.discriminator(b | {"fake": fake.detach()})
    torch.testing.assert_close(loss, -log_sigmoid(on_real).mean() - log_sigmoid(-on_fake).mean())
    assert [(t.name, t.weight) for t in game.turns] == [("generator", 1.0), ("discriminator", 0.5)]


def test_the_discriminator_sees_the_generators_own_fakes():
    game = tiny("pix2pix", PAIRS)
    table = session(game)
    table.seat(game)
    table.begin(game)
    batch = table.draw(Patterns(PAIRS))
    added = take(game, game.turns[0], batch, table)
    assert added["fake"].shape == batch["b"].shape
    assert not added["fake"].requires_grad


def test_the_ablation_of_the_paper():
    known = {"cgan": 4, "gan": 3}
    for adversarial, channels in known.items():
        assert tiny("pix2pix", PAIRS, adversarial=adversarial).D.net[0].in_channels == channels
    alone = tiny("pix2pix", PAIRS, adversarial="none")
    assert list(alone.players) == ["G"]
    b = batch_of(PAIRS)
    loss, aux = alone.eval().generator(b)
    torch.testing.assert_close(loss, 100 * aux["l1"])
    assert "fake" not in aux


def test_dropout_and_statistics_at_test_are_choices():
    game = tiny("pix2pix", PAIRS, dropout="paper")
    table = session(game, 3)
    table.seat(game)
    for _ in play(game, Patterns(PAIRS), table):
        pass
    game.eval()
    a = Patterns(PAIRS).batch(0, 0, 3)["a"]
    same = {"dropout": False, "statistics": "running"}
    other = {"dropout": False, "statistics": "image"}
    assert not torch.equal(game.translate(a, seed=1), game.translate(a, seed=2))
    assert torch.equal(game.translate(a, seed=1, dropout=False), game.translate(a, seed=2, dropout=False))
    assert not torch.allclose(game.translate(a, **other), game.translate(a, **same))
    game.config = type(game.config)(**{**vars(game.config), "test_dropout": False, "test_statistics": "running"})
    assert torch.equal(game.translate(a), game.translate(a, seed=2, **same))


@pytest.mark.parametrize(("batch", "statistics"), [(1, "image"), (4, "running")])
def test_translations_are_normalised_as_in_training(batch, statistics):
    """Alone where an image was alone, by averages where it was one of several."""
    game = tiny("pix2pix", PAIRS, batch=batch).eval()
    a = Patterns(PAIRS).batch(0, 0, 3)["a"]
    assert game.test_statistics == statistics
    assert torch.equal(game.translate(a), game.translate(a, statistics=statistics))
    other = {"image": "running", "running": "image"}[statistics]
    assert not torch.allclose(game.translate(a), game.translate(a, statistics=other))
    assert tiny("pix2pix", PAIRS, batch=batch, test_statistics=other).test_statistics == other


# CycleGAN


def test_cyclegan_minimises_the_papers_objective():
    game = tiny("cyclegan", DOMAINS).eval()
    b = batch_of(DOMAINS)
    loss, aux = game.generator(b)
    ab, ba = game.G["ab"], game.G["ba"]
    fake_b, fake_a = ab(b["a"]), ba(b["b"])

    def far(x, y):
        return (x - y).abs().mean()

    fooling = (game.D["b"](fake_b) - 1).square().mean() + (game.D["a"](fake_a) - 1).square().mean()
    cycle = far(ba(fake_b), b["a"]) + far(ab(fake_a), b["b"])
    identity = far(ab(b["b"]), b["b"]) + far(ba(b["a"]), b["a"])
    torch.testing.assert_close(loss, fooling + 10 * cycle + 5 * identity)
    torch.testing.assert_close(aux["fake/b"], fake_b)
    shown = {"shown/a": fake_a.detach(), "shown/b": fake_b.detach()}
    loss, _ = game.discriminator(b | shown)
    on = {s: (game.D[s](b[s]), game.D[s](shown[f"shown/{s}"])) for s in "ab"}
    wanted = sum(((real - 1).square().mean() + fake.square().mean()) / 2 for real, fake in on.values())
    torch.testing.assert_close(loss, wanted)


def test_there_and_back_are_two_networks_and_both_move():
    game = tiny("cyclegan", DOMAINS)
    assert isinstance(game, Translates)
    assert game.directions == ("ab", "ba")
    x = Patterns(DOMAINS).batch(0, 0, 2)["a"]
    assert not torch.equal(game.eval().translate(x, "ab"), game.translate(x, "ba"))


def test_without_identity_nothing_is_left_as_it_is():
    loss, aux = tiny("cyclegan", DOMAINS, identity_weight=0.0).eval().generator(batch_of(DOMAINS))
    assert "identity" not in aux
    torch.testing.assert_close(loss, aux["adversarial"] + 10 * (aux["cycle/a"] + aux["cycle/b"]))


def test_recipes_have_their_schedule_and_augmentation():
    for name, spec in (("pix2pix", PAIRS), ("cyclegan", DOMAINS)):
        cls = games.find(name)
        assert cls.engine_defaults(spec) == {"lr_schedule": "linear"}
        assert cls.augment == "jitter,mirror"


# The pool


def ids(values):
    return [int(v) for v in values.flatten()]


def fakes(*numbers):
    return torch.tensor(numbers, dtype=torch.float32).view(-1, 1)


def test_a_pool_fills_and_then_swaps_half_of_the_time():
    pool = Pool(3, (1,))
    keep, swap = 0.9, 0.1
    assert ids(pool.exchange(fakes(1, 2, 3), torch.full((3, 2), swap))) == [1, 2, 3]
    assert ids(pool.exchange(fakes(4, 5), torch.tensor([[swap, 0.0], [swap, 0.99]]))) == [1, 3]
    assert ids(pool.exchange(fakes(6), torch.tensor([[keep, 0.5]]))) == [6]
    assert ids(pool.images) == [4, 2, 5]
    assert int(pool.seen) == 6


def test_a_pool_fills_within_a_batch_and_gives_back_what_it_holds():
    pool = Pool(2, (1,))
    chance = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    assert ids(pool.exchange(fakes(1, 2, 3, 4), chance)) == [1, 2, 1, 3]


def test_a_pool_shows_old_fakes_half_of_the_time():
    pool = Pool(50, (1,))
    g = torch.Generator().manual_seed(0)
    shown = torch.cat([pool.exchange(fakes(i), torch.rand(1, 2, generator=g)) for i in range(4000)])
    new = (shown.flatten() == torch.arange(4000)).float()
    assert bool(new[:50].all())
    assert 0.47 < float(new[50:].mean()) < 0.53
    assert len(set(ids(shown[50:]))) > 3000  # each is swapped out once


def test_no_pool_shows_what_is_new():
    x = fakes(1, 2)
    assert Pool(0, (1,)).exchange(x, torch.zeros(2, 2)) is x


def test_the_pool_is_part_of_the_state():
    game = tiny("cyclegan", DOMAINS)
    assert {"pool_a.images", "pool_a.seen", "pool_b.images", "pool_b.seen"} <= game.state_dict().keys()


# Wrong settings and wrong images

IMAGES = DataSpec((3, 64, 64))


@pytest.mark.parametrize(
    ("name", "spec", "changes", "words"),
    [
        ("pix2pix", IMAGES, {}, "plays on pairs of images A and B"),
        ("cyclegan", IMAGES, {}, "give a folder with trainA and trainB"),
        ("pix2pix", PAIRS, {"depth": 6}, "cannot halve images of 16×16 pixels .* give at most 4"),
        ("pix2pix", PAIRS, {"patch": 70}, "too small for patches of 70; give --size 24"),
        ("pix2pix", PAIRS, {"patch": 50}, "--patch 50 is no PatchGAN"),
        ("cyclegan", DataSpec((3, 16, 16), task="domains", given=(1, 16, 16)), {}, "give --identity-weight 0"),
    ],
)
def test_wrong_settings(name, spec, changes, words):
    with pytest.raises(UserError, match=words):
        tiny(name, spec, **changes)


@pytest.mark.parametrize(
    ("shape", "direction", "words"),
    [
        ((1, 3, 16, 16), "ba", "no direction 'ba'; it translates ab"),
        ((1, 3, 16, 16), "ab", "images of 1 channel .ab., and these are 1×3×16×16"),
        ((1, 1, 16, 7), "ab", "16×7 pixels .* too small to be translated; give 8 pixels"),
    ],
)
def test_wrong_images(shape, direction, words):
    with pytest.raises(UserError, match=words):
        tiny("pix2pix", PAIRS).translate(torch.zeros(shape), direction)
