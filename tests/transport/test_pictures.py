from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import httpx
import pytest

from app.domain.errors import FailureKind, ProviderError
from app.transport.client import TransportRules, open_transport
from app.transport.pictures import PublicPictures
from tests.adapters.misbehaving import Exchange, Script, misbehaving, response

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
async def opened() -> AsyncIterator[PublicPictures]:
    """With the check of addresses left out, so that a server of the test can be the public one."""
    async with open_transport(TransportRules(max_body=4096)) as transport:
        yield PublicPictures(transport)


@pytest.fixture
async def closed() -> AsyncIterator[PublicPictures]:
    """As the service has it."""
    async with open_transport(TransportRules(), private_allowed=False) as transport:
        yield PublicPictures(transport)


async def fetched(
    pictures: PublicPictures, url: str, taken: Callable[[int], Any] = lambda _: None, seconds: float = 2.0
) -> tuple[str, bytes]:
    with anyio.fail_after(5):
        return await pictures.fetch(url, until=asyncio.get_running_loop().time() + seconds, taken=taken)


async def refusal(pictures: PublicPictures, url: str, seconds: float = 2.0) -> str:
    with pytest.raises(ProviderError) as caught:
        await fetched(pictures, url, seconds=seconds)
    assert (caught.value.kind, caught.value.param) == (FailureKind.BAD_REQUEST, "messages")
    return caught.value.message


def answering(*answers: bytes) -> Script:
    """A server that gives these answers, one after the other; the last repeats."""
    left = list(answers)

    async def script(exchange: Exchange) -> None:
        await exchange.send(left.pop(0) if len(left) > 1 else left[0])

    return script


def redirect(location: str, status: str = "302 Found") -> bytes:
    return response(b"", status=status, extra=f"location: {location}\r\n")


@pytest.mark.parametrize(
    ("stated", "kind"),
    [("image/png", "image/png"), ("IMAGE/JPG; q=1", "image/jpeg"), ("image/webp", "image/webp"), ("image/gif",) * 2],
)
async def test_a_picture_comes_with_its_type(stated: str, kind: str, opened: PublicPictures) -> None:
    sizes: list[int] = []
    async with misbehaving(answering(response(PNG, kind=stated))) as server:
        assert await fetched(opened, f"{server.url}/a.png?x=1#part", sizes.append) == (kind, PNG)
    assert sum(sizes) == len(PNG)
    head = server.heads[0].lower()
    assert head.startswith(b"get /a.png?x=1 http/1.1")
    assert b"cookie" not in head
    assert b"authorization" not in head


async def test_three_redirects_are_followed_and_no_more(opened: PublicPictures) -> None:
    hop = redirect("/next", "307 Temporary Redirect")
    picture = response(PNG, kind="image/png")
    async with misbehaving(answering(hop, hop, hop, picture)) as server:
        assert await fetched(opened, server.url) == ("image/png", PNG)
    async with misbehaving(answering(hop)) as server:
        assert "more than 3 redirects" in await refusal(opened, server.url)
    assert len(server.heads) == 4


async def test_a_redirect_is_checked_like_the_first_address(closed: PublicPictures) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(302, headers={"location": targets[request.url.path]})

    targets = {"/file": "file:///etc/passwd", "/user": "https://a:b@example.com/x.png", "/none": ""}
    pictures = PublicPictures(httpx.MockTransport(handler))
    said = {await refusal(pictures, f"https://pictures.test{path}") for path in ("/file", "/user")}
    assert said == {await refusal(closed, "http://127.0.0.1/")}


async def test_a_redirect_does_not_lead_inside() -> None:
    """A server that may be asked names one that may not."""
    async with (
        misbehaving(answering(response(PNG, kind="image/png"))) as inside,
        open_transport(TransportRules(), private_allowed=False) as public,
    ):

        class Outside(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                if request.url.host == "pictures.test":
                    return httpx.Response(302, headers={"location": f"{inside.url}/a.png"})
                return await public.handle_async_request(request)

        message = await refusal(PublicPictures(Outside()), "http://pictures.test/")
    assert inside.heads == []
    assert "127.0.0.1" not in message


async def test_whoever_is_forbidden_closed_or_silent_is_told_apart_by_nothing(
    closed: PublicPictures, opened: PublicPictures
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        shut = f"http://127.0.0.1:{free.getsockname()[1]}/"
        async with misbehaving(Exchange.hang) as silent, misbehaving(answering(b"SSH-2.0\r\n\r\n")) as other:
            said = {
                await refusal(closed, shut),
                await refusal(closed, silent.url),
                await refusal(closed, "http://localhost:1/"),
                await refusal(closed, "http://169.254.169.254/latest/meta-data/"),
                await refusal(closed, "http://[::1]/"),
                await refusal(closed, "http://2130706433/"),
                await refusal(closed, "http://no-such-host.invalid/"),
                await refusal(closed, "http://["),
                await refusal(closed, "http://exa mple.com:99999999/"),
                await refusal(opened, shut),
                await refusal(opened, silent.url, seconds=0.1),
                await refusal(opened, other.url),
            }
    assert said == {"the picture could not be fetched from a public address"}


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/a.png",
        "https:///a.png",
        "https://user@example.com/a.png",
        "https://user:pw@example.com/a.png",
        "https://example.com/" + "a" * 5000,
        "https://xn--/a.png",
    ],
)
async def test_a_url_that_is_none_is_refused_unasked(url: str, closed: PublicPictures) -> None:
    assert "must be http or https" in await refusal(closed, url)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (response(b"gone", status="404 Not Found"), "answered 404"),
        (response(b"<html>", kind="text/html"), "no PNG"),
        (response(b"<svg/>", kind="image/svg+xml"), "no PNG"),
        (response(PNG, kind="application/octet-stream"), "no PNG"),
        (response(b"", kind="image/png"), "empty"),
        (response(b"x" * 5000, kind="image/png"), "could not be fetched"),
        (response(b"x", kind="image/png", extra="content-encoding: gzip\r\n"), "could not be fetched"),
        (b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 900\r\n\r\nhalf", "could not be fetched"),
        (redirect("http://["), "could not be fetched"),
    ],
)
async def test_what_is_no_picture_is_refused(answer: bytes, said: str, opened: PublicPictures) -> None:
    async with misbehaving(answering(answer)) as server:
        assert said in await refusal(opened, server.url)


async def test_a_picture_that_does_not_end_in_time_is_refused(opened: PublicPictures) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 900\r\n\r\nhalf")
        await exchange.hang()

    async with misbehaving(script) as server:
        assert "could not be fetched" in await refusal(opened, server.url, seconds=0.2)
        with anyio.fail_after(1):
            await server.left.wait()


async def test_reading_ends_when_it_is_enough(opened: PublicPictures) -> None:
    def enough(size: int) -> None:
        raise ProviderError(FailureKind.BAD_REQUEST, "enough")

    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 900\r\n\r\nhalf")
        await exchange.hang()

    async with misbehaving(script) as server:
        with pytest.raises(ProviderError, match="enough"):
            await fetched(opened, server.url, enough)
        with anyio.fail_after(1):
            await server.left.wait()
