"""What conditional games promise beyond the laws."""

from __future__ import annotations

import math

import pytest
import torch
from worlds_apart import COLOURED, IMAGES, LABELLED, Patterns, played, session, tiny

from ganvas import games
from ganvas.engine import play
from ganvas.errors import UserError
from ganvas.game import Batch, DataSpec
from ganvas.report.rows import by_rows, rows_of
from ganvas.rng import Chance

CONDITIONAL = [n for n in games.names() if "condition" in games.find(n).Config.__dataclass_fields__]


@pytest.fixture(params=["cgan", "acgan"])
def game(request):
    return tiny(request.param, LABELLED).eval()


def test_what_is_asked_for_changes_the_samples_and_the_latent_does(game):
    a, b = game.sample(2, seed=0, labels=0), game.sample(2, seed=0, labels=1)
    assert (a != b).flatten(1).any(1).all()
    assert (a[0] != a[1]).any()
    assert torch.equal(game.sample(4, labels=[0, 1, 2, 3])[1:2], game.sample(4, labels=1)[1:2])
    assert (game.sample(1, labels="1+age=0") != game.sample(1, labels="1+age=9")).any()


def test_fakes_are_made_for_the_conditions_of_the_reals(game):
    batch = Batch(Patterns(LABELLED).batch(0, 0, 16), Chance(0, start=0, stop=16, total=16))
    (c,) = game.given(batch)
    assert torch.equal(c[:, :4].argmax(1), batch["y"])
    z = Batch(batch, Chance(0, start=0, stop=16, total=16)).noise(game.prior)
    torch.testing.assert_close(game.made(batch), game.G(z, c))


def test_attributes_of_reals_are_remembered():
    game = played("cgan", 1, LABELLED)
    (c,) = game.given(Batch(Patterns(LABELLED).batch(0, 0, 16)))
    assert torch.equal(game.typical[:16], c)
    fresh = tiny("cgan", LABELLED)
    assert not torch.equal(fresh.typical[:16], c)


def test_a_conditional_critic_judges_for_a_label():
    game = tiny("cgan", COLOURED).eval()
    x = torch.randn(3, 3, 16, 16)
    assert (game.judge(x, 0) != game.judge(x, 1)).all()
    assert ((game.judge(x, 0) > 0) & (game.judge(x, 0) < 1)).all()


def test_the_papers_networks_for_mnist():
    """Mirza and Osindero's: 100 → 200 and 10 → 1000, 1200 together, 784 out; maxouts of 240·5, 50·5 and 240·4."""
    with torch.device("meta"):
        game = games.find("cgan")(games.find("cgan").Config(norm_g="none"), DataSpec((1, 28, 28), 10))
    counts = [sum(q.numel() for q in net.parameters()) for net in (game.G, game.D)]
    assert counts[0] == 101 * 200 + 11 * 1000 + 1201 * 1200 + 1201 * 784
    assert counts[1] == 785 * 240 * 5 + 11 * 50 * 5 + 291 * 240 * 4 + 241


@pytest.mark.parametrize("name", ["cgan", "acgan"])
def test_data_without_classes_are_refused(name):
    with pytest.raises(UserError, match="have neither"):
        tiny(name, IMAGES)


# AC-GAN


def test_acgan_minimises_the_papers_objectives():
    """D: −(L_S + L_C), G: L_S's non-saturating form − L_C, from the networks' answers by hand."""
    game = tiny("acgan", COLOURED, norm_d="none").eval()
    batch = Batch(Patterns(COLOURED).batch(0, 0, 16), Chance(0, start=0, stop=16, total=16))

    def again():
        return Batch(batch, Chance(0, start=0, stop=16, total=16))

    fake = game.G(again().noise(game.prior), torch.nn.functional.one_hot(batch["y"], 4).float())
    on_real, on_fake = game.D(batch["x"]), game.D(fake)
    source = lambda logits: torch.nn.functional.logsigmoid(logits[:, 0]).mean()  # noqa: E731
    told = lambda logits: logits[:, 1:].log_softmax(1)[torch.arange(16), batch["y"]].mean()  # noqa: E731
    loss_d, aux = game.discriminator(again())
    loss_g, _ = game.generator(again())
    torch.testing.assert_close(loss_d, -(source(on_real) + source(-on_fake) + told(on_real) + told(on_fake)))
    torch.testing.assert_close(loss_g, -(source(on_fake) + told(on_fake)))
    assert aux["accuracy"] == (on_real[:, 1:].argmax(1) == batch["y"]).float().mean()
    torch.testing.assert_close(game.classify(batch["x"]), on_real[:, 1:])


# InfoGAN


def test_infogan_latents_end_in_codes():
    game = tiny("infogan", IMAGES)
    z = game.prior.seeded(500, 0)
    noise, category, numbers = z.split([8, 3, 2], 1)
    assert torch.equal(category.sort(1).values, torch.tensor([0.0, 0, 1]).expand(500, 3))
    assert (category.mean(0) - 1 / 3).abs().max() < 0.1
    assert numbers.abs().max() <= 1
    assert numbers.min() < -0.9
    assert torch.equal(game.prior.pulled(z, 0.0), torch.cat([0 * noise, category, numbers], 1))


def test_infogan_makes_the_code_that_is_asked_for():
    game = tiny("infogan", IMAGES).eval()
    z = game.prior.seeded(3, 0)
    z[:, 8:11] = torch.tensor([0.0, 0, 1])
    assert torch.equal(game.generate(z, 2), game.generate(z))
    assert (game.generate(z, 1) != game.generate(z)).any()
    with pytest.raises(UserError, match="no class 3"):
        game.sample(1, labels=3)
    assert game.conditions == 0, "codes are no classes of the data"
    assert game.axes().nonzero().tolist() == [[0, 11], [1, 12]]


def test_mutual_information_of_perfect_and_of_empty_answers():
    """log K where Q is sure and right; 0 where it says nothing."""
    game = tiny("infogan", IMAGES)
    z = game.prior.seeded(16, 0)
    for scale, expected in ((0.0, 0.0), (100.0, math.log(3))):
        game.Q.forward = lambda _, s=scale: z[:, 8:] * s  # type: ignore[method-assign]
        _, aux = game.information(z, z)
        assert float(aux["mutual_information"]) == pytest.approx(expected, abs=1e-5)


def test_infogan_learns_to_show_its_codes():
    game = tiny("infogan", IMAGES, **{"opt_d.lr": 2e-3, "opt_g.lr": 5e-3})
    table = session(game, 250)
    table.seat(game)
    seen = []
    for _ in play(game, Patterns(IMAGES), table):
        seen.append(table.meter.read()["mutual_information"])
    assert sum(seen[-10:]) / 10 > 0.8 * math.log(3) > sum(seen[:10]) / 10


# Grids


def test_a_grid_has_a_row_for_each_class_from_the_same_latents():
    game = tiny("cgan", COLOURED).eval()
    assert list(rows_of(game)) == [0, 1, 2, 3]
    assert rows_of(game, "2") is None
    assert list(rows_of(game, "2,0")) == ["2", "0"]
    assert rows_of(game, None, 3) is None, "fewer samples than classes"
    assert list(rows_of(tiny("infogan", IMAGES))) == [0, 1, 2]
    assert rows_of(tiny("dcgan", IMAGES)) is None
    x, columns = by_rows(game, [1, 3], n=7)
    assert (len(x), columns) == (7, 4)
    z = game.prior.seeded(4, 0)
    torch.testing.assert_close(x, torch.cat([game.generate(z, 1), game.generate(z, 3)])[:7])
