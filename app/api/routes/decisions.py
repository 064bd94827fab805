"""Decisions: asked of a panel, whole or as events, and read again later."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Final

import anyio
from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import JSONResponse

from app.api.admission import Admission, is_replay
from app.api.body import NATIVE_LIMIT, read_checked
from app.api.budget_headers import left_headers
from app.api.completions import CLOSING, replay_headers
from app.api.decision_wire import DecisionAnswer, DecisionBody, DecisionPage, question_of, read_decision
from app.api.deps import MAX_ID, CurrentExchange, CurrentServices, Cursor, Limit, body_of, described
from app.api.errors import Headers, encoded_error
from app.api.exchange import Exchange
from app.api.idempotency import REPLAYED, bound, read_key
from app.api.intent import read_intent
from app.api.outcome_wire import OutcomeAnswer, OutcomeBody, outcome_rendered, told_after
from app.api.sse import event
from app.api.watch import Watch
from app.decisions.question import Question
from app.decisions.repeat import Told
from app.decisions.service import DecisionEvent, VoteEvent
from app.decisions.wire import vote_event_rendered
from app.domain.decision import Decision
from app.domain.errors import NotFound, OutcryError
from app.domain.idempotency import RequestKey
from app.domain.usage import money

router = APIRouter(prefix="/decisions", tags=["decisions"])

_OUTCOME: Final = {
    "outcome_id": "fill-5f0c9d2e",
    "kind": "realized",
    "observed_at": "2026-11-20T18:15:00Z",
    "entry_price": 64231.5,
    "exit_price": 64688.0,
    "fees": 1.2,
    "quantity": 0.01,
    "currency": "USDT",
    "exit_reason": "take_profit",
}


async def decide(exchange: Exchange) -> None:
    """`POST /decisions`."""
    intent = read_intent(exchange.headers)
    key = read_key(exchange)
    wrong_panel = exchange.services.decisions.wrong_panel
    content, body = await read_checked(
        exchange, NATIVE_LIMIT, lambda said: (said, read_decision(said, wrong_panel)), "market"
    )
    question = question_of(body, intent, exchange)
    exchange.agent_id = question.agent_id
    if key is not None:
        await _decide_once(exchange, await bound(key, exchange, content, intent), question, streamed=body.stream)
        return
    if body.stream:
        await _stream(exchange, question)
        return
    made = await Watch(exchange).run(_decided(exchange, question))
    decision = made.decision
    headers = _headers(decision) + left_headers(exchange, [vote.provider for vote in decision.votes])
    await exchange.answer_json(made.answer, headers)


def _with_its_question(exchange: Exchange, content: dict[str, Any]) -> tuple[dict[str, Any], DecisionBody]:
    return content, read_decision(content, exchange.services.decisions.wrong_panel)


async def _decided(exchange: Exchange, question: Question) -> DecisionEvent:
    async with _admission(exchange, question) as admission:
        made = await exchange.services.decisions.answered(question)
        _counted(admission, made.decision)
    return made


async def _stream(exchange: Exchange, question: Question) -> None:
    exchange.error_form = partial(_error_event, exchange)
    watch = Watch(exchange, question.deadline)
    await watch.run(_pump(exchange, watch, question))


def _error_event(exchange: Exchange, error: OutcryError) -> bytes:
    return b"event: error\ndata: " + encoded_error(error, exchange.request_id) + b"\n\n"


async def _pump(exchange: Exchange, watch: Watch, question: Question) -> None:
    async with _admission(exchange, question) as admission:
        await _told(exchange, watch, question, admission)
    await exchange.push(b"", last=True)


async def _told(exchange: Exchange, watch: Watch, question: Question, admission: Admission) -> None:
    events = exchange.services.decisions.stream(question)
    try:
        async for happened in events:
            if not exchange.is_started:
                # Only now is it sure that the question was a good one.
                await exchange.start_stream(left_headers(exchange))
            if isinstance(happened, DecisionEvent):
                _counted(admission, happened.decision)
                await watch.push(event("decision", happened.answer))
            else:
                await watch.push(event("vote", vote_event_rendered(happened.vote, happened.sample)))
    finally:
        with anyio.move_on_after(CLOSING, shield=True):
            await events.aclose()


async def _decide_once(exchange: Exchange, key: RequestKey, question: Question, *, streamed: bool) -> None:
    """Under an idempotency key: asked once, told to everybody who comes with it."""
    events = exchange.services.idempotency.ask(key, question, partial(_asked, exchange))
    watch = Watch(exchange, question.deadline if streamed else None)
    if streamed:
        exchange.error_form = partial(_error_event, exchange)
        await watch.run(_retold(exchange, watch, events))
        return
    told = await watch.run(_last(events))
    headers = [REPLAYED] if told.is_replayed else _cost(told.body["cost_usd"])
    headers = headers + _of_run(told.body.get("decision_hash"), replayed=told.body.get("replayed") is True)
    headers += left_headers(exchange, [vote["provider"] for vote in told.body["votes"]])
    await exchange.answer_json(told.body, headers)


async def _asked(exchange: Exchange, question: Question) -> AsyncGenerator[VoteEvent | DecisionEvent]:
    """The panel itself, within the limits of its caller, who may have left by now."""
    async with (
        _admission(exchange, question) as admission,
        aclosing(exchange.services.decisions.stream(question)) as events,
    ):
        async for happened in events:
            if isinstance(happened, DecisionEvent):
                _counted(admission, happened.decision)
            yield happened


async def _last(events: AsyncGenerator[Told]) -> Told:
    async with aclosing(events):
        async for told in events:
            if told.name == "decision":
                return told
    raise AssertionError("a panel ends with its decision")


async def _retold(exchange: Exchange, watch: Watch, events: AsyncGenerator[Told]) -> None:
    async with aclosing(events):
        async for told in events:
            if not exchange.is_started:
                await exchange.start_stream([*([REPLAYED] if told.is_replayed else []), *left_headers(exchange)])
            await watch.push(event(told.name, told.body))
    await exchange.push(b"", last=True)


@router.get("", summary="Decisions on record, newest first", response_model=DecisionPage)
async def list_decisions(
    services: CurrentServices,
    limit: Limit = 50,
    cursor: Cursor = None,
    symbol: Annotated[str | None, Query(max_length=32)] = None,
    agent_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
) -> JSONResponse:
    """A page of decisions, each as it was answered."""
    items, following = await services.decisions.page(limit=limit, cursor=cursor, symbol=symbol, agent_id=agent_id)
    # Straight to JSON: the stored answer must come back as it is, not as a model of ours would put it.
    return JSONResponse({"items": items, "next": following})


@router.get("/{decision_id}", summary="A decision as it was answered", response_model=DecisionAnswer)
async def read_decision_again(
    decision_id: Annotated[str, Path(max_length=128)], exchange: CurrentExchange
) -> JSONResponse:
    """The decision; votes that came after it (`settle: all`) included.

    Once something became of it there are `outcomes` with their grades, the last observed first, and its `horizon`.
    With `x-outcry-agent`, another agent's decision is a 404.
    """
    agent_id, services = read_intent(exchange.headers).agent_id, exchange.services
    answer = await services.decisions.get(decision_id)
    if answer is None or agent_id not in (None, answer.get("agent_id")):
        raise NotFound(f"no decision {decision_id[:64]!r}")
    return JSONResponse({**answer, **told_after(await services.outcomes.of(decision_id, agent_id))})


@router.post(
    "/{decision_id}/outcome",
    openapi_extra=described(OutcomeBody, _OUTCOME),
    summary="Say what became of a decision; every vote is graded by it",
    response_model=OutcomeAnswer,
    status_code=201,
)
async def record_outcome(
    decision_id: Annotated[str, Path(max_length=128)],
    wanted: Annotated[OutcomeBody, Depends(body_of(OutcomeBody))],
    exchange: CurrentExchange,
) -> JSONResponse:
    """A 201 for a new `outcome_id`. For a known one a 200: the same body changes nothing, another is version + 1.

    A `realized` outcome counts before forward returns, then the one observed last. `rejected` and `expired` grade
    nothing. With `x-outcry-agent`, another agent's decision is a 404.
    """
    agent_id = read_intent(exchange.headers).agent_id
    graded = await exchange.services.outcomes.record(wanted.outcome(decision_id), agent_id=agent_id, by=exchange.author)
    return JSONResponse(outcome_rendered(graded), 201 if graded.is_new else 200)


def _admission(exchange: Exchange, question: Question) -> Admission:
    """A decision is one request, however many it asks; how much they will say, nobody knows before."""
    return Admission(
        exchange,
        agent_id=question.agent_id,
        expected=1,
        priority=question.priority,
        deadline=question.deadline,
        is_free=is_replay(question.replay),
    )


def _counted(admission: Admission, decision: Decision) -> None:
    admission.tokens = _tokens(decision)
    if decision.replayed:
        admission.forget()


def _tokens(decision: Decision) -> int:
    return sum(vote.usage.total_tokens for vote in decision.votes if vote.usage is not None)


def _headers(decision: Decision) -> Headers:
    headers = _cost(None if decision.cost_usd is None else str(decision.cost_usd))
    return headers + _of_run(decision.decision_hash, replayed=decision.replayed)


def _of_run(decision_hash: str | None, *, replayed: bool) -> Headers:
    """Of a decision that belongs to a run, its hash, and whether it was told again."""
    headers = [] if decision_hash is None else [(b"x-outcry-decision-hash", decision_hash.encode())]
    return headers + replay_headers(replayed=replayed)


def _cost(dollars: str | None) -> Headers:
    return [] if dollars is None else [(b"x-outcry-cost-usd", money(Decimal(dollars)).encode())]
