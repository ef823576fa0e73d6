"""Thousands of files, damaged in every way: a set is loaded and names what is wrong, or one sentence tells why not.

Never another exception, never a hang, never much memory, and nothing is written outside the cache.
"""

from __future__ import annotations

import faulthandler
import gzip
import json
import random
import resource
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from picture_files import encoded, listing, png, write_folder, write_tar, write_zip
from PIL import Image

from ganvas.data import Dataset, load
from ganvas.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore")
SLOWEST, MOST_GROWTH_KB = 20, 400_000
SEEDS = [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 40))]

NOISE = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
COLOUR, GREY = Image.fromarray(NOISE), Image.fromarray(NOISE[..., 0])
EXIF = Image.Exif()
EXIF[0x0112] = 6
MOVING = {"save_all": True, "append_images": [Image.fromarray(NOISE[::-1].copy())]}
PICTURES = {
    "rgb.png": encoded(COLOUR, exif=EXIF),
    "rgba.png": encoded(COLOUR.convert("RGBA")),
    "palette.png": encoded(COLOUR.convert("P"), transparency=3),
    "deep.png": encoded(NOISE[..., 0].astype(np.uint16) * 257),
    "moving.png": encoded(COLOUR, **MOVING),
    "rgb.jpg": encoded(COLOUR, "JPEG", exif=EXIF),
    "progressive.jpg": encoded(COLOUR, "JPEG", progressive=True, quality=50),
    "cmyk.jpg": encoded(COLOUR.convert("CMYK"), "JPEG"),
    "a.gif": encoded(COLOUR, "GIF", **MOVING),
    "raw.tif": encoded(COLOUR, "TIFF"),
    "lzw.tif": encoded(COLOUR, "TIFF", compression="tiff_lzw"),
    "jpeg.tif": encoded(COLOUR, "TIFF", compression="jpeg"),
    "deep.tif": encoded(NOISE[..., 0].astype(np.int32), "TIFF"),
    "lossy.webp": encoded(COLOUR, "WEBP", exif=EXIF),
    "lossless.webp": encoded(COLOUR.convert("RGBA"), "WEBP", lossless=True, **MOVING),
    "a.bmp": encoded(COLOUR, "BMP"),
    "palette.bmp": encoded(COLOUR.convert("P"), "BMP"),
    "a.ppm": encoded(COLOUR, "PPM"),
    "a.pgm": encoded(GREY, "PPM"),
}


@pytest.fixture(autouse=True)
def harmless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A hang ends the run with a traceback; memory is looked at; a file written to where we are would be seen."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    faulthandler.dump_traceback_later(600, exit=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    faulthandler.cancel_dump_traceback_later()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_GROWTH_KB


def tree(root: Path) -> list[tuple[str, int, int]]:
    return sorted((str(p), p.lstat().st_size, p.lstat().st_mtime_ns) for p in root.rglob("*"))


def attempt(root: Path, data: Path, **how: Any) -> Dataset | None:
    """Loads, and holds it to its promises."""
    before, start = tree(root), time.perf_counter()
    try:
        d = load(data, size=8, **how)
    except UserError as e:
        d = None
        assert 20 < len(str(e)) < 1500
        assert "\n" not in str(e)
        assert data.name.split(".")[0] in str(e)
    assert time.perf_counter() - start < SLOWEST
    assert tree(root) == before
    for problem in d.problems if d else ():
        assert problem.file
        assert problem.why
        assert "\n" not in problem.file + problem.why
    return d


def damage(draw: random.Random, content: bytes, others: list[bytes]) -> bytes:
    """A few bytes changed, cut, doubled, lied about or taken from another file."""
    out = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 4, 8))):
        at, length = draw.randrange(len(out) + 1), draw.choice((1, 2, 4, 16, 64, 512))
        match draw.randrange(7):
            case 0:
                out[at : at + 1] = bytes([draw.randrange(256)])
            case 1:
                out[at : at + length] = draw.randbytes(length)
            case 2:
                del out[at : at + length]
            case 3:
                out[at:at] = out[at : at + length]
            case 4:
                lie = draw.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF, draw.randrange(1 << 32)))
                out[at : at + 4] = struct.pack(draw.choice("<>") + "I", lie)
            case 5:
                other = draw.choice(others)
                start = draw.randrange(len(other) + 1)
                out[at : at + length] = other[start : start + length]
            case 6:
                del out[at:]
    return bytes(out)


