"""Anthropic's wire: what is translated, what goes along in its own words, what is refused and with which path."""

from __future__ import annotations

import contextlib
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given as given_by
from hypothesis import settings
from hypothesis import strategies as st

from app.adapters.anthropic import AnthropicCodec
from app.adapters.presets import PRESETS
from app.api.anthropic_checks import violations
from app.api.anthropic_wire import request_of
from app.domain.chat import Call, ChatRequest, Wire
from app.domain.errors import Code, ProviderError, RequestRejected
from app.domain.needs import FILES, MESSAGES_TOOLS, TOOLS, VISION, needs_of
from tests.adapters.test_hostile_answers import ODD, paths_of, replaced
from tests.api.speaking import error_of
from tests.fakes_edge import FakeGateway
from tests.golden import golden_json

V1 = "/v1/messages"
TOOL = {"name": "price", "description": "the last price", "input_schema": {"type": "object"}}
SEARCH = {"type": "web_search_20260209", "name": "web_search"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "price", "input": {"symbol": "BTC"}}
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}


def body(*messages: Any, **more: Any) -> dict[str, Any]:
    """A body of the wire."""
    return {"model": "auto", "max_tokens": 64, "messages": list(messages or (said("hi"),)), **more}


def said(*content: Any, role: str = "user") -> dict[str, Any]:
    """A message of this text, or of these blocks."""
    return {"role": role, "content": content[0] if len(content) == 1 and isinstance(content[0], str) else list(content)}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"max_tokens": 5, "messages": [said("x")]}, "model"),
        (body(model=7), "model"),
        (body(models=["a", 1]), "models[1]"),
        (body(api_key="sk-1"), "api_key"),
        (body(provider={"orders": []}), "provider.orders"),
        ({"model": "auto", "messages": [said("x")]}, "max_tokens"),
        (body(max_tokens=-1), "max_tokens"),
        (body(max_tokens="many"), "max_tokens"),
        ({"model": "auto", "max_tokens": 5}, "messages"),
        (body(messages="hi"), "messages"),
        (body(messages=[]), "messages"),
        (body(messages=[said("x")] * 1_025), "messages"),
        (body("hi"), "messages[0]"),
        (body(said("x", role="robot")), "messages[0].role"),
        (body({"role": ["user"], "content": "x"}), "messages[0].role"),
        (body({"role": "user"}), "messages[0].content"),
        (body({"role": "user", "content": []}), "messages[0].content"),
        (body(said("x"), said(text("a"), 5)), "messages[1].content[1]"),
        (body(said({"type": 5})), "messages[0].content[0].type"),
        (body(said({"type": "text", "text": 5})), "messages[0].content[0].text"),
        (body(said({"type": "image", "source": "x"})), "messages[0].content[0].source"),
        (body(said({"type": "image", "source": {"type": "base64"}})), "messages[0].content[0].source.media_type"),
        (body(said({"type": "image", "source": {"type": "url", "url": 1}})), "messages[0].content[0].source.url"),
        (body(said({"type": "document", "source": {"type": 1}})), "messages[0].content[0].source.type"),
        (body(said(CALL)), "messages[0].content[0].type"),
        (body(said(CALL | {"input": "x"}, role="assistant")), "messages[0].content[0].input"),
        (body(said({"type": "tool_result"})), "messages[0].content[0].tool_use_id"),
        (body(said({"type": "tool_result", "tool_use_id": "a", "content": 5})), "messages[0].content[0].content"),
        (
            body(said({"type": "tool_result", "tool_use_id": "a", "content": [{"type": "tool_result"}]})),
            "messages[0].content[0].content[0].type",
        ),
        (body(said({"type": "tool_result", "tool_use_id": "a", "is_error": 1})), "messages[0].content[0].is_error"),
        (body(said({"type": "thinking"}, role="assistant")), "messages[0].content[0].thinking"),
        (body(system=5), "system"),
        (body(system=[{"type": "image"}]), "system[0].type"),
        (body(temperature=1.1), "temperature"),
        (body(top_p=-1), "top_p"),
        (body(top_k=1.5), "top_k"),
        (body(stop_sequences="x"), "stop_sequences"),
        (body(stop_sequences=["x"] * 65), "stop_sequences"),
        (body(stream="yes"), "stream"),
        (body(tools={}), "tools"),
        (body(tools=[TOOL] * 129), "tools"),
        (body(tools=[TOOL | {"name": "a b"}]), "tools[0].name"),
        (body(tools=[{"name": "a"}]), "tools[0].input_schema"),
        (body(tool_choice="any"), "tool_choice"),
        (body(tool_choice={"type": "some"}), "tool_choice.type"),
        (body(tool_choice={"type": "tool"}), "tool_choice.name"),
        (body(thinking={"type": "enabled", "budget_tokens": 5}), "thinking.budget_tokens"),
        (body(thinking={"type": "hard"}), "thinking.type"),
        (body(metadata={"user_id": 5}), "metadata.user_id"),
        (body(output_config={"effort": "huge"}), "output_config.effort"),
        (body(output_config={"format": {"type": "yaml"}}), "output_config.format.type"),
        (body(output_config={"format": {"type": "json_schema"}}), "output_config.format.schema"),
        (body(service_tier=1), "service_tier"),
    ],
)
async def test_a_wrong_body_is_a_400_that_names_the_place(
    client: httpx.AsyncClient, gateway: FakeGateway, wrong: dict[str, Any], param: str
) -> None:
    error = error_of(await client.post(V1, json=wrong), 400, "caller_invalid_request")

    assert (error["param"], error["type"]) == (param, "invalid_request_error")
    assert not gateway.asked


