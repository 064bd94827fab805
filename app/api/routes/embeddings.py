"""OpenAI's embeddings, as a plain function of the exchange."""

from __future__ import annotations

import anyio.to_thread

from app.api import embeddings_wire
from app.api.admission import agent_of
from app.api.body import OPENAI_LIMIT, read_object
from app.api.completions import counted, intent_of, tell, uncached
from app.api.exchange import Exchange
from app.api.watch import Watch


async def embed(exchange: Exchange) -> None:
    """`POST /v1/embeddings`."""
    intent = uncached(intent_of(exchange))
    body = await read_object(exchange, OPENAI_LIMIT)
    ask = embeddings_wire.ask_of(body, intent, exchange)
    exchange.agent_id = agent_of(ask)
    completion = await Watch(exchange).run(counted(exchange, ask, exchange.services.gateway.embed))
    vectors, encoding = completion.response, embeddings_wire.encoding_of(body)
    if embeddings_wire.is_large(vectors):
        # Millions of numbers take as many tenths of a second to write; other requests shall not wait for that.
        answer = await anyio.to_thread.run_sync(embeddings_wire.rendered, vectors, completion.usage, encoding)
    else:
        answer = embeddings_wire.rendered(vectors, completion.usage, encoding)
    await tell(exchange, completion, answer, warn=True)
