"""CIFAR in its four published layouts: what is written comes back, and what does not fit is told."""

from __future__ import annotations

import pickle
import random
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganvas.data.archives import open_container
from ganvas.data.sources.cifar import Cifar
from ganvas.errors import UserError

N = 7
COARSE, FINE = [f"group{i}" for i in range(20)], [f"thing_{i}" for i in range(100)]
TEN = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
FOLDERS = ("cifar-10-batches-bin", "cifar-100-binary", "cifar-10-batches-py", "cifar-100-python")


def batch(name: str) -> tuple[np.ndarray, list[int], list[int]]:
    """(pixels uint8 [N, 3072], coarse labels, fine or only labels) that a file of that name is written with."""
    draw = np.random.default_rng(sum(name.encode()))
    classes = 10 if "batch" in name else 100
    labels = draw.integers(0, classes, N)
    return draw.integers(0, 256, (N, 3072), np.uint8), (labels % 20).tolist(), labels.tolist()


def write(parent: Path, folder: str, protocol: int = 2) -> Path:
    """One layout as Krizhevsky published it, with N pictures a batch."""
    (at := parent / folder).mkdir(parents=True)
    ten, binary = folder.startswith("cifar-10-"), folder.endswith(("bin", "binary"))
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"] if ten else ["train", "test"]:
        pixels, coarse, fine = batch(name)
        if binary:
            labels = [fine] if ten else [coarse, fine]
            rows = np.concatenate([np.array(labels, np.uint8).T, pixels], axis=1)
            (at / f"{name}.bin").write_bytes(rows.tobytes())
        else:
            content = {b"labels": fine} if ten else {b"coarse_labels": coarse, b"fine_labels": fine}
            files = [b"leaf_%d.png" % i for i in range(N)]
            content = {b"batch_label": name.encode(), **content, b"data": pixels, b"filenames": files}
            (at / name).write_bytes(pickle.dumps(content, protocol))
    if binary and ten:
        (at / "batches.meta.txt").write_text("\n".join(TEN) + "\n\n")
    elif binary:
        (at / "coarse_label_names.txt").write_text("\n".join(COARSE) + "\n")
        (at / "fine_label_names.txt").write_text("\n".join(FINE) + "\n")
    else:
        words = {"label_names": TEN} if ten else {"coarse_label_names": COARSE, "fine_label_names": FINE}
        meta = {k.encode(): [w.encode() for w in v] for k, v in words.items()} | {b"num_vis": 3072}
        (at / ("batches.meta" if ten else "meta")).write_bytes(pickle.dumps(meta, protocol))
    return at


def open_cifar(path: Path, split: str | None = None) -> Cifar:
    files = open_container(path)
    assert Cifar.claims(files)
    return Cifar(files, split)


