"""Pictures behind URLs, brought in for dialects that take bytes only."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import anyio

from app.adapters.codec import bad_request
from app.domain.chat import JSON, Call
from app.domain.errors import FailureKind, ProviderError

MAX_PICTURES: Final = 16
"""How many different URLs one request may name."""

MAX_BYTES: Final = 20 * 1024 * 1024
"""What the pictures behind one request's URLs may hold together; one that stands there twice counts twice."""

_LEAST_TIME: Final = 0.001
_SCHEMES: Final = ("http://", "https://")
_REFERENCE: Final = re.compile(
    r"gs://"
    r"|https://[\w.-]+\.googleapis\.com/(?:[\w-]+/)*files/"
    r"|https://(?:www\.|m\.)?youtube\.com/"
    r"|https://youtu\.be/",
    re.IGNORECASE,
)


class PictureSource(Protocol):
    """Fetches a picture from a public address."""

    async def fetch(self, url: str, *, until: float, taken: Callable[[int], None]) -> tuple[str, bytes]:
        """Media type and bytes; `until` is on the loop's clock. Raises ProviderError(BAD_REQUEST) and nothing else.

        `taken` is told of every piece of so many bytes before the next one is read, and raises when it is enough.
        """
        ...


@dataclass(slots=True)
class _Wanted:
    """One URL: where it stands first, and how often it does."""

    where: str
    times: int = 0


@dataclass(slots=True)
class _Room:
    """What may still be taken, in bytes, by all pictures together."""

    left: int = MAX_BYTES

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise ProviderError(
                FailureKind.BAD_REQUEST,
                f"the pictures behind URLs hold more than {MAX_BYTES} bytes together",
                param="messages",
            )


def is_reference(url: str) -> bool:
    """Whether only the provider can read what stands there: Google's file stores, and films."""
    return _REFERENCE.match(url) is not None


async def inlined(call: Call, source: PictureSource) -> Call:
    """The call with every picture behind an http or https URL as a `data:` URL, within the call's first-token time.

    What that took is gone from its total time. Each URL is fetched once, all at the same time.
    """
    wanted = _wanted(call)
    if not wanted:
        return call
    loop = asyncio.get_running_loop()
    started = loop.time()
    pictures = await _fetched(wanted, source, started + min(call.timeouts.first_token, call.timeouts.total))
    left = max(call.timeouts.total - (loop.time() - started), _LEAST_TIME)
    messages = [_with_pictures(message, pictures) for message in call.request.messages]
    return replace(call, request=replace(call.request, messages=messages), timeouts=replace(call.timeouts, total=left))


def _wanted(call: Call) -> Mapping[str, _Wanted]:
    wanted: dict[str, _Wanted] = {}
    for position, message in enumerate(call.request.messages):
        for number, part in enumerate(_parts(message)):
            url = _url(part)
            if url is not None:
                where = f"messages[{position}].content[{number}].image_url.url"
                wanted.setdefault(url, _Wanted(where)).times += 1
    if len(wanted) > MAX_PICTURES:
        raise bad_request(f"at most {MAX_PICTURES} pictures may be behind URLs, not {len(wanted)}", "messages")
    return wanted


async def _fetched(wanted: Mapping[str, _Wanted], source: PictureSource, until: float) -> Mapping[str, str]:
    """A `data:` URL for each URL; the first failure ends the others and is raised."""
    pictures: dict[str, str] = {}
    failures: list[ProviderError] = []
    room = _Room()

    async def fetch(url: str, what: _Wanted) -> None:
        try:
            kind, content = await source.fetch(url, until=until, taken=lambda size: room.take(size * what.times))
        except ProviderError as error:
            error.message = f"{what.where}: {error.message}"
            error.args = (error.message,)
            failures.append(error)
            group.cancel_scope.cancel()
        else:
            pictures[url] = f"data:{kind};base64,{base64.b64encode(content).decode()}"

    async with anyio.create_task_group() as group:
        for url, what in wanted.items():
            group.start_soon(fetch, url, what)
    if failures:
        raise failures[0]
    return pictures


def _with_pictures(message: JSON, pictures: Mapping[str, str]) -> JSON:
    if not any(_url(part) is not None for part in _parts(message)):
        return message
    return {**message, "content": [_with_picture(part, pictures) for part in message["content"]]}


def _with_picture(part: Any, pictures: Mapping[str, str]) -> Any:  # noqa: ANN401 - a wire body
    url = _url(part)
    return part if url is None else {**part, "image_url": {**part["image_url"], "url": pictures[url]}}


def _parts(message: JSON) -> Iterator[Any]:
    content = message.get("content")
    return iter(content if isinstance(content, list) else ())


def _url(part: Any) -> str | None:  # noqa: ANN401 - a wire body
    """The URL that has to be fetched for a part; other schemes are the codec's to judge."""
    image = part.get("image_url") if isinstance(part, dict) and part.get("type") == "image_url" else None
    url = image.get("url") if isinstance(image, dict) else None
    if not isinstance(url, str) or is_reference(url):
        return None
    return url if url[:8].lower().startswith(_SCHEMES) else None
