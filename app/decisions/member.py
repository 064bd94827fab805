"""One member of a panel: asked, read, judged; whatever goes wrong becomes an abstention with its reason."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, Protocol

from app.decisions.parsing import Answer, Parsed, parse_answer
from app.decisions.prompts import RESPONSE_FORMAT, Prompt
from app.decisions.question import Question
from app.decisions.validation import Strictness, check
from app.domain.attempt import Ask, Completion
from app.domain.chat import JSON, ChatRequest, ChatResponse
from app.domain.decision import ParseTrace, RuleViolation, Severity, Vote, VoteStatus
from app.domain.errors import Code, OutcryError
from app.domain.structured import Rung

log = logging.getLogger(__name__)

_TIMEOUTS: Final = frozenset((Code.PROVIDER_TIMEOUT, Code.DEADLINE_EXCEEDED))
_REFUSED_PARAMETER: Final = frozenset((Code.INVALID_REQUEST, Code.UNSUPPORTED_PARAMETER))
_ABOUT_FORMAT: Final = ("response_format", "json_schema", "output_config", "structured output", "guided", "schema")


class Asker(Protocol):
    """Who can be asked for a completion: the gateway."""

    async def complete(self, ask: Ask) -> Completion: ...


@dataclass(frozen=True, slots=True)
class Seat:
    """A member's place: its number in the panel and the model name it is asked by."""

    number: int
    name: str

    @property
    def provider(self) -> str:
        """The provider's name as far as the model name tells it, "" for names that are routed (`auto`)."""
        return self.name.partition("/")[0] if "/" in self.name else ""

    @property
    def model(self) -> str:
        """The model's name without its provider."""
        return self.name.partition("/")[2] or self.name


