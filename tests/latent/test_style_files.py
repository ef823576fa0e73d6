"""Files of styles: what is written comes back, and what does not fit or is none is told."""

from __future__ import annotations

import re

import pytest
import torch
from safetensors.torch import save_file
from worlds_apart import tiny

from ganvas.errors import UserError
from ganvas.latent.style_files import demand_fit, load_styles, save_styles

ABOUT = {"game": "stylegan2", "run": "00001-stylegan2-faces", "checkpoint": "000200", "from": "seed 3"}


@pytest.mark.parametrize("shape,space", [((3, 8), "w"), ((3, 6, 8), "w+")])
def test_styles_come_back_to_the_bit(tmp_path, shape, space):
    w = torch.randn(shape)
    file = save_styles(tmp_path / "deep" / "w.safetensors", w, **ABOUT)
    found = load_styles(file)
    assert torch.equal(found.w, w)
    assert (found.about, found.space) == (ABOUT, space)
    assert torch.equal(demand_fit(found, tiny("stylegan2"), file), w)


@pytest.mark.parametrize(
    "shape,words",
    [
        ((3, 5), r"styles of 5 dimensions, and those of this run have 8; it was made for stylegan2 in 00001-"),
        ((3, 18, 8), "styles for 18 layers, and the generator of this run has 6"),
    ],
)
def test_styles_of_another_generator(tmp_path, shape, words):
    file = save_styles(tmp_path / "w.safetensors", torch.randn(shape), **ABOUT)
    with pytest.raises(UserError, match=words):
        demand_fit(load_styles(file), tiny("stylegan2"), file)


def test_files_that_hold_no_styles(tmp_path):
    file = tmp_path / "w.safetensors"
    for tensors, metadata, words in (
        ({"weights": torch.ones(2, 8)}, None, "there is no tensor w"),
        ({"w": torch.ones(8)}, None, r"its w is torch.float32 [8]"),
        ({"w": torch.ones(0, 8)}, None, r"[0, 8]"),
        ({"w": torch.ones(2, 8).int()}, None, "torch.int32"),
        ({"w": torch.full((2, 8), torch.nan)}, None, "finite"),
        ({"w": torch.ones(2, 8)}, {"format": "2"}, "newer ganvas"),
    ):
        save_file(tensors, file, metadata)
        with pytest.raises(UserError, match=re.escape(words)):
            load_styles(file)
    save_file({"w": torch.ones(2, 8).half()}, file)
    assert load_styles(file).w.dtype == torch.float32, "others may write such files, too"
    file.write_bytes(b"\x80\x04 a pickle")
    with pytest.raises(UserError, match="cannot be read"):
        load_styles(file)
    for missing in (tmp_path, tmp_path / "nosuch.safetensors"):
        with pytest.raises(UserError, match="is no file of styles"):
            load_styles(missing)
    with pytest.raises(UserError, match="give such a name"):
        save_styles(tmp_path / "w.pt", torch.ones(2, 8))
