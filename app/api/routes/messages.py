"""Anthropic's wire: messages and the count of their tokens, each a plain function of the exchange."""

from __future__ import annotations

from app.api import anthropic_wire
from app.api.anthropic_answer import rendered
from app.api.anthropic_stream import AnthropicStream
from app.api.body import OPENAI_LIMIT, read_object
from app.api.completions import answer, intent_of, live, plan_headers, stream, warning_headers
from app.api.exchange import Exchange
from app.api.watch import Watch
from app.domain.errors import OutcryError


async def create_message(exchange: Exchange) -> None:
    """`POST /v1/messages`."""
    intent = intent_of(exchange)
    body = await read_object(exchange, OPENAI_LIMIT)
    ask = anthropic_wire.ask_of(body, intent, exchange)
    try:
        if body.get("stream"):
            await stream(exchange, ask, AnthropicStream(exchange.request_id), warn=True)
        else:
            await answer(exchange, ask, rendered, warn=True)
    except OutcryError as error:
        raise anthropic_wire.told(error, body) from None


async def count_tokens(exchange: Exchange) -> None:
    """`POST /v1/messages/count_tokens`; a header says who counted."""
    intent = live(intent_of(exchange))
    body = await read_object(exchange, OPENAI_LIMIT)
    ask = anthropic_wire.ask_of(body, intent, exchange, counts=True)
    try:
        count = await Watch(exchange).run(exchange.services.gateway.count_tokens(ask))
    except OutcryError as error:
        raise anthropic_wire.told(error, body) from None
    exchange.overhead = count.overhead
    headers = plan_headers(count.target, count.attempts, count.overhead, is_fallback=False)
    headers.append((b"x-outcry-token-source", count.source.value.encode()))
    headers += warning_headers(exchange, count.warnings)
    await exchange.answer_json({"input_tokens": count.tokens}, headers)
