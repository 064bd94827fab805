from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.text.json_stream import MAX_HELD, JSONStream, TooMuchBefore

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def read(*pieces: str, any_container: bool = False) -> tuple[str, JSONStream]:
    stream = JSONStream(any_container=any_container)
    said = "".join([stream.feed(piece) for piece in pieces])
    return said + stream.close(), stream


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        '  \n{"a": 1}\n',
        '```json\n{"a": 1}\n```',
        'Sure, here it is:\n```\n{"a": 1}\n```\nAnything else?',
        '<think>maybe {"a": 2}?</think>{"a": 1}',
        'no opening tag {"a": 2}</think>\n\n{"a": 1}',
        '[THINK]hm[/THINK] {"a": 1}',
        'a set {x} of prose, then {"a": 1} and more {"a": 3}',
    ],
)
def test_what_stands_around_the_json_is_kept_back(text: str) -> None:
    said, stream = read(text)

    assert (said, stream.is_whole) == ('{"a": 1}', True)


def test_what_was_thought_is_told_apart() -> None:
    _, stream = read("<think>the trend", " is up</th", "ink>", '{"a": 1}')

    assert stream.thinking == "the trend is up"


def test_brackets_and_quotes_in_strings_end_nothing() -> None:
    text = '{"a": "}\\"]{", "b": "\\\\"}'

    said, stream = read(*text)

    assert (said, stream.is_whole) == (text, True)


def test_an_array_counts_only_where_one_is_wanted() -> None:
    assert read('[1, {"a": 1}]')[0] == '{"a": 1}'
    assert read('see [1]: [{"a": 1}]', any_container=True)[0] == "[1]"
    assert read('[{"a": 1}]', any_container=True)[0] == '[{"a": 1}]'


def test_a_text_without_json_says_nothing() -> None:
    said, stream = read("I would rather not.")

    assert (said, stream.has_begun) == ("", False)


def test_a_cut_value_has_begun_and_is_not_whole() -> None:
    said, stream = read('{"a": [1, ')

    assert (said, stream.has_begun, stream.is_whole) == ('{"a": [1, ', True, False)


def test_a_flood_before_the_json_is_refused_and_costs_its_length() -> None:
    stream = JSONStream()

    with pytest.raises(TooMuchBefore):
        for _ in range(MAX_HELD):
            stream.feed("{ ")


@given(st.dictionaries(st.text(max_size=6), JSON, max_size=4), st.lists(st.integers(0, 400), max_size=5))
def test_every_cut_of_the_text_gives_the_same(value: dict[str, object], cuts: list[int]) -> None:
    bare = json.dumps(value, ensure_ascii=False)
    text = f"<think>hm</think>```json\n{bare}\n```"
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]

    said, stream = read(*(text[start:end] for start, end in pairwise(edges)))

    assert (said, stream.is_whole) == (bare, True)
