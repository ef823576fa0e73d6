"""The grammar of arithmetic: what it takes, what it refuses, and what it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganvas.errors import UserError
from ganvas.latent.expressions import Expression, Name, Seed, Term, parse, parse_list


def test_a_sum_of_averages():
    found = parse("avg(1,5, 0:9) - avg(woman) + 0.5*3 − 2*Zoë_2")
    assert found.terms == (
        Term(1, (Seed(1), Seed(5), Seed(0, 9))),
        Term(-1, (Name("woman"),)),
        Term(0.5, (Seed(3),)),
        Term(-2, (Name("Zoë_2"),)),
    )
    assert parse("-3").terms == (Term(-1, (Seed(3),)),)
    assert parse_list("3, avg(1,2)+x, 0:17") == (parse("3"), parse("avg(1,2) + x"), parse("0:17"))


WRONG = {
    "": "it ends where a seed or a name was expected",
    "1 +": "it ends where a seed or a name was expected",
    "avg()": "')' stands at character 5 where a seed or a name was expected",
    "avg(1": "it ends where a comma or ) was expected",
    "avg 1": "'1' stands at character 5 where ( was expected",
    "avg": "it ends where ( was expected",
    "1 2": "'2' stands at character 3 where +, - or the end was expected",
    "1,2": "',' stands at character 2 where +, - or the end was expected",
    "2*2*2": "'*' stands at character 4",
    "a*2": "'*' stands at character 2",
    "--1": "'-' stands at character 2",
    "1.5": "1.5 is no seed",
    "0:1.5": "1.5 is no index",
    "0:-1": "'-' stands at character 3 where the number of an image was expected",
    "0:100000": "100000 is no index; give a whole number from 0 to 99,999",
    "9" * 5000: "is no seed",
    "9" * 5000 + "*1": "the factor 999999999999 is out of range",
    "2000000*1": "the factor 2000000 is out of range",
    "+".join(["1"] * 257): "at most 256 operands",
    "__import__('os')": "'_' has no meaning",
    "a.b": "'.' has no meaning",
    "1e5": "'e5' stands at character 2",
    "a(1)": "'(' stands at character 2",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_sum(text):
    with pytest.raises(UserError) as said:
        parse(text)
    assert WRONG[text] in str(said.value)


operands = st.one_of(
    st.builds(Seed, st.integers(0, 2**63 - 1), st.integers(0, 99_999)),
    st.builds(Name, st.from_regex(r"[a-z]\w{0,8}", fullmatch=True).filter(lambda n: n != "avg")),
)
weights = st.sampled_from([1.0, -1.0, 0.5, -2.0, 0.25])
terms = st.builds(Term, weights, st.lists(operands, min_size=1, max_size=4).map(tuple))


@given(st.lists(terms, min_size=1, max_size=5).map(tuple))
def test_what_is_written_is_read_again(found):
    assert parse(str(Expression(found))).terms == found


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_in_words(text):
    try:
        parse_list(text)
    except UserError as e:
        assert str(e)
