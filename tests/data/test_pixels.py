"""Pixels that are decoded when they are asked for, or lie in one file with different sizes: both like an array."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from handmade import Handmade
from hypothesis import given, settings
from hypothesis import strategies as st

from ganvas.data import cache
from ganvas.data.arrays import Lazy, OnTheFly, Ragged
from ganvas.data.pictures import Framing, frame
from ganvas.errors import UserError

SIZES = ((8, 8), (8, 19), (13, 9))
FREE = Framing(5, 4, 3, "random-crop")
places = st.floats(0, 1, exclude_max=True, width=32)


def ragged(n: int = 7) -> tuple[Ragged, list[np.ndarray]]:
    """Pictures in one flat array, and the same one by one."""
    pictures = [np.random.default_rng(i).integers(0, 256, (*SIZES[i % 3], 3), np.uint8) for i in range(n)]
    offsets = np.cumsum([0, *(p.size for p in pictures)])
    where = np.array([(o, *p.shape[:2]) for o, p in zip(offsets, pictures, strict=False)])
    return Ragged(np.concatenate([p.ravel() for p in pictures]), where, FREE), pictures


@settings(deadline=None)
@given(rows=st.lists(st.integers(0, 6), max_size=9), data=st.data())
def test_windows_are_parts_of_their_pictures(rows: list[int], data: st.DataObject) -> None:
    pixels, pictures = ragged()
    where = np.array(data.draw(st.lists(st.tuples(places, places), min_size=len(rows), max_size=len(rows))), np.float32)
    found = pixels.windows(np.array(rows, np.int64), where.reshape(-1, 2))
    assert found.shape == (len(rows), 5, 4, 3)
    for window, i, (down, across) in zip(found, rows, where.tolist(), strict=True):
        height, width = pictures[i].shape[:2]
        top, left = int((height - 5 + 1) * down), int((width - 4 + 1) * across)
        assert np.array_equal(window, pictures[i][top : top + 5, left : left + 4])


def test_windows_reach_every_corner() -> None:
    pixels, pictures = ragged()
    last = np.float32(1) - np.float32(2**-24)  # the largest number that a draw can be
    corners = np.array([(0, 0), (0, last), (last, 0), (last, last)], np.float32)
    found = pixels.windows(np.array([1] * 4), corners)
    whole = pictures[1]
    expected = [whole[:5, :4], whole[:5, -4:], whole[-5:, :4], whole[-5:, -4:]]
    assert all(map(np.array_equal, found, expected))
    assert np.array_equal(pixels[2], pictures[2][4:9, 2:6]), "without a draw the centre of 13x9"


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch", "random-crop"])
def test_what_is_decoded_on_the_fly_equals_what_was_packed(fit: str) -> None:
    framing, source = Framing(6, 5, 3, fit), Handmade(40, SIZES)  # type: ignore[arg-type]
    packed, fly = cache.pack(source, framing).samples, OnTheFly(source, framing)
    assert np.array_equal(fly[:], packed[:])
    assert isinstance(packed, Ragged) == (fit == "random-crop")
    if isinstance(packed, Lazy):
        rows, where = np.arange(40)[::-1], np.random.default_rng(0).random((40, 2), np.float32)
        assert np.array_equal(fly.windows(rows, where), packed.windows(rows, where))


@pytest.mark.parametrize("kind", ["ragged", "on the fly"])
def test_they_are_indexed_as_arrays_are(kind: str) -> None:
    pixels: Lazy = ragged()[0] if kind == "ragged" else OnTheFly(Handmade(7, SIZES), FREE)
    whole = pixels[:]
    assert (pixels.shape, len(pixels), pixels.dtype, pixels.nbytes) == (whole.shape, 7, whole.dtype, whole.nbytes)
    chosen = [3, -1, np.int64(2), slice(1, 6, 2), slice(0, 0), [4, 4, 0], np.array([6, 1]), np.arange(7) > 4, ...]
    for rows in chosen:
        assert np.array_equal(pixels[rows], whole[rows]), rows
    for outside in (7, -8, [0, 7]):
        with pytest.raises(IndexError):
            pixels[outside]
    assert len(list(pixels)) == 7, "a loop over it ends"  # type: ignore[call-overload]
    assert np.array_equal(np.asarray(pixels), whole)


@settings(deadline=None)
@given(
    n=st.integers(2, 20),
    broken=st.sets(st.integers(0, 19), max_size=12),
    batches=st.lists(st.lists(st.integers(0, 19), min_size=1, max_size=8), max_size=3),
)
def test_what_stands_in_depends_on_the_index_alone(n: int, broken: set[int], batches: list[list[int]]) -> None:
    broken = {i for i in broken if i < n} - {n - 1}  # one can be read
    source = Handmade(n, broken=broken)
    pixels = OnTheFly(source, Framing(8, 8, 3))
    follows = [next(j % n for j in range(i, i + n) if j % n not in broken) for i in range(n)]
    for batch in [*batches, list(range(n))]:  # whatever was asked for before
        rows = np.array(batch) % n
        found = pixels[rows]
        assert pixels.shown(rows).tolist() == [follows[i] for i in rows]
        assert all(np.array_equal(x, source.made(follows[i])) for x, i in zip(found, rows, strict=True))
    assert pixels.skipped == dict.fromkeys(broken, "it is broken")


def test_strictly_nothing_stands_in() -> None:
    pixels = OnTheFly(Handmade(9, broken=[4, 5]), Framing(8, 8, 3), strict=True)
    assert pixels[[3, 6]].shape == (2, 8, 8, 3)
    with pytest.raises(UserError, match=r"^handmade/4\.png cannot be read: it is broken; mend it or take it away\.$"):
        pixels[2:7]
    assert 5 not in pixels.shown(np.array([4]))


@pytest.mark.parametrize(("n", "says"), [(100, "nor can the 63 pictures before it"), (3, "nor can the 2 pictures")])
def test_too_many_that_are_broken_are_told(n: int, says: str) -> None:
    source = Handmade(n, broken=range(n))
    with pytest.raises(UserError, match=says):
        OnTheFly(source, Framing(8, 8, 3))[0]
    assert len(source.read_so_far) == min(n, 64)


def test_several_threads_decode_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    meeting = threading.Barrier(4, timeout=20)

    class Slow(Handmade):
        def read(self, i: int):
            meeting.wait()  # for three others
            return super().read(i)

    source = Slow(8)
    assert np.array_equal(OnTheFly(source, Framing(8, 8, 3))[:], np.stack([source.made(i) for i in range(8)]))


def test_it_may_be_asked_by_several_threads() -> None:
    source = Handmade(50, SIZES, broken=[7, 20])
    pixels = OnTheFly(source, FREE)
    alone = OnTheFly(source, FREE)[:]
    found: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: found.append(pixels[:])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(np.array_equal(f, alone) for f in found)


@pytest.mark.parametrize(("size", "covers"), [((8, 100), (5, 16)), ((100, 8), (20, 4)), ((8, 12), (5, 8))])
def test_of_a_panorama_four_sides_are_kept(size: tuple[int, int], covers: tuple[int, int]) -> None:
    """A window of 5x4 slides along at most 4 times its side, so that one picture cannot fill the cache."""
    assert frame(Handmade(1, sizes=(size,)).read(0), FREE).shape == (*covers, 3)
