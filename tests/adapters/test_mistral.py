from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.mistral import short_call_id
from app.domain.provider import ProviderType
from tests.adapters.wire import body_for, refused_param, warned_for
from tests.golden import golden_json

T = ProviderType.MISTRAL
USER: dict[str, Any] = {"role": "user", "content": "hi"}


def call(id_: str, name: str = "f") -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": "{}"}}


def test_a_canonical_request_becomes_the_one_on_file() -> None:
    expected = golden_json("mistral/request_tools.json")
    schema = {"$schema": "x", "additionalProperties": False, **expected["tools"][0]["function"]["parameters"]}
    function = {**expected["tools"][0]["function"], "strict": True, "parameters": schema}
    asked, called, result = expected["messages"]
    unnamed = {name: value for name, value in result.items() if name != "name"}
    body = body_for(
        T,
        [asked, {**called, "content": None, "refusal": None}, unnamed],
        model=expected["model"],
        tools=[{"type": "function", "function": function}],
        tool_choice="required",
        parallel_tool_calls=True,
        max_completion_tokens=512,
        seed=7,
    )
    assert body == expected


def test_foreign_ids_are_shortened_and_still_belong_together() -> None:
    given_ = golden_json("openai/request_canonical_tools.json")
    messages = body_for(T, given_["messages"])["messages"]
    asked = [each["id"] for each in messages[2]["tool_calls"]]
    answered = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    assert asked == answered
    assert len(set(asked)) == 2
    assert given_["messages"][2]["tool_calls"][0]["id"] == "call_A1b2C3"


@given(st.text(max_size=40))
def test_an_id_is_nine_letters_and_digits_for_ever(given_: str) -> None:
    short = short_call_id(given_)
    assert len(short) == 9
    assert short.isascii()
    assert short.isalnum()
    assert short_call_id(short) == short == short_call_id(given_)


def test_the_order_of_messages_is_made_one_that_is_taken() -> None:
    messages = [
        USER,
        {"role": "assistant", "tool_calls": [call("a")]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "developer", "content": "be brief"},
        {**USER, "name": "bob"},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "assistant", "content": "It is"},
    ]
    sent = body_for(T, messages)["messages"]
    assert [each["role"] for each in sent] == [
        *("system", "user", "assistant", "tool", "assistant", "user", "assistant", "assistant")
    ]
    assert sent[0]["content"] == "be brief"
    assert sent[3]["name"] == "f"
    assert sent[5] == USER
    assert (sent[6]["content"], sent[7]) == (" ", {"role": "assistant", "content": "It is", "prefix": True})


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}},
            {"type": "input_audio", "input_audio": "QUJD"},
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,QUJD", "filename": "a.pdf"}},
            {"type": "document_url", "document_url": "data:application/pdf;base64,QUJD", "document_name": "a.pdf"},
        ),
        ({"type": "file", "file": {"file_id": "f-1"}}, {"type": "file", "file_id": "f-1"}),
        ({"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},) * 2,
        ({"type": "text", "text": "x"},) * 2,
        ({"type": "file", "file": 3},) * 2,
    ],
)
def test_parts_have_its_own_form(part: dict[str, Any], expected: dict[str, Any]) -> None:
    assert body_for(T, [{"role": "user", "content": [part]}])["messages"][0]["content"] == [expected]


def test_a_property_may_be_called_like_a_refused_keyword() -> None:
    inner = {"$id": {"type": "string"}, "strict": {"type": "object", "additionalProperties": False}}
    schema = {"type": "object", "properties": inner, "$schema": "x", "default": {"strict": 1}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    (sent,) = body_for(T, tools=[tool])["tools"]
    assert sent["function"]["parameters"] == {
        "type": "object",
        "properties": {"$id": {"type": "string"}, "strict": {"type": "object"}},
        "default": {"strict": 1},
    }


def test_a_schema_without_an_end_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(80):
        schema = {"items": schema}
    assert refused_param(T, tools=[{"type": "function", "function": {"name": "f", "parameters": schema}}]) == "tools"


@pytest.mark.parametrize(
    ("model", "given_", "expected", "warned"),
    [
        ("m", {"temperature": 1.9}, {"temperature": 1.5}, ["temperature"]),
        ("m", {"temperature": 0, "top_p": 0.5}, {"temperature": 0}, ["top_p"]),
        ("m", {"temperature": 0, "top_p": 1}, {"temperature": 0, "top_p": 1}, []),
        ("m", {"user": "u", "store": True, "logit_bias": {}}, {}, ["logit_bias", "store", "user"]),
        ("m", {"reasoning_effort": "low"}, {"reasoning_effort": "high"}, []),
        ("m", {"reasoning_effort": "none"}, {"reasoning_effort": "none"}, []),
        ("magistral-medium", {"reasoning_effort": "low"}, {}, []),
        ("magistral-medium", {"reasoning_effort": "none"}, {}, ["reasoning_effort"]),
        ("m", {"stream_options": {"include_usage": True}}, {}, []),
        ("m", {"tools": [], "tool_choice": "none"}, {"tools": [], "tool_choice": "none"}, []),
    ],
)
def test_parameters_are_what_it_takes(
    model: str, given_: dict[str, Any], expected: dict[str, Any], warned: list[str]
) -> None:
    body = body_for(T, model=model, stream=True, **given_)
    rest = {name: value for name, value in body.items() if name not in ("model", "messages", "stream")}
    assert rest == expected
    assert warned_for(T, model=model, **given_) == warned


def test_the_retired_form_of_tools_is_refused() -> None:
    assert refused_param(T, functions=[{"name": "f"}]) == "functions"
