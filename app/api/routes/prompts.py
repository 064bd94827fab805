"""A decision's prompt, shown without asking anybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from app.api.body import NATIVE_LIMIT, read_checked
from app.api.decision_wire import Symbol, symbol_violations
from app.api.deps import CurrentExchange, described
from app.api.exchange import Exchange
from app.api.fields import Answer, Body, checked
from app.api.intent import Intent, read_intent
from app.api.native_chat import Name
from app.api.timing import deadline_of
from app.decisions.context import MarketContext
from app.decisions.question import Question
from app.decisions.rendering import MemberEstimate, Rendering, Template
from app.domain.errors import Violation
from app.domain.usage import money

router = APIRouter(prefix="/prompts", tags=["decisions"])

_TEMPLATES = "|".join(Template)


class RenderBody(Body):
    """What to render: a symbol and its market, for those models or for whoever would sit on the panel.

    `proposal` is the decision that a `risk_assessment` is about, any JSON object.
    """

    symbol: Symbol
    market: MarketContext
    models: list[Name] | None = None
    agent_id: int | None = Field(default=None, ge=1)
    template: str = Field(default=Template.DECISION.value, pattern=f"^({_TEMPLATES})$")
    proposal: dict[str, Any] | None = None


class EstimateRow(Answer):
    """What the prompt comes to at one member: `cost_usd` is the price of the prompt alone; null is unknown."""

    provider: str
    model: str
    input_tokens: int | None
    cost_usd: str | None


class RenderedPrompt(Answer):
    """The messages as they would be sent, what they are made of, and what they would cost."""

    messages: list[dict[str, Any]]
    template: dict[str, Any]
    injection_suspected: bool
    estimates: list[EstimateRow]
    warnings: list[str]


@router.post(
    "/render",
    openapi_extra=described(
        RenderBody,
        {
            "symbol": "BTC/USDT",
            "market": {"as_of": "2026-11-20T14:15:00Z", "timeframe": "intraday", "price": {"last": 64231.5}},
            "models": ["sandbox/trend"],
        },
    ),
    summary="The prompt of a decision and what it would cost; nobody is called",
    response_model=RenderedPrompt,
)
async def render(exchange: CurrentExchange) -> dict[str, Any]:
    """The same bytes that `POST /decisions` would send for this market.

    `template` may also be `pattern_recognition`, or `risk_assessment` with a `proposal`. A member that could not be
    asked now has no tokens, and the warnings say why.
    """
    body = await read_checked(exchange, NATIVE_LIMIT, _read, "market")
    question = _question_of(body, read_intent(exchange.headers), exchange)
    return _rendered(await exchange.services.prompts.render(question, Template(body.template), body.proposal))


def _read(body: dict[str, Any]) -> RenderBody:
    return checked(RenderBody, body, list(_violations(body)))


def _violations(body: Mapping[str, Any]) -> Iterator[Violation]:
    yield from symbol_violations(body)
    is_assessment = body.get("template") == Template.RISK_ASSESSMENT
    if is_assessment is not (body.get("proposal") is not None):
        yield Violation("proposal", "is needed for the template risk_assessment, and for no other")


def _question_of(body: RenderBody, intent: Intent, exchange: Exchange) -> Question:
    return Question(
        symbol=body.symbol,
        deadline=deadline_of(exchange, intent.deadline, None),
        arrived=exchange.arrived,
        request_id=exchange.request_id,
        market=body.market,
        agent_id=body.agent_id or intent.agent_id,
        models=None if body.models is None else tuple(body.models),
        as_of=intent.as_of,
        policy=intent.policy,
        caller=exchange.caller,
    )


def _rendered(rendering: Rendering) -> dict[str, Any]:
    prompt = rendering.prompt
    return {
        "messages": list(prompt.messages),
        "template": dict(prompt.template),
        "injection_suspected": prompt.injection_suspected,
        "estimates": [_row(member) for member in rendering.estimates],
        "warnings": list(rendering.warnings),
    }


def _row(member: MemberEstimate) -> dict[str, Any]:
    estimate = member.estimate
    if estimate is None:
        return {"provider": member.seat.provider, "model": member.seat.model, "input_tokens": None, "cost_usd": None}
    return {
        "provider": estimate.target.provider,
        "model": estimate.target.model,
        "input_tokens": estimate.input_tokens,
        "cost_usd": None if estimate.cost_usd is None else money(estimate.cost_usd),
    }
