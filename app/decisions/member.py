"""One member of a panel: asked, read, judged; whatever goes wrong becomes an abstention with its reason."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, Protocol

from app.decisions.parsing import Answer, parse_answer
from app.decisions.prompts import RESPONSE_FORMAT, Prompt, repair_text
from app.decisions.question import Question
from app.decisions.rules import broken
from app.decisions.seat import Seat, absent
from app.decisions.validation import Checked, Strictness, check, risk_reward_of
from app.domain.attempt import Ask, Completion
from app.domain.caching import CacheMode
from app.domain.chat import JSON, ChatRequest, ChatResponse
from app.domain.decision import Opinion, ParseTrace, RuleViolation, Severity, Vote, VoteStatus
from app.domain.errors import Code, OutcryError, RunUnread
from app.domain.frozen import frozen
from app.domain.hindsight import AsOf, AsOfMode
from app.domain.structured import Rung
from app.domain.usage import summed

log = logging.getLogger(__name__)

_TIMEOUTS: Final = frozenset((Code.PROVIDER_TIMEOUT, Code.DEADLINE_EXCEEDED))
_REFUSED_PARAMETER: Final = frozenset((Code.INVALID_REQUEST, Code.UNSUPPORTED_PARAMETER))
MAX_QUOTE: Final = 20_000
"""Characters of an answer that is quoted back to whoever is to repair it."""
_ABOUT_FORMAT: Final = ("response_format", "json_schema", "output_config", "structured output", "guided", "schema")


class Asker(Protocol):
    """Who can be asked for a completion: the gateway."""

    async def complete(self, ask: Ask) -> Completion: ...


@frozen
class Heard:
    """A member's vote and what was to be warned of on the way; `sample` is which of several answers this is."""

    seat: Seat
    vote: Vote
    warnings: tuple[str, ...] = ()
    sample: int | None = None


@frozen
class Member:
    """Asks one model, at most three times: with the schema, without where that was refused, and once to repair."""

    asker: Asker
    seat: Seat
    question: Question
    prompt: Prompt
    decision_id: str
    now: Callable[[], float]
    sample: int | None = None

    async def vote(self) -> Heard:
        """This member's vote; raises nothing but cancellation, and OutcryError where a run does not tell it."""
        started = self.now()
        try:
            return await self._asked(started)
        except OutcryError as error:
            if is_unread(error):
                # Nobody abstained: what this member said is not known.
                raise
            vote = self._failed(error)
        except Exception:
            # One member's bug must not sink the panel; it is ours all the same, so it is logged as one.
            log.exception("panel member failed", extra={"member": self.seat.name, "decision_id": self.decision_id})
            vote = absent(self.seat, VoteStatus.ERROR, Code.INTERNAL.value)
        return Heard(self.seat, replace(vote, latency=self.now() - started), sample=self.sample)

    async def _asked(self, started: float) -> Heard:
        completion = await self._strongest()
        heard = self._judged(completion, started)
        if heard.vote.status is not VoteStatus.INVALID or self.question.on_invalid != "repair_once":
            return heard
        return await self._repaired(completion, heard, started)

    async def _strongest(self) -> Completion:
        try:
            return await self._complete(self.prompt.messages, {"response_format": dict(RESPONSE_FORMAT)})
        except OutcryError as error:
            if not refuses_format(error):
                raise
            refused = error
        return billed_after(refused, await self._complete(self.prompt.messages, {}, ".prompt"))

    async def _repaired(self, first: Completion, heard: Heard, started: float) -> Heard:
        """The one re-ask, quoting what was wrong; the first verdict stands when it fails."""
        messages = [
            *self.prompt.messages,
            {"role": "assistant", "content": first.response.text[:MAX_QUOTE] or "(empty)"},
            {"role": "user", "content": _complaint(heard.vote)},
        ]
        parameters = {} if first.rung is None else {"response_format": dict(RESPONSE_FORMAT)}
        try:
            again = self._judged(await self._complete(messages, parameters, ".repair"), started)
        except OutcryError as error:
            if is_unread(error):
                raise
            cost = with_trail(heard.vote.cost_usd, error)
            vote = replace(heard.vote, cost_usd=cost, latency=self.now() - started)
            warning = f"repair of {self.seat.name} failed: {error.code.value}"
            return replace(heard, vote=vote, warnings=(*heard.warnings, warning))
        status = VoteStatus.REPAIRED if again.vote.is_valid else again.vote.status
        cost = summed((heard.vote.cost_usd, again.vote.cost_usd))
        return replace(again, vote=replace(again.vote, status=status, cost_usd=cost))

    async def _complete(self, messages: Sequence[JSON], parameters: Mapping[str, Any], suffix: str = "") -> Completion:
        question = self.question
        number = self.seat.number if self.sample is None else f"{self.seat.number}s{self.sample}"
        return await self.asker.complete(
            Ask(
                request=ChatRequest(messages, parameters),
                request_id=f"{question.request_id}.{number}{suffix}",
                deadline=question.deadline,
                model=self.seat.name,
                agent_id=question.agent_id,
                config_id=self.seat.config_id,
                policy=question.policy,
                # A pinned seat is one model's; somebody else's answer in it would be a second vote of his.
                allow_failover="/" not in self.seat.name,
                priority=question.priority,
                caller=question.caller,
                route="decisions",
                decision_id=self.decision_id,
                symbol=question.symbol,
                variant=question.variant,
                metadata=question.metadata,
                enforces_format=False,
                # The same answer again would be no second sample.
                cache=question.cache if self.sample is None else CacheMode.OFF,
                as_of=_demanded(question.hindsight),
                hedge=question.hedge,
            )
        )

    def _judged(self, completion: Completion, started: float) -> Heard:
        question, seat = self.question, self.seat
        answer = answer_of(completion.response)
        parsed = parse_answer(answer, question.symbol, side=question.side)
        status, reason, opinion, ratio = parsed.status, parsed.reason, None, None
        violations: tuple[RuleViolation, ...] = ()
        if parsed.opinion is not None:
            checked = self._checked(parsed.opinion, parsed.percents)
            violations = checked.violations
            if parsed.trace.warnings:
                violations = (*violations, *_confidence_notes(parsed.trace))
            if checked.is_valid:
                opinion, ratio = checked.opinion, risk_reward_of(checked.opinion, question.market)
            else:
                status, reason = VoteStatus.INVALID, checked.reason
        warnings = (*completion.response.warnings, *completion.warnings)
        vote = Vote(
            provider=completion.target.provider,
            model=completion.target.model,
            status=status,
            reason=reason,
            opinion=opinion,
            violations=violations,
            parse=parsed.trace,
            latency=self.now() - started,
            cost_usd=completion.cost_usd,
            usage=completion.usage,
            raw_answer=answer.text,
            rung=str(completion.rung or Rung.PROMPT),
            stage=seat.stage,
            role=seat.role,
            risk_reward=ratio,
        )
        return Heard(seat, vote, tuple(dict.fromkeys(warnings)) if warnings else (), self.sample)

    def _checked(self, opinion: Opinion, percents: Mapping[str, float]) -> Checked:
        question = self.question
        strictness = Strictness(question.on_violation == "clamp", question.convert_percent_stops)
        return check(opinion, question.market, strictness, percents)

    def _failed(self, error: OutcryError) -> Vote:
        status = VoteStatus.TIMEOUT if error.code in _TIMEOUTS else VoteStatus.ERROR
        vote = absent(self.seat, status, f"{error.code.value}: {error.message}")
        vote = replace(vote, cost_usd=error.trail.cost_usd)
        if error.trail.target is not None:
            vote = replace(vote, provider=error.trail.target.provider, model=error.trail.target.model)
        return vote


