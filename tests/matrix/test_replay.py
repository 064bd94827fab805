"""What a model thought before it called a tool comes back to it with the result, on whichever wire the client sits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import orjson
import pytest

from tests.matrix.features import OFFERED, Kind
from tests.matrix.house import served
from tests.matrix.reading import heard
from tests.matrix.saying import WIRES, Wire

JSON = dict[str, Any]
_SIGNED: Final = "ZXhhbXBsZS1hbnRocm9waWMtc2lnbmF0dXJlLW9wYXF1ZQ=="
THOUGHTS: Final[Mapping[str, str]] = {
    "anthropic": _SIGNED,
    "anthropic_thinking": _SIGNED,
    "gemini": "ZXhhbXBsZS10aG91Z2h0LXNpZ25hdHVyZS1vcGFxdWU=",
    "openai_newer": "gAAAAABexampleOpaque",
    "openai_responses": "gAAAAABexampleOpaque",
    "openrouter": _SIGNED,
    "deepseek": "Need the tool.",
    "vllm": "Need the tool.",
}
"""By provider: what its golden answer has for replay."""

OTHERS: Final = ("openai", "azure_dated", "ollama", "mistral", "groq", "xai", "together", "localai")
"""Providers that have nothing to replay, and must not be sent others' thoughts."""


def _chat_again(body: JSON, answer: JSON) -> JSON:
    message = answer["choices"][0]["message"]
    return {**body, "messages": [*body["messages"], message, *_results(call["id"] for call in message["tool_calls"])]}


def _bare_chat_again(body: JSON, answer: JSON) -> JSON:
    """As clients do that know nothing of reasoning."""
    stated = answer["choices"][0]["message"] if "choices" in answer else answer
    message = {"role": "assistant", "content": stated["content"], "tool_calls": stated["tool_calls"]}
    return {**body, "messages": [*body["messages"], message, *_results(call["id"] for call in message["tool_calls"])]}


def _results(ids: Any) -> list[JSON]:
    return [{"role": "tool", "tool_call_id": each, "content": "sunny"} for each in ids]


def _response_again(body: JSON, answer: JSON) -> JSON:
    calls = [item["call_id"] for item in answer["output"] if item["type"] == "function_call"]
    results = [{"type": "function_call_output", "call_id": each, "output": "sunny"} for each in calls]
    return {**body, "input": [*body["input"], *answer["output"], *results]}


def _message_again(body: JSON, answer: JSON) -> JSON:
    ids = [block["id"] for block in answer["content"] if block["type"] == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": each, "content": "sunny"} for each in ids]
    said = [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": results}]
    return {**body, "messages": [*body["messages"], *said]}


_BY_NAME: Final = {wire.name: wire for wire in WIRES}
AGAIN: Final[Mapping[str, tuple[Wire, Callable[[JSON, JSON], JSON]]]] = {
    "chat_completions": (_BY_NAME["chat_completions"], _chat_again),
    "chat_completions, bare": (_BY_NAME["chat_completions"], _bare_chat_again),
    "responses": (_BY_NAME["responses"], _response_again),
    "messages": (_BY_NAME["messages"], _message_again),
    "chat": (_BY_NAME["chat"], _bare_chat_again),
}


async def _asked(upstream: str, wire: Wire, body: JSON) -> httpx.Response:
    transport = httpx.ASGITransport(served(upstream)[0])
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8080") as client:
        response = await client.post(wire.path, json=body)
    assert response.status_code == 200, response.text
    return response


def _sent_to(upstream: str) -> str:
    """The last request, as text, with nothing wrong about it."""
    spoken, sent = served(upstream)[1].sent[-1]
    assert list(spoken.complaints(sent)) == []
    return orjson.dumps(sent).decode()


@pytest.mark.parametrize("upstream", THOUGHTS)
@pytest.mark.parametrize("client", AGAIN)
async def test_a_thought_comes_back_with_the_result(client: str, upstream: str) -> None:
    (wire, again), (_, provider) = AGAIN[client], served(upstream)
    provider.expect(Kind.CALLS)
    body = wire.says(OFFERED)
    answer = (await _asked(upstream, wire, body)).json()

    provider.kind = Kind.TEXT
    await _asked(upstream, wire, again(body, answer))

    assert THOUGHTS[upstream] in _sent_to(upstream)


@pytest.mark.parametrize("upstream", ["gemini", "openai_newer"])
async def test_a_streamed_thought_is_remembered_for_clients_that_lose_it(upstream: str) -> None:
    wire, (_, provider) = _BY_NAME["chat_completions"], served(upstream)
    provider.expect(Kind.CALLS)
    body = wire.says(OFFERED)
    told = await _asked(upstream, wire, {**body, "stream": True, "stream_options": {"include_usage": True}})
    answer = heard(wire.name, told.text, streamed=True)
    calls = [
        {"id": id_, "type": "function", "function": {"name": name, "arguments": orjson.dumps(given).decode()}}
        for id_, (name, given) in zip(answer.ids, answer.calls, strict=True)
    ]

    provider.kind = Kind.TEXT
    await _asked(upstream, wire, _bare_chat_again(body, {"content": None, "tool_calls": calls}))

    assert THOUGHTS[upstream] in _sent_to(upstream)


@pytest.mark.parametrize("there", [*OTHERS, *THOUGHTS])
@pytest.mark.parametrize("here", ["anthropic_thinking", "gemini", "openai_newer", "deepseek"])
@pytest.mark.parametrize("client", ["chat_completions", "responses", "messages"])
async def test_a_conversation_goes_on_at_another_provider(client: str, here: str, there: str) -> None:
    wire, again = AGAIN[client]
    served(here)[1].expect(Kind.CALLS)
    body = wire.says(OFFERED)
    answer = (await _asked(here, wire, body)).json()

    served(there)[1].expect(Kind.TEXT)
    await _asked(there, wire, again(body, answer))

    sent = _sent_to(there)
    assert "sunny" in sent
    is_native = client == "responses" and here.startswith("openai") and there.startswith("openai")
    if not is_native and here != "deepseek" and THOUGHTS.get(there) != THOUGHTS[here]:
        assert THOUGHTS[here] not in sent  # plain text may go anywhere, what is sealed is of use at home only
