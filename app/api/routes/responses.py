"""OpenAI's Responses, each a plain function of the exchange."""

from __future__ import annotations

from app.api import responses_wire
from app.api.body import OPENAI_LIMIT, read_object
from app.api.completions import answer, intent_of, stream
from app.api.exchange import Exchange
from app.api.responses_answer import Frame, rendered
from app.api.responses_stream import ResponsesStream
from app.domain.errors import OutcryError


async def create_response(exchange: Exchange) -> None:
    """`POST /v1/responses`."""
    intent = intent_of(exchange)
    body = await read_object(exchange, OPENAI_LIMIT)
    ask = responses_wire.ask_of(body, intent, exchange)
    frame = Frame(body)
    try:
        if body.get("stream"):
            await stream(exchange, ask, ResponsesStream(frame, exchange.request_id), warn=True)
        else:
            await answer(exchange, ask, lambda completion: rendered(completion, frame), warn=True)
    except OutcryError as error:
        raise responses_wire.told(error) from None