async def test_a_result_in_a_result_in_a_result_is_refused_not_a_bug(client: httpx.AsyncClient) -> None:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": "a", "content": []}
    for _ in range(150):
        block = {"type": "tool_result", "tool_use_id": "a", "content": [block]}

    assert (await client.post(V1, json=body(said(block)))).status_code == 400


@pytest.mark.parametrize("name", ["request_tools", "request_image_json_schema"])
def test_a_known_request_is_the_same_again_after_translation(name: str) -> None:
    golden = golden_json(f"anthropic/{name}.json")
    for message in golden["messages"]:
        if isinstance(message["content"], str):
            message["content"] = [text(message["content"])]

    request = request_of(golden, {})

    canonical = ChatRequest(request.messages, request.parameters)
    again = orjson.loads(AnthropicCodec().encode(Call(golden["model"], canonical), stream=False).body)
    assert again == golden


async def test_a_conversation_is_translated_and_goes_along_in_its_own_words(
    client: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
    messages = [
        said(text("look"), {"type": "image", "source": PNG}),
        said(thinking, text("one "), text("moment"), CALL, role="assistant"),
        said(
            text("and then?"),
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "64231.5"},
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": [text("no")], "is_error": True},
        ),
        said("be quick", role="system"),
        said("thanks", role="assistant"),
        said("bye"),
    ]
    given = body(*messages, system=[text("a"), text("b")], provider={"allow_fallbacks": False}, models=["x"])

    response = await client.post(V1, json=given, headers={"anthropic-beta": "b-1", "anthropic-version": "2023-06-01"})

    assert response.status_code == 200
    ask = gateway.asked[0]
    assert (ask.model, ask.fallbacks, ask.allow_failover, ask.route) == ("auto", ("x",), False, "messages")
    assert list(ask.chat.messages) == [
        {"role": "system", "content": "a\n\nb"},
        {
            "role": "user",
            "content": [
                text("look"),
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
            ],
        },
        {
            "role": "assistant",
            "content": "one moment",
            "tool_calls": [
                {"id": "toolu_1", "type": "function", "function": {"name": "price", "arguments": '{"symbol":"BTC"}'}}
            ],
            "reasoning_content": "hm",
            "reasoning_details": [thinking],
        },
        {"role": "tool", "tool_call_id": "toolu_1", "content": "64231.5"},
        {"role": "tool", "tool_call_id": "toolu_2", "content": "Error: no"},
        {"role": "user", "content": "and then?"},
        {"role": "system", "content": "be quick"},
        {"role": "assistant", "content": "thanks"},
        {"role": "user", "content": "bye"},
    ]
    native = ask.chat.native
    assert native is not None
    assert native.wire is Wire.MESSAGES
    assert native.body == {"max_tokens": 64, "messages": messages, "system": given["system"]}
    assert native.headers == {"anthropic-beta": "b-1", "anthropic-version": "2023-06-01"}


