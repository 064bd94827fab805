"""A provider that asks to be left alone, in every form there is, is left alone for as long as it said."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final

import pytest

from tests.behaviours import Status
from tests.faults.house import DIALECTS, HEALTHY, Dialect, House

UNSAID: Final = 5.0
"""Seconds that a rate-limited target is left alone where its provider says nothing sensible."""

Headers = Callable[[], Mapping[str, str]]


def said(**headers: str) -> Headers:
    return lambda: {name.replace("_", "-"): value for name, value in headers.items()}


def in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)


FORMS: Final[Mapping[str, tuple[Headers, float]]] = {
    "seconds": (said(retry_after="20"), 20),
    "fractions": (said(retry_after="7.5"), 7.5),
    "HTTP date": (lambda: {"retry-after": format_datetime(in_seconds(30), usegmt=True)}, 30),
    "milliseconds": (said(retry_after_ms="2500", retry_after="3"), 2.5),
    "duration": (said(retry_after="6m0s"), 360),
    "reset of a spent limit": (said(x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="6m0s"), 360),
    "RFC 3339": (
        lambda: {
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": in_seconds(40).isoformat().replace("+00:00", "Z"),
        },
        40,
    ),
    "nothing": (said(), UNSAID),
    "garbage": (said(retry_after="soon"), UNSAID),
    "negative": (said(retry_after="-3"), UNSAID),
    "a date gone by": (said(retry_after="Wed, 21 Oct 2015 07:28:00 GMT"), UNSAID),
    "absurd": (said(retry_after="9" * 30), UNSAID),
    "not a number": (said(retry_after="nan"), UNSAID),
}
RETRY_INFO: Final = {
    "error": {
        "code": 429,
        "status": "RESOURCE_EXHAUSTED",
        "message": "You exceeded your current quota.",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "36.9s"}],
    }
}
EMPTY: Final = {
    "402": Status(402),
    "insufficient_quota": Status(
        429, body=json.dumps({"error": {"message": "you exceeded your quota", "code": "insufficient_quota"}})
    ),
    "credit balance": Status(400, message="Your credit balance is too low to access the API."),
}
REVOKED: Final = {"401": Status(401), "403": Status(403), "disabled": Status(400, message="API key not valid.")}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("form", FORMS)
def test_the_caller_hears_how_long_to_wait(shared_house: House, dialect: Dialect, form: str) -> None:
    headers, seconds = FORMS[form]
    shared_house.script(dialect, Status(429, headers=headers()))

    reply = shared_house.ask(dialect, alone=True)

    assert (reply.status, reply.code) == (429, "provider_rate_limited")
    assert float(reply.headers["retry-after-ms"]) / 1000 == pytest.approx(seconds, abs=1.1)
    shared_house.assert_recovers(dialect)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_another_answers_at_once_and_the_first_is_left_alone(shared_house: House, form: str, stream: bool) -> None:
    upstream = shared_house.script("openai", Status(429, headers=FORMS[form][0]()))

    replies = [shared_house.ask("openai", alone=False, stream=stream) for _ in range(2)]

    assert [reply.status for reply in replies] == [200, 200]
    assert max(reply.seconds for reply in replies) < 1
    assert (upstream.calls, shared_house.beta.calls) == (1, 2)
    shared_house.assert_recovers("openai")


def test_googles_retry_info_is_read(shared_house: House) -> None:
    shared_house.script("openai", Status(429, body=json.dumps(RETRY_INFO)))

    reply = shared_house.ask("openai", alone=True)

    assert (reply.status, reply.code) == (429, "provider_rate_limited")
    assert float(reply.headers["retry-after-ms"]) == pytest.approx(36_900, abs=100)
    shared_house.assert_recovers("openai")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        *((fault, "provider_quota_exhausted") for fault in EMPTY.values()),
        *((fault, "provider_auth_failed") for fault in REVOKED.values()),
    ],
    ids=[*EMPTY, *REVOKED],
)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_key_that_is_refused_or_empty_is_parked(
    shared_house: House, dialect: Dialect, fault: Status, code: str, stream: bool
) -> None:
    upstream = shared_house.script(dialect, fault)
    before = shared_house.aftermath.samples()
    name = shared_house.faulty[dialect][0]

    replies = [shared_house.ask(dialect, alone=False, stream=stream) for _ in range(2)]

    assert [reply.status for reply in replies] == [200, 200]
    assert HEALTHY in (replies[0].text or "".join(str(each.data) for each in replies[0].events)) or stream
    assert (upstream.calls, shared_house.beta.calls) == (1, 2)
    shared_house.aftermath.assert_moved(before, "outcry_attempts_total", provider=name, code=code)
    health = shared_house.client.get("/providers/health").json()["providers"][name]
    assert health["cooldown_until"] is not None
    assert health["circuit"] == "closed"
    shared_house.assert_recovers(dialect)
