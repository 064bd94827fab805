from __future__ import annotations

import orjson
import pytest

from app.adapters.anthropic import AnthropicCodec
from app.adapters.codec import Codec
from app.adapters.failures import KIND_OF_STATUS, failure
from app.adapters.presets import PRESETS
from app.adapters.reports import read_report
from app.adapters.scrub import scrubbed, without
from app.domain.errors import FailureKind as K
from app.domain.provider import ProviderType
from tests.golden import GOLDEN, golden_json

# By reading the provider notes: kind, seconds to wait, the provider's own word on retrying.
EXPECTED: dict[str, tuple[K, float | None, bool | None]] = {
    "openai/error_400_bad_request.json": (K.BAD_REQUEST, None, None),
    "openai/error_400_content_policy.json": (K.CONTENT_POLICY, None, None),
    "openai/error_400_context_length.json": (K.CONTEXT_LENGTH, None, None),
    "openai/error_400_context_length_responses.json": (K.CONTEXT_LENGTH, None, None),
    "openai/error_400_max_tokens_unsupported.json": (K.BAD_REQUEST, None, None),
    "openai/error_400_tools_need_responses.json": (K.UNSUPPORTED, None, None),
    "openai/error_400_unsupported_temperature.json": (K.BAD_REQUEST, None, None),
    "openai/error_401.json": (K.AUTH, None, None),
    "openai/error_403_region.json": (K.PERMISSION, None, None),
    "openai/error_404_model.json": (K.MODEL_NOT_FOUND, None, None),
    "openai/error_429_quota.json": (K.QUOTA_EXHAUSTED, None, None),
    "openai/error_429_rate_limit.json": (K.RATE_LIMITED, 0.82, None),
    "openai/error_500.json": (K.SERVER_ERROR, None, None),
    "openai/error_503_overloaded.json": (K.OVERLOADED, 5.0, None),
    "anthropic/error_400_context_plus_max_tokens.json": (K.CONTEXT_LENGTH, None, None),
    "anthropic/error_400_credit_balance.json": (K.QUOTA_EXHAUSTED, None, None),
    "anthropic/error_400_invalid.json": (K.BAD_REQUEST, None, None),
    "anthropic/error_400_prompt_too_long.json": (K.CONTEXT_LENGTH, None, None),
    "anthropic/error_400_temperature.json": (K.BAD_REQUEST, None, None),
    "anthropic/error_400_tool_result_missing.json": (K.BAD_REQUEST, None, None),
    "anthropic/error_401.json": (K.AUTH, None, None),
    "anthropic/error_402_billing.json": (K.QUOTA_EXHAUSTED, None, None),
    "anthropic/error_403.json": (K.PERMISSION, None, None),
    "anthropic/error_404_model.json": (K.MODEL_NOT_FOUND, None, None),
    "anthropic/error_413.json": (K.PAYLOAD_TOO_LARGE, None, None),
    "anthropic/error_429_rate_limit.json": (K.RATE_LIMITED, 27.0, True),
    "anthropic/error_429_spend_limit.json": (K.QUOTA_EXHAUSTED, None, False),
    "anthropic/error_500.json": (K.SERVER_ERROR, None, None),
    "anthropic/error_504.json": (K.TIMEOUT, None, None),
    "anthropic/error_529_overloaded.json": (K.OVERLOADED, None, True),
    "groq/error_400_decommissioned.json": (K.MODEL_NOT_FOUND, None, None),
    "groq/error_400_json_validate_failed.json": (K.BAD_ANSWER, None, None),
    "groq/error_400_tool_use_failed.json": (K.BAD_ANSWER, None, None),
    "groq/error_401.json": (K.AUTH, None, None),
    "groq/error_404.json": (K.MODEL_NOT_FOUND, None, None),
    "groq/error_413.json": (K.PAYLOAD_TOO_LARGE, None, None),
    "groq/error_429.json": (K.RATE_LIMITED, 2.0, None),
    "groq/error_498_flex.json": (K.OVERLOADED, None, None),
    "groq/error_503.json": (K.OVERLOADED, None, None),
    "deepseek/error_400_context.json": (K.CONTEXT_LENGTH, None, None),
    "deepseek/error_400_reasoning_content.json": (K.BAD_REQUEST, None, None),
    "deepseek/error_401.json": (K.AUTH, None, None),
    "deepseek/error_402_balance.json": (K.QUOTA_EXHAUSTED, None, None),
    "deepseek/error_422.json": (K.BAD_REQUEST, None, None),
    "deepseek/error_429.json": (K.RATE_LIMITED, None, None),
    "deepseek/error_503.json": (K.OVERLOADED, None, None),
    "xai/error_400_key.json": (K.AUTH, None, None),
    "xai/error_400_param.json": (K.BAD_REQUEST, None, None),
    "xai/error_403.json": (K.PERMISSION, None, None),
    "xai/error_404_model.json": (K.MODEL_NOT_FOUND, None, None),
    "xai/error_429_credits.json": (K.QUOTA_EXHAUSTED, None, None),
    "xai/error_429_rate.json": (K.RATE_LIMITED, None, None),
    "mistral/error_400_order.json": (K.BAD_REQUEST, None, None),
    "mistral/error_400_tool_call_id.json": (K.BAD_REQUEST, None, None),
    "mistral/error_401.json": (K.AUTH, None, None),
    "mistral/error_422_extra.json": (K.BAD_REQUEST, None, None),
    "mistral/error_429_capacity.json": (K.OVERLOADED, None, None),
    "mistral/error_429_rate.json": (K.RATE_LIMITED, None, None),
    "together/error_400_context.json": (K.CONTEXT_LENGTH, None, None),
    "together/error_401.json": (K.AUTH, None, None),
    "together/error_402.json": (K.QUOTA_EXHAUSTED, None, None),
    "together/error_404.json": (K.MODEL_NOT_FOUND, None, None),
    "together/error_429.json": (K.RATE_LIMITED, 1.0, None),
    "together/error_503.json": (K.OVERLOADED, None, None),
    "openrouter/error_400.json": (K.MODEL_NOT_FOUND, None, None),
    "openrouter/error_401.json": (K.AUTH, None, None),
    "openrouter/error_402.json": (K.QUOTA_EXHAUSTED, None, None),
    "openrouter/error_403_moderation.json": (K.CONTENT_POLICY, None, None),
    "openrouter/error_408.json": (K.TIMEOUT, None, None),
    "openrouter/error_429_free_limit.json": (K.RATE_LIMITED, 60.0, None),
    "openrouter/error_429_upstream.json": (K.RATE_LIMITED, 5.0, None),
    "openrouter/error_503_no_provider.json": (K.OVERLOADED, None, None),
    "azure/error_400_content_filter.json": (K.CONTENT_POLICY, None, None),
    "azure/error_401.json": (K.AUTH, None, None),
    "azure/error_404_deployment.json": (K.MODEL_NOT_FOUND, None, None),
    "azure/error_404_resource.json": (K.MODEL_NOT_FOUND, None, None),
    "azure/error_408_timeout.json": (K.TIMEOUT, None, None),
    "azure/error_429.json": (K.RATE_LIMITED, 5.612, None),
    "azure/error_503.json": (K.OVERLOADED, None, None),
    "vllm/error_400_auto_tool_choice.json": (K.BAD_REQUEST, None, None),
    "vllm/error_400_context.json": (K.CONTEXT_LENGTH, None, None),
    "vllm/error_401.json": (K.AUTH, None, None),
    "vllm/error_404.json": (K.MODEL_NOT_FOUND, None, None),
    "vllm/error_503.json": (K.OVERLOADED, None, None),
    "localai/error_401.json": (K.AUTH, None, None),
    "localai/error_404.json": (K.MODEL_NOT_FOUND, None, None),
    "localai/error_500.json": (K.SERVER_ERROR, None, None),
    "gemini/compat_error_list.json": (K.AUTH, None, None),
    "gemini/error_400_api_key.json": (K.AUTH, None, None),
    "gemini/error_400_context_length.json": (K.CONTEXT_LENGTH, None, None),
    "gemini/error_400_invalid_argument.json": (K.BAD_REQUEST, None, None),
    "gemini/error_400_missing_thought_signature.json": (K.BAD_REQUEST, None, None),
    "gemini/error_400_region.json": (K.PERMISSION, None, None),
    "gemini/error_402_prepay.json": (K.QUOTA_EXHAUSTED, None, None),
    "gemini/error_403.json": (K.PERMISSION, None, None),
    "gemini/error_404_model.json": (K.MODEL_NOT_FOUND, None, None),
    "gemini/error_429_quota.json": (K.RATE_LIMITED, 36.918271, None),
    "gemini/error_429_quota_per_day.json": (K.QUOTA_EXHAUSTED, None, None),
    "gemini/error_500.json": (K.SERVER_ERROR, None, None),
    "gemini/error_503.json": (K.OVERLOADED, None, None),
    "gemini/error_504.json": (K.TIMEOUT, None, None),
    "ollama/compat_error_404.json": (K.MODEL_NOT_FOUND, None, None),
    "ollama/error_400_no_thinking.json": (K.UNSUPPORTED, None, None),
    "ollama/error_400_no_tools.json": (K.UNSUPPORTED, None, None),
    "ollama/error_401_cloud.json": (K.AUTH, None, None),
    "ollama/error_404_model.json": (K.MODEL_NOT_FOUND, None, None),
    "ollama/error_429_cloud.json": (K.RATE_LIMITED, None, None),
    "ollama/error_500.json": (K.SERVER_ERROR, None, None),
    "ollama/error_502_cloud.json": (K.SERVER_ERROR, None, None),
    "ollama/error_503_busy.json": (K.OVERLOADED, None, None),
}
WALL = 1795219200.0