@pytest.mark.parametrize(
    ("given", "parameters"),
    [
        ({"temperature": 0.2, "top_p": 0.9, "top_k": 5}, {"temperature": 0.2, "top_p": 0.9, "top_k": 5}),
        ({"stop_sequences": ["END"]}, {"stop": ["END"]}),
        ({"metadata": {"user_id": "u"}}, {"user": "u"}),
        ({"service_tier": "standard_only"}, {"service_tier": "default"}),
        ({"service_tier": "auto", "temperature": None}, {"service_tier": "auto"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, {"reasoning_effort": "low"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, {"reasoning_effort": "medium"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 16_000}}, {"reasoning_effort": "high"}),
        ({"thinking": {"type": "adaptive"}}, {"reasoning_effort": "medium"}),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, {"reasoning_effort": "xhigh"}),
        ({"thinking": {"type": "disabled"}}, {"reasoning_effort": "none"}),
        ({"output_config": {"effort": "low"}}, {"reasoning_effort": "low"}),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "schema": {"type": "object"}},
                }
            },
        ),
        ({"tool_choice": {"type": "any"}}, {}),
    ],
)
def test_parameters_are_said_in_openais_words(given: dict[str, Any], parameters: dict[str, Any]) -> None:
    assert request_of(body(**given), {}).parameters == {"max_tokens": 64, **parameters}


@pytest.mark.parametrize(
    ("choice", "parameters"),
    [
        (None, {}),
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        (
            {"type": "tool", "name": "price"},
            {"tool_choice": {"type": "function", "function": {"name": "price"}}},
        ),
        ({"type": "auto", "disable_parallel_tool_use": True}, {"tool_choice": "auto", "parallel_tool_calls": False}),
    ],
)
def test_a_choice_among_tools_is_said_in_openais_words(
    choice: dict[str, Any] | None, parameters: dict[str, Any]
) -> None:
    said_so = request_of(body(tools=[TOOL], tool_choice=choice), {}).parameters
    function = {"name": "price", "description": "the last price", "parameters": {"type": "object"}}
    assert said_so == {"max_tokens": 64, "tools": [{"type": "function", "function": function}], **parameters}


@pytest.mark.parametrize(
    ("block", "part", "need"),
    [
        (
            {"type": "document", "title": "b.pdf", "source": {"type": "url", "url": "https://a.test/b.pdf"}},
            {"type": "file", "file": {"file_url": "https://a.test/b.pdf", "filename": "b.pdf"}},
            FILES,
        ),
        (
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "document.pdf"}},
            FILES,
        ),
        (
            {"type": "image", "source": {"type": "url", "url": "https://a.test/b.png"}},
            {"type": "image_url", "image_url": {"url": "https://a.test/b.png"}},
            VISION,
        ),
    ],
)
def test_pictures_and_documents_are_parts(block: dict[str, Any], part: dict[str, Any], need: str) -> None:
    request = request_of(body(said(block)), {})
    assert request.messages[0]["content"] == [part]
    assert needs_of(request) == {need}


def test_a_document_of_plain_text_is_text() -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "up"}
    request = request_of(body(said({"type": "document", "title": "news", "source": source})), {})
    assert request.messages[0]["content"] == "news\n\nup"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (body(tools=[TOOL, SEARCH]), "tools[1]"),
        (body(mcp_servers=[{"type": "url", "url": "https://a.test"}]), "mcp_servers"),
        (body(container="c_1"), "container"),
        (body(inference_geo="eu"), "inference_geo"),
        (body(said({"type": "search_result", "content": []})), "messages[0].content[0]"),
        (body(said({"type": "image", "source": {"type": "file", "file_id": "f"}})), "messages[0].content[0]"),
        (
            body(said("x"), said({"type": "server_tool_use", "id": "s"}, text("a"), role="assistant")),
            "messages[1].content[0]",
        ),
    ],
)
def test_what_only_anthropic_has_words_for_is_a_need(given: dict[str, Any], path: str) -> None:
    request = request_of(given, {})
    assert request.native is not None
    assert request.native.only_here == (path,)
    assert MESSAGES_TOOLS in needs_of(request)
    assert MESSAGES_TOOLS in AnthropicCodec().supports("claude-opus-5-5")


