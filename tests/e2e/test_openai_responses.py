"""The unmodified OpenAI client's responses and embeddings work by its base URL alone, over both dialects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.behaviours import Answer, Embed, Status, Stream, Tokens, ToolCall
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.service import Service
from tests.e2e.speaking import PATIENT, metrics, provider, total
from tests.upstream import Upstream

PRICE = ToolCall("get_price", '{"symbol": "BTC/USDT", "venue": "binance"}', id="call_42")
TOOLS: list[Any] = [
    {
        "type": "function",
        "name": "get_price",
        "description": "the last price",
        "parameters": {"type": "object", "properties": {"symbol": {"type": "string"}}},
        "strict": False,
    }
]


class Verdict(BaseModel):
    """What a model is asked to say."""

    action: str
    confidence: float


@dataclass(frozen=True)
class Wire:
    """A provider in one dialect behind a gateway, and the client that speaks to it."""

    upstream: Upstream
    client: openai.OpenAI
    model: str


@pytest.fixture(scope="module")
def embedder(upstream_once: StartUpstream) -> Upstream:
    return upstream_once(Embed(), models=("gpt-4o-mini",))


@pytest.fixture(scope="module")
def chatters(upstream_once: StartUpstream) -> dict[str, Upstream]:
    return {
        "openai": upstream_once(),
        "anthropic": upstream_once(dialect="anthropic", models=("claude-sonnet-4-5",)),
    }


@pytest.fixture(scope="module")
def gateway(start_once: StartService, chatters: dict[str, Upstream], embedder: Upstream) -> Service:
    vectors = provider("vectors", embedder, provider_type="openai", priority=200)
    # Nothing stated: it serves what the catalog knows of its type.
    del vectors["models"]
    return start_once(
        providers=[
            provider("alpha", chatters["openai"]),
            provider("claude", chatters["anthropic"], provider_type="anthropic", models=["claude-sonnet-4-5"]),
            vectors,
        ],
        env=PATIENT,
    )


@pytest.fixture(scope="module")
def client(gateway: Service) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key="none-needed", max_retries=0) as client:
        yield client


@pytest.fixture(params=["openai", "anthropic"])
def wire(client: openai.OpenAI, chatters: dict[str, Upstream], request: pytest.FixtureRequest) -> Wire:
    upstream = chatters[request.param]
    upstream.behave(Answer())
    upstream.forget()
    model = {"openai": "alpha/alpha-1", "anthropic": "claude/claude-sonnet-4-5"}[request.param]
    return Wire(upstream, client, model)


def test_a_response_has_text_status_and_usage(wire: Wire) -> None:
    wire.upstream.behave(Answer("buy the dip", usage=Tokens(12, 3)))

    response = wire.client.responses.create(model=wire.model, input="BTC?", instructions="be brief")

    assert response.output_text == "buy the dip"
    assert (response.object, response.status, response.error) == ("response", "completed", None)
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (12, 3, 15)
    assert "be brief" in json.dumps(wire.upstream.requests[-1].body)


def test_an_answer_cut_short_is_incomplete(wire: Wire) -> None:
    wire.upstream.behave(Answer("buy the", finish_reason="length"))

    response = wire.client.responses.create(model=wire.model, input="BTC?", max_output_tokens=2)

    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


def test_a_tool_call_and_its_result_go_round(wire: Wire) -> None:
    wire.upstream.behave(Answer(text="", tool_calls=(PRICE,)), Answer("64231.5 it is"))
    conversation: list[Any] = [{"role": "user", "content": "price?"}]

    first = wire.client.responses.create(model=wire.model, input=conversation, tools=TOOLS)
    calls = [item for item in first.output if item.type == "function_call"]
    conversation += [item.to_dict() for item in first.output]
    conversation.append({"type": "function_call_output", "call_id": calls[0].call_id, "output": "64231.5"})
    second = wire.client.responses.create(model=wire.model, input=conversation, tools=TOOLS)

    assert [(call.call_id, call.name) for call in calls] == [("call_42", "get_price")]
    assert json.loads(calls[0].arguments) == json.loads(PRICE.arguments)
    assert second.output_text == "64231.5 it is"
    sent = json.dumps(wire.upstream.requests[-1].body)
    assert "64231.5" in sent
    assert sent.count("call_42") == 2


def test_a_stream_arrives_in_pieces_and_ends_with_the_response(wire: Wire) -> None:
    wire.upstream.behave(Stream(words=("buy", " the", " dip"), usage=Tokens(12, 3)))

    events = list(wire.client.responses.create(model=wire.model, input="BTC?", stream=True))

    assert [event.delta for event in events if event.type == "response.output_text.delta"] == ["buy", " the", " dip"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == "buy the dip"
    assert last.response.usage is not None
    assert last.response.usage.total_tokens == 15


def test_the_stream_helper_adds_a_tool_call_up(wire: Wire) -> None:
    wire.upstream.behave(Stream(words=("one moment",), tool_calls=(PRICE,)))

    with wire.client.responses.stream(model=wire.model, input="price?", tools=TOOLS) as stream:
        deltas = [event.delta for event in stream if event.type == "response.function_call_arguments.delta"]
        response = stream.get_final_response()

    message, call = response.output
    assert message.type == "message"
    assert response.output_text == "one moment"
    assert call.type == "function_call"
    assert "".join(deltas) == call.arguments
    assert json.loads(call.arguments) == json.loads(PRICE.arguments)


def test_parse_gives_the_object_whole_and_streamed(wire: Wire) -> None:
    said = '{"action": "HOLD", "confidence": 0.5}'
    wire.upstream.behave(Answer(said))

    response = wire.client.responses.parse(model=wire.model, input="BTC?", text_format=Verdict)
    with wire.client.responses.stream(model=wire.model, input="BTC?", text_format=Verdict) as stream:
        streamed = stream.get_final_response()

    assert response.output_parsed == streamed.output_parsed == Verdict(action="HOLD", confidence=0.5)
    assert '"confidence"' in json.dumps(wire.upstream.requests[-1].body)


def test_a_providers_own_400_is_passed_on_with_its_message(wire: Wire) -> None:
    wire.upstream.behave(Status(400, message="temperature is out of range"))

    with pytest.raises(openai.BadRequestError, match="temperature is out of range"):
        wire.client.responses.create(model=wire.model, input="BTC?", temperature=1.0)


def test_a_stream_that_breaks_after_content_says_so_last(wire: Wire) -> None:
    wire.upstream.behave(Stream(cut_after=2))

    *said, last = wire.client.responses.create(model=wire.model, input="BTC?", stream=True)

    assert "".join(event.delta for event in said if event.type == "response.output_text.delta") == "hello from"
    assert last.type == "error"
    assert last.code == "provider_stream_truncated"


def test_a_server_tool_is_refused_where_no_provider_has_it(wire: Wire) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        wire.client.responses.create(model=wire.model, input="BTC?", tools=[{"type": "web_search"}])

    assert (caught.value.code, caught.value.param) == ("caller_unsupported_parameter", "tools[0]")
    assert wire.upstream.calls == 0


def test_a_conversation_on_the_server_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="send the whole input") as caught:
        client.responses.create(model="alpha-1", input="and now?", previous_response_id="resp_1")

    assert caught.value.param == "previous_response_id"


def test_texts_become_vectors_in_their_order(client: openai.OpenAI, embedder: Upstream, gateway: Service) -> None:
    embedder.forget()

    # The client asks for base64 by itself, and decodes it.
    answer = client.embeddings.create(model="text-embedding-3-small", input=["up", "down"])
    plain = client.embeddings.create(model="text-embedding-3-small", input="up", encoding_format="float", dimensions=2)

    assert [entry.embedding for entry in answer.data] == [[0.0, 2.0], [1.0, 4.0]]
    assert [entry.embedding for entry in plain.data] == [[0.0, 2.0]]
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (8, 8)
    assert [request.path for request in embedder.requests] == ["/v1/embeddings", "/v1/embeddings"]
    assert embedder.requests[1].body is not None
    assert embedder.requests[1].body["dimensions"] == 2
    samples = metrics(gateway.client)
    counted = total(
        samples,
        "gen_ai_client_operation_duration_seconds_count",
        gen_ai_operation_name="embeddings",
        gen_ai_request_model="text-embedding-3-small",
    )
    assert counted == 2


def test_a_model_that_only_embeds_is_listed_as_one(client: openai.OpenAI) -> None:
    embedding = [model.to_dict() for model in client.models.list() if "embedding" in model.id]

    assert embedding
    assert {model["outcry"]["mode"] for model in embedding} == {"embedding"}  # type: ignore[index]


def test_what_does_not_embed_is_a_clear_400(client: openai.OpenAI, gateway: Service) -> None:
    for model in ("claude/claude-sonnet-4-5", "gpt-4o-mini"):
        with pytest.raises(openai.BadRequestError) as caught:
            client.embeddings.create(model=model, input="up")

        assert (caught.value.code, caught.value.param) == ("caller_unsupported_parameter", "model")
