from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas.errors import UserError
from ganvas.report.grid import grid, save_grid, to_uint8


def test_every_level_comes_back():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    x = torch.from_numpy(levels).permute(0, 3, 1, 2).float() / 127.5 - 1
    assert np.array_equal(to_uint8(x), levels)


def test_levels_are_rounded_clamped_and_channels_last():
    x = torch.tensor([-7.0, -1.0, 0.6 / 127.5 - 1, 1.0, 7.0, float("nan")]).view(1, 6, 1, 1).requires_grad_()
    assert to_uint8(x).shape == (1, 1, 1, 6)
    assert to_uint8(x).ravel().tolist() == [0, 0, 1, 255, 255, 0]


def test_bf16_images_are_accepted():
    assert to_uint8(torch.ones(1, 3, 2, 2, dtype=torch.bfloat16)).dtype == np.uint8


def test_images_lie_row_by_row_with_a_line_between():
    images = np.arange(1, 6, dtype=np.uint8)[:, None, None, None] * np.full((5, 2, 3, 1), 40, dtype=np.uint8)
    picture = np.asarray(grid(images, columns=3, pad=1, scale=2))
    assert picture.shape == (2 * 5 - 1, 3 * 7 - 1)
    assert [int(picture[r, c]) for r in (0, 5) for c in (0, 7, 14)] == [40, 80, 120, 160, 200, picture[4, 0]]
    assert (picture[:4, :6] == 40).all()
    assert (picture[4] == picture[4, 0]).all()


def test_colour_stays_colour():
    picture = grid(np.array([[[[10, 20, 30]]]], dtype=np.uint8), scale=1)
    assert (picture.mode, picture.getpixel((0, 0))) == ("RGB", (10, 20, 30))


@pytest.mark.parametrize(("side", "shown"), [(8, 64), (16, 64), (28, 56), (64, 64), (128, 128)])
def test_small_images_are_enlarged_by_a_whole_number(side: int, shown: int):
    assert grid(np.zeros((1, side, side, 1), np.uint8)).size == (shown, shown)


def test_the_default_grid_is_square():
    assert grid(np.zeros((64, 64, 64, 1), np.uint8), pad=0).size == (512, 512)


@pytest.mark.parametrize("shape", [(0, 4, 4, 1), (2, 4, 4, 2)])
def test_what_is_no_grid_is_refused(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match="at least one"):
        grid(np.zeros(shape, np.uint8))


def test_a_grid_is_written_whole_and_alone(tmp_path: Path):
    path = save_grid(tmp_path / "new" / "grid.png", np.zeros((4, 8, 8, 3), np.uint8))
    with Image.open(path) as picture:
        assert picture.size == (2 * 64 + 2, 2 * 64 + 2)
    assert [p.name for p in path.parent.iterdir()] == ["grid.png"]


def test_an_unknown_suffix_is_told(tmp_path: Path):
    with pytest.raises(UserError, match=r"grid\.xyz.*\.png"):
        save_grid(tmp_path / "grid.xyz", np.zeros((1, 8, 8, 1), np.uint8))


def test_an_unwritable_path_is_told_and_leaves_nothing(tmp_path: Path):
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(UserError, match="cannot be written"):
        save_grid(tmp_path / "taken" / "grid.png", np.zeros((1, 8, 8, 1), np.uint8))
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UserError, match=r"folder\.png cannot be written"):
        save_grid(tmp_path / "folder.png", np.zeros((1, 8, 8, 1), np.uint8))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.png", "taken"]
