"""The contact sheet shows what training sees: in its order, varied as there, and named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from handmade import stacked
from PIL import Image, ImageFont

from ganvas.data import Dataset, Stream, load
from ganvas.errors import UserError
from ganvas.report.grid import PAD, cut, to_uint8
from ganvas.report.sheet import _CAPTION, save_sheet


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def tile(sheet: np.ndarray, k: int, columns: int, height: int, width: int, caption: int = 0) -> np.ndarray:
    """The picture of tile k of a sheet, without what is written under it."""
    top, left = k // columns * (height + caption + PAD), k % columns * (width + PAD)
    return sheet[top : top + height, left : left + width]


def of_64(n: int, channels: int = 3, **more) -> Dataset:
    """Pictures of 64 pixels, which are shown as they are."""
    return Dataset("d", stacked(range(n), 64, 64, channels), **{"labels": None, "label_names": (), "fingerprint": "0",
                   "problems": ()} | more)  # fmt: skip


def test_pictures_come_in_the_order_of_training_varied_as_there(tmp_path: Path) -> None:
    for augment in ("", "mirror,color"):
        data = of_64(20, augment=augment)
        sheet = read(save_sheet(tmp_path / "s.png", data, n=6, seed=3))
        seen = to_uint8(Stream(data, 3).batch(0, 0, 6)["x"])
        columns = (sheet.shape[1] + PAD) // (64 + PAD)
        assert columns == 3
        assert all(np.array_equal(tile(sheet, k, columns, 64, 64), seen[k]) for k in range(6)), augment


def test_labels_stand_under_their_pictures(tmp_path: Path) -> None:
    plain = of_64(9, 1)
    bare = read(save_sheet(tmp_path / "bare.png", plain))
    labels, names = np.arange(9) % 3, ("a", "a name that is far too long for its place", "猫 [/b]\n")
    named = read(save_sheet(tmp_path / "named.png", of_64(9, 1, labels=labels, label_names=names)))
    columns = 4
    assert bare.shape == (3 * 64 + 2 * PAD, columns * 64 + 3 * PAD, 3)
    assert named.shape == (3 * (64 + _CAPTION) + 2 * PAD, columns * 64 + 3 * PAD, 3)
    order = Stream(of_64(9, labels=labels, label_names=names), 0).batch(0, 0, 9)["y"].tolist()
    captions = {}
    for k in range(9):
        assert np.array_equal(tile(named, k, columns, 64, 64, _CAPTION), tile(bare, k, columns, 64, 64))
        under = tile(np.roll(named, -64, axis=0), k, columns, _CAPTION, 64, 64)
        assert under.min() < 100 < under[:, -2:].min(), "dark on light, and within its place"
        captions.setdefault(order[k], set()).add(under.tobytes())
    assert {label: len(c) for label, c in captions.items()} == {0: 1, 1: 1, 2: 1}, "one caption for each class"
    assert len(set.union(*captions.values())) == 3


def test_small_pictures_are_enlarged_with_their_names(tmp_path: Path) -> None:
    sheet = read(save_sheet(tmp_path / "s.png", load("digits", limit=4), n=100))
    assert sheet.shape == (2 * (64 + _CAPTION) + PAD, 2 * 64 + PAD, 3), "as many as there are"
    first = tile(sheet, 0, 2, 64, 64)
    assert np.array_equal(first, first[::8, ::8].repeat(8, 0).repeat(8, 1))


def test_pairs_stand_side_by_side(tmp_path: Path) -> None:
    inputs = stacked(range(50, 56), 64, 64, 1)
    data = of_64(6, task="pairs", inputs=inputs, augment="mirror")
    sheet = read(save_sheet(tmp_path / "s.png", data))
    batch = Stream(data, 0).batch(0, 0, 6)
    columns = (sheet.shape[1] + PAD) // (128 + PAD)
    for k in range(6):
        both = tile(sheet, k, columns, 64, 128)
        assert np.array_equal(both[:, :64], to_uint8(batch["a"])[k].repeat(3, -1)), "grey beside RGB"
        assert np.array_equal(both[:, 64:], to_uint8(batch["b"])[k])
    made = read(save_sheet(tmp_path / "made.png", of_64(6, task="pairs", recipe="edges")))
    assert made.shape == sheet.shape


def test_domains_stand_above_each_other(tmp_path: Path) -> None:
    data = of_64(8, task="domains", inputs=stacked(range(50, 53), 64, 64))
    sheet = read(save_sheet(tmp_path / "s.png", data, n=8))
    batch = Stream(data, 0).batch(0, 0, 8)
    columns = (sheet.shape[1] + PAD) // (64 + PAD)
    for k in range(16):
        expected = to_uint8(batch["ab"[k // 8]])[k % 8]
        assert np.array_equal(tile(sheet, k, columns, 64, 64, _CAPTION), expected)


def test_a_world_is_drawn_as_points(tmp_path: Path) -> None:
    sheet = read(save_sheet(tmp_path / "new" / "ring.png", load("ring")))
    assert sheet.shape == (600, 600, 3)
    assert ((sheet == (0, 0x72, 0xB2)).all(axis=-1)).sum() > 300, "blue points"


@pytest.mark.parametrize("data", ["digits", "ring"])
@pytest.mark.parametrize(("out", "says"), [("x.zip", "no picture format is called '.zip'"), ("x", "name the file .png"),
                                           ("file/x.png", "file/x.png cannot be written")])  # fmt: skip
def test_what_cannot_be_written_is_told(tmp_path: Path, data: str, out: str, says: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=says):
        save_sheet(tmp_path / out, load(data))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_long_name_is_cut_to_its_width() -> None:
    font = ImageFont.load_default(size=11)
    for name in ("", "cat", "w" * 200, "日本語" * 30):
        short = cut(name, font, 60)
        assert font.getlength(short) <= 60
        assert short == name or (short.endswith("…") and name.startswith(short[:-1]))
    assert cut("cat", font, 60) == "cat"
    assert len(cut("w" * 200, font, 60)) > 4
