"""Arrays of NumPy: every shape and range comes out as the pictures that are meant, and what is unclear is told."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ganvas.data.archives import open_container
from ganvas.data.sources import arrays as arrays_module
from ganvas.data.sources import npy as npy_module
from ganvas.data.sources.arrays import Arrays, as_labels
from ganvas.errors import UserError

PICTURES = np.random.default_rng(0).integers(0, 256, (6, 5, 7, 3), np.uint8)
GREY = PICTURES[..., 0]


def open_arrays(path: Path, split: str | None = None) -> Arrays:
    files = open_container(path)
    assert Arrays.claims(files)
    return Arrays(files, split)


def pixels(source: Arrays) -> np.ndarray:
    return np.stack([np.asarray(source.read(i)) for i in range(len(source))])


def save(path: Path, /, **named: Any) -> Path:
    np.savez(path, **named)
    return path


def npy(values: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, values, version)
    return file.getvalue()


SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 6), st.sampled_from([2, 5, 6]))


@given(
    arrays(np.uint8, SHAPES | st.builds(lambda a, c: (*a, c), SHAPES, st.sampled_from([1, 3, 4]))),
    st.booleans(),
    st.sampled_from([(1, 0), (2, 0)]),
)
def test_bytes_come_back(
    tmp_path_factory: pytest.TempPathFactory, values: np.ndarray, fortran: bool, version: tuple[int, int]
) -> None:
    file = tmp_path_factory.mktemp("set") / "images.npy"
    file.write_bytes(npy(np.asfortranarray(values) if fortran else values, version))
    with zipfile.ZipFile(file.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as z:
        z.write(file, "images.npy")
    for path in (file, file.with_suffix(".zip")):
        source = open_arrays(path)
        assert np.array_equal(pixels(source), values[..., 0] if values.shape[3:] == (1,) else values)
        assert source.read(0).mode == {(): "L", (1,): "L", (3,): "RGB", (4,): "RGBA"}[values.shape[3:]]


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_may_come_first(tmp_path: Path, channels: int) -> None:
    last = PICTURES[..., :channels]
    np.save(tmp_path / "x.npy", np.moveaxis(last, -1, 1))
    assert np.array_equal(pixels(open_arrays(tmp_path / "x.npy")), last.squeeze(-1) if channels == 1 else last)


def test_channels_come_last_where_both_could_be(tmp_path: Path) -> None:
    values = np.arange(2 * 3 * 9 * 4, dtype=np.uint8).reshape(2, 3, 9, 4)
    assert np.array_equal(pixels(open_arrays(save(tmp_path / "x.npz", x=values))), values)


LEVELS = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)


@pytest.mark.parametrize("dtype", ["f2", "<f4", ">f4", "f8"])
@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (0, 255)])
def test_floats(tmp_path: Path, dtype: str, low: int, high: int) -> None:
    values = (LEVELS / 255 * (high - low) + low).astype(dtype)
    source = open_arrays(save(tmp_path / "x.npz", x=values))
    assert source.read(0).mode == "L"
    assert np.array_equal(pixels(source), LEVELS)


@pytest.mark.parametrize("dtype", ["<i4", ">i8", "u4", "u8", "i2"])
def test_integers(tmp_path: Path, dtype: str) -> None:
    assert np.array_equal(pixels(open_arrays(save(tmp_path / "x.npz", x=LEVELS.astype(dtype)))), LEVELS)
    assert pixels(open_arrays(save(tmp_path / "x.npz", x=np.eye(8, dtype=dtype)[None]))).max() == 1


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_16_bits(tmp_path: Path, dtype: str) -> None:
    values = np.arange(65536).astype(dtype).reshape(1, 256, 256)
    expected = np.floor(np.arange(65536) / 257 + 0.5).reshape(1, 256, 256)
    assert np.array_equal(pixels(open_arrays(save(tmp_path / "x.npz", x=values))), expected)


def test_booleans_are_black_and_white(tmp_path: Path) -> None:
    assert np.array_equal(pixels(open_arrays(save(tmp_path / "x.npz", x=GREY > 99))), np.where(GREY > 99, 255, 0))


def test_rounding_may_overshoot(tmp_path: Path) -> None:
    values = np.array([[[-1.0004, 0.0], [1.0004, 1.0]]])
    assert pixels(open_arrays(save(tmp_path / "x.npz", x=values))).tolist() == [[[0, 128], [255, 255]]]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.linspace(-3, 3, 64).reshape(1, 8, 8), "values from -3 to 3; scale them"),
        (np.linspace(0, 1.4, 64).reshape(1, 8, 8), "values from 0 to 1.4"),
        (np.linspace(-1, 255, 64).reshape(1, 8, 8), "values from -1 to 255"),
        (np.linspace(0, 256, 64).reshape(1, 8, 8), "values from 0 to 256"),
        (np.arange(-1, 63).reshape(1, 8, 8), "values from -1 to 62"),
        (np.arange(200, 264).reshape(1, 8, 8), "values from 200 to 263"),
        (np.full((1, 8, 8), -1, np.int8), "values from -1 to -1"),
        (np.full((2, 8, 8), np.nan), "not finite"),
        (np.full((2, 8, 8), np.inf, np.float16), "not finite"),
        (np.zeros((4, 8, 2)) + np.array([-np.inf, np.inf]), "not finite"),
        (np.zeros((4, 8, 2)) + np.array([0, np.inf]), "not finite"),
        (np.zeros((4, 8, 2)) + np.array([-np.inf, 0]), "not finite"),
        (np.zeros((5, 2)), r"has the shape \(5, 2\)"),
        (np.zeros((5, 784), np.uint8), r"has the shape \(5, 784\)"),
        (np.zeros((32, 32, 3), np.uint8), r"has the shape \(32, 32, 3\)"),
        (np.zeros((2, 28, 28, 28), np.uint8), r"has the shape \(2, 28, 28, 28\)"),
        (np.zeros((2, 8, 8, 2), np.uint8), r"has the shape \(2, 8, 8, 2\)"),
        (np.zeros((1, 2, 8, 8, 3), np.uint8), r"has the shape \(1, 2, 8, 8, 3\)"),
        (np.zeros(5), r"has the shape \(5,\)"),
        (np.uint8(5), r"has the shape \(\)"),
        (np.zeros((0, 8, 8), np.uint8), r"is empty: its shape is \(0, 8, 8\)"),
        (np.full((2, 8, 8), "a"), "holds text and no pictures"),
        (np.zeros((2, 8, 8), complex), "neither pictures nor labels"),
        (np.zeros((2, 8, 8), "m8[s]"), "neither pictures nor labels"),
        (np.zeros((2, 8, 8), [("r", "u1")]), "neither pictures nor labels"),
        (np.zeros((1,) * 9, np.uint8), "neither pictures nor labels"),
        (np.array([[[{}]]], object), "holds Python objects, which are not opened"),
    ],
)
def test_what_is_no_picture_is_told(tmp_path: Path, values: np.ndarray, says: str) -> None:
    path = save(tmp_path / "x.npz", images=values)
    with pytest.raises(UserError, match=says) as told:
        open_arrays(path)
    assert f"{path}/images.npy" in str(told.value)
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(UserError, match=says):
        open_arrays(tmp_path / "x.npy")


def test_a_range_is_sought_in_all_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npy_module, "_BLOCK", 128)
    for at, value, says in (
        (6, np.nan, "not finite"),
        (6, 9.5, "values from -2 to 9.5"),
        (0, 9.5, "values from -2 to 9.5"),
    ):
        values = np.zeros((7, 8, 8))
        values[at, 3, 4], values[3, 0, 0] = value, -2
        with pytest.raises(UserError, match=says):
            open_arrays(save(tmp_path / "x.npz", x=values))


@pytest.mark.parametrize(
    ("named", "part"),
    [
        ({"images": GREY, "labels": [0, 1, 2, 3, 2, 1]}, None),
        ({"x": GREY, "y": [0, 1, 2, 3, 2, 1]}, None),
        ({"X": GREY, "Y": [0, 1, 2, 3, 2, 1]}, None),
        ({"data": GREY, "label": [0, 1, 2, 3, 2, 1]}, None),
        ({"imgs": GREY, "targets": [0, 1, 2, 3, 2, 1]}, None),
        ({"samples": GREY, "labels": [0, 1, 2, 3, 2, 1]}, None),
        ({"arr_0": GREY, "arr_1": [0, 1, 2, 3, 2, 1]}, None),
        ({"data": GREY.reshape(6, -1), "images": GREY, "labels": [0, 1, 2, 3, 2, 1]}, None),
        ({"data": GREY, "imgs": GREY[:2], "label": [0, 1, 2, 3, 2, 1], "targets": [0]}, None),
        ({"pictures": GREY, "labels": [0, 1, 2, 3, 2, 1], "about": "text", "scale": np.eye(3)}, None),
        ({"test_images": GREY, "test_labels": [[0], [1], [2], [3], [2], [1]]}, "test"),
        ({"x_val": GREY, "y_val": [0, 1, 2, 3, 2, 1], "x_test": GREY[:2], "y_test": [0, 1]}, "val"),
        ({"X_train": GREY, "y_train": [0, 1, 2, 3, 2, 1], "X_test": GREY[:2], "y_test": [0, 1]}, "train"),
        ({"X_Train": GREY, "Y_Train": [0, 1, 2, 3, 2, 1]}, "train"),
        ({"images_validation": GREY, "labels_validation": [0, 1, 2, 3, 2, 1]}, "validation"),
    ],
)
def test_names_of_arrays(tmp_path: Path, named: dict[str, Any], part: str | None) -> None:
    source = open_arrays(save(tmp_path / "set.npz", **named), part)
    assert np.array_equal(pixels(source), GREY)
    assert source.labels is not None
    assert (source.labels.dtype, source.labels.tolist()) == (np.int64, [0, 1, 2, 3, 2, 1])
    assert source.label_names == ("0", "1", "2", "3")
    assert source.name == ("set" if part in (None, "train") else f"set-{part}")
    assert len(source.splits) == sum(k.lower().startswith(("x_", "test_i", "images_")) for k in named)
    assert open_arrays(tmp_path / "set.npz").name == source.name  # the part is the first of them


def test_parts(tmp_path: Path) -> None:
    parts = {"train": PICTURES[:3], "val": PICTURES[3:5], "test": PICTURES[5:]}
    labels = {"train": [[0], [1], [0]], "val": [[4], [2]], "test": [[1]]}
    named = {f"{p}_images": v for p, v in parts.items()} | {f"{p}_labels": np.uint8(v) for p, v in labels.items()}
    path = save(tmp_path / "flowermnist.npz", **named)
    for split in (None, "train", "val", "test"):
        source = open_arrays(path, split)
        assert source.splits == ("train", "val", "test")
        assert np.array_equal(pixels(source), parts[split or "train"])
        assert source.labels is not None
        assert source.labels.tolist() == [label for (label,) in labels[split or "train"]]
        assert source.label_names == ("0", "1", "2", "3", "4")  # the same in all parts
        assert source.where(1) == f"{path}/{split or 'train'}_images.npy, image 1"
    assert len({open_arrays(path, p).fingerprint for p in parts}) == 3
    with pytest.raises(UserError, match="no part 'valid'; its parts are train and val and test"):
        open_arrays(path, "valid")


@pytest.mark.parametrize("kind", ["folder", "zip", "tar", "below", "compressed"])
def test_containers(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    np.save(folder / "images.npy", GREY)
    np.save(folder / "labels.npy", np.array(["b", "a", "é", "a", "b", "b"]))
    (folder / "readme.txt").write_text("no array")
    path, at = {"folder": (folder, folder), "below": (tmp_path, folder)}.get(
        kind, (tmp_path / "set.x", tmp_path / "set.x")
    )
    if kind in ("zip", "compressed"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if kind == "compressed" else zipfile.ZIP_STORED) as z:
            z.write(folder / "images.npy", "images.npy")
            z.write(folder / "labels.npy", "labels.npy")
    elif kind == "tar":
        with tarfile.open(path, "w") as tar:
            tar.add(folder / "images.npy", "images.npy")
            tar.add(folder / "labels.npy", "labels.npy")
    source = open_arrays(path)
    assert np.array_equal(pixels(source), GREY)
    assert source.labels is not None
    assert (source.labels.tolist(), source.label_names) == ([1, 0, 2, 0, 1, 1], ("a", "b", "é"))
    assert source.where(0) == f"{at}/images.npy, image 0"


def test_folders_of_parts(tmp_path: Path) -> None:
    for part, n in (("train", 4), ("test", 2)):
        (tmp_path / part).mkdir()
        np.save(tmp_path / part / "x.npy", GREY[:n])
        np.save(tmp_path / part / "y.npy", np.arange(n))
    assert [len(open_arrays(tmp_path, p)) for p in (None, "train", "test")] == [4, 4, 2]


def test_pictures_too_large_to_be_let_in_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "x.npz", x=GREY)
    monkeypatch.setattr(arrays_module, "MOST_PIXELS", 35)
    assert len(open_arrays(path)) == 6
    monkeypatch.setattr(arrays_module, "MOST_PIXELS", 34)
    with pytest.raises(UserError, match="more than the 34 pixels"):
        open_arrays(path)


def test_plain_files_are_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", PICTURES)
    source = open_arrays(tmp_path)
    assert isinstance(source.frames.base, np.memmap)
    assert not source.frames.flags.writeable


def test_what_is_sampled_is_a_set(tmp_path: Path) -> None:
    import torch

    from ganvas.cli.sample import Options, write

    for is_image, samples in (
        (True, torch.from_numpy(PICTURES).permute(0, 3, 1, 2) / 127.5 - 1),
        (False, torch.zeros(9, 2)),
    ):
        game = SimpleNamespace(data=SimpleNamespace(is_image=is_image), sample=lambda n, x=samples, **_: x)
        write(game, Options(tmp_path, out=tmp_path / "out" / f"{is_image}.npz"), folder=False)
    source = open_arrays(tmp_path / "out" / "True.npz")
    assert np.array_equal(pixels(source), PICTURES)
    assert (source.name, source.labels, source.attributes, source.splits) == ("True", None, None, ())
    with pytest.raises(UserError, match=r"False.npz/samples.npy has the shape \(9, 2\); pictures are"):
        open_arrays(tmp_path / "out" / "False.npz")


@pytest.mark.parametrize(
    ("labels", "expected", "names"),
    [
        (np.uint8([0, 3, 1, 0, 0, 3]), [0, 3, 1, 0, 0, 3], "0123"),
        (np.float32([0, 3, 1, 0, 0, 3]), [0, 3, 1, 0, 0, 3], "0123"),
        (np.uint64([[0], [3], [1], [0], [0], [3]]), [0, 3, 1, 0, 0, 3], "0123"),
        (np.bool_([0, 1, 1, 0, 0, 1]), [0, 1, 1, 0, 0, 1], "01"),
        (np.eye(9, dtype=np.uint8)[[8, 2, 0, 0, 1, 2]], [8, 2, 0, 0, 1, 2], "012345678"),
        (np.eye(9)[[8, 2, 0, 0, 1, 2]], [8, 2, 0, 0, 1, 2], "012345678"),
        (np.eye(6, dtype=bool), [0, 1, 2, 3, 4, 5], "012345"),
        (np.array(["c", "a", "b", "a", "a", "c"]), [2, 0, 1, 0, 0, 2], "abc"),
        (np.array([[w] for w in "cabaac"]), [2, 0, 1, 0, 0, 2], "abc"),
        (np.array(["\udcff", "a", "a", "a", "a", "\udcff"]), [1, 0, 0, 0, 0, 1], "a?"),
        (np.array([b"\xc3\xa9", b"a", b"b", b"a", b"a", b"b"]), [2, 0, 1, 0, 0, 1], "abé"),
    ],
)
def test_labels(tmp_path: Path, labels: np.ndarray, expected: list[int], names: str) -> None:
    source = open_arrays(save(tmp_path / "x.npz", x=GREY, y=labels))
    assert source.labels is not None
    assert (source.labels.dtype, source.labels.tolist()) == (np.int64, expected)
    assert source.label_names == tuple(names)
    assert source.attributes is None


@pytest.mark.parametrize(
    "labels",
    [
        np.uint8([[0, 1, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 0], [0, 0, 1]]),  # several at once, as ChestMNIST
        np.eye(6) / 2,
        np.full((6, 2), 0.5),
        np.eye(6, dtype=int) * 2 - 1,
        np.arange(6) + 0.5,
        np.array([1, 2, 3, np.nan, 4, 5]),
    ],
)
def test_what_is_no_class_is_an_attribute(tmp_path: Path, labels: np.ndarray) -> None:
    source = open_arrays(save(tmp_path / "x.npz", x_train=GREY, y_train=labels, x_test=GREY, y_test=labels))
    assert (source.labels, source.label_names) == (None, ())
    assert source.attributes is not None
    assert source.attributes.values.dtype == np.float32
    assert np.array_equal(source.attributes.values, labels.reshape(6, -1).astype(np.float32), equal_nan=True)
    assert source.attributes.names == tuple(f"label_{j}" for j in range(labels.size // 6))
    assert source.attributes.words == {}


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (np.arange(5), r"y.npy has labels of shape \(5,\) for the 6 images of .*x.npy"),
        (np.arange(36).reshape(1, 6, 6), r"labels of shape \(1, 6, 6\)"),
        (np.uint8(3), r"labels of shape \(\)"),
        (np.zeros((6, 2, 2), int), r"y.npy has the shape \(6, 2, 2\)"),
        (np.full((6, 2), "a"), r"y.npy has the shape \(6, 2\)"),
        (np.arange(-1, 5), "y.npy holds the label -1"),
        (np.arange(6) + 99_995, "y.npy holds the label 100000, which is no class from 0 to 99999"),
        (np.arange(6) * 1e30, "y.npy holds the label 5e\\+30"),
        (np.array([{}] * 6, object), "y.npy holds Python objects, which are not opened"),
    ],
)
def test_labels_that_do_not_fit_are_told(tmp_path: Path, labels: np.ndarray, says: str) -> None:
    with pytest.raises(UserError, match=says) as told:
        open_arrays(save(tmp_path / "x.npz", x=GREY, y=labels))
    assert "cannot be read" not in str(told.value)


def test_names_of_files_are_no_classes() -> None:
    with pytest.raises(UserError, match="FILE holds 100,001 different texts"):
        as_labels(np.arange(100_001).astype(str), "FILE")


def test_letters_that_there_are_not_are_told(tmp_path: Path) -> None:
    for dtype in ("<u4", ">u4"):
        labels = np.array([0x110000, 65, 66, 67, 68, 69], dtype).view(dtype.replace("u4", "U1"))
        with pytest.raises(UserError, match=r"y\.npy cannot be read as labels \(it holds letters"):
            open_arrays(save(tmp_path / "x.npz", x=GREY, y=labels))


def test_parts_whose_labels_differ_in_kind_are_told(tmp_path: Path) -> None:
    path = save(tmp_path / "x.npz", x_train=GREY, y_train=np.arange(6), x_test=GREY, y_test=np.eye(6))
    with pytest.raises(UserError, match=r"y_train\.npy and the labels of the other parts cannot be read as labels"):
        open_arrays(path)


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({"a": GREY, "b": GREY}, "holds the arrays a.npy, b.npy, and none of them is called images"),
        ({"a": GREY[0], "b": GREY[1]}, "none of them is called images"),
        ({"labels": GREY[0, 0], "y": GREY[0, 0]}, "none of them is called images"),
        ({"x": GREY, "X": GREY}, "holds both X.npy and x.npy"),
        ({"x": GREY, "train_x": GREY, "x_train": GREY}, "holds both train_x.npy and x_train.npy"),
        ({"images": GREY, "x_test": GREY}, "holds images.npy beside parts"),
        ({}, r"holds the arrays \(none\)"),
        ({"points": GREY[0]}, r"points.npy has the shape \(5, 7\); pictures are"),
    ],
)
def test_unclear_names_are_told(tmp_path: Path, named: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        open_arrays(save(tmp_path / "x.npz", **named))


def test_other_files_are_not_claimed(tmp_path: Path) -> None:
    def claimed(*names: str) -> bool:
        for file in tmp_path.iterdir():
            file.unlink()
        for name in names:
            (tmp_path / name).write_bytes(b"")
        return Arrays.claims(open_container(tmp_path))

    assert claimed("a.npz")
    assert claimed("a.npy", "b.txt")
    assert claimed("train_images.npy", "features.npy")
    assert not claimed("a.npz", "b.npz")
    assert not claimed("a.npy", "b.npy")
    assert not claimed("labels.npy", "b.npy")
    assert not claimed("a.npz", "a.png")
    assert not claimed("images.npy", "a.jpg")
    assert not claimed("a.txt")
    assert not claimed()
