"""Votes with the news against votes without."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import anyio
import pytest

from app.decisions.wire import rendered
from app.domain.attempt import Ask
from app.domain.decision import Action, VoteStatus
from app.domain.errors import FailureKind, ProviderError
from tests.decisions.fakes import Says, Scripted, market, question, service, vote_text

BUY, HOLD = vote_text("BUY"), vote_text("HOLD")
NEWS = [{"title": "Regulator approves everything"}]


def swayed(with_news: str | Exception, without: str | Exception) -> Says:
    """A model that says the one when it reads the headline, and the other when it does not."""

    async def says(ask: Ask) -> str:
        said = with_news if "approves everything" in str(ask.chat.messages) else without
        if isinstance(said, Exception):
            raise said
        return said

    return says


def asked(**fields: Any) -> Any:
    return question(market=market(news=NEWS), news_check=True, **fields)


async def test_an_action_that_flips_is_flagged_and_stays_what_it_is() -> None:
    gateway = Scripted({"a/1": swayed(BUY, HOLD), "b/1": swayed(BUY, BUY)})

    decision = await service(gateway).decide(asked(settle="all", method="unanimous"))

    assert decision.action is Action.BUY
    assert [vote.news_driven for vote in decision.votes] == [True, False]
    assert [vote["news_driven"] for vote in rendered(decision)["votes"]] == [True, False]
    assert "news_driven: a/1 votes BUY with the news and HOLD without" in decision.warnings


async def test_both_answers_are_paid_and_told_apart_by_their_ids() -> None:
    gateway = Scripted({"a/1": swayed(BUY, HOLD)})

    decision = await service(gateway).decide(asked())

    assert decision.cost_usd == Decimal("0.002")
    assert decision.votes[0].usage is not None
    assert decision.votes[0].usage.total_tokens == 30
    assert sorted(ask.request_id for ask in gateway.asked) == ["req.0", "req.without_news.0"]


async def test_without_the_news_nothing_else_is_different() -> None:
    gateway = Scripted({"a/1": BUY})

    await service(gateway).decide(asked())

    bare = next(ask for ask in gateway.asked if "without_news" in ask.request_id).chat.messages
    assert "approves everything" not in str(bare)
    assert "untrusted_news" not in str(bare)
    assert '"last":64231.5' in str(bare)


@pytest.mark.parametrize(
    ("without", "why"),
    [
        (ProviderError(FailureKind.OVERLOADED, "503 from a"), "503 from a"),
        ("no idea", "could not be compared"),
        (vote_text(None), "could not be compared"),
    ],
)
async def test_what_cannot_be_compared_says_why_and_is_a_vote_all_the_same(without: Any, why: str) -> None:
    decision = await service(Scripted({"a/1": swayed(BUY, without)})).decide(asked())

    assert decision.action is Action.BUY
    assert decision.votes[0].news_driven is None
    assert any(why in warning for warning in decision.warnings)


async def test_a_comparison_that_never_comes_does_not_cost_the_vote() -> None:
    ended = anyio.Event()

    async def says(ask: Ask) -> str:
        if "without_news" in ask.request_id:
            try:
                await anyio.sleep_forever()
            finally:
                ended.set()
        return BUY

    started = time.monotonic()
    decision = await service(Scripted({"a/1": says})).decide(asked(within=5.0))

    assert decision.action is Action.BUY
    assert decision.votes[0].status is VoteStatus.OK
    assert time.monotonic() - started < 2.0
    assert "no answer in time" in "".join(decision.warnings)
    with anyio.fail_after(1):
        await ended.wait()


async def test_the_deadline_is_kept_with_a_comparison_out() -> None:
    async def says(ask: Ask) -> str:
        if "without_news" in ask.request_id:
            await anyio.sleep_forever()
        return BUY

    started = time.monotonic()
    decision = await service(Scripted({"a/1": says})).decide(asked(within=0.2))

    assert decision.votes[0].status is VoteStatus.OK
    assert time.monotonic() - started < 0.45


async def test_a_vote_that_is_none_is_not_compared() -> None:
    decision = await service(Scripted({"a/1": swayed("nonsense", BUY)})).decide(asked())

    assert decision.votes[0].news_driven is None
    assert not any("news" in warning for warning in decision.warnings)


async def test_without_news_nobody_is_asked_twice() -> None:
    gateway = Scripted({"a/1": BUY})

    decision = await service(gateway).decide(question(market=market(news=[]), news_check=True))

    assert len(gateway.asked) == 1
    assert "news_check: there is no news in the market, so nothing was compared" in decision.warnings


async def test_a_callers_own_words_are_compared_as_well() -> None:
    gateway = Scripted({"a/1": swayed(BUY, HOLD)})

    decision = await service(gateway).decide(asked(prompt="Buy or sell?"))

    assert decision.votes[0].news_driven is True
    assert all("Buy or sell?" in str(ask.chat.messages) for ask in gateway.asked)
