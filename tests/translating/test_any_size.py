"""The networks of the games take pictures of any size, each by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from translating.copies import noise

import ganvas
from ganvas.errors import UserError
from ganvas.game import DataSpec
from ganvas.games.cyclegan import CycleGAN
from ganvas.games.pix2pix import Pix2Pix
from ganvas.networks.layers import each_image_normalised
from ganvas.report.grid import to_uint8

NETWORKS = {
    "unet": (Pix2Pix, {"test_statistics": "image"}),
    "unet, running": (Pix2Pix, {"test_statistics": "running"}),
    "unet, instance": (Pix2Pix, {"norm_g": "instance"}),
    "resnet": (CycleGAN, {"blocks": 1}),
}
SIZES = [(8, 8), (8, 9), (11, 8), (8, 100), (16, 16), (33, 17), (128, 128), (130, 67)]


def game(name: str, side: int = 256):
    cls, settings = NETWORKS[name]
    torch.manual_seed(0)
    spec = DataSpec((3, side, side), 0, cls.task, (3, side, side))
    return cls(cls.Config(width=2, width_d=2, **settings), spec).eval().requires_grad_(False)


@pytest.mark.parametrize("name", NETWORKS)
def test_pictures_smaller_than_those_of_the_training(name):
    """Deep inside a U-Net of 256 pixels, one of 128 is a single pixel, which has no variance."""
    g = game(name)
    for size in SIZES:
        x = torch.rand(2, 3, *size) * 2 - 1
        y = g.translate(x)
        assert y.shape == x.shape and y.isfinite().all()
        assert torch.allclose(y[1:], g.translate(x[1:]), atol=1e-5), "each by itself"


def test_a_picture_too_small_is_told():
    with pytest.raises(UserError, match=r"7×8 pixels .* too small to be translated; give 8 pixels a side"):
        game("resnet").translate(torch.zeros(1, 3, 7, 8))


def test_a_channel_of_one_pixel_is_its_own_mean():
    x, bias = torch.randn(2, 3, 1, 1), torch.randn(3)
    assert torch.equal(each_image_normalised(x), torch.zeros(2, 3, 1, 1))
    assert torch.equal(each_image_normalised(x, torch.ones(3), bias), bias.view(1, 3, 1, 1).expand(2, 3, 1, 1))
    near = each_image_normalised(x.expand(2, 3, 1, 2), torch.ones(3), bias)  # as of two pixels that are alike
    assert torch.allclose(near, bias.view(1, 3, 1, 1).expand(2, 3, 1, 2))


@pytest.mark.parametrize("name", ["unet", "resnet"])
def test_files_are_translated_as_the_game_translates_images(name, tmp_path):
    g = game(name, 64)
    pixels = noise(50, 70)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    for out, how in (("b.png", {}), ("c.png", {"dropout": False, "seed": 3}), ("d.png", {"statistics": "running"})):
        ganvas.translate(g, tmp_path / "a.png", tmp_path / out, **how)
        x = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1
        assert np.array_equal(np.asarray(Image.open(tmp_path / out)), to_uint8(g.translate(x, **how))[0])


def test_bf16_is_near(tmp_path):
    g = game("unet", 64)
    Image.fromarray(noise(64, 64)).save(tmp_path / "a.png")
    whole, half = (
        np.asarray(Image.open(ganvas.translate(g, tmp_path / "a.png", tmp_path / f"{p}.png", precision=p)["out"]))
        for p in ("fp32", "bf16")
    )
    assert 0 < np.abs(whole.astype(int) - half).mean() < 4