def resealed(content: bytes) -> bytes:
    """A PNG with the checksums that its chunks need to be believed."""
    out, at = bytearray(content), 8
    while at + 12 <= len(out):
        end = at + 8 + int.from_bytes(out[at : at + 4], "big")
        if end + 4 > len(out):
            break
        out[end : end + 4] = struct.pack(">I", zlib.crc32(out[at + 4 : end]))
        at = end + 4
    return bytes(out)


@pytest.mark.parametrize("seed", SEEDS)
def test_damaged_pictures(tmp_path: Path, seed: int, capfd: pytest.CaptureFixture) -> None:
    draw, files = random.Random(seed), {"whole.png": PICTURES["rgb.png"]}
    for i in range(500):
        kind = draw.choice([*PICTURES])
        content = damage(draw, PICTURES[kind], [*PICTURES.values()])
        if kind.endswith("png") and draw.random() < 0.7:
            content = resealed(content)
        name = kind if draw.random() < 0.9 else draw.choice([*PICTURES])  # mislabelled
        files[f"{i:03}-{name}"] = content
    root = write_folder(tmp_path / "set", files)
    how = draw.choice([{}, {"fit": "pad", "background": "red"}, {"fit": "random-crop"}, {"fit": "stretch"}])
    d = attempt(tmp_path, root, channels=draw.choice((None, 1, 3)), **how)
    assert d is not None
    lost = {Path(p.file) for p in d.problems}
    assert lost <= {root / name for name in files}
    assert len(d) + len(lost) == len(files)  # no picture is missing without a word
    assert 50 < len(lost) < 500
    attempt(tmp_path, root, task="pairs")


SMALL = {f"{c}/{i}.png": png(i) for c in "ab" for i in range(3)}
LABELS = listing([[name, i] for i, name in enumerate(SMALL)], label_names=["x", "y", "z", "u", "v", "w"])
TABLE = ("file,age,kind\n" + "".join(f"{name},{i},k{i % 2}\n" for i, name in enumerate(SMALL))).encode()
ALL = SMALL | {"dataset.json": LABELS, "attributes.csv": TABLE}


def headers_again(content: bytes) -> bytes:
    """A tar whose headers have the checksums that they need to be believed."""
    out = bytearray(content)
    for at in range(0, len(out) - 511, 512):
        if out[at + 257 : at + 262] == b"ustar":
            out[at + 148 : at + 156] = b" " * 8
            out[at + 148 : at + 156] = b"%06o\0 " % sum(out[at : at + 512])
    return bytes(out)


def packed(tmp_path: Path, kind: str) -> tuple[bytes, Callable[[bytes], bytes]]:
    """An archive, and how it is mended after the damage so that more of it is believed."""
    if kind == "zip":
        return write_zip(tmp_path / "whole", ALL).read_bytes(), bytes
    if kind == "deflated":
        return write_zip(tmp_path / "whole", ALL, zipfile.ZIP_DEFLATED).read_bytes(), bytes
    content = write_tar(tmp_path / "whole", ALL).read_bytes()[: 512 * 28]  # without most of the empty end
    return (content, headers_again) if kind == "tar" else (content, lambda c: gzip.compress(headers_again(c), 1))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["zip", "deflated", "tar", "tar.gz"])
def test_damaged_archives(tmp_path: Path, kind: str, seed: int) -> None:
    draw = random.Random(seed)
    whole, mend = packed(tmp_path, kind)
    (tmp_path / "whole").unlink()
    loaded = 0
    for i in range(40):
        path = tmp_path / f"set{i}.{kind if kind != 'deflated' else 'zip'}"
        content = damage(draw, whole, [whole, *PICTURES.values()])
        path.write_bytes(mend(content) if draw.random() < 0.7 else content)
        d = attempt(tmp_path, path)
        loaded += d is not None
        if d is not None:
            assert d.problems or len(d) > len(SMALL) / 2  # a picture may have lost its name, but not most of them
        path.unlink()
    assert 0 < loaded < 40 or kind != "zip"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([*SMALL, "labels"]),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=5) | st.just("labels"), inner),
    max_leaves=20,
)
LABEL = st.integers(-2, 5) | st.lists(st.integers(0, 1) | st.floats(), max_size=3) | JSON
ENTRIES = st.tuples(*(st.tuples(st.just(name), LABEL) for name in SMALL))
LISTINGS = JSON | st.fixed_dictionaries({"labels": ENTRIES | JSON}, optional={"label_names": JSON})
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(LISTINGS)
@example({"labels": [(name, None if i == 0 else 0) for i, name in enumerate(SMALL)]})
def test_any_json_as_labels(tmp_path: Path, content: object) -> None:
    root = write_folder(tmp_path / "set", SMALL | {"dataset.json": json.dumps(content).encode()})
    d = attempt(tmp_path, root)
    if d is not None and d.labels is not None:
        assert isinstance(content, dict)
        told = dict(content["labels"])
        unknown = sum(told[name] is None for name in SMALL)
        assert (d.labels == -1).sum() == unknown, "unknown is what the listing calls null, and nothing else"
        assert d.labels.min() >= (-1 if unknown else 0)
        assert d.labels.max() < len(d.label_names)
        assert len(d.labels) == len(d)


