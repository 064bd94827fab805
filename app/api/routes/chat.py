"""The completions: OpenAI's wire and ours, each a plain function of the exchange."""

from __future__ import annotations

from app.api import native_chat, openai_wire
from app.api.body import NATIVE_LIMIT, OPENAI_LIMIT, read_object
from app.api.completions import answer, intent_of, live, stream
from app.api.exchange import Exchange
from app.domain.attempt import Completion


async def chat_completions(exchange: Exchange) -> None:
    """`POST /v1/chat/completions`."""
    intent = intent_of(exchange)
    body = await read_object(exchange, OPENAI_LIMIT)
    ask = openai_wire.ask_of(body, intent, exchange)
    if body.get("stream"):
        wire = openai_wire.OpenAIStream(exchange.request_id, include_usage=openai_wire.wants_usage(body))
        await stream(exchange, ask, wire, warn=True)
    else:
        await answer(exchange, ask, lambda completion: completion.response.completion, warn=True)


async def chat(exchange: Exchange) -> None:
    """`POST /chat`."""
    intent = intent_of(exchange)
    tools = exchange.services.tools
    body = native_chat.read_chat(await read_object(exchange, NATIVE_LIMIT), tools)
    # What a tool of ours answers is not recorded, and a replay calls nobody.
    ask = native_chat.ask_of(body, live(intent) if body.registered else intent, exchange)
    rounds = tools.answering(body.registered) if body.registered else None
    calls = () if rounds is None else rounds.calls
    if body.stream:
        wire = native_chat.NativeStream(exchange.request_id, exchange.warnings, calls)
        await stream(exchange, ask, wire, warn=False, by=rounds)
    else:

        def render(completion: Completion) -> object:
            return native_chat.rendered(completion, exchange.warnings, calls)

        await answer(exchange, ask, render, warn=False, by=rounds)
