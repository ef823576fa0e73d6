"""The idx format: what is written comes back, and each of its promises is checked."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ganvas.data import load
from ganvas.data.sources import find
from ganvas.data.sources import idx as idx_module
from ganvas.data.sources.base import Source
from ganvas.data.sources.idx import read_idx
from ganvas.errors import UserError


def encoded(values: np.ndarray) -> bytes:
    return bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write_set(folder: Path, part: str = "train", n: int = 20, zipped: bool = True, labels: bool = True) -> np.ndarray:
    folder.mkdir(exist_ok=True)
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
        with pytest.raises(UserError, match=says):
            read_idx(tmp_path / name, 3)
    (tmp_path / "not.gz").write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        read_idx(tmp_path / "not.gz", 3)


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idx_module, "MOST_BYTES", 100)
    (tmp_path / "x.gz").write_bytes(gzip.compress(encoded(np.zeros((101, 1, 1), np.uint8))))
    with pytest.raises(UserError, match="promises 101 x 1 x 1"):
        read_idx(tmp_path / "x.gz", 3)


@pytest.mark.parametrize("zipped", [True, False])
def test_parts(tmp_path: Path, zipped: bool) -> None:
    folder = tmp_path / "letters"
    train, test = write_set(folder, "train", 20, zipped), write_set(folder, "t10k", 8, zipped)
    for name, split, images, says in (
        (f"{folder}", None, train, "letters"),
        (f"{folder}:test", None, test, "letters-test"),
        (f"{folder}", "test", test, "letters-test"),
        (f"{folder}:train", "test", train, "letters"),
    ):
        source = find(name, split)
        assert isinstance(source, Source)
        assert (source.name, len(source), source.label_names) == (says, len(images), ("0", "1", "2", "3"))
        assert source.labels is not None
        assert source.labels.tolist() == [i % 4 for i in range(len(images))]
        assert np.array_equal(np.asarray(source.read(3)), images[3])
    assert load([str(folder)]).fingerprint != load([f"{folder}:test"]).fingerprint


def test_parts_that_do_not_fit_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    write_set(folder, "t10k")
    with pytest.raises(UserError, match="train part is missing"):
        find(str(folder))
    with pytest.raises(UserError, match="no part 'valid'; its parts are train and test"):
        find(str(folder), "valid")
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(encoded(np.zeros(19, np.uint8))))
    with pytest.raises(UserError, match="19 labels for the 20 images"):
        find(f"{folder}:test")


def test_without_labels(tmp_path: Path) -> None:
    write_set(tmp_path / "plain", labels=False)
    assert load(str(tmp_path / "plain")).labels is None
