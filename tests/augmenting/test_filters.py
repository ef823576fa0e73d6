"""Which samples are kept: the best share, those a classifier is sure of, never more than asked, never without end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from augmenting.painters import Painter, labelled, noise
from hypothesis import given
from hypothesis import strategies as st

from ganvas.augmenting import filters
from ganvas.augmenting.asked import Asked
from ganvas.augmenting.filters import BestShare, Confident, Everything, find_filter, repeated
from ganvas.augmenting.making import Made, Supply
from ganvas.data import load
from ganvas.errors import UserError
from ganvas.metrics import classifier

DATA = labelled(40, 30)


def kept(chosen, game, n: int, data=DATA, k: int = 1) -> tuple[Made, Supply]:
    supply = Supply(game, data, k, chosen.score, 0, 1.0)
    parts = [*chosen.chosen(supply, n)]
    return Made.together(parts), supply


@pytest.mark.parametrize("n", [1, 63, 64, 65, 200])
def test_without_a_filter_all_are_kept(n: int) -> None:
    made, supply = kept(Everything(), Painter(DATA), n)
    assert len(made) == supply.drawn == n
    assert np.isnan(made.scores).all()


@pytest.mark.parametrize(("n", "share", "drawn"), [(10, 0.5, 20), (100, 0.3, 334), (7, 1.0, 7), (30, 0.1, 300)])
def test_the_best_share_is_kept(n: int, share: float, drawn: int) -> None:
    game = Painter(DATA)
    made, supply = kept(BestShare(game, share), game, n)
    everything = kept(Everything(), game, drawn)[0]
    scores = game.judge(torch.from_numpy(everything.images).permute(0, 3, 1, 2).float() / 127.5 - 1).numpy()
    assert supply.drawn == drawn and len(made) == n
    np.testing.assert_allclose(np.sort(made.scores), np.sort(scores)[-n:], rtol=1e-5)


def test_long_searches_go_chunk_by_chunk(monkeypatch) -> None:
    monkeypatch.setattr(filters, "CHUNK", 50)
    game = Painter(DATA)
    parts = [*BestShare(game, 0.5).chosen(Supply(game, DATA, 1, BestShare(game, 0.5).score, 0, 1.0), 120)]
    assert [len(p) for p in parts] == [50, 50, 20]
    made = Made.together(parts)
    assert len(set(zip(made.seeds, made.indices, strict=True))) == 120


@pytest.fixture
def digits(monkeypatch):
    monkeypatch.setattr(classifier, "_SHOWN", 8_000)
    return load("digits", imbalance=10)


def test_a_classifier_keeps_what_looks_like_its_class(digits) -> None:
    chosen = Confident(digits, 0.8, tries=20)
    assert 0.7 < chosen.accuracy <= 1
    honest = kept(chosen, Painter(digits), 60, digits, k=9)
    assert len(honest[0]) == 60 and honest[1].drawn <= 128
    assert (honest[0].scores >= 0.8).all()

    def half_wrong(x, g):  # every second sample is a zero
        zeros = torch.from_numpy(digits.samples[:1].copy()).permute(0, 3, 1, 2).float() / 127.5 - 1
        return torch.where((torch.arange(len(x)) % 2 == 0)[:, None, None, None], x, zeros)

    made, supply = kept(chosen, Painter(digits, half_wrong), 60, digits, k=9)
    assert len(made) == 60 and supply.drawn == 128
    assert (made.indices % 2 == 0).all()


def test_it_gives_up_and_says_so_by_returning_fewer(digits) -> None:
    chosen = Confident(digits, 0.999999, tries=3)
    supply = Supply(Painter(digits, noise), digits, 9, chosen.score, 0, 1.0)
    assert sum(map(len, chosen.chosen(supply, 100))) < 100
    assert supply.drawn == 320, "three times a hundred, in whole blocks"


def test_it_is_sure_of_the_class_that_was_asked_for_alone(digits) -> None:
    chosen = Confident(digits, 0.8, tries=1)
    images = digits.samples[digits.labels == 4][:20]
    of = {k: chosen.score(None, images, torch.full((20,), k)) for k in (4, 0)}
    assert np.median(of[4]) > 0.9 and np.median(of[0]) < 0.1
    vectors = torch.nn.functional.one_hot(torch.full((20,), 4), 12).float()  # two attributes besides
    assert (chosen.score(None, images, vectors) == of[4]).all()


@given(st.lists(st.integers(0, 20), min_size=2, max_size=5).filter(any), st.integers(0, 40))
def test_repeating_brings_classes_up_evenly(there: list[int], total: int) -> None:
    labels = np.repeat(np.arange(len(there)), there)
    rows = repeated(labels, np.arange(len(labels)), np.full(len(there), total))
    times = np.bincount(rows, minlength=len(labels))
    assert [int((labels[rows] == k).sum()) for k in range(len(there))] == [max(n, total) if n else 0 for n in there]
    for k in np.unique(labels):
        of = times[labels == k]
        assert of.max() - of.min() <= 1 and of.min() >= 1
    up_to_largest = repeated(labels, np.arange(len(labels)))
    assert set(np.bincount(labels[up_to_largest], minlength=len(there))) <= {0, max(there)}


def test_find_filter() -> None:
    counts, game = np.array([0, 9]), Painter(DATA)
    assert isinstance(find_filter(Asked(), game, DATA, counts), Everything)
    found = find_filter(Asked(filter="discriminator"), game, DATA, counts)
    assert found.about() == {"name": "discriminator", "keep": 0.5, "score": "probability"}


def test_filters_that_cannot_be_are_told() -> None:
    class Blind:
        name = "blind"

    discriminator, by_classifier = Asked(filter="discriminator"), Asked(filter="classifier")
    with pytest.raises(UserError, match=r"blind has no discriminator that could be asked .* --filter classifier"):
        find_filter(discriminator, Blind(), DATA, np.array([0, 9]))
    one = labelled(60, 1)
    with pytest.raises(UserError, match="has 1 real images of class 1, too few to train a classifier on and try it"):
        find_filter(by_classifier, Painter(one), one, np.array([0, 9]))
    with pytest.raises(UserError, match="noise has 49 images, and a classifier is trained on 50 or more"):
        find_filter(by_classifier, None, labelled(40, 9), np.array([0, 9]))


def test_the_classifier_is_tried_on_images_that_it_was_not_shown(digits) -> None:
    for labels in (digits.labels, np.repeat([0, 1], [2, 1])):
        shown, tried = filters._nine_tenths(labels)
        assert sorted([*shown, *tried]) == list(range(len(labels)))
    assert labels[tried].tolist() == [0], "a class of two can be tried, a class of one cannot"
    shuffled = replace(digits, labels=np.random.default_rng(0).permutation(digits.labels))
    assert Confident(shuffled, 0.5, 1).accuracy < 0.4
