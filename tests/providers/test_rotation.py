"""Whose turn it is in a rotation over free tiers, by what is known of each provider now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.domain.errors import Code
from app.domain.provider import RateLimit
from app.domain.target import Target
from app.resilience.limits import Permit
from tests.providers.test_monitor import ALPHA, BETA, KEY, Watched

GROQ = replace(ALPHA, rate_limit=RateLimit(requests_per_minute=2, requests_per_day=3, tokens_per_day=100_000))


def asked(watched: Watched, name: str) -> None:
    """One request that took a place in the limits."""
    watched.state(name).limits.reserve(watched.clock.now(), watched.clock.wall())
    watched.attempt(name)


def turns(watched: Watched) -> tuple[str | None, dict[str, str]]:
    body = watched.monitor.rotation()
    return body["current_provider"], {name: row["status"] for name, row in body["providers"].items()}


def test_the_first_in_the_order_of_priority_has_the_turn_and_its_figures() -> None:
    watched = Watched(BETA, GROQ)
    permit = watched.state("alpha").limits.reserve(watched.clock.now(), watched.clock.wall())
    assert isinstance(permit, Permit)
    permit.settle(120, watched.clock.now())
    watched.attempt("alpha")

    body: dict[str, Any] = watched.monitor.rotation()

    assert body["current_provider"] == "alpha"
    assert body["providers"]["alpha"] == {
        "status": "available",
        "priority": 1,
        "requests_today": 1,
        "requests_this_minute": 1,
        "rate_limit_per_minute": 2,
        "rate_limit_per_day": 3,
        "tokens_today": 120,
        "token_limit_per_minute": None,
        "token_limit_per_day": 100_000,
        "is_current": True,
    }
    assert body["providers"]["beta"]["is_current"] is False
    assert body["providers"]["beta"]["rate_limit_per_day"] is None


def test_the_turn_moves_on_at_the_minutes_limit_and_comes_back() -> None:
    watched = Watched(GROQ, BETA)
    asked(watched, "alpha")
    asked(watched, "alpha")
    assert turns(watched) == ("beta", {"alpha": "rate_limited", "beta": "available"})

    watched.clock.advance(60)
    assert turns(watched)[0] == "alpha"

    asked(watched, "alpha")
    assert turns(watched)[0] == "beta"  # the day's third

    watched.clock.advance(12 * 3600)
    assert turns(watched)[0] == "alpha"  # the next UTC day


def test_a_parked_key_and_a_pause_that_was_asked_for_are_cooling_down() -> None:
    watched = Watched(GROQ, BETA)
    now = watched.clock.now()
    watched.state("alpha").park(KEY.id, now + 300)
    watched.pool.state(Target("beta", "beta-1"), KEY.id).cool(now + 10)

    assert turns(watched) == (None, {"alpha": "cooling_down", "beta": "cooling_down"})

    watched.clock.advance(10)
    assert turns(watched)[0] == "beta"


def test_an_agents_own_key_that_pauses_takes_no_turn_away() -> None:
    watched = Watched(GROQ, BETA)

    watched.pool.state(Target("alpha", "alpha-1"), "an-agents").cool(watched.clock.now() + 10)

    assert turns(watched)[0] == "alpha"


def test_an_ejected_provider_is_unavailable_and_recovers_by_itself() -> None:
    watched = Watched(GROQ, BETA)
    watched.attempt("alpha", Code.PROVIDER_UNREACHABLE)
    watched.eject("alpha")
    assert turns(watched) == ("beta", {"alpha": "unavailable", "beta": "available"})

    breaker = watched.pool.state(Target("alpha", "alpha-1"), KEY.id).breaker
    breaker.probed(watched.clock.advance(60))
    for _ in range(2):
        assert breaker.try_acquire(watched.clock.now())
        breaker.succeeded(watched.clock.now())
    assert turns(watched)[0] == "alpha"