@dataclass(frozen=True, slots=True)
class Heard:
    """A member's vote and what was to be warned of on the way."""

    seat: Seat
    vote: Vote
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """Asks one model, at most three times: with the schema, without where that was refused, and once to repair."""

    asker: Asker
    seat: Seat
    question: Question
    prompt: Prompt
    decision_id: str
    now: Callable[[], float]

    async def vote(self) -> Heard:
        """This member's vote; raises nothing but cancellation, and OutcryError where a run does not hold it."""
        started = self.now()
        try:
            heard = await self._asked()
        except OutcryError as error:
            if error.code is Code.REPLAY_MISS:
                # Nobody abstained: what this member said is not known.
                raise
            heard = self._failed(error)
        except Exception:
            # One member's bug must not sink the panel; it is ours all the same, so it is logged as one.
            log.exception("panel member failed", extra={"member": self.seat.name, "decision_id": self.decision_id})
            heard = Heard(self.seat, absent(self.seat, VoteStatus.ERROR, Code.INTERNAL.value))
        return replace(heard, vote=replace(heard.vote, latency=self.now() - started))

    async def _asked(self) -> Heard:
        completion = await self._strongest()
        heard = self._judged(completion)
        if heard.vote.status is not VoteStatus.INVALID or self.question.on_invalid != "repair_once":
            return heard
        return await self._repaired(completion, heard)

    async def _strongest(self) -> Completion:
        try:
            return await self._complete(self.prompt.messages, {"response_format": dict(RESPONSE_FORMAT)})
        except OutcryError as error:
            if not _refuses_format(error):
                raise
        return await self._complete(self.prompt.messages, {}, ".prompt")

    async def _repaired(self, first: Completion, heard: Heard) -> Heard:
        """The one re-ask, quoting what was wrong; the first verdict stands when it fails."""
        messages = [
            *self.prompt.messages,
            {"role": "assistant", "content": first.response.text or "(empty)"},
            {"role": "user", "content": _complaint(heard.vote)},
        ]
        parameters = {} if first.rung is None else {"response_format": dict(RESPONSE_FORMAT)}
        try:
            again = self._judged(await self._complete(messages, parameters, ".repair"))
        except OutcryError as error:
            if error.code is Code.REPLAY_MISS:
                raise
            return replace(heard, warnings=(*heard.warnings, f"repair of {self.seat.name} failed: {error.code.value}"))
        status = VoteStatus.REPAIRED if again.vote.is_valid else again.vote.status
        cost = _sum(heard.vote.cost_usd, again.vote.cost_usd)
        return replace(again, vote=replace(again.vote, status=status, cost_usd=cost))

    async def _complete(self, messages: Sequence[JSON], parameters: Mapping[str, Any], suffix: str = "") -> Completion:
        question = self.question
        return await self.asker.complete(
            Ask(
                request=ChatRequest(messages, parameters),
                request_id=f"{question.request_id}.{self.seat.number}{suffix}",
                deadline=question.deadline,
                model=self.seat.name,
                agent_id=question.agent_id,
                policy=question.policy,
                # A pinned seat is one model's; somebody else's answer in it would be a second vote of his.
                allow_failover="/" not in self.seat.name,
                priority=question.priority,
                caller=question.caller,
                route="decisions",
                decision_id=self.decision_id,
                metadata=question.metadata,
                enforces_format=False,
                cache=question.cache,
                hedge=question.hedge,
            )
        )

    def _judged(self, completion: Completion) -> Heard:
        question = self.question
        parsed = parse_answer(_answer(completion.response), question.symbol, side=question.side)
        vote = Vote(
            provider=completion.target.provider,
            model=completion.target.model,
            status=parsed.status,
            reason=parsed.reason,
            parse=parsed.trace,
            cost_usd=completion.cost_usd,
            usage=completion.usage,
            raw_answer=completion.response.text,
            rung=(completion.rung or Rung.PROMPT).value,
        )
        warnings = (*completion.response.warnings, *completion.warnings)
        return Heard(self.seat, self._checked(vote, parsed), tuple(dict.fromkeys(warnings)))

    def _checked(self, vote: Vote, parsed: Parsed) -> Vote:
        if parsed.opinion is None:
            return vote
        question = self.question
        strictness = Strictness(question.on_violation == "clamp", question.convert_percent_stops)
        checked = check(parsed.opinion, question.market, strictness, parsed.percents)
        violations = (*checked.violations, *_confidence_notes(parsed.trace))
        if not checked.is_valid:
            return replace(vote, status=VoteStatus.INVALID, reason=checked.reason, violations=violations)
        return replace(vote, opinion=checked.opinion, violations=violations)

    def _failed(self, error: OutcryError) -> Heard:
        status = VoteStatus.TIMEOUT if error.code in _TIMEOUTS else VoteStatus.ERROR
        vote = absent(self.seat, status, f"{error.code.value}: {error.message}")
        if error.trail.target is not None:
            vote = replace(vote, provider=error.trail.target.provider, model=error.trail.target.model)
        return Heard(self.seat, vote)


def absent(seat: Seat, status: VoteStatus, reason: str | None) -> Vote:
    """The abstention of a member that gave no answer."""
    return Vote(provider=seat.provider, model=seat.model, status=status, reason=reason)


def _answer(response: ChatResponse) -> Answer:
    message = response.message
    calls = message.get("tool_calls") or ()
    arguments = [call["function"].get("arguments") for call in calls if isinstance(call.get("function"), dict)]
    refusal = message.get("refusal")
    return Answer(
        response.text, response.finish_reason, refusal if isinstance(refusal, str) else None, tuple(arguments)
    )


def _refuses_format(error: OutcryError) -> bool:
    """Whether a provider, or routing, turned the request down because of the schema."""
    told = f"{error.param or ''} {error.message}".lower()
    return error.code in _REFUSED_PARAMETER and any(word in told for word in _ABOUT_FORMAT)


def _complaint(vote: Vote) -> str:
    wrong = [f"- {v.field}: {v.code}: {v.message}" for v in vote.violations if v.severity is Severity.ERROR]
    return "\n".join(
        [
            "Your answer cannot be used:",
            *(wrong or [f"- {vote.reason}"]),
            "Answer once more with one JSON object as asked, corrected.",
        ]
    )


def _confidence_notes(trace: ParseTrace) -> list[RuleViolation]:
    return [
        RuleViolation(warning, Severity.WARNING, "confidence", "not a plain number from 0 to 1")
        for warning in trace.warnings
        if warning in ("confidence_rescaled", "confidence_worded", "confidence_exactly_one")
    ]


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one + other
