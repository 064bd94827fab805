from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.sse import OversizedEvent, SSEEvent, SSEParser

AWKWARD = (
    "\ufeff: comment\r\n"
    'event: error\r\ndata: {"a":"é\U0001f642"}\r\n\r\n'
    "data:no space\n\n"
    "data: one\ndata: two\n\n"
    ": ping\n\n"
    "id: 3\nretry: 10\ndata: x\r\r"
    "event: lonely\n\n"
    "data: [DONE]\n\n"
).encode()
EVENTS = [
    SSEEvent("error", '{"a":"é\U0001f642"}'),
    SSEEvent("", "no space"),
    SSEEvent("", "one\ntwo"),
    SSEEvent("", "x"),
    SSEEvent("", "[DONE]"),
]


def parsed(*pieces: bytes) -> list[SSEEvent]:
    parser = SSEParser()
    return [event for piece in pieces for event in parser.feed(piece)] + parser.close()


def feed_often(parser: SSEParser, data: bytes) -> None:
    for _ in range(100):
        parser.feed(data)


def test_comments_newlines_and_the_byte_order_mark_are_understood() -> None:
    assert parsed(AWKWARD) == EVENTS


def test_every_split_point_gives_the_same_events() -> None:
    for cut in range(len(AWKWARD) + 1):
        assert parsed(AWKWARD[:cut], AWKWARD[cut:]) == EVENTS, cut


def test_one_byte_at_a_time_gives_the_same_events() -> None:
    assert parsed(*(AWKWARD[i : i + 1] for i in range(len(AWKWARD)))) == EVENTS


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(AWKWARD)), max_size=6))
def test_any_cuts_give_the_same_events(cuts: list[int]) -> None:
    points = [0, *sorted(cuts), len(AWKWARD)]
    assert parsed(*(AWKWARD[a:b] for a, b in pairwise(points))) == EVENTS


def test_an_event_without_its_empty_line_comes_at_the_close() -> None:
    assert parsed(b"data: [DONE]") == [SSEEvent("", "[DONE]")]


def test_json_that_stands_bare_is_an_event_wherever_it_is_cut() -> None:
    body = b'data: 1\r\n\r\n{\r\n  "error": {\r\n    "a": "data: x"\r\n  }\r\n}\r\n\r\ndata: 2\r\n\r\n'
    bare = SSEEvent("", '{\n  "error": {\n    "a": "data: x"\n  }\n}')
    expected = [SSEEvent("", "1"), bare, SSEEvent("", "2")]
    for cut in range(len(body) + 1):
        assert parsed(body[:cut], body[cut:]) == expected, cut
    assert parsed(b'{"error":"x"}') == [SSEEvent("", '{"error":"x"}')]


def test_an_endless_bare_event_is_refused() -> None:
    parser = SSEParser(max_line=100, max_event=1000)
    parser.feed(b"{\n")
    with pytest.raises(OversizedEvent):
        feed_often(parser, b"x" * 50 + b"\n")


def test_an_endless_line_is_refused_while_it_comes() -> None:
    parser = SSEParser(max_line=1000)
    with pytest.raises(OversizedEvent):
        feed_often(parser, b"x" * 50)


def test_an_endless_event_is_refused() -> None:
    parser = SSEParser(max_line=100, max_event=1000)
    with pytest.raises(OversizedEvent):
        feed_often(parser, b"data: " + b"x" * 50 + b"\n")