def codec_of(name: str) -> Codec:
    dialect = name.partition("/")[0]
    return AnthropicCodec() if dialect == "anthropic" else PRESETS[ProviderType(dialect)].codec


def test_every_error_on_file_is_in_the_table() -> None:
    on_file = {str(path.relative_to(GOLDEN)) for path in GOLDEN.glob("*/*error_*.json")}
    on_file = {name for name in on_file if "status" in golden_json(name)}
    assert on_file == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_error_means_what_its_provider_says(name: str) -> None:
    envelope = golden_json(name)
    kind, wait, should_retry = EXPECTED[name]

    if name == "openrouter/error_429_free_limit.json":  # its reset is a moment, so our clock has to be known
        error = failure(429, envelope["headers"], read_report(orjson.dumps(envelope["body"])), wall=WALL)
    else:
        error = codec_of(name).failure(envelope["status"], envelope["headers"], orjson.dumps(envelope["body"]))

    assert (error.kind, error.should_retry) == (kind, should_retry)
    assert error.retry_after == (None if wait is None else pytest.approx(wait))
    assert error.upstream_status == envelope["status"]
    assert 0 < len(error.message) <= 500


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"error":{"message":"This model\'s maximum context length is 8 tokens"}}', K.CONTEXT_LENGTH),
        (400, b'{"error":{"message":"Current length is 10 while limit is 8"}}', K.CONTEXT_LENGTH),
        (400, b'{"message":"Prompt contains 9 tokens and is too large for model with 8 maximum"}', K.CONTEXT_LENGTH),
        (400, b'{"error":{"type":"exceed_context_size_error","message":"x"}}', K.CONTEXT_LENGTH),
        (403, b'{"error":{"message":"`inputs` tokens + `max_new_tokens` must be <= 8"}}', K.CONTEXT_LENGTH),
        (429, b'{"error":{"message":"too many tokens per minute"}}', K.RATE_LIMITED),
        (400, b'{"error":{"code":"string_above_max_length","message":"too many tokens in user"}}', K.BAD_REQUEST),
        (403, b'{"code":"x","error":"Content violates usage guidelines"}', K.CONTENT_POLICY),
        (402, b'{"error":{"message":"x","metadata":{"limit_source":"openrouter_in_flight_budget"}}}', K.RATE_LIMITED),
        (429, b'{"error":{"type":"insufficient_quota","code":"rate_limit_exceeded"}}', K.QUOTA_EXHAUSTED),
        (413, b'{"error":{"code":"context_length_exceeded"}}', K.CONTEXT_LENGTH),
        (
            400,
            b'{"error":{"code":"BadRequest","innererror":{"code":"ResponsibleAIPolicyViolation"}}}',
            K.CONTENT_POLICY,
        ),
        (503, b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}', K.OVERLOADED),
        (429, b'{"error":"busy","error_type":"overloaded"}', K.OVERLOADED),
        (429, b"", K.RATE_LIMITED),
        (502, b"<html><h1>502 Bad Gateway</h1></html>", K.SERVER_ERROR),
        (500, b"[]", K.SERVER_ERROR),
        (500, b'"text"', K.SERVER_ERROR),
        (500, b'{"error":{"message":{"detail":[1]},"code":null,"metadata":7,"details":"x"}}', K.SERVER_ERROR),
        (418, b"{}", K.BAD_REQUEST),
        (499, b"{}", K.SERVER_ERROR),
        (524, b"{}", K.OVERLOADED),
        (599, b"{}", K.SERVER_ERROR),
    ],
)
def test_shapes_that_no_fixture_has(status: int, body: bytes, kind: K) -> None:
    assert failure(status, {}, read_report(body), wall=WALL).kind is kind


