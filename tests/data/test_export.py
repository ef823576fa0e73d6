"""A set that was packed for others: in StyleGAN's layout, with nothing lost, and whole or not there at all."""

from __future__ import annotations

import errno
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handmade import Handmade, noise, save, stacked
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ganvas.data import Dataset, load
from ganvas.data import export as module
from ganvas.data.arrays import OnTheFly
from ganvas.data.export import export
from ganvas.data.pictures import Framing
from ganvas.data.sources.base import Attributes
from ganvas.errors import UserError


def contents(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as z:
        assert z.testzip() is None
        return {name: z.read(name) for name in z.namelist()}


def assert_the_same(ours: Dataset, again: Dataset) -> None:
    assert np.array_equal(again.samples[:], ours.samples[:])
    assert (again.task, again.label_names, again.problems) == (ours.task, ours.label_names, ())
    assert (ours.labels is None) == (again.labels is None)
    assert ours.labels is None or np.array_equal(again.labels, ours.labels)  # type: ignore[arg-type]
    if ours.attributes is None:
        assert again.attributes is None
    else:
        assert again.attributes is not None
        assert (again.attributes.names, again.attributes.words) == (ours.attributes.names, ours.attributes.words)
        assert np.array_equal(again.attributes.values, ours.attributes.values, equal_nan=True)


finite = st.floats(-(2.0**99), 2.0**99, width=32)
words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=6).filter(
    lambda w: not re.fullmatch(r"(?i)nan|none|null|n/?a|true|false|[-+.\d_e]+|inf(inity)?", w)
)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 12),
    channels=st.sampled_from([1, 3]),
    classes=st.lists(words, max_size=4),
    numbers=st.none() | st.lists(st.just(float("nan")) | finite, min_size=12, max_size=12),
    looks=st.lists(words, min_size=1, max_size=3, unique=True),
)
def test_what_is_written_reads_the_same(
    n: int, channels: int, classes: list[str], numbers: list[float] | None, looks: list[str], tmp_path_factory: Any
) -> None:
    labels = np.arange(n) % len(classes) if classes else None
    attributes = None
    if numbers is not None and not np.isnan(numbers[:n]).all():
        looks = sorted(looks[:n])
        values = np.array([numbers[:n], np.arange(n) % len(looks)], np.float32).T
        attributes = Attributes(("number", "the look, of it"), values, {"the look, of it": tuple(looks)})
    d = Dataset("d", stacked(range(n), 5, 7, channels), labels, tuple(classes), "0", (), attributes=attributes)
    out = tmp_path_factory.mktemp("x") / "d.zip"
    export(d, out)
    assert_the_same(d, load(out, size="5x7"))


def test_more_than_a_block_and_more_than_a_folder(tmp_path: Path) -> None:
    """1,030 pictures: every one is there, beside its own label."""
    d = Dataset("d", stacked(range(1030), 4, 4), np.arange(1030) % 7, tuple("abcdefg"), "0", ())
    export(d, tmp_path / "d.zip")
    assert_the_same(d, load(tmp_path / "d.zip"))
    names = [n for n in contents(tmp_path / "d.zip") if n.endswith(".png")]
    assert names == [f"{i // 1000:05}/img{i:08}.png" for i in range(1030)]


def test_the_layout_is_that_of_stylegan(tmp_path: Path) -> None:
    """As dataset_tool.py of stylegan2-ada-pytorch writes it: uncompressed, f"{idx_str[:5]}/img{idx_str}.png"."""
    d = load(save(tmp_path / "s" / "x", range(2)).parent)
    export(d, tmp_path / "plain.zip")
    found = contents(tmp_path / "plain.zip")
    assert [*found] == ["00000/img00000000.png", "00000/img00000001.png", "dataset.json"]
    assert json.loads(found["dataset.json"]) == {"labels": None}
    with Image.open(io.BytesIO(found["00000/img00000001.png"])) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (8, 8))
        assert np.array_equal(np.asarray(image), noise(1))
    with zipfile.ZipFile(tmp_path / "plain.zip") as z:
        assert {i.compress_type for i in z.infolist()} == {zipfile.ZIP_STORED}

    export(load("digits", limit=3), tmp_path / "digits.zip")
    found = contents(tmp_path / "digits.zip")
    listing = json.loads(found["dataset.json"])
    of_each = load("digits", limit=3).labels
    assert of_each is not None
    assert listing["labels"] == [[f"00000/img0000000{i}.png", int(y)] for i, y in enumerate(of_each)]
    assert listing["label_names"] == [*"0123456789"]
    with Image.open(io.BytesIO(found["00000/img00000000.png"])) as image:
        assert image.mode == "L"


