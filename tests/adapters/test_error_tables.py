"""Every row of the error tables that the provider notes draw, besides those that a payload on file shows."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.adapters.failures import KIND_OF_DECLARED, failure
from app.adapters.presets import PRESETS
from app.adapters.reports import read_report
from app.domain.errors import REACTIONS
from app.domain.errors import FailureKind as K
from app.domain.provider import ProviderType as T

WALL = 1795219200.0
DECLARED = {
    "context_length_exceeded": K.CONTEXT_LENGTH,
    "max_tokens_exceeded": K.CONTEXT_LENGTH,
    "token_limit_exceeded": K.CONTEXT_LENGTH,
    "string_too_long": K.BAD_REQUEST,
    "authentication": K.AUTH,
    "permission_denied": K.PERMISSION,
    "payment_required": K.QUOTA_EXHAUSTED,
    "rate_limit_exceeded": K.RATE_LIMITED,
    "provider_overloaded": K.OVERLOADED,
    "invalid_request": K.BAD_REQUEST,
    "invalid_prompt": K.CONTENT_POLICY,
    "not_found": K.MODEL_NOT_FOUND,
    "precondition_failed": K.BAD_REQUEST,
    "payload_too_large": K.PAYLOAD_TOO_LARGE,
    "unprocessable": K.BAD_REQUEST,
    "content_policy_violation": K.CONTENT_POLICY,
    "refusal": K.CONTENT_POLICY,
    "invalid_image_url": K.BAD_REQUEST,
    "server": K.SERVER_ERROR,
    "timeout": K.TIMEOUT,
    "provider_unavailable": K.OVERLOADED,
    "unmapped": K.OVERLOADED,
}


def error(message: str = "x", **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


def kind_at(type_: T, status: int, body: Any) -> K:
    return PRESETS[type_].codec.failure(status, {}, orjson.dumps(body)).kind


@pytest.mark.parametrize(
    ("type_", "status", "body", "kind"),
    [
        # Keys and permissions.
        (T.OPENAI, 401, error(code="invalid_api_key"), K.AUTH),
        (T.XAI, 400, {"code": "x", "error": "Incorrect API key provided: xx. You can obtain one"}, K.AUTH),
        (T.OPENAI, 403, error(code="unsupported_country_region_territory"), K.PERMISSION),
        (T.XAI, 401, {"code": "x", "error": "The key is blocked"}, K.AUTH),
        (T.GROQ, 403, error(), K.PERMISSION),
        (T.MISTRAL, 401, {"message": "Unauthorized", "request_id": "x"}, K.AUTH),
        (T.VLLM, 401, {"error": "Unauthorized"}, K.AUTH),
        # Models that are not there.
        (T.OPENAI, 404, error(code="model_not_found"), K.MODEL_NOT_FOUND),
        (T.GROQ, 400, error(code="model_decommissioned"), K.MODEL_NOT_FOUND),
        (T.MISTRAL, 400, {"object": "error", "message": "Invalid model: x", "code": "1500"}, K.MODEL_NOT_FOUND),
        (T.MISTRAL, 400, {"message": "x", "type": "invalid_model", "code": "1501"}, K.MODEL_NOT_FOUND),
        (T.OPENROUTER, 404, error("No endpoints found that support tool use", code=404), K.MODEL_NOT_FOUND),
        (T.VLLM, 404, {"object": "error", "message": "x", "type": "NotFoundError", "code": 404}, K.MODEL_NOT_FOUND),
        # The caller's own mistakes.
        *((T.OPENAI, status, error(), K.BAD_REQUEST) for status in (400, 405, 415, 422)),
        (T.XAI, 422, "Failed to deserialize the JSON body into the target type", K.BAD_REQUEST),
        (T.XAI, 415, {"code": "x", "error": "Expected request with `Content-Type: application/json`"}, K.BAD_REQUEST),
        (T.GROQ, 424, error(), K.BAD_REQUEST),
        (T.MISTRAL, 422, {"detail": [{"type": "missing", "loc": ["body", "model"], "msg": "x"}]}, K.BAD_REQUEST),
        (T.MISTRAL, 400, {"message": "x", "type": "invalid_request_message_order", "code": "3230"}, K.BAD_REQUEST),
        (T.MISTRAL, 400, {"message": "x", "type": "invalid_function_call", "code": "3280"}, K.BAD_REQUEST),
        (T.OPENROUTER, 410, error(code=410), K.BAD_REQUEST),
        (T.OPENROUTER, 412, error(code=412), K.BAD_REQUEST),
        (T.VLLM, 400, {"object": "error", "message": "x", "type": "BadRequestError", "code": 400}, K.BAD_REQUEST),
        # What the model wrote was of no use: another try may be.
        (T.GROQ, 400, error(code="tool_use_failed", failed_generation="<f>"), K.BAD_ANSWER),
        (T.GROQ, 400, error(code="json_validate_failed", failed_generation="{"), K.BAD_ANSWER),
        # Content.
        (T.AZURE, 400, error(code="content_filter"), K.CONTENT_POLICY),
        (T.OPENAI, 400, error(code="invalid_prompt"), K.CONTENT_POLICY),
        (T.OPENAI, 400, error(code="content_policy_violation"), K.CONTENT_POLICY),
        (T.OPENROUTER, 403, error(code=403, metadata={"reasons": ["violence"]}), K.CONTENT_POLICY),
        (T.OPENROUTER, 403, error(code=403), K.PERMISSION),
        (T.XAI, 403, {"code": "x", "error": "Content violates usage guidelines. Team: x"}, K.CONTENT_POLICY),
        # Size.
        (T.GROQ, 413, error(type="tokens", code="rate_limit_exceeded"), K.PAYLOAD_TOO_LARGE),
        (T.XAI, 413, {"code": "x", "error": "too large"}, K.PAYLOAD_TOO_LARGE),
        (T.TOGETHER, 413, error(), K.PAYLOAD_TOO_LARGE),
        (T.OPENROUTER, 413, error(code=413), K.PAYLOAD_TOO_LARGE),
        (T.TOGETHER, 403, error(), K.CONTEXT_LENGTH),
        (T.TOGETHER, 422, error("`inputs` tokens + `max_new_tokens` must be <= 4097"), K.CONTEXT_LENGTH),
        (T.MISTRAL, 400, {"message": "x", "code": "3051"}, K.CONTEXT_LENGTH),
        # Rates and balances.
        (T.OPENAI, 429, error(code="rate_limit_exceeded"), K.RATE_LIMITED),
        (T.MISTRAL, 429, {"message": "x", "type": "rate_limited", "code": "1300"}, K.RATE_LIMITED),
        (T.TOGETHER, 429, error(), K.RATE_LIMITED),
        (T.XAI, 429, {"code": "x", "error": "Too many requests"}, K.RATE_LIMITED),
        (T.DEEPSEEK, 429, error(code="invalid_request_error"), K.RATE_LIMITED),
        (T.OPENAI, 429, error(type="insufficient_quota"), K.QUOTA_EXHAUSTED),
        (T.DEEPSEEK, 402, error("Insufficient Balance", code="invalid_request_error"), K.QUOTA_EXHAUSTED),
        (T.TOGETHER, 402, error(), K.QUOTA_EXHAUSTED),
        (T.OPENROUTER, 402, error(code=402), K.QUOTA_EXHAUSTED),
        (T.OPENROUTER, 402, error(metadata={"limit_source": "openrouter_in_flight_budget"}), K.RATE_LIMITED),
        (T.MISTRAL, 402, {"message": "payment required"}, K.QUOTA_EXHAUSTED),
        (T.XAI, 429, {"code": "x", "error": "Your team has used all available credits or reached"}, K.QUOTA_EXHAUSTED),
        # Overload.
        (T.OPENAI, 503, error(code="slow_down"), K.OVERLOADED),
        (T.OPENAI, 429, error(code="slow_down"), K.OVERLOADED),
        (T.GROQ, 498, error(code="capacity_exceeded"), K.OVERLOADED),
        (T.MISTRAL, 429, {"message": "Service tier capacity exceeded for this model."}, K.OVERLOADED),
        (T.MISTRAL, 503, {"message": "x", "code": "3505"}, K.OVERLOADED),
        *((type_, 503, error(), K.OVERLOADED) for type_ in PRESETS),
        *((T.TOGETHER, status, error(), K.OVERLOADED) for status in (520, 521, 522, 523, 524, 529, 530)),
        (T.OPENROUTER, 529, error(code=529), K.OVERLOADED),
        (T.OPENAI_COMPATIBLE, 429, {"error": "busy", "error_type": "overloaded"}, K.OVERLOADED),
        # Servers and time.
        *((type_, 500, error(), K.SERVER_ERROR) for type_ in PRESETS),
        (T.LOCALAI, 500, error("could not load model", code=500, type=""), K.SERVER_ERROR),
        (T.OPENROUTER, 502, error(code=502), K.SERVER_ERROR),
        (T.GROQ, 499, error(), K.SERVER_ERROR),
        (T.OPENROUTER, 408, error(code=408), K.TIMEOUT),
        (T.TOGETHER, 504, error(), K.TIMEOUT),
        (T.OPENAI, 409, error(), K.CONFLICT),
    ],
)  # fmt: skip
def test_a_providers_error_has_its_kind(type_: T, status: int, body: Any, kind: K) -> None:
    assert kind_at(type_, status, body) is kind


@pytest.mark.parametrize(
    ("kind", "retries_the_same", "goes_elsewhere"),
    [
        (K.AUTH, False, True),
        (K.PERMISSION, False, True),
        (K.MODEL_NOT_FOUND, False, True),
        (K.BAD_REQUEST, False, False),
        (K.CONTEXT_LENGTH, False, True),
        (K.CONTENT_POLICY, False, False),
        (K.RATE_LIMITED, True, True),
        (K.QUOTA_EXHAUSTED, False, True),
        (K.OVERLOADED, True, True),
        (K.SERVER_ERROR, True, True),
        (K.TIMEOUT, True, True),
        (K.CONFLICT, True, True),
        (K.CANCELLED, False, False),
    ],
)
def test_a_kind_is_tried_again_where_the_table_says_so(kind: K, retries_the_same: bool, goes_elsewhere: bool) -> None:
    assert (REACTIONS[kind].retry_same, REACTIONS[kind].try_next) == (retries_the_same, goes_elsewhere)


@pytest.mark.parametrize(
    "said",
    [
        "prompt is too long: 9 tokens > 8 maximum",
        "input length and `max_tokens` exceed context limit: 9 + 8 > 8",
        "The input token count (9) exceeds the maximum number of tokens allowed (8).",
        "This model's maximum context length is 8 tokens. However, you requested 9 tokens",
        "Your input exceeds the context window of this model.",
        "`inputs` tokens + `max_new_tokens` must be <= 8. Given: 9",
        "reached the maximum context limit",
        "The prompt (9) is longer than the model's context length (8)",
        "Input tokens exceed the configured limit of 8 tokens",
        "the request exceeds the available context size, try increasing it",
        "the input length exceeds the context length",
        "This model's maximum prompt length is 8 but the request contains 9 tokens.",
        "Prompt contains 9 tokens and 0 draft tokens, too large for model with 8 maximum context length",
        "too many tokens: size limit exceeded by 1 tokens",
        "total number of tokens in the prompt cannot exceed 8",
        "Please reduce the length. Current length is 9 while limit is 8",
    ],
)
def test_a_prompt_that_is_too_long_is_known_by_its_text(said: str) -> None:
    for body in (error(said), {"message": said}, {"code": "x", "error": said}, said):
        assert kind_at(T.OPENAI_COMPATIBLE, 400, body) is K.CONTEXT_LENGTH
    assert kind_at(T.OPENAI_COMPATIBLE, 429, error(said)) is K.RATE_LIMITED


@pytest.mark.parametrize("code", ["context_length_exceeded", "exceed_context_size_error"])
def test_a_prompt_that_is_too_long_is_known_by_its_code(code: str) -> None:
    assert kind_at(T.OPENAI_COMPATIBLE, 400, error(code=code)) is K.CONTEXT_LENGTH
    assert kind_at(T.OPENROUTER, 400, error(code=400, metadata={"error_type": code})) is K.CONTEXT_LENGTH


@pytest.mark.parametrize(
    "body",
    [
        error("too many tokens", code="string_above_max_length"),
        error("Invalid 'user': too many tokens in it"),
    ],
)
def test_a_field_that_is_too_long_is_no_long_prompt(body: Any) -> None:
    assert kind_at(T.OPENAI, 400, body) is K.BAD_REQUEST


@pytest.mark.parametrize("declared", DECLARED)
def test_openrouters_own_word_counts_before_its_status(declared: str) -> None:
    body = error("no more said", code=503, metadata={"error_type": declared})
    assert kind_at(T.OPENROUTER, 503, body) is DECLARED[declared]


def test_every_word_that_openrouter_declares_is_in_the_table() -> None:
    left_to_the_status = {"provider_unavailable", "unmapped"}
    assert {word.removesuffix("_url") for word in DECLARED.keys() - left_to_the_status} == set(KIND_OF_DECLARED)


@pytest.mark.parametrize(("said", "should_retry"), [("true", True), ("false", False), ("maybe", None)])
def test_a_providers_word_on_retrying_is_passed_on(said: str, should_retry: bool | None) -> None:
    for type_ in (T.OPENAI, T.ANTHROPIC, T.GROQ):
        found = PRESETS[type_].codec.failure(500, {"x-should-retry": said}, b"{}")
        assert found.should_retry is should_retry


def test_a_complaint_about_a_field_names_it() -> None:
    complaint = {
        "type": "extra_forbidden",
        "loc": ["body", "messages", 0, "name"],
        "msg": "Extra inputs",
        "input": "me",
    }
    for body in ({"detail": [complaint]}, {"object": "error", "message": {"detail": [complaint]}}):
        found = PRESETS[T.MISTRAL].codec.failure(422, {}, orjson.dumps(body))
        assert (found.message, found.param) == ("messages.0.name: Extra inputs", "messages.0.name")


@pytest.mark.parametrize(
    "body",
    [
        b'data: {"error":{"message":"slow","code":"rate_limit_exceeded"}}\n\n',
        b'event: error\r\ndata:{"error":{"message":"slow","code":"rate_limit_exceeded"}}\r\n\r\n',
        b'{"error":{"message":"slow","code":"rate_limit_exceeded"}}',
        b'[{"error":{"message":"slow","code":"rate_limit_exceeded"}}]',
    ],
)
def test_an_error_may_come_as_an_event(body: bytes) -> None:
    found = failure(500, {}, read_report(body), wall=WALL)
    assert (found.kind, found.message) == (K.RATE_LIMITED, "slow")
