"""A local Ollama, on by its URL alone: its own list decides what is served, over its native wire."""

from __future__ import annotations

import httpx
import pytest

from tests.behaviours import Answer, Behaviour, Status, Stream, Tokens
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.speaking import HELLO, content, error_of, provider, streamed
from tests.upstream import Received, Upstream

PULLED = ("llama3.2:latest", "gemma:2b")
PATH = "/v1/chat/completions"
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(scope="module")
def ollama(upstream_once: StartUpstream) -> Upstream:
    return upstream_once(dialect="ollama", models=PULLED)


@pytest.fixture(scope="module")
def gateway(start_once: StartService, ollama: Upstream) -> httpx.Client:
    client = start_once(env={"OLLAMA_URL": ollama.url}).client
    assert ollama.wait_until(lambda upstream: upstream.listings > 0)
    assert any(f"ollama/{PULLED[0]}" in served(client) for _ in range(1000))
    return client


def served(client: httpx.Client) -> set[str]:
    return {model["id"] for model in client.get("/v1/models").json()["data"]}


@pytest.fixture
def client(gateway: httpx.Client, ollama: Upstream) -> httpx.Client:
    ollama.behave(Answer(usage=Tokens(5, 3)))
    ollama.forget()
    return gateway


def test_what_was_pulled_is_what_is_served(client: httpx.Client, ollama: Upstream) -> None:
    assert {f"ollama/{name}" for name in PULLED} <= served(client)

    response = client.post(PATH, json={"model": "llama3.2:latest", "messages": HELLO})

    body = response.json()
    assert body["choices"][0]["message"]["content"] == "hello from upstream"
    assert body["usage"]["total_tokens"] == 8
    assert ollama.requests[0].path == "/api/chat"
    assert ollama.requests[0].key is None
    error_of(client.post(PATH, json={"model": "llama3.1:70b", "messages": HELLO}), 404, "model_not_found")


def test_a_stream_of_lines_is_a_stream_of_events(client: httpx.Client, ollama: Upstream) -> None:
    ollama.behave(Stream(words=("buy", " low"), usage=Tokens(5, 3)))
    body = {"model": "ollama/gemma:2b", "messages": HELLO, "stream_options": {"include_usage": True}}

    seen = streamed(client, PATH, body)

    assert content(seen) == "buy low"
    assert seen[-1].data == "[DONE]"
    assert seen[-2].data["usage"]["total_tokens"] == 8


def test_an_error_line_reaches_the_caller(client: httpx.Client, ollama: Upstream) -> None:
    ollama.behave(Stream(error_after=1))
    seen = streamed(client, PATH, {"model": "ollama/gemma:2b", "messages": HELLO})
    assert content(seen) == "hello"
    assert seen[-1].data["error"]["code"] == "provider_error"


def test_a_model_without_tools_is_the_callers_400_that_names_them(client: httpx.Client, ollama: Upstream) -> None:
    ollama.behave(Status(400, message="registry.ollama.ai/library/gemma:2b does not support tools"))
    body = {"model": "ollama/gemma:2b", "messages": HELLO, "tools": [WEATHER]}
    error = error_of(client.post(PATH, json=body), 400, "caller_unsupported_parameter")
    assert error["param"] == "tools"


def test_another_model_is_asked_where_one_has_no_tools(client: httpx.Client, ollama: Upstream) -> None:
    def script(request: Received) -> Behaviour:
        small = (request.body or {})["model"] == "gemma:2b"
        return Status(400, message="gemma:2b does not support tools") if small else Answer("buy")

    ollama.behave(script)
    body = {"models": ["ollama/gemma:2b", "ollama/llama3.2:latest"], "messages": HELLO, "tools": [WEATHER]}

    response = client.post(PATH, json=body)

    assert response.json()["choices"][0]["message"]["content"] == "buy"
    assert ollama.calls == 2


def test_a_picture_inside_is_not_fetched_for_a_caller(client: httpx.Client, ollama: Upstream) -> None:
    picture = {"type": "image_url", "image_url": {"url": f"{ollama.url}/secret.png"}}
    body = {"model": "ollama/gemma:2b", "messages": [{"role": "user", "content": [picture]}]}
    before = ollama.listings

    error = error_of(client.post(PATH, json=body), 400, "caller_invalid_request")

    assert error["message"].endswith("the picture could not be fetched from a public address")
    assert error["param"] == "messages"
    assert (ollama.calls, ollama.listings) == (0, before)


def test_an_operators_context_size_reaches_the_options(start: StartService, upstream: StartUpstream) -> None:
    local = upstream(dialect="ollama")
    entry = provider("local", local, provider_type="ollama", base_url=f"{local.url}/v1", parameters={"num_ctx": 8192})
    client = start(providers=[entry]).client

    client.post("/chat", json={"messages": HELLO, "temperature": 0.1})

    assert (local.requests[0].body or {})["options"] == {"num_ctx": 8192, "temperature": 0.1}
    assert local.requests[0].key == entry["api_key"]
