"""BigGAN: its latent in parts, its truncation, its regularisation, its presets, its averages and statistics."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from worlds_apart import COLOURED, IMAGES, LABELLED, Patterns, played, session, tiny

from ganvas import config, ema, games
from ganvas.engine import reestimate
from ganvas.errors import UserError
from ganvas.game import DataSpec
from ganvas.losses import adversarial
from ganvas.networks import spectral
from ganvas.priors import Prior, Resampled

float64 = pytest.mark.usefixtures("float64")
BIG = games.find("biggan")


# Truncation


@pytest.mark.parametrize("psi", [0.02, 0.25, 0.5, 0.9])
def test_truncated_latents_are_a_truncated_normal(psi):
    """Kolmogorov and Smirnov find no difference to SciPy's; without truncation none to the normal."""
    z = Resampled(40).seeded(1000, 3, truncation=psi)
    assert float(z.abs().max()) <= 2 * psi * (1 + 1e-6)
    assert stats.kstest(z.flatten().numpy(), stats.truncnorm(-2 * psi, 2 * psi).cdf)[1] > 0.01
    assert stats.kstest(Resampled(40).seeded(1000, 3).flatten().numpy(), stats.norm.cdf)[1] > 0.01


def test_values_within_the_threshold_stay():
    prior = Resampled(6)
    whole, cut = prior.seeded(70, 1), prior.seeded(70, 1, truncation=0.4)
    within = whole.abs() <= 0.8
    assert torch.equal(whole[within], cut[within])
    assert not bool((whole == cut)[~within].any())
    assert torch.equal(cut[:5], prior.seeded(5, 1, truncation=0.4)), "a sample depends on its index alone"
    assert torch.equal(whole, Prior(6).seeded(70, 1))
    assert float(prior.seeded(3, 1, truncation=0.0).abs().max()) == 0
    assert prior.seeded(0, 1, truncation=0.5).shape == (0, 6)
    with pytest.raises(UserError, match="truncation"):
        prior.seeded(1, 0, truncation=1.5)


def test_the_game_truncates_its_samples_and_trains_without():
    game = tiny("biggan", COLOURED)
    assert isinstance(game.prior, Resampled)
    assert not torch.equal(game.sample(2), game.sample(2, truncation=0.3))
    a, b = game.sample(2, truncation=0.0, labels=1)
    torch.testing.assert_close(a, b)
    z = game.prior.draw(4000, torch.Generator().manual_seed(0))
    assert float(z.abs().max()) > 3


# The latent in parts


def test_parts_of_the_latent():
    """20 numbers at 128 and 256 pixels (Tables 4 to 8); what is left over is left out."""
    for size, z_dim, kept in ((128, 120, 120), (256, 140, 140), (256, 120, 119), (32, 120, 120), (16, 8, 6)):
        c = config.replace(BIG.Config(), {"z_dim": z_dim}, "biggan")
        assert BIG.latents(c, BIG.plans[size]) == kept
    assert tiny("biggan", COLOURED, z_dim=10).prior.dim == 9
    assert tiny("biggan", COLOURED, z_dim=10, hierarchical=False).prior.dim == 10
    with pytest.raises(UserError, match="--z-dim 3"):
        tiny("biggan", COLOURED, z_dim=2)


# Regularisation


@float64
def test_the_generators_loss():
    """−E D + β R(W), over every weight of G but the embedding; without β the regularisation is not computed."""
    game = tiny("biggan", LABELLED, ortho=0.01)
    table = session(game)
    table.seat(game)
    batch = table.draw(Patterns(LABELLED))
    micro = lambda: table.split(batch, game.turns[1], 0)[0]  # noqa: E731
    with torch.no_grad():
        for q in game.G.parameters():
            q.add_(0.05 * torch.randn_like(q))
        bent = 0.0
        for name, q in game.G.named_parameters():
            if q.dim() > 1 and name != "embed.weight":
                rows = q.flatten(1)
                gram = rows @ rows.T
                bent += float((gram * (1 - torch.eye(len(gram)))).square().sum())
        loss, aux = game.generator(micro())
        plain = adversarial.wasserstein_generator(game.verdict(micro()))
    assert float(loss) == pytest.approx(float(plain) + 0.01 * bent, rel=1e-9)
    assert float(aux["orthogonality"]) == pytest.approx(bent, rel=1e-9)
    assert tiny("biggan", LABELLED, ortho=0.0).generator(micro())[1] == {}


