"""CUT: its objective by hand, the maps and places that are compared, FastCUT, wrong settings."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from worlds_apart import DOMAINS, Patterns, difference, played, state, tiny

from ganvas import config, games
from ganvas.engine import only
from ganvas.errors import UserError
from ganvas.game import Batch, DataSpec
from ganvas.networks.patches import PatchHeads, at
from ganvas.networks.translator import Translator
from ganvas.rng import Chance

EVERYWHERE = {"patches": 1000}  # in patterns of 16 × 16: then nothing depends on the order in which places are drawn
FAST = config.preset(games.find("cut").Config(), games.find("cut"), "fast")
AS_FAST = {name: getattr(FAST, name) for name in ("nce_weight", "identity_weight", "flip")}


def batch_of(n: int = 4) -> Batch:
    return Batch(Patterns(DOMAINS).batch(0, 0, n), Chance(0, start=0, stop=n, total=n))


def points(game, x, mirrored=None):
    """F of all places of every map of images, written anew: [B, places, units] for each map."""
    net, maps = game.G, [x]
    h = F.relu(net.norms[0](net.begin(F.pad(x, (3, 3, 3, 3), mode="reflect"))))
    for down, norm in zip(net.downs, net.norms[1:3], strict=True):
        maps.append(down(h))
        h = F.relu(norm(maps[-1]))
    maps.append(net.blocks[0](h))  # of two blocks, the first half is the first
    maps = [m if mirrored is None else torch.where(mirrored[:, None, None, None], m.flip(3), m) for m in maps]
    heads = zip(game.F.heads, maps, strict=True)
    return [F.normalize(head(m.permute(0, 2, 3, 1).flatten(1, 2)), dim=2) for head, m in heads]


def contrast(game, made, source, mirrored=None):
    """ℓ with all places, image by image and map by map."""
    losses = []
    for q, k in zip(points(game, made, mirrored), points(game, source), strict=True):
        each = [F.cross_entropy(a @ b.T / 0.07, torch.arange(len(a))) for a, b in zip(q, k, strict=True)]
        losses.append(torch.stack(each).mean())
    return torch.stack(losses).mean()


@pytest.mark.usefixtures("float64")
def test_cut_minimises_the_papers_objective():
    game = tiny("cut", DOMAINS, **EVERYWHERE).eval()
    b = Batch({k: v.double() for k, v in batch_of().items()}, batch_of().chance)
    loss, aux = game.generator(b)
    fake = game.G(b["a"])
    fooling = (game.D(fake) - 1).square().mean()
    stay, same = contrast(game, fake, b["a"]), contrast(game, game.G(b["b"]), b["b"])
    torch.testing.assert_close(aux["nce"], stay)
    torch.testing.assert_close(aux["nce/identity"], same)
    torch.testing.assert_close(loss, fooling + (stay + same) / 2)
    loss, _ = game.discriminator(b | {"fake": fake.detach()})
    torch.testing.assert_close(loss, ((game.D(b["b"]) - 1).square().mean() + game.D(fake).square().mean()) / 2)


@pytest.mark.usefixtures("float64")
def test_fastcut_mirrors_what_goes_in_and_shows_no_image_of_b():
    game = tiny("cut", DOMAINS, **AS_FAST, **EVERYWHERE).eval()
    b = Batch({k: v.double() for k, v in batch_of(8).items()}, Chance(3, start=0, stop=8, total=8))
    loss, aux = game.generator(b)
    mirrored = Chance(3, start=0, stop=8, total=8).uniform(purpose="mirror") < 0.5
    assert 0 < int(mirrored.sum()) < 8
    made = game.G(torch.where(mirrored[:, None, None, None], b["a"].flip(3), b["a"]))
    torch.testing.assert_close(aux["fake"], made)
    torch.testing.assert_close(aux["nce"], contrast(game, made, b["a"], mirrored))
    torch.testing.assert_close(loss, (game.D(made) - 1).square().mean() + 10 * aux["nce"])
    assert "nce/identity" not in aux


@pytest.mark.usefixtures("float64")
def test_fastcut_in_micro_batches_equals_the_whole_batch():
    """The laws are proven of the defaults; these are the other branches, in the end of single images.

    λ_X is 1, as it would enlarge the rounding errors of biases before a normalisation, which Adam enlarges, too.
    """
    whole, parts = (state(played("cut", 2, DOMAINS, AS_FAST | {"nce_weight": 1.0}, accumulate=m)) for m in (1, 4))
    assert difference(whole, parts) < 1e-9


def test_a_gradient_reaches_the_movers_and_the_keys_pass_none():
    game = tiny("cut", DOMAINS, **EVERYWHERE)
    b = batch_of()
    loss, _ = game.generator(b)
    loss.backward()
    assert all(q.grad is not None for q in (*game.G.parameters(), *game.F.parameters()))
    with only([game.players["G"], game.players["F"]], game):
        game.D.zero_grad(set_to_none=True)
        game.generator(b)[0].backward()
    assert all(q.grad is None for q in game.D.parameters())


@torch.no_grad()
def test_translations_of_other_images_cost_more():
    """A generator that copies is held to its input, and not to another image, or to itself moved."""
    game = tiny("cut", DOMAINS, blocks=1)
    a = batch_of()["a"]
    keys = []
    game.G.encode(a, keys)
    b = batch_of()
    (own,) = game._resemblance(b, keys, keys, 1)
    (others,) = game._resemblance(b, [k.roll(1, 0) for k in keys], keys, 1)
    (moved,) = game._resemblance(b, [k.roll(1, 3) for k in keys], keys, 1)
    assert float(own) < float(others)
    assert float(own) < float(moved)


def test_places_are_of_each_image_its_own_and_each_once():
    game = tiny("cut", DOMAINS)
    seen = []
    game.F.register_forward_pre_hook(lambda _, given: seen.append(given[1]))
    game.generator(batch_of())
    keys, queries = seen
    assert [w.shape for w in keys] == [(8, 8)] * 4, "two batches of four images, eight places"
    assert all(torch.equal(a, b) for a, b in zip(keys, queries, strict=True)), "the same of both"
    for where, positions in zip(keys, (256, 64, 16, 16), strict=True):
        assert all(len(set(row.tolist())) == 8 and max(row) < positions for row in where)
        assert not torch.equal(where[0], where[1])


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_the_memory_format_changes_no_gradient(norm):
    """Of a single image, where PyTorch's normalisations are easily led astray (see `each_image_normalised`)."""
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        game = tiny("cut", DOMAINS, identity_weight=0.0, norm_g=norm, norm_d=norm)
        game.to(memory_format=layout)
        b = Batch({k: v.double() for k, v in batch_of(1).items()}, Chance(0, start=0, stop=1, total=1))
        game.generator(b)[0].backward()
        found.append({k: q.grad for k, q in game.named_parameters()})
    assert difference(*found) < 1e-9


