"""What a person stumbled over on the first day with pictures of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from handmade import save
from PIL import Image

import ganvas
from ganvas.data import load
from ganvas.data.info import info
from ganvas.errors import UserError


def test_pictures_that_no_decoder_reads_are_named(tmp_path: Path) -> None:
    save(tmp_path, range(2))
    for name in ("IMG_1.HEIC", "drawing.svg", "notes.txt"):
        (tmp_path / name).write_text("x")
    assert [(Path(p["file"]).name, p["why"]) for p in info(tmp_path)["problems"]] == [
        ("IMG_1.HEIC", "HEIC is not read here; save it as PNG, JPEG or WebP"),
        ("drawing.svg", "SVG is not read here; save it as PNG, JPEG or WebP"),
    ]
    with pytest.raises(UserError, match="HEIC is not read here"):
        load(tmp_path, strict=True)


@pytest.mark.parametrize("folders", [("training", "testing"), ("Train", "Test"), ("train", "val")])
def test_parts_by_other_names(tmp_path: Path, folders: tuple[str, str]) -> None:
    for k, folder in enumerate(folders):
        for c in ("cats", "dogs"):
            save(tmp_path / "set" / folder / c, range(k, 2))
    name = tmp_path / "set"
    assert (len(load(name)), load(name).label_names) == (4, ("cats", "dogs"))
    other = load(f"{name}:{folders[1].lower()}")
    assert (len(other), other.name) == (2, f"set-{folders[1].lower()}")
    with pytest.raises(UserError, match="has no part 'foo'; its parts are"):
        load(f"{name}:foo")


def test_info_names_what_training_would_skip(tmp_path: Path) -> None:
    save(tmp_path, range(2))
    Image.fromarray(np.ones((8, 8), np.float32)).save(tmp_path / "f.tif")
    named = info(tmp_path)
    assert (named["count"], [Path(p["file"]).name for p in named["problems"]]) == (2, ["f.tif"])
    assert [p.file for p in load(tmp_path, size=8, channels=1).problems] == [p["file"] for p in named["problems"]]


def test_attributes_that_a_join_drops_are_told(tmp_path: Path) -> None:
    for name, column in (("one", "age"), ("two", "age"), ("three", "smile")):
        save(tmp_path / name, range(2))
        (tmp_path / name / "attributes.csv").write_text(f"file;{column}\n000.png;3\n001.png;4\n")
    same, other = (load([tmp_path / "one", tmp_path / name], size=8) for name in ("two", "three"))
    assert same.attributes is not None and same.attributes.values.tolist() == [[3], [4], [3], [4]]
    assert (same.problems, other.attributes) == ((), None)
    assert "the attributes age, smile, so they are dropped" in other.problems[0].why


def test_from_python(tmp_path: Path) -> None:
    save(tmp_path, range(3))
    d = ganvas.data.load(tmp_path, size=(6, 9))
    assert d.samples.shape == (3, 6, 9, 3)
    assert repr(d) == f"Dataset('{tmp_path.name}': 3 of 6 x 9 x 3, images, 0 classes)"
    for settings in ({"size": [8]}, {"size": (8, 8, 3)}):
        with pytest.raises(UserError, match="is no size"):
            load(tmp_path, **settings)
    with pytest.raises(UserError, match=r"data has no setting 'sizee'.* Did you mean size\?"):
        load(tmp_path, sizee=8)
    with pytest.raises(UserError, match="named by texts and paths, not by ndarray"):
        load(np.zeros((3, 8, 8)))  # type: ignore[arg-type]
