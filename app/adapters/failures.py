"""What a provider's error means: a table of its words, its texts and its statuses.

The order of the tables is the point: the provider's own codes say most, then texts that no code says (an empty
balance, a prompt too long), and the HTTP status decides only when nothing better does. Quota is looked up before
rate limit, because some APIs report an empty balance as 429.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.adapters.reports import Report
from app.adapters.retry_after import retry_after
from app.adapters.scrub import scrubbed
from app.domain.errors import FailureKind, ProviderError

_Kind = FailureKind

_WORDS: Final[Mapping[FailureKind, tuple[str, ...]]] = {
    _Kind.QUOTA_EXHAUSTED: (
        "insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded", "organization_usage_limit_exceeded", "billing_hard_limit_reached",
        "billing_error", "contract_spend_limit_reached", "enforced_spend_limit_reached",
        "linked_organization_spend_limit_reached", "payment_required", "credit_limit",
    ),
    _Kind.CONTEXT_LENGTH: (
        "context_length_exceeded", "max_tokens_exceeded", "token_limit_exceeded", "exceed_context_size_error", "3051",
    ),
    _Kind.CONTENT_POLICY: (
        "content_filter", "responsibleaipolicyviolation", "invalid_prompt", "content_policy_violation", "bio_policy",
        "misalignment_policy_violation", "refusal",
    ),
    _Kind.AUTH: ("invalid_api_key", "authentication_error", "authentication", "unauthenticated", "api_key_invalid"),
    _Kind.PERMISSION: (
        "permission_error", "permission_denied", "request_forbidden", "unsupported_country_region_territory",
        "failed_precondition", "service_disabled", "api_key_service_blocked",
    ),
    _Kind.MODEL_NOT_FOUND: (
        "model_not_found", "not_found_error", "deploymentnotfound", "model_decommissioned", "model_not_available",
        "notfounderror", "invalid_model", "1500", "1501",
    ),
    _Kind.OVERLOADED: (
        "slow_down", "overloaded_error", "overloaded", "provider_overloaded", "capacity_exceeded",
        "service_tier_capacity_exceeded", "3505", "unavailable", "unavailable_error", "insufficient_system_resource",
    ),
    # The model wrote a call or JSON that the server could not read: asking again may help, the request is fine.
    _Kind.BAD_ANSWER: ("tool_use_failed", "json_validate_failed"),
    _Kind.BAD_REQUEST: ("string_above_max_length", "string_too_long"),
    _Kind.TIMEOUT: ("timeout", "timeout_error", "deadline_exceeded"),
    _Kind.PAYLOAD_TOO_LARGE: ("request_too_large", "payload_too_large"),
    _Kind.RATE_LIMITED: (
        "rate_limit_exceeded", "rate_limit_error", "ratelimitreached", "too_many_requests", "rate_limited", "1300",
        "resource_exhausted",
    ),
}  # fmt: skip
KIND_OF_WORD: Final[Mapping[str, FailureKind]] = {word: kind for kind, words in _WORDS.items() for word in words}

_DECLARED: Final[Mapping[FailureKind, tuple[str, ...]]] = {
    _Kind.CONTEXT_LENGTH: ("context_length_exceeded", "max_tokens_exceeded", "token_limit_exceeded"),
    _Kind.AUTH: ("authentication",),
    _Kind.PERMISSION: ("permission_denied",),
    _Kind.QUOTA_EXHAUSTED: ("payment_required",),
    _Kind.RATE_LIMITED: ("rate_limit_exceeded",),
    _Kind.OVERLOADED: ("provider_overloaded",),
    _Kind.BAD_REQUEST: ("string_too_long", "invalid_request", "precondition_failed", "unprocessable", "invalid_image"),
    _Kind.CONTENT_POLICY: ("invalid_prompt", "content_policy_violation", "refusal"),
    _Kind.MODEL_NOT_FOUND: ("not_found",),
    _Kind.PAYLOAD_TOO_LARGE: ("payload_too_large",),
    _Kind.SERVER_ERROR: ("server",),
    _Kind.TIMEOUT: ("timeout",),
}
# `provider_unavailable` and `unmapped` are left to the status beside them.
KIND_OF_DECLARED: Final[Mapping[str, FailureKind]] = {word: kind for kind, words in _DECLARED.items() for word in words}

KIND_OF_STATUS: Final[Mapping[int, FailureKind]] = {
    401: _Kind.AUTH,
    402: _Kind.QUOTA_EXHAUSTED,
    403: _Kind.PERMISSION,
    404: _Kind.MODEL_NOT_FOUND,
    408: _Kind.TIMEOUT,
    409: _Kind.CONFLICT,
    413: _Kind.PAYLOAD_TOO_LARGE,
    429: _Kind.RATE_LIMITED,
    498: _Kind.OVERLOADED,
    # Nobody of ours left: a proxy on the way gave up.
    499: _Kind.SERVER_ERROR,
    503: _Kind.OVERLOADED,
    504: _Kind.TIMEOUT,
    **dict.fromkeys((520, 521, 522, 523, 524, 529, 530), _Kind.OVERLOADED),
}

# What a status itself says is not overruled by a word that other APIs use for less: Groq's 413 has the code of its
# 429, and DeepSeek puts one code on everything.
_DECIDED_BY_STATUS: Final = frozenset({401, 402, 413})

# Nobody says these by accident, so they win over every other word beside them.
_TELLING: Final = (_Kind.QUOTA_EXHAUSTED, _Kind.CONTEXT_LENGTH, _Kind.CONTENT_POLICY)

_QUOTA_TEXTS: Final = (
    "credit balance is too low", "used all available credits", "monthly spending limit", "spend limit",
    "insufficient balance", "prepayment credits are depleted", "credit limit exceeded", "insufficient_quota",
)  # fmt: skip
_CONTEXT_TEXTS: Final = (
    "prompt is too long", "exceed context limit", "exceeds the maximum number of tokens allowed",
    "maximum context length is", "exceeds the context window", "`inputs` tokens + `max_new_tokens` must be",
    "maximum context limit", "is longer than the model's context length", "input tokens exceed the configured limit",
    "exceeds the available context size", "input length exceeds the context length", "maximum prompt length is",
    "too many tokens", "total number of tokens",
)  # fmt: skip
_CONTEXT_PAIRS: Final = (
    ("prompt contains", "too large for model"),
    ("current length is", "while limit is"),
)
_SHORT_WAIT: Final = 60.0
_NO_CONTEXT_TEXTS: Final = ("string_above_max_length", "invalid 'user'")
_AUTH_TEXTS: Final = ("incorrect api key", "api key not valid", "invalid api key")
_POLICY_TEXTS: Final = ("content violates usage guidelines",)
_BUSY_TEXTS: Final = ("service tier capacity exceeded",)
_MODEL_TEXTS: Final = ("is not a valid model id",)


def failure(
    status: int | None,
    headers: Mapping[str, str],
    report: Report,
    *,
    wall: float,
    kinds: Mapping[int, FailureKind] | None = None,
) -> ProviderError:
    """The error that a status, headers (lower-case names) and body make together.

    `status` None is an error inside a 200; `kinds` are statuses that this provider uses in its own way.
    """
    status = report.status if status is None else status
    kind = kind_of(status, report, kinds or {})
    text = scrubbed(report.text)
    if not text:
        text = f"the provider answered {status} without a word" if status else "the provider reported an error"
    should_retry = {"true": True, "false": False}.get(headers.get("x-should-retry", "").lower())
    if kind is _Kind.RATE_LIMITED and "request too large" in report.text.lower():
        should_retry = False  # one request larger than a minute's allowance: waiting does not make it fit
    wait = retry_after(headers, iter(report.hints), report.text[:2000], wall=wall)
    if kind is _Kind.QUOTA_EXHAUSTED and wait is not None and wait < _SHORT_WAIT:
        wait = None  # Google sends the per-minute wait along with a day's empty quota
    return ProviderError(
        kind,
        text,
        upstream_status=status,
        retry_after=wait,
        param=report.param,
        should_retry=should_retry,
    )


def kind_of(status: int | None, report: Report, kinds: Mapping[int, FailureKind]) -> FailureKind:
    """The reason behind an error; `kinds` go before the general table of statuses."""
    if special := _special(report):
        return special
    said = [KIND_OF_WORD[word] for word in report.words if word in KIND_OF_WORD]
    if telling := next((kind for kind in _TELLING if kind in said), None):
        return telling
    if by_text := _kind_of_text(status, report):
        return by_text
    if status is not None and status in kinds:
        return kinds[status]
    if said and status not in _DECIDED_BY_STATUS:
        return said[0]
    return _kind_of_status(status, report.words)


def _special(report: Report) -> FailureKind | None:
    if report.in_flight:
        return _Kind.RATE_LIMITED
    if report.flagged:
        return _Kind.CONTENT_POLICY
    if report.per_day:
        return _Kind.QUOTA_EXHAUSTED
    # There are many ways for a picture to be wrong: `invalid_image_url`, `invalid_image_format` and more.
    declared = "invalid_image" if report.declared.startswith("invalid_image") else report.declared
    return KIND_OF_DECLARED.get(declared)


def _kind_of_text(status: int | None, report: Report) -> FailureKind | None:
    text = report.text.lower()
    if status in (None, 400, 402, 403, 429) and _says(text, _QUOTA_TEXTS):
        return _Kind.QUOTA_EXHAUSTED
    # A 429 about "too many tokens" is a rate, not a length.
    if status not in (401, 402, 404, 429) and _is_context(text, report.words):
        return _Kind.CONTEXT_LENGTH
    if status in (None, 400, 403) and _says(text, _POLICY_TEXTS):
        return _Kind.CONTENT_POLICY
    if status in (None, 400) and _says(text, _AUTH_TEXTS):
        return _Kind.AUTH
    if status in (None, 429) and _says(text, _BUSY_TEXTS):
        return _Kind.OVERLOADED
    if status in (None, 400) and _says(text, _MODEL_TEXTS):
        return _Kind.MODEL_NOT_FOUND
    return None


def _is_context(text: str, words: tuple[str, ...]) -> bool:
    if _says(text, _NO_CONTEXT_TEXTS) or "string_above_max_length" in words:
        return False
    return _says(text, _CONTEXT_TEXTS) or any(one in text and other in text for one, other in _CONTEXT_PAIRS)


def _says(text: str, phrases: tuple[str, ...]) -> bool:
    return any(phrase in text for phrase in phrases)


def _kind_of_status(status: int | None, words: tuple[str, ...]) -> FailureKind:
    if status is None or not 400 <= status < 600:
        return _Kind.BAD_REQUEST if "invalid_request_error" in words else _Kind.SERVER_ERROR
    if status in KIND_OF_STATUS:
        return KIND_OF_STATUS[status]
    return _Kind.SERVER_ERROR if status >= 500 else _Kind.BAD_REQUEST
