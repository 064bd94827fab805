"""Pictures behind URLs, brought in for dialects that take bytes only."""

from __future__ import annotations

import asyncio
import base64
import re
from dataclasses import replace
from typing import Any, Final, Protocol

from app.domain.chat import JSON, Call

_REFERENCE: Final = re.compile(
    r"gs://"
    r"|https://[\w.-]+\.googleapis\.com/(?:[\w-]+/)*files/"
    r"|https://(?:www\.|m\.)?youtube\.com/"
    r"|https://youtu\.be/",
    re.IGNORECASE,
)


class PictureSource(Protocol):
    """Fetches a picture from a public address."""

    async def fetch(self, url: str, *, until: float) -> tuple[str, bytes]:
        """Media type and bytes; `until` is on the loop's clock. Raises ProviderError, BAD_REQUEST for a bad URL."""
        ...


def is_reference(url: str) -> bool:
    """Whether only the provider can read what stands there: Google's file stores, and films."""
    return _REFERENCE.match(url) is not None


async def inlined(call: Call, source: PictureSource) -> Call:
    """The call with every `https:` picture as a `data:` URL, all within the call's first-token time."""
    until = asyncio.get_running_loop().time() + min(call.timeouts.first_token, call.timeouts.total)
    messages = [await _message(message, source, until) for message in call.request.messages]
    return replace(call, request=replace(call.request, messages=messages))


async def _message(message: JSON, source: PictureSource, until: float) -> JSON:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": [await _part(part, source, until) for part in content]}


async def _part(part: Any, source: PictureSource, until: float) -> Any:  # noqa: ANN401 - a wire body
    image = part.get("image_url") if isinstance(part, dict) else None
    url = image.get("url") if isinstance(image, dict) else None
    if not isinstance(image, dict) or not isinstance(url, str) or url[:5].lower() == "data:":
        return part
    if is_reference(url):
        return part
    kind, content = await source.fetch(url, until=until)
    return {**part, "image_url": {**image, "url": f"data:{kind};base64,{base64.b64encode(content).decode()}"}}
