"""The one place that sends: a codec over a transport, with the timers and bounds of an attempt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import anyio
import httpx

from app.adapters.codec import Codec, WireRequest, bad_answer
from app.adapters.http_stream import ChatStream
from app.adapters.scrub import without
from app.domain.chat import Call, ChatChunk, ChatResponse, Credential, Timeouts
from app.domain.errors import FailureKind, ProviderError

HOP_HEADER: Final = "x-outcry-hop"
"""Marks our own requests, so that a gateway that is its own upstream refuses them."""

_CLOSING: Final = 1.0
_ERROR_BODY: Final = 256 * 1024
_BODY: Final = 20 * 1024 * 1024
_LISTING: Final = 10.0
_OUR_HEADERS: Final = {"user-agent": "outcry", HOP_HEADER: "1"}
# The caller's own fault keeps the provider's own words; everything else is said by whom.
_CALLERS_FAULT: Final = frozenset(
    {
        FailureKind.BAD_REQUEST,
        FailureKind.CONTEXT_LENGTH,
        FailureKind.CONTENT_POLICY,
        FailureKind.PAYLOAD_TOO_LARGE,
    }
)


class HTTPAdapter:
    """The Adapter port for providers that are reached over HTTP. Raises ProviderError and nothing else."""

    def __init__(
        self,
        codec: Codec,
        base_url: str,
        transport: httpx.AsyncBaseTransport,
        *,
        provider: str,
        headers: Mapping[str, str] | None = None,
        connect_timeout: float = 2.0,
    ) -> None:
        self._codec = codec
        self._base_url = base_url.rstrip("/")
        self._transport = transport
        self._provider = provider
        self._headers = {**_OUR_HEADERS, **(headers or {})}
        self._connect_timeout = connect_timeout
        self._urls: dict[str, httpx.URL] = {}

    async def complete(self, call: Call) -> ChatResponse:
        """One whole answer, within `timeouts.total`."""
        wire = self._codec.encode(call, stream=False)
        status, headers, body = await self._exchange(wire, call.credential, call.timeouts)
        try:
            if status != 200:
                raise self._refused(status, headers, body, call.credential)
            response = self._codec.decode(_meaningful(headers, body))
        except ProviderError as error:
            raise self._named(error, call.credential) from None
        if wire.warnings:
            return ChatResponse(
                response.completion, response.finish_reason, response.usage, wire.warnings + response.warnings
            )
        return response

    def stream(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[ChatChunk]]:
        """One streamed answer; entering waits for the response's head, leaving closes the connection."""
        return self._stream(call)

    async def models(self, credential: Credential) -> Sequence[str]:
        """The provider's own list of model ids."""
        timeouts = Timeouts(connect=self._connect_timeout, total=_LISTING)
        status, headers, body = await self._exchange(self._codec.models_request(), credential, timeouts)
        try:
            if status != 200:
                raise self._refused(status, headers, body, credential)
            return self._codec.decode_models(body)
        except ProviderError as error:
            raise self._named(error, credential) from None

    async def probe(self, credential: Credential) -> None:
        """Ask for the list of models, within the connect timeout; a server without such a list is alive too."""
        timeouts = Timeouts(connect=self._connect_timeout, total=self._connect_timeout)
        status, headers, body = await self._exchange(self._codec.models_request(), credential, timeouts)
        if status not in (200, 404, 405, 501):
            raise self._named(self._refused(status, headers, body, credential), credential)

    @asynccontextmanager
    async def _stream(self, call: Call) -> AsyncGenerator[AsyncIterator[ChatChunk], None]:
        wire = self._codec.encode(call, stream=True)
        timeouts = call.timeouts
        started = asyncio.get_running_loop().time()
        first_token_at = started + min(timeouts.first_token, timeouts.total)
        response = await self._send(wire, call.credential, timeouts, first_token_at, "first token")
        chunks: ChatStream | None = None
        try:
            try:
                if response.status_code != 200 or not _is_event_stream(response.headers):
                    raise await self._no_stream(response, first_token_at, call.credential)
            except ProviderError as error:
                raise self._named(error, call.credential) from None
            chunks = ChatStream(
                aiter(response.stream),  # type: ignore[arg-type] # httpx types it as sync or async
                self._codec.stream_decoder(),
                first_token_at=first_token_at,
                idle=timeouts.idle,
                named=lambda error: self._named(error, call.credential),
                warnings=wire.warnings,
            )
            yield chunks
        finally:
            await _close(response, chunks)

    async def _exchange(
        self, wire: WireRequest, credential: Credential, timeouts: Timeouts
    ) -> tuple[int, Mapping[str, str], bytes]:
        until = asyncio.get_running_loop().time() + timeouts.total
        response = await self._send(wire, credential, timeouts, until, "total")
        is_success = response.status_code == 200
        try:
            body = await _read(response, until, _BODY if is_success else _ERROR_BODY, tolerant=not is_success)
        except ProviderError as error:
            raise self._named(error, credential) from None
        finally:
            await _close(response, None)
        return response.status_code, response.headers, body

    async def _send(
        self, wire: WireRequest, credential: Credential, timeouts: Timeouts, until: float, timer: str
    ) -> httpx.Response:
        """The response's head, or a ProviderError; `until` is on the loop's clock."""
        headers = {**self._headers, **wire.headers, **self._codec.authorization(credential)}
        extensions = {"timeout": {"connect": timeouts.connect, "pool": timeouts.connect}}
        request = httpx.Request(
            wire.method, self._url(wire.path), headers=headers, content=wire.body or None, extensions=extensions
        )
        kind, message = FailureKind.UNREACHABLE, "unreachable"
        try:
            # asyncio's timeout, not anyio's scope: it costs a tenth, and this is the hot path.
            async with asyncio.timeout_at(until):
                return await self._transport.handle_async_request(request)
        except (httpx.ConnectTimeout, httpx.PoolTimeout):
            kind, message = FailureKind.TIMEOUT, f"no connection within {timeouts.connect:g} s (connect timer)"
        except (TimeoutError, httpx.TimeoutException):
            kind, message = FailureKind.TIMEOUT, f"no answer in time ({timer} timer)"
        except httpx.DecodingError as error:
            kind, message = FailureKind.BAD_ANSWER, str(error)
        except httpx.RemoteProtocolError as error:
            kind, message = FailureKind.BAD_ANSWER, f"no HTTP: {error}"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            message = f"unreachable: {error}"
        raise self._named(ProviderError(kind, message), credential)

    async def _no_stream(self, response: httpx.Response, until: float, credential: Credential) -> ProviderError:
        """Why there is no event stream in this response."""
        is_success = response.status_code == 200
        body = await _read(response, until, _ERROR_BODY, tolerant=True)
        if not is_success:
            return self._refused(response.status_code, response.headers, body, credential)
        try:
            self._codec.decode(_meaningful(response.headers, body))
        except ProviderError as error:
            return error
        return bad_answer("a whole completion came where a stream was asked for")

    def _refused(self, status: int, headers: Mapping[str, str], body: bytes, credential: Credential) -> ProviderError:
        if 400 <= status < 600:
            if credential.secret is not None:
                # Whole, before anything is cut: half a key would no longer be recognised.
                body = without(credential.secret.get_secret_value(), body.decode("utf-8", "replace")).encode()
            return self._codec.failure(status, headers, body)
        if 300 <= status < 400:
            return bad_answer(f"a redirect ({status}), which is not followed")
        return bad_answer(f"status {status} where 200 belongs")

    def _named(self, error: ProviderError, credential: Credential) -> ProviderError:
        """The error with the provider's name and without the key of this call."""
        message = error.message
        if credential.secret is not None:
            message = without(credential.secret.get_secret_value(), message)
        if error.kind not in _CALLERS_FAULT:
            status = f" {error.upstream_status}" if error.upstream_status else ""
            message = f"{self._provider}{status}: {message}"
        error.message = message[:500]
        error.args = (error.message,)
        return error

    def _url(self, path: str) -> httpx.URL:
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = httpx.URL(self._base_url + path)
        return url


