"""Risk assessments: what a proposed decision may lose, by the rule and by a second model."""

from __future__ import annotations

from app.api.admission import Admission
from app.api.body import NATIVE_LIMIT, read_object
from app.api.budget_headers import left_headers
from app.api.completions import live
from app.api.exchange import Exchange
from app.api.intent import read_intent
from app.api.risk_wire import proposal_of, read_risk
from app.api.watch import Watch
from app.decisions.officer import Judged, Proposal
from app.domain.usage import money


async def assess(exchange: Exchange) -> None:
    """`POST /risk-assessments`."""
    intent = live(read_intent(exchange.headers))
    body = read_risk(await read_object(exchange, NATIVE_LIMIT))
    proposal = proposal_of(body, intent, exchange)
    exchange.agent_id = proposal.agent_id
    judged = await Watch(exchange).run(_judged(exchange, proposal))
    headers = [] if judged.cost_usd is None else [(b"x-outcry-cost-usd", money(judged.cost_usd).encode())]
    await exchange.answer_json(judged.rendered(), headers + left_headers(exchange))


async def _judged(exchange: Exchange, proposal: Proposal) -> Judged:
    """One request, whether a model is asked or the rule alone."""
    admission = Admission(
        exchange,
        agent_id=proposal.agent_id,
        expected=1,
        priority=proposal.priority,
        deadline=proposal.deadline,
    )
    async with admission:
        judged = await exchange.services.decisions.assess(proposal)
        admission.tokens = judged.tokens
    return judged
