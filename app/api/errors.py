"""How an error is answered: body, status and headers, the same everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import orjson

from app.domain.errors import CONSEQUENCES, Code, ErrorType, OutcryError, RequestRejected, Violation
from app.domain.usage import money

Headers = list[tuple[bytes, bytes]]

# Says when a caller may come back where the error itself does not know: seconds.
DEFAULT_RETRY_AFTER = 1.0
INTERNAL_MESSAGE = "internal error; the log has it under this request id"


class CallerLeft(Exception):
    """The caller closed the connection before the answer was complete; nobody is left to be told."""


def internal_error() -> OutcryError:
    """What a caller hears of a bug of ours."""
    return OutcryError(Code.INTERNAL, INTERNAL_MESSAGE)


def openai_form(error: OutcryError) -> OutcryError:
    """The error as the OpenAI surface says it, where bad input is always a 400."""
    if error.code is not Code.INVALID_FIELD:
        return error
    first = error.violations[0] if error.violations else Violation(error.param or "", error.message)
    renamed = RequestRejected(Code.INVALID_REQUEST, f"{first.field}: {first.message}".strip(": "), param=first.field)
    renamed.trail = error.trail
    return renamed


def error_body(error: OutcryError, request_id: str) -> dict[str, Any]:
    """The JSON of an error, also inside streams."""
    detail: dict[str, Any] = {
        "message": error.message,
        "type": _type_of(error),
        "param": error.param,
        "code": error.code.value,
    }
    if error.violations:
        detail["errors"] = [{"field": v.field, "message": v.message} for v in error.violations]
    return {"error": detail, "request_id": request_id}


def encoded_error(error: OutcryError, request_id: str) -> bytes:
    """The same as bytes. Lone surrogates (from an argument of ours, never from a body) become question marks."""
    body = error_body(error, request_id)
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:
        body["error"] = {
            "message": error.message.encode("utf-8", "replace").decode(),
            "type": _type_of(error),
            "param": None,
            "code": error.code.value,
        }
        return orjson.dumps(body)


def error_headers(error: OutcryError) -> Headers:
    """Headers that tell a client what to do next, and where the request had been."""
    headers: Headers = []
    # One that is larger than its limit is so at any time.
    is_hopeless = error.code is Code.RATE_LIMIT and error.retry_after is None
    if (error.status in (429, 503) and not is_hopeless) or (error.status == 409 and error.retry_after is not None):
        seconds = DEFAULT_RETRY_AFTER if error.retry_after is None else max(error.retry_after, 0.0)
        headers.append((b"retry-after", str(math.ceil(seconds)).encode()))
        headers.append((b"retry-after-ms", str(math.ceil(seconds * 1000)).encode()))
    if is_hopeless or error.trail.is_final or error.code in (Code.DEADLINE_EXCEEDED, Code.BUDGET_EXCEEDED):
        headers.append((b"x-should-retry", b"false"))
    if error.code is Code.INVALID_HEADER:
        # What reads one head in two ways may read the next request differently too.
        headers.append((b"connection", b"close"))
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    trail = error.trail
    if trail.has_plan:
        if trail.target is not None:
            headers.append((b"x-outcry-provider", header_value(trail.target.provider)))
            headers.append((b"x-outcry-model", header_value(trail.target.model)))
        headers.append((b"x-outcry-attempts", str(trail.attempts).encode()))
        headers.append((b"x-outcry-fallback", b"true" if trail.is_fallback else b"false"))
        headers.append((b"x-outcry-overhead-ms", f"{max(trail.overhead, 0.0) * 1000:.2f}".encode()))
    if trail.cost_usd is not None:
        headers.append((b"x-outcry-cost-usd", money(trail.cost_usd).encode()))
    return headers


def header_value(text: str, limit: int = 2_000) -> bytes:
    """Text made fit for a header: printable ASCII, bounded; whatever else becomes a question mark."""
    text = text[:limit]
    if not (text.isascii() and text.isprintable()):
        text = "".join(c if " " <= c <= "~" else "?" for c in text)
    return text.strip().encode("ascii")


def field_errors(violations: Sequence[Violation]) -> OutcryError:
    """All wrong fields of a readable body, as one error."""
    fields = ", ".join(v.field or "(body)" for v in violations[:5])
    more = "" if len(violations) <= 5 else f" and {len(violations) - 5} more"
    message = f"{violations[0].field}: {violations[0].message}" if len(violations) == 1 else f"wrong: {fields}{more}"
    return RequestRejected(Code.INVALID_FIELD, message, param=violations[0].field or None, violations=violations[:100])


def _type_of(error: OutcryError) -> ErrorType:
    return CONSEQUENCES[error.code].type
