"""The course of one request with registered tools: what was said, what is asked next, and whether there is a next.

A turn in which the model also calls a tool of the caller's is handed back whole, with all its calls: it cannot be split
between two who would each have to answer it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from app.domain.attempt import Ask, AttemptRecord
from app.domain.caching import CacheMode
from app.domain.chat import JSON
from app.domain.errors import DeadlineExceeded, FailureKind, ProviderError
from app.domain.routing import Plan
from app.domain.target import Target
from app.tools.calling import Calls, RoundRules
from app.tools.tally import Tally
from app.tools.turns import is_for_caller, said_again

CheckRunning: TypeAlias = Callable[[int | None, Target], None]
"""Raises NotAdmitted (policy_killed) when an operator stopped this agent, this target, or everything."""

MOST_IN_A_TURN: Final = 128
"""Calls in one turn: a model that wants more has lost its way."""

_MOST_FALLBACKS: Final = 16
_HANDED_BACK: Final = "the model called tools of yours: the whole turn is yours, its calls of registered tools included"


@dataclass(frozen=True, slots=True)
class Answered:
    """Who answered a round, and how it came there."""

    target: Target
    plan: Plan
    attempts: Sequence[AttemptRecord]


class Course:
    """What a request has come to. `ask` is what the next round asks, `tally` the sum of those that are over."""

    def __init__(
        self,
        ask: Ask,
        own: frozenset[str],
        calls: Calls,
        rules: RoundRules,
        *,
        now: Callable[[], float],
        check_running: CheckRunning,
    ) -> None:
        self.ask = replace(ask, cache=CacheMode.OFF)
        self.own = own
        self.tally = Tally()
        self._first = ask
        if ask.cache not in (None, CacheMode.OFF):
            self.tally.warn("answers with registered tools are not cached: what tools say changes")
        self._calls = calls
        self._rules = rules
        self._now = now
        self._check_running = check_running
        self._last_by: Answered | None = None
        self._must_answer = False

    @property
    def anywhere(self) -> Ask:
        """The next round without a wish for the target of the one before, which may have gone meanwhile."""
        return replace(self.ask, model=self._first.model, fallbacks=self._first.fallbacks)

    def answered(self, by: Answered) -> None:
        """A round is over."""
        self._last_by = by
        self.tally.plan = self.tally.plan or by.plan

    def goes_on(self, calls: Sequence[JSON], finish_reason: str | None) -> bool:
        """Whether these calls are made, and another round follows; otherwise the turn is the caller's."""
        if not calls or finish_reason == "content_filter":
            return False
        if is_for_caller(calls, self.own):
            self.tally.warn(_HANDED_BACK)
            return False
        if self._must_answer:
            self.tally.warn("the model went on to call tools when it had to answer: nothing of it was called")
            return False
        return True

    async def call(self, message: Mapping[str, Any], calls: Sequence[JSON]) -> None:
        """Make the calls of a turn, and ask on with their results. Raises where that cannot be."""
        # What a tool does cannot be undone, and an operator may have stopped its model while that was thinking.
        self._check_running(self._agent_id, self._by.target)
        if len(calls) > MOST_IN_A_TURN:
            raise ProviderError(FailureKind.BAD_ANSWER, f"the model called {len(calls)} tools at once")
        results = await self._calls.results(calls, self.ask, self.tally.rounds)
        if self._now() >= self.ask.deadline:
            raise DeadlineExceeded("the deadline passed while tools were called")
        if self._calls.left <= 0:
            self._must_answer = True
            self.tally.warn(f"after {self._rules.max_calls} calls of tools the model had to answer")
        elif self.tally.rounds >= self._rules.max_rounds:
            self._must_answer = True
            self.tally.warn(f"after {self._rules.max_rounds} rounds of tools the model had to answer")
        self.ask = self._following([said_again(message), *results])

    def _following(self, said: Sequence[JSON]) -> Ask:
        """The next round: the target that answered goes first, since what it thought is of use to nobody else."""
        by, chat = self._by, self.ask.chat
        others = dict.fromkeys(str(step.target) for step in by.plan.steps if step.target != by.target)
        parameters = {**chat.parameters, **_choice(chat.parameters.get("tool_choice"), is_last=self._must_answer)}
        return replace(
            self.ask,
            request=replace(chat, messages=[*chat.messages, *said], parameters=parameters),
            model=str(by.target),
            fallbacks=tuple(others)[:_MOST_FALLBACKS],
            agent_id=self._agent_id,
        )

    @property
    def _by(self) -> Answered:
        assert self._last_by is not None  # noqa: S101 - calls come out of a round that is over
        return self._last_by

    @property
    def _agent_id(self) -> int | None:
        """Whose request it is: `agent:7` as a model names the agent nowhere else than in the attempts."""
        attempts = self._by.attempts
        return attempts[-1].agent_id if attempts else self.ask.agent_id


def _choice(said: object, *, is_last: bool) -> dict[str, Any]:
    """What the model may call next: whom it was made to call at first, it is not made to call for ever."""
    if is_last:
        return {"tool_choice": "none"}
    if isinstance(said, dict) and isinstance(said.get("allowed_tools"), dict):
        return {"tool_choice": {**said, "allowed_tools": {**said["allowed_tools"], "mode": "auto"}}}
    return {"tool_choice": "auto"} if said == "required" or isinstance(said, dict) else {}
