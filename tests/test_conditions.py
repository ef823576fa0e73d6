"""Conditions as vectors: what the data say, and what people ask for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ganvas.conditions import Condition
from ganvas.errors import UserError
from ganvas.game import Column, DataSpec

AGE, LOOK = Column("age", 20.0, 60.0), Column("look", 0.0, 2.0, ("glad", "sad", "a+b"))
DATA = DataSpec((1, 8, 8), 3, attributes=(AGE, LOOK), label_names=("rose", "tulip", "a,b"))
BOTH = Condition.of(DATA, "auto", "x")
TYPICAL = BOTH.vector(torch.tensor([0, 1, 1]), torch.tensor([[20.0, 0], [40, 1], [60, 2]]))


def asked(what, n=1, condition=BOTH, typical=TYPICAL):
    return condition.asked(what, n, typical, "x")


def test_a_condition_is_a_class_and_attributes_one_after_the_other():
    assert BOTH.dim == 3 + 1 + 3
    assert TYPICAL.tolist() == [[1, 0, 0, -1, 1, 0, 0], [0, 1, 0, 0, 0, 1, 0], [0, 1, 0, 1, 0, 0, 1]]
    assert Condition.of(DATA, "labels", "x").dim == 3
    assert Condition.of(DATA, "attributes", "x").dim == 4
    assert not Condition.of(DATA, "none", "x")
    assert Condition.of(DataSpec((1, 8, 8), 2), "auto", "x").names == ("0", "1")


def test_a_constant_attribute_is_0():
    assert Column("same", 5.0, 5.0).encoded(torch.tensor([5.0])).tolist() == [[0.0]]


@pytest.mark.parametrize("data,kind,words", [
    (DataSpec((1, 8, 8)), "auto", "neither; put every class into a folder"),
    (DataSpec((1, 8, 8), 1), "labels", "labels of two classes or more"),
    (DataSpec((1, 8, 8), 3), "attributes", "with attributes"),
    (DataSpec((1, 8, 8), 3), "both", "with attributes"),
    (DataSpec((1, 8, 8), 3, attributes=(Column("age", 0, 1, missing=7),)), "auto", "7 of the samples have no value"),
])  # fmt: skip
def test_data_without_what_is_needed(data, kind, words):
    with pytest.raises(UserError, match=words):
        Condition.of(data, kind, "x")


@pytest.mark.parametrize("what,labels", [
    ("tulip", [1, 1]), ("1", [1, 1]), (1, [1, 1]), (np.int64(2), [2, 2]), ("rose,tulip", [0, 1]), ("a,b", [2, 2]),
    ([2, 0], [2, 0]), (["tulip", "rose"], [1, 0]), (torch.tensor([0, 2]), [0, 2]), (np.array([1, 0]), [1, 0]),
])  # fmt: skip
def test_classes_are_asked_for_by_name_number_or_one_by_one(what, labels):
    assert asked(what, 2)[:, :3].argmax(1).tolist() == labels


def test_what_is_not_asked_for_is_filled_in_from_samples_of_the_class():
    """Two of class 1 are known: their attributes come in turn. None of class 2: then those of any."""
    assert torch.equal(asked("tulip", 3), TYPICAL[[1, 2, 1]])
    assert asked("a,b", 2)[:, 3:].tolist() == TYPICAL[:2, 3:].tolist()
    assert torch.equal(asked(None, 4), TYPICAL[[0, 1, 2, 0]])


def test_attributes_are_asked_for_by_name():
    c = asked("rose+age=50+look=sad")[0]
    assert c.tolist() == [1, 0, 0, 0.5, 0, 1, 0]
    assert asked("age=30", 3)[:, 3].tolist() == [-0.5] * 3, "whatever the class"
    assert asked("age=30", 3)[:, :3].argmax(1).tolist() == [0, 1, 1]


def test_vectors_are_taken_as_they_are():
    mix = torch.lerp(TYPICAL[0], TYPICAL[1], 0.5)[None]
    assert torch.equal(asked(mix), mix)
    with pytest.raises(UserError, match="needed"):
        asked(mix[:, :3])


@pytest.mark.parametrize("what,n,words", [
    ("tulpi", 1, "Did you mean tulip"), (3, 1, "no class 3"), (-1, 1, "no class -1"), (1.5, 1, "no class 1.5"),
    ("agge=3", 1, "Did you mean age"), ("age=61", 1, "give 20 to 60"), ("age=old", 1, "out of range"),
    ("look=mad", 1, "none of glad, sad"), ([0, 1], 3, "2 labels were given for 3"), ([], 1, "0 labels"),
])  # fmt: skip
def test_mistakes_are_told(what, n, words):
    with pytest.raises(UserError, match=words):
        asked(what, n)


def test_attributes_alone_know_no_classes():
    alone = Condition.of(DATA, "attributes", "x")
    with pytest.raises(UserError, match="trained on attributes alone"):
        asked("rose", 1, alone, TYPICAL[:, 3:])
    assert asked("look=sad", 1, alone, TYPICAL[:, 3:]).tolist() == [[-1, 0, 1, 0]]


def test_errors_are_cross_entropies_and_half_squares():
    logits = torch.randn(3, BOTH.dim)
    expected = (
        F.cross_entropy(logits[:, :3], torch.tensor([0, 1, 1]), reduction="none")
        + 0.5 * (logits[:, 3] - torch.tensor([-1.0, 0, 1])) ** 2
        + F.cross_entropy(logits[:, 4:], torch.tensor([0, 1, 2]), reduction="none")
    )
    torch.testing.assert_close(BOTH.errors(logits, TYPICAL), expected)
