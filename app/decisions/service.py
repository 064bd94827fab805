"""Decisions: a panel asked under one deadline, its result checked, stored and only then given away."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from app.decisions.background import Background
from app.decisions.composition import Composition, PanelView, composed, prompted
from app.decisions.context import staleness
from app.decisions.member import Asker, Member, Seat, absent
from app.decisions.panel import Panel
from app.decisions.prompts import Prompt
from app.decisions.question import Question, recorded
from app.decisions.replaying import DecisionRun, DecisionRuns
from app.decisions.verdict import Settled, at_deadline, decision_from, total_cost
from app.decisions.voting import METHODS, Result
from app.decisions.wire import rendered
from app.domain.decision import Action, Decision, DecisionStatus, SettledReason, Vote, VoteStatus
from app.domain.errors import Code, OutcryError, StorageUnavailable
from app.domain.kill import Kill
from app.domain.ports import DecisionRepository, Shelf

__all__ = ["Asker", "DecisionEvent", "DecisionRules", "DecisionService", "PanelView", "Question", "VoteEvent"]

log = logging.getLogger(__name__)

_NOBODY: Final = Result(Action.HOLD, DecisionStatus.NO_QUORUM, SettledReason.NO_QUORUM)
_KILLED: Final = Result(Action.HOLD, DecisionStatus.KILLED, SettledReason.KILLED)


@dataclass(frozen=True, slots=True)
class DecisionRules:
    """Seconds: decided at the deadline minus `margin` (a fifth of a short deadline), stored within `grace` after it."""

    margin: float = 0.1
    grace: float = 0.1


@dataclass(frozen=True, slots=True)
class VoteEvent:
    """A vote has arrived."""

    vote: Vote


@dataclass(frozen=True, slots=True)
class DecisionEvent:
    """The decision is made and stored; the last event."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class _Session:
    """One question under way."""

    question: Question
    composition: Composition
    prompt: Prompt
    decision_id: str
    decide_at: float
    run: DecisionRun | None = None

    def result(self, panel: Panel, *, is_over: bool = False) -> Result | None:
        """The panel's result, None while votes still out may change it; when time is over, none are still out."""
        composition = self.composition
        outstanding = 0 if is_over else len(panel.outstanding)
        return METHODS[composition.method](panel.votes(), outstanding, composition.quorum)


