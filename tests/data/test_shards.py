"""WebDataset shards, as `webdataset` and `tarfile` write them, are read by position and never trusted."""

from __future__ import annotations

import io
import json
import random
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tables import read_all

from ganvas.data import load
from ganvas.data.archives import open_container
from ganvas.data.sources import shard_index, shard_scan
from ganvas.data.sources import shards as shards_module
from ganvas.data.sources.shards import ShardFiles, Shards, expand
from ganvas.errors import UserError


def png(value: int = 0) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (value, 0, 0)).save(file, "PNG")
    return file.getvalue()


def write(path: Path, members: dict[str, bytes] | list[tuple[str, bytes]], **settings: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", **settings) as tar:  # type: ignore[call-overload]
        for name, content in members.items() if isinstance(members, dict) else members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def sample(i: int, label: int | None = None, **known: object) -> dict[str, bytes]:
    members = {f"{i:06d}.png": png(i)}
    if label is not None:
        members[f"{i:06d}.cls"] = b"%d" % label
    if known:
        members[f"{i:06d}.json"] = json.dumps(known).encode()
    return members


def opened(pattern: Path | str, split: str | None = None) -> Shards:
    files = ShardFiles(str(pattern))
    assert Shards.claims(files)
    return Shards(files, split)


def values(source: Shards) -> list[int]:
    return [source.read(i).getpixel((0, 0))[0] for i in range(len(source))]  # type: ignore[index]


@pytest.fixture
def written_by_webdataset(tmp_path: Path) -> Path:
    import webdataset

    (tmp_path / "w").mkdir()
    with webdataset.ShardWriter(str(tmp_path / "w" / "pets-%04d.tar"), maxcount=4, verbose=0) as shards:
        for i in range(10):
            known = {"age": i, "hair": ("red", "black")[i % 2], "tall": i > 4, "list": [1]}
            shards.write(
                {"__key__": f"{i:06d}", "png": np.full((8, 8, 3), i / 255, np.float32), "cls": i % 3, "json": known}
            )
    return tmp_path / "w"


def test_what_webdataset_writes(written_by_webdataset: Path) -> None:
    s = opened(written_by_webdataset / "pets-{0000..0002}.tar")
    assert (s.name, s.streams, values(s), s.spans) == ("pets", True, list(range(10)), ((0, 4), (4, 8), (8, 10)))
    assert s.labels is not None and s.attributes is not None
    assert (s.labels.tolist(), s.label_names) == ([i % 3 for i in range(10)], ("0", "1", "2"))
    assert s.labels.dtype == np.int64
    assert (s.attributes.names, s.attributes.words) == (("age", "hair", "tall"), {"hair": ("black", "red")})
    assert s.attributes.values.tolist() == [[i, 1 - i % 2, i > 4] for i in range(10)]
    assert s.where(5) == f"{written_by_webdataset}/pets-0001.tar/000005.png"
    assert s.problems == ()
    folder = Shards(open_container(written_by_webdataset))
    assert (folder.name, values(folder)) == ("w", values(s))
    one = Shards(open_container(written_by_webdataset / "pets-0001.tar"))
    assert (one.name, values(one), one.spans) == ("pets-0001", [4, 5, 6, 7], ((0, 4),))


def test_it_is_loaded_and_streamed(written_by_webdataset: Path) -> None:
    d = load(f"{written_by_webdataset}/pets-{{0000..0002}}.tar")
    assert d.spans == ((0, 4), (4, 8), (8, 10))
    assert d.samples[[7, 2]][:, 0, 0, 0].tolist() == [7, 2]


def test_the_index_is_read_once(written_by_webdataset: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = opened(written_by_webdataset / "pets-*.tar")
    (kept,) = (cache / "data").iterdir()
    with monkeypatch.context() as m:
        m.setattr(shard_index, "scan", None)  # were it called, it would raise
        again = opened(written_by_webdataset / "pets-*.tar")
    assert (values(again), again.spans, again.fingerprint) == (values(first), first.spans, first.fingerprint)
    assert first.attributes is not None and again.attributes is not None
    assert (again.attributes.names, again.attributes.words) == (first.attributes.names, first.attributes.words)
    assert np.array_equal(first.attributes.values, again.attributes.values)
    assert np.array_equal(first.labels, again.labels)  # type: ignore[arg-type]
    for damage in (kept.read_bytes()[:-40], b"", b"no index"):
        kept.write_bytes(damage)
        assert values(opened(written_by_webdataset / "pets-*.tar")) == values(first)
    write(written_by_webdataset / "pets-0002.tar", sample(99))
    other = opened(written_by_webdataset / "pets-*.tar")
    assert (values(other), other.fingerprint != first.fingerprint) == ([*range(8), 99], True)


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names(tmp_path: Path, kind: int) -> None:
    long, tail = "d/" * 60 + "x", "é猫" * 10
    names = ["./a.b/c.png", "A.PNG", f"{long}.png", f"{tail}.jpeg.png"]
    s = opened(write(tmp_path / "x.tar", {n: png(i) for i, n in enumerate(names)}, format=kind))
    assert values(s) == [0, 1, 2, 3]
    assert [s.where(i) for i in range(4)] == [
        f"{tmp_path}/x.tar/{n}" for n in ("a.b/c.png", "A.png", f"{long}.png", f"{tail}.jpeg.png")
    ]


def test_which_member_is_the_picture(tmp_path: Path) -> None:
    members = {
        "0.mask.png": png(1),
        "0.txt": b"a text",
        "0.jpg": png(2),
        "0.cls": b"0\n",
        "1.input.png": png(3),
        "1.CLS": b" 1",
    }
    s = opened(write(tmp_path / "x.tar", members))
    assert s.labels is not None
    assert (values(s), s.labels.tolist(), s.where(1)) == ([2, 3], [0, 1], f"{tmp_path}/x.tar/1.input.png")


def test_members_of_a_sample_may_lie_apart(tmp_path: Path) -> None:
    samples = [sample(i, i) for i in range(4)]
    pictures = [m for s in samples for m in s.items() if m[0].endswith("png")]
    classes = [m for s in samples for m in s.items() if m[0].endswith("cls")]
    s = opened(write(tmp_path / "x.tar", pictures + classes[::-1]))
    assert s.labels is not None
    assert (values(s), s.labels.tolist()) == ([0, 1, 2, 3], [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("known", "names", "labels"),
    [
        ([{"label": 2}, {"label": 0}], ("0", "1", "2"), [2, 0]),
        ([{"class": "dog"}, {"class": "cat"}], ("cat", "dog"), [1, 0]),
        ([{"cls": -1}, {"cls": 5}], ("-1", "5"), [0, 1]),
        ([{"age": 2}, {"age": 0}], (), None),
    ],
)
def test_classes_in_json(
    tmp_path: Path, known: list[dict[str, object]], names: tuple[str, ...], labels: object
) -> None:
    s = opened(write(tmp_path / "x.tar", {**sample(0, **known[0]), **sample(1, **known[1])}))
    assert (s.label_names, None if s.labels is None else s.labels.tolist()) == (names, labels)
    assert (s.attributes is None) == (labels is not None)


def test_attributes_of_some_samples(tmp_path: Path) -> None:
    members = {**sample(0), **sample(1, age=3), **sample(2, word="a"), **sample(3, words="x" * (1 << 20))}
    s = opened(write(tmp_path / "x.tar", members))
    assert s.attributes is not None
    assert s.attributes.names == ("age", "word")
    nan = np.nan
    np.testing.assert_array_equal(s.attributes.values, [[nan, nan], [3, nan], [nan, 0], [nan, nan]])
    assert [(p.file, "more than the 1,048,576" in p.why) for p in s.problems] == [
        (f"{tmp_path}/x.tar/000003.json", True)
    ]


def test_texts_are_no_attributes(tmp_path: Path) -> None:
    members = {}
    for i in range(1001):
        members |= {f"{i}.png": b"", f"{i}.json": json.dumps({"text": f"text {i}", "kind": "ab"[i % 2]}).encode()}
    s = opened(write(tmp_path / "x.tar", members))
    assert s.attributes is not None
    assert (s.attributes.names, s.attributes.words) == (("kind",), {"kind": ("a", "b")})
    table = shard_scan._Table()
    for i in range(1001):
        table.add({"text": f"text {i}"})
    assert not table.columns  # let go of at once: millions of texts would fill the memory


def test_an_empty_shard(tmp_path: Path) -> None:
    for k, members in enumerate((sample(0), {}, sample(1))):
        write(tmp_path / f"{k}.tar", members)
    s = opened(tmp_path / "*.tar")
    assert (s.spans, values(s), s.where(1)) == (((0, 1), (1, 2)), [0, 1], f"{tmp_path}/2.tar/000001.png")


def test_parts(tmp_path: Path) -> None:
    write(tmp_path / "set-train-0.tar", sample(1))
    write(tmp_path / "set-val-0.tar", sample(2))
    s = Shards(open_container(tmp_path))
    assert (s.splits, values(s)) == (("train", "validation"), [1])
    s = Shards(open_container(tmp_path), "val")
    assert (s.name, values(s)) == (f"{tmp_path.name}-validation", [2])


def test_samples_that_are_not_whole(tmp_path: Path) -> None:
    first = {**sample(0, 1), "1.cls": b"1", "../evil.png": png(9), "/evil.png": png(9), "a/../b.png": png(9)}
    first |= {"2.png": png(2), "2.json": b"{", "._2.png": b"", "__MACOSX/3.png": png(9)}
    x = write(tmp_path / "x.tar", [*first.items(), ("000000.png", png(8)), ("4.png", b"text")])
    before = sorted(tmp_path.rglob("*"))
    s = opened(x)
    assert [s.where(i) for i in range(len(s))] == [f"{x}/{n}.png" for n in ("000000", "2", "4")]
    assert {p.file.removeprefix(f"{x}/"): p.why.split(":")[0] for p in s.problems} == {
        "../evil.png": "its name leads out of the archive",
        "/evil.png": "its name leads out of the archive",
        "a/../b.png": "its name leads out of the archive",
        "000000.png": "its name occurs twice; the first is used",
        "1": "the sample has no picture",
        "2.json": "it is left out",
        str(tmp_path): "2 of 3 samples have no class, so the labels of all are dropped",
    }
    assert s.labels is None
    d = load(str(tmp_path / "{x,x}.tar"))
    assert [p.file for p in d.problems].count(f"{x}/4.png") <= 1  # found when it is decoded
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("content", [b"cat", b"", b"-1", b"1.5", b"100000", b"\xff", b"1" * 200])
def test_a_class_that_is_no_number_is_told(tmp_path: Path, content: bytes) -> None:
    x = write(tmp_path / "x.tar", {**sample(0, 1), **sample(1), "000001.cls": content})
    with pytest.raises(UserError, match=r"x\.tar/000001\.cls holds no class, a whole number from 0 to 99,999"):
        opened(x)


def test_names_that_are_no_text(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w", encoding="latin-1", format=tarfile.GNU_FORMAT) as tar:
        for name, content in (("ü.png", png(3)), ("ü.cls", b"0")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    s = opened(tmp_path / "x.tar")
    assert s.labels is not None
    assert (values(s), s.labels.tolist(), s.where(0)) == ([3], [0], f"{tmp_path}/x.tar/�.png")


def test_shards_that_are_not_whole_are_told(tmp_path: Path) -> None:
    write(tmp_path / "0.tar", sample(0))
    whole = write(tmp_path / "1.tar", {**sample(1, 1), **sample(2, 2)}).read_bytes()
    header = bytearray(whole)
    header[2048 + 150] ^= 1  # a bit of the checksum of the third member
    circle = bytearray(whole)
    circle[124:136] = b"\xff" * 10 + b"\xfe\0"  # a size below zero leads back to the same member
    circle[148:156] = b"%06o\0 " % (sum(circle[:148]) + 8 * 32 + sum(circle[156:512]))
    for damaged in (*(whole[:length] for length in (0, 100, 512, 700, 1500, 2500)), header, circle):
        (tmp_path / "1.tar").write_bytes(damaged)
        with pytest.raises(UserError, match=r"1\.tar is not a whole tar archive .*; download or copy it again"):
            opened(tmp_path / "{0..1}.tar")
    (tmp_path / "1.tar").write_bytes(whole[:2048])  # between two members
    s = opened(tmp_path / "{0..1}.tar")
    assert [(len(s), p.file, p.why) for p in s.problems[:1]] == [
        (2, f"{tmp_path}/1.tar", "it has no end mark, so it may have been cut short")
    ]
    with tarfile.open(tmp_path / "1.tar", "w:gz") as tar:
        tar.add(tmp_path / "0.tar", "x.png")
    (tmp_path / "1.tar.gz").write_bytes((tmp_path / "1.tar").read_bytes())
    for name in ("{0..1}.tar", "*.tar.gz"):
        with pytest.raises(UserError, match=r"1\.tar.* is compressed"):
            opened(tmp_path / name)
    write(tmp_path / "1.tar", {"readme.txt": b""})
    with pytest.raises(UserError, match="holds no samples with a picture"):
        opened(tmp_path / "1.tar")
    s = opened(write(tmp_path / "1.tar", sample(1)))
    (tmp_path / "1.tar").write_bytes(whole[:530])
    with pytest.raises(Exception, match="the shard ends inside it"):
        s.read(0)


def test_damage_is_told_or_costs_some_pictures(tmp_path: Path) -> None:
    known = [sample(i, i, age=i, word="a") for i in range(3)]
    whole = write(tmp_path / "x.tar", {k: v for s in known for k, v in s.items()}).read_bytes()
    chance, outcomes = random.Random(0), set()
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(chance.choice([1, 2, 8])):
            damaged[chance.randrange(9 * 1024)] = chance.choice([0, 255, 55, chance.randrange(256)])
        (tmp_path / "x.tar").write_bytes(damaged)
        try:
            s = opened(tmp_path / "x.tar")
        except UserError as e:
            assert "x.tar" in str(e)
            outcomes.add("told")
            continue
        outcomes |= read_all(s)
    assert outcomes == {"told", "read", "lost"}


def test_many_threads(tmp_path: Path) -> None:
    for k in range(3):
        write(tmp_path / f"{k}.tar", {n: c for i in range(20) for n, c in sample(20 * k + i).items()})
    s = opened(tmp_path / "*.tar")
    order = np.random.default_rng(0).permutation(60).tolist() * 3
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda i: s.read(i).getpixel((0, 0))[0], order)) == order  # type: ignore[index]


@given(st.integers(0, 120), st.integers(0, 120), st.integers(0, 4))
def test_spans_are_counted_as_in_a_shell(first: int, last: int, width: int) -> None:
    import braceexpand

    pattern = f"a-{{{first:0{width}d}..{last:0{width}d}}}.{{x,yz}}"
    assert list(shards_module._expanded(pattern)) == list(braceexpand.braceexpand(pattern))


def test_expand(tmp_path: Path) -> None:
    for name in ("a/x-0.tar", "a/x-1.tar", "b/x-0.tar", "[1].tar"):
        write(tmp_path / name, sample(1))
    assert expand(f"{tmp_path}/{{b,a}}/x-*.tar") == [tmp_path / n for n in ("b/x-0.tar", "a/x-0.tar", "a/x-1.tar")]
    assert expand(f"{tmp_path}/*/x-0.tar") == [tmp_path / n for n in ("a/x-0.tar", "b/x-0.tar")]
    assert expand(f"{tmp_path}/{{a,{{a,b}}}}/x-0.tar") == [tmp_path / n for n in ("a/x-0.tar", "b/x-0.tar")]
    assert expand(f"{tmp_path}/[1].tar") == [tmp_path / "[1].tar"]


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        (
            "x-{00..09}.tar",
            r"9 of the 10 files that x-\{00\.\.09\}\.tar stands for are missing, the first is x-01\.tar",
        ),
        ("y-*.tar", r"1 of the 1 files .* missing, the first is y-\*\.tar"),
        ("x-{0..999999999}.tar", "more than the 100,000 shards"),
        ("{a,b}{0..99999}.tar", "more than the 100,000 shards"),
        ("x-{00}.tar", "neither a span"),
        ("x-{-5..1}.tar", "neither a span"),
        ("pipe:cat x-{00..01}.tar", "no file; download the shards"),
        ("https://host/x-{00..01}.tar", "no file; download the shards"),
        ("*.png", r"is no shard, a \.tar"),
    ],
)
def test_patterns_that_do_not_fit_are_told(
    tmp_path: Path, pattern: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "x-00.tar", sample(1))
    (tmp_path / "a.png").write_bytes(png())
    with pytest.raises(UserError, match=says):
        ShardFiles(pattern)


def test_other_files_are_not_claimed(tmp_path: Path) -> None:
    pictures = write(
        tmp_path / "a" / "x.tar", {"cats/1.png": png(), "dogs/2.png": png(), "readme.txt": b"", "1.json": b"{}"}
    )
    assert not Shards.claims(open_container(pictures))
    assert not Shards.claims(open_container(Path(__file__).parent))
    (tmp_path / "a" / "b.png").write_bytes(png())
    assert not Shards.claims(open_container(tmp_path / "a"))
