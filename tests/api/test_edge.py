"""Every answer bears its request id, and every failure is answered with the one error body."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest

from app.domain.errors import (
    AllAttemptsFailed,
    Code,
    DeadlineExceeded,
    FailureKind,
    NotAdmitted,
    OutcryError,
    ProviderError,
    RequestRejected,
    StorageUnavailable,
    Trail,
    Violation,
)
from app.services import Services
from tests.api.conftest import client_of
from tests.api.speaking import V1, error_of, native_body, openai_body
from tests.fakes_edge import TARGET, FakeGateway, FakeMetrics, fake_services


async def test_a_callers_request_id_comes_back_when_it_is_a_sane_one(client: httpx.AsyncClient) -> None:
    kept = await client.get("/health/live", headers={"x-request-id": "Trade-7.a_b"})
    replaced = [
        await client.get("/health/live", headers={"x-request-id": odd}) for odd in ("", "a b", "x" * 129, "a\tb", "<x>")
    ]

    assert kept.headers["x-request-id"] == "Trade-7.a_b"
    assert all(response.headers["x-request-id"].startswith("req_") for response in replaced)
    assert len({response.headers["x-request-id"] for response in replaced}) == len(replaced)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/no/such/route", 404, "caller_not_found"),
        ("GET", "/chat", 405, "caller_method_not_allowed"),
        ("DELETE", "/providers", 405, "caller_method_not_allowed"),
        ("GET", "/providers/", 404, "caller_not_found"),
        ("GET", "/docs", 404, "caller_not_found"),
        ("GET", "/agents/abc", 422, "caller_invalid_field"),
        ("GET", "/agents/99999999999999999999", 422, "caller_invalid_field"),
        ("GET", "/agents?limit=1001", 422, "caller_invalid_field"),
        ("GET", "/agents?cursor=nonsense", 422, "caller_invalid_field"),
        ("GET", "/decisions/%00", 400, "caller_invalid_request"),
        ("GET", "/decisions?symbol=%00", 400, "caller_invalid_request"),
        ("GET", "/usage/summary?by=minute", 422, "caller_invalid_field"),
        ("GET", "/usage/summary?since=yesterday", 422, "caller_invalid_field"),
        ("GET", "/usage/summary?since=0001-01-01T00:00:00%2B23:59", 422, "caller_invalid_field"),
        ("GET", "/usage/summary?since=9999-12-31T23:59:59-23:59", 422, "caller_invalid_field"),
        ("GET", "/v1/models/gpt-77", 404, "model_not_found"),
        ("PATCH", "/v1/models", 405, "caller_method_not_allowed"),
    ],
)
async def test_a_request_that_leads_nowhere_has_the_error_body(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    error_of(await client.request(method, path), status, code)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/chat", "POST"),
        ("DELETE", "/agents", "GET, HEAD, POST"),
        ("POST", "/agents/7", "DELETE, GET, HEAD, PATCH"),
        ("PUT", "/decisions", "GET, HEAD, POST"),
    ],
)
async def test_a_405_names_the_methods_that_are_possible(
    client: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    response = await client.request(method, path)

    assert (response.status_code, response.headers["allow"]) == (405, allowed)


async def test_an_unknown_model_is_told_the_closest_names(client: httpx.AsyncClient) -> None:
    error = error_of(await client.get("/v1/models/alpha/alpha-2"), 404, "model_not_found")

    assert "alpha/alpha-1" in error["message"]
    assert error["param"] == "model"


async def test_a_bug_of_ours_is_a_500_that_gives_nothing_away(
    client: httpx.AsyncClient, gateway: FakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.before = RuntimeError("the secret of line 7")

    with caplog.at_level(logging.ERROR):
        response = await client.post("/chat", json=native_body())

    error_of(response, 500, "gateway_internal")
    assert "secret" not in response.text
    assert response.headers["x-request-id"] in {getattr(entry, "request_id", None) for entry in caplog.records}


def provider_error(kind: FailureKind, **facts: Any) -> ProviderError:
    """An error whose walk tried one target."""
    error = ProviderError(kind, "upstream said no", **facts)
    error.trail = Trail(TARGET, attempts=2, is_fallback=True, is_final=True, has_plan=True, overhead=0.0125)
    return error


async def test_an_exhausted_plan_tells_where_it_had_been_and_not_to_retry(
    client: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    gateway.before = provider_error(FailureKind.SERVER_ERROR, upstream_status=500)

    response = await client.post(V1, json=openai_body())

    error = error_of(response, 502, "provider_error")
    assert error["type"] == "upstream_error"
    assert response.headers["x-outcry-provider"] == "alpha"
    assert response.headers["x-outcry-model"] == "alpha-1"
    assert response.headers["x-outcry-attempts"] == "2"
    assert response.headers["x-outcry-fallback"] == "true"
    assert response.headers["x-outcry-overhead-ms"] == "12.50"
    assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        (NotAdmitted(Code.RATE_LIMIT, "limit", retry_after=2.4), 429, {"retry-after": "3", "retry-after-ms": "2400"}),
        (NotAdmitted(Code.NO_TARGET, "none"), 503, {"retry-after": "1", "retry-after-ms": "1000"}),
        (StorageUnavailable("away", retry_after=0), 503, {"retry-after": "0", "retry-after-ms": "0"}),
        (DeadlineExceeded(), 504, {"x-should-retry": "false"}),
        (provider_error(FailureKind.BAD_REQUEST, upstream_status=422), 422, {}),
        (
            AllAttemptsFailed(
                Code.PROVIDER_RATE_LIMITED, "all", last=provider_error(FailureKind.RATE_LIMITED), retry_after=7
            ),
            429,
            {"retry-after": "7"},
        ),
    ],
)
async def test_status_and_headers_follow_the_error(
    client: httpx.AsyncClient, gateway: FakeGateway, error: OutcryError, status: int, headers: dict[str, str]
) -> None:
    gateway.before = error

    response = await client.post("/chat", json=native_body())

    error_of(response, status, error.code.value)
    assert headers.items() <= dict(response.headers).items()


async def test_wrong_fields_are_422_on_our_surface_and_400_on_openais(
    client: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    gateway.before = RequestRejected(
        Code.INVALID_FIELD, "agent_id: no such", violations=[Violation("agent_id", "no such")]
    )

    native = error_of(await client.post("/chat", json=native_body()), 422, "caller_invalid_field")
    openai = error_of(await client.post(V1, json=openai_body()), 400, "caller_invalid_request")

    assert native["errors"] == [{"field": "agent_id", "message": "no such"}]
    assert openai["param"] == "agent_id"


async def test_an_error_message_that_is_no_text_is_still_answered(
    client: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    gateway.before = RequestRejected(Code.INVALID_REQUEST, "lone \ud800 surrogate")

    error_of(await client.post("/chat", json=native_body()), 400, "caller_invalid_request")


async def test_metrics_hear_templates_and_codes_never_what_a_caller_sent(
    client: httpx.AsyncClient, gateway: FakeGateway, metrics: FakeMetrics
) -> None:
    await client.get("/agents/77")
    await client.get("/made/up/by/a/caller")
    await client.post("/chat", json=native_body())
    await client.get("/health/live", headers={"host": "evil.test"})

    assert metrics.requests == [
        ("/agents/{agent_id}", 404, "caller_unknown_agent"),
        ("unknown", 404, "caller_not_found"),
        ("/chat", 200, None),
        ("/health/live", 403, "caller_foreign_origin"),
    ]


async def test_readiness_gives_its_reasons_and_life_needs_none() -> None:
    reasons: list[str] = []
    async with client_of(fake_services(unready=lambda: reasons)) as client:
        ready = await client.get("/health/ready")
        reasons.append("the service is stopping")
        stopping = await client.get("/health/ready")
        live = await client.get("/health/live")

    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "reasons": []})
    assert (stopping.status_code, stopping.json()) == (
        503,
        {"status": "not_ready", "reasons": ["the service is stopping"]},
    )
    assert live.status_code == 200


async def test_a_wrong_provider_file_at_reload_is_an_error_that_says_so(services: Services) -> None:
    reload: Any = services.reload
    async with client_of(services) as client:
        assert (await client.post("/admin/reload")).json()["providers"] == ["alpha"]
        reload.error = RequestRejected(Code.INVALID_REQUEST, "outcry.yaml line 3: unknown key `modle`")
        error = error_of(await client.post("/admin/reload"), 400, "caller_invalid_request")

    assert "line 3" in error["message"]


async def test_the_open_door_is_closed_to_web_pages_on_every_route(client: httpx.AsyncClient) -> None:
    for method, path in [("GET", "/health/live"), ("POST", "/chat"), ("GET", "/openapi.json"), ("GET", "/nope")]:
        response = await client.request(method, path, headers={"origin": "https://evil.test"})
        error_of(response, 403, "caller_foreign_origin")
