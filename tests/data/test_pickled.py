"""Pickle files: NumPy's arrays come out exactly, and nothing that a file asks for is ever done."""

from __future__ import annotations

import io
import os
import pickle
import random
import struct
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ganvas.data.sources.pickled import Pickled
from ganvas.errors import UserError

DATA = np.arange(12, dtype=np.uint8).reshape(2, 6) * 21
BATCH = {b"data": DATA, b"labels": [3, 0], b"filenames": [b"a.png", "\xe9.png".encode()], b"batch_label": b"batch 1"}

_watched: list[str] | None = None


def _watch(event: str, _: Any) -> None:
    if _watched is not None and event not in ("object.__getattr__", "object.__setattr__"):
        _watched.append(event)


sys.addaudithook(_watch)


@contextmanager
def nothing_happens() -> Iterator[None]:
    """Fails where the interpreter looks up a pickled name, imports, opens a file, compiles or starts anything."""
    global _watched
    _watched = []
    try:
        yield
        happened = _watched
    finally:
        _watched = None
    assert not happened


def look(content: bytes) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    with nothing_happens():
        found = Pickled(content, "FILE")
        return found.array("data"), found.array("labels"), found.words("filenames")


look(pickle.dumps(BATCH | {b"filenames": []}))  # what NumPy and the codecs import at first use is imported now


@given(
    arrays(st.sampled_from(["u1", "i1", "<i4", ">u2", "<i8"]), array_shapes(max_dims=4, max_side=5)),
    st.lists(st.integers(-(2**63), 2**63 - 1)),
    st.lists(st.text(max_size=50)),
    st.booleans(),
)
def test_round_trip(array: np.ndarray, labels: list[int], words: list[str], fortran: bool) -> None:
    content = {"data": np.asfortranarray(array) if fortran else array, "labels": labels, "words": words, "n": [None, 2]}
    for protocol in range(6):
        found = Pickled(pickle.dumps(content, protocol), "FILE")
        assert found.array("data").dtype == array.dtype
        assert np.array_equal(found.array("data"), array)
        assert found.array("labels").tolist() == labels
        assert found.words("words") == tuple(words)


def test_a_dictionary_in_one_step() -> None:
    found = Pickled(b"(Vdata\n(lI4\naVmore\n(lI5\nad.", "FILE")
    assert (found.array("data").tolist(), found.array("more").tolist()) == ([4], [5])


def python_2(pixels: bytes) -> bytes:
    """A batch of two pictures as cPickle of Python 2 and NumPy 1 wrote it, in the published files."""
    return (
        b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03U\x06labelsq\x04]q\x05(K\x06K\x09e"
        b"U\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\x09"
        b"(K\x01K\x02K\x06\x86cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89T" + struct.pack("<i", len(pixels)) + pixels + b"tbU\x09filenamesq\x0c]q\x0d("
        b"U\x05a.pngq\x0eU\x05b.pngq\x0feu."
    )


def test_as_python_2_wrote_it() -> None:
    data, labels, words = look(python_2(DATA.tobytes()))
    assert np.array_equal(data, DATA)
    assert data.dtype == np.uint8
    assert labels.tolist() == [6, 9]
    assert words == ("a.png", "b.png")
    told = pickle.loads(python_2(DATA.tobytes()), encoding="bytes")  # the layout above is what NumPy understands
    assert np.array_equal(told[b"data"], DATA)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_numbers_of_numpy_are_numbers(protocol: int) -> None:
    content = {"labels": [np.int64(7), 8, np.uint8(9)], "data": np.arange(3, dtype=">i4")}
    found = Pickled(pickle.dumps(content, protocol), "FILE")
    assert found.array("labels").tolist() == [7, 8, 9]
    assert found.array("data").tolist() == [0, 1, 2]


