"""Errors as Anthropic's wire tells them: its words for statuses, our codes beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from app.api.errors import error_body, openai_form
from app.domain.errors import OutcryError

ROOT: Final = "/v1/messages"
_BELOW: Final = f"{ROOT}/"

TYPE_OF_STATUS: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    409: "conflict_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    499: "invalid_request_error",
    500: "api_error",
    502: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
}
"""Anthropic's word for each status that we answer with."""


def is_anthropic(path: str) -> bool:
    """Whether this path speaks Anthropic's wire, served or not."""
    return path == ROOT or path.startswith(_BELOW)


def anthropic_error(error: OutcryError, request_id: str) -> bytes:
    """The JSON of an error. Lone surrogates (from an argument of ours, never from a body) become question marks."""
    body = _body(openai_form(error), request_id)
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:
        body["error"]["message"] = error.message.encode("utf-8", "replace").decode()
        body["error"]["param"] = None
        body["error"].pop("errors", None)
        return orjson.dumps(body)


def anthropic_error_event(error: OutcryError, request_id: str) -> bytes:
    """The same as the last event of a stream."""
    return b"event: error\ndata: " + anthropic_error(error, request_id) + b"\n\n"


def _body(error: OutcryError, request_id: str) -> dict[str, Any]:
    said = error_body(error, request_id)
    detail = {**said["error"], "type": TYPE_OF_STATUS.get(error.status, "api_error")}
    return {"type": "error", "error": detail, "request_id": request_id}
