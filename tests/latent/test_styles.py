"""Styles of single layers: which are coarse, how they are mixed, and how they are drawn to their mean."""

from __future__ import annotations

import pytest
import torch
from worlds_apart import COLOURED, IMAGES, played, tiny

from ganvas.errors import UserError
from ganvas.game import DataSpec, Styles
from ganvas.latent import styles

PAPER = tuple(4 << i // 2 for i in range(18))  # StyleGAN at 1024², Figure 3
SECOND = (4, *(s for s in (8, 16, 32, 64, 128, 256, 512, 1024) for _ in range(2)), 1024)


@pytest.mark.parametrize("name", ["stylegan", "stylegan2"])
@pytest.mark.parametrize("side", [8, 16, 32])
def test_every_layer_acts_on_feature_maps_of_its_side(name, side):
    game = tiny(name, DataSpec((1, side, side)))
    assert isinstance(game, Styles)
    for p in game.players.values():
        if hasattr(p.net, "grow"):
            p.net.grow((side // 4).bit_length() - 1, 1.0)
    seen: list[int] = []
    made = [end for b in game.G.blocks for end in b.ends] if name == "stylegan" else [*game.G.convs]
    for layer in made:
        layer.register_forward_hook(lambda m, a, out: seen.append(out.shape[-1]))
    game.sample(2)
    assert game.layer_sides == (*seen, *[side] * (game.layers - len(seen)))
    assert len(game.layer_sides) == game.layers == len(seen) + (name == "stylegan2")


def test_groups_are_those_of_the_paper():
    assert styles.groups(PAPER) == {"coarse": range(4), "middle": range(4, 8), "fine": range(8, 18)}
    assert styles.groups(SECOND) == {"coarse": range(3), "middle": range(3, 7), "fine": range(7, 18)}


@pytest.mark.parametrize("side", [8, 16, 32, 64, 128])
@pytest.mark.parametrize("name", ["stylegan", "stylegan2"])
def test_smaller_images_have_all_three_groups(name, side):
    sides = tiny(name, DataSpec((1, side, side))).layer_sides
    found = styles.groups(sides)
    assert [i for part in found.values() for i in part] == list(range(len(sides))), "each layer is in one"
    assert all(len(part) for part in found.values())
    assert sides[0] == 4 and max(sides[i] for i in found["coarse"]) == (8 if side >= 64 else 4)


def test_layers_are_asked_for_by_group_or_number():
    groups = styles.groups(PAPER)
    assert styles.chosen("all", PAPER) == groups
    assert styles.chosen("middle", PAPER) == {"middle": range(4, 8)}
    assert styles.chosen("2-5", PAPER) == {"layers 2-5": range(2, 6)}
    assert styles.chosen("17", PAPER) == {"layer 17": range(17, 18)}
    for text in ("18", "5-2", "3-18", "4-"):
        with pytest.raises(UserError, match=rf"--styles {text}"):
            styles.chosen(text, PAPER)
    with pytest.raises(UserError, match="Did you mean coarse"):
        styles.chosen("corse", PAPER)
    with pytest.raises(UserError, match="share one style"):
        styles.groups((4,))


def test_a_mix_has_the_columns_styles_in_the_chosen_layers_alone():
    rows, columns = torch.randn(2, 5), torch.randn(3, 6, 5)
    found = styles.mixed(rows, columns, range(1, 4), 6)
    assert found.shape == (2, 3, 6, 5)
    for i in range(2):
        for j in range(3):
            for k in range(6):
                assert torch.equal(found[i, j, k], columns[j, k] if 1 <= k < 4 else rows[i])
    assert torch.equal(styles.mixed(columns, rows, range(6), 6)[1, 0], rows[0].expand(6, -1))


@pytest.mark.parametrize("name", ["stylegan", "stylegan2"])
def test_truncation_of_the_first_layers_alone(name):
    game = played(name, 2)
    z = game.prior.seeded(3, 0)
    w, mean = game.w(z), styles.mean_style(game)
    assert torch.equal(mean, game.G.mapping.w_mean)
    assert float(mean.abs().max()) > 0
    assert torch.equal(styles.truncated(game, w, 0.7), game.w(z, truncation=0.7))
    assert torch.equal(styles.truncated(game, w, 0.7, game.layers), game.w(z, truncation=0.7))
    assert styles.truncated(game, w, 1.0, 2) is w
    part = styles.truncated(game, w, 0.25, 2)
    assert part.shape == (3, game.layers, 8)
    torch.testing.assert_close(part[:, :2], (mean + 0.25 * (w - mean))[:, None].expand(-1, 2, -1))
    assert torch.equal(part[:, 2:], w[:, None].expand(-1, game.layers - 2, -1))
    assert torch.equal(styles.truncated(game, part, 0.0)[0, -1], mean)
    for psi, first, words in ((1.5, None, "truncation = 1.5"), (0.5, 0, "no first 0 layers"), (0.5, 7, "has 6 styles")):
        with pytest.raises(UserError, match=words):
            styles.truncated(game, w, psi, first)


def test_the_mean_of_a_conditional_game_needs_no_label():
    game = played("stylegan2", 2, COLOURED, {"condition": "labels"})
    assert torch.equal(styles.mean_style(game), game.G.mapping.w_mean)


def test_layers_without_adain_have_one_style():
    game = tiny("stylegan", IMAGES, styles=False, constant=False, mixing=0.0)
    assert (game.layers, game.layer_sides) == (1, (4,))
