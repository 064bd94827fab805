"""Strict JSON: what must be refused is refused with its place, and big bodies do not hold the loop."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.strict_json import MAX_DEPTH, MAX_VALUES, SMALL, parse
from app.domain.errors import Code, RequestRejected


def refusal(raw: bytes) -> str:
    with pytest.raises(RequestRejected) as caught:
        parse(raw)
    assert caught.value.code is Code.INVALID_JSON
    return caught.value.message


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_ordinary_json_is_read_as_it_is(value: object) -> None:
    assert parse(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")) == json.loads(
        json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    )


@given(JSON)
def test_large_json_is_read_as_small_json_is(value: object) -> None:
    padded = json.dumps([value, '":{,\\" ' * 12_000]).encode()
    assert len(padded) > SMALL

    assert parse(padded) == json.loads(padded)


@pytest.mark.parametrize(
    ("raw", "hint"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b'{"a": NaN}', "line 1 column 7"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": Infinity}', "Infinity is no JSON number"),
        ('{"é": [-Infinity]}'.encode(), "Infinity is no JSON number"),
        (b'{"a": 1e999}', "infinity"),
        (b'{"a": -1e999}', "infinity"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b"\xef\xbb\xbf{}", "BOM"),
        ('{"a": 1}'.encode("utf-16"), "UTF-8"),
        ('{"a": 1}'.encode("utf-16-le"), "UTF-8"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b"{'a': 1}", "line 1"),
        (b'{"a": 1,}', "line 1"),
        (b'{"a": 1} x', "line 1"),
    ],
)
def test_what_is_not_strict_json_is_refused_with_its_place(raw: bytes, hint: str) -> None:
    assert hint in refusal(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"model": 1, "model": 2}',
        b'{"x": [{"model": ":", "b": {}, "model": 2}]}',
        b'{"model": 1, "\\u006dodel": 2}',
    ],
)
@pytest.mark.parametrize("padding", [0, SMALL])
def test_a_duplicate_key_is_refused_by_name(raw: bytes, padding: int) -> None:
    padded = raw[:1] + b'"pad": "' + b"x\\\\" * (padding // 2) + b'", ' + raw[1:]

    assert 'duplicate key "model"' in refusal(padded)


def test_a_colon_in_a_text_is_no_member() -> None:
    assert parse(b'{"a": "b: \\"c\\": d", "e": ["::"]}') == {"a": 'b: "c": d', "e": ["::"]}


def test_the_deepest_allowed_nesting_is_read_and_one_more_is_not() -> None:
    assert parse(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)

    assert "deeper than 64" in refusal(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))
    assert "nested" in refusal(b'{"a":' * 70 + b"1" + b"}" * 70)


def test_a_flood_of_values_is_refused_before_it_is_parsed() -> None:
    flood = b"[" + b"{}," * 3_000_000 + b"{}]"

    start = time.process_time()
    message = refusal(flood)

    assert str(MAX_VALUES) in message
    assert time.process_time() - start < 0.1
