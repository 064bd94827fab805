"""The guard of a backtest: who of a panel may remember the market that it is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol

from app.decisions.question import Question
from app.domain.decision import Decision, Vote
from app.domain.errors import Code, RequestRejected
from app.domain.hindsight import AsOf, AsOfMode, Contamination, worst


class Cutoffs(Protocol):
    """What is known of models' knowledge."""

    def cutoffs(self, name: str, agent_id: int | None) -> Sequence[tuple[str, date | None]]:
        """Every target that may answer to a model name, with its knowledge cutoff."""
        ...


@dataclass(frozen=True, slots=True)
class Guard:
    """What one question demands of its members' memory."""

    as_of: AsOf
    cutoffs: Cutoffs
    agent_id: int | None

    @classmethod
    def of(cls, question: Question, cutoffs: Cutoffs) -> Guard | None:
        """The guard of a question; None for one that is not asked as of any moment."""
        as_of = question.hindsight
        return None if as_of is None else cls(as_of, cutoffs, question.agent_id)

    def sifted(self, members: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The members that may sit, and a warning for each that is left out.

        A name that is routed sits while one of its targets is clean, and is routed to such a one only. Raises
        RequestRejected (policy_contaminated) that names those not known to be clean: in mode block when there is any
        (for a routed name, any of its targets), in mode filter when nobody is left.
        """
        if not self.as_of.only_clean:
            return tuple(members), ()
        tainted = {name: self._objections(name) for name in dict.fromkeys(members)}
        tainted = {name: why for name, why in tainted.items() if why}
        if tainted and self.as_of.mode is AsOfMode.BLOCK:
            raise _contaminated([why for objections in tainted.values() for why in objections])
        kept = tuple(name for name in members if len(tainted.get(name, ())) < len(self._cutoffs(name)))
        if not kept:
            raise _contaminated([why for objections in tainted.values() for why in objections])
        left_out = (name for name in tainted if name not in kept)
        return kept, tuple(f"contaminated_member: left out: {why}" for name in left_out for why in tainted[name])

    def short_of(self, quorum: int, kept: int, left_out: Sequence[str]) -> RequestRejected:
        """The refusal of a panel whose stated quorum those who may sit cannot make."""
        return RequestRejected(
            Code.CONTAMINATED,
            f"{kept} of the panel may sit, fewer than its quorum of {quorum}; {'; '.join(left_out)}",
            param="as_of_mode",
        )

    def marked(self, vote: Vote) -> Vote:
        """The vote with what its model may remember."""
        return replace(vote, contamination=self._of(vote).value)

    def judged(self, decision: Decision) -> Decision:
        """The decision with its votes marked, and itself by the worst of them, whether they were heard in time or not.

        So it does not depend on who was quicker, and a replay says the same.
        """
        found = worst(self._of(vote) for vote in decision.votes)
        votes = tuple(self.marked(vote) for vote in decision.votes)
        return replace(decision, votes=votes, contamination=None if found is None else found.value)

    def _of(self, vote: Vote) -> Contamination:
        if not vote.provider and self.as_of.only_clean:
            # Nobody has answered to this name, and only a clean target could have.
            return Contamination.CLEAN
        name = f"{vote.provider}/{vote.model}" if vote.provider else vote.model
        found = worst(self.as_of.of(cutoff) for _, cutoff in self._cutoffs(name))
        return Contamination.UNKNOWN if found is None else found

    def _objections(self, name: str) -> list[str]:
        found = ((target, self.as_of.objection(cutoff)) for target, cutoff in self._cutoffs(name))
        return [f"{target}: {why}" for target, why in found if why is not None]

    def _cutoffs(self, name: str) -> Sequence[tuple[str, date | None]]:
        return self.cutoffs.cutoffs(name, self.agent_id) or [(name, None)]


def _contaminated(objections: Sequence[str]) -> RequestRejected:
    return RequestRejected(Code.CONTAMINATED, f"not known to be clean: {'; '.join(objections)}", param="as_of_mode")
