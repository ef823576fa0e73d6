"""The npy and npz files of NumPy are never trusted: what they promise is checked, and nothing in them is run."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ganvas.data.archives import open_container
from ganvas.data.sources import npy as npy_module
from ganvas.data.sources.arrays import Arrays
from ganvas.errors import UserError


def open_arrays(path: Path, split: str | None = None) -> Arrays:
    files = open_container(path)
    assert Arrays.claims(files)
    return Arrays(files, split)


def pixels(source: Arrays) -> np.ndarray:
    return np.stack([np.asarray(source.read(i)) for i in range(len(source))])


def npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, values)
    return file.getvalue()


def header(descr: str, shape: str, values: bytes = b"", more: str = "") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}{more}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + values


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is no npy file that can be read"),
        (b"not an array", "is no npy file that can be read"),
        (header("'|u1'", "(2, 2, 2)", bytes(7)), "promises 8 bytes and holds 7"),
        (header("'|u1'", "(2, 2, 2)", bytes(9)), "promises 8 bytes and holds 9"),
        (header("'|u1'", "(2, 2, 1000000000000)", bytes(9)), "promises 4,000,000,000,000 bytes"),
        (header("'|u1'", "(2, -2, -2)", bytes(8)), "neither pictures nor labels"),
        (header("'|u1'", "(9, 0, 2)"), "is empty"),
        (header("'|O'", "(2, 2, 2)", bytes(64)), "Python objects"),
        (header("[('a', '|O')]", "(2, 2, 2)", bytes(64)), "Python objects"),
        (header("'<U0'", "(2, 2, 2)"), "neither pictures nor labels"),
        (header("'|V0'", "(2, 2, 100000000000)"), "neither pictures nor labels"),
        (header("__import__('os').mkdir('sentinel')", "(2, 2, 2)"), "is no npy file that can be read"),
        (header("'|u1'", "(2, 2, 2)", more=", 'more': 1"), "is no npy file that can be read"),
        (header("'|u1'", "-" * 9000 + "1"), "is no npy file that can be read"),
        (header("'|u1'", "(" * 3000), "is no npy file that can be read"),
        (header("'|u1'", "(" + "9" * 5000 + ",)"), "is no npy file that can be read"),
        (b"\x93NUMPY\x03\x00" + bytes(200), "is no npy file that can be read"),
    ],
)
def test_hostile_headers_are_told(tmp_path: Path, content: bytes, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.npy").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as z:
        z.writestr("x.npy", content)
    for name in ("x.npy", "x.npz"):
        with pytest.raises(UserError, match=says) as told:
            open_arrays(tmp_path / name)
        assert name in str(told.value)
    assert not (tmp_path / "sentinel").exists()


def test_an_array_too_large_for_memory_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, x=np.zeros((100, 100, 100), np.uint8))
    monkeypatch.setattr(npy_module, "MOST_BYTES_UNPACKED", 1_000_000)
    with pytest.raises(UserError, match=r"x.npz/x.npy cannot be read: it has 0.0 GB, too many"):
        open_arrays(path)
    np.save(tmp_path / "x.npy", np.zeros((100, 100, 100), np.uint8))
    assert len(open_arrays(tmp_path / "x.npy")) == 100  # mapped


def mutated(draw: random.Random, content: bytes) -> bytes:
    mutant = bytearray(content)
    for _ in range(draw.randint(1, 3)):
        place = draw.randrange(len(mutant))
        match draw.randrange(4):
            case 0 | 1:
                mutant[place] = draw.randrange(256)
            case 2:
                del mutant[place : place + draw.randint(1, 8)]
            case _:
                mutant[place:place] = draw.randbytes(draw.randint(1, 4))
    return bytes(mutant[: draw.choice([None, None, None, draw.randrange(1, len(content))])])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["npy", "npz", "packed", "images", "labels"])
def test_mutated_files_are_read_or_told(tmp_path: Path, kind: str) -> None:
    draw, outcomes = random.Random(kind), {"read": 0, "told": 0}
    path = tmp_path / ("x.npy" if kind == "npy" else "x.npz")
    values = np.linspace(0, 1, 4 * 4 * 4).reshape(4, 4, 4).astype(np.float32)
    inside = {"x.npy": npy(values), "y.npy": npy(np.array(["ab", "c", "d", "ab"]))}
    (np.savez_compressed if kind == "packed" else np.savez)(tmp_path / "whole.npz", x=values, y=np.arange(4))
    whole = inside["x.npy"] if kind == "npy" else (tmp_path / "whole.npz").read_bytes()
    for _ in range(400):
        if kind in ("images", "labels"):  # in an archive that is whole
            name = "x.npy" if kind == "images" else "y.npy"
            with zipfile.ZipFile(path, "w") as z:
                for each, content in inside.items():
                    z.writestr(each, mutated(draw, content) if each == name else content)
        else:
            path.write_bytes(mutated(draw, whole))
        try:
            source = open_arrays(path)
            assert pixels(source).dtype == np.uint8
            assert source.labels is None or len(source.labels) == len(source)
            outcomes["read"] += 1
        except UserError as e:
            outcomes["told"] += 1
            assert path.name in str(e)
    assert outcomes["told"] > 100
    assert outcomes["read"] > 0