def test_a_single_request_beyond_the_minute_is_not_worth_repeating() -> None:
    body = b'{"error":{"message":"Request too large for gpt: Limit 10, Requested 20","code":"rate_limit_exceeded"}}'
    error = failure(429, {}, read_report(body), wall=WALL)
    assert (error.kind, error.should_retry) == (K.RATE_LIMITED, False)


def test_together_says_too_long_with_403() -> None:
    codec = PRESETS[ProviderType.TOGETHER].codec
    assert codec.failure(403, {}, b'{"error":{"message":"forbidden"}}').kind is K.CONTEXT_LENGTH


def test_every_status_that_is_an_error_has_a_kind() -> None:
    kinds = {status: failure(status, {}, read_report(b"{}"), wall=WALL).kind for status in range(400, 600)}
    assert {status: kinds[status] for status in KIND_OF_STATUS} == dict(KIND_OF_STATUS)
    assert set(kinds.values()) <= set(K)


@pytest.mark.parametrize(
    "key",
    [
        *("sk-proj-abcdef123456", "gsk_abcdefgh12345678", "xai-abcdefgh12345", "AIzaSyA1234567890abcdefghijk"),
        "AQ.Ab8RN6Kabcdefgh",
        *("sk-ant-api03-xyz_123", "Bearer abc.def-123456", "sk-abc***wxyz", "0123456789abcdef0123456789abcdef"),
    ],
)
def test_what_looks_like_a_key_is_redacted(key: str) -> None:
    text = scrubbed(f"Incorrect API key provided: {key}. You can find it")
    assert key.removeprefix("Bearer ") not in text
    assert "[redacted]" in text


def test_messages_are_cut_and_on_one_line() -> None:
    assert scrubbed("a\r\n b" * 5000)[:10] == "a ba ba ba"
    assert len(scrubbed("x y " * 5000)) == 500


def test_a_secret_cut_in_the_middle_is_still_found() -> None:
    secret = "k9f!very-odd-secret"
    assert without(secret, f"bad key {secret}!") == "bad key [redacted]!"
    assert without(secret, f"bad key {secret[:9]}") == "bad key [redacted]"
