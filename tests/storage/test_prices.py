"""Prices on record: whoever waits for one is graded by it once, also when it is corrected or comes out of order."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.horizons import Horizons
from app.domain.outcome import DuePrice, GradedOutcome, Horizon, HorizonState, Outcome, PriceBar, StoredBars
from app.outcomes.grading import measured
from app.outcomes.pricing import outcome_at
from app.storage.database import Database
from app.storage.decisions import SqlDecisionRepository
from app.storage.outcomes import SqlOutcomeRepository
from app.storage.prices import SqlPriceRepository
from tests.storage.decided import NOON, answered, asked, filing, vote

DUE = NOON + timedelta(hours=4)


def bar(minutes: float, close: float = 110.0, symbol: str = "BTCUSDT", venue: str | None = None) -> PriceBar:
    return PriceBar(symbol, DUE + timedelta(minutes=minutes), close, venue=venue)


@pytest.fixture
def decisions(database: Database) -> SqlDecisionRepository:
    return SqlDecisionRepository(database)


@pytest.fixture
def prices(database: Database) -> SqlPriceRepository:
    return SqlPriceRepository(database, lambda: datetime(2026, 11, 21, tzinfo=UTC))


@pytest.fixture
def outcomes(database: Database) -> SqlOutcomeRepository:
    return SqlOutcomeRepository(database, lambda: datetime(2026, 11, 21, tzinfo=UTC))


async def wait(decisions: SqlDecisionRepository, number: int = 1, symbol: str = "BTC/USDT", **market: Any) -> None:
    decision = filing(number, symbol)
    await decisions.append(decision, answered(decision, vote("BUY"), vote("SELL")), asked(**market))


async def settled(prices: SqlPriceRepository, limit: int = 100) -> tuple[int, int]:
    return await prices.settle(outcome_at, measured, limit=limit)


async def known(outcomes: SqlOutcomeRepository, number: int = 1) -> tuple[list[GradedOutcome], Horizon]:
    found = await outcomes.of(f"dec-{number}", None)
    assert found is not None
    return list(found[0]), found[1]


async def test_a_decision_is_graded_by_the_first_bar_from_its_horizon_on(
    decisions: SqlDecisionRepository, prices: SqlPriceRepository, outcomes: SqlOutcomeRepository
) -> None:
    await wait(decisions)
    await prices.put([bar(-1, 50.0), bar(30, 80.0), bar(0, 110.0)])
    assert await prices.is_due()

    assert await settled(prices) == (1, 1)

    (graded,), horizon = await known(outcomes)
    assert (graded.outcome.source, graded.outcome.kind.value, graded.outcome.observed_at) == (
        "prices",
        "forward_return",
        DUE,
    )
    assert (graded.outcome.entry_price, graded.outcome.exit_price, graded.outcome.horizon) == (100.0, 110.0, 14_400.0)
    assert [grade.correct for grade in graded.grades] == [True, False]
    assert horizon.state is HorizonState.GRADED
    assert not await prices.is_due()
    assert await settled(prices) == (0, 0)


@pytest.mark.parametrize("moment", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)])
async def test_bars_of_the_first_and_the_last_day_are_stored(prices: SqlPriceRepository, moment: datetime) -> None:
    assert await prices.put([replace(bar(0), at=moment)]) == StoredBars(1, 0, 0)


@pytest.mark.parametrize("minutes", [-0.001, 120.001])
async def test_a_bar_before_the_horizon_or_absurdly_late_grades_nobody(
    decisions: SqlDecisionRepository, prices: SqlPriceRepository, minutes: float
) -> None:
    await wait(decisions)
    await prices.put([bar(minutes)])

    assert not await prices.is_due()
    assert await settled(prices) == (0, 0)


@pytest.mark.parametrize(
    ("symbol", "venue", "posted", "posted_venue", "is_same"),
    [
        ("BTC/USDT", None, "BTC-USD", "binance", True),
        ("BTC/USDT", "Binance", "btcusdt", "binance", True),
        ("BTC/USDT", "binance", "BTC", None, True),
        ("BTC/USDT", "binance", "BTCUSDT", "kraken", False),
        ("BTC/EUR", None, "BTCUSDT", None, False),
        ("AAPL", None, "AAPL", None, True),
        ("ETH/USDT", None, "BTC/USDT", None, False),
    ],
)
async def test_bars_are_matched_by_spelling_and_venue(
    decisions: SqlDecisionRepository,
    prices: SqlPriceRepository,
    symbol: str,
    venue: str | None,
    posted: str,
    posted_venue: str | None,
    is_same: bool,
) -> None:
    await wait(decisions, symbol=symbol, venue=venue)
    await prices.put([bar(0, symbol=posted, venue=posted_venue)])

    assert (await settled(prices) == (1, 1)) is is_same


async def test_of_two_venues_the_decisions_own_is_taken(
    decisions: SqlDecisionRepository, prices: SqlPriceRepository, outcomes: SqlOutcomeRepository
) -> None:
    await wait(decisions, venue="kraken")
    await prices.put([bar(0, 90.0), bar(0, 120.0, venue="kraken"), bar(0, 80.0, venue="binance")])

    await settled(prices)

    assert (await known(outcomes))[0][0].outcome.exit_price == 120.0


async def test_bars_are_stored_once_and_a_correction_is_the_next_version(
    decisions: SqlDecisionRepository, prices: SqlPriceRepository, outcomes: SqlOutcomeRepository
) -> None:
    await wait(decisions)
    assert await prices.put([bar(0), bar(5)]) == StoredBars(2, 0, 0)
    await settled(prices)

    assert await prices.put([bar(0), bar(5, 120.0, symbol="BTC/USDT")]) == StoredBars(0, 1, 1)
    assert await settled(prices) == (0, 0)  # the bar that graded is as it was
    assert await prices.put([bar(0, 90.0)]) == StoredBars(0, 1, 0)
    assert await settled(prices) == (1, 1)

    (graded,), _ = await known(outcomes)
    assert (graded.outcome.version, graded.outcome.exit_price) == (2, 90.0)
    assert [grade.correct for grade in graded.grades] == [False, True]


async def test_an_earlier_bar_that_comes_later_is_the_one_that_counts(
    decisions: SqlDecisionRepository, prices: SqlPriceRepository, outcomes: SqlOutcomeRepository
) -> None:
    await wait(decisions)
    for minutes, close in ((60.0, 80.0), (90.0, 70.0), (1.0, 120.0)):
        await prices.put([bar(minutes, close)])
        await settled(prices)

    (graded,), _ = await known(outcomes)
    assert (graded.outcome.version, graded.outcome.exit_price) == (2, 120.0)


async def test_everybody_is_graded_once_however_many_grade_at_once(
    decisions: SqlDecisionRepository, prices: SqlPriceRepository, outcomes: SqlOutcomeRepository
) -> None:
    for number in range(1, 13):
        await wait(decisions, number)
    await prices.put([bar(0)])

    async def all_of_them() -> int:
        made = 0
        while await prices.is_due():
            made += (await settled(prices, limit=5))[1]
        return made

    assert sum(await asyncio.gather(*(all_of_them() for _ in range(3)))) == 12
    assert {(await known(outcomes, number))[0][0].outcome.version for number in range(1, 13)} == {1}


async def test_one_who_dies_in_the_middle_has_graded_nobody(
    decisions: SqlDecisionRepository, prices: SqlPriceRepository, outcomes: SqlOutcomeRepository
) -> None:
    await wait(decisions, 1)
    await wait(decisions, 2)
    await prices.put([bar(0)])
    seen: list[DuePrice] = []

    def dying(due: DuePrice) -> Outcome:
        seen.append(due)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return outcome_at(due)

    with pytest.raises(KeyboardInterrupt):
        await prices.settle(dying, measured, limit=10)

    assert (await known(outcomes, 1))[0] == []
    assert await settled(prices) == (2, 2)


async def test_a_horizon_is_the_callers_word_or_the_timeframes(
    database: Database, prices: SqlPriceRepository, outcomes: SqlOutcomeRepository
) -> None:
    decisions = SqlDecisionRepository(database, horizons=Horizons(swing=600.0))
    await wait(decisions, 1, metadata={"horizon_s": 60})
    await wait(decisions, 2, timeframe="swing")
    await wait(decisions, 3, timeframe="scalping")

    lengths = [(await known(outcomes, number))[1].length for number in (1, 2, 3)]

    assert lengths == [60.0, 600.0, 900.0]


async def test_nobody_waits_without_a_price_to_start_from_or_when_replayed(
    decisions: SqlDecisionRepository, prices: SqlPriceRepository, outcomes: SqlOutcomeRepository
) -> None:
    decision = filing(1)
    await decisions.append(decision, answered(decision, vote("BUY")), asked(None))
    await decisions.append(filing(2), answered(filing(2), vote("BUY"), replayed=True), asked())
    await prices.put([bar(0)])

    assert await settled(prices) == (0, 0)
    assert [(await known(outcomes, n))[1].reason for n in (1, 2)] == ["no_entry_price", "replayed"]


async def test_who_gets_no_price_in_time_waits_no_more(
    decisions: SqlDecisionRepository, prices: SqlPriceRepository, outcomes: SqlOutcomeRepository
) -> None:
    await wait(decisions, 1)
    await wait(decisions, 2, symbol="ETH/USDT")
    await prices.put([bar(0, symbol="ETH")])
    horizon = (await known(outcomes))[1]
    assert horizon.expires_at is not None
    over = horizon.expires_at + timedelta(seconds=1)

    assert await prices.expire(horizon.expires_at) == 0
    assert await prices.expire(over) == 1

    horizon = (await known(outcomes))[1]
    assert (horizon.state, horizon.reason) == (HorizonState.EXPIRED, "no_price_in_time")
    assert await settled(prices) == (1, 1)


async def test_prices_that_no_return_can_be_made_of_hold_up_nobody(
    decisions: SqlDecisionRepository, prices: SqlPriceRepository, outcomes: SqlOutcomeRepository
) -> None:
    await wait(decisions, 1, price=1e-300)
    await wait(decisions, 2)
    await prices.put([replace(bar(0), close=1e300)])

    assert await settled(prices) == (2, 1)
    assert (await known(outcomes))[1].reason == "unmeasurable"
