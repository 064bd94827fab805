"""Every payload that Anthropic is known to send, by the tables of its dialect."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.adapters.anthropic import AnthropicCodec
from app.domain.chat import ChatResponse
from app.domain.errors import FailureKind, ProviderError
from app.domain.errors import FailureKind as K
from tests.adapters.streams import chunks_of, told
from tests.golden import GOLDEN, golden_bytes, golden_json

CODEC = AnthropicCodec(wall=lambda: 0.0)
REFUSED = {
    "error_400_context_plus_max_tokens": K.CONTEXT_LENGTH,
    "error_400_credit_balance": K.QUOTA_EXHAUSTED,
    "error_400_invalid": K.BAD_REQUEST,
    "error_400_prompt_too_long": K.CONTEXT_LENGTH,
    "error_400_temperature": K.BAD_REQUEST,
    "error_400_tool_result_missing": K.BAD_REQUEST,
    "error_401": K.AUTH,
    "error_402_billing": K.QUOTA_EXHAUSTED,
    "error_403": K.PERMISSION,
    "error_404_model": K.MODEL_NOT_FOUND,
    "error_413": K.PAYLOAD_TOO_LARGE,
    "error_429_rate_limit": K.RATE_LIMITED,
    "error_429_spend_limit": K.QUOTA_EXHAUSTED,
    "error_500": K.SERVER_ERROR,
    "error_504": K.TIMEOUT,
    "error_529_overloaded": K.OVERLOADED,
}


def names(prefix: str) -> list[str]:
    return sorted(path.stem for path in (GOLDEN / "anthropic").glob(f"{prefix}*"))


def test_every_error_payload_is_in_the_table() -> None:
    assert set(names("error_")) == set(REFUSED)


@pytest.mark.parametrize(("name", "kind"), REFUSED.items())
def test_an_error_payload_means_what_the_table_says(name: str, kind: FailureKind) -> None:
    golden = golden_json(f"anthropic/{name}.json")
    error = CODEC.failure(golden["status"], golden["headers"], orjson.dumps(golden["body"]))
    assert (error.kind, error.upstream_status) == (kind, golden["status"])
    assert golden["body"]["error"]["message"][:100] in error.message


@pytest.mark.parametrize(
    ("status", "word", "code", "kind"),
    [
        (400, "invalid_request_error", None, K.BAD_REQUEST),
        (401, "authentication_error", None, K.AUTH),
        (402, "billing_error", None, K.QUOTA_EXHAUSTED),
        (403, "permission_error", None, K.PERMISSION),
        (404, "not_found_error", None, K.MODEL_NOT_FOUND),
        (409, "conflict_error", None, K.CONFLICT),
        (413, "request_too_large", None, K.PAYLOAD_TOO_LARGE),
        (429, "rate_limit_error", None, K.RATE_LIMITED),
        (429, "rate_limit_error", "ramp_limit_exceeded", K.RATE_LIMITED),
        (429, "rate_limit_error", "contract_spend_limit_reached", K.QUOTA_EXHAUSTED),
        (429, "rate_limit_error", "enforced_spend_limit_reached", K.QUOTA_EXHAUSTED),
        (429, "rate_limit_error", "linked_organization_spend_limit_reached", K.QUOTA_EXHAUSTED),
        (500, "api_error", None, K.SERVER_ERROR),
        (503, "api_error", "cmek_unavailable", K.OVERLOADED),
        (504, "timeout_error", None, K.TIMEOUT),
        (529, "overloaded_error", None, K.OVERLOADED),
    ],
)
def test_every_row_of_the_table_of_errors(status: int, word: str, code: str | None, kind: FailureKind) -> None:
    details = {"details": {"error_code": code}} if code else {}
    body = {"type": "error", "error": {"type": word, "message": "x", **details}, "request_id": "req_1"}
    assert CODEC.failure(status, {}, orjson.dumps(body)).kind is kind


def test_a_rate_limits_wait_is_read() -> None:
    golden = golden_json("anthropic/error_429_rate_limit.json")
    error = CODEC.failure(429, golden["headers"], orjson.dumps(golden["body"]))
    assert (error.retry_after, error.should_retry) == (27.0, True)


@pytest.mark.parametrize("name", names("chat_"))
def test_every_whole_answer_decodes(name: str) -> None:
    golden = golden_json(f"anthropic/{name}.json")
    response = CODEC.decode(golden_bytes(f"anthropic/{name}.json"))
    assert response.text == "".join(block["text"] for block in golden["content"] if block["type"] == "text")
    assert response.completion["choices"][0]["native_finish_reason"] == golden["stop_reason"]
    assert response.warnings == ()


def test_a_refusal_says_why() -> None:
    message = CODEC.decode(golden_bytes("anthropic/chat_refusal.json")).message
    assert message["refusal"] == "Explanation text (unstable)."


def test_an_unknown_stop_reason_is_a_stop_with_a_warning() -> None:
    golden = golden_json("anthropic/chat_response.json") | {"stop_reason": "bored"}
    response = CODEC.decode(orjson.dumps(golden))
    assert response.finish_reason == "stop"
    assert "bored" in response.warnings[0]


def test_unknown_blocks_and_events_are_passed_over() -> None:
    golden = golden_json("anthropic/chat_response.json")
    golden["content"] = [{"type": "web_search_tool_result", "content": []}, *golden["content"], {"type": "dance"}]
    golden["content"][1]["citations"] = [{"type": "char_location", "cited_text": "x"}]
    assert CODEC.decode(orjson.dumps(golden)).text == "Hello! How can I help you today?"

    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "server_tool_use", "id": "s"}}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {}}}
    later = b"event: dance\ndata: " + orjson.dumps({"type": "dance"}) + b"\n\n"
    odd = b"".join(b"data: " + orjson.dumps(each) + b"\n\n" for each in (start, delta)) + later
    opening, rest = golden_bytes("anthropic/stream_text.sse").split(b"\n\n", 1)
    plain = told(chunks_of(CODEC, [golden_bytes("anthropic/stream_text.sse")])[0])
    assert told(chunks_of(CODEC, [opening + b"\n\n" + odd + rest])[0]).content == plain.content


@pytest.mark.parametrize("name", names("chat_"))
def test_a_stream_of_the_same_message_says_the_same(name: str) -> None:
    """Text, reasoning, arguments, opaque blocks, finish reason and usage, whichever way they came."""
    golden = golden_json(f"anthropic/{name}.json")
    whole = CODEC.decode(orjson.dumps(golden))
    chunks, is_complete = chunks_of(CODEC, [as_stream(golden)])
    story = told(chunks)

    assert is_complete
    assert (story.content, story.finish, story.usage) == (whole.text, whole.finish_reason, whole.usage)
    assert story.reasoning == (whole.message.get("reasoning_content") or "")
    assert [c["arguments"] for c in story.calls.values()] == arguments_of(whole)
    deltas = [choice["delta"] for chunk in chunks for choice in chunk.chunk["choices"]]
    assert [d for delta in deltas for d in delta.get("reasoning_details", ())] == whole.message.get(
        "reasoning_details", []
    )
    assert "".join(delta.get("refusal") or "" for delta in deltas) == (whole.message["refusal"] or "")


def arguments_of(response: ChatResponse) -> list[str]:
    return [call["function"]["arguments"] for call in response.message.get("tool_calls", ())]


def as_stream(message: dict[str, Any]) -> bytes:
    """The events in which this message would have come, its texts in two pieces."""
    delta = {name: message[name] for name in ("stop_reason", "stop_sequence", "stop_details") if name in message}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}}
    ]
    for index, block in enumerate(message["content"]):
        events += _block_events(index, block)
    events += [{"type": "message_delta", "delta": delta, "usage": message["usage"]}, {"type": "message_stop"}]
    return b"".join(b"event: " + e["type"].encode() + b"\ndata: " + orjson.dumps(e) + b"\n\n" for e in events)


def _block_events(index: int, block: dict[str, Any]) -> list[dict[str, Any]]:
    match block["type"]:
        case "text":
            start, deltas = {**block, "text": ""}, [{"type": "text_delta", "text": t} for t in _halves(block["text"])]
        case "thinking":
            start = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": t} for t in _halves(block["thinking"])]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        case "tool_use":
            start = {**block, "input": {}}
            text = orjson.dumps(block["input"]).decode()
            deltas = [{"type": "input_json_delta", "partial_json": t} for t in _halves(text)]
        case _:
            start, deltas = block, []
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]


def test_a_thought_too_long_to_hold_is_streamed_and_forgotten() -> None:
    thought = {"type": "thinking", "thinking": "x" * 600_000, "signature": "s"}
    golden = golden_json("anthropic/chat_response.json")
    once = as_stream(golden | {"content": [thought, *golden["content"]]})
    twice = as_stream(golden | {"content": [thought | {"thinking": "x" * 1_200_000}, *golden["content"]]})

    for body, kept in ((once, 1), (twice, 0)):
        chunks = chunks_of(CODEC, [body])[0]
        details = [d for c in chunks for x in c.chunk["choices"] for d in x["delta"].get("reasoning_details", ())]
        assert len(details) == kept


def test_a_stream_of_nothing_but_openings_is_not_held() -> None:
    opening = golden_bytes("anthropic/stream_text.sse").split(b"\n\n", 1)[0] + b"\n\n"
    starts = b"".join(
        b"data: "
        + orjson.dumps({"type": "content_block_start", "index": i, "content_block": {"type": "text"}})
        + b"\n\n"
        for i in range(2000)
    )
    with pytest.raises(ProviderError) as caught:
        chunks_of(CODEC, [opening + starts])
    assert caught.value.kind is FailureKind.BAD_ANSWER


@pytest.mark.parametrize("is_native", [False, True])
@pytest.mark.parametrize("block", [{"type": "tool_use", "input": None}, {"type": "redacted_thinking", "data": None}])
def test_an_answer_nested_too_deeply_to_be_written_again_is_a_bad_one(block: dict[str, Any], is_native: bool) -> None:
    deep = b'{"a":' * 300 + b"1" + b"}" * 300
    golden = golden_json("anthropic/chat_response.json") | {"content": [block]}
    whole = orjson.dumps(golden).replace(b":null}],", b":" + deep + b"}],", 1)
    codec = AnthropicCodec(is_native=is_native)
    with pytest.raises(ProviderError) as caught:
        codec.decode(whole)
    assert caught.value.kind is FailureKind.BAD_ANSWER

    start = {"type": "content_block_start", "index": 0, "content_block": block}
    stream = b"".join(
        b"data: " + orjson.dumps(e) + b"\n\n" for e in (start, {"type": "content_block_stop", "index": 0})
    )
    with pytest.raises(ProviderError) as caught:
        chunks_of(codec, [stream.replace(b":null}}", b":" + deep + b"}}", 1)])
    assert caught.value.kind is FailureKind.BAD_ANSWER
