"""The idx format: what is written comes back, and each of its promises is checked."""

from __future__ import annotations

import gzip
import random
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ganvas.data.archives import open_container
from ganvas.data.containers import OneFile
from ganvas.data.sources import idx as idx_module
from ganvas.data.sources.idx import Idx
from ganvas.errors import UserError


def encoded(values: np.ndarray) -> bytes:
    return bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    return idx_module.read_idx(OneFile(path), path.name, dimensions)


def open_idx(path: Path, split: str | None = None) -> Idx:
    files = open_container(path)
    assert Idx.claims(files)
    return Idx(files, split)


def write_set(folder: Path, part: str = "train", n: int = 20, zipped: bool = True, labels: bool = True) -> np.ndarray:
    folder.mkdir(exist_ok=True, parents=True)
    images = np.random.default_rng(n).integers(0, 256, (n, 6, 5), np.uint8)
    ending, write = (".gz", gzip.compress) if zipped else ("", bytes)
    (folder / f"{part}-images-idx3-ubyte{ending}").write_bytes(write(encoded(images)))
    if labels:
        (folder / f"{part}-labels-idx1-ubyte{ending}").write_bytes(write(encoded(np.arange(n, dtype=np.uint8) % 4)))
    return images


@pytest.mark.parametrize("suffix", [".gz", ""])
def test_round_trip(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"x-idx3-ubyte{suffix}"

    @given(arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, max_side=7)))
    def check(values: np.ndarray) -> None:
        file.write_bytes(gzip.compress(encoded(values), 1) if suffix else encoded(values))
        assert np.array_equal(read_idx(file, 3), values)

    check()


@pytest.mark.parametrize("suffix", [".gz", ""])
def test_every_truncation_is_told(tmp_path: Path, suffix: str) -> None:
    whole = encoded(np.arange(24, dtype=np.uint8).reshape(4, 2, 3))
    whole = gzip.compress(whole) if suffix else whole
    file = tmp_path / f"x-idx3-ubyte{suffix}"

    @given(st.integers(0, len(whole) - 1))
    def check(length: int) -> None:
        file.write_bytes(whole[:length])
        with pytest.raises(UserError, match="x-idx3-ubyte"):
            read_idx(file, 3)

    check()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (encoded(np.zeros((2, 2), np.uint8)), "not an idx file"),
        (b"\0\0\x0d\3" + encoded(np.zeros((1, 2, 2), np.uint8))[4:], "not an idx file"),
        (encoded(np.zeros((2, 2, 2), np.uint8)) + b"!", "holds more"),
        (encoded(np.zeros((0, 2, 2), np.uint8)), "promises 0 x 2 x 2"),
        (b"\0\0\x08\3" + struct.pack(">3I", 1 << 31, 1 << 31, 1 << 31), "which no such set has"),
        (b"just some text", "not an idx file"),
    ],
)
def test_wrong_contents_are_told(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "plain").write_bytes(content)
    (tmp_path / "zipped.gz").write_bytes(gzip.compress(content))
    for name in ("plain", "zipped.gz"):
        with pytest.raises(UserError, match=says) as told:
            read_idx(tmp_path / name, 3)
        assert "cannot be read" not in str(told.value)
    (tmp_path / "not.gz").write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        read_idx(tmp_path / "not.gz", 3)


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idx_module, "MOST_BYTES", 100)
    (tmp_path / "x.gz").write_bytes(gzip.compress(encoded(np.zeros((101, 1, 1), np.uint8))))
    with pytest.raises(UserError, match="promises 101 x 1 x 1"):
        read_idx(tmp_path / "x.gz", 3)


