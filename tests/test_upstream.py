"""The scripted upstream does on the wire what its script says."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.behaviours import (
    Answer,
    Drip,
    Empty,
    GzipBomb,
    Html,
    JsonError200,
    Redirect,
    Refuse,
    Reset,
    Silent,
    Status,
    Stream,
    ToolCall,
    TruncatedJson,
    WrongLength,
    WrongMode,
)
from tests.upstream import Upstream

PLAIN = {"model": "alpha-1", "messages": [{"role": "user", "content": "hi"}]}
STREAMED = {**PLAIN, "stream": True, "stream_options": {"include_usage": True}}
PATH = "/v1/chat/completions"


def ask(upstream: Upstream, body: dict[str, Any] = PLAIN, seconds: float = 5.0) -> httpx.Response:
    return httpx.post(f"{upstream.url}{PATH}", json=body, timeout=seconds, headers={"authorization": "Bearer k"})


def events(text: str) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def test_a_script_is_followed_line_by_line_and_its_last_line_repeats() -> None:
    with Upstream(Status(500), Answer("second")) as upstream:
        statuses = [ask(upstream).status_code for _ in range(3)]

        assert statuses == [500, 200, 200]
        assert upstream.calls == 3
        assert upstream.requests[0].key == "k"
        assert upstream.requests[0].body == PLAIN


def test_a_function_may_be_the_script() -> None:
    with Upstream(lambda request: Answer(str((request.body or {})["model"]))) as upstream:
        assert ask(upstream).json()["choices"][0]["message"]["content"] == "alpha-1"


def test_a_stream_has_its_words_finish_usage_and_last_marker() -> None:
    with Upstream(Stream(words=("a", "b"), piece=3)) as upstream:
        seen = events(ask(upstream, STREAMED).text)

    assert [e["choices"][0]["delta"].get("content") for e in seen[:3]] == ["", "a", "b"]
    assert seen[3]["choices"][0]["finish_reason"] == "stop"
    assert seen[4]["usage"]["total_tokens"] == 18
    assert seen[5] == "[DONE]"


def test_a_cut_stream_ends_cleanly_without_finish() -> None:
    with Upstream(Stream(cut_after=1)) as upstream:
        seen = events(ask(upstream, STREAMED).text)

    assert seen[-1]["choices"][0] == {
        "index": 0,
        "delta": {"content": "hello"},
        "logprobs": None,
        "finish_reason": None,
    }


def test_the_anthropic_dialect_streams_named_events() -> None:
    call = ToolCall("get_price", '{"symbol": "BTC"}')
    with Upstream(Stream(words=("hm",), tool_calls=(call,)), dialect="anthropic") as upstream:
        text = httpx.post(f"{upstream.url}/v1/messages", json=STREAMED).text

    seen = events(text)
    assert seen[0]["type"] == "message_start"
    assert seen[-1]["type"] == "message_stop"
    partial = "".join(e["delta"].get("partial_json", "") for e in seen if e["type"] == "content_block_delta")
    assert json.loads(partial) == {"symbol": "BTC"}
    assert text.count("event: content_block_stop") == 2


def test_refuse_closes_the_port_and_a_new_script_opens_it_again() -> None:
    with Upstream(Answer(), Refuse()) as upstream:
        assert ask(upstream).status_code == 200
        with pytest.raises(httpx.ConnectError):
            ask(upstream)

        upstream.behave(Answer())

        assert ask(upstream).status_code == 200


def test_a_port_that_is_closed_from_the_start_or_while_in_use_refuses() -> None:
    with Upstream(Refuse()) as upstream:
        with pytest.raises(httpx.ConnectError):
            ask(upstream)
        upstream.behave(Answer())
        with httpx.Client() as client:
            assert client.post(f"{upstream.url}{PATH}", json=PLAIN).status_code == 200

            upstream.behave(Refuse())

            assert upstream.wait_until(lambda u: u.connections_open == 0, 2)
            with pytest.raises(httpx.ConnectError):
                client.post(f"{upstream.url}{PATH}", json=PLAIN)


def test_a_silent_upstream_notices_that_its_caller_left() -> None:
    with Upstream(Silent()) as upstream:
        with pytest.raises(httpx.ReadTimeout):
            ask(upstream, seconds=0.1)

        assert upstream.wait_until(lambda u: u.connections_open == 0, 2)


@pytest.mark.parametrize("broken", [Reset(), Reset(after_content=True), WrongLength(), Stream(reset_after=1)])
def test_a_broken_connection_breaks(broken: Any) -> None:
    with Upstream(broken) as upstream, pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        ask(upstream, STREAMED if isinstance(broken, Stream) else PLAIN)


def test_wrong_answers_are_as_wrong_as_scripted() -> None:
    script = (Html(), Empty(), JsonError200(), TruncatedJson(), WrongMode(), Redirect("http://127.0.0.1:9/"))
    with Upstream(*script) as upstream:
        html, empty, error, truncated, wrong, redirect = (ask(upstream) for _ in script)

    assert html.headers["content-type"] == "text/html"
    assert empty.content == b""
    assert "error" in error.json()
    with pytest.raises(json.JSONDecodeError):
        truncated.json()
    assert wrong.headers["content-type"] == "text/event-stream"
    assert (redirect.status_code, redirect.headers["location"]) == (302, "http://127.0.0.1:9/")


def test_a_bomb_is_small_on_the_wire_and_a_drip_is_slow() -> None:
    with Upstream(GzipBomb(mebibytes=4), Drip(gap=0.5)) as upstream:
        with httpx.stream("POST", f"{upstream.url}{PATH}", json=PLAIN) as response:
            assert len(b"".join(response.iter_raw())) < 10_000
        with pytest.raises(httpx.ReadTimeout):
            ask(upstream, seconds=0.2)
