"""A member asked twice, with the news and without: an action that flips was the news' doing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Final

from app.decisions.arrivals import Arrivals, turn_of
from app.decisions.member import Heard, Member
from app.decisions.prompts import Prompt
from app.decisions.samples import cost_of_all
from app.decisions.seat import Seat
from app.domain.decision import Vote
from app.domain.usage import Usage

LEAST_PATIENCE: Final = 0.25
MARGIN: Final = 0.02
"""Seconds before the panel decides at which a vote is handed in, compared or not."""

Start = Callable[[Coroutine[Any, Any, Heard]], asyncio.Task[Heard]]


@dataclass(frozen=True, slots=True)
class NewsChecked:
    """Asks both at once. The vote is the one with the news, whatever the other says: that only flags it.

    A vote waits for its comparison as long again as it took itself (a quarter of a second at least), never beyond
    `until` (monotonic seconds). `start` begins what nobody has to wait for. Whether it came is noted in `order`; where
    that is scripted, it is waited for or not asked for at all, as it was then.
    """

    member: Member
    without_news: Prompt
    start: Start
    until: float
    order: Arrivals = field(default_factory=Arrivals)

    @property
    def seat(self) -> Seat:
        """The member's place."""
        return self.member.seat

    @property
    def sample(self) -> int | None:
        """Which of the member's samples this is."""
        return self.member.sample

    async def vote(self) -> Heard:
        """The member's vote, with `news_driven` where both could be compared."""
        name = f"{turn_of(self.seat.number, self.sample)}.without_news"
        if not self.order.comes(name):
            return _compared(await self.member.vote(), None)
        started = self.member.now()
        comparing = self.start(self._unswayed().vote())
        try:
            heard = await self.member.vote()
            if self.order.is_scripted:
                await asyncio.wait({comparing})
            elif heard.vote.is_valid:
                now = self.member.now()
                patience = min(max(now - started, LEAST_PATIENCE), self.until - MARGIN - now)
                await asyncio.wait({comparing}, timeout=max(patience, 0))
            is_there = comparing.done() and not comparing.cancelled()
            if is_there:
                self.order.came(name)
            return _compared(heard, comparing.result() if is_there else None)
        finally:
            comparing.cancel()

    def _unswayed(self) -> Member:
        question = self.member.question
        # It is never asked to repair: this answer is only looked at for its action.
        alone = replace(question, request_id=f"{question.request_id}.without_news", on_invalid="abstain")
        return replace(self.member, question=alone, prompt=self.without_news)


def _compared(heard: Heard, other: Heard | None) -> Heard:
    vote, name = heard.vote, heard.seat.name
    if other is not None:
        vote = _paid(vote, other.vote)
    if not vote.is_valid or vote.opinion is None:
        return replace(heard, vote=vote)
    unswayed = None if other is None or not other.vote.is_valid else other.vote.opinion
    if unswayed is None:
        why = "no answer in time" if other is None else (other.vote.reason or other.vote.status.value)
        return _warned(heard, vote, f"news_check: {name} could not be compared without the news: {why}")
    if unswayed.action is vote.opinion.action:
        return replace(heard, vote=replace(vote, news_driven=False))
    flipped = f"news_driven: {name} votes {vote.opinion.action} with the news and {unswayed.action} without"
    return _warned(heard, replace(vote, news_driven=True), flipped)


def _warned(heard: Heard, vote: Vote, warning: str) -> Heard:
    return replace(heard, vote=vote, warnings=(*heard.warnings, warning))


def _paid(vote: Vote, other: Vote) -> Vote:
    """The vote at the price of both answers; one that nobody gave costs nothing, an unknown price stays unknown."""
    if other.usage is None and other.cost_usd is None:
        return vote
    if vote.usage is None and vote.cost_usd is None:
        return replace(vote, cost_usd=other.cost_usd, usage=other.usage)
    return replace(vote, cost_usd=cost_of_all((vote, other)), usage=_both(vote.usage, other.usage))


def _both(one: Usage | None, other: Usage | None) -> Usage | None:
    if one is None or other is None:
        return one or other
    return replace(
        one,
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        cached_tokens=one.cached_tokens + other.cached_tokens,
        cache_write_tokens=one.cache_write_tokens + other.cache_write_tokens,
        reasoning_tokens=one.reasoning_tokens + other.reasoning_tokens,
        reported_cost=None,
    )