def test_a_plain_tool_is_no_need_of_anthropic() -> None:
    assert needs_of(request_of(body(tools=[TOOL]), {})) == {TOOLS}


async def test_what_reaches_only_anthropic_is_said(client: httpx.AsyncClient) -> None:
    response = await client.post(V1, json=body(context_management={"edits": []}, temperature=0.1))

    assert "context_management" in response.headers["x-outcry-warnings"]
    assert "temperature" not in response.headers["x-outcry-warnings"]


@pytest.mark.parametrize("value", ["a\tb", "x" * 3000, "é"])
async def test_a_beta_that_is_no_name_is_a_400(client: httpx.AsyncClient, value: str) -> None:
    response = await client.post(V1, json=body(), headers={b"anthropic-beta": value.encode("latin-1")})

    assert error_of(response, 400, "caller_invalid_header")["param"] == "anthropic-beta"


async def test_tokens_are_counted_without_a_length_of_the_answer(
    client: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    given = body(tools=[TOOL])
    del given["max_tokens"]

    response = await client.post("/v1/messages/count_tokens", json=given)

    assert response.json() == {"input_tokens": 2095}
    said = {name: value for name, value in response.headers.items() if name.startswith("x-outcry-")}
    assert float(said.pop("x-outcry-overhead-ms")) >= 0
    assert said == {
        "x-outcry-provider": "alpha",
        "x-outcry-model": "alpha-1",
        "x-outcry-attempts": "1",
        "x-outcry-fallback": "false",
        "x-outcry-token-source": "provider",
    }
    assert gateway.asked[0].chat.has_tools
    error_of(await client.post("/v1/messages/count_tokens", json={"model": "a"}), 400, "caller_invalid_request")


PARAMETERS = {
    "system": [text("a")],
    "thinking": {"type": "enabled", "budget_tokens": 2048},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    "tool_choice": {"type": "tool", "name": "price", "disable_parallel_tool_use": True},
    "metadata": {"user_id": "u"},
    "stop_sequences": ["x"],
}
RESULT = {"type": "tool_result", "tool_use_id": "a", "content": [text("x"), {"type": "image", "source": PNG}]}
DOCUMENT = {"type": "document", "title": "t", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
WHOLE = body(
    said("x"), said(CALL, text("b"), role="assistant"), said(RESULT, DOCUMENT), tools=[TOOL, SEARCH], **PARAMETERS
)


@settings(max_examples=600, deadline=None)
@given_by(st.sampled_from(paths_of(WHOLE)), st.sampled_from(sorted(PRESETS)), ODD)
def test_a_body_with_one_odd_node_is_refused_or_translated(path: tuple[Any, ...], type_: Any, odd: Any) -> None:
    changed = replaced(WHOLE, path, odd)
    if not isinstance(changed, dict) or any(violations(changed, counts=False)):
        return
    request = request_of(changed, {})
    needs_of(request)
    call = Call("claude-haiku-4-5", request)
    with contextlib.suppress(ProviderError):
        PRESETS[type_].codec.for_call(call).encode(call, stream=True)


@pytest.mark.parametrize(
    ("param", "more", "named"),
    [
        ("messages.3.content.0", {}, "messages"),
        ("response_format.json_schema.schema", {}, "output_config.format"),
        ("response_format", {"output_format": {"type": "json_schema", "schema": {}}}, "output_format"),
        ("reasoning_effort", {"output_config": {"effort": "high"}}, "output_config.effort"),
        ("reasoning_effort", {"thinking": {"type": "adaptive"}}, "thinking"),
        ("stop", {"stop_sequences": ["x"]}, "stop_sequences"),
        ("tool_choice", {"tools": [TOOL]}, "tool_choice"),
        ("mcp_servers", {"mcp_servers": []}, "mcp_servers"),
    ],
)
@pytest.mark.parametrize("path", [V1, f"{V1}/count_tokens"])
async def test_a_field_that_no_target_has_words_for_is_named_as_the_caller_wrote_it(
    client: httpx.AsyncClient, gateway: FakeGateway, param: str, more: dict[str, Any], named: str, path: str
) -> None:
    gateway.before = RequestRejected(Code.UNSUPPORTED_PARAMETER, "no target can do this", param=param)

    response = await client.post(path, json=body(**more))

    assert (response.status_code, response.json()["error"]["param"]) == (400, named)
