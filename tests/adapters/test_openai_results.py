from __future__ import annotations

from typing import Any

import pytest

from app.adapters.openai_results import MOVED
from app.adapters.presets import PRESETS
from app.domain.provider import ProviderType as T
from tests.adapters.streams import a_call
from tests.adapters.wire import body_for, refused_param

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
TEXT = {"type": "text", "text": "the tape"}
LABEL = {"type": "text", "text": "From the result of call_1:"}
LIKES = [type_ for type_ in PRESETS if type_ not in (T.ANTHROPIC, T.GEMINI, T.OLLAMA, T.SANDBOX, T.MISTRAL, T.DEEPSEEK)]


def result(call_id: str, content: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def called(*ids: str) -> dict[str, Any]:
    calls = [{"id": each, "type": "function", "function": {"name": "f", "arguments": "{}"}} for each in ids]
    return {"role": "assistant", "content": "", "tool_calls": calls}


def sent(type_: T, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = body_for(type_, [{"role": "user", "content": "look"}, *messages])["messages"]
    return written[2:]


def warned(type_: T, *messages: dict[str, Any]) -> list[str]:
    return list(PRESETS[type_].codec.encode(a_call(messages=list(messages)), stream=False).warnings)


@pytest.mark.parametrize("type_", LIKES)
def test_what_a_result_shows_follows_as_the_users_after_all_results(type_: T) -> None:
    written = sent(type_, called("call_1", "call_2"), result("call_1", [TEXT, PICTURE]), result("call_2", "done"))

    assert written == [
        result("call_1", "the tape"),
        result("call_2", "done"),
        {"role": "user", "content": [LABEL, PICTURE]},
    ]
    assert warned(type_, called("call_1"), result("call_1", [PICTURE])) == [MOVED]


def test_it_joins_what_the_user_says_next() -> None:
    story = [called("call_1"), result("call_1", [PICTURE])]

    assert sent(T.OPENAI, *story, {"role": "user", "content": "well?"})[1:] == [
        {"role": "user", "content": [LABEL, PICTURE, {"type": "text", "text": "well?"}]}
    ]
    assert sent(T.OPENAI, *story, {"role": "user", "content": [TEXT]})[1:] == [
        {"role": "user", "content": [LABEL, PICTURE, TEXT]}
    ]
    assert [message["role"] for message in sent(T.OPENAI, *story, {"role": "assistant", "content": "ok"})] == [
        "tool",
        "user",
        "assistant",
    ]


def test_a_result_that_only_shows_says_where_it_is() -> None:
    [told, shown] = sent(T.OPENAI, called("call_1"), result("call_1", [PICTURE]))

    assert isinstance(told["content"], str)
    assert told["content"]
    assert shown["content"] == [LABEL, PICTURE]


def test_results_of_text_stay_as_they_are() -> None:
    story = [called("call_1"), result("call_1", [TEXT, TEXT])]

    assert sent(T.OPENAI, *story) == [result("call_1", [TEXT, TEXT])]
    assert warned(T.OPENAI, *story) == []


def test_the_callers_messages_are_not_changed() -> None:
    mine = result("call_1", [TEXT, PICTURE])
    sent(T.OPENAI, called("call_1"), mine)
    assert mine == result("call_1", [TEXT, PICTURE])


@pytest.mark.parametrize("type_", [T.OPENROUTER, T.OPENAI_COMPATIBLE])
def test_a_document_behind_a_url_is_left_to_another_target(type_: T) -> None:
    document = {"type": "file", "file": {"file_url": "https://x.test/a.pdf"}}

    assert refused_param(type_, [{"role": "user", "content": [document]}]) == "messages"


def test_mistral_reads_a_document_behind_a_url() -> None:
    document = {"type": "file", "file": {"file_url": "https://x.test/a.pdf", "filename": "a.pdf"}}

    [message] = body_for(T.MISTRAL, [{"role": "user", "content": [document]}])["messages"]

    assert message["content"] == [
        {"type": "document_url", "document_url": "https://x.test/a.pdf", "document_name": "a.pdf"}
    ]
