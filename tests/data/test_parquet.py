"""Parquet files, as `datasets` and `pyarrow` write them, are read by batches of rows, and never trusted."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tables import opened, png, write

from ganvas.data import load
from ganvas.data.archives import open_container
from ganvas.data.sources import parquet as parquet_module
from ganvas.data.sources.columns import picture
from ganvas.data.sources.parquet import Parquet
from ganvas.errors import UserError

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before anything imports `datasets`


def value(source: Parquet, i: int) -> int:
    red, green, _ = source.read(i).getpixel((0, 0))  # type: ignore[misc]
    return red + 256 * green


def values(source: Parquet) -> list[int]:
    return [value(source, i) for i in range(len(source))]


@pytest.fixture(scope="module")
def written_by_datasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import datasets as hf

    hf.disable_progress_bars()
    columns = {
        "image": [Image.new("RGB", (8, 8), (i, 0, 0)) for i in range(6)],
        "label": [0, 1, 2, 0, 1, 2],
        "age": [1, None, 3, 4, 5, 6],
        "tall": [True, False, True, None, True, False],
        "hair": ["red", "black", None, "red", "red", "black"],
        "mood": [1, 0, -1, 1, 1, 0],
    }
    names = {"label": hf.ClassLabel(names=["cat", "dog", "emu"]), "mood": hf.ClassLabel(names=["sad", "gay"])}
    plain = {"image": hf.Image(), "age": hf.Value("int32"), "tall": hf.Value("bool"), "hair": hf.Value("string")}
    whole = hf.Dataset.from_dict(columns, features=hf.Features({c: {**names, **plain}[c] for c in columns}))
    folder = tmp_path_factory.mktemp("pets")
    (folder / "data").mkdir()
    whole.to_parquet(str(folder / "data" / "train-00000-of-00001.parquet"))
    whole.select([5, 4]).to_parquet(str(folder / "data" / "test-00000-of-00001.parquet"))
    return folder


def test_a_dataset_of_the_hub(written_by_datasets: Path) -> None:
    s = opened(written_by_datasets)
    assert (len(s), values(s), s.splits) == (6, [0, 1, 2, 3, 4, 5], ("train", "test"))
    assert s.labels is not None
    assert (s.labels.tolist(), s.label_names) == ([0, 1, 2, 0, 1, 2], ("cat", "dog", "emu"))
    assert s.attributes is not None
    assert s.attributes.names == ("age", "tall", "hair", "mood")
    assert s.attributes.words == {"hair": ("black", "red"), "mood": ("sad", "gay")}
    nan = np.nan
    expected = [[1, 1, 1, 1], [nan, 0, 0, 0], [3, 1, nan, nan], [4, nan, 1, 1], [5, 1, 1, 1], [6, 0, 0, 0]]
    np.testing.assert_array_equal(s.attributes.values, np.array(expected, np.float32))
    assert s.attributes.values.dtype == np.float32
    assert s.where(1).endswith("data/train-00000-of-00001.parquet, row 1")

    test = opened(written_by_datasets, "test")
    assert (values(test), test.name) == ([5, 4], f"{written_by_datasets.name}-test")
    assert test.fingerprint != s.fingerprint
    with pytest.raises(UserError, match="no part 'dev'; its parts are train and test"):
        opened(written_by_datasets, "dev")


def test_it_loads_by_name(written_by_datasets: Path) -> None:
    d = load(f"{written_by_datasets}:test")
    assert d.samples[:, 0, 0, 0].tolist() == [5, 4]
    assert d.labels is not None
    assert d.labels.tolist() == [2, 1]


def test_columns_of_other_hands(tmp_path: Path) -> None:
    lists = pa.array([[[0]]] * 4, pa.list_(pa.list_(pa.uint8())))
    jpg = {"mask": lists, "thumbnail": [b"x"] * 4, "jpg": [png(i) for i in range(4)]}  # by its name, and before lists
    table = pa.table({**jpg, "Class": pa.array(["b", "a", "b", "c"]).dictionary_encode(), "url": ["http://x"] * 4})
    pq.write_table(table, tmp_path / "a.parquet")
    s = opened(tmp_path / "a.parquet")
    assert values(s) == [0, 1, 2, 3]
    assert s.labels is not None
    assert (s.name, s.labels.tolist(), s.label_names) == ("a", [1, 0, 1, 2], ("a", "b", "c"))

    twice = pa.table([[png(1), png(2)], [0, 1], ["a", "b"]], names=["image", "label", "label"])
    pq.write_table(twice, tmp_path / "t.parquet")
    s = opened(tmp_path / "t.parquet")
    assert (values(s), s.labels, s.attributes) == ([1, 2], None, None)

    large = pa.array([png(7), png(8)], pa.large_binary())
    pq.write_table(pa.table({"x": large, "label": pa.array([3, 0], pa.uint8())}), tmp_path / "b.parquet")
    s = opened(tmp_path / "b.parquet")
    assert s.labels is not None
    assert (values(s), s.labels.tolist(), s.label_names) == ([7, 8], [3, 0], ("0", "1", "2", "3"))


def test_pixels_in_lists(tmp_path: Path) -> None:
    import datasets as hf

    rgb = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 3), np.uint8)
    whole = hf.Dataset.from_dict({"pixels": rgb}, features=hf.Features({"pixels": hf.Array3D((5, 6, 3), "uint8")}))
    whole.to_parquet(str(tmp_path / "rgb.parquet"))
    assert np.array_equal(np.asarray(opened(tmp_path / "rgb.parquet").read(1)), rgb[1])
    assert np.array_equal(np.asarray(picture(rgb[0].transpose(2, 0, 1).tolist())), rgb[0])
    pq.write_table(
        pa.table({"grey": pa.array(rgb[..., 0].tolist(), pa.list_(pa.list_(pa.uint8())))}), tmp_path / "g.pq"
    )
    assert np.array_equal(np.asarray(opened(tmp_path / "g.pq").read(1)), rgb[1, ..., 0])


@pytest.mark.parametrize(
    ("labels", "read", "says"),
    [
        ([-1, -1, -1], None, None),  # a published test part: no mistake
        ([0, -1, 2], None, "1 of its 3 rows hold no class"),
        ([0, None, 2], None, "1 of its 3 rows hold no class"),
        ([0, 10**15, 2], None, "3 of its 3 rows hold no class"),
        ([2, 0, 2], [2, 0, 2], None),
        (["b", None, "a"], None, "1 of its 3 rows hold no class"),
    ],
)
def test_labels_with_gaps(tmp_path: Path, labels: list[Any], read: list[int] | None, says: str | None) -> None:
    s = opened(write(tmp_path / "x.parquet", 3, label=labels))
    assert (None if s.labels is None else s.labels.tolist()) == read
    assert [says is not None and says in p.why for p in s.problems] == [True] * bool(says)


def test_texts_are_no_attributes(tmp_path: Path) -> None:
    n = 1001
    images = [{"bytes": b"", "path": None}] * n
    s = opened(
        write(
            tmp_path / "x.parquet",
            image=images,
            caption=list(map(str, range(n))),
            kind=["a", "b", "c"] * 333 + ["a"] * 2,
        )
    )
    assert s.attributes is not None
    assert s.attributes.names == ("kind",)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("data/train-00000-of-00002-0123456789abcdef.parquet", "train"),
        ("plain_text/validation/0000.parquet", "validation"),
        ("dev.parquet", "validation"),
        ("test/train-00000-of-00001.parquet", "train"),
        ("extra-00000-of-00001.parquet", "extra"),
        ("contest.parquet", None),
        ("trainer.parquet", None),
        ("0000.parquet", None),
    ],
)
def test_the_part_is_told_by_the_name(name: str, part: str | None) -> None:
    from ganvas.data.sources.parts import part_named

    assert part_named(name) == part


def test_a_table_among_pictures_is_no_set(tmp_path: Path) -> None:
    write(tmp_path / "metadata.parquet")
    (tmp_path / "a.png").write_bytes(png())
    assert not Parquet.claims(open_container(tmp_path))


def test_parts_of_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", 2)
    write(tmp_path / "val.parquet", 3)
    assert opened(tmp_path).splits == ("train", "validation")
    assert len(opened(tmp_path)) == 2
    assert len(opened(tmp_path, "val")) == len(opened(tmp_path, "valid")) == 3
    with pytest.raises(UserError, match="no part 'test'"):
        opened(tmp_path, "test")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_order_by_any_threads(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder, start = tmp_path_factory.mktemp("many"), 0
    for k in range(data.draw(st.integers(1, 3))):
        n = data.draw(st.integers(0 if k else 1, 40))
        write(
            folder / f"{k}.parquet",
            image=pa.array([png(start + i) for i in range(n)], pa.binary()),
            group=data.draw(st.integers(1, 50)),
        )
        start += n
    s = opened(folder)
    order = data.draw(st.lists(st.integers(0, start - 1), max_size=60))
    with pytest.MonkeyPatch.context() as m, ThreadPoolExecutor(3) as pool:
        m.setattr(parquet_module, "KEPT_BYTES", data.draw(st.sampled_from([1, 5000, 1 << 29])))
        m.setattr(parquet_module, "_READERS", 1)
        assert list(pool.map(lambda i: value(s, i), order)) == order
    assert len(s) == start
