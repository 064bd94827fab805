"""Streams in every wire: the commit, the end, the error in the middle."""

from __future__ import annotations

from typing import Any

import httpx

from app.domain.decision import VoteStatus
from app.domain.errors import (
    Code,
    DeadlineExceeded,
    FailureKind,
    NotAdmitted,
    ProviderError,
    RequestRejected,
    Violation,
)
from tests.api.speaking import V1, error_of, events_of, native_body, openai_body
from tests.fakes_edge import (
    FakeDecisions,
    FakeGateway,
    FakeMetrics,
    delta_chunk,
    last_chunk,
    text_chunk,
    usage_chunk,
)

TRUNCATED = ProviderError(FailureKind.STREAM_TRUNCATED, "alpha stopped")


async def openai_stream(client: httpx.AsyncClient, **more: Any) -> list[Any]:
    """What a stream of OpenAI's wire carried."""
    response = await client.post(V1, json=openai_body(stream=True, **more))
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    return [data for _, data in events_of(response.text)]


async def native_stream(client: httpx.AsyncClient) -> list[tuple[str, Any]]:
    """The typed events of a stream."""
    response = await client.post("/chat", json=native_body(stream=True))
    assert response.status_code == 200
    return events_of(response.text)


async def test_openais_stream_is_chunks_and_done(client: httpx.AsyncClient) -> None:
    first, last, done = await openai_stream(client)

    assert first["object"] == "chat.completion.chunk"
    assert first["choices"][0]["delta"] == {"content": "up"}
    assert last["choices"][0]["finish_reason"] == "stop"
    assert done == "[DONE]"


