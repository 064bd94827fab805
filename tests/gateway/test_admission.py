"""Limits of callers: whose they are, what counts, what is told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.errors import Code, NotAdmitted
from app.domain.provider import CallerLimit, RateLimit
from app.domain.routing import Priority
from app.gateway.admission import Admission, Admitted

START = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
FAR = 1e9


class House:
    """An admission whose clock and limits the test turns; time passes by hand, waiting is real and short."""

    def __init__(self, **limits: CallerLimit) -> None:
        self.limits = {name.replace("_", ":", 1): limit for name, limit in limits.items()}
        self.now = 100.0
        self.rejected: list[str] = []
        self.admission = Admission(
            lambda: self.limits,
            now=lambda: self.now,
            wall=lambda: START + timedelta(seconds=self.now - 100.0),
            rejected=self.rejected.append,
        )

    async def admit(self, key: str = "aaaaaaaa", agent: int | None = None, *, tokens: int = 10) -> Admitted:
        # A deadline that has come leaves no time to wait in line.
        return await self.admission.admit(key, agent, tokens=tokens, priority=Priority.NORMAL, deadline=self.now)


def per_minute(requests: int) -> CallerLimit:
    return CallerLimit(RateLimit(requests_per_minute=requests))


async def test_nobody_is_limited_where_nothing_is_said() -> None:
    assert House().admission.is_open
    assert not House(default=per_minute(1)).admission.is_open


async def test_each_key_has_the_default_for_itself_and_exactly_that() -> None:
    house = House(default=per_minute(2))
    for key in ("aaaaaaaa", "bbbbbbbb"):
        for _ in range(2):
            (await house.admit(key)).settle(1)
        with pytest.raises(NotAdmitted, match=f"limit requests_per_minute of key:{key} is reached") as refused:
            await house.admit(key)
        assert refused.value.code is Code.RATE_LIMIT
        assert refused.value.retry_after == pytest.approx(60.0)
    assert house.rejected == ["requests_per_minute", "requests_per_minute"]
    house.now += 60.0
    await house.admit()


async def test_a_key_named_has_its_own_limit_instead_of_the_default() -> None:
    house = House(default=per_minute(1), key_bbbbbbbb=per_minute(3))
    for _ in range(3):
        (await house.admit("bbbbbbbb")).settle(1)
    with pytest.raises(NotAdmitted):
        await house.admit("bbbbbbbb")


async def test_an_agents_refusal_takes_nothing_from_the_key() -> None:
    house = House(key_aaaaaaaa=per_minute(2), agent_7=per_minute(1))
    (await house.admit(agent=7)).settle(1)
    with pytest.raises(NotAdmitted, match="of agent:7"):
        await house.admit(agent=7)
    (await house.admit(agent=8)).settle(1)
    with pytest.raises(NotAdmitted, match="of key:aaaaaaaa"):
        await house.admit(agent=8)


async def test_the_default_is_of_keys_not_of_agents() -> None:
    house = House(default=per_minute(5))
    for _ in range(5):
        (await house.admit(agent=7)).settle(1)
    with pytest.raises(NotAdmitted, match="of key:"):
        await house.admit(agent=7)


async def test_tokens_are_settled_with_what_it_really_took() -> None:
    house = House(default=CallerLimit(RateLimit(tokens_per_minute=100)))
    (await house.admit(tokens=90)).settle(20)
    (await house.admit(tokens=80)).settle(80)
    with pytest.raises(NotAdmitted, match="tokens_per_minute"):
        await house.admit(tokens=1)


async def test_what_was_never_sent_counts_for_nothing() -> None:
    house = House(default=CallerLimit(RateLimit(requests_per_minute=1, tokens_per_minute=100)))
    for _ in range(5):
        (await house.admit(tokens=100)).refund()
    await house.admit(tokens=100)


async def test_one_that_can_never_be_let_in_is_told_so_without_a_time() -> None:
    house = House(default=CallerLimit(RateLimit(tokens_per_minute=100)))
    with pytest.raises(NotAdmitted, match="larger than limit tokens_per_minute of key:aaaaaaaa") as refused:
        await house.admit(tokens=101)
    assert refused.value.retry_after is None


async def test_other_limits_are_in_force_at_once_and_forget_nothing() -> None:
    house = House(default=per_minute(1))
    (await house.admit()).settle(1)
    house.limits = {"default": per_minute(2)}
    (await house.admit()).settle(1)
    with pytest.raises(NotAdmitted):
        await house.admit()


async def test_room_made_in_time_lets_in_who_waits() -> None:
    house = House(default=CallerLimit(max_concurrent=1))
    first = await house.admit()
    waiting = asyncio.create_task(
        house.admission.admit("aaaaaaaa", None, tokens=1, priority=Priority.NORMAL, deadline=FAR)
    )
    await asyncio.sleep(0)
    assert not waiting.done()
    first.settle(1)
    (await waiting).settle(1)
