"""Translations are called as their pictures, and no two alike."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganvas.translating.names import stem, told_apart


@pytest.mark.parametrize(
    ("names", "called"),
    [
        (["a.jpg", "b/a.png", "b/c.TIFF"], ["a.png", "b/a.png", "b/c.png"]),
        (["1.jpg", "1.png", "2.jpg"], ["1.jpg.png", "1.png.png", "2.png"]),
        (["1.jpg", "1.jpg.png", "1.png"], ["1.jpg-2.png", "1.jpg.png", "1.png.png"]),
        (["A.png", "a.png"], ["A.png.png", "a.png-2.png"]),  # one file, where capitals do not count
        (["x.jpg", "x.png/y.jpg"], ["x.jpg.png", "x.png/y.png"]),  # a file cannot be where a folder is
        (["v1.2", ".jpg", "d/.png", "no"], ["v1.2.png", ".jpg.png", "d/.png.png", "no.png"]),
    ],
)
def test_known_names(names, called):
    assert told_apart(names, ".png") == called


part = st.sampled_from(["a", "A", "b", "a.png", "b.jpg", "a.jpg", "a.jpg.png", "a.png-2"])


@given(st.lists(st.lists(part, min_size=1, max_size=3).map("/".join), unique=True, max_size=12))
def test_all_can_be_written_beside_each_other(names):
    called = told_apart(names, ".png")
    lower = [name.casefold() for name in called]
    assert len(set(lower)) == len(names) == len(called)
    assert all(name.endswith(".png") for name in called)
    folders = {str(parent).casefold() for name in called for parent in PurePosixPath(name).parents}
    assert not folders & set(lower)
    assert [PurePosixPath(name).parent for name in names] == [PurePosixPath(name).parent for name in called]


def test_a_stem_loses_a_pictures_suffix_alone():
    assert [stem(n) for n in ("a/1.JPG", "a.b.png", "v1.2", "notes.txt")] == ["a/1", "a.b", "v1.2", "notes.txt"]
