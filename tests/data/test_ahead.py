"""What is made ahead of time, and the order of shards: both make reading quicker, and change nothing."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from handmade import Handmade
from hypothesis import given, settings
from hypothesis import strategies as st

from ganvas.data import Dataset, Stream, stream
from ganvas.data.arrays import OnTheFly
from ganvas.data.pictures import Framing
from ganvas.data.stream import Ahead, shuffled_shards
from ganvas.errors import UserError

Key = tuple[int, int, int]
steps = st.tuples(st.integers(-3, 4), st.sampled_from([(0, 8), (0, 8), (0, 8), (8, 16)]))


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.001)


@settings(deadline=None)
@given(walk=st.lists(steps, max_size=40), depth=st.integers(1, 4))
def test_whatever_is_asked_for_is_what_comes(walk: list[tuple[int, tuple[int, int]]], depth: int) -> None:
    ahead, cursor = Ahead(lambda *key: key, depth), 100
    for step, rows in walk:
        cursor += step
        assert ahead(cursor, *rows) == (cursor, *rows)
        assert len(ahead._pending) <= depth, "memory stays bounded"


@settings(max_examples=30, deadline=None)
@given(walk=st.lists(steps, max_size=12))
def test_a_stream_that_guesses_gives_what_one_that_does_not_gives(walk: list[tuple[int, tuple[int, int]]]) -> None:
    pixels = OnTheFly(Handmade(13, ((5, 4),), broken=[2]), Framing(3, 3, 3, "random-crop"))
    guessing, plain = (Stream(Dataset("d", pixels, None, (), "0", ()), 1) for _ in range(2))
    assert isinstance(guessing._host, Ahead)
    plain._host, cursor = plain._gathered, 1000
    for step, rows in walk:
        cursor += 8 * step
        assert guessing.batch(cursor, *rows)["x"].equal(plain.batch(cursor, *rows)["x"])


def test_it_is_made_before_it_is_asked_for() -> None:
    made: list[tuple[Key, bool]] = []

    def make(*key: int) -> tuple[int, ...]:
        made.append((key, threading.current_thread() is threading.main_thread()))  # type: ignore[arg-type]
        return key

    ahead = Ahead(make, depth=3)
    ahead(0, 0, 4)
    ahead(4, 0, 4)
    until(lambda: len(made) == 5)
    assert made == [((c, 0, 4), c < 8) for c in range(0, 20, 4)]
    assert ahead(8, 0, 4) == (8, 0, 4)
    until(lambda: len(made) == 6)
    assert made[5] == ((20, 0, 4), False), "each once"
    assert ahead(12, 4, 8) == (12, 4, 8)
    assert not ahead._pending, "other rows do not tell what follows"


def test_a_fault_reaches_who_asks_for_it_and_nobody_else() -> None:
    def make(cursor: int, *_: int) -> int:
        if cursor == 12:
            raise UserError("picture 12 cannot be read")
        return cursor

    ahead = Ahead(make)
    assert [ahead(c, 0, 4) for c in (0, 4, 8)] == [0, 4, 8]  # 12 has been tried by now, or will be
    for _ in range(2):
        with pytest.raises(UserError, match="picture 12"):
            ahead(12, 0, 4)
    assert ahead(16, 0, 4) == 16


def test_a_picture_that_cannot_be_read_stops_a_strict_stream() -> None:
    pixels = OnTheFly(Handmade(64, broken=[40]), Framing(4, 4, 3), strict=True)
    endless = Stream(Dataset("d", pixels, None, (), "0", ()), 0)
    with pytest.raises(UserError, match=r"handmade/40\.png cannot be read"):
        for cursor in range(0, 64, 4):
            endless.batch(cursor, 0, 4)


shards = st.lists(st.integers(0, 30), min_size=1, max_size=12)


def spans_of(lengths: list[int]) -> tuple[tuple[int, int], ...]:
    ends = np.cumsum([0, *lengths]).tolist()
    return tuple(itertools.pairwise(ends))


@settings(deadline=None)
@given(lengths=shards, seed=st.integers(0, 99), together=st.integers(1, 60))
def test_shards_are_shuffled_among_their_neighbours(lengths: list[int], seed: int, together: int) -> None:
    with pytest.MonkeyPatch.context() as m:
        m.setattr(stream, "SHUFFLED_TOGETHER", together)
        order = shuffled_shards(spans_of(lengths), np.random.default_rng(seed))
    assert sorted(order.tolist()) == list(range(sum(lengths)))
    shard_of = np.repeat(np.arange(len(lengths)), lengths)[order]
    for shard in np.unique(shard_of):
        first, last = np.flatnonzero(shard_of == shard)[[0, -1]]
        assert last - first < together - 1 + max(lengths), "its pictures lie near each other"


def test_an_epoch_of_shards() -> None:
    spans = spans_of([1000] * 40)
    orders = [shuffled_shards(spans, np.random.default_rng(seed)) for seed in range(3)]
    for order in orders:
        groups = [np.unique(block // 1000) for block in np.split(order, [17_000, 34_000])]
        assert [len(g) for g in groups] == [17, 17, 6], "whole shards, at least 16,384 pictures of them"
        jumps = np.abs(np.diff(order[:17_000]))
        assert np.median(jumps) > 1000, "and well mixed"
    assert len({tuple(o[:5]) for o in orders}) == 3


def test_a_streamed_set_goes_through_its_shards_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SHUFFLED_TOGETHER", 10)
    source = Handmade(60, classes=60)
    pixels = OnTheFly(source, Framing(4, 4, 3))
    data = Dataset("d", pixels, source.labels, source.label_names, "0", (), spans=spans_of([10] * 6))
    epochs = [Stream(data, 0).batch(60 * epoch, 0, 60)["y"] for epoch in range(4)]
    for y in epochs:
        assert sorted(y.tolist()) == list(range(60))
        assert all(len(set((y[k : k + 10] // 10).tolist())) == 1 for k in range(0, 60, 10))
    assert len({tuple((y[::10] // 10).tolist()) for y in epochs}) == 4, "the shards in another order each time"
