"""The one place that sends: one request over a transport, with the timers and bounds of an attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import anyio
import httpx

from app.adapters.billed import billed
from app.adapters.codec import Codec, WireRequest, bad_answer
from app.adapters.http_stream import ChatStream
from app.adapters.scrub import blotted_bytes, spellings, without
from app.domain.chat import Credential, Timeouts
from app.domain.errors import FailureKind, ProviderError
from app.transport.connection import is_crowded
from app.waiting import Waiting

HOP_HEADER: Final = "x-outcry-hop"
"""Marks our own requests, so that a gateway that is its own upstream refuses them."""

_CLOSING: Final = 1.0
_ERROR_BODY: Final = 256 * 1024
_BODY: Final = 20 * 1024 * 1024
_MOST_URLS: Final = 1000
CROWDED_FOR: Final = 1.0
"""Seconds after which a caller may come again who found every connection to a provider in use."""
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


class Sender:
    """Sends wire requests to one provider. Raises ProviderError and nothing else, in which no key stands."""

    def __init__(
        self, base_url: str, transport: httpx.AsyncBaseTransport, *, provider: str, headers: Mapping[str, str]
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._transport = transport
        self._provider = provider
        self._headers = {**_OUR_HEADERS, **headers}
        self._urls: dict[str, httpx.URL] = {}

    async def ask(
        self, codec: Codec, wire: WireRequest, credential: Credential, timeouts: Timeouts
    ) -> tuple[Mapping[str, str], bytes]:
        """Headers and body of a success, within `timeouts.total`."""
        status, headers, body = await self.exchange(codec, wire, credential, timeouts)
        try:
            if status != 200:
                raise self.refused(codec, status, headers, body, credential)
            return headers, meaningful(headers, body)
        except ProviderError as error:
            error.usage = billed(body)
            raise self.named(error, credential) from None

    async def exchange(
        self, codec: Codec, wire: WireRequest, credential: Credential, timeouts: Timeouts
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of an answer of any status, within `timeouts.total`."""
        until = asyncio.get_running_loop().time() + timeouts.total
        response = await self.send(codec, wire, credential, timeouts, until=until, timer="total")
        is_success = response.status_code == 200
        try:
            body = await _read(response, until, _BODY if is_success else _ERROR_BODY, tolerant=not is_success)
        except ProviderError as error:
            raise self.named(error, credential) from None
        finally:
            await close(response, None)
        if is_success and credential.secret is not None:
            body = blotted_bytes(spellings(credential.secret.get_secret_value()), body)
        return response.status_code, response.headers, body

    async def send(
        self,
        codec: Codec,
        wire: WireRequest,
        credential: Credential,
        timeouts: Timeouts,
        *,
        until: float,
        timer: str,
    ) -> httpx.Response:
        """The response's head, or a ProviderError; `until` is on the loop's clock."""
        headers = {**self._headers, **wire.headers, **codec.authorization(credential)}
        extensions = {"timeout": {"connect": timeouts.connect, "pool": timeouts.connect}}
        request = httpx.Request(
            wire.method, self._url(wire.path), headers=headers, content=wire.body or None, extensions=extensions
        )
        kind, message, retry_after = FailureKind.UNREACHABLE, "unreachable", None
        waiting = Waiting()
        try:
            with waiting.until(until):
                return await self._transport.handle_async_request(request)
        except (TimeoutError, httpx.TimeoutException) as error:
            if isinstance(error, httpx.PoolTimeout) or is_crowded.get():
                # Our own shortage says nothing about the provider.
                kind, message, retry_after = FailureKind.CROWDED, "all connections are in use", CROWDED_FOR
            elif isinstance(error, httpx.ConnectTimeout):
                kind, message = FailureKind.TIMEOUT, f"no connection within {timeouts.connect:g} s (connect timer)"
            else:
                kind, message = FailureKind.TIMEOUT, f"no answer in time ({timer} timer)"
        except httpx.DecodingError as error:
            kind, message = FailureKind.BAD_ANSWER, str(error)
        except httpx.RemoteProtocolError as error:
            kind, message = FailureKind.BAD_ANSWER, f"no HTTP: {error}"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            message = f"unreachable: {error}"
        finally:
            waiting.close()
        raise self.named(ProviderError(kind, message, retry_after=retry_after), credential)

    async def no_stream(
        self, codec: Codec, response: httpx.Response, until: float, credential: Credential
    ) -> ProviderError:
        """Why there is no event stream in this response."""
        is_success = response.status_code == 200
        body = await _read(response, until, _ERROR_BODY, tolerant=True)
        if not is_success:
            return self.refused(codec, response.status_code, response.headers, body, credential)
        try:
            codec.decode(meaningful(response.headers, body))
        except ProviderError as error:
            return error
        return bad_answer("a whole completion came where a stream was asked for")

    def refused(
        self, codec: Codec, status: int, headers: Mapping[str, str], body: bytes, credential: Credential
    ) -> ProviderError:
        """What an answer that is no success means."""
        if 400 <= status < 600:
            if credential.secret is not None:
                # Whole, before anything is cut: half a key would no longer be recognised.
                body = without(credential.secret.get_secret_value(), body.decode("utf-8", "replace")).encode()
            return codec.failure(status, headers, body)
        if 300 <= status < 400:
            return bad_answer(f"a redirect ({status}), which is not followed")
        return bad_answer(f"status {status} where 200 belongs")

    def named(self, error: ProviderError, credential: Credential) -> ProviderError:
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
            if len(self._urls) >= _MOST_URLS:
                self._urls.clear()  # paths hold model names, and those come from callers
            try:
                url = self._urls[path] = httpx.URL(self._base_url + path)
            except httpx.InvalidURL:
                raise ProviderError(FailureKind.MODEL_NOT_FOUND, "the model's name makes no address") from None
        return url


def meaningful(headers: Mapping[str, str], body: bytes) -> bytes:
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
    waiting = Waiting()
    try:
        with waiting.until(until):
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
    finally:
        waiting.close()
    if tolerant:
        return bytes(body[:limit])
    body.clear()  # the error holds this frame, and this frame the error
    raise problem


async def close(response: httpx.Response, chunks: ChatStream | None) -> None:
    """Close an answer, at most a second long."""
    with anyio.move_on_after(_CLOSING, shield=True):
        if chunks is not None:
            await chunks.drain()
        await response.aclose()