def check(source: Cifar, folder: str, part: str) -> None:
    ten = folder.startswith("cifar-10-")
    suffix = ".bin" if folder.endswith(("bin", "binary")) else ""
    names = ["test_batch" if ten else "test"] if part == "test" else [f"data_batch_{i}" for i in range(1, 6)]
    names = names if ten or part == "test" else ["train"]
    written = [batch(name) for name in names]
    assert len(source) == N * len(names)
    assert source.label_names == tuple(TEN if ten else FINE)
    assert source.labels is not None
    assert source.labels.tolist() == [label for _, _, labels in written for label in labels]
    for i in range(len(source)):
        red_green_blue = written[i // N][0][i % N].reshape(3, 32, 32)
        picture = np.asarray(source.read(i))
        assert picture.shape == (32, 32, 3)
        assert np.array_equal(np.moveaxis(picture, 2, 0), red_green_blue)
        assert source.where(i).endswith(f"{names[i // N]}{suffix}, image {i % N}")
    if ten:
        assert source.attributes is None
    else:
        assert source.attributes is not None
        assert source.attributes.names == ("coarse",)
        assert source.attributes.words == {"coarse": tuple(COARSE)}
        assert source.attributes.values.tolist() == [[c] for _, coarse, _ in written for c in coarse]


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("folder", FOLDERS)
def test_layouts(tmp_path: Path, folder: str, part: str) -> None:
    at = write(tmp_path / "sets", folder)
    with tarfile.open(tmp_path / f"{folder}.tar.gz", "w:gz") as tar:
        tar.add(at, folder)
    for path in (at, tmp_path / "sets", tmp_path / f"{folder}.tar.gz"):
        source = open_cifar(path, part)
        check(source, folder, part)
        assert source.name == {at: folder, tmp_path / "sets": "sets"}.get(path, folder) + "-test" * (part == "test")
    assert open_cifar(at).fingerprint == open_cifar(at, "train").fingerprint != open_cifar(at, "test").fingerprint


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("folder", FOLDERS[2:])
def test_pickles_of_every_protocol(tmp_path: Path, folder: str, protocol: int) -> None:
    check(open_cifar(write(tmp_path, folder, protocol)), folder, "train")


@pytest.mark.parametrize("folder", FOLDERS)
def test_files_cut_short_are_told_by_name(tmp_path: Path, folder: str) -> None:
    at = write(tmp_path, folder)
    draw = random.Random(0)
    for file in sorted(at.iterdir()):
        whole = file.read_bytes()
        is_text = file.suffix == ".txt"
        part = "test" if file.name.startswith("test") else "train"
        for length in (0, 1, draw.randrange(2, len(whole) - 10), len(whole) // 2, len(whole) - (20 if is_text else 1)):
            file.write_bytes(whole[:length])
            with pytest.raises(UserError, match=file.name):
                open_cifar(at, part)
        file.write_bytes(whole)


@pytest.mark.parametrize("folder", FOLDERS)
def test_missing_files_are_told(tmp_path: Path, folder: str) -> None:
    at = write(tmp_path, folder)
    for file in sorted(at.iterdir()):
        part = "test" if file.name.startswith("test") else "train"
        file.rename(aside := tmp_path / "aside")
        if file.name == "fine_label_names.txt" or part == "test" or "1" in file.name or "_" not in file.name:
            assert Cifar.claims(open_container(at))
        with pytest.raises(UserError, match=f"has no file {file.name}"):
            Cifar(open_container(at), part)
        aside.rename(file)


@pytest.mark.parametrize(
    ("folder", "file", "at", "says"),
    [
        ("cifar-10-batches-bin", "data_batch_3.bin", 3073 * 2, "image 2 has the label 255, and there are 10 classes"),
        ("cifar-100-binary", "train.bin", 3074 * 5, "image 5 has the label 255, and there are 20 classes"),
        ("cifar-100-binary", "train.bin", 3074 * 5 + 1, "image 5 has the label 255, and there are 100 classes"),
    ],
)
def test_wrong_labels_are_told(tmp_path: Path, folder: str, file: str, at: int, says: str) -> None:
    path = write(tmp_path, folder) / file
    content = bytearray(path.read_bytes())
    content[at] = 255
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"{file}: {says}"):
        open_cifar(path.parent)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"labels": [0] * 6}, r"labels of shape \(6,\) for its 7 images"),
        ({"labels": [0] * 6 + [-1]}, "image 6 has the label -1"),
        ({"labels": [0] * 6 + ["cat"]}, "no array of integers 'labels'"),
        ({"labels": None}, "no array of integers 'labels'"),
        ({"data": np.zeros((7, 3073), np.uint8)}, r"uint8 \(7, 3073\)"),
        ({"data": np.zeros((7, 3072), np.int16)}, r"int16 \(7, 3072\)"),
        ({"data": np.zeros((7, 3072), np.float32)}, "which are no integers"),
        ({"data": np.zeros((0, 3072), np.uint8), "labels": []}, r"uint8 \(0, 3072\)"),
    ],
)
def test_batches_that_do_not_fit_are_told(tmp_path: Path, changed: dict[str, object], says: str) -> None:
    path = write(tmp_path, "cifar-10-batches-py") / "data_batch_2"
    content = {"data": np.zeros((7, 3072), np.uint8), "labels": [0] * 7}
    path.write_bytes(pickle.dumps(content, 4))
    open_cifar(path.parent)
    path.write_bytes(pickle.dumps(content | changed, 4))
    with pytest.raises(UserError, match=says) as told:
        open_cifar(path.parent)
    assert "data_batch_2" in str(told.value)


def test_wrong_numbers_of_names_are_told(tmp_path: Path) -> None:
    at = write(tmp_path, "cifar-10-batches-bin")
    (at / "batches.meta.txt").write_text("\n".join(TEN[:9]))
    with pytest.raises(UserError, match=r"batches.meta.txt names 9 classes, and there are 10"):
        open_cifar(at)


def test_two_copies_are_told(tmp_path: Path) -> None:
    write(tmp_path, "cifar-10-batches-bin")
    write(tmp_path, "cifar-10-batches-py")
    with pytest.raises(UserError, match=r"several times \(cifar-10-batches-bin, cifar-10-batches-py\)"):
        open_cifar(tmp_path)


def test_an_unknown_part_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no part 'val'; its parts are train and test"):
        open_cifar(write(tmp_path, "cifar-100-python"), "val")


def test_pictures_in_folders_of_such_names_are_not_claimed(tmp_path: Path) -> None:
    for folder in ("train", "test"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / folder / "a.png")
    (tmp_path / "meta").write_text("about")
    (tmp_path / "train.bin").write_bytes(b"something else")
    assert not Cifar.claims(open_container(tmp_path))
    shutil.rmtree(tmp_path)


def test_mutated_binaries_are_read_or_told(tmp_path: Path) -> None:
    path = write(tmp_path, "cifar-100-binary") / "train.bin"
    whole, draw, told = path.read_bytes(), random.Random(1), 0
    for _ in range(200):
        content = bytearray(whole)
        for place in (draw.randrange(len(whole)), 3074 * draw.randrange(N) + draw.randrange(2)):
            content[place] = draw.randrange(256)
        path.write_bytes(content[: draw.choice([None, draw.randrange(len(whole))])])
        try:
            assert len(open_cifar(path.parent)) == N
        except UserError as e:
            told += 1
            assert "train.bin" in str(e)
    assert 100 < told < 200
