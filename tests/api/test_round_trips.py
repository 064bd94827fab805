"""Round trips between the inbound wires: what both can say arrives unchanged, whichever way it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.responses_answer import Frame, output_of
from app.api.responses_checks import violations
from app.api.responses_wire import request_of
from app.domain.chat import ChatRequest
from tests.api.conversations import JSON, conversations, parameters, text, tools
from tests.api.conversations import details as replay_details
from tests.api.saying_messages import as_messages, read_messages, sayable


@dataclass(frozen=True)
class InboundWire:
    """One wire besides Chat Completions.

    `says` puts a canonical chat into its body, as a client that replays what it was answered does; `reads` is what
    we make of that body. `can_say` leaves out what the wire has no words for.
    """

    says: Callable[[Sequence[JSON], Mapping[str, Any]], JSON]
    reads: Callable[[JSON], ChatRequest]
    can_say: Callable[[ChatRequest], ChatRequest] = lambda request: request


def as_responses(messages: Sequence[JSON], given_parameters: Mapping[str, Any]) -> JSON:
    """A canonical chat in the words of the Responses wire; the assistant's turns through our own renderer."""
    body: JSON = {"model": "auto", "input": []}
    frame = Frame({})
    for message in messages:
        match message["role"]:
            case "system":
                body["instructions"] = message["content"]
            case "user":
                body["input"].append({"role": "user", "content": _input_content(message["content"])})
            case "tool":
                result = {"call_id": message["tool_call_id"], "output": message["content"]}
                body["input"].append({"type": "function_call_output", **result})
            case _:
                body["input"] += output_of({"message": message}, frame, "completed")
    return body | _responses_parameters(given_parameters)


def _input_content(content: Any) -> Any:
    if isinstance(content, str):
        return content
    return [
        {"type": "input_text", "text": part["text"]}
        if part["type"] == "text"
        else {"type": "input_image", "image_url": part["image_url"]["url"]}
        for part in content
    ]


def _responses_parameters(given_parameters: Mapping[str, Any]) -> JSON:
    said = dict(given_parameters)
    body: JSON = {name: said[name] for name in ("temperature", "top_p", "parallel_tool_calls") if name in said}
    if "max_completion_tokens" in said:
        body["max_output_tokens"] = said["max_completion_tokens"]
    if "reasoning_effort" in said:
        body["reasoning"] = {"effort": said["reasoning_effort"]}
    if "tools" in said:
        body["tools"] = [{"type": "function", **tool["function"]} for tool in said["tools"]]
    choice = said.get("tool_choice")
    if choice is not None:
        body["tool_choice"] = choice if isinstance(choice, str) else {"type": "function", **choice["function"]}
    if "response_format" in said:
        body["text"] = {"format": {"type": "json_schema", **said["response_format"]["json_schema"]}}
    return body


def read_responses(body: JSON) -> ChatRequest:
    """What the edge makes of a body, which it must find nothing wrong with."""
    body = orjson.loads(orjson.dumps(body))
    assert list(violations(body)) == []
    return request_of(body)


WIRES = {
    "responses": InboundWire(as_responses, read_responses),
    "messages": InboundWire(as_messages, read_messages, sayable),
}


@pytest.fixture(params=sorted(WIRES), scope="module")
def wire(request: pytest.FixtureRequest) -> InboundWire:
    return WIRES[request.param]


@given(messages=conversations(), said=parameters())
def test_a_conversation_arrives_as_it_was_meant(wire: InboundWire, messages: list[JSON], said: dict[str, Any]) -> None:
    meant = wire.can_say(ChatRequest(messages, said))

    read = wire.reads(wire.says(messages, said))

    assert read.messages == meant.messages
    assert read.parameters == meant.parameters


@given(messages=conversations(), said=parameters())
def test_saying_again_what_was_read_changes_nothing(
    wire: InboundWire, messages: list[JSON], said: dict[str, Any]
) -> None:
    once = wire.reads(wire.says(messages, said))

    twice = wire.reads(wire.says(once.messages, once.parameters))

    assert (twice.messages, twice.parameters) == (once.messages, once.parameters)


@given(
    content=text,
    summary=st.one_of(st.none(), text),
    secrets=st.lists(st.text("abc=", min_size=1, max_size=6), min_size=1, max_size=3),
    foreign=st.lists(replay_details, max_size=2),
)
def test_reasoning_of_several_providers_comes_back_with_its_turn(
    content: str, summary: str | None, secrets: list[str], foreign: list[JSON]
) -> None:
    shown = [] if summary is None else [{"type": "summary_text", "text": summary}]
    own = [
        {"type": "reasoning", "id": f"rs_{index}", "summary": shown if index == 0 else [], "encrypted_content": secret}
        for index, secret in enumerate(secrets)
    ]
    message: JSON = {"role": "assistant", "content": content, "reasoning_details": [*own, *foreign]}
    if summary is not None:
        message["reasoning_content"] = summary

    (read,) = read_responses(as_responses([message], {})).messages

    assert read == message


@given(said=st.fixed_dictionaries({"reasoning_effort": st.sampled_from(["low", "high"]), "tools": tools}))
def test_what_only_openais_wires_say_arrives_too(said: dict[str, Any]) -> None:
    message = {"role": "user", "content": "x"}

    assert read_responses(as_responses([message], said)).parameters == said
