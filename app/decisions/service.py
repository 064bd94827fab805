"""Decisions: a panel asked under one deadline, its result checked, stored and only then given away."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from app.agents.experiments import Experiments
from app.decisions.arrivals import Arrivals
from app.decisions.background import Background
from app.decisions.billing import Billing
from app.decisions.calibrating import UNCALIBRATED
from app.decisions.composition import (
    Composition,
    PanelView,
    check_asked,
    composed,
    prompted,
    prompted_without_news,
    wrong_panel,
)
from app.decisions.counting import UNGRADED, Counter
from app.decisions.dossier import MadeBy, Witness
from app.decisions.filing import Papering
from app.decisions.hindsight import Guard
from app.decisions.making import Making
from app.decisions.member import Asker, Member
from app.decisions.news_check import NewsChecked
from app.decisions.officer import Judged, Officer, Proposal
from app.decisions.panel import Panel, Voter
from app.decisions.question import Question
from app.decisions.record import DecisionRecord
from app.decisions.replaying import DecisionRuns
from app.decisions.seat import Seat
from app.decisions.session import Session
from app.decisions.shadows import Shadows
from app.decisions.splitting import entered
from app.decisions.voting import Result
from app.decisions.wire import rendered
from app.domain.audit import Author
from app.domain.decision import Decision, Role, Vote, VoteStatus
from app.domain.errors import OutcryError, StorageUnavailable, Violation
from app.domain.frozen import frozen
from app.domain.idempotency import Reservation
from app.domain.kill import NO_STOPS, Stops
from app.domain.payload import Erasure
from app.domain.ports import Confidences, DecisionRepository, Grades, PayloadRepository, Shelf
from app.domain.target import Target
from app.ledger.sealing import Sealer
from app.ledger.spill import Spill

__all__ = ["Asker", "DecisionEvent", "DecisionRules", "DecisionService", "PanelView", "Question", "VoteEvent"]

log = logging.getLogger(__name__)

OFFICERS_SHARE: Final = 0.25
"""Of the time for an answer, what a risk officer gets when the panel takes all of its own."""

UNHURRIED: Final = 1.0
"""Seconds to the deadline with which a decision that is made gives way to others that are not."""
ROUNDS: Final = 3
"""Of the loop: in the first another begins, in the second its members answer, in the third it is decided."""


@dataclass(frozen=True, slots=True)
class DecisionRules:
    """Seconds: decided at the deadline minus `margin` (a fifth of a short one), on disk within `grace` after it."""

    margin: float = 0.1
    grace: float = 0.15


@frozen
class VoteEvent:
    """A vote has arrived, or one `sample` (from 1) of several that will be one."""

    vote: Vote
    sample: int | None = None


@frozen
class DecisionEvent:
    """The decision is made and stored; the last event. `answer` is its JSON as it was put on record."""

    decision: Decision
    answer: dict[str, Any]


class DecisionService:
    """Asks panels. `close` at shutdown ends what still runs behind answers already given.

    `stops` tells what an operator stopped: an answer is HOLD with status killed then, and a panel under way ends at
    once. What is being stored by then goes out as it is.
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
        stops: Stops = NO_STOPS,
        grades: Grades = UNGRADED,
        confidences: Confidences = UNCALIBRATED,
        spill: Spill | None = None,
        shelf: Shelf | None = None,
        sealer: Sealer | None = None,
        payloads: PayloadRepository | None = None,
        witness: Witness | None = None,
        made_by: MadeBy | None = None,
        billing: Billing | None = None,
        experiments: Experiments | None = None,
    ) -> None:
        self._asker = asker
        self._panels = panels
        self._repository = repository
        self._record = DecisionRecord(repository, now, spill)
        self._now = now
        self._wall = wall
        self._rules = rules
        self._new_id = new_id
        self._decided = decided
        self._stops = stops
        self._grades = grades
        self._confidences = confidences
        self._background = Background()
        self._officer = Officer(asker, self._background, now)
        self._billing = billing or Billing()
        self._making = Making(asker, self._background, stops, self._billing, now=now, wall=wall)
        self._experiments = experiments or Experiments()
        self._runs = DecisionRuns(shelf, wall)
        self._witness = witness or Witness()
        self._papers = Papering(sealer or Sealer(), payloads, made_by or MadeBy(), wall)

    async def decide(self, question: Question) -> Decision:
        """The decision, stored. Overruns the deadline by at most 250 ms, whatever the members do."""
        return (await self.answered(question)).decision

    async def answered(self, question: Question) -> DecisionEvent:
        """The same with its answer."""
        async with aclosing(self._events(question, is_told=False)) as events:
            async for event in events:
                if isinstance(event, DecisionEvent):
                    return event
        raise AssertionError("a stream of votes ends with its decision")

    async def stream(self, question: Question) -> AsyncGenerator[VoteEvent | DecisionEvent]:
        """Each vote as it arrives, then the decision. What is wrong with the question is raised before the first."""
        async with aclosing(self._events(question, is_told=True)) as events:
            async for event in events:
                yield event

    async def _events(self, question: Question, *, is_told: bool) -> AsyncGenerator[VoteEvent | DecisionEvent]:
        """The same; where no vote `is_told` as it comes, the decision alone."""
        question = entered(question, self._experiments, self._panels)
        session = self._opened(question)
        if (kill := self._stops.of(question.agent_id)) is not None:
            decision = self._making.refused(session, kill)
            answer = await self._store(session, decision)
            self._tell(decision)
            yield DecisionEvent(decision, answer)
            return
        session, panel = await self._begun(session)
        is_handed_over = False
        self._stops.enter(panel)
        self._billing.begin(session.decision_id)
        shadows: Shadows | None = None
        try:
            panel.ask(self._members(session, session.first()))
            shadows = self._shadows(session)
            result: Result | None = None
            while result is None or panel.has_arrived:
                heard = await panel.next(session.until(panel))
                if heard is not None and is_told:
                    yield VoteEvent(session.marked(heard.vote), heard.sample)
                # Of votes that came together, what all of them say counts; between them nobody is asked.
                if heard is None or panel.unasked or not panel.has_arrived:
                    result = session.result(panel)
                if result is None and panel.unasked and panel.kill is None:
                    panel.ask(self._members(session, session.escalation(panel, is_late=heard is None)))
                elif heard is None:
                    break
            decision = await self._making.made_up(session, panel, shadows, result)
            answer = await self._store(session, decision)
            is_live = result is not None and panel.kill is None
            waits = is_live and bool(panel.outstanding) and question.settle == "all"
            if waits or (shadows is not None and _is_pending(decision)):
                self._background.start(self._completed(session, panel, shadows, decision, waits=waits))
                is_handed_over = True
            else:
                self._end(session)
            self._tell(decision)
            yield DecisionEvent(decision, answer)
        finally:
            # Also when the caller has left: nobody pays for votes that nobody waits for.
            if not is_handed_over:
                self._left(session, panel, shadows)

    def wrong_panel(self, question: Question) -> list[Violation]:
        """All that is wrong with who a question would ask, and how; what it asks is not looked at."""
        return wrong_panel(question, self._panels)

    def held_on_disk(self) -> Mapping[Reservation, dict[str, Any]]:
        """The answers that wait on this process's disk, by the reservation of an idempotency key that each settles."""
        return self._record.held()

    async def get(self, decision_id: str) -> dict[str, Any] | None:
        """The answer of a stored decision."""
        return await self._record.get(decision_id)

    async def dossier(self, decision_id: str) -> dict[str, Any] | None:
        """How a stored decision came about; None for one that is not there.

        Raises StorageUnavailable where its payloads cannot be read, or it still waits on this machine's disk.
        """
        self._check_stored(decision_id)
        answer = await self._repository.get(decision_id)
        return None if answer is None else await self._papers.dossier(decision_id, answer)

    async def erase(self, decision_id: str, *, by: Author, reason: str) -> Erasure | None:
        """Erase what was said in a decision; its hashes stay, and so does the rest of it. None where nothing is kept.

        Raises StorageUnavailable.
        """
        self._check_stored(decision_id)
        return await self._papers.erase(decision_id, by=by, reason=reason)

    async def page(
        self, *, limit: int, cursor: str | None = None, symbol: str | None = None, agent_id: int | None = None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Stored answers, newest first, and the cursor of the next page."""
        return await self._repository.page(limit=limit, cursor=cursor, symbol=symbol, agent_id=agent_id)

    async def assess(self, proposal: Proposal) -> Judged:
        """The risk of a proposed decision, by the rule and by the model that the proposal names.

        Raises RequestRejected for a model and NotFound for an agent that nobody knows.
        """
        check_asked(proposal.agent_id, proposal.model, self._panels)
        margin = min(self._rules.margin, max(proposal.deadline - self._now(), 0) / 5)
        return await self._officer.judged(replace(proposal, deadline=proposal.deadline - margin))

    def _check_stored(self, decision_id: str) -> None:
        if self._record.is_waiting(decision_id):
            raise StorageUnavailable("the decision waits on this machine's disk until the database takes it")

    async def run(self) -> None:
        """Hand decisions that wait on disk to the database, until cancelled."""
        await self._record.run()

    async def close(self) -> None:
        """Ends what runs in the background; bounded."""
        await self._background.close()
        self._record.close()

    def _opened(self, question: Question) -> Session:
        composition = composed(question, self._panels)
        margin = min(self._rules.margin, max(question.deadline - question.arrived, 0) / 5)
        answer_by = question.deadline - margin
        # An officer who is asked after the panel needs time of his own, or a silent member would take it all.
        reserved = (answer_by - question.arrived) * OFFICERS_SHARE if composition.is_checked_by_officer else 0.0
        return Session(
            question,
            composition,
            prompted(question),
            self._new_id(),
            answer_by - reserved,
            answer_by,
            self._counter(composition, self._grades),
            Guard.of(question, self._panels),
            prompted_without_news(question),
            confidences=self._confidences,
        )

    async def _begun(self, session: Session) -> tuple[Session, Panel]:
        """The session in its run, where it belongs to one, and its panel. Raises what beginning a run raises."""
        run = await self._runs.begin(session.question, session.composition, session.prompt)
        seats = session.composition.seats
        session = replace(session, transcript=self._witness.begin(session.decision_id, self._now))
        if run is None:
            return session, Panel(seats, self._background, self._now, agent_id=session.question.agent_id)
        counter = self._counter(session.composition, run.known(self._grades), run.family_of(self._panels.family))
        panel = Panel(seats, self._background, self._now, run.arrivals, session.question.agent_id)
        return replace(session, run=run, counter=counter), panel

    def _counter(
        self, composition: Composition, grades: Grades, family_of: Callable[[Target], str] | None = None
    ) -> Counter:
        known = family_of or self._panels.family
        return Counter(composition.method, composition.seats, self._panels.target, known, grades)

    def _members(self, session: Session, seats: Sequence[Seat]) -> list[Voter]:
        times = session.composition.samples
        samples = [None] if times == 1 else range(1, times + 1)
        return [self._member(session, seat, sample) for seat in seats for sample in samples]

    def _shadows(self, session: Session) -> Shadows | None:
        """Those of this decision, asked; None without any."""
        if not session.composition.shadows:
            return None
        shadows = Shadows(session, self._background, self._now)
        self._stops.enter(shadows.panel)
        shadows.ask(self._asker)
        return shadows

    def _member(self, session: Session, seat: Seat, sample: int | None) -> Voter:
        asker = session.asker(self._asker)
        member = Member(asker, seat, session.question, session.prompt, session.decision_id, self._now, sample)
        if session.without_news is None or seat.is_officer:
            return member
        order = Arrivals() if session.run is None else session.run.arrivals
        return NewsChecked(member, session.without_news, self._background.start, session.decide_at, order)

    async def _store(self, session: Session, decision: Decision) -> dict[str, Any]:
        """The answer, once the decision is durable; or StorageUnavailable in time for the caller to hear it."""
        await self._give_way(session.question.deadline)
        answer = rendered(decision)
        await self._record.keep(
            decision,
            self._papers.of(session, decision, answer),
            until=session.question.deadline,
            grace=self._rules.grace,
            tasks=self._background,
        )
        return answer

    async def _give_way(self, deadline: float) -> None:
        """Let others be decided first, where there is time: what is left of this one is paperwork."""
        if deadline - self._now() > UNHURRIED:
            for _ in range(ROUNDS):
                await asyncio.sleep(0)

    async def _completed(
        self, session: Session, panel: Panel, shadows: Shadows | None, decision: Decision, *, waits: bool
    ) -> None:
        """Puts the votes still out into the record, once they came: the panel's where it `waits`, and its shadows'."""
        try:
            complete = await self._making.completed(session, panel, shadows, decision, waits=waits)
            await self._record.complete(decision.id, self._papers.late(session, complete))
        except OutcryError:
            log.exception("late votes lost", extra={"decision_id": decision.id})
        finally:
            self._left(session, panel, shadows)
            self._end(session)

    def _left(self, session: Session, panel: Panel, shadows: Shadows | None) -> None:
        """Nobody asks this panel any more, nor its shadows."""
        for asked in (panel,) if shadows is None else (panel, shadows.panel):
            self._stops.leave(asked)
            asked.cancel()
        self._witness.end(session.decision_id)
        self._billing.end(session.decision_id)

    def _end(self, session: Session) -> None:
        if session.run is not None:
            self._runs.end(session.run, session.question.caller.key_id)

    def _tell(self, decision: Decision) -> None:
        if decision.replayed:
            # Counted when it was made; telling it again says nothing about anybody.
            return
        try:
            # Of shadows nobody counts anything here: what they said is on record, and no statistic of panels.
            self._decided(_without_shadows(decision))
        except Exception:
            # An observer cannot steer: the decision is stored and goes out.
            log.exception("decision observer failed", extra={"decision_id": decision.id})


def _is_pending(decision: Decision) -> bool:
    """Whether a shadow's vote may still come."""
    return any(vote.role is Role.SHADOW and vote.status is VoteStatus.PENDING for vote in decision.votes)


def _without_shadows(decision: Decision) -> Decision:
    if all(vote.role is not Role.SHADOW for vote in decision.votes):
        return decision
    return replace(decision, votes=tuple(vote for vote in decision.votes if vote.role is not Role.SHADOW))