class Attack:
    """Pickled, it asks to call `function`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.asks = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.asks


def attacks(folder: str) -> Iterator[bytes]:
    """Pickles that make `folder`, each by another way, where they are unpickled."""
    text = b"X" + struct.pack("<i", len(folder)) + folder.encode()
    for protocol in range(6):
        yield pickle.dumps(Attack(os.mkdir, folder), protocol)
        yield pickle.dumps(BATCH | {b"more": Attack(eval, f"__import__('os').mkdir({folder!r})")}, protocol)
    yield b"(V" + folder.encode() + b"\nios\nmkdir\n."  # INST
    yield b"(cos\nmkdir\n" + text + b"o."  # OBJ
    yield b"\x80\x02cos\nmkdir\n" + text + b"\x85R0}."  # and then a good result
    yield b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93" + text + b"\x85R."
    yield b"\x80\x04\x8c\x08builtins\x8c\x07getattr\x93cos\npath\nX\x02\0\0\0os\x86R0cos\nmkdir\n" + text + b"\x85R."


def test_attacks_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "sentinel"
    for attack in attacks(str(folder)):
        with pytest.raises(UserError, match="FILE holds something other than arrays, numbers and text"):
            look(attack)
        assert not folder.exists()
        with suppress(TypeError):  # it would have worked
            pickle.loads(attack)
        folder.rmdir()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", r"\(os.system\)"),
        (b"cposix\nsystem\n.", r"\(posix.system\)"),
        (b"cnumpy.f2py\ncompile\n.", r"\(numpy.f2py.compile\)"),
        (b"cnumpy\nfromfile\n.", r"\(numpy.fromfile\)"),
        (b"cnumpy\nload\n.", r"\(numpy.load\)"),
        (b"cnumpy.core.multiarray\nfromfile\n.", r"\(numpy.core.multiarray.fromfile\)"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0fdtype.__class__\x93.", r"\(numpy.dtype.__class__\)"),
        (b"\x80\x04K\x01\x8c\x05dtype\x93.", "a name that is no text"),
        (b"c\x1b[2J\nred\n.", r"\(\\x1b\[2J.red\)"),
        (b"\x80\x02cnumpy\ndtype\n)\x81.", "the opcode NEWOBJ"),
        (b"\x80\x04cnumpy\ndtype\n)}\x92.", "the opcode NEWOBJ_EX"),
        (b"\x80\x02cnumpy\ndtype\n}X\x08\0\0\0__code__NsN\x86b.", "a state of what is no array"),
        (b"\x80\x02}}b.", "a state of what is no array"),
        (b"\x80\x02X\x04\0\0\0exec)R.", "a call of what is no function"),
        (b"cnumpy\ndtype\n]R.", "a call of what is no function"),
        (b"cnumpy\ndtype\n)R)R.", "a call of what is no function"),
        (b"Pname\n.", "the opcode PERSID"),
        (b"K\x01Q.", "the opcode BINPERSID"),
        (b"\x80\x02\x82\x01.", "the opcode EXT1"),
        (b"\x80\x02\x83\x01\x01.", "the opcode EXT2"),
        (b"\x80\x02\x84\x01\x01\x01\x01.", "the opcode EXT4"),
        (b"\x80\x05\x97.", "the opcode NEXT_BUFFER"),
        (b"\x80\x05N\x98.", "the opcode READONLY_BUFFER"),
        (b"\x80\x04\x8f.", "the opcode EMPTY_SET"),
        (pickle.dumps({"a": {1, 2}}, 2), "builtins__.set|__builtin__.set"),
        (pickle.dumps(Path("a"), 4), "PosixPath|WindowsPath"),
        (b"N.", "it is no dictionary"),
        (b"}", "before seeing STOP"),
        (b"", "before seeing STOP"),
        (b"PK\x03\x04", "FILE"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x0f.", "damaged"),  # BINBYTES8 of 2^60 bytes
        (b"\x80\x02}Nr\xff\xff\xff\xff.", "it is no dictionary"),  # a place in the memo that takes 64 GB elsewhere
        (b"\x80\x02}h\x05.", "damaged"),
        (b"\x80\x02}K\x01K\x02s.", "no short text"),
        (b"\x80\x02}X\x01\0\0\0aNs(X\x01\0\0\0bu.", "damaged"),
        (pickle.dumps({"k" * 101: 1}), "no short text"),
        (b"\x80\x02\x85.", "damaged"),
        (b"u.", "damaged"),
        (b"\x80\x02]N]a.", "it is no list"),
    ],
)
def test_what_is_no_data_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(UserError, match=says) as told:
        look(content)
    assert str(told.value).startswith("FILE ")


@pytest.mark.parametrize(
    "array",
    [
        np.array([{"a": 1}, None]),
        np.array(["a", "b"]),
        np.zeros(3, "m8[s]"),
        np.zeros(3, [("a", "u1")]),
        np.zeros(2, bool),
    ],
)
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    for protocol in (2, 5):
        with pytest.raises(UserError, match="FILE"):
            Pickled(pickle.dumps({"data": array}, protocol), "FILE").array("data")


def test_an_array_has_as_many_bytes_as_it_promises() -> None:
    good = python_2(DATA.tobytes())
    for shape in (
        b"K\x02K\x07\x86",
        b"K\x02K\x05\x86",
        b"K\x0dK\x00\x86",
        b"J\xff\xff\xff\xffK\x06\x86",
        b"K\x02N\x86",
        b"\x8a\x09" + bytes(8) + b"\1K\x06\x86",
    ):
        bad = good.replace(b"K\x02K\x06\x86", shape)
        assert bad != good
        with pytest.raises(UserError, match="FILE has no array of integers 'data' that can be read"):
            look(bad)


def test_numbers_that_are_no_labels_are_told() -> None:
    for labels in ([2**70], [True], [1.5], [[1]], "12"):
        with pytest.raises(UserError, match="FILE has no array of integers 'labels' that can be read"):
            Pickled(pickle.dumps({"labels": labels}), "FILE").array("labels")


def test_steps_without_end_are_refused() -> None:
    with pytest.raises(UserError, match="takes more than 2,000,000 steps"):
        Pickled(b"N" * 2_100_000 + b"}.", "FILE")


def bombs() -> Iterator[bytes]:
    """Short pickles whose unpickling would take time or memory without end."""
    nested = b"\x80\x02}q\xffK\x01q\0" + b"".join(b"(h%ch%ctq%c" % (i, i, i + 1) for i in range(200))
    yield nested + b"."
    yield nested + b"h\xffh\xc8Ns."  # a key that takes 2^200 steps to hash
    yield nested + b"h\xffX\4\0\0\0data(h\xc8h\xc8lh\xc8\x86s."
    yield b"\x80\x02}X\4\0\0\0data]q\0h\0as."  # a list that holds itself
    yield b"\x80\x02}X\4\0\0\0data" + b"]" * 100_000 + b"a" * 99_999 + b"s."
    yield b"(" * 100_000 + b"}."
    long = b"a" * 1_000_000
    encoded = b"h\1h\0X\6\0\0\0latin1\x86R"
    start = b"\x80\x02}q\2X" + struct.pack("<i", len(long)) + long + b"q\0c_codecs\nencode\nq\1"
    yield start + encoded * 10_000 + b"h\2."  # 10 GB
    yield start + b"h\2X\4\0\0\0data](" + encoded * 10_000 + b"es."
    yield start + b"h\2" + (encoded + b"Ns") * 10_000 + b"."


def test_bombs_do_not_go_off() -> None:
    for content in bombs():
        tracemalloc.start()
        began = time.perf_counter()
        try:
            with pytest.raises(UserError):
                Pickled(content, "FILE").array("data")
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert most < 10_000_000 + 30 * len(content)
        assert time.perf_counter() - began < 30  # traced, and some machines are slow; none of them would ever end


@pytest.mark.filterwarnings("ignore:invalid (octal )?escape sequence:DeprecationWarning")
def test_mutated_pickles_are_read_or_told() -> None:
    draw, outcomes = random.Random(0), {"read": 0, "told": 0}
    for i in range(3000):
        content = bytearray(pickle.dumps(BATCH, i % 6) if i % 7 else python_2(DATA.tobytes()))
        for _ in range(draw.randint(1, 2)):
            place = draw.randrange(len(content))
            change = draw.choice(("set", "set", "set", "cut", "insert", "copy"))
            if change == "set":
                content[place] = draw.randrange(256)
            elif change == "cut":
                del content[place : place + draw.randint(1, 8)]
            elif change == "insert":
                content[place:place] = draw.randbytes(draw.randint(1, 4))
            else:
                content[place:place] = content[: draw.randint(1, 40)]
        try:
            with nothing_happens():
                found = Pickled(bytes(content), "FILE")
                assert found.array("data").dtype.kind in "iu"
                assert found.array("labels").ndim <= 4
                found.words("filenames")
            outcomes["read"] += 1
        except UserError as e:
            outcomes["told"] += 1
            assert "FILE" in str(e)
    assert min(outcomes.values()) > 100, outcomes


def test_the_watch_sees_what_unpickling_does() -> None:
    with pytest.raises(AssertionError, match=r"pickle\.find_class"), nothing_happens():
        pickle.load(io.BytesIO(pickle.dumps(BATCH, 2)))