class DecisionService:
    """Asks panels. `close` at shutdown ends what still runs behind answers already given.

    `killed` tells the stop that holds for an agent's decisions; then the answer is HOLD with status killed.
    """

    def __init__(
        self,
        asker: Asker,
        panels: PanelView,
        repository: DecisionRepository,
        *,
        now: Callable[[], float],
        wall: Callable[[], datetime],
        rules: DecisionRules = DecisionRules(),
        new_id: Callable[[], str] = lambda: f"dec_{secrets.token_hex(12)}",
        decided: Callable[[Decision], None] = lambda _: None,
        killed: Callable[[int | None], Kill | None] = lambda _: None,
        shelf: Shelf | None = None,
    ) -> None:
        self._asker = asker
        self._panels = panels
        self._repository = repository
        self._now = now
        self._wall = wall
        self._rules = rules
        self._new_id = new_id
        self._decided = decided
        self._killed = killed
        self._background = Background()
        self._runs = DecisionRuns(shelf, wall)

    async def decide(self, question: Question) -> Decision:
        """The decision, stored. Overruns the deadline by at most 250 ms, whatever the members do."""
        async with aclosing(self.stream(question)) as events:
            async for event in events:
                if isinstance(event, DecisionEvent):
                    return event.decision
        raise AssertionError("a stream of votes ends with its decision")

    async def stream(self, question: Question) -> AsyncGenerator[VoteEvent | DecisionEvent]:
        """Each vote as it arrives, then the decision. What is wrong with the question is raised before the first."""
        session = self._opened(question)
        if (kill := self._killed(question.agent_id)) is not None:
            yield DecisionEvent(await self._refused(session, kill))
            return
        if question.replay is not None:
            session = replace(session, run=await self._runs.begin(question, session.composition, session.prompt))
        panel = self._seated(session)
        is_handed_over = False
        try:
            result: Result | None = None
            while (result is None or panel.has_arrived) and (heard := await panel.next(session.decide_at)) is not None:
                yield VoteEvent(heard.vote)
                result = session.result(panel)
            decision = self._decision(session, panel, result)
            if result is None or question.settle == "early":
                panel.cancel()
            await self._store(session, decision)
            if result is not None and panel.outstanding and question.settle == "all":
                self._background.start(self._completed(session, panel, decision))
                is_handed_over = True
            else:
                self._end(session)
            self._tell(decision)
            yield DecisionEvent(decision)
        finally:
            # Also when the caller has left: nobody pays for votes that nobody waits for.
            if not is_handed_over:
                panel.cancel()

    async def get(self, decision_id: str) -> dict[str, Any] | None:
        """The answer of a stored decision."""
        return await self._repository.get(decision_id)

    async def page(
        self, *, limit: int, cursor: str | None = None, symbol: str | None = None, agent_id: int | None = None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Stored answers, newest first, and the cursor of the next page."""
        return await self._repository.page(limit=limit, cursor=cursor, symbol=symbol, agent_id=agent_id)

    async def close(self) -> None:
        """Ends what runs in the background; bounded."""
        await self._background.close()

    def _opened(self, question: Question) -> _Session:
        composition = composed(question, self._panels)
        margin = min(self._rules.margin, max(question.deadline - question.arrived, 0) / 5)
        return _Session(question, composition, prompted(question), self._new_id(), question.deadline - margin)

    def _seated(self, session: _Session) -> Panel:
        question, run = session.question, session.run
        asker = self._asker if run is None else run.asker(self._asker, question)
        members = [
            Member(asker, Seat(place, name), question, session.prompt, session.decision_id, self._now)
            for place, name in enumerate(session.composition.members)
        ]
        return Panel(members, self._background, self._now, None if run is None else run.arrivals)

    async def _refused(self, session: _Session, kill: Kill) -> Decision:
        """The answer while an operator's stop is in force, on record as any other; nobody is asked."""
        seats = [Seat(place, name) for place, name in enumerate(session.composition.members)]
        votes = [absent(seat, VoteStatus.CANCELLED, f"{Code.KILLED.value}: {kill.says()}") for seat in seats]
        decision = self._made(session, _KILLED, votes, [*session.composition.warnings, kill.says()])
        await self._store(session, decision)
        self._tell(decision)
        return decision

    def _decision(self, session: _Session, panel: Panel, result: Result | None) -> Decision:
        question = session.question
        if result is not None:
            is_pending = question.settle == "all"
            votes = panel.votes(
                *((VoteStatus.PENDING, None) if is_pending else (VoteStatus.CANCELLED, result.reason.value))
            )
        else:
            result = at_deadline(session.result(panel, is_over=True) or _NOBODY)
            votes = panel.votes(VoteStatus.TIMEOUT, "no answer before the deadline")
        warnings = self._warnings(session, panel)
        if (kill := self._killed(question.agent_id)) is not None:
            # Stopped while the members thought: what they said is on record, and nobody may act on it.
            result, warnings = _KILLED, [*warnings, kill.says()]
        elif all((vote.reason or "").startswith(Code.KILLED.value) for vote in votes):
            result = _KILLED
        if session.run is None:
            return self._made(session, result, votes, warnings)
        session.run.arrivals.settled()
        return session.run.stamped(self._made(session, result, votes, warnings))

    def _made(self, session: _Session, result: Result, votes: Sequence[Vote], warnings: Sequence[str]) -> Decision:
        question, composition = session.question, session.composition
        elapsed = self._now() - question.arrived
        settled = Settled(result, tuple(votes), composition.method, composition.quorum, elapsed, elapsed)
        return decision_from(
            question,
            session.prompt,
            settled,
            decision_id=session.decision_id,
            created_at=self._wall(),
            warnings=warnings,
        )

    def _warnings(self, session: _Session, panel: Panel) -> list[str]:
        market, question = session.question.market, session.question
        found = list(session.composition.warnings)
        stale = staleness(market, self._wall()) if market is not None and question.as_of is None else None
        if stale is not None:
            found.append(stale)
        if session.prompt.injection_suspected:
            found.append("injection_suspected: a news item speaks to its reader in the imperative")
        return [*found, *panel.warnings]

    async def _store(self, session: _Session, decision: Decision) -> None:
        """Returns once the decision is durable, or raises StorageUnavailable in time for the caller to hear it."""
        request = recorded(session.question, session.composition.members, session.prompt.messages)
        request["raw_answers"] = [vote.raw_answer for vote in decision.votes]
        write = self._background.start(self._repository.append(decision, rendered(decision), request))
        patience = max(session.question.deadline + self._rules.grace - self._now(), 0)
        done, _ = await asyncio.wait({write}, timeout=patience)
        if not done:
            write.cancel()
            raise StorageUnavailable("the decision could not be stored before its deadline")
        await write

    async def _completed(self, session: _Session, panel: Panel, decision: Decision) -> None:
        """Waits for the votes still out, until the deadline, and puts them into the record."""
        try:
            while await panel.next(session.decide_at) is not None:
                pass
            panel.cancel()
            votes = tuple(panel.votes(VoteStatus.TIMEOUT, "no answer before the deadline"))
            complete = replace(decision, votes=votes, cost_usd=total_cost(votes))
            await self._repository.update(decision.id, rendered(complete))
        except OutcryError:
            log.exception("late votes lost", extra={"decision_id": decision.id})
        finally:
            panel.cancel()
            self._end(session)

    def _end(self, session: _Session) -> None:
        if session.run is not None:
            self._runs.end(session.run, session.question.caller.key_id)

    def _tell(self, decision: Decision) -> None:
        if decision.replayed:
            # Counted when it was made; telling it again says nothing about anybody.
            return
        try:
            self._decided(decision)
        except Exception:
            # An observer cannot steer: the decision is stored and goes out.
            log.exception("decision observer failed", extra={"decision_id": decision.id})