def test_mutated_files_are_read_or_told(tmp_path: Path) -> None:
    whole = gzip.compress(encoded(np.arange(24, dtype=np.uint8).reshape(4, 2, 3)))
    draw, told = random.Random(0), 0
    for _ in range(500):
        content = bytearray(whole)
        for _ in range(draw.randint(1, 3)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        (tmp_path / "x.gz").write_bytes(content)
        try:
            read_idx(tmp_path / "x.gz", 3)
        except UserError:
            told += 1
    assert told > 250


@pytest.mark.parametrize("zipped", [True, False])
def test_parts(tmp_path: Path, zipped: bool) -> None:
    folder = tmp_path / "letters"
    train, test = write_set(folder, "train", 20, zipped), write_set(folder, "t10k", 8, zipped)
    for split, images, says in ((None, train, "letters"), ("train", train, "letters"), ("test", test, "letters-test")):
        source = open_idx(folder, split)
        assert (source.name, len(source), source.label_names) == (says, len(images), ("0", "1", "2", "3"))
        assert source.labels is not None
        assert source.labels.tolist() == [i % 4 for i in range(len(images))]
        assert np.array_equal(np.asarray(source.read(3)), images[3])
    assert open_idx(folder).fingerprint != open_idx(folder, "test").fingerprint
    assert open_idx(folder).where(7).endswith(("ubyte, image 7", "ubyte.gz, image 7"))


def test_in_archives_and_folders_below(tmp_path: Path) -> None:
    images = write_set(tmp_path / "set/MNIST/raw")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as z:
        z.write(tmp_path / "set/MNIST/raw/train-images-idx3-ubyte.gz", "train-images-idx3-ubyte.gz")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "set/MNIST/raw", "raw")
    for name, labelled in (("set", True), ("a.zip", False), ("a.tar.gz", True)):
        source = open_idx(tmp_path / name)
        assert np.array_equal(np.stack([np.asarray(source.read(i)) for i in range(len(source))]), images)
        assert (source.labels is not None) == labelled


def test_unpacked_files_may_lie_in_folders_of_their_names(tmp_path: Path) -> None:
    images = write_set(tmp_path, zipped=False)
    for what in ("images-idx3", "labels-idx1"):  # as in the popular copy of MNIST
        name = f"train-{what}-ubyte"
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / name).rename(tmp_path / "set" / name / name)
    source = open_idx(tmp_path / "set")
    assert (len(source), source.label_names) == (len(images), ("0", "1", "2", "3"))


def test_parts_may_lie_in_folders_of_their_own(tmp_path: Path) -> None:
    images = write_set(tmp_path / "train"), write_set(tmp_path / "test", "t10k", 8)
    for split, expected in zip(("train", "test"), images, strict=True):
        source = open_idx(tmp_path, split)
        assert np.array_equal(np.asarray(source.read(7)), expected[7])
        assert source.labels is not None


def test_several_sets_are_told(tmp_path: Path) -> None:
    write_set(tmp_path / "digits")
    write_set(tmp_path / "shoes")
    with pytest.raises(UserError, match=r"several sets of idx files \(digits, shoes\)"):
        open_idx(tmp_path)


def test_parts_that_do_not_fit_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    write_set(folder, "t10k")
    with pytest.raises(UserError, match="train part is missing"):
        open_idx(folder)
    with pytest.raises(UserError, match="no part 'valid'; its parts are train and test"):
        open_idx(folder, "valid")
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(encoded(np.zeros(19, np.uint8))))
    with pytest.raises(UserError, match="19 labels for the 20 images"):
        open_idx(folder, "test")


def test_without_labels(tmp_path: Path) -> None:
    write_set(tmp_path / "plain", labels=False)
    assert open_idx(tmp_path / "plain").labels is None


def test_other_files_are_not_claimed(tmp_path: Path) -> None:
    for name in ("train-labels-idx1-ubyte", "my-train-images-idx3-ubyte", "train-images-idx3-ubyte.txt", "a.png"):
        (tmp_path / name).write_bytes(b"")
    assert not Idx.claims(open_container(tmp_path))


@pytest.mark.parametrize(("name", "part", "n"), [("mnist", "train", 60_000), ("fashion-mnist", "test", 10_000)])
def test_published_sets(shared_data: Path, name: str, part: str, n: int) -> None:
    source = open_idx(shared_data / name, part)
    assert source.labels is not None
    assert np.bincount(source.labels).sum() == len(source) == n
    assert source.label_names == tuple("0123456789")
    assert source.read(0).size == (28, 28)
