from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import orjson
import pytest

from app.adapters.build import build_adapter
from app.adapters.pictures import MAX_BYTES, MAX_PICTURES, inlined
from app.domain.chat import Call, ChatRequest, Timeouts
from app.domain.errors import FailureKind, ProviderError
from app.domain.provider import ProviderConfig, ProviderType
from tests.golden import golden_bytes

DATA = "data:image/png;base64,iVBORw0KGgo="


class Album:
    """Pictures of `size` bytes after `delay` seconds; waits until `together` are asked for at the same time."""

    def __init__(self, size: int = 4, together: int = 0, delay: float = 0.0) -> None:
        self.size = size
        self.delay = delay
        self.asked: list[str] = []
        self.given_up: list[str] = []
        self._together = together
        self._all_there = asyncio.Event()

    async def fetch(self, url: str, *, until: float, taken: Callable[[int], None]) -> tuple[str, bytes]:
        self.asked.append(url)
        if url.endswith("broken"):
            raise ProviderError(FailureKind.BAD_REQUEST, "gone", param="messages")
        if len(self.asked) >= self._together:
            self._all_there.set()
        try:
            await self._all_there.wait()
        except asyncio.CancelledError:
            self.given_up.append(url)
            raise
        with anyio.move_on_after(self.delay):
            await asyncio.Event().wait()
        assert until > asyncio.get_running_loop().time()
        taken(self.size)
        return "image/png", b"x" * self.size


def picture(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, "detail": "low"}}


def call(*urls: str, total: float = 30.0) -> Call:
    first = {"role": "system", "content": "look"}
    message = {"role": "user", "content": [{"type": "text", "text": "hi"}, *map(picture, urls)]}
    return Call("m", ChatRequest([first, message], {"temperature": 0.5}), Timeouts(total=total))


def urls_of(done: Call) -> list[str]:
    return [part["image_url"]["url"] for part in done.request.messages[1]["content"][1:]]


async def refusal(asked: Call, album: Album) -> ProviderError:
    with anyio.fail_after(2), pytest.raises(ProviderError) as caught:
        await inlined(asked, album)
    assert (caught.value.kind, caught.value.param) == (FailureKind.BAD_REQUEST, "messages")
    return caught.value


async def test_pictures_behind_urls_become_data_in_their_places() -> None:
    asked = call("https://a/1", DATA, "HTTP://a/2", "gs://bucket/3")
    before = orjson.dumps(asked.request.messages)
    done = await inlined(asked, Album())
    fetched = f"data:image/png;base64,{base64.b64encode(b'xxxx').decode()}"
    assert urls_of(done) == [fetched, DATA, fetched, "gs://bucket/3"]
    assert done.request.messages[0] is asked.request.messages[0]
    assert done.request.messages[1]["content"][1]["image_url"]["detail"] == "low"
    assert done.request.parameters == asked.request.parameters
    assert orjson.dumps(asked.request.messages) == before


async def test_a_call_without_urls_is_left_alone() -> None:
    asked = call(DATA)
    assert await inlined(asked, Album()) is asked


async def test_pictures_are_fetched_together_and_each_url_once() -> None:
    album = Album(together=3)
    with anyio.fail_after(2):
        done = await inlined(call("https://a/1", "https://a/2", "https://a/1", "https://a/3"), album)
    assert sorted(album.asked) == ["https://a/1", "https://a/2", "https://a/3"]
    assert len(set(urls_of(done))) == 1


async def test_more_urls_than_allowed_are_refused_before_one_is_fetched() -> None:
    album = Album()
    error = await refusal(call(*(f"https://a/{n}" for n in range(MAX_PICTURES + 1))), album)
    assert str(MAX_PICTURES) in error.message
    assert album.asked == []


@pytest.mark.parametrize("urls", [["https://a/1", "https://a/2", "https://a/3"], ["https://a/1"] * 3])
async def test_the_bytes_of_all_pictures_count_together(urls: list[str]) -> None:
    error = await refusal(call(*urls), Album(size=MAX_BYTES // 3 + 1))
    assert str(MAX_BYTES) in error.message


async def test_a_failure_names_the_place_and_ends_the_others() -> None:
    album = Album(together=9)
    error = await refusal(call("https://a/1", "https://a/broken"), album)
    assert error.message == str(error) == "messages[1].content[2].image_url.url: gone"
    assert album.given_up == ["https://a/1"]


async def test_the_time_that_pictures_take_is_gone_from_the_calls() -> None:
    done = await inlined(call("https://a/1", total=7.0), Album(delay=0.1))
    assert 0 < done.timeouts.total <= 6.92


async def test_only_a_dialect_that_takes_bytes_has_them_fetched() -> None:
    seen: list[Any] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(orjson.loads(request.content)["messages"][1])
        name = "ollama/chat_response.json" if request.url.path == "/api/chat" else "openai/chat_response.json"
        return httpx.Response(200, content=golden_bytes(name))

    album = Album()
    for kind in (ProviderType.OLLAMA, ProviderType.OPENAI_COMPATIBLE):
        config = ProviderConfig("p", kind, "http://p.test")
        await build_adapter(config, httpx.MockTransport(handler), album).complete(call("https://a/1"))

    assert seen[0] == {"role": "user", "content": "hi", "images": [base64.b64encode(b"xxxx").decode()]}
    assert seen[1]["content"][1]["image_url"]["url"] == "https://a/1"
    assert album.asked == ["https://a/1"]


async def test_a_picture_that_cannot_be_had_is_never_sent() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing should be sent")

    adapter = build_adapter(
        ProviderConfig("p", ProviderType.OLLAMA, "http://p.test"), httpx.MockTransport(handler), Album()
    )
    with pytest.raises(ProviderError, match="gone"):
        async with adapter.stream(call("https://a/broken")):
            pass
