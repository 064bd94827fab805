"""Prompts shown before they are asked: the messages, what they are made of, what they would cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from app.decisions.composition import PanelView, composed, prompted
from app.decisions.context import staleness
from app.decisions.prompts import RESPONSE_FORMAT, Prompt, pattern_prompt, risk_prompt
from app.decisions.question import Question
from app.decisions.seat import Seat
from app.domain.attempt import Ask
from app.domain.chat import ChatRequest
from app.domain.errors import Code, NotAdmitted, OutcryError
from app.gateway.estimates import Estimate


class Template(StrEnum):
    """What can be rendered from a market."""

    DECISION = "decision"
    PATTERN_RECOGNITION = "pattern_recognition"
    RISK_ASSESSMENT = "risk_assessment"


class Estimator(Protocol):
    """Says what an ask would come to, without asking; raises OutcryError where it has no target."""

    async def of(self, ask: Ask) -> Estimate: ...


@dataclass(frozen=True, slots=True)
class MemberEstimate:
    """What the prompt comes to at one member; without an estimate nobody could be asked there now."""

    seat: Seat
    estimate: Estimate | None


@dataclass(frozen=True, slots=True)
class Rendering:
    """A prompt as it would be sent, and what each member of the panel would read it for."""

    prompt: Prompt
    estimates: tuple[MemberEstimate, ...]
    warnings: tuple[str, ...]


class PromptRendering:
    """Renders what a question would be asked with; calls nobody and stores nothing."""

    def __init__(self, panels: PanelView, estimator: Estimator, wall: Callable[[], datetime]) -> None:
        self._panels = panels
        self._estimator = estimator
        self._wall = wall

    async def render(
        self, question: Question, template: Template, proposal: Mapping[str, Any] | None = None
    ) -> Rendering:
        """The rendering of a question that has a market; a risk assessment needs a proposal as well.

        Raises RequestRejected or NotFound, as the decision itself would.
        """
        members, warnings = self._members(question)
        prompt = _prompt(question, template, proposal or {})
        market = question.market
        stale = staleness(market, self._wall()) if market is not None and question.as_of is None else None
        warnings += [stale] if stale is not None else []
        estimates: list[MemberEstimate] = []
        for number, name in enumerate(members):
            seat = Seat(number, name)
            try:
                estimate = await self._estimator.of(_ask(question, prompt, seat, template))
            except OutcryError as error:
                warnings.append(f"no estimate for {name}: {error.message}")
                estimate = None
            warnings += estimate.warnings if estimate is not None else ()
            estimates.append(MemberEstimate(seat, estimate))
        return Rendering(prompt, tuple(estimates), tuple(dict.fromkeys([*prompt.warnings, *warnings])))

    def _members(self, question: Question) -> tuple[list[str], list[str]]:
        """Who would be asked, each once; nobody is no reason not to show the prompt."""
        try:
            composition = composed(question, self._panels)
        except NotAdmitted as error:
            if error.code is not Code.NO_TARGET:
                raise
            return [], [error.message]
        return list(dict.fromkeys(composition.members)), list(composition.warnings)


def _prompt(question: Question, template: Template, proposal: Mapping[str, Any]) -> Prompt:
    market = question.market
    if market is None or template is Template.DECISION:
        return prompted(question)
    if template is Template.PATTERN_RECOGNITION:
        return pattern_prompt(question.symbol, market)
    return risk_prompt(question.symbol, market, proposal)


def _ask(question: Question, prompt: Prompt, seat: Seat, template: Template) -> Ask:
    parameters = {"response_format": dict(RESPONSE_FORMAT)} if template is Template.DECISION else {}
    return Ask(
        request=ChatRequest(prompt.messages, parameters),
        request_id=question.request_id,
        deadline=question.deadline,
        model=seat.name,
        agent_id=question.agent_id,
        policy=question.policy,
        allow_failover="/" not in seat.name,
        priority=question.priority,
        caller=question.caller,
        route="prompts",
        enforces_format=False,
        cache=question.cache,
    )