def _is_event_stream(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").lower().startswith("text/event-stream")


def _meaningful(headers: Mapping[str, str], body: bytes) -> bytes:
    """The body of a 200, unless it can be no answer at all."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if not body.strip():
        raise bad_answer("an empty answer")
    if kind in ("text/html", "text/event-stream"):
        raise bad_answer(f"the answer is {kind}")
    return body.strip()


async def _read(response: httpx.Response, until: float, limit: int, *, tolerant: bool) -> bytes:
    """The body, at most `limit` bytes; `tolerant` takes what came where the rest is late, lost or too much."""
    body = bytearray()
    problem: ProviderError
    try:
        async with asyncio.timeout_at(until):
            async for chunk in response.stream:  # type: ignore[union-attr] # httpx types it as sync or async
                body += chunk
                if len(body) > limit:
                    break
        if len(body) <= limit:
            return bytes(body)
        problem = bad_answer(f"an answer of more than {limit} bytes")
    except TimeoutError:
        problem = ProviderError(FailureKind.TIMEOUT, "the answer did not end in time (total timer)")
    except httpx.DecodingError as error:
        problem = bad_answer(str(error))
    except (httpx.HTTPError, OSError) as error:
        kind = FailureKind.BAD_ANSWER if body else FailureKind.UNREACHABLE
        problem = ProviderError(kind, f"the connection broke after {len(body)} bytes of the answer: {error}")
    if tolerant:
        return bytes(body[:limit])
    raise problem


async def _close(response: httpx.Response, chunks: ChatStream | None) -> None:
    with anyio.move_on_after(_CLOSING, shield=True):
        if chunks is not None:
            await chunks.drain()
        await response.aclose()
