"""JSON that was asked for is JSON that comes, whatever the target offers, or it is that target's failure."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.behaviours import Answer, Stream, ToolCall
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.speaking import HELLO, PATIENT, content, error_of, provider, streamed
from tests.upstream import Upstream

SCHEMA = {"type": "object", "properties": {"action": {"type": "string"}}, "required": ["action"]}
WANTED: dict[str, Any] = {
    "messages": HELLO,
    "response_format": {"type": "json_schema", "json_schema": {"name": "o", "strict": True, "schema": SCHEMA}},
}
BUY = '{"action": "BUY"}'
FENCED = f"<think>up or down?</think>Here you are:\n```json\n{BUY}\n```"
RUNG = "x-outcry-structured-output"


class Desk:
    """A gateway before three providers: any OpenAI-like one, DeepSeek (JSON mode only), an Anthropic of old."""

    def __init__(self, client: httpx.Client, like: Upstream, deepseek: Upstream, claude: Upstream) -> None:
        self.client = client
        self.like, self.deepseek, self.claude = like, deepseek, claude
        for each in (like, deepseek, claude):
            each.behave(Answer(BUY))
            each.forget()

    def ask(self, model: str, **more: Any) -> httpx.Response:
        return self.client.post("/v1/chat/completions", json={**WANTED, "model": model, **more})


@pytest.fixture(scope="module")
def servers(start_once: StartService, upstream_once: StartUpstream) -> tuple[httpx.Client, list[Upstream]]:
    like, deepseek = upstream_once(), upstream_once()
    claude = upstream_once(dialect="anthropic")
    gateway = start_once(
        providers=[
            provider("like", like, models=["shared", "like-1"], priority=1),
            provider("deepseek", deepseek, provider_type="deepseek", models=["shared", "deepseek-flash"], priority=2),
            provider("claude", claude, provider_type="anthropic", models=["claude-3-5-haiku-20241022"], priority=3),
        ],
        env=PATIENT,
    )
    return gateway.client, [like, deepseek, claude]


@pytest.fixture
def desk(servers: tuple[httpx.Client, list[Upstream]]) -> Desk:
    return Desk(servers[0], *servers[1])


def test_a_provider_with_schemas_gets_the_schema(desk: Desk) -> None:
    response = desk.ask("like/like-1")

    assert response.json()["choices"][0]["message"]["content"] == BUY
    assert response.headers[RUNG] == "native_schema"
    sent = desk.like.requests[0].body
    assert sent is not None
    assert sent["response_format"] == WANTED["response_format"]


def test_an_old_claude_is_made_to_call_a_tool(desk: Desk) -> None:
    desk.claude.behave(Answer("", finish_reason="tool_calls", tool_calls=(ToolCall("o", BUY),)))

    response = desk.ask("claude/claude-3-5-haiku-20241022")

    choice = response.json()["choices"][0]
    assert (response.headers[RUNG], choice["finish_reason"]) == ("forced_tool", "stop")
    assert choice["message"]["content"].replace(" ", "") == BUY.replace(" ", "")
    assert "tool_calls" not in choice["message"]
    assert "json_schema is asked for by a forced tool call" in response.headers["x-outcry-warnings"]
    sent = desk.claude.requests[0].body
    assert sent is not None
    assert (sent["tools"][0]["input_schema"], sent["tool_choice"]["name"]) == (SCHEMA, "o")


def test_fences_and_thoughts_around_the_json_are_taken_off(desk: Desk) -> None:
    desk.like.behave(Answer(FENCED))

    message = desk.ask("like/like-1").json()["choices"][0]["message"]

    assert (message["content"], message["reasoning_content"]) == (BUY, "up or down?")


def test_a_stream_is_bare_too(desk: Desk) -> None:
    desk.like.behave(Stream(words=tuple(FENCED[i : i + 7] for i in range(0, len(FENCED), 7))))

    seen = streamed(desk.client, "/v1/chat/completions", {**WANTED, "model": "like/like-1"})

    assert content(seen) == BUY
    assert seen[-1].data == "[DONE]"


@pytest.mark.parametrize("text", ["I would rather not.", '{"action": 7}', '{"action": "BU'])
def test_an_answer_that_is_not_as_asked_is_fallen_over(desk: Desk, text: str) -> None:
    desk.like.behave(Answer(text))

    response = desk.ask("shared")

    assert response.json()["choices"][0]["message"]["content"] == BUY
    assert (response.headers["x-outcry-provider"], response.headers["x-outcry-fallback"]) == ("deepseek", "true")
    assert response.headers[RUNG] != "native_schema"


def test_when_nobody_answers_as_asked_the_caller_hears_why(desk: Desk) -> None:
    desk.like.behave(Answer("no"))

    error = error_of(desk.ask("like/like-1"), 502, "provider_bad_answer")

    assert "no JSON" in error["message"]


def test_a_schema_that_is_no_schema_stops_nothing(desk: Desk) -> None:
    schema = {"type": "object", "properties": {"action": {"$ref": "http://127.0.0.1:9/x"}}}
    form = {"type": "json_schema", "json_schema": {"name": "o", "strict": True, "schema": schema}}

    response = desk.ask("like/like-1", response_format=form)

    assert response.status_code == 200
    assert "is not checked against the schema" in response.headers["x-outcry-warnings"]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("n", 2),
        ("logprobs", True),
    ],
)
def test_what_no_target_can_do_names_the_parameter(desk: Desk, parameter: str, value: Any) -> None:
    body = {"model": "claude/claude-3-5-haiku-20241022", "messages": HELLO, parameter: value}

    response = desk.client.post("/v1/chat/completions", json=body)

    assert error_of(response, 400, "caller_unsupported_parameter")["param"] == parameter
    assert desk.claude.calls == 0
