"""Parquet files are never trusted: neither their promises, nor the paths in them, nor that they are whole."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tables import opened, png, read_all, write

from ganvas.data import load
from ganvas.data.sources import parquet as parquet_module
from ganvas.errors import UserError


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """32 MB in one row group, and a small file that repeats one picture of 1 MB in all of its 100 rows."""
    chance = random.Random(0)
    blobs = [chance.randbytes(1 << 17) for _ in range(256)]
    large = pa.table({"image": pa.array(blobs, pa.binary())})
    pq.write_table(large, tmp_path / "large.parquet", write_batch_size=8)  # in pages of a megabyte
    repeated = pa.table({"image": pa.array([chance.randbytes(1 << 20)] * 100, pa.binary())})
    pq.write_table(repeated, tmp_path / "repeated.parquet", dictionary_pagesize_limit=1 << 30)
    del large, repeated, blobs
    monkeypatch.setattr(parquet_module, "KEPT_BYTES", 1 << 22)
    for name, most in (("large", 10 << 20), ("repeated", 24 << 20)):
        before = pa.total_allocated_bytes()
        s = opened(tmp_path / f"{name}.parquet")
        for i in (0, len(s) - 1):
            s._rows.image(i)
            assert pa.total_allocated_bytes() - before < most
        s = None


def test_a_path_in_the_file_is_never_opened(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png(9))
    cells = [{"bytes": None, "path": str(tmp_path / "secret.png")}, {"bytes": png(1), "path": "/etc/passwd"}, None]
    folder = tmp_path / "set"
    s = opened(
        write(folder / "x.parquet", image=pa.array(cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())])))
    )
    d = load(str(folder))
    assert d.samples[:, 0, 0, 0].tolist() == [1]
    assert [p.file for p in d.problems] == [s.where(0), s.where(2)]
    assert all("bytes are not in the file" in p.why for p in d.problems)


def test_sets_without_pictures_are_told(tmp_path: Path) -> None:
    pq.write_table(pa.table({"url": ["http://x/a.png"], "n": [1]}), tmp_path / "u.parquet")
    with pytest.raises(UserError, match=r"columns are url \(string\), n \(int64\) \(addresses .* not downloaded\)"):
        opened(tmp_path / "u.parquet")
    with pytest.raises(UserError, match="has no rows"):
        opened(write(tmp_path / "none.parquet", image=pa.array([], pa.binary())))
    write(tmp_path / "two" / "a.parquet", 2, label=[0, 1])
    write(tmp_path / "two" / "b.parquet", 2, label=["x", "y"])
    with pytest.raises(UserError, match=r"b\.parquet and .*a\.parquet have not the same columns"):
        opened(tmp_path / "two")


def test_promises_that_cannot_be_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", image=pa.nulls(1_000_000, pa.binary()))
    assert path.stat().st_size < 100_000
    with pytest.raises(UserError, match=r"x\.parquet promises 1,000,000 rows"):
        opened(path)


def test_every_truncation_is_told(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.parquet", label=[0, 1] * 3).read_bytes()
    cut = tmp_path / "cut.parquet"
    pair = tmp_path / "pair"
    write(pair / "a.parquet", label=[0, 1] * 3)
    (pair / "cut.parquet").write_bytes(whole[:-1])
    with pytest.raises(UserError, match=r"cut\.parquet is no whole Parquet file") as told:
        opened(pair)
    assert str(told.value).count("cut.parquet") == 1
    for length in {*range(0, len(whole), 61), len(whole) - 1, len(whole) - 9}:
        cut.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"cut\.parquet is no whole Parquet file \([^(]"):
            opened(cut)


def test_damage_is_told_or_costs_some_pictures(tmp_path: Path) -> None:
    whole = bytearray(write(tmp_path / "x.parquet", 12, group=4, label=[0, 1, 2] * 4, word=list("ab" * 6)).read_bytes())
    path, chance, outcomes = tmp_path / "x.parquet", random.Random(0), set()
    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(chance.choice([1, 1, 3])):
            damaged[chance.randrange(len(whole))] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            s = opened(path)
        except UserError as e:
            assert "x.parquet" in str(e)
            outcomes.add("told")
            continue
        outcomes |= read_all(s)
    assert outcomes == {"told", "read", "lost"}


def test_damaged_words_are_told(tmp_path: Path) -> None:
    """Whichever byte of the column is damaged, no index beyond its dictionary gets through."""
    path = write(tmp_path / "x.parquet", word=list("abc" * 2))
    about, whole = pq.read_metadata(path).row_group(0).column(2), path.read_bytes()
    for at in range(about.dictionary_page_offset, about.dictionary_page_offset + about.total_compressed_size):
        for value in (0xFF, 0x03, 0x00):
            path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
            try:
                s = opened(path)
            except UserError:
                continue
            assert s.attributes is None or len(s.attributes.values) == 6


def test_a_damaged_row_group_spares_the_others(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", 30, group=10)
    about = pq.read_metadata(path).row_group(1).column(0)
    content = bytearray(path.read_bytes())
    at = about.dictionary_page_offset or about.data_page_offset
    content[at : at + 20] = b"\xff" * 20
    path.write_bytes(content)
    d = load(str(path))
    assert d.samples[:, 0, 0, 0].tolist() == [*range(10), *range(20, 30)]
    assert [p.file for p in d.problems] == [f"{path}, row {i}" for i in range(10, 20)]
    (why,) = {p.why for p in d.problems}
    assert why.startswith("its row group is damaged (Couldn't deserialize")


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UserError, match=r"needs the package pyarrow; install it with: pip install 'ganvas\[hub\]'"):
        opened(path)
