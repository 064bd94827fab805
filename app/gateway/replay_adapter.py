"""A provider that is not there: one recorded exchange behind the port of every adapter. It asks nobody."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

from app.domain.chat import JSON, Call, ChatChunk, ChatResponse, Credential
from app.domain.embedding import EmbedCall, Embeddings
from app.domain.errors import FailureKind, OutcryError, ProviderError
from app.gateway.exchanges import chunk_of, error_of, response_of


class ReplayAdapter:
    """Says again what was said in `exchange`; `ending` is what the question ended with when the call was cut off."""

    def __init__(self, exchange: JSON, ending: JSON | None) -> None:
        self._exchange = exchange
        self._ending = ending

    async def complete(self, call: Call) -> ChatResponse:  # noqa: ARG002 - what is asked was compared before
        if self._exchange["response"] is None:
            raise self._failure()
        return response_of(self._exchange["response"])

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncGenerator[AsyncIterator[ChatChunk]]:  # noqa: ARG002
        async with aclosing(self._chunks()) as chunks:
            yield chunks

    async def models(self, credential: Credential) -> Sequence[str]:  # noqa: ARG002
        return ()

    def supports(self, model: str) -> frozenset[str]:  # noqa: ARG002
        return frozenset()

    def unheeded(self, call: Call | EmbedCall) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    async def embed(self, call: EmbedCall) -> Embeddings:  # noqa: ARG002
        raise ProviderError(FailureKind.UNSUPPORTED, "embeddings are not recorded", param="model")

    async def count_tokens(self, call: Call) -> int | None:  # noqa: ARG002
        return None

    async def probe(self, credential: Credential) -> None:
        """Nobody is there to be reached."""

    async def _chunks(self) -> AsyncGenerator[ChatChunk]:
        for plain in self._exchange["chunks"] or ():
            yield chunk_of(plain)
        if self._exchange["outcome"] != "ok":
            raise self._failure()

    def _failure(self) -> OutcryError:
        plain = self._exchange["error"] or self._ending
        if plain is None:
            return ProviderError(FailureKind.CANCELLED, "the recorded call was cut off")
        return error_of(plain)
