"""Requests that lie, smuggle, drip or are too much: a typed refusal that says why, and the end of the connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.behaviours import Answer
from tests.e2e.nursery import Nursery
from tests.faults.caller import PATIENCE, chunked, head
from tests.faults.reception import ROUTES, Reception, reception

MIB = 1 << 20
HELLO = json.dumps(ROUTES["/chat"]).encode()
POST = {"host": "localhost"}
NATIVE = {"/chat": MIB, "/decisions": MIB}
LIMITS = {**NATIVE, "/v1/chat/completions": 10 * MIB, "/v1/responses": 10 * MIB, "/v1/messages": 10 * MIB}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, gateway_nursery: Nursery | None) -> Iterator[Reception]:
    with reception(tmp_path_factory.mktemp("malformed"), nursery=gateway_nursery) as one:
        yield one


@pytest.fixture(autouse=True)
def _refused_and_well(place: Reception) -> Iterator[None]:
    place.expects(Answer())
    yield
    assert place.alpha.calls == 0, "what was refused was asked for"
    place.assert_well()


def lengths(*values: str) -> bytes:
    """A head with these Content-Lengths."""
    return b"POST /chat HTTP/1.1\r\nhost: localhost\r\n" + b"".join(
        b"content-length: %s\r\n" % value.encode() for value in values
    )


@pytest.mark.parametrize(
    "raw",
    [
        lengths("-1") + b"\r\n" + HELLO,
        lengths("+5") + b"\r\n" + HELLO,
        lengths("0x10") + b"\r\n" + HELLO,
        lengths("five") + b"\r\n" + HELLO,
        lengths("") + b"\r\n" + HELLO,
        lengths("9" * 40) + b"\r\n" + HELLO,
        lengths("5", "6") + b"\r\n" + HELLO,
        lengths("5", "5") + b"\r\nhello",
        lengths("5, 5") + b"\r\nhello",
        lengths("5") + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /chat HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        b"POST /chat HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST /chat HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST /chat HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST /chat HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}",
        b"POST /chat HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}",
        b"POST /chat HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\ncontent-length: 2\r\n\r\n{}",
        b"POST /chat HTTP/1.1\r\nhost: local host\r\ncontent-length: 2\r\n\r\n{}",
        b"POST /chat HTTP/1.1\nhost: localhost\ncontent-length: 2\n\n{}",
        b"POST /chat HTTP/1.1\r\nhost: localhost\ncontent-length: 2\r\n\r\n{}",
        b"POST /chat HTTP/1.1\r\nhost: localhost\r\nx-one: a\r\n b\r\ncontent-length: 2\r\n\r\n{}",
        b"POST /chat HTTP/1.1\r\n host: localhost\r\ncontent-length: 2\r\n\r\n{}",
        b"POST /chat HTTP/1.1\r\nhost: localhost\r\nx-one: a\rb\r\ncontent-length: 2\r\n\r\n{}",
        b"POST /chat HTTP/1.1\r\nhost: localhost\r\nx-one: a\x00b\r\ncontent-length: 2\r\n\r\n{}",
        b"POST /chat HTTP/9.9\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}",
        b"PO ST /chat HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        head("POST", "/chat", {**POST, "x-filler": "x" * 33_000}),
        head("POST", "/chat", {**POST, **{f"x-{number}": "x" for number in range(5_000)}}),
        head("POST", "/" + "x" * 33_000, POST),
        chunked("/chat", [b"{"]) + b"zz\r\nhello\r\n0\r\n\r\n",
        chunked("/chat", [b"{"]) + b"-5\r\nhello\r\n0\r\n\r\n",
        chunked("/chat", [b"{"]) + b"ffffffffffffffffff\r\n",
        chunked("/chat", [b"{"]) + b"3\r\nhello\r\n0\r\n\r\n",
        chunked("/chat", [b"{"]) + b"3\nabc\n0\n\n",
    ],
    ids=lambda raw: (raw.partition(b"localhost")[2] or raw)[:40].decode("latin-1").encode("unicode_escape").decode(),
)
def test_a_request_that_can_be_read_in_two_ways_is_a_400_and_the_end(place: Reception, raw: bytes) -> None:
    with place.caller() as caller:
        caller.say(raw)

        reply = caller.reply()

        assert reply.status in (400, 413), reply
        assert reply.code in (
            "caller_invalid_header",
            "caller_invalid_request",
            "caller_too_large",
            "caller_invalid_json",
        )
        assert reply.headers["content-type"] == "application/json"
        assert reply.headers["x-request-id"] == reply.json["request_id"]
        caller.half_close()
        assert b"HTTP/1.1 2" not in caller.rest(), "what came behind the body was taken for a request"


def test_a_body_longer_than_its_length_is_no_second_request_that_is_served(place: Reception) -> None:
    with place.caller() as caller:
        caller.say(head("POST", "/chat", {**POST, "content-length": "5"}) + b"hello" + HELLO)

        told = caller.rest()

    assert told.startswith(b"HTTP/1.1 400 ")
    assert b"HTTP/1.1 2" not in told


def test_a_body_shorter_than_its_length_is_let_go_with_its_caller(place: Reception) -> None:
    with place.caller() as caller:
        caller.say(head("POST", "/chat", {**POST, "content-length": "500"}) + HELLO)
        caller.half_close()

        assert caller.is_closed(2)


def test_heads_and_bodies_that_drip_are_cut(place: Reception) -> None:
    def drips(said: bytes) -> tuple[int, str]:
        # The gateway's clock for this and the caller's usual one run out in the same moment.
        with place.caller(patience=2 * PATIENCE) as caller:
            caller.say(said)
            reply = caller.reply()
            assert caller.is_closed(5)
            return reply.status, reply.code

    # Ten seconds each, so all at once.
    said = [b"POST /chat HTTP/1.1\r\nho", b"\r\n", head("POST", "/chat", {**POST, "content-length": "99"}) + b"{"]
    said += [chunked("/v1/messages", [b"{"]), chunked("/decisions", [b"{"]) + b"5\r\nab"]
    with ThreadPoolExecutor(len(said)) as callers:
        ended = list(callers.map(drips, said))

    assert ended == [(400, "caller_invalid_header")] * 2 + [(400, "caller_invalid_request")] * 3


@pytest.mark.parametrize("path", LIMITS)
def test_a_body_that_is_announced_too_large_is_refused_unread(place: Reception, path: str) -> None:
    with place.caller() as caller:
        caller.say(head("POST", path, {**POST, "content-length": str(LIMITS[path] + 1), "expect": "100-continue"}))

        line = caller.until(b"\r\n")

        assert line.startswith(b"HTTP/1.1 413 "), "it was asked to go on"


@pytest.mark.parametrize("path", LIMITS)
def test_a_body_in_chunks_is_refused_as_soon_as_it_is_too_large(place: Reception, path: str) -> None:
    rest = place.aftermath.resident()
    with place.caller() as caller:
        caller.say(head("POST", path, {**POST, "transfer-encoding": "chunked"}))
        piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        sent = 0
        while sent <= LIMITS[path]:
            caller.say(piece)
            sent += 65_536

        reply = caller.reply()

        assert reply.status == 413
        assert "MiB" in reply.json["error"]["message"]
    place.aftermath.assert_memory(rest, growth=30)


def test_a_megabyte_without_an_end_behind_a_refusal_is_not_kept(place: Reception) -> None:
    rest = place.aftermath.resident()
    with place.caller() as caller, pytest.raises(OSError):  # noqa: PT011  # reset or broken pipe, as the system has it
        caller.say(head("POST", "/chat", {**POST, "content-length": str(1 << 33)}))
        for _ in range(2_000):
            caller.say(b"x" * 65_536)

    place.aftermath.assert_memory(rest, growth=30)


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "body",
    [
        b'{"a":' * 65 + b"1" + b"}" * 65,
        b"[" * 100_000,
        b'{"messages": [NaN]}',
        b'{"x": -Infinity}',
        b'{"x": 1e999}',
        b'{"model": "a", "model": "b"}',
        b'{"messages": [{"role": "user", "content": "a", "content": "b"}]}',
        b'{"x": "\\ud83d"}',
        b'{"x": "\xed\xa0\xbd"}',
        b'{"x": "\xff"}',
        b'\xef\xbb\xbf{"x": 1}',
        '{"x": 1}'.encode("utf-16"),
        b'{"x": 1} {"x": 2}',
        b'{"x": 01}',
        b"{'x': 1}",
        b"",
    ],
    ids=lambda body: body[:24].decode("latin-1").encode("unicode_escape").decode() or "empty",
)
def test_a_body_that_is_not_strict_json_is_a_400(place: Reception, path: str, body: bytes) -> None:
    with place.caller() as caller:
        caller.ask(path, body)

        reply = caller.reply()

    error = reply.json["error"]
    assert reply.status == 400, reply
    assert "invalid JSON" in error["message"] or "empty" in error["message"], reply


def test_an_expectation_is_met_before_the_body_comes(place: Reception) -> None:
    with place.caller() as caller:
        caller.say(head("POST", "/chat", {**POST, "content-length": "2", "expect": "100-continue"}))
        assert caller.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        caller.say(b"{}")

        assert caller.reply().status == 422
