from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.adapters.gemini import GeminiCodec
from app.domain.errors import FailureKind as K
from app.domain.errors import ProviderError
from tests.golden import golden_json

CODEC = GeminiCodec(wall=lambda: 1795219200.0)


def status_body(code: int, status: str, message: str = "no", *details: dict[str, Any]) -> bytes:
    return orjson.dumps({"error": {"code": code, "message": message, "status": status, "details": list(details)}})


def info(reason: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}


@pytest.mark.parametrize(
    ("name", "kind", "wait"),
    [
        ("error_400_api_key", K.AUTH, None),
        ("compat_error_list", K.AUTH, None),
        ("error_400_context_length", K.CONTEXT_LENGTH, None),
        ("error_400_invalid_argument", K.BAD_REQUEST, None),
        ("error_400_missing_thought_signature", K.BAD_REQUEST, None),
        ("error_400_region", K.PERMISSION, None),
        ("error_402_prepay", K.QUOTA_EXHAUSTED, None),
        ("error_403", K.PERMISSION, None),
        ("error_404_model", K.MODEL_NOT_FOUND, None),
        ("error_429_quota", K.RATE_LIMITED, 36.918271),
        ("error_429_quota_per_day", K.QUOTA_EXHAUSTED, None),
        ("error_500", K.SERVER_ERROR, None),
        ("error_503", K.OVERLOADED, None),
        ("error_504", K.TIMEOUT, None),
    ],
)
def test_every_golden_error_has_its_kind(name: str, kind: K, wait: float | None) -> None:
    golden = golden_json(f"gemini/{name}.json")
    error = CODEC.failure(golden["status"], golden["headers"], orjson.dumps(golden["body"]))
    assert (error.kind, error.retry_after, error.upstream_status) == (kind, wait, golden["status"])


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, status_body(400, "INVALID_ARGUMENT", "API key expired", info("API_KEY_INVALID")), K.AUTH),
        (400, status_body(400, "FAILED_PRECONDITION", "Enable billing"), K.PERMISSION),
        (401, status_body(401, "UNAUTHENTICATED"), K.AUTH),
        (403, status_body(403, "PERMISSION_DENIED", "disabled", info("SERVICE_DISABLED")), K.PERMISSION),
        (403, status_body(403, "PERMISSION_DENIED", "blocked", info("API_KEY_SERVICE_BLOCKED")), K.PERMISSION),
        # Before the middle of 2026 an empty balance was a 429.
        (429, status_body(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."), K.QUOTA_EXHAUSTED),
        (429, status_body(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted"), K.RATE_LIMITED),
        # We hang up before we would read one, so that somebody between us and Google gave up.
        (499, status_body(499, "CANCELLED"), K.SERVER_ERROR),
        (500, status_body(500, "INTERNAL", "input exceeds the maximum number of tokens allowed"), K.CONTEXT_LENGTH),
        (502, b"<html>bad gateway</html>", K.SERVER_ERROR),
    ],
)
def test_every_row_of_the_table_has_its_kind(status: int, body: bytes, kind: K) -> None:
    assert CODEC.failure(status, {}, body).kind is kind


@pytest.mark.parametrize("wrapped", [False, True])
def test_an_error_inside_a_200_is_the_same_error(wrapped: bool) -> None:
    for status, word, kind in [(503, "UNAVAILABLE", K.OVERLOADED), (429, "RESOURCE_EXHAUSTED", K.RATE_LIMITED)]:
        body = status_body(status, word)
        with pytest.raises(ProviderError) as caught:
            CODEC.decode(b"[" + body + b"]" if wrapped else body)
        assert (caught.value.kind, caught.value.upstream_status) == (kind, status)