@pytest.mark.parametrize("task", ["pairs", "domains"])
def test_two_sides_stay_two(tmp_path: Path, task: str) -> None:
    save(tmp_path / "s" / "A", range(300 if task == "pairs" else 9), 4, 4, 1)
    save(tmp_path / "s" / "B", range(300), 4, 4)
    d = load(tmp_path / "s", task=task)
    export(d, tmp_path / "d.zip")
    again = load(tmp_path / "d.zip", task=task)
    assert d.inputs is not None
    assert again.inputs is not None
    assert np.array_equal(again.inputs, d.inputs)
    assert np.array_equal(again.samples, d.samples)
    assert (again.task, again.problems) == (task, ())
    folders = {name.split("/")[0] for name in contents(tmp_path / "d.zip")}
    assert folders == ({"A", "B"} if task == "pairs" else {"trainA", "trainB"})


def test_what_cannot_be_read_is_left_out_whole(tmp_path: Path) -> None:
    """Of a set that is decoded while it is written no other picture stands in under a wrong label."""
    source = Handmade(600, ((4, 4),), broken=[3, 299, 300, 599], classes=600)
    pixels = OnTheFly(source, Framing(4, 4, 3))
    d = Dataset("d", pixels, source.labels, source.label_names, "0", (), attributes=source.attributes)
    export(d, tmp_path / "d.zip")
    again = load(tmp_path / "d.zip")
    whole = [i for i in range(600) if i not in source.broken]
    assert again.labels is not None
    assert again.attributes is not None
    assert again.labels.tolist() == again.attributes.values[:, 0].tolist() == whole
    assert np.array_equal(again.samples, stacked(whole, 4, 4))
    assert (again.problems, len(d.lately_skipped())) == ((), 4)


@pytest.mark.parametrize(
    ("data", "settings", "out", "says"),
    [
        ("digits", {}, "x.tar", r"x\.tar does not end in \.zip"),
        ("digits", {}, "x", r"x does not end in \.zip"),
        ("digits", {}, "there.zip", r"there\.zip exists and is left as it is"),
        ("digits", {}, "folder.zip", r"folder\.zip exists"),
        ("digits", {}, "there.zip/x.zip", r"there\.zip/x\.zip cannot be written \(.*\); give a path with room"),
        ("ring", {}, "x.zip", "ring is a 2-D world of points"),
        ("digits", {"pairs": "edges"}, "x.zip", "--pairs edges is made from the images while training"),
    ],
)
def test_what_cannot_be_written_is_told(tmp_path: Path, data: str, settings: dict, out: str, says: str) -> None:
    (tmp_path / "there.zip").write_text("mine")
    (tmp_path / "folder.zip").mkdir()
    before = sorted(tmp_path.rglob("*"))
    d = load(data, **settings)
    with pytest.raises(UserError, match=says):
        export(d, tmp_path / out)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "there.zip").read_text() == "mine"


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), UserError("a picture is broken")]
)
def test_after_a_failure_no_half_file_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    d, png = Dataset("d", stacked(range(40)), None, (), "0", ()), module.png

    def fail_at_last(image: np.ndarray) -> bytes:
        if np.array_equal(image, noise(39)):
            assert [*tmp_path.glob(".d.zip.*.part")], "it is written aside"
            raise error
        return png(image)

    monkeypatch.setattr(module, "png", fail_at_last)
    with pytest.raises((UserError, KeyboardInterrupt)) as told:
        export(d, tmp_path / "d.zip")
    assert not [*tmp_path.iterdir()]
    if isinstance(error, OSError):
        assert re.search(r"d\.zip cannot be written \(No space left on device\)", str(told.value))


def test_folders_are_made(tmp_path: Path) -> None:
    export(load("digits", limit=2), tmp_path / "new" / "deep" / "d.zip")
    assert [p.name for p in (tmp_path / "new" / "deep").iterdir()] == ["d.zip"]
