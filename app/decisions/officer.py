"""The risk officer: the rule, and where one is named a second model, which can only make things smaller."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from app.decisions.arrivals import Arrivals
from app.decisions.assessment import Assessment, RiskVerdict, stricter
from app.decisions.background import Background
from app.decisions.context import Account, Constraints, MarketContext
from app.decisions.exposure import fraction_of, per_fraction
from app.decisions.member import Asker, answer_of, billed_after, is_unread, refuses_format
from app.decisions.prompts import Prompt
from app.decisions.risk import assess
from app.decisions.risk_prompt import RESPONSE_FORMAT, officers_prompt
from app.decisions.risk_reading import read_assessment
from app.domain.attempt import Ask, Completion
from app.domain.caching import CacheMode
from app.domain.caller import LOCAL_CALLER, Caller
from app.domain.chat import ChatRequest
from app.domain.decision import Action, Opinion
from app.domain.errors import Code, DeadlineExceeded, OutcryError
from app.domain.routing import PolicyName, Priority
from app.domain.usage import money

log = logging.getLogger(__name__)

_SLACK: Final = 1 + 1e-9
_WORD: Final = "risk"
_LATE: Final = "no answer before the deadline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A decision to be judged by `deadline` (monotonic seconds), by the rule and by `model` where one is named."""

    opinion: Opinion
    deadline: float
    request_id: str
    market: MarketContext | None = None
    account: Account | None = None
    constraints: Constraints | None = None
    model: str | None = None
    agent_id: int | None = None
    policy: PolicyName | None = None
    priority: Priority = Priority.NORMAL
    caller: Caller = LOCAL_CALLER
    decision_id: str | None = None
    variant: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    cache: CacheMode = CacheMode.OFF
    hedge: bool | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """The assessment, and what asking for it cost: dollars and tokens; None is an unknown price.

    `template` is that of the prompt a model was asked with, None where none was.
    """

    assessment: Assessment
    cost_usd: Decimal | None = Decimal(0)
    tokens: int = 0
    template: Mapping[str, Any] | None = None

    def rendered(self) -> dict[str, Any]:
        """As JSON values."""
        template = None if self.template is None else dict(self.template)
        cost = None if self.cost_usd is None else money(self.cost_usd)
        return {**self.assessment.rendered(), "template": template, "cost_usd": cost}


class Officer:
    """Judges proposals. A model that is late, fails or cannot be read abstains: the rule alone, with a warning.

    Within a run `order` notes whether its word came; where that is scripted, one that was late is late again.
    """

    def __init__(
        self, asker: Asker, background: Background, now: Callable[[], float], order: Arrivals | None = None
    ) -> None:
        self._asker = asker
        self._background = background
        self._now = now
        self._order = order

    async def judged(self, proposal: Proposal) -> Judged:
        """The rule's assessment with the model's word, at the deadline at the latest.

        Raises nothing but cancellation, and OutcryError where a run does not hold the word, or is not read in time.

        A proposal that cannot become smaller (HOLD, or rejected by the rule) is not shown to the model.
        """
        rule = assess(proposal.opinion, proposal.market, proposal.constraints, proposal.account)
        is_settled = proposal.opinion.action is Action.HOLD or rule.verdict is RiskVerdict.REJECT
        if proposal.model is None or is_settled:
            return Judged(rule)
        prompt = officers_prompt(proposal.opinion, proposal.market, proposal.account)
        order = self._order or Arrivals()
        if not order.comes(_WORD):
            return Judged(_alone(rule, proposal.model, _LATE), template=prompt.template)
        # Whoever ignores its cancellation must not hold up the answer, so it is left behind rather than awaited.
        asked = self._background.start(self._asked(proposal, prompt))
        try:
            await asyncio.wait({asked}, timeout=max(proposal.deadline - self._now(), 0))
        finally:
            asked.cancel()
        if not asked.done() or asked.cancelled():
            if order.is_scripted:
                raise DeadlineExceeded("the deadline passed before the run was read")
            return Judged(_alone(rule, proposal.model, _LATE), None, template=prompt.template)
        order.came(_WORD)
        return replace(self._heard(proposal, rule, proposal.model, asked), template=prompt.template)

    def _heard(self, proposal: Proposal, rule: Assessment, model: str, asked: asyncio.Task[Completion]) -> Judged:
        error = asked.exception()
        if isinstance(error, OutcryError):
            if is_unread(error):
                # He did not abstain: what he said is not known.
                raise error
            alone = _alone(rule, model, f"{error.code.value}: {error.message}")
            return Judged(alone, Decimal(0) if error.trail.cost_usd is None else error.trail.cost_usd)
        if error is not None:
            log.error("risk officer failed", exc_info=error, extra={"request_id": proposal.request_id})
            return Judged(_alone(rule, model, Code.INTERNAL.value))
        completion = asked.result()
        target = completion.target
        heard = read_assessment(answer_of(completion.response), f"{target.provider}/{target.model}")
        if heard.assessment is None:
            assessment = _alone(rule, model, heard.reason or "no_verdict")
        else:
            assessment = _combined(rule, heard.assessment, proposal)
        return Judged(assessment, completion.cost_usd, completion.usage.total_tokens)

    async def _asked(self, proposal: Proposal, prompt: Prompt) -> Completion:
        try:
            return await self._complete(proposal, prompt, {"response_format": dict(RESPONSE_FORMAT)})
        except OutcryError as error:
            if not refuses_format(error):
                raise
            refused = error
        return billed_after(refused, await self._complete(proposal, prompt, {}, ".prompt"))

    async def _complete(
        self, proposal: Proposal, prompt: Prompt, parameters: Mapping[str, Any], suffix: str = ""
    ) -> Completion:
        model = proposal.model or "auto"
        return await self._asker.complete(
            Ask(
                request=ChatRequest(prompt.messages, parameters),
                request_id=f"{proposal.request_id}.risk{suffix}",
                deadline=proposal.deadline,
                model=model,
                agent_id=proposal.agent_id,
                policy=proposal.policy,
                # A named officer is that model; another one's word would pass for his.
                allow_failover="/" not in model,
                priority=proposal.priority,
                caller=proposal.caller,
                route="decisions",
                decision_id=proposal.decision_id,
                symbol=proposal.opinion.symbol,
                variant=proposal.variant,
                metadata=proposal.metadata,
                enforces_format=False,
                cache=proposal.cache,
                hedge=proposal.hedge,
            )
        )


def _combined(rule: Assessment, heard: Assessment, proposal: Proposal) -> Assessment:
    """Both together. Limits beat words: a proposal beyond the smaller limit is reduced, whatever was said."""
    both = stricter(rule, heard)
    opinion, market, account = proposal.opinion, proposal.market, proposal.account
    is_sized = opinion.size is not None
    if heard.verdict is RiskVerdict.REDUCE and is_sized and per_fraction(opinion, market, account) is None:
        reason = "size_not_comparable: it must shrink, and by how much nobody can tell"
        return replace(both, verdict=RiskVerdict.REJECT, risk_score=1.0, reasons=(reason, *both.reasons))
    fraction = fraction_of(opinion, market, account)
    most = both.max_fraction
    if both.verdict is RiskVerdict.APPROVE and fraction is not None and most is not None and fraction > most * _SLACK:
        return replace(both, verdict=RiskVerdict.REDUCE)
    return both


def _alone(rule: Assessment, model: str, reason: str) -> Assessment:
    return replace(rule, warnings=(*rule.warnings, f"risk_officer_abstained: {model}: {reason}; the rule alone"))
