"""Hugging Face datasets in local folders, whole and as streams; those of a hub are in test_hub_online.py."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before anything imports `datasets`

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tables import pets, values

from ganvas.data import load
from ganvas.data.pictures import Unreadable
from ganvas.data.sources.arrow import Beside
from ganvas.data.sources.hub import open_hub
from ganvas.errors import UserError


@pytest.fixture(autouse=True)
def own_downloads(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two parts in Parquet files, and two configurations in another folder."""
    found = tmp_path / "pets"
    (found / "data").mkdir(parents=True)
    pets([3, 4, 5, 6], age=[1, 2, 3, 4]).to_parquet(found / "data" / "train-00000-of-00001.parquet")
    pets([7, 8], age=[5, 6]).to_parquet(found / "data" / "test-00000-of-00001.parquet")
    return found


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of picture files, whose tables hold their paths."""
    found = tmp_path / "photos"
    for i, kind in enumerate(("cat", "dog")):
        (found / "train" / kind).mkdir(parents=True)
        Image.new("RGB", (8, 8), (i, 0, 0)).save(found / "train" / kind / "a.png")
    return found


def test_a_local_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    s = open_hub(str(folder))
    assert (s.name, s.splits, values(s)) == ("pets", ("train", "test"), [3, 4, 5, 6])
    assert s.labels is not None and s.attributes is not None
    assert (s.labels.tolist(), s.label_names) == ([0, 1, 2, 0], ("cat", "dog", "emu"))
    assert (s.attributes.names, s.attributes.values.tolist()) == (("age",), [[1], [2], [3], [4]])
    assert s.where(2) == f"hub:{folder}, row 2"
    test = open_hub(f"{folder}:test", "train")  # the name outweighs the split
    assert (test.name, values(test)) == ("pets-test", [7, 8])
    assert values(open_hub(str(folder), "test")) == [7, 8]
    assert len({s.fingerprint, test.fingerprint, open_hub(str(folder)).fingerprint}) == 2
    with pytest.raises(UserError, match="no part 'unseen'; its parts are train and test"):
        open_hub(str(folder), "unseen")
    monkeypatch.chdir(folder.parent)
    assert load("hub:./pets:test").samples[:, 0, 0, 0].tolist() == [7, 8]


def test_picture_files_of_its_own_are_read(pictures: Path) -> None:
    s = open_hub(str(pictures))
    assert (values(s), s.label_names) == ([0, 1], ("cat", "dog"))
    old = s.fingerprint
    Image.new("RGB", (8, 8), (9, 0, 0)).save(pictures / "train" / "dog" / "b.png")
    s = open_hub(str(pictures))
    assert (sorted(values(s)), s.fingerprint != old) == ([0, 1, 9], True)


def test_pictures_in_a_zip_of_its_own_are_read(pictures: Path) -> None:
    with zipfile.ZipFile(pictures / "train.zip", "w") as z:
        z.write(pictures / "train" / "dog" / "a.png", "a.png")
    shutil.rmtree(pictures / "train")
    assert values(open_hub(str(pictures))) == [1]
    assert values(open_hub(f"{pictures}?stream&n=1")) == [1]


FOREIGN = (
    "{outside}/secret.png",
    "{folder}/../secret.png",
    "{folder}/link.png",
    "secret.png",
    "zip://secret.png::{outside}/secret.zip",
    "file://{outside}/secret.png",
    "http://127.0.0.1:9/x.png",
    "hf://datasets/owner/other@main/x.png",
    "\0",
)


@pytest.mark.parametrize("path", FOREIGN)
@pytest.mark.parametrize("stream", ["", "?stream&n=2"])
def test_other_paths_are_never_opened(tmp_path: Path, path: str, stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets as hf

    folder, secret = tmp_path / "set", tmp_path / "secret.png"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(secret)
    with zipfile.ZipFile(tmp_path / "secret.zip", "w") as z:
        z.write(secret, "secret.png")
    monkeypatch.chdir(tmp_path)
    cells = [{"bytes": None, "path": path.format(outside=tmp_path, folder=folder)}, {"bytes": None, "path": None}]
    image = pa.array(cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    schema = hf.Features({"image": hf.Image()}).arrow_schema
    pq.write_table(pa.table({"image": image}).cast(schema), folder / "train.parquet")
    s = open_hub(f"{folder}{stream}")
    (folder / "link.png").symlink_to(secret)
    for i in range(2):
        with pytest.raises((Unreadable, ValueError), match=r"bytes are not in the file|null byte"):
            s.read(i)


OTHERS = (
    "hf://datasets/owner/other@a/x.png",
    "hf://datasets/owner/name@a/../../other@a/x.png",
    "hf://datasets/owner/name@a/x.png::http://127.0.0.1:9/x.zip",
    "file:///etc/passwd::hf://datasets/owner/name@a/x.zip",
    "zip://x.png::simplecache::hf://datasets/owner/name@a/x.zip",
)


@pytest.mark.parametrize("path", OTHERS)
def test_only_addresses_of_its_own_are_fetched(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    monkeypatch.setattr(fsspec, "open", lambda *_: pytest.fail("it is fetched"))
    with pytest.raises(Unreadable, match="bytes are not in the file"):
        Beside([], "hf://datasets/owner/name@").picture({"bytes": None, "path": path})


def test_a_stream(folder: Path) -> None:
    s = open_hub(f"{folder}?stream&n=3")
    assert (s.sequential, len(s), s.labels, values(s)) == (True, 3, None, [3, 4, 5])
    assert [p.getpixel((0, 0))[0] for p in s.records()] == [3, 4, 5]  # type: ignore[union-attr,index]
    assert s.labels is not None and s.attributes is not None
    assert (s.labels.tolist(), s.label_names, s.attributes.values.tolist()) == (
        [0, 1, 2],
        ("cat", "dog", "emu"),
        [[1], [2], [3]],
    )
    assert s.problems == ()

    short = open_hub(f"{folder}?stream&n=9:test")
    assert (len(short), len(list(short.records())), len(short)) == (9, 2, 2)
    with pytest.raises(UserError, match=r"does not say how many pictures it holds; .* &n=5000"):
        open_hub(f"{folder}?stream")
    d = load(f"hub:{folder}?stream&n=3")
    assert d.labels is not None
    assert (d.samples[:, 0, 0, 0].tolist(), d.labels.tolist()) == ([3, 4, 5], [0, 1, 2])


@pytest.mark.parametrize(
    ("promised", "read", "says"), [(4, 4, None), (6, 4, "ends after 4 of the 6"), (2, 2, "more than the 2")]
)
def test_a_stream_that_breaks_its_promise(folder: Path, promised: int, read: int, says: str | None) -> None:
    sizes = f"  - name: train\n    num_examples: {promised}\n    num_bytes: 1\n"
    (folder / "README.md").write_text(f"---\ndataset_info:\n  splits:\n{sizes}---\n")
    s = open_hub(f"{folder}?stream")
    assert len(s) == promised
    assert (len(list(s.records())), len(s)) == (read, read)
    assert s.labels is not None
    assert len(s.labels) == read
    assert [says in p.why for p in s.problems if says] == [True] * bool(says)


def test_mistakes_are_told(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def says(name: str, sentence: str) -> None:
        with pytest.raises(UserError, match=sentence) as e:
            open_hub(name)
        assert str(e.value).startswith(f"hub:{name}")
        assert "\n" not in str(e.value)
        assert "Example" not in str(e.value)

    for name in ("", "a b", "a/b/c/d", "https://hub/a", "?stream", "a/b:c:d:e"):
        says(name, "is no name of a dataset")
    for end in ("?steam", "?n=5", "?stream&n=0", "?stream&n=x", "?stream=1", "?stream&n=9999999999"):
        says(f"{folder}{end}", "is no option")
    says(f"{tmp_path}/none", "there is no folder")
    says("owner/name", "cannot be reached, and was not loaded before")  # as HF_HUB_OFFLINE is set
    (tmp_path / "empty").mkdir()
    says(f"{tmp_path}/empty", "cannot be loaded")
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "train.jsonl").write_text('{"words": "a", "url": "http://x"}\n')
    says(f"{tmp_path}/text", r"no column of pictures.*words \(string\), url \(string\)")
    says(f"{tmp_path}/text?stream&n=1", r"no column of pictures.*words \(string\), url \(string\)")
    program = tmp_path / "program"
    program.mkdir()
    (program / "program.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    says(str(program), "is made by a program, which is never run")
    assert not (tmp_path / "ran").exists()
    configs = "".join(
        f'- config_name: {c}\n  data_files: "data/{f}*"\n' for c, f in (("big", "train"), ("small", "test"))
    )
    (folder / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    says(str(folder), r"must be asked for by configuration.*'big', 'small'")
    says(f"{folder}?config=tiny", r"must be asked for by configuration.*'big', 'small'")
    small = open_hub(f"{folder}?config=small")
    assert (small.name, values(small)) == ("pets-small", [7, 8])
    monkeypatch.setitem(sys.modules, "datasets", None)
    says(str(folder), r"needs the package datasets; install it with: pip install 'ganvas\[hub\]'")
