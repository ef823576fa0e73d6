"""What EBGAN promises beyond the laws."""

from __future__ import annotations

import pytest
import torch
from worlds_apart import IMAGES, POINTS, Patterns, played, session, tiny

from ganvas.games import find
from ganvas.losses import energies
from ganvas.networks import dcgan


@pytest.mark.usefixtures("float64")
def test_losses_by_hand():
    game = tiny("ebgan", margin=0.6, norm_d="none", norm_g="none")
    table = session(game)
    batch = table.draw(Patterns(IMAGES))
    with torch.no_grad():
        fake = game.G(table.split(batch, game.turns[0], 0)[0].noise(game.prior))
        x = batch["x"].double()
        on_real, on_fake = (((v - game.D(v)) ** 2).mean((1, 2, 3)) for v in (x, fake))
        loss, _ = game.discriminator(table.split(batch, game.turns[0], 0)[0])
        assert float(loss) == pytest.approx(float(on_real.mean() + (0.6 - on_fake).clamp_min(0).mean()))
        torch.testing.assert_close(game.judge(x), -on_real)
        micro = table.split(batch, game.turns[1], 0)[0]
        fake = game.G(table.split(batch, game.turns[1], 0)[0].noise(game.prior))
        expected = energies.squared(fake, game.D(fake)).mean() + 0.1 * energies.pulling_away(game.D.encoder(fake))
        assert float(game.generator(micro)[0]) == pytest.approx(float(expected))


def test_without_the_pulling_away_term_micro_batches_are_exact():
    assert "pull_away" in tiny("ebgan", POINTS).exemptions(tiny("ebgan", POINTS).config)["accumulation"]
    assert not tiny("ebgan", POINTS, pull_away=0.0).exemptions(tiny("ebgan", POINTS, pull_away=0.0).config)


def test_the_appendixs_autoencoder():
    """64c4s2, 128c4s2, 256c4s2 and back, at 64×64; fewer halvings where the image is smaller."""
    net = dcgan.Autoencoder((3, 64, 64), 64, 1024, 4, "batch", "leaky-relu", 0.2)
    assert net.encoder(torch.randn(2, 3, 64, 64)).shape == (2, 256, 8, 8)
    assert net(torch.randn(2, 3, 64, 64)).shape == (2, 3, 64, 64)
    small = dcgan.Autoencoder((1, 16, 16), 8, 1024, 4, "batch", "leaky-relu", 0.2)
    assert small.encoder(torch.randn(2, 1, 16, 16)).shape == (2, 16, 4, 4)


def test_it_finds_a_gaussian():
    """A cloud at (2, −1): the generator comes to it from the origin."""

    class Cloud(Patterns):
        def batch(self, cursor, start, stop):
            g = torch.Generator().manual_seed(cursor)
            return {"x": torch.randn(stop - start, 2, generator=g) * 0.2 + torch.tensor([2.0, -1.0])}

    from ganvas.engine import play

    game = tiny("ebgan", POINTS, width=64, batch=64)
    for _ in play(game, Cloud(POINTS), session(game, 400)):
        pass
    mean = game.sample(512).mean(0)
    assert float((mean - torch.tensor([2.0, -1.0])).norm()) < 0.5


def test_networks_of_the_tiny_preset_play():
    assert played("ebgan", 1).sample(3).shape == (3, 1, 16, 16)
    assert find("ebgan").Config().margin > 0
