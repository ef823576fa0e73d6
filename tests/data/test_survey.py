"""What is known of pictures before they are packed: sizes as people see them, modes, and what cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from handmade import Handmade, noise, picture, save
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ganvas.data import survey as module
from ganvas.data.pictures import Framing, frame
from ganvas.data.sources import find
from ganvas.data.sources.base import Source
from ganvas.data.survey import survey
from ganvas.errors import UserError


def opened(folder: Path) -> Source:
    source = find(str(folder))
    assert isinstance(source, Source)
    return source


@settings(deadline=None)
@given(sides=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=9))
def test_the_side_is_the_median_short_one(sides: list[tuple[int, int]]) -> None:
    seen = survey(Handmade(len(sides), tuple(sides), name=f"sizes {sides}"))
    assert seen.sizes.tolist() == [list(s) for s in sides]
    short = sorted(map(min, sides))
    assert seen.side == short[(len(short) - 1) // 2]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_sizes_are_those_of_the_upright_picture(tmp_path: Path, suffix: str) -> None:
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture(noise(0, 10, 16)).save(tmp_path / f"{orientation}.{suffix}", exif=exif)
    expected = [[10, 16]] * 4 + [[16, 10]] * 4
    source = opened(tmp_path)
    assert survey(source).sizes.tolist() == survey(source, thoroughly=True).sizes.tolist() == expected
    tall = frame(source.read(7), Framing(16, 10, 3, "stretch"))  # as it will be packed
    assert tall.shape == (16, 10, 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "P", "RGB", "RGBA", "CMYK"])
def test_grey_is_a_matter_of_the_mode(tmp_path: Path, mode: str) -> None:
    save(tmp_path, range(3), channels=1)
    suffix = "tif" if mode == "CMYK" else "png"
    blank = Image.new("I;16", (8, 8)) if mode == "I;16" else Image.new("L", (8, 8), 99).convert(mode)
    blank.save(tmp_path / f"x.{suffix}")
    assert survey(opened(tmp_path)).grey == (mode in ("1", "L", "LA", "I;16"))


def test_headers_are_enough_unless_all_is_asked_for(tmp_path: Path) -> None:
    save(tmp_path, range(40))
    for name, length in (("007", 60), ("038", 20)):
        file = tmp_path / f"{name}.png"
        file.write_bytes(file.read_bytes()[:length])
    source = opened(tmp_path)
    assert survey(source).skipped.keys() == {38}, "its header is cut"
    thorough = survey(source, thoroughly=True)
    assert thorough.skipped.keys() == {7, 38}
    assert len(thorough.sizes) == 38
    assert all(thorough.skipped.values())


def test_what_was_seen_is_remembered(cache: Path) -> None:
    source = Handmade(70, ((8, 9), (7, 5)), broken=[3])
    first = survey(source)
    assert sorted(source.read_so_far) == list(range(70))
    again = survey(source)
    assert len(source.read_so_far) == 70, "read again"
    assert np.array_equal(again.sizes, first.sizes)
    assert (again.grey, again.skipped) == (first.grey, first.skipped) == (False, {3: "it is broken"})
    survey(source, thoroughly=True)
    assert len(source.read_so_far) == 140, "a look at headers is no thorough one"
    assert len([*(cache / "data").glob("*.json")]) == 2

    for memory in (cache / "data").glob("*.json"):
        whole = memory.read_text()
        for damage in (whole[:-9], "", "[]", "null", '{"sizes": 3, "grey": 1, "skipped": []}'):
            memory.write_text(damage)
            assert np.array_equal(survey(source).sizes, first.sizes), damage


def test_of_a_streamed_set_a_sample_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SAMPLE", 64)
    source = Handmade(1000, ((8, 9),), streams=True)
    assert survey(source).side == 8
    looked_at = sorted(source.read_so_far)
    assert len(looked_at) == 64
    assert looked_at[0] < 100 < 900 < looked_at[-1], "spread over the set"
    assert len(survey(source, thoroughly=True).sizes) == 1000
    small = Handmade(60, streams=True, name="small")
    assert len(survey(small).sizes) == 60


def test_of_a_set_that_comes_in_order_the_beginning_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SAMPLE", 64)
    source = Handmade(1000, ((8, 9),), broken=[5], sequential=True)
    assert survey(source).skipped == {5: "it is broken"}
    assert max(source.read_so_far) < 128


@pytest.mark.parametrize("thoroughly", [False, True])
def test_without_a_picture_the_first_fault_is_told(tmp_path: Path, thoroughly: bool) -> None:
    for i in range(40):
        (tmp_path / f"{i:02}.png").write_text("no picture")
    with pytest.raises(UserError, match=rf"none of its 40 files .* the first, {tmp_path}/00\.png: it is no PNG"):
        survey(opened(tmp_path), thoroughly)
    with pytest.raises(UserError, match=r"handmade holds no pictures; give another part"):
        survey(Handmade(0), thoroughly)


def test_pictures_of_one_known_kind_are_not_looked_at() -> None:
    source = Handmade(3, ((8, 9),), name="known")
    source.uniform = (8, 9, True)
    source.read = lambda i: pytest.fail("looked at")  # type: ignore[method-assign, assignment]
    for thoroughly in (False, True):
        seen = survey(source, thoroughly)
        assert (seen.sizes.tolist(), seen.grey, seen.skipped) == ([[8, 9]] * 3, True, {})