ROW = st.dictionaries(st.sampled_from(["file", "age", "name"]) | st.text(max_size=4), JSON, max_size=4)
ROWS = st.lists(ROW | st.fixed_dictionaries({"file": st.sampled_from([*SMALL])}, optional={"v": JSON}), max_size=8)


@FEW
@given(ROWS | JSON)
def test_any_json_as_attributes(tmp_path: Path, content: object) -> None:
    root = write_folder(tmp_path / "set", SMALL | {"attributes.json": json.dumps(content).encode()})
    d = attempt(tmp_path, root)
    if d is not None and d.attributes is not None:
        assert d.attributes.values.shape == (len(d), len(d.attributes.names))
        assert d.attributes.values.dtype == np.float32
        for name, words in d.attributes.words.items():
            column = d.attributes.values[:, d.attributes.names.index(name)]
            assert np.isin(column[~np.isnan(column)], np.arange(len(words))).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("name", "whole"), [("dataset.json", LABELS), ("attributes.csv", TABLE), ("metadata.tsv", TABLE)]
)
def test_damaged_labels_and_tables(tmp_path: Path, name: str, whole: bytes, seed: int) -> None:
    draw = random.Random(seed)
    for i in range(30):
        root = tmp_path / f"set{i}"
        content = damage(draw, whole, [LABELS, TABLE, b'"\r\n\0,,[[[{{{"', "\ufeff\u2028é".encode()])
        write_folder(root, SMALL | {name: content.replace(b",", b"\t") if name.endswith("tsv") else content})
        attempt(tmp_path, root, label=draw.choice((None, None, "age", "kind")))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("zipped", [True, False])
def test_damaged_idx(tmp_path: Path, zipped: bool, seed: int) -> None:
    draw, ending = random.Random(seed), ".gz" if zipped else ""
    images = struct.pack(">4I", 0x803, 20, 6, 5) + draw.randbytes(600)
    labels = struct.pack(">2I", 0x801, 20) + bytes(i % 4 for i in range(20))
    for i in range(40):
        files = {"train-images-idx3-ubyte": images, "train-labels-idx1-ubyte": labels}
        which = draw.choice([*files])
        files[which] = damage(draw, files[which], [images, labels])
        stored = {n: gzip.compress(c, 1) if zipped else c for n, c in files.items()}
        if draw.random() < 0.3:
            stored[which] = damage(draw, stored[which], [images, labels])
        root = write_folder(tmp_path / f"set{i}", {n + ending: c for n, c in stored.items()})
        d = attempt(tmp_path, root)
        assert d is None or (d.labels is not None and len(d.labels) == len(d))


@pytest.mark.slow
def test_the_largest_pictures_fit_in_memory_however_many_threads(tmp_path: Path) -> None:
    huge = encoded(Image.new("RGBA", (9400, 9400), (1, 2, 3, 100)), compress_level=1)
    data = write_zip(tmp_path / "huge.zip", {f"{i}.png": huge for i in range(4)}, zipfile.ZIP_DEFLATED)
    code = (
        "import os, resource; os.cpu_count = lambda: 8\n"
        f"from ganvas.data import load; d = load({str(data)!r}, size=8, decode='always')\n"
        "assert d.samples[:].shape == (4, 8, 8, 3) and not d.lately_skipped()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    said = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert int(said.stdout) < 2_500_000  # kB; four at once would take 5.6 GB
