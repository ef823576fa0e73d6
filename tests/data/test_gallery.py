"""What folders of pictures mean: classes, parts, pairs and domains, in a folder as in an archive."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_files import Held, encoded, png, values, write_folder, write_zip
from PIL import Image

from ganvas.data import load
from ganvas.data.sources import find
from ganvas.data.sources.base import Source
from ganvas.data.sources.gallery import Gallery
from ganvas.errors import UserError


def gallery(*names: str, split: str | None = None, **more: bytes) -> Gallery:
    """Pictures of these names, the i-th of value i."""
    files = {name: png(i) for i, name in enumerate(names)}
    return Gallery(Held(files | {name.replace("__", "."): content for name, content in more.items()}), split)


def seen(source: Source) -> list[int]:
    return [int(np.asarray(source.read(i))[0, 0]) for i in range(len(source))]


def classes(source: Source) -> list[str] | None:
    return None if source.labels is None else [source.label_names[i] for i in source.labels]


def test_flat_and_sorted(tmp_path: Path) -> None:
    files = {name: png(i) for i, name in enumerate(("b.png", "a.PNG", "ü.png", "c.png"))}
    write_folder(tmp_path, files | {"notes.txt": b"x", ".hidden.png": b"x", ".cache/x.png": b"x"})
    d = load([f"{tmp_path}/"])
    assert (d.name, values(d)) == (tmp_path.name, [1, 0, 3, 2])
    assert (d.labels, d.label_names, d.problems) == (None, (), ())


def test_folders_are_classes() -> None:
    pets = ("pets/dogs/a.png", "pets/cats/deep/a.png", "pets/cats/b.png")
    assert classes(gallery(*pets)) == ["cats", "cats", "dogs"]
    assert classes(gallery(*pets, "pets/c.png")) is None
    assert classes(gallery("pets/a.png", "pets/b.png")) is None
    assert gallery(*pets).splits == ()


PARTS = ("train/dogs/1.png", "train/cats/2.png", "train/ants/3.png", "test/cats/4.png", "test/dogs/5.png")


@pytest.mark.parametrize("around", ["", "set/", "set/all/"])
def test_parts(around: str) -> None:
    names = [around + name for name in PARTS]
    train, test = gallery(*names), gallery(*names, split="test")
    assert train.splits == test.splits == ("train", "test")
    assert (train.name, test.name) == ("held", "held-test")
    assert (seen(train), classes(train)) == ([2, 1, 0], ["ants", "cats", "dogs"])
    assert (seen(test), classes(test)) == ([3, 4], ["cats", "dogs"])
    assert train.label_names == test.label_names  # a class has one index in all parts
    assert train.fingerprint != test.fingerprint


def test_parts_by_name(tmp_path: Path) -> None:
    data = write_zip(tmp_path / "set.zip", {name: png(i) for i, name in enumerate(PARTS)})
    assert values(load(data)) == values(load(f"{data}:train")) == values(load(data, split="train")) == [2, 1, 0]
    assert values(load(f"{data}:test")) == values(load(data, split="test")) == [3, 4]
    with pytest.raises(UserError, match=r"set\.zip has no part 'val'; its parts are train and test"):
        load(f"{data}:val")
    flat = write_zip(tmp_path / "flat.zip", {"a.png": png()})
    assert len(load(flat, split="train")) == 1
    with pytest.raises(UserError, match=r"flat\.zip has no published parts"):
        load(f"{flat}:test")


def test_parts_in_mixed_case_or_flat() -> None:
    mixed = gallery("Train/Cats/1.png", "Train/dogs/2.png", "VALIDATION/dogs/3.png", split="validation")
    assert (mixed.splits, seen(mixed), classes(mixed)) == (("train", "validation"), [2], ["dogs"])
    beside = ("train/cats/1.png", "train/dogs/2.png", "test/3.png")
    assert classes(gallery(*beside)) == ["cats", "dogs"]
    assert classes(gallery(*beside, split="test")) is None
    assert classes(gallery("val/1.png", "test/2.png")) == ["test", "val"]  # without a train part they are classes
    assert classes(gallery("train/cats/1.png", "train/dogs/2.png")) == ["cats", "dogs"]  # the one part is the set


@pytest.mark.parametrize(
    "names",
    [
        ("A/1.png", "A/2.jpg", "B/1.jpeg", "B/2.png"),
        ("b/1.png", "b/2.png", "a/1.png", "a/2.png"),
        ("set/A/x/1.png", "set/A/x/2.png", "set/B/x/1.png", "set/B/x/2.png"),
        ("train/A/1.png", "train/A/2.png", "train/B/1.png", "train/B/2.png"),
        ("A/train/1.png", "B/test/9.png", "A/train/2.png", "A/test/9.png", "B/train/1.png", "B/train/2.png"),
        ("train/A/1.png", "test/B/9.png", "train/A/2.png", "test/A/9.png", "train/B/1.png", "train/B/2.png"),
    ],
)
def test_pairs(names: tuple[str, ...]) -> None:
    source = gallery(*names)
    assert source.task == "pairs"
    a, b = source.sides("pairs")
    stems = [[Path(side.where(i)).stem for i in range(len(side))] for side in (a, b)]
    assert stems == [["1", "2"], ["1", "2"]]
    assert [{part.upper() for part in Path(side.where(0)).parts} & {"A", "B"} for side in (a, b)] == [{"A"}, {"B"}]
    assert seen(a) == [i for i, n in enumerate(names) if "A/" in n.upper() and "test" not in n]
    assert a.problems == b.problems == ()


def test_pictures_without_a_partner_are_listed() -> None:
    source = gallery("A/1.png", "A/2.png", "A/2.jpg", "A/3.png", "A/4.png", "B/1.png", "B/2.bmp", "B/4.png", "B/5.png")
    a, b = source.sides("pairs")
    # 2.jpg comes before 2.png: no name is used twice, or the sides would come apart
    assert [(Path(a.where(i)).name, Path(b.where(i)).name) for i in range(len(a))] == [
        ("1.png", "1.png"),
        ("2.jpg", "2.bmp"),
        ("4.png", "4.png"),
    ]
    assert len(a) == len(b)
    assert [p.file for p in a.problems] == ["held/A/2.png", "held/A/3.png", "held/B/5.png"]
    assert {p.why for p in a.problems} == {"it has no partner of the same name on the other side"}
    whole_names_first = gallery("A/1.jpg", "A/1.png", "B/1.png").sides("pairs")
    assert [seen(side) for side in whole_names_first] == [[1], [2]]
    with pytest.raises(UserError, match="no picture of A has a partner of the same name in B"):
        gallery("A/1.png", "B/2.png").sides("pairs")


def test_what_is_known_of_pictures_goes_with_them() -> None:
    table = b"file,v\nA/1.png,1\nA/2.png,2\nB/2.png,4\nB/1.png,3\nC/1.png,9\n"
    source = gallery("A/1.png", "A/2.png", "B/1.png", "B/2.png", attributes__csv=table)
    for task in ("pairs", "domains"):
        a, b = source.sides(task)
        assert a.attributes is not None
        assert b.attributes is not None
        assert (a.attributes.values.tolist(), b.attributes.values.tolist()) == ([[1], [2]], [[3], [4]])
        assert [p.why for p in a.problems] == ["1 of its rows name no picture, the first 'C/1.png'"]
        assert b.problems == ()


@pytest.mark.parametrize("spelling", ["trainA trainB testA testB", "Train_A train_b TEST_A Test-B"])
def test_domains(spelling: str) -> None:
    train_a, train_b, test_a, test_b = spelling.split()
    names = (f"{train_a}/1.png", f"{train_a}/2.png", f"{train_b}/7.png", f"{test_a}/3.png", f"{test_b}/3.png")
    source, test = gallery(*names), gallery(*names, split="test")
    assert (source.task, source.splits, classes(source)) == ("domains", ("train", "test"), ["A", "A", "B"])
    assert [seen(side) for side in source.sides("domains")] == [[0, 1], [2]]
    assert [seen(side) for side in test.sides("pairs")] == [[3], [4]]
    assert gallery(*names[:3]).splits == ()


def test_a_side_that_is_empty_is_told() -> None:
    names = ("trainA/1.png", "trainB/2.png", "testA/3.png")
    for task in ("pairs", "domains"):
        with pytest.raises(UserError, match="held-test has no pictures of B"):
            gallery(*names, split="test").sides(task)
    assert gallery("trainA/1.png", "trainA/2.png").task == "images"  # a domain alone is none
    with pytest.raises(UserError, match="held is a set of single images, without domains of A and B"):
        gallery("a.png").sides("domains")


def test_halves_side_by_side(tmp_path: Path) -> None:
    both = np.repeat(np.array([[10, 200]], np.uint8), 6, axis=1).repeat(4, axis=0)
    turned = encoded(Image.fromarray(both[:, ::-1]), exif=_exif(3))  # stored upside down
    files = {"1.png": encoded(both), "2.png": turned, "3.png": png(1, (5, 2)), "4.png": png(2, (4, 6))}
    d = load(write_folder(tmp_path, files), task="pairs", size=4)
    assert d.inputs is not None
    assert d.inputs[:, 0, 0, 0].tolist() == [10, 10]
    assert values(d) == [200, 200]
    assert {Path(p.file).name for p in d.problems} == {"3.png", "4.png"}


def test_photographs_are_no_pairs_side_by_side(tmp_path: Path) -> None:
    """Of most photographs the right half is no translation of the left."""
    files = {f"{i}.png": png(i, (6, 4)) for i in range(4)} | {"wide.png": png(9, (8, 4))}
    with pytest.raises(UserError, match=r"a set of single images, without pairs of A and B; .* --pairs colorize"):
        load(write_folder(tmp_path, files), task="pairs")


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


_PART = st.sampled_from(["A", "b", "train", "Test", "val", "trainA", "trainB", "testB", "cats", "dogs"])
_NAMES = st.lists(st.tuples(st.lists(_PART, max_size=3), st.integers(0, 3)), min_size=1, max_size=8)


@given(_NAMES, st.sampled_from(["set", "set/train", "A", "trainA", "all/set"]))
def test_a_folder_around_everything_means_nothing(found: list[tuple[list[str], int]], around: str) -> None:
    names = sorted({"/".join([*folders, f"{i}.png"]) for folders, i in found})
    bare, wrapped = gallery(*names), gallery(*(f"{around}/{n}" for n in names))
    assert (bare.splits, bare.task, bare.label_names) == (wrapped.splits, wrapped.task, wrapped.label_names)
    for split in bare.splits or (None,):
        one, other = gallery(*names, split=split), gallery(*(f"{around}/{n}" for n in names), split=split)
        assert classes(one) == classes(other)
        assert [f"{around}/{n}" for n in one.names] == other.names
    parts = [gallery(*names, split=split) for split in bare.splits or (None,)]
    assert sorted(n for p in parts for n in p.names) == names  # every picture lies in one part


@pytest.mark.skipif(os.name != "posix", reason="names that are no text exist on POSIX systems only")
def test_names_that_are_no_unicode(tmp_path: Path) -> None:
    write_folder(tmp_path, {"good.png": png()})
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\x1b[2J.png")).write_text("not a picture")
    [problem] = load(tmp_path).problems
    assert problem.file.encode() == f"{tmp_path}/??[2J.png".encode()  # no bytes that steer a terminal either


_LETTERS = st.characters(exclude_characters="/\\\0:", exclude_categories=["Cs"])
_WORDS = st.text(_LETTERS, min_size=1, max_size=12).filter(lambda w: w[0] != "." and w != "__MACOSX")


@given(st.dictionaries(_WORDS, st.sets(_WORDS, min_size=1, max_size=3), min_size=2, max_size=4))
def test_names_of_any_unicode(tree: dict[str, set[str]]) -> None:
    source = gallery(*sorted(f"{folder}/{name}.png" for folder, names in tree.items() for name in names))
    assert len(source) == sum(map(len, tree.values()))
    assert source.labels is not None
    assert np.bincount(source.labels).tolist() == [len(tree[folder]) for folder in sorted(tree)]
    told = [*map(source.where, range(len(source))), *source.label_names]
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for text in told for c in text)


def test_what_cannot_be_read_is_skipped_and_listed(tmp_path: Path) -> None:
    write_folder(tmp_path, {"good.png": png(7), "text.png": b"not a picture", "cut.png": png(3, (64, 64))[:-40]})
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")  # reading it would wait for ever
    d = load(tmp_path)
    assert values(d) == [7]
    assert [Path(p.file).name for p in d.problems] == ["link.png", "pipe.png", "cut.png", "text.png"]
    assert all(p.why for p in d.problems)
    assert load(tmp_path).problems == d.problems  # from the cache too
    with pytest.raises(UserError, match=r"link\.png: it is a broken link .* and 3 more; mend the files"):
        load(tmp_path, strict=True)


def test_nothing_readable_names_the_folder_and_the_first_file(tmp_path: Path) -> None:
    write_folder(tmp_path, {"b.png": b"not a picture", "a.png": b"not a picture"})
    says = rf"{tmp_path.name}: none of its 2 files .* the first, {tmp_path}/a\.png: it is no PNG"
    for settings in ({}, {"size": 8, "channels": 3}):
        with pytest.raises(UserError, match=says):
            load(tmp_path, **settings)


def test_empty_folders_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is empty; give a folder with files that end in \.png"):
        load(tmp_path)
    write_folder(tmp_path, {"notes.txt": b"x"})
    with pytest.raises(UserError, match="holds no images in a format that is known: pictures in a folder"):
        load(tmp_path)


def test_channels_and_size_are_those_of_all_pictures(tmp_path: Path) -> None:
    write_folder(tmp_path, {f"{i:02}.png": png(0, size) for i, size in enumerate([(10, 30), (20, 12), (90, 80)])})
    asked = []
    assert load(tmp_path, size_for=lambda native: asked.append(native) or 16).samples.shape == (3, 16, 16, 1)
    assert asked == [12]  # the median short side
    write_folder(tmp_path, {"99.png": png(mode="RGB")})
    assert load(tmp_path, size=8).samples.shape == (4, 8, 8, 3)
    assert load(tmp_path, size="6x9", channels=1).samples.shape == (4, 6, 9, 1)


def test_limit_spreads_and_joins_keep_partners(tmp_path: Path) -> None:
    many = write_folder(tmp_path / "many", {f"{i:03}.png": png(i) for i in range(200)})
    few = load(many, limit=20)
    assert values(few) == values(load(many, limit=20)) == sorted(set(values(few)))
    assert len(few) == 20
    assert max(values(few)) - min(values(few)) > 100
    assert len(load(many, limit=999)) == 200
    with pytest.raises(UserError, match="limit = 0 is out of range"):
        load(many, limit=0)
    sides = {f"{side}/{i}.png": png(i + 100 * (side == "B")) for side in "AB" for i in range(9)}
    one, two = write_folder(tmp_path / "one", sides), write_folder(tmp_path / "two", sides)
    for task, of_each in (("pairs", 7), ("domains", 3)):
        d = load([one, two], task=task, limit=7)
        assert d.inputs is not None
        assert (len(d), len(d.inputs), d.task, d.name) == (of_each, of_each, task, "one+two")
        if task == "pairs":
            assert values(d) == [v + 100 for v in d.inputs[:, 0, 0, 0].tolist()]
    source = find(f"{one}")
    assert isinstance(source, Source)
    assert source.task == "pairs"


def test_emoji_are_domains_and_by_name_pairs(shared_data: Path) -> None:
    for split, of_a, of_b in (("train", 2270, 2014), ("test", 100, 100)):
        source = find(f"{shared_data}/emoji.zip:{split}")
        assert isinstance(source, Source)
        assert (source.task, source.splits, source.label_names) == ("domains", ("train", "test"), ("A", "B"))
        assert tuple(map(len, source.sides("domains"))) == (of_a, of_b)
        a, b = source.sides("pairs")
        assert [Path(a.where(i)).stem for i in range(len(a))] == [Path(b.where(i)).stem for i in range(len(b))]
        assert len(a) + len(b) + sum("no partner" in p.why for p in a.problems) == of_a + of_b
