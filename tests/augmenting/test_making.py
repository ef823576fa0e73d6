"""Samples of a class: the same ones however many are drawn, each drawn again by what is written of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from augmenting.painters import Painter, labelled

from ganvas.augmenting.making import BLOCK, Made, Supply
from ganvas.conditions import Condition
from ganvas.data.sources.base import Attributes
from ganvas.errors import UserError
from ganvas.report.grid import to_uint8

DATA = labelled(30, 20, 5)


def unjudged(x, images, labels) -> np.ndarray:
    return np.full(len(images), np.nan, np.float32)


def supply(game, k: int = 1, seed: int = 0, data=DATA, score=unjudged) -> Supply:
    return Supply(game, data, k, score, seed, 1.0)


def drawn(n: int, **settings) -> Made:
    source = supply(Painter(DATA), **settings)
    parts = [source.next(n - i) for i in range(0, n, BLOCK)]
    assert source.drawn == n
    return Made.together(parts)


def test_the_first_are_the_same_however_many_follow() -> None:
    few, many = drawn(70), drawn(150)
    assert len(few) == 70 and len(many) == 150
    assert (few.images == many.images[:70]).all() and (few.seeds == many.seeds[:70]).all()


def test_each_is_drawn_again_by_its_seed_and_index() -> None:
    made, game = drawn(100), Painter(DATA)
    for i in (0, 63, 64, 99):
        again = game.sample(BLOCK, seed=int(made.seeds[i]), labels=torch.full((BLOCK,), 1))
        assert (to_uint8(again)[made.indices[i]] == made.images[i]).all()


def test_classes_and_seeds_are_drawn_apart() -> None:
    seeds = [int(drawn(1, k=k, seed=s).seeds[0]) for k in (0, 1) for s in (0, 1)]
    assert len(set(seeds)) == 4
    of_class = {image.tobytes() for image in DATA.samples[DATA.labels == 2]}
    assert all(image.tobytes() in of_class for image in drawn(80, k=2).images)


def test_a_judge_sees_what_was_made_and_asked_for() -> None:
    def score(x, images, labels):
        assert (to_uint8(x) == images).all() and (labels == 1).all()
        return np.arange(len(images), dtype=np.float32)

    assert drawn(66, score=score).scores.tolist() == [*range(64), 0, 1]


def with_attributes(words: tuple[str, ...] = ("no", "yes")):
    """Class k has ages of k · 10 + 0..4, and words."""
    ages = DATA.labels * 10 + np.arange(len(DATA)) % 5
    values = np.stack([ages, np.arange(len(DATA)) % 2], 1).astype(np.float32)
    data = replace(DATA, attributes=Attributes(("age", "wet"), values, {"wet": words}))
    game = Painter(data)
    game.condition = Condition.of(data.spec, "both", "painter")
    return data, game


def test_attributes_are_those_of_real_images_of_the_class() -> None:
    data, game = with_attributes()
    source = supply(game, k=2, data=data)
    one, other = source.next(), source.next()
    both = np.concatenate([one.attributes, other.attributes])
    assert set(both[:, 0]) <= {20, 21, 22, 23, 24} and len(set(both[:, 0])) > 2
    assert (one.attributes != other.attributes).any()
    assert torch.equal(game.asked[0], game.condition.vector(torch.full((64,), 2), torch.from_numpy(one.attributes)))
    first = supply(game, k=2, data=data).next(10)
    assert (first.attributes == one.attributes[:10]).all()


def test_attributes_that_a_game_does_not_know_stay_open() -> None:
    data, game = with_attributes()
    game.condition = Condition(data.label_names)
    made = supply(game, data=data).next()
    assert np.isnan(made.attributes).all() and made.attributes.shape == (64, 2)
    assert game.asked[-1].dtype == torch.int64
    data, game = with_attributes(("non", "oui"))[0], with_attributes()[1]
    assert np.isnan(supply(game, data=data).next().attributes).all(), "other words mean other things"


def test_what_is_not_finite_is_told() -> None:
    game = Painter(DATA, lambda x, g: x * float("nan"))
    with pytest.raises(UserError, match="values that are not finite; give an earlier checkpoint"):
        supply(game).next()