def _demanded(as_of: AsOf | None) -> AsOf | None:
    """What routing has to see to: who may sit is settled by now, and what is only warned of stands in the vote."""
    return None if as_of is None or not as_of.only_clean else replace(as_of, mode=AsOfMode.FILTER)


def answer_of(response: ChatResponse) -> Answer:
    """What is to be read of a response."""
    message = response.message
    refusal, arguments = message.get("refusal"), tuple[object, ...]()
    if calls := message.get("tool_calls"):
        arguments = tuple(
            [call["function"].get("arguments") for call in calls if isinstance(call.get("function"), dict)]
        )
    return Answer(response.text, response.finish_reason, refusal if isinstance(refusal, str) else None, arguments)


def refuses_format(error: OutcryError) -> bool:
    """Whether a provider, or routing, turned the request down because of the schema."""
    told = f"{error.param or ''} {error.message}".lower()
    return error.code in _REFUSED_PARAMETER and any(word in told for word in _ABOUT_FORMAT)


def with_trail(cost: Decimal | None, error: OutcryError) -> Decimal | None:
    """Dollars with those of a request that failed; one that was billed nothing adds nothing."""
    return cost if error.trail.cost_usd is None else summed((cost, error.trail.cost_usd))


def billed_after(error: OutcryError, completion: Completion) -> Completion:
    """The completion at the price of both, where the one before it failed."""
    if error.trail.cost_usd is None:
        return completion
    return replace(completion, cost_usd=with_trail(completion.cost_usd, error))


def is_unread(error: OutcryError) -> bool:
    """Whether what was answered stands in a run that does not hold it, or cannot be read now."""
    return error.code is Code.REPLAY_MISS or isinstance(error, RunUnread)


def _complaint(vote: Vote) -> str:
    wrong = [f"{v.field}: {v.code}: {v.message}" for v in vote.violations if v.severity is Severity.ERROR]
    return repair_text(wrong or [str(vote.reason)])


def _confidence_notes(trace: ParseTrace) -> list[RuleViolation]:
    return [
        broken(warning, "confidence", "not a plain number from 0 to 1")
        for warning in trace.warnings
        if warning in ("confidence_rescaled", "confidence_worded", "confidence_exactly_one")
    ]
