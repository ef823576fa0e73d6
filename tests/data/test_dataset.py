"""Sets by name: what is built in, what joins, what is told, and the real ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from handmade import save, stacked
from PIL import Image
from sklearn.datasets import load_digits

from ganvas.data import load
from ganvas.data.worlds import WORLDS
from ganvas.errors import UserError


def test_digits() -> None:
    d = load("digits")
    pixels, labels = load_digits(return_X_y=True)
    assert (d.name, d.samples.shape, len(d), d.world) == ("digits", (1797, 8, 8, 1), 1797, None)
    assert d.samples.dtype == np.uint8
    assert np.array_equal(np.unique(d.samples), np.rint(np.arange(17) * 255 / 16))
    assert np.abs(d.samples.reshape(len(d), -1) * (16 / 255) - pixels).max() < 0.05
    assert d.labels is not None
    assert np.array_equal(d.labels, labels)
    assert d.label_names == tuple("0123456789")
    assert (d.spec.shape, d.spec.classes) == ((1, 8, 8), 10)


def test_digits_upsampled_are_smooth() -> None:
    d = load("digits", size=64, channels=3)
    assert d.spec.shape == (3, 64, 64)
    steps = np.abs(np.diff(d.samples[:200, ..., 0].astype(int), axis=2))
    assert steps.max() < 60  # blocks of nearest neighbours step by up to 255


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_worlds(name: str) -> None:
    d = load([name])
    assert (d.name, d.world, d.samples.shape, d.samples.dtype) == (name, WORLDS[name], (100_000, 2), np.float32)
    assert np.array_equal(d.samples, WORLDS[name].sample(100_000, seed=0))
    assert (d.spec.shape, d.spec.classes, d.labels) == ((2,), 0, None)
    assert load(name).fingerprint == d.fingerprint
    assert d.fingerprint not in {load(other).fingerprint for other in WORLDS if other != name}


@pytest.mark.parametrize(
    ("names", "settings", "says"),
    [
        ([], {}, "no data is named"),
        (["digitz"], {}, "Did you mean digits"),
        (["two_moons"], {}, "Did you mean two-moons"),
        ([""], {}, "no folder or file ''"),
        (["x" * 5000], {}, "no folder or file"),
        (["a\0b"], {}, "no folder or file"),
        ([__file__], {}, "holds no images in a format that is known: pictures in a folder"),
        (["digits:test"], {}, "digits has no published parts"),
        (["ring"], {"split": "test"}, "ring has no published parts"),
        (["ring", "grid"], {}, "cannot be joined"),
        (["digits", "ring"], {}, "ring is a 2-D world, which cannot be joined"),
        (
            ["ring"],
            {"size": 64, "channels": 1},
            "ring is a 2-D world of points, without channels, size; leave that out",
        ),
        (["ring"], {"pairs": "edges"}, "without pairs; leave that out"),
        (["ring"], {"augment": "mirror"}, "without augment; leave that out"),
        (["digits"], {"channels": 2}, "channels = 2 is out of range"),
        (["digits"], {"size": 0}, "size = 0 is out of range"),
        (["digits"], {"size": 10**6}, "size = 1000000 is out of range"),
    ],
)
def test_mistakes_are_told(names: list[str], settings: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        load(names, **settings)


def test_near_names_of_files_are_offered(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(UserError, match=f"Did you mean {tmp_path}/photos"):
        load(tmp_path / "photoss")


def test_joining(tmp_path: Path) -> None:
    for k, (name, classes) in enumerate((("one", "xy"), ("other", "xy"), ("three", "xyz"))):
        for c in classes:
            save(tmp_path / name / c, [10 * k + ord(c) % 3], channels=1)
    d = load([tmp_path / "one", tmp_path / "other"])
    assert (d.name, len(d), d.label_names, d.problems) == ("one+other", 4, ("x", "y"), ())
    assert d.labels is not None
    assert d.labels.tolist() == [0, 1, 0, 1]
    assert np.array_equal(d.samples[2:], load(tmp_path / "other").samples)
    assert d.fingerprint != load([tmp_path / "other", tmp_path / "one"]).fingerprint
    mixed = load([tmp_path / "one", tmp_path / "three"])
    assert (mixed.labels, mixed.label_names, len(mixed)) == (None, (), 5)
    assert [(p.file, "labels of all are dropped" in p.why) for p in mixed.problems] == [("one+three", True)]
    assert len(load([tmp_path / "other"] * 40).name) < 64


def test_labels_follow_what_was_skipped(tmp_path: Path) -> None:
    for c in "abc":
        (tmp_path / c).mkdir()
        Image.new("L", (4, 4)).save(tmp_path / c / "x.png")
    (tmp_path / "b" / "x.png").write_text("not a picture")
    d = load(tmp_path)
    assert d.labels is not None
    assert d.labels.tolist() == [0, 2]
    assert d.label_names == ("a", "b", "c")


def test_a_sample_of_a_set(tmp_path: Path) -> None:
    save(tmp_path / "x", range(30))
    save(tmp_path / "y", range(30, 60))
    few, again, other, all_of_it = (load(tmp_path, limit=n) for n in (20, 20, 21, 60))
    assert (few.samples.shape, few.fingerprint) == ((20, 8, 8, 3), again.fingerprint)
    assert len({few.fingerprint, other.fingerprint, all_of_it.fingerprint}) == 3
    assert all_of_it.fingerprint == load(tmp_path).fingerprint
    assert few.labels is not None
    places = [int((stacked(range(60)) == x).all(axis=(1, 2, 3)).argmax()) for x in few.samples]
    assert places == sorted(set(places)), "each once, in order"
    assert places[0] < 15 < 45 < places[-1]
    assert few.labels.tolist() == [int(place >= 30) for place in places]


def table(folder: Path, *rows: str) -> Path:
    """A folder of three pictures with these attributes."""
    save(folder, range(3))
    (folder / "attributes.csv").write_text("\n".join(["file,age,look", *rows]))
    return folder


def test_attributes_and_labels_made_of_them(tmp_path: Path) -> None:
    rows = ["000.png,3,sad", "001.png,,glad", "002.png,5,sad"]
    d = load(table(tmp_path / "s", *rows))
    assert d.attributes is not None
    assert (d.attributes.names, d.attributes.words) == (("age", "look"), {"look": ("glad", "sad")})
    assert np.array_equal(d.attributes.values, np.array([[3, 1], [np.nan, 0], [5, 1]], np.float32), equal_nan=True)
    age, look = d.spec.attributes
    assert (age.name, age.low, age.high, age.missing, look.words) == ("age", 3, 5, 1, ("glad", "sad"))
    assert (d.spec.classes, d.labels) == (0, None)
    labelled = load(tmp_path / "s", label="look")
    assert labelled.labels is not None
    assert (labelled.labels.tolist(), labelled.label_names, labelled.spec.classes) == ([1, 0, 1], ("glad", "sad"), 2)
    for label, says in (("age", "unknown for 1 pictures"), ("agee", "Did you mean age")):
        with pytest.raises(UserError, match=says):
            load(tmp_path / "s", label=label)
    (tmp_path / "s" / "000.png").write_text("no picture")
    left = load(tmp_path / "s", label="look")
    assert left.labels is not None
    assert left.attributes is not None
    assert (left.labels.tolist(), left.attributes.values[1].tolist()) == ([0, 1], [5, 1])


def test_whatever_a_game_sees_changes_the_fingerprint(tmp_path: Path) -> None:
    rows = ["000.png,3,sad", "001.png,4,glad", "002.png,5,sad"]
    plain = table(tmp_path / "plain", *rows)
    changed = [
        table(tmp_path / "value", *rows[:2], "002.png,6,sad"),
        table(tmp_path / "word", *(row.replace("sad", "tad") for row in rows)),  # with the same indices
    ]
    settings: list[dict] = [{}, {"size": 6}, {"size": "8x6"}, {"channels": 1}, {"limit": 2}, {"label": "look"},
                            {"pairs": "edges"}, {"pairs": "superres:2"}, {"pairs": "superres:4"}]  # fmt: skip
    seen = [load(plain, **s).fingerprint for s in settings] + [load(c).fingerprint for c in changed]
    assert len(set(seen)) == len(settings) + 2
    names = [table(tmp_path / f"n{i}", *rows) for i in range(2)]
    for folder, classes in zip(names, ("cats dogs", "cats owls"), strict=True):
        for k, c in enumerate(classes.split()):
            save(folder / c, range(3 * k, 3 * k + 3))
        (folder / "attributes.csv").unlink()
        for i in range(3):
            (folder / f"{i:03}.png").unlink()
    assert len({load(folder).fingerprint for folder in names}) == 2, "names of classes"
    assert load(plain).fingerprint == seen[0] == load(plain, augment="mirror").fingerprint, "the samples are the same"


def test_decoded_always_it_is_the_same_set(tmp_path: Path) -> None:
    save(tmp_path, range(40), 9, 11)
    once, always = (load(tmp_path, decode=how, size=8) for how in ("once", "always"))
    assert np.array_equal(always.samples[:], once.samples)
    assert (always.spec, len(always), always.problems) == (once.spec, 40, ())
    assert load(tmp_path, decode="always", size=8).fingerprint == always.fingerprint
    assert load(tmp_path, decode="always", size=7).fingerprint != always.fingerprint
    (tmp_path / "005.png").write_text("no picture")
    broken = load(tmp_path, decode="always", size=8, channels=3)
    assert (len(broken), broken.lately_skipped()) == (40, [])
    assert np.array_equal(broken.samples[4:7], once.samples[[4, 6, 6]])
    assert [p.file for p in broken.lately_skipped()] == [f"{tmp_path}/005.png"]
    with pytest.raises(UserError, match=r"005\.png cannot be read"):
        load(tmp_path, decode="always", size=8, channels=3, strict=True).samples[5]
    with pytest.raises(UserError, match=r"005\.png: it is no PNG.*; mend the files, or leave --strict out"):
        load(tmp_path, size=8, strict=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("task", "images?"), ("fit", "cropp"), ("decode", "never"), ("channels", "grey"), ("limit", 2.5), ("size", "64x")],
)
def test_settings_that_are_none(name: str, value: object) -> None:
    with pytest.raises(UserError, match=name):
        load("digits", **{name: value})


def test_looking_at_data_needs_no_torch() -> None:
    code = "import sys; from ganvas.data import load; load('digits', size=8); print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


def test_real_idx_folder(shared_data: Path) -> None:
    test = load([f"{shared_data}/mnist:test"])
    assert (test.name, test.samples.shape, len(test.label_names)) == ("mnist-test", (10_000, 28, 28, 1), 10)
    assert test.labels is not None
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert test.samples.mean() == pytest.approx(33.79, abs=0.01)  # the known mean of MNIST's test part


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "shape", "classes"),
    [
        (["mnist"], (60_000, 28, 28, 1), 10),
        (["fashion-mnist"], (60_000, 28, 28, 1), 10),
        ([f"cifar10/cifar10-{i}.zip" for i in range(1, 6)], (50_000, 32, 32, 3), 10),
        (["flowers17.zip"], (1360, 192, 192, 3), 17),
        (["faces128.zip"], (9778, 128, 128, 3), 2),
        (["emoji.zip"], (4284, 72, 72, 3), 2),
    ],
)
def test_real_sets(shared_data: Path, names: list[str], shape: tuple[int, ...], classes: int) -> None:
    d = load([shared_data / n for n in names])
    assert (d.samples.shape, len(d.label_names), d.problems) == (shape, classes, ())
    if names == ["emoji.zip"]:  # its 200 of testA and testB are another part
        assert (d.label_names, d.spec.task) == (("A", "B"), "images")
        assert d.fingerprint != load(shared_data / "emoji.zip", split="test").fingerprint
    if "cifar10/cifar10-1.zip" in names:
        assert d.labels is not None
        assert np.bincount(d.labels).tolist() == [5000] * 10
        means = d.samples.reshape(-1, 3).mean(axis=0, dtype=np.float64) / 255
        assert means == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-4)