async def test_the_head_of_a_stream_says_who_answers(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.warnings = ("careful",)

    response = await client.post(V1, json=openai_body(stream=True), headers={"x-request-id": "mine"})

    assert response.headers["x-request-id"] == "mine"
    assert response.headers["x-outcry-provider"] == "alpha"
    assert response.headers["x-outcry-attempts"] == "1"
    assert response.headers["x-outcry-fallback"] == "false"
    assert response.headers["x-outcry-warnings"] == "careful"
    assert "x-outcry-cost-usd" not in response.headers


async def test_usage_is_in_a_stream_only_for_who_asked(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    inline = text_chunk("up")
    inline.chunk["usage"] = {"total_tokens": 14}
    gateway.script = [inline, last_chunk(), usage_chunk()]

    silent = await openai_stream(client)
    asked = await openai_stream(client, stream_options={"include_usage": True})

    assert all("usage" not in chunk for chunk in silent[:-1])
    assert all(chunk["choices"] for chunk in silent[:-1])
    assert asked[-2]["choices"] == []
    assert asked[-2]["usage"]["total_tokens"] == 14
    assert "stream_options" not in gateway.asked[1].request.parameters


async def test_a_provider_without_usage_in_its_stream_has_ours_told(
    client: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    gateway.script = [text_chunk("up"), last_chunk()]

    chunks = await openai_stream(client, stream_options={"include_usage": True})

    assert chunks[-1] == "[DONE]"
    assert chunks[-2]["choices"] == []
    assert chunks[-2]["id"] == "chatcmpl-1"
    assert chunks[-2]["usage"]["prompt_tokens"] == 11
    assert chunks[-2]["usage"]["total_tokens"] == 14


async def test_before_the_commit_a_failure_is_a_true_status(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.before = ProviderError(FailureKind.OVERLOADED, "busy")

    for path, body in [(V1, openai_body(stream=True)), ("/chat", native_body(stream=True))]:
        error_of(await client.post(path, json=body), 503, "provider_overloaded")


async def test_after_it_one_error_event_and_no_done(
    client: httpx.AsyncClient, gateway: FakeGateway, metrics: FakeMetrics
) -> None:
    gateway.script = [text_chunk("u"), TRUNCATED]

    openai = await openai_stream(client)
    native = await native_stream(client)

    assert "[DONE]" not in openai
    assert openai[-1]["error"]["code"] == "provider_stream_truncated"
    assert openai[-1]["request_id"].startswith("req_")
    assert [name for name, _ in native] == ["start", "delta", "error"]
    assert native[-1][1]["error"]["code"] == "provider_stream_truncated"
    assert metrics.requests == [
        ("/v1/chat/completions", 200, "provider_stream_truncated"),
        ("/chat", 200, "provider_stream_truncated"),
    ]


async def test_a_bug_of_ours_mid_stream_is_an_error_event_too(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.script = [text_chunk("u"), RuntimeError("the secret of line 7")]

    chunks = await openai_stream(client)

    assert chunks[-1]["error"]["code"] == "gateway_internal"
    assert "secret" not in str(chunks)


async def test_a_deadline_passing_mid_stream_is_told_in_it(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.script = [text_chunk("u"), DeadlineExceeded()]

    assert (await native_stream(client))[-1][1]["error"]["code"] == "gateway_deadline_exceeded"


async def test_the_upstream_is_closed_however_a_stream_ends(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    for script in ([text_chunk("u"), last_chunk()], [text_chunk("u"), TRUNCATED], [text_chunk("u"), ValueError("?")]):
        gateway.script = [*script]
        gateway.closed.clear()
        await openai_stream(client)
        assert gateway.closed.is_set()


async def test_native_events_are_typed(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "price", "arguments": '{"a"'}}
    rest = {"index": 0, "function": {"arguments": ": 1}"}}
    gateway.script = [
        delta_chunk({"reasoning_content": "hm"}),
        text_chunk("up"),
        delta_chunk({"tool_calls": [call]}),
        delta_chunk({"tool_calls": [rest]}),
        last_chunk("tool_calls"),
        usage_chunk(),
    ]

    events = await native_stream(client)

    usage = {"input_tokens": 11, "output_tokens": 3, "cached_tokens": 0, "reasoning_tokens": 0, "source": "reported"}
    assert events[:-1] == [
        ("start", {"provider": "alpha", "model": "alpha-1"}),
        ("delta", {"type": "reasoning", "text": "hm"}),
        ("delta", {"type": "content", "text": "up"}),
        ("delta", {"type": "tool_call", "tool_call": call}),
        ("delta", {"type": "tool_call", "tool_call": rest}),
        ("usage", usage),
    ]
    name, done = events[-1]
    assert name == "done"
    assert "content" not in done
    assert done["reasoning"] == "hm"
    assert done["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "price", "arguments": '{"a": 1}'}}
    ]
    assert (done["usage"], done["cost_usd"], done["time_to_first_token_ms"]) == (usage, "0.000123", 100.0)
    assert len(done["attempts"]) == 1


async def test_done_has_every_field_of_the_answer_but_the_content(client: httpx.AsyncClient) -> None:
    whole = (await client.post("/chat", json=native_body())).json()
    done = (await native_stream(client))[-1][1]

    assert set(done) == set(whole) - {"content"}


async def test_a_long_reasoning_is_not_held_for_the_end(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.script = [*(delta_chunk({"reasoning_content": "x" * 10_000}) for _ in range(10)), last_chunk()]

    events = await native_stream(client)

    assert len(events) == 13
    assert events[-1][1]["reasoning"] is None


async def test_votes_are_events_and_the_decision_is_the_last(client: httpx.AsyncClient) -> None:
    body = {"symbol": "BTC/USDT", "prompt": "up?"}
    response = await client.post("/decisions", json={**body, "stream": True})
    whole = await client.post("/decisions", json=body)

    events = events_of(response.text)
    assert [name for name, _ in events] == ["vote", "decision"]
    assert events[0][1]["status"] == VoteStatus.OK.value
    assert events[1][1] == whole.json()
    assert whole.headers["x-outcry-cost-usd"] == "0.01"


async def test_a_wrong_question_is_a_true_status_also_for_a_stream(
    client: httpx.AsyncClient, decisions: FakeDecisions
) -> None:
    decisions.script = [
        RequestRejected(Code.INVALID_FIELD, "method: no", violations=[Violation("method", "is not available yet")])
    ]

    for stream in (False, True):
        response = await client.post("/decisions", json={"symbol": "BTC", "prompt": "up?", "stream": stream})
        error_of(response, 422, "caller_invalid_field")


async def test_an_error_after_a_vote_is_an_event(client: httpx.AsyncClient, decisions: FakeDecisions) -> None:
    decisions.script = [decisions.script[0], NotAdmitted(Code.STORAGE_UNAVAILABLE, "away")]

    response = await client.post("/decisions", json={"symbol": "BTC", "prompt": "up?", "stream": True})

    events = events_of(response.text)
    assert [name for name, _ in events] == ["vote", "error"]
    assert events[1][1]["error"]["code"] == "gateway_storage_unavailable"
