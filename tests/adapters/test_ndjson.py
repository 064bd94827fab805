from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.ndjson import NDJSONParser
from app.adapters.sse import OversizedEvent, SSEEvent

AWKWARD = '{"a":"é\U0001f642"}\r\n\n\r\n  {"b":1}  \n{"c":"\\n"}\n{"last":true}'.encode()
LINES = [SSEEvent("", text) for text in ('{"a":"é\U0001f642"}', '{"b":1}', '{"c":"\\n"}', '{"last":true}')]


def parsed(*pieces: bytes) -> list[SSEEvent]:
    parser = NDJSONParser()
    return [event for piece in pieces for event in parser.feed(piece)] + parser.close()


def feed_often(parser: NDJSONParser, data: bytes) -> None:
    for _ in range(100):
        parser.feed(data)


def test_both_newlines_empty_lines_and_a_last_line_without_one_are_understood() -> None:
    assert parsed(AWKWARD) == parsed(AWKWARD + b"\n") == LINES


def test_every_split_point_gives_the_same_lines() -> None:
    for cut in range(len(AWKWARD) + 1):
        assert parsed(AWKWARD[:cut], AWKWARD[cut:]) == LINES, cut


def test_one_byte_at_a_time_gives_the_same_lines() -> None:
    assert parsed(*(AWKWARD[i : i + 1] for i in range(len(AWKWARD)))) == LINES


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(AWKWARD)), max_size=6))
def test_any_cuts_give_the_same_lines(cuts: list[int]) -> None:
    points = [0, *sorted(cuts), len(AWKWARD)]
    assert parsed(*(AWKWARD[a:b] for a, b in pairwise(points))) == LINES


def test_a_line_is_told_as_soon_as_it_ends() -> None:
    parser = NDJSONParser()
    assert parser.feed(b'{"a":1}\n{"b"') == [SSEEvent("", '{"a":1}')]
    assert parser.feed(b":2}\n") == [SSEEvent("", '{"b":2}')]
    assert parser.close() == []


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert parsed(b"\xff\xfe\n") == [SSEEvent("", "\ufffd\ufffd")]


def test_an_endless_line_is_refused_while_it_comes() -> None:
    with pytest.raises(OversizedEvent):
        feed_often(NDJSONParser(max_line=1000), b"x" * 50)


@pytest.mark.parametrize("pieces", [[b"x" * 101 + b"\n"], [b"x" * 60, b"x" * 60 + b"\n"], [b"ok\n" + b"x" * 101]])
def test_a_line_beyond_the_bound_is_refused_however_it_comes(pieces: list[bytes]) -> None:
    parser = NDJSONParser(max_line=100)
    with pytest.raises(OversizedEvent):
        for piece in pieces:
            parser.feed(piece)


def test_a_line_of_just_the_bound_is_taken() -> None:
    parser = NDJSONParser(max_line=100)
    assert parser.feed(b"x" * 100 + b"\n") == [SSEEvent("", "x" * 100)]