def test_what_a_map_has_at_a_place():
    x = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5)
    assert torch.equal(at(x, torch.tensor([[0, 7], [19, 6]]))[0, 1], x[0, :, 1, 2])
    assert torch.equal(at(x, torch.tensor([[0, 7], [19, 6]]))[1, 0], x[1, :, 3, 4])


def test_the_published_counts():
    """The authors' code prints 0.560 M for F; its maps have 3, 128, 256, 256 and 256 channels."""
    with torch.device("meta"):
        net = Translator(3, 3)
        assert net.encoded == [3, 128, 256, 256, 256]
        assert sum(q.numel() for q in PatchHeads(net.encoded).parameters()) == 560_384
    assert (net.first_half, net.compared) == (5, (1, 5))
    assert [Translator(3, 3, 2, n).compared for n in (1, 2, 6)] == [(1,), (1,), (1, 3)]


def test_how_far_the_maps_see():
    """One value of a map depends on a square of the image of this side, where nothing is normalised."""
    net = Translator(1, 1, 1, 9, "none")
    for q in net.parameters():
        q.data.abs_()
    x = torch.rand(1, 1, 160, 160, requires_grad=True)
    kept = []
    net.encode(x, kept)
    for m, side in zip(kept, (1, 9, 13, 29, 93), strict=True):
        (g,) = torch.autograd.grad(m[0, 0, m.shape[2] // 2, m.shape[3] // 2], x, retain_graph=True)
        touched = g[0, 0].nonzero()
        assert (touched.amax(0) - touched.amin(0) + 1).tolist() == [side, side]


@pytest.mark.parametrize(
    ("spec", "changes", "words"),
    [
        (DataSpec((3, 64, 64)), {}, "give a folder with trainA and trainB"),
        (DataSpec((3, 16, 16), task="domains", given=(1, 16, 16)), {}, "give --channels 3"),
        (DOMAINS, {"network": "unet"}, "not one of resnet"),
    ],
)
def test_wrong_settings(spec, changes, words):
    with pytest.raises(UserError, match=words):
        tiny("cut", spec, **changes)
