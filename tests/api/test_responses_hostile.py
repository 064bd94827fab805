"""Whatever stands anywhere in a body of the Responses wire, it is refused with its path or understood: never a bug."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.responses_answer import Frame
from app.api.responses_checks import unsupported, violations
from app.api.responses_wire import request_of
from app.domain.errors import RequestRejected
from app.domain.needs import needs_of

PARTS = [
    {"type": "input_text", "text": "a"},
    {"type": "input_image", "image_url": "https://x", "detail": "low"},
    {"type": "input_file", "file_data": "x", "filename": "f"},
    {"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}},
]
WHOLE: dict[str, Any] = {
    "model": "auto",
    "instructions": "be brief",
    "input": [
        {"role": "user", "content": PARTS},
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "content": [{"type": "reasoning_text", "text": "hm"}],
            "encrypted_content": "outcry.1.W3siYSI6MX1d",
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "b"}, {"type": "refusal", "refusal": "c"}],
        },
        {"type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "d"}]},
        {"type": "custom_tool_call", "call_id": "d", "name": "n", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "d", "output": "x"},
        {"type": "web_search_call", "id": "ws_1"},
    ],
    "tools": [
        {"type": "function", "name": "a", "parameters": {"type": "object"}, "strict": True},
        {"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
        {"type": "web_search"},
    ],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "a"}]},
    "text": {"format": {"type": "json_schema", "name": "v", "schema": {"type": "object"}}, "verbosity": "low"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["message.output_text.logprobs"],
    "top_logprobs": 2,
    "metadata": {"a": "b"},
    "truncation": "auto",
}
Step = str | int


def places(value: Any, path: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """Every place inside a value."""
    inside: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, each in inside:
        yield (*path, step)
        yield from places(each, (*path, step))


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
junk = st.one_of(
    st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)),
    st.sampled_from([{"type": []}, {"type": "function"}, [{}], "outcry.1.", "outcry.1+%", "\x00"]),
)


ODD: list[Any] = [None, True, -1, 1.5, "", "\x00", [], {}, [[]], [{}], [None], {"type": []}, {"type": "function"}]


@pytest.mark.parametrize("odd", [*ODD, ...], ids=repr)
def test_every_place_holds_out_against_every_kind_of_value(odd: Any) -> None:
    for place in places(WHOLE):
        check(place, odd, is_absent=odd is ...)


@given(place=st.sampled_from(list(places(WHOLE))), odd=junk)
def test_anything_anywhere_is_refused_or_understood(place: tuple[Step, ...], odd: Any) -> None:
    check(place, odd, is_absent=False)


def check(place: tuple[Step, ...], odd: Any, *, is_absent: bool) -> None:
    """Puts the odd value there, or takes away what was, and follows the body as far as it goes."""
    body = copy.deepcopy(WHOLE)
    holder: Any = body
    for step in place[:-1]:
        holder = holder[step]
    if is_absent:
        del holder[place[-1]]
    else:
        holder[place[-1]] = odd

    wrong = [*unsupported(body), *violations(body)]
    if wrong:
        assert all(each.field and each.message for each in wrong)
        return
    try:
        request = request_of(body)
    except RequestRejected:
        return
    needs_of(request)
    orjson.dumps([request.messages, request.parameters, Frame(body).response("m")])
