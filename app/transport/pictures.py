"""Pictures that callers name by URL, fetched so that nobody can look around inside our network with them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import anyio
import httpx

from app.domain.errors import FailureKind, ProviderError

MAX_REDIRECTS: Final = 3
_LONGEST_URL: Final = 4096
_CONNECTING: Final = 5.0
_CLOSING: Final = 1.0
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MEDIA_TYPES: Final = {
    "image/png": "image/png",
    "image/jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",
    "image/webp": "image/webp",
    "image/gif": "image/gif",
}
_HEADERS: Final = {"user-agent": "outcry", "accept": ", ".join(_MEDIA_TYPES)}

# One sentence for an address that is forbidden, a name that is unknown, a port that is closed and a server that is
# silent: whoever tells them apart has scanned us.
_UNREACHABLE: Final = "the picture could not be fetched from a public address"


class PublicPictures:
    """Fetches pictures over a transport that connects to public addresses only; see `open_transport`."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def fetch(self, url: str, *, until: float, taken: Callable[[int], None]) -> tuple[str, bytes]:
        """Media type and bytes; `until` is on the loop's clock. Raises ProviderError(BAD_REQUEST) and nothing else.

        No more than 3 redirects are followed, each checked like the first address. `taken` is told of every piece
        that was read, and ends the reading by raising.
        """
        address = _address(url)
        if address is None:
            raise _refused("the picture's URL must be http or https, have a host and no user or password")
        try:
            async with asyncio.timeout_at(until):
                return await self._follow(address, taken)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
            raise _refused(_UNREACHABLE) from None

    async def _follow(self, address: httpx.URL, taken: Callable[[int], None]) -> tuple[str, bytes]:
        for _ in range(MAX_REDIRECTS + 1):
            request = httpx.Request("GET", address, headers=_HEADERS, extensions={"timeout": _timeouts()})
            response = await self._transport.handle_async_request(request)
            try:
                if response.status_code not in _REDIRECTS:
                    return await _picture(response, taken)
                following = _address(str(address.join(response.headers.get("location", ""))))
            finally:
                with anyio.move_on_after(_CLOSING, shield=True):
                    await response.aclose()
            if following is None:
                raise _refused(_UNREACHABLE)
            address = following
        raise _refused(f"the picture is behind more than {MAX_REDIRECTS} redirects")


async def _picture(response: httpx.Response, taken: Callable[[int], None]) -> tuple[str, bytes]:
    if response.status_code != 200:
        raise _refused(f"the picture's server answered {response.status_code}")
    stated = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    kind = _MEDIA_TYPES.get(stated)
    if kind is None:
        raise _refused("what is behind the picture's URL is no PNG, JPEG, WebP or GIF by its content type")
    content = bytearray()
    async for piece in response.stream:  # type: ignore[union-attr] # httpx types it as sync or async
        taken(len(piece))
        content += piece
    if not content:
        raise _refused("the picture is empty")
    return kind, bytes(content)


def _address(url: str) -> httpx.URL | None:
    """The URL as it may be asked for; None for one that may not."""
    if len(url) > _LONGEST_URL:
        return None
    try:
        parsed = httpx.URL(url)
        # Reading the host raises too: it is decoded then, and `xn--` is nothing in any script.
        if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo:
            return None
        return parsed.copy_with(fragment=None)
    except (httpx.InvalidURL, ValueError):
        return None


def _timeouts() -> dict[str, float]:
    return {"connect": _CONNECTING, "pool": _CONNECTING}


def _refused(message: str) -> ProviderError:
    return ProviderError(FailureKind.BAD_REQUEST, message, param="messages")
