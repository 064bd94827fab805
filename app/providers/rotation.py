"""The providers as a rotation over free tiers shows them: whose turn it is, and how much of each is used up."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from app.domain.target import Circuit
from app.providers.health import Status, status_of
from app.providers.pool import Pool
from app.providers.state import ProviderState


class Turn(StrEnum):
    """Whether a provider may be asked now, and if not, why."""

    AVAILABLE = "available"
    RATE_LIMITED = "rate_limited"
    COOLING_DOWN = "cooling_down"
    UNAVAILABLE = "unavailable"


def rotation(pool: Pool, now: float) -> dict[str, Any]:
    """The body of `GET /api/llm-providers`.

    `current_provider` is the first available one in the order of priority, None when none is: what `auto` asks next
    under the strategy `priority`.
    """
    states = pool.providers()
    turns = {state.config.name: turn_of(state, pool, now) for state in states}
    current = next((name for name, turn in turns.items() if turn is Turn.AVAILABLE), None)
    return {
        "current_provider": current,
        "providers": {
            state.config.name: _row(state, turns[state.config.name], now, is_current=state.config.name == current)
            for state in states
        },
    }


def turn_of(state: ProviderState, pool: Pool, now: float) -> Turn:
    """Whether this provider may be asked now. Its own word goes before our counts, and its illness before both."""
    targets = [target for target in pool.states(state.config.name) if state.owns(target.credential_id)]
    if state.cooldown_until(now) is not None:
        return Turn.COOLING_DOWN
    if status_of(state, targets, now) is Status.DOWN:
        return Turn.UNAVAILABLE
    usable = [target for target in targets if target.breaker.circuit(now) is not Circuit.OPEN]
    if usable and all(target.cooling(now) > 0 for target in usable):
        return Turn.COOLING_DOWN
    return Turn.AVAILABLE if state.limits.has_room(now) else Turn.RATE_LIMITED


def _row(state: ProviderState, turn: Turn, now: float, *, is_current: bool) -> dict[str, Any]:
    rate = state.config.rate_limit
    return {
        "status": turn.value,
        "priority": state.config.priority,
        "requests_today": state.limits.used_today(now),
        "requests_this_minute": state.limits.used_this_minute(now),
        "rate_limit_per_minute": rate.requests_per_minute,
        "rate_limit_per_day": rate.requests_per_day,
        "tokens_today": state.tokens_today(now),
        "token_limit_per_minute": rate.tokens_per_minute,
        "token_limit_per_day": rate.tokens_per_day,
        "is_current": is_current,
    }
