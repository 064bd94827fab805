"""A run as a file comes back as it was, or not at all."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.replay import Take, TakeKind, TakeOutcome
from app.ledger.cassette import BadCassette, Seal, check, head_of, line_of, takes_in
from app.text.canonical import canonical, digest

NOON = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def take(number: int, question: Any = "hello") -> Take:
    key = digest(question)
    body = {"exchanges": [{"key": key, "question": question}], "error": None, "ended_at": None}
    began = NOON + timedelta(seconds=number)
    text = canonical(body).decode()
    return Take(f"{number:032x}", "local", "r", TakeKind.CALL, key, "", TakeOutcome.OK, began, text)


def file_of(*takes: Take) -> bytes:
    seal = Seal()
    lines = [seal.add(head_of("r", len(takes))), *(seal.add(line_of(one)) for one in takes)]
    return b"".join([*lines, seal.line()])


@given(questions=st.lists(JSON, max_size=5))
def test_a_cassette_comes_back_as_it_was(questions: list[Any]) -> None:
    takes = [take(number, question) for number, question in enumerate(questions)]
    file = io.BytesIO(file_of(*takes))

    name, count, sha256 = check(file)
    again = list(takes_in(file, "local", "r"))

    assert (name, count) == ("r", len(takes))
    assert [line_of(one) for one in again] == [line_of(one) for one in takes]
    assert check(io.BytesIO(file_of(*again)))[2] == sha256
    assert len({one.id for one in again}) == len(takes)


@given(place=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_no_byte_of_it_can_be_changed(place: int, byte: int) -> None:
    whole = file_of(take(1), take(2, {"messages": ["buy"]}))
    place %= len(whole)
    if whole[place] == byte:
        return

    with pytest.raises(BadCassette):
        check(io.BytesIO(whole[:place] + bytes([byte]) + whole[place + 1 :]))


@given(length=st.integers(0, 10_000))
def test_nothing_of_it_can_be_cut_off(length: int) -> None:
    whole = file_of(take(1), take(2))

    with pytest.raises(BadCassette):
        check(io.BytesIO(whole[: length % len(whole)]))


def test_a_seal_does_not_make_a_wrong_question_right() -> None:
    seal = Seal()
    wrong = line_of(take(1)).replace(b'"question":"hello"', b'"question":"hullo"')
    lines = seal.add(head_of("r", 1)) + seal.add(wrong) + seal.line()

    with pytest.raises(BadCassette, match="line 2"):
        check(io.BytesIO(lines))
