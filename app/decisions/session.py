"""One question under way: what its panel says so far, whom to ask next, and until when to wait."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.decisions.calibrating import UNCALIBRATED, vote_calibrated, worth_of
from app.decisions.composition import Composition
from app.decisions.context import staleness
from app.decisions.counting import Counter
from app.decisions.dossier import Transcript
from app.decisions.hindsight import Guard
from app.decisions.member import Asker
from app.decisions.panel import NOT_ASKED, Panel
from app.decisions.prompts import Prompt
from app.decisions.question import Question
from app.decisions.replaying import DecisionRun
from app.decisions.seat import Seat
from app.decisions.voting import METHODS, Count, Result, unanimous
from app.domain.decision import Action, Decision, DecisionStatus, Vote, VoteStatus
from app.domain.frozen import frozen
from app.domain.ports import Confidences


@frozen
class Session:
    """A question, its panel and its time.

    The panel is decided at `decide_at`, the decision is made by `answer_by`: what lies between is the risk officer's.
    `escalate_at` is when a second stage no longer waits for the first.
    """

    question: Question
    composition: Composition
    prompt: Prompt
    decision_id: str
    decide_at: float
    answer_by: float
    counter: Counter
    guard: Guard | None = None
    without_news: Prompt | None = None
    run: DecisionRun | None = None
    transcript: Transcript | None = None
    confidences: Confidences = UNCALIBRATED

    def marked(self, vote: Vote) -> Vote:
        """The vote as it goes out: what its claim is worth, and what its model may remember where that is asked."""
        known = vote_calibrated(vote, self.confidences)
        return known if self.guard is None else self.guard.marked(known)

    def judged(self, decision: Decision) -> Decision:
        """The decision as it goes out: what its models may remember, where that is asked."""
        return decision if self.guard is None else self.guard.judged(decision)

    def stamped(self, decision: Decision) -> Decision:
        """The decision as it goes out, with its hash where it belongs to a run; nothing is changed about it after."""
        return decision if self.run is None else self.run.stamped(decision)

    def asker(self, asker: Asker) -> Asker:
        """Who is asked for this decision: through its run, where it belongs to one, and overheard for its dossier."""
        asker = asker if self.run is None else self.run.asker(asker, self.question)
        return asker if self.transcript is None else self.transcript.asker(asker)

    def void_run(self) -> None:
        """An operator's stop cut in: what this would have become, nobody knows, and no run keeps it."""
        if self.run is not None:
            self.run.is_void = True

    @property
    def escalate_at(self) -> float:
        """Half of the time that there is."""
        return (self.question.arrived + self.decide_at) / 2

    def first(self) -> list[Seat]:
        """Who is asked at once."""
        return [seat for seat in self.composition.seats if seat.stage == 1]

    def until(self, panel: Panel) -> float:
        """How long the next vote is waited for."""
        is_told_again = self.run is not None and self.run.arrivals.is_scripted
        return self.escalate_at if panel.unasked and not is_told_again else self.decide_at

    def result(self, panel: Panel, *, is_over: bool = False) -> Result | None:
        """The panel's result, None while votes still out may change it; when time is over, none are still out."""
        votes = panel.at_the_end() if is_over else panel.voted()
        members = [vote for seat, vote in votes if not seat.is_officer]
        out = [] if is_over else [seat for seat in panel.silent if not seat.is_officer]
        result = METHODS[self.composition.method](self._count(members, out, self.composition.quorum))
        if result is None:
            return self._agreed(panel, members)
        if is_over or not any(seat.is_officer for seat in panel.outstanding):
            return result
        # Nobody objects to a HOLD; anything else waits for the officer.
        is_action = result.status is DecisionStatus.DECIDED and result.action is not Action.HOLD
        return None if is_action else result

    def escalation(self, panel: Panel, *, is_late: bool) -> list[Seat]:
        """Who is to be asked now: the second stage, once the first cannot agree any more, or took too long to."""
        votes, out = [vote for _, vote in panel.voted()], panel.outstanding
        said = {vote.opinion.action for vote in votes if vote.is_valid and vote.opinion is not None}
        valid = sum(vote.is_valid for vote in votes)
        can_agree = len(said) <= 1 and valid + len(out) >= self.composition.first_quorum and bool(out)
        return panel.unasked if is_late or not can_agree else []

    def votes(self, panel: Panel, status: VoteStatus, reason: str | None) -> list[Vote]:
        """Every seat's vote in order, with what it counted and is worth; what is still out as such abstentions."""
        votes, counter = panel.votes(status, reason), self.counter
        weights = counter.weights(self.composition.seats, votes)
        return [
            vote.counted(family=counter.family(vote), weight=weight, calibration=worth_of(vote, self.confidences))
            for vote, weight in zip(votes, weights, strict=True)
        ]

    def is_first_alone(self, votes: Sequence[Vote]) -> bool:
        """Whether nobody beyond the first stage was needed."""
        later = [vote for vote in votes if vote.stage > 1]
        return bool(later) and all((vote.reason or "").startswith(NOT_ASKED) for vote in later)

    def warnings(self, panel: Panel, now: datetime) -> list[str]:
        """What is to be known about the panel, the market and the answers beside the votes."""
        market, question = self.question.market, self.question
        found = list(self.composition.warnings)
        if self.counter.is_ungraded:
            found.append("ungraded: none of these members has enough graded votes yet, so that all weigh the same")
        stale = staleness(market, now) if market is not None and question.as_of is None else None
        if stale is not None:
            found.append(stale)
        if question.news_check and self.without_news is None:
            found.append("news_check: there is no news in the market, so nothing was compared")
        return [*found, *self.prompt.warnings, *panel.warnings]

    def _agreed(self, panel: Panel, members: Sequence[Vote]) -> Result | None:
        """What a whole first stage says as one, so that the second need not be asked."""
        if not panel.unasked or panel.outstanding:
            return None
        result = unanimous(self._count(members, [], self.composition.first_quorum))
        return result if result is not None and result.status is DecisionStatus.DECIDED else None

    def _count(self, votes: Sequence[Vote], out: list[Seat], quorum: int) -> Count:
        cast = [self.counter.cast(vote) for vote in votes if vote.is_valid and vote.opinion is not None]
        return Count(cast, [self.counter.out(seat) for seat in out], quorum)
