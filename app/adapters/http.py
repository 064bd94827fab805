"""The Adapter port for providers that are reached over HTTP: a codec over a sender."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from time import time
from typing import Final

import httpx

from app.adapters.allowance import OPENAIS, LimitHeaders, allowance_of
from app.adapters.billed import billed
from app.adapters.codec import Codec, Framing, NoSuchWire, WireRequest, named_in
from app.adapters.http_sender import HOP_HEADER, Sender, close
from app.adapters.http_stream import ChatStream
from app.adapters.pictures import PictureSource, inlined
from app.adapters.whole import told
from app.domain.chat import Call, ChatChunk, ChatResponse, Credential, Timeouts
from app.domain.embedding import EmbedCall, Embeddings
from app.domain.errors import FailureKind, ProviderError

__all__ = ["HOP_HEADER", "HTTPAdapter"]

_LISTING: Final = 10.0
# Seconds until a server that had one wire only is asked for the other again: it may have been updated.
_REMEMBERED: Final = 3600.0


class HTTPAdapter:
    """The Adapter port for providers that are reached over HTTP. Raises ProviderError and nothing else.

    `wall`: seconds since the epoch, for limits whose resets are stated as moments.
    """

    def __init__(
        self,
        codec: Codec,
        base_url: str,
        transport: httpx.AsyncBaseTransport,
        *,
        provider: str,
        headers: Mapping[str, str] | None = None,
        connect_timeout: float = 2.0,
        pictures: PictureSource | None = None,
        limits: LimitHeaders = OPENAIS,
        wall: Callable[[], float] = time,
    ) -> None:
        self._codec = codec
        self._sender = Sender(base_url, transport, provider=provider, headers=headers or {})
        self._connect_timeout = connect_timeout
        self._pictures = pictures
        self._limits = limits
        self._wall = wall
        self._one_wire_until = 0.0

    async def complete(self, call: Call) -> ChatResponse:
        """One whole answer, within `timeouts.total`."""
        codec = self._codec_for(call)
        try:
            return await self._complete(codec, call)
        except NoSuchWire:
            self._has_one_wire()
        return await self._complete(self._codec, call)

    def stream(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[ChatChunk]]:
        """One streamed answer; entering waits for the response's head, leaving closes the connection."""
        return self._stream(call)

    def supports(self, model: str) -> frozenset[str]:
        """What the dialect has words for with this model."""
        return self._codec.supports(model)

    def unheeded(self, call: Call | EmbedCall) -> tuple[str, ...]:
        """The parameters that the codec warns of, or will not encode."""
        try:
            return named_in(self._warnings(call), call.request.parameters)
        except ProviderError as error:
            name = re.split(r"[.\[]", error.param or "", maxsplit=1)[0]
            return (name,) if name in call.request.parameters else ()

    async def embed(self, call: EmbedCall) -> Embeddings:
        """One vector per input, within `timeouts.total`."""
        codec = self._codec.embedding
        if codec is None:
            raise ProviderError(FailureKind.UNSUPPORTED, "this provider does not embed", param="model")
        wire = codec.encode(call)
        _, body = await self._sender.ask(self._codec, wire, call.credential, call.timeouts)
        try:
            embeddings = codec.decode(body, call)
        except ProviderError as error:
            error.usage = billed(body)
            raise self._sender.named(error, call.credential) from None
        return replace(embeddings, warnings=wire.warnings + embeddings.warnings) if wire.warnings else embeddings

    async def count_tokens(self, call: Call) -> int | None:
        """The provider's own count of the prompt, within `timeouts.total`; None where it has none."""
        speaking = self._codec_for(call)
        codec = speaking.counting
        if codec is None:
            return None
        call = await self._with_pictures(speaking, call)
        _, body = await self._sender.ask(speaking, codec.encode(call), call.credential, call.timeouts)
        try:
            return codec.decode(body)
        except ProviderError as error:
            raise self._sender.named(error, call.credential) from None

    async def models(self, credential: Credential) -> Sequence[str]:
        """The provider's own list of model ids."""
        timeouts = Timeouts(connect=self._connect_timeout, total=_LISTING)
        codec = self._codec
        status, headers, body = await self._sender.exchange(codec, codec.models_request(), credential, timeouts)
        try:
            if status != 200:
                raise self._sender.refused(codec, status, headers, body, credential)
            return codec.decode_models(body)
        except ProviderError as error:
            raise self._sender.named(error, credential) from None

    async def probe(self, credential: Credential) -> None:
        """Ask for the list of models, within the connect timeout; a server without such a list is alive too."""
        timeouts = Timeouts(connect=self._connect_timeout, total=self._connect_timeout)
        codec = self._codec
        status, headers, body = await self._sender.exchange(codec, codec.models_request(), credential, timeouts)
        if status not in (200, 404, 405, 501):
            raise self._sender.named(self._sender.refused(codec, status, headers, body, credential), credential)

    def _warnings(self, call: Call | EmbedCall) -> tuple[str, ...]:
        if isinstance(call, Call):
            return self._codec_for(call).encode(call, stream=False).warnings
        embedding = self._codec.embedding
        return () if embedding is None else embedding.encode(call).warnings

    def _codec_for(self, call: Call) -> Codec:
        """The codec of this call's wire, unless the server turned out to have only one."""
        if self._one_wire_until and self._one_wire_until > asyncio.get_running_loop().time():
            return self._codec
        return self._codec.for_call(call)

    def _has_one_wire(self) -> None:
        self._one_wire_until = asyncio.get_running_loop().time() + _REMEMBERED

    async def _complete(self, codec: Codec, call: Call) -> ChatResponse:
        call = await self._with_pictures(codec, call)
        return await self._whole(codec, codec.encode(call, stream=False), call)

    async def _whole(self, codec: Codec, wire: WireRequest, call: Call) -> ChatResponse:
        headers, body = await self._sender.ask(codec, wire, call.credential, call.timeouts)
        try:
            response = codec.decode(body)
        except ProviderError as error:
            error.usage = billed(body)
            raise self._sender.named(error, call.credential) from None
        allowance = allowance_of(self._limits, headers, wall=self._wall())
        if allowance is None and not wire.warnings:
            return response
        return replace(response, warnings=wire.warnings + response.warnings, allowance=allowance)

    async def _with_pictures(self, codec: Codec, call: Call) -> Call:
        """The call with its pictures' bytes, where the dialect takes no URLs."""
        if self._pictures is None or not codec.inlines_images or not call.request.has_images:
            return call
        return await inlined(call, self._pictures)

    @asynccontextmanager
    async def _stream(self, call: Call) -> AsyncGenerator[AsyncIterator[ChatChunk], None]:
        timeouts = call.timeouts
        started = asyncio.get_running_loop().time()
        first_token_at = started + min(timeouts.first_token, timeouts.total)
        codec = self._codec_for(call)
        async with AsyncExitStack() as stack:
            try:
                chunks = await stack.enter_async_context(self._streamed(codec, call, first_token_at))
            except NoSuchWire:
                self._has_one_wire()
                chunks = await stack.enter_async_context(self._streamed(self._codec, call, first_token_at))
            yield chunks

    @asynccontextmanager
    async def _streamed(
        self, codec: Codec, call: Call, first_token_at: float
    ) -> AsyncGenerator[AsyncIterator[ChatChunk], None]:
        timeouts = call.timeouts
        call = await self._with_pictures(codec, call)
        wire = codec.encode(call, stream=True)
        if wire.is_whole:
            async with aclosing(told(await self._whole(codec, wire, call))) as parts:
                yield parts
            return
        sender = self._sender
        response = await sender.send(codec, wire, call.credential, timeouts, until=first_token_at, timer="first token")
        chunks: ChatStream | None = None
        try:
            try:
                if response.status_code != 200 or not _is_stream(response.headers, codec.framing):
                    raise await sender.no_stream(codec, response, first_token_at, call.credential)
            except ProviderError as error:
                raise sender.named(error, call.credential) from None
            chunks = ChatStream(
                aiter(response.stream),  # type: ignore[arg-type] # httpx types it as sync or async
                codec.stream_decoder(),
                framing=codec.framing,
                first_token_at=first_token_at,
                idle=timeouts.idle,
                named=lambda error: sender.named(error, call.credential),
                secret=secret.get_secret_value() if (secret := call.credential.secret) else "",
                warnings=wire.warnings,
                allowance=allowance_of(self._limits, response.headers, wall=self._wall()),
            )
            yield chunks
        finally:
            await close(response, chunks)


def _is_stream(headers: Mapping[str, str], framing: Framing) -> bool:
    return headers.get("content-type", "").lower().startswith(framing.value)