def test_weights_begin_orthogonal():
    game = tiny("biggan", COLOURED)
    for m in spectral.normalised(game.G):
        assert float(m.sigma()) == pytest.approx(1.0, abs=1e-4)
    w = game.G.blocks[0].conv2.weight.flatten(1)
    torch.testing.assert_close(w @ w.T, torch.eye(len(w)), atol=1e-5, rtol=0)


# Presets and defaults


def test_presets():
    author, cifar = (config.preset(BIG.Config(), BIG, p) for p in ("author", "cifar"))
    assert (author.opt_g.lr, author.opt_d.lr, author.d_steps, author.ortho) == (1e-4, 4e-4, 1, 0.0)
    assert (author.opt_g.eps, author.width, author.z_dim, author.attention) == (1e-6, 96, 120, 64)
    assert (cifar.opt_g.lr, cifar.opt_d.lr, cifar.d_steps, cifar.ortho) == (2e-4, 2e-4, 4, 0.0)
    assert (cifar.width, cifar.z_dim, cifar.batch, cifar.attention, cifar.init) == (64, 128, 50, 0, "normal")
    torch.manual_seed(0)
    game = BIG(config.replace(cifar, {"width": 8, "z_dim": 16}, "biggan"), DataSpec((3, 32, 32), 10))
    gain = game.G.blocks[0].norm1.gain
    assert gain.weight.shape == (32, 10)
    assert gain.u is None, "a map of the bare classes is not normalised"
    assert float(gain.weight.std()) == pytest.approx(0.02, rel=0.15)
    assert game.G.project.u is not None
    assert game.players["G"].opt.defaults["eps"] == 1e-8
    made = BIG(config.replace(author, {"width": 1}, "biggan"), DataSpec((3, 64, 64), 3))
    assert made.players["D"].opt.defaults["eps"] == 1e-6


def test_defaults_by_size():
    small, middle, large = (BIG.defaults(DataSpec((3, s, s), 10)) for s in (32, 128, 256))
    assert (small.batch, small.width, small.attention, small.z_dim) == (64, 64, 0, 120)
    assert (middle.batch, middle.width, middle.attention, middle.z_dim) == (256, 96, 64, 120)
    assert (large.batch, large.width, large.attention, large.z_dim) == (256, 96, 64, 140)


def test_without_labels_it_says_so_and_can_do_without():
    with pytest.raises(UserError, match="neither"):
        tiny("biggan", IMAGES)
    game = played("biggan", 1, IMAGES, {"condition": "none"})
    assert game.sample(2).shape == (2, 1, 16, 16)
    assert game.conditions == 0


def test_the_papers_average_as_a_half_life():
    """0.9999 a step of G, as its docstring says it."""
    for batch, steps, kimg in ((2048, 2, 28_000), (50, 4, 1_400)):
        exact = 6931.1 * batch * steps / 1000
        assert exact == pytest.approx(kimg, rel=0.02)
        assert ema.decay(batch * steps, 10**12, exact, 0.05) == pytest.approx(0.9999, abs=1e-8)


def test_standing_statistics_are_of_the_reals_conditions():
    """Measured under the averaged weights, in passes whose conditions are those of the data."""
    game = played("biggan", 2, COLOURED)
    seen = []
    average = game.players["G"].ema
    average.register_forward_pre_hook(lambda m, a: seen.append(a[1]))
    norm = average.blocks[0].norm1.norm
    norm.running_mean.fill_(9.0)
    reestimate(game, Patterns(COLOURED), session(game), batches=2)
    labels = torch.cat(seen).argmax(1)
    assert labels.tolist() == [i % 4 for i in range(32)]
    assert float(norm.running_mean.abs().max()) < 9
