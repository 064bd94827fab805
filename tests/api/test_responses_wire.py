"""The Responses wire: what a body becomes, what is passed on as it is, what is refused and with which path."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from app.api.responses_reasoning import reasoning_items
from app.api.responses_wire import request_of
from app.domain.chat import Wire
from app.domain.needs import RESPONSES_TOOLS, needs_of
from app.domain.routing import PolicyName
from tests.api.speaking import error_of
from tests.fakes_edge import FakeGateway
from tests.golden import GOLDEN

V1 = "/v1/responses"
FILE_BY_ID = {"type": "input_image", "file_id": "file-1"}
FILE_BY_URL = {"type": "input_file", "file_url": "https://x/a.pdf"}
CALL = {"type": "function_call", "call_id": "call_1", "name": "price", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "64231.5"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
TOOL = {"type": "function", "name": "price", "parameters": {"type": "object"}, "strict": False}


def body(stated: Any = "hi", **more: Any) -> dict[str, Any]:
    """A body with this input."""
    return {"model": "auto", "input": stated, **more}


def messages_of(*items: Any, **more: Any) -> list[dict[str, Any]]:
    """The messages that these items become."""
    return list(request_of(body(list(items), **more)).messages)


def said(text: str, role: str = "user") -> dict[str, Any]:
    """An easy message."""
    return {"role": role, "content": text}


def shown(*parts: Any, role: str = "user") -> list[dict[str, Any]]:
    """One message of these parts."""
    return [{"role": role, "content": list(parts)}]


def test_text_alone_is_what_the_user_says_after_the_instructions() -> None:
    assert request_of(body("hi", instructions="be brief")).messages == [said("be brief", "system"), said("hi")]


@pytest.mark.parametrize("role", ["user", "system", "developer", "assistant"])
def test_a_message_keeps_its_role_with_and_without_a_type(role: str) -> None:
    assert messages_of(said("x", role)) == messages_of({"type": "message", **said("x", role)}) == [said("x", role)]


def test_parts_become_chats_parts() -> None:
    parts = [
        {"type": "input_text", "text": "look"},
        {"type": "input_image", "image_url": "https://x/y.png", "detail": "original"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
    ]

    (message,) = messages_of({"role": "user", "content": parts})

    assert message["content"] == [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "high"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
    ]


def test_what_the_assistant_did_in_one_turn_is_one_message() -> None:
    spoken = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "let me see"}]}
    other = CALL | {"call_id": "call_2", "arguments": '{"x":1}'}

    user, turn, *results = messages_of(
        said("price?"), THOUGHT, spoken, CALL, other, RESULT, RESULT | {"call_id": "call_2"}
    )

    assert user == said("price?")
    assert turn == {
        "role": "assistant",
        "content": "let me see",
        "reasoning_details": [THOUGHT],
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "price", "arguments": "{}"}},
            {"id": "call_2", "type": "function", "function": {"name": "price", "arguments": '{"x":1}'}},
        ],
    }
    assert results == [
        {"role": "tool", "tool_call_id": "call_1", "content": "64231.5"},
        {"role": "tool", "tool_call_id": "call_2", "content": "64231.5"},
    ]


def test_nothing_comes_between_calls_and_their_results() -> None:
    turn, result = messages_of(CALL, said("one moment", "assistant"), THOUGHT, RESULT)

    assert (turn["content"], len(turn["tool_calls"]), turn["reasoning_details"]) == ("one moment", 1, [THOUGHT])
    assert result["role"] == "tool"


def test_two_messages_of_the_assistant_stay_two() -> None:
    assert messages_of(said("a", "assistant"), said("b", "assistant")) == [
        said("a", "assistant"),
        said("b", "assistant"),
    ]


def test_a_refusal_stays_one() -> None:
    item = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "I won't"}]}

    assert messages_of(item) == [{"role": "assistant", "content": None, "refusal": "I won't"}]


def test_a_result_may_hold_pictures() -> None:
    picture = {"type": "input_image", "image_url": "https://x/y.png"}

    _, result = messages_of(CALL, RESULT | {"output": [{"type": "input_text", "text": "see"}, picture]})

    assert result["content"][1] == {"type": "image_url", "image_url": {"url": "https://x/y.png"}}


def test_reasoning_belongs_to_what_follows_it() -> None:
    first, second, third = messages_of(
        said("a", "assistant"),
        THOUGHT | {"summary": [{"type": "summary_text", "text": "hm"}]},
        said("b", "assistant"),
        said("c"),
        THOUGHT,
    )

    assert "reasoning_details" not in first
    assert second["reasoning_content"] == "hm"
    assert second["reasoning_details"][0]["encrypted_content"] == "gAAAA"
    assert third == said("c")


def test_what_other_dialects_must_get_back_travels_sealed() -> None:
    signed = {"type": "thinking", "thinking": "hm", "signature": "Eo8B"}
    (item,) = reasoning_items({"reasoning_content": "hm", "reasoning_details": [signed]}, lambda: "rs_1")

    request = request_of(body([item, said("up", "assistant")]))

    assert request.messages == [
        {"role": "assistant", "content": "up", "reasoning_content": "hm", "reasoning_details": [signed]}
    ]
    assert request.native is not None
    assert request.native.body["input"] == [said("up", "assistant")]


@pytest.mark.parametrize("secret", ["outcry.1.", "outcry.1.!!!", "outcry.1.bnVsbA==", "outcry.1.WzFd", "outcry.1.é"])
def test_a_broken_seal_has_nothing_in_it(secret: str) -> None:
    item = THOUGHT | {"encrypted_content": secret, "summary": [{"type": "summary_text", "text": "hm"}]}

    (message,) = messages_of(item, said("up", "assistant"))

    assert message == {"role": "assistant", "content": "up", "reasoning_content": "hm"}


def test_a_thought_goes_out_without_what_only_we_know_of_it() -> None:
    known = {**THOUGHT, "tool_call_id": "call_1"}

    (item,) = reasoning_items({"reasoning_details": [known]}, lambda: "rs_1")

    assert item == THOUGHT


def test_details_that_came_after_the_answer_go_back_to_it() -> None:
    signature = {"type": "gemini.thought_signature", "tool_call_id": None, "signature": "s"}
    (late,) = reasoning_items({"reasoning_details": [signature]}, lambda: "rs_1", late=True)

    (message,) = messages_of(said("up", "assistant"), late)

    assert message == {"role": "assistant", "content": "up", "reasoning_details": [signature]}


def test_parameters_are_translated() -> None:
    schema = {"type": "object", "properties": {}}
    parameters = request_of(
        body(
            temperature=0.2,
            top_p=0.9,
            max_output_tokens=100,
            parallel_tool_calls=False,
            reasoning={"effort": "low", "summary": "auto"},
            text={"format": {"type": "json_schema", "name": "v", "schema": schema, "strict": True}, "verbosity": "low"},
            include=["message.output_text.logprobs"],
            top_logprobs=3,
            metadata={"a": "b"},
            user="u",
            safety_identifier="s",
            prompt_cache_key="k",
            service_tier="flex",
            store=True,
            stream=True,
        )
    ).parameters

    assert parameters == {
        "temperature": 0.2,
        "top_p": 0.9,
        "max_completion_tokens": 100,
        "parallel_tool_calls": False,
        "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "v", "schema": schema, "strict": True}},
        "verbosity": "low",
        "logprobs": True,
        "top_logprobs": 3,
        "metadata": {"a": "b"},
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "service_tier": "flex",
    }


def test_tools_are_nested_as_chat_has_them() -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}
    parameters = request_of(body(tools=[TOOL, {"type": "custom", "name": "raw", "format": grammar}])).parameters

    assert parameters["tools"] == [
        {"type": "function", "function": {"name": "price", "parameters": {"type": "object"}, "strict": False}},
        {
            "type": "custom",
            "custom": {
                "name": "raw",
                "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /x/"}},
            },
        },
    ]


@pytest.mark.parametrize(
    ("choice", "canonical"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ({"type": "function", "name": "price"}, {"type": "function", "function": {"name": "price"}}),
        ({"type": "custom", "name": "raw"}, {"type": "custom", "custom": {"name": "raw"}}),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "price"}]},
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "price"}}]},
            },
        ),
    ],
)
def test_every_tool_choice_is_translated(choice: Any, canonical: Any) -> None:
    assert request_of(body(tools=[TOOL], tool_choice=choice)).parameters["tool_choice"] == canonical


def test_the_providers_own_wire_gets_the_callers_own_words() -> None:
    stated = json.loads((GOLDEN / "openai" / "responses_request_tools.json").read_text())

    request = request_of(stated)

    assert request.native is not None
    assert request.native.wire is Wire.RESPONSES
    assert request.native.body == {name: value for name, value in stated.items() if name not in ("model", "stream")}
    assert [message["role"] for message in request.messages] == ["system", "user", "assistant", "tool"]
    assert request.messages[2]["reasoning_details"][0]["encrypted_content"] == "gAAAAABexampleOpaque"
    assert RESPONSES_TOOLS not in needs_of(request)


def test_nothing_is_stored_at_a_provider_and_nothing_of_ours_reaches_it() -> None:
    stated = body([THOUGHT | {"encrypted_content": None}, THOUGHT, said("x")], store=True, temperature=None)

    native = request_of(stated | {"models": ["a"], "provider": {}, "stream": True}).native

    assert native is not None
    assert native.body == {"input": [THOUGHT, said("x")], "store": False}


def test_a_document_behind_a_url_is_said_to_other_wires_too() -> None:
    request = request_of(body(shown(FILE_BY_URL)))

    assert request.messages == [
        {"role": "user", "content": [{"type": "file", "file": {"file_url": "https://x/a.pdf"}}]}
    ]
    assert request.native is not None
    assert request.native.only_here == ()


@pytest.mark.parametrize(
    ("stated", "where"),
    [
        (body(tools=[TOOL, {"type": "web_search"}]), ("tools[1]",)),
        (body([said("x"), {"type": "web_search_call", "id": "ws_1", "status": "completed"}]), ("input[1]",)),
        (body(shown(FILE_BY_ID)), ("input[0].content[0]",)),
    ],
)
def test_what_no_other_wire_can_say_needs_a_provider_of_this_one(
    stated: dict[str, Any], where: tuple[str, ...]
) -> None:
    request = request_of(stated)

    assert request.native is not None
    assert request.native.only_here == where
    assert RESPONSES_TOOLS in needs_of(request)


async def test_who_is_asked_is_said_as_on_every_wire(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    await client.post(
        V1,
        json=body(models=["auto", "b"], provider={"allow_fallbacks": False}),
        headers={"x-outcry-policy": "latency", "x-outcry-agent": "7"},
    )

    ask = gateway.asked[0]
    assert (ask.model, ask.fallbacks, ask.allow_failover) == ("auto", ("b",), False)
    assert (ask.policy, ask.agent_id, ask.route) == (PolicyName.LATENCY_AWARE, 7, "responses")


@pytest.mark.parametrize(
    ("stated", "param"),
    [
        ({"input": "hi"}, "model"),
        ({"model": "auto"}, "input"),
        (body(7), "input"),
        (body([]), "input"),
        (body([said("x")] * 4_097), "input"),
        (body([THOUGHT]), "input"),
        (body(["hi"]), "input[0]"),
        (body([{"type": 7, "id": "x"}]), "input[0].type"),
        (body([{}]), "input[0].type"),
        (body([said("x", "robot")]), "input[0].role"),
        (body([{"role": ["user"], "content": "x"}]), "input[0].role"),
        (body([said("x"), {"role": "user"}]), "input[1].content"),
        (body([{"role": "user", "content": []}]), "input[0].content"),
        (body([{"role": "user", "content": ["x"]}]), "input[0].content[0]"),
        (body(shown({"text": "x"})), "input[0].content[0].type"),
        (body(shown({"type": ["x"]})), "input[0].content[0].type"),
        (body(shown({"type": "text", "text": "x"})), "input[0].content[0].type"),
        (body([said("x"), said("y"), *shown({"type": "input_text"})]), "input[2].content[0].text"),
        (body(shown({"type": "input_image"})), "input[0].content[0].image_url"),
        (body(shown({"type": "input_image", "image_url": 1})), "input[0].content[0].image_url"),
        (body(shown({"type": "input_file"})), "input[0].content[0].file_data"),
        (body(shown({"type": "input_image", "image_url": "x"}, role="assistant")), "input[0].content[0].type"),
        (body(shown({"type": "refusal", "refusal": "x"})), "input[0].content[0].type"),
        (body(shown({"type": "refusal"}, role="assistant")), "input[0].content[0].refusal"),
        (body([CALL | {"arguments": {}}]), "input[0].arguments"),
        (body([CALL | {"call_id": None}]), "input[0].call_id"),
        (body([CALL | {"name": 7}]), "input[0].name"),
        (body([RESULT | {"output": None}]), "input[0].output"),
        (body([RESULT | {"output": [{"type": "input_text", "text": 1}]}]), "input[0].output[0].text"),
        (body([{"type": "custom_tool_call", "call_id": "c", "name": "n"}]), "input[0].input"),
        (body(instructions=7), "instructions"),
        (body(temperature=3), "temperature"),
        (body(max_output_tokens=0), "max_output_tokens"),
        (body(stream="yes"), "stream"),
        (body(include="x"), "include"),
        (body(tools={}), "tools"),
        (body(tools=[TOOL] * 129), "tools"),
        (body(tools=[{"name": "x"}]), "tools[0].type"),
        (body(tools=[TOOL, TOOL | {"name": "a b"}]), "tools[1].name"),
        (body(tools=[TOOL | {"parameters": []}]), "tools[0].parameters"),
        (body(tools=[{"type": "function", "function": {"name": "nested"}}]), "tools[0].name"),
        (body(tool_choice="maybe"), "tool_choice"),
        (body(tool_choice={}), "tool_choice.type"),
        (body(tool_choice={"type": "function"}), "tool_choice.name"),
        (body(tool_choice={"type": "allowed_tools", "mode": "x", "tools": []}), "tool_choice.mode"),
        (body(tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [1]}), "tool_choice.tools"),
        (body(text="json"), "text"),
        (body(text={"format": "json"}), "text.format"),
        (body(text={"format": {"type": "yaml"}}), "text.format.type"),
        (body(text={"format": {"type": ["text"]}}), "text.format.type"),
        (body(text={"format": {"type": "json_schema", "schema": {}}}), "text.format.name"),
        (body(text={"format": {"type": "json_schema", "name": "v"}}), "text.format.schema"),
        (body(text={"verbosity": 1}), "text.verbosity"),
        (body(reasoning="high"), "reasoning"),
        (body(reasoning={"effort": 1}), "reasoning.effort"),
        (body(metadata=[]), "metadata"),
        (body(api_key="x"), "api_key"),
    ],
)
async def test_what_is_wrong_is_a_400_that_names_it(
    client: httpx.AsyncClient, gateway: FakeGateway, stated: dict[str, Any], param: str
) -> None:
    error = error_of(await client.post(V1, json=stated), 400, "caller_invalid_request")

    assert error["param"] == param
    assert gateway.asked == []


@pytest.mark.parametrize(
    ("stated", "param"),
    [
        (body(previous_response_id="resp_1"), "previous_response_id"),
        (body(conversation={"id": "conv_1"}), "conversation"),
        (body(background=True), "background"),
        (body(prompt={"id": "pmpt_1"}), "prompt"),
        (body([said("x"), {"type": "item_reference", "id": "msg_1"}]), "input[1]"),
        (body([{"id": "msg_1"}]), "input[0]"),
    ],
)
async def test_what_would_need_a_memory_is_refused_with_what_to_do_instead(
    client: httpx.AsyncClient, gateway: FakeGateway, stated: dict[str, Any], param: str
) -> None:
    error = error_of(await client.post(V1, json=stated), 400, "caller_unsupported_parameter")

    assert error["param"] == param
    assert "send" in error["message"]
    assert gateway.asked == []


async def test_saying_no_to_a_memory_is_fine(client: httpx.AsyncClient) -> None:
    stated = body(previous_response_id=None, conversation=None, background=False, prompt=None, store=True)

    assert (await client.post(V1, json=stated)).status_code == 200


async def test_what_only_this_wire_knows_is_in_the_warnings(client: httpx.AsyncClient) -> None:
    response = await client.post(V1, json=body(truncation="auto", max_tool_calls=3, a_field_of_tomorrow=1))

    warnings = response.headers["x-outcry-warnings"]
    assert all(name in warnings for name in ("truncation", "max_tool_calls", "a_field_of_tomorrow"))
    assert "x-outcry-warnings" not in (await client.post(V1, json=body(truncation="disabled"))).headers


async def test_a_caller_who_wants_an_answer_kept_hears_that_it_is_not(client: httpx.AsyncClient) -> None:
    kept = await client.post(V1, json=body(store=True))
    not_kept = await client.post(V1, json=body(store=False))

    assert "store was dropped" in kept.headers["x-outcry-warnings"]
    assert "x-outcry-warnings" not in not_kept.headers
