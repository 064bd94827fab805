"""Decisions: the stored answer is the answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.decision import Action, Consensus, Decision, DecisionStatus, SettledReason
from app.domain.errors import Conflict
from app.storage.database import Database
from app.storage.decisions import SqlDecisionRepository

START = datetime(2026, 11, 20, 14, 15, tzinfo=UTC)


def _decision(number: int, symbol: str = "BTC/USDT", agent_id: int | None = None) -> Decision:
    consensus = Consensus("majority", 1.0, 1.0, 1, SettledReason.ALL_VOTED, 0.3)
    return Decision(
        f"dec-{number}",
        symbol,
        DecisionStatus.DECIDED,
        Action.BUY,
        True,
        consensus,
        (),
        START + timedelta(seconds=number),
        agent_id=agent_id,
    )


def _answer(decision: Decision) -> dict[str, Any]:
    return {"id": decision.id, "confidence": 0.1 + 0.2, "entry": None, "zeta": 1, "alpha": ["\u4e70\u5165", "\x00"]}


@pytest.fixture
def decisions(database: Database) -> SqlDecisionRepository:
    return SqlDecisionRepository(database)


async def test_a_stored_answer_comes_back_with_the_same_keys_in_the_same_order(
    decisions: SqlDecisionRepository,
) -> None:
    decision = _decision(1)

    await decisions.append(decision, _answer(decision), {"symbol": "BTC/USDT"})

    found = await decisions.get("dec-1")
    assert found == _answer(decision)
    assert list(found or {}) == list(_answer(decision))


async def test_an_unknown_decision_is_none(decisions: SqlDecisionRepository) -> None:
    assert await decisions.get("dec-404") is None
    assert await decisions.get("\x00") is None


async def test_a_decision_is_stored_once(decisions: SqlDecisionRepository) -> None:
    await decisions.append(_decision(1), {"first": True}, {})

    with pytest.raises(Conflict):
        await decisions.append(_decision(1), {"first": False}, {})

    assert await decisions.get("dec-1") == {"first": True}


async def test_pages_are_newest_first_and_filtered(decisions: SqlDecisionRepository) -> None:
    for number in range(5):
        decision = _decision(number, "BTC/USDT" if number % 2 else "ETH/USDT", agent_id=number)
        await decisions.append(decision, _answer(decision), {})

    first, cursor = await decisions.page(limit=2, cursor=None, symbol="ETH/USDT", agent_id=None)
    second, end = await decisions.page(limit=2, cursor=cursor, symbol="ETH/USDT", agent_id=None)
    of_agent, _ = await decisions.page(limit=2, cursor=None, symbol=None, agent_id=3)

    assert [item["id"] for item in first + second] == ["dec-4", "dec-2", "dec-0"]
    assert end is None
    assert [item["id"] for item in of_agent] == ["dec-3"]
    assert (await decisions.page(limit=2, cursor=None, symbol=None, agent_id=10**30))[0] == []
