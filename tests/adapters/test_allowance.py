from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.allowance import ANTHROPICS, MISTRALS, OPENAIS, OPENROUTERS, TOGETHERS, LimitHeaders, allowance_of
from app.adapters.build import build_adapter
from app.adapters.presets import PRESETS
from app.domain.chat import Allowance, Timeouts
from app.domain.provider import ProviderConfig, ProviderType
from tests.adapters.streams import a_call
from tests.golden import golden_bytes, golden_json

WALL = 1795225200.0  # 2026-11-21T01:40:00Z
FAMILIES = [OPENAIS, ANTHROPICS, MISTRALS, TOGETHERS, OPENROUTERS]


@pytest.mark.parametrize(
    ("type_", "name", "expected"),
    [
        # The day's requests are nearer to their end than the minute's tokens.
        ("groq", "error_429", Allowance(14370, 17997, 179.56)),
        ("openai", "error_429_rate_limit", Allowance(0, 159976, 360.0)),
        ("azure", "error_429", Allowance(0, 59123, 6.0)),
        ("anthropic", "error_429_rate_limit", Allowance(0, 0, 30.0)),
        ("mistral", "error_429_rate", Allowance(0, 499000, None)),
        ("together", "error_429", Allowance(0, 29000, 1.0)),
        ("openrouter", "error_429_free_limit", Allowance(0, None, 60.0)),
    ],
)
def test_the_headers_on_file_are_read(type_: str, name: str, expected: Allowance) -> None:
    headers = {k: v for k, v in golden_json(f"{type_}/{name}.json")["headers"].items() if k != "date"}
    wall = 1795219200.0 if type_ == "openrouter" else WALL  # its payload is of that moment
    assert allowance_of(PRESETS[ProviderType(type_)].limits, headers, wall=wall) == expected


def openais(reset_requests: str) -> dict[str, str]:
    return {"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": reset_requests}


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        ("12ms", 0.012),
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),
        ("6", 6.0),
        ("0.25", 0.25),
        ("2026-11-21T01:40:30Z", 30.0),
        ("Sat, 21 Nov 2026 01:40:27 GMT", 27.0),
        ("1795225260", 60.0),
        ("1795225260000", 60.0),
        ("soon", None),
        ("", None),
        ("-1", None),
        ("9" * 70, None),
    ],
)
def test_a_reset_may_be_spelled_in_any_way(spelled: str, expected: float | None) -> None:
    found = allowance_of(OPENAIS, openais(spelled), wall=WALL)
    assert found is not None
    assert found.resets_after == (None if expected is None else pytest.approx(expected))


def test_moments_are_counted_from_the_providers_own_clock() -> None:
    headers = {
        "anthropic-ratelimit-requests-remaining": "9",
        "anthropic-ratelimit-requests-reset": "2026-11-21T00:40:30Z",
        "date": "Sat, 21 Nov 2026 00:40:00 GMT",
    }
    assert allowance_of(ANTHROPICS, headers, wall=WALL) == Allowance(9, None, 30.0)


def test_the_least_of_several_limits_counts() -> None:
    headers = {
        "anthropic-ratelimit-tokens-remaining": "900",
        "anthropic-ratelimit-input-tokens-remaining": "700",
        "anthropic-ratelimit-output-tokens-remaining": "800",
    }
    assert allowance_of(ANTHROPICS, headers, wall=WALL) == Allowance(None, 700, None)
    months = {"x-ratelimit-remaining-tokens-minute": "50", "x-ratelimit-remaining-tokens-month": "20"}
    assert allowance_of(MISTRALS, months, wall=WALL) == Allowance(None, 20, None)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_headers_are_no_allowance(family: LimitHeaders) -> None:
    assert allowance_of(family, {"content-type": "application/json"}, wall=WALL) is None


@given(st.sampled_from(FAMILIES), st.text(max_size=30), st.text(max_size=30), st.text(max_size=80))
def test_nonsense_in_the_headers_hurts_nobody(family: LimitHeaders, remaining: str, limit: str, reset: str) -> None:
    headers: dict[str, str] = {}
    for window in (*family.requests, *family.tokens):
        headers |= {window.remaining: remaining, window.limit: limit, window.reset: reset}
    found = allowance_of(family, headers, wall=WALL)
    assert found is None or min(found.requests or 0, found.tokens or 0, found.resets_after or 0.0) >= 0


async def test_an_answer_and_a_streams_first_chunk_carry_what_is_left() -> None:
    limits = {"X-RateLimit-Remaining-Requests": "7", "X-RateLimit-Reset-Requests": "2s"}

    def handler(request: httpx.Request) -> httpx.Response:
        if b'"stream":true' in request.content:
            kind = {"content-type": "text/event-stream"}
            return httpx.Response(200, content=golden_bytes("openai/stream_text_usage.sse"), headers=limits | kind)
        return httpx.Response(200, content=golden_bytes("openai/chat_response.json"), headers=limits)

    target = build_adapter(ProviderConfig("p", ProviderType.GROQ, "http://p.test/v1"), httpx.MockTransport(handler))
    call = a_call()
    response = await target.complete(call)
    async with target.stream(call) as chunks:
        seen = [chunk.allowance async for chunk in chunks]

    assert call.timeouts == Timeouts()
    assert response.allowance == seen[0] == Allowance(7, None, 2.0)
    assert not any(seen[1:])


async def test_an_answer_without_such_headers_says_nothing() -> None:
    mock = httpx.MockTransport(lambda _: httpx.Response(200, content=golden_bytes("openai/chat_response.json")))
    target = build_adapter(ProviderConfig("p", ProviderType.OPENAI, "http://p.test/v1"), mock)
    assert (await target.complete(a_call())).allowance is None
