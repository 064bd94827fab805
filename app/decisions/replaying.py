"""A decision in a run: asked through the run as a whole, its votes in the order in which they came then."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import orjson

from app.decisions.arrivals import Arrivals
from app.decisions.canonical import decision_hash
from app.decisions.composition import Composition
from app.decisions.member import Asker
from app.decisions.prompts import Prompt
from app.decisions.question import Question, recorded
from app.decisions.wire import rendered
from app.domain.attempt import Ask, Completion
from app.domain.decision import Decision
from app.domain.errors import Code, Conflict, OutcryError, RequestRejected
from app.domain.grades import Grade
from app.domain.ports import Grades, Shelf
from app.domain.replay import Replay, Take, TakeKind, TakeOutcome
from app.domain.target import Target
from app.text.canonical import Unencodable, canonical, digest

_NOT_ASKED: Final = frozenset(("metadata", "key_id", "algo_id", "decision_maker_id", "replay"))
"""What stands in the record of a question and changes nothing about its answer."""


@dataclass(slots=True)
class DecisionRun:
    """One decision's part of a run. `scope` sets its members' answers apart from those of every other decision."""

    replay: Replay
    key: str
    scope: str
    began_at: datetime
    arrivals: Arrivals = field(default_factory=Arrivals)
    grades: dict[str, tuple[int, int, float, bool]] = field(default_factory=dict)
    families: dict[str, str] = field(default_factory=dict)
    went_live: bool = False
    is_void: bool = False
    """Whether an operator's stop cut in: what it would have become, nobody knows, so it is not kept."""

    @property
    def is_replayed(self) -> bool:
        """Whether all of it was told again."""
        return self.arrivals.is_scripted and not self.went_live

    def stamped(self, decision: Decision) -> Decision:
        """The decision with its hash, marked where nobody was asked for it."""
        marked = replace(decision, replayed=self.is_replayed)
        return replace(marked, decision_hash=decision_hash(rendered(marked)))

    def known(self, grades: Grades) -> Grades:
        """What is known of members: noted when it is looked up, and in a replay what was known then."""
        return _GradesThen(grades, self)

    def family_of(self, families: Callable[[Target], str]) -> Callable[[Target], str]:
        """Whose models err alike: noted when it is looked up, and in a replay as it was then.

        A catalog that has learned better would weigh the votes differently. Runs of before say nothing about it.
        """

        def known(target: Target) -> str:
            name = f"{target.provider}/{target.model}"
            if name not in self.families:
                self.families[name] = families(target)
            return self.families[name]

        return known

    def asker(self, asker: Asker, question: Question) -> Asker:
        """Who is asked for this decision: the same, through the run."""
        return _InRun(asker, question, self)


class DecisionRuns:
    """Finds decisions in runs and puts them there."""

    def __init__(self, shelf: Shelf | None, wall: Callable[[], datetime]) -> None:
        self._shelf = shelf
        self._wall = wall

    async def begin(self, question: Question, composition: Composition, prompt: Prompt) -> DecisionRun | None:
        """The decision's part of its run, None without one. Raises Conflict (caller_replay_miss), RequestRejected."""
        replay = question.replay
        if replay is None:
            return None
        if self._shelf is None:
            raise RequestRejected(
                Code.UNSUPPORTED_PARAMETER, "runs are kept nowhere here: only off is taken", param="x-outcry-replay"
            )
        try:
            key = digest(_form(question, composition, prompt))
        except Unencodable as reason:
            raise RequestRejected(Code.INVALID_REQUEST, f"what is asked cannot be part of a run: {reason}") from None
        take = None
        if replay.mode.replays:
            take = await self._shelf.find(question.caller.key_id, replay, TakeKind.PANEL, [key])
        if take is not None:
            body = orjson.loads(take.body)
            order, grades = Arrivals(body["order"], body["beside"]), body["grades"]
            families = body.get("families", {})
            return DecisionRun(replay, key, body["scope"], self._wall(), order, grades, families)
        if not replay.mode.may_go_live:
            raise Conflict(
                f"run {replay.run} holds no decision about {question.symbol}, asked like this",
                code=Code.REPLAY_MISS,
                param="x-outcry-run",
            )
        return DecisionRun(replay, key, os.urandom(8).hex(), self._wall())

    def end(self, run: DecisionRun, owner: str) -> None:
        """All votes that will ever come are in: put their order on record, where it is a new one."""
        if self._shelf is None or run.arrivals.is_scripted or run.is_void:
            return
        take = Take(
            id=os.urandom(16).hex(),
            owner=owner,
            run=run.replay.run,
            kind=TakeKind.PANEL,
            key=run.key,
            member="",
            outcome=TakeOutcome.OK,
            began_at=run.began_at,
            body=canonical(
                {
                    "order": run.arrivals.order,
                    "beside": run.arrivals.beside,
                    "grades": run.grades,
                    "families": run.families,
                    "scope": run.scope,
                }
            ).decode(),
        )
        self._shelf.put(take, owner, run.replay.run)


class _GradesThen:
    """Grades as they were when the decision was made first: those given since would weigh its votes differently."""

    def __init__(self, grades: Grades, run: DecisionRun) -> None:
        self._grades = grades
        self._run = run

    def of(self, target: Target) -> Grade | None:
        name = f"{target.provider}/{target.model}"
        if not self._run.arrivals.is_scripted:
            grade = self._grades.of(target)
            if grade is not None:
                self._run.grades[name] = (grade.hits, grade.graded, grade.hit_rate, grade.is_proven)
            return grade
        then = self._run.grades.get(name)
        return None if then is None else Grade(*then)


class _InRun:
    """Asks through a run."""

    def __init__(self, asker: Asker, question: Question, run: DecisionRun) -> None:
        self._asker = asker
        self._question = question
        self._run = run

    async def complete(self, ask: Ask) -> Completion:
        # What a decision calls its asks (a seat, a repair) is the same each time; only the request's own id is not.
        place = ask.request_id.removeprefix(self._question.request_id)
        replay = replace(self._run.replay, member=f"{self._run.scope}{place}")
        try:
            completion = await self._asker.complete(replace(ask, replay=replay))
        except OutcryError as error:
            # Who failed now was asked now: the decision is not all told again.
            self._run.went_live |= error.trail.is_live
            raise
        self._run.went_live |= not completion.replayed
        return completion


def _form(question: Question, composition: Composition, prompt: Prompt) -> Mapping[str, Any]:
    asked = recorded(question, composition.members, prompt)
    return {name: value for name, value in asked.items() if name not in _NOT_ASKED} | {
        "method": composition.method,
        "quorum": composition.quorum,
        "seats": [[seat.name, seat.config_id, seat.stage, seat.role.value] for seat in composition.seats],
        "is_checked_by_officer": composition.is_checked_by_officer,
    }
