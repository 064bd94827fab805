"""A panel asked as of a moment: whose vote may come from memory, and who may not sit at all."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import anyio
import pytest

from app.decisions.service import DecisionEvent, VoteEvent
from app.decisions.wire import rendered
from app.domain.attempt import Ask
from app.domain.errors import Code, RequestRejected
from app.domain.hindsight import AsOfMode
from tests.decisions.fakes import Panels, Scripted, Shelf, question, service, vote_text

THEN = datetime(2024, 10, 1, tzinfo=UTC)
OLD, NEW = date(2024, 8, 31), date(2025, 6, 30)
BUY = vote_text("BUY")
KNOWN: dict[str, list[tuple[str, date | None]]] = {
    "a/old": [("a/old", OLD)],
    "b/new": [("b/new", NEW)],
    "c/odd": [("c/odd", None)],
    "auto": [("a/old", OLD), ("b/new", NEW)],
}


def panels(*members: str) -> Panels:
    found = Panels(members)
    found.known_until = KNOWN
    return found


async def decided(*members: str, says: Any = BUY, **asked: Any) -> dict[str, Any]:
    gateway = Scripted(dict.fromkeys(members, says))
    decision = await service(gateway, panels=panels(*members)).decide(question(**asked))
    return rendered(decision)


async def refusal(*members: str, **asked: Any) -> RequestRejected:
    with pytest.raises(RequestRejected) as refused:
        await decided(*members, **asked)
    return refused.value


async def test_without_a_moment_nothing_is_said_about_memory() -> None:
    answer = await decided("b/new")

    assert answer["contamination"] is None
    assert answer["votes"][0]["contamination"] is None


async def test_every_vote_says_what_it_may_remember_and_the_decision_the_worst_of_it() -> None:
    answer = await decided("a/old", "b/new", "c/odd", as_of=THEN)

    assert [vote["contamination"] for vote in answer["votes"]] == ["clean", "contaminated", "unknown"]
    assert answer["contamination"] == "contaminated"
    assert (await decided("a/old", "c/odd", as_of=THEN))["contamination"] == "unknown"
    assert (await decided("a/old", as_of=THEN))["contamination"] == "clean"


async def test_the_embargo_is_counted() -> None:
    assert (await decided("a/old", as_of=THEN, embargo=31))["contamination"] == "contaminated"


async def test_a_vote_that_was_not_waited_for_counts_all_the_same() -> None:
    async def silent(_: Ask) -> str:
        await anyio.sleep_forever()
        return ""

    gateway = Scripted({"a/old": BUY, "c/old": BUY, "b/new": silent})
    known = panels("a/old", "c/old", "b/new")
    known.known_until = {**KNOWN, "c/old": [("c/old", OLD)]}
    answer = rendered(await service(gateway, panels=known).decide(question(as_of=THEN)))

    assert answer["votes"][2]["status"] == "cancelled"
    assert answer["contamination"] == "contaminated"


async def test_the_events_say_it_too() -> None:
    gateway = Scripted({"b/new": BUY})
    events = [event async for event in service(gateway, panels=panels("b/new")).stream(question(as_of=THEN))]

    said = [e.vote.contamination if isinstance(e, VoteEvent) else e.decision.contamination for e in events]
    assert said == ["contaminated", "contaminated"]
    assert isinstance(events[-1], DecisionEvent)


async def test_block_refuses_a_panel_by_the_names_of_those_that_are_not_known_to_be_clean() -> None:
    error = await refusal("a/old", "b/new", "c/odd", as_of=THEN, as_of_mode="block")

    assert (error.code, error.status) == (Code.CONTAMINATED, 422)
    assert "b/new: it knows the world until 2025-06-30" in error.message
    assert "c/odd" in error.message
    assert "a/old" not in error.message
    assert (await decided("a/old", as_of=THEN, as_of_mode="block"))["contamination"] == "clean"
    assert "b/new" in (await refusal("auto", as_of=THEN, as_of_mode="block")).message


async def test_filter_leaves_out_all_but_the_clean_and_says_why() -> None:
    answer = await decided("a/old", "b/new", "c/odd", as_of=THEN, as_of_mode="filter")

    assert [vote["provider"] for vote in answer["votes"]] == ["a"]
    assert (answer["contamination"], answer["consensus"]["quorum"]) == ("clean", 1)
    assert [warning.split(":")[1].strip() for warning in answer["warnings"]] == ["left out"] * 2
    assert "b/new" in answer["warnings"][0]
    assert (await refusal("b/new", "c/odd", as_of=THEN, as_of_mode="filter")).code is Code.CONTAMINATED


@pytest.mark.parametrize(("mode", "demanded"), [("warn", None), ("filter", AsOfMode.FILTER)])
async def test_a_routed_member_is_routed_to_a_clean_target_where_that_is_asked(
    mode: str, demanded: AsOfMode | None
) -> None:
    gateway = Scripted({"auto": BUY})
    await service(gateway, Shelf(), panels("auto")).decide(question(as_of=THEN, as_of_mode=mode))

    as_of = gateway.asked[0].as_of
    assert (None if as_of is None else as_of.mode) is demanded


async def test_a_guard_without_a_moment_goes_by_the_market_and_needs_one() -> None:
    assert (await decided("a/old", as_of_mode="block"))["contamination"] == "clean"

    error = await refusal("a/old", as_of_mode="block", market=None, prompt="up?")

    assert [violation.field for violation in error.violations] == ["as_of_mode"]
