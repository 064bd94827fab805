"""What holds for every dialect: each payload on file has a meaning, no cut changes a stream, a stream says the whole.

A new dialect joins by its row in PRESETS and its files under tests/golden; what a payload means in detail is told by
the dialect's own tests.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum, auto
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from app.adapters.codec import Codec, Framing
from app.adapters.ndjson import NDJSONParser
from app.adapters.presets import PRESETS
from app.adapters.sse import SSEEvent, SSEParser
from app.domain.chat import ChatChunk
from app.domain.embedding import EmbedCall, EmbedRequest
from app.domain.errors import FailureKind as K
from app.domain.errors import ProviderError
from app.domain.provider import ProviderType
from tests.adapters.streams import a_call
from tests.adapters.test_failures import EXPECTED
from tests.behaviours import Answer, Stream, Tokens, ToolCall
from tests.dialects import Dialect
from tests.golden import GOLDEN, golden_bytes, golden_json
from tests.upstream import DIALECTS

FILES = sorted(str(path.relative_to(GOLDEN)) for path in GOLDEN.glob("*/*.*") if path.suffix != ".py")
FINISHES = {"stop", "length", "tool_calls", "content_filter", "function_call"}

# A model that is asked over the Responses API only, for the payloads whose name says that they are of it.
RESPONSES_MODEL = "gpt-5-pro"

REFUSALS = {
    "anthropic/stream_error_overloaded.sse": K.OVERLOADED,
    "deepseek/chat_insufficient_resource.json": K.OVERLOADED,
    "gemini/chat_malformed_function_call.json": K.BAD_ANSWER,
    "gemini/chat_prompt_blocked.json": K.CONTENT_POLICY,
    "gemini/stream_error_midway.sse": K.OVERLOADED,
    "groq/stream_error_midway.sse": K.BAD_ANSWER,
    "ollama/stream_error_midway.ndjson": K.SERVER_ERROR,
    "openai/responses_failed.json": K.SERVER_ERROR,
    "openai/responses_stream_failed.sse": K.RATE_LIMITED,
    "openai/stream_error_midway.sse": K.SERVER_ERROR,
    "openrouter/chat_200_error_choice.json": K.SERVER_ERROR,
    "openrouter/chat_200_top_level_error.json": K.SERVER_ERROR,
    "openrouter/stream_error_midway.sse": K.SERVER_ERROR,
    "vllm/stream_error_midway.sse": K.SERVER_ERROR,
}
"""Answers and streams under a 200 that are errors."""

UNFINISHED = {"ollama/compat_stream_error_lost.sse"}
"""Streams that end without a finish reason."""

COUNTS = {"anthropic/count_tokens.json": 2095, "gemini/count_tokens.json": 31, "vllm/tokenize.json": 5}
EMBEDDED = {
    "gemini/batch_embed_contents.json": 2,
    "gemini/embed_content.json": 1,
    "ollama/embed.json": 1,
    "openai/embeddings.json": 1,
}
"""How many inputs were embedded."""

ELSEWHERE = {"ollama/show.json", "ollama/version.json"}
"""Answers that no codec asks for."""

SAME_ANSWER = [
    ("anthropic", "chat_thinking_summarized_legacy.json", "stream_thinking_text.sse"),
    ("azure", "chat_response.json", "stream_first_chunk_empty_choices.sse"),
    ("deepseek", "chat_reasoning.json", "stream_reasoning_keepalive.sse"),
    ("gemini", "chat_response.json", "stream_text.sse"),
    ("gemini", "chat_thoughts.json", "stream_thoughts.sse"),
    ("gemini", "chat_tool_call.json", "stream_tool_call.sse"),
    ("gemini", "compat_tool_call.json", "compat_stream_tool_call.sse"),
    ("groq", "chat_response.json", "stream_x_groq_usage.sse"),
    ("groq", "chat_tool_call.json", "stream_tool_call_whole.sse"),
    ("localai", "chat_response.json", "stream_zero_usage_every_chunk.sse"),
    ("mistral", "chat_reasoning_chunks.json", "stream_reasoning.sse"),
    ("mistral", "chat_tool_call.json", "stream_tool_call_one_chunk.sse"),
    ("ollama", "chat_tool_call.json", "stream_tool_call.ndjson"),
    ("openai", "chat_tool_call.json", "stream_tool_calls.sse"),
    ("openai", "responses_response.json", "responses_stream_text.sse"),
    ("openai", "responses_tool_call.json", "responses_stream_tool_call.sse"),
    ("openrouter", "chat_response.json", "stream_text_comments_usage.sse"),
    ("xai", "chat_tool_call_empty_finish_reason.json", "stream_tool_call_single_chunk.sse"),
]


class Kind(Enum):
    """What a payload is, by its name."""

    ERROR = auto()
    REQUEST = auto()
    ANSWER = auto()
    STREAM = auto()
    MODELS = auto()
    COUNT = auto()
    EMBEDDINGS = auto()
    ELSEWHERE = auto()


def kind_of(name: str) -> Kind:
    file = name.partition("/")[2].removeprefix("compat_").removeprefix("responses_")
    if name in COUNTS or name in EMBEDDED or name in ELSEWHERE:
        return Kind.COUNT if name in COUNTS else Kind.EMBEDDINGS if name in EMBEDDED else Kind.ELSEWHERE
    if name.endswith((".sse", ".ndjson")):
        return Kind.STREAM
    for start, kind in (("error_", Kind.ERROR), ("request_", Kind.REQUEST), ("models_list", Kind.MODELS)):
        if file.startswith(start):
            return kind
    return Kind.MODELS if file == "tags.json" else Kind.ANSWER


def named(*kinds: Kind) -> list[str]:
    return [name for name in FILES if kind_of(name) in kinds]


def codec_of(name: str) -> Codec:
    """The codec that gets this payload: `compat_` is a native provider's imitation of OpenAI."""
    folder, file = name.split("/")
    imitates = file.startswith("compat_")
    codec = PRESETS[ProviderType.OPENAI_COMPATIBLE if imitates else ProviderType(folder)].codec
    return codec.for_call(a_call(RESPONSES_MODEL if file.startswith("responses_") else "m"))


@dataclass(frozen=True)
class Said:
    """An answer without the way it came: what a caller acts on."""

    text: str
    calls: list[tuple[str, Any]]
    finish: str | None


@dataclass
class Read:
    """A stream as far as it could be read."""

    chunks: list[ChatChunk]
    complete: bool
    failure: tuple[K, str] | None = None

    @property
    def told(self) -> list[dict[str, Any]]:
        """The chunks without what the decoder makes up: a name and a time where the provider gives none."""
        return [{**c.chunk, "id": "", "created": 0, "carries": c.carries, "usage": c.usage} for c in self.chunks]

    @property
    def said(self) -> Said:
        calls: dict[int, list[str]] = {}
        text, finish = "", None
        for chunk in self.chunks:
            finish = chunk.finish_reason or finish
            for choice in chunk.chunk["choices"]:
                text += choice["delta"].get("content") or ""
                for call in choice["delta"].get("tool_calls") or ():
                    whole = calls.setdefault(call["index"], ["", ""])
                    whole[0] += call["function"].get("name") or ""
                    whole[1] += call["function"].get("arguments") or ""
        return Said(text, [(name, json.loads(arguments)) for name, arguments in calls.values()], finish)


def events_of(framing: Framing, pieces: list[bytes]) -> list[SSEEvent]:
    parser = SSEParser() if framing is Framing.SSE else NDJSONParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return [*events, *parser.close()]


def read(codec: Codec, pieces: list[bytes]) -> Read:
    decoder = codec.stream_decoder()
    result = Read([], complete=False)
    try:
        for event in events_of(codec.framing, pieces):
            result.chunks += decoder.feed(event)
        result.chunks += decoder.close()
    except ProviderError as error:
        result.failure = (error.kind, error.message)
    result.complete = decoder.complete
    return result


def whole(codec: Codec, body: bytes) -> Said:
    response = codec.decode(body)
    calls = response.message.get("tool_calls") or []
    functions = [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls]
    return Said(response.text, functions, response.finish_reason)


def checkable(body: dict[str, Any]) -> dict[str, Any]:
    """The body as strict types take it: service tiers are names of each provider's own, which clients let pass."""
    return {name: value for name, value in body.items() if name != "service_tier"}


def test_every_error_on_file_is_in_the_table_of_errors() -> None:
    assert set(named(Kind.ERROR)) == set(EXPECTED)


def test_no_row_of_a_table_is_without_its_payload() -> None:
    pairs = {f"{folder}/{name}" for folder, *names in SAME_ANSWER for name in names}

    assert {*REFUSALS, *UNFINISHED, *COUNTS, *EMBEDDED, *ELSEWHERE, *pairs} <= set(FILES)


@pytest.mark.parametrize("name", named(Kind.ERROR))
def test_every_error_is_classified(name: str) -> None:
    envelope = golden_json(name)
    body = json.dumps(envelope["body"]).encode()

    error = codec_of(name).failure(envelope["status"], envelope["headers"], body)

    assert error.kind is EXPECTED[name][0]
    assert error.upstream_status == envelope["status"]


@pytest.mark.parametrize("name", named(Kind.ANSWER))
def test_every_answer_becomes_a_completion_that_openais_client_takes(name: str) -> None:
    codec = codec_of(name)
    if name in REFUSALS:
        with pytest.raises(ProviderError) as caught:
            codec.decode(golden_bytes(name))
        assert caught.value.kind is REFUSALS[name]
        return

    response = codec.decode(golden_bytes(name))

    completion = ChatCompletion.model_validate(checkable(response.completion), strict=True)
    assert completion.choices[0].finish_reason == response.finish_reason
    assert response.finish_reason in FINISHES
    assert response.usage is None or response.usage.total_tokens >= 0
    for call in response.message.get("tool_calls") or ():
        assert call["id"]
        json.loads(call["function"]["arguments"])


@pytest.mark.parametrize("name", named(Kind.STREAM))
def test_every_stream_becomes_chunks_that_openais_client_takes(name: str) -> None:
    result = read(codec_of(name), [golden_bytes(name)])

    assert (result.failure and result.failure[0]) == REFUSALS.get(name)
    assert result.complete is (name not in REFUSALS and name not in UNFINISHED)
    for each in result.chunks:
        ChatCompletionChunk.model_validate(checkable(each.chunk), strict=True)
    assert len({each.chunk["id"] for each in result.chunks}) <= 1
    if result.complete:
        assert result.said.finish in FINISHES
        assert any(each.carries for each in result.chunks)


@pytest.mark.parametrize("name", named(Kind.STREAM))
def test_no_cut_changes_the_events_of_a_stream(name: str) -> None:
    body, framing = golden_bytes(name), codec_of(name).framing
    expected = events_of(framing, [body])

    assert len(expected) > 1
    for cut in range(len(body) + 1):
        assert events_of(framing, [body[:cut], body[cut:]]) == expected, f"cut at byte {cut}"


@pytest.mark.parametrize("name", named(Kind.STREAM))
def test_a_stream_read_byte_by_byte_gives_the_same_chunks_and_the_same_end(name: str) -> None:
    body, codec = golden_bytes(name), codec_of(name)
    expected = read(codec, [body])

    result = read(codec, [body[at : at + 1] for at in range(len(body))])

    assert result.told == expected.told
    assert (result.complete, result.failure) == (expected.complete, expected.failure)


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(named(Kind.STREAM)), where=st.lists(st.floats(0, 1), max_size=12))
def test_however_a_stream_is_cut_its_chunks_are_the_same(name: str, where: list[float]) -> None:
    body, codec = golden_bytes(name), codec_of(name)
    cuts = [0, *sorted(int(share * len(body)) for share in where), len(body)]

    result = read(codec, [body[start:end] for start, end in pairwise(cuts)])

    assert result.told == read(codec, [body]).told


@pytest.mark.parametrize("name", named(Kind.STREAM))
def test_a_stream_is_complete_only_once_everything_was_said(name: str) -> None:
    body, codec = golden_bytes(name), codec_of(name)
    expected = read(codec, [body])

    prefixes = (read(codec, [body[:end]]) for end in range(len(body)))
    complete = [result for result in prefixes if result.complete]

    # Azure's filter may still change its mind about the finish reason, not about what was said.
    assert {(each.said.text, repr(each.said.calls)) for each in complete} <= {
        (expected.said.text, repr(expected.said.calls))
    }
    assert bool(complete) is expected.complete


@pytest.mark.parametrize("name", named(Kind.MODELS))
def test_every_list_of_models_has_ids(name: str) -> None:
    listed = codec_of(name).decode_models(golden_bytes(name))

    assert all(listed)
    assert bool(listed) is not name.startswith("azure/"), "Azure lists what could be deployed, not what is"


@pytest.mark.parametrize("name", named(Kind.COUNT))
def test_every_count_of_tokens_is_read(name: str) -> None:
    counting = codec_of(name).counting

    assert counting is not None
    assert counting.decode(golden_bytes(name)) == COUNTS[name]


@pytest.mark.parametrize("name", named(Kind.EMBEDDINGS))
def test_every_embedding_is_read(name: str) -> None:
    embedding = codec_of(name).embedding
    inputs = ["text"] * EMBEDDED[name]

    assert embedding is not None
    vectors = embedding.decode(golden_bytes(name), EmbedCall("m", EmbedRequest(inputs))).vectors

    assert [len(vector) > 1 for vector in vectors] == [True] * len(inputs)


@pytest.mark.parametrize(("folder", "answer", "stream"), SAME_ANSWER)
def test_a_stream_on_file_says_what_the_whole_answer_says(folder: str, answer: str, stream: str) -> None:
    codec = codec_of(f"{folder}/{answer}")

    streamed = read(codec, [golden_bytes(f"{folder}/{stream}")]).said

    assert streamed == whole(codec, golden_bytes(f"{folder}/{answer}"))


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
CALLS = st.lists(
    st.tuples(
        st.from_regex(r"[a-z_]{1,12}", fullmatch=True), st.dictionaries(TEXTS, TEXTS | st.integers(), max_size=3)
    ),
    max_size=3,
)


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=60, deadline=None)
@given(words=st.lists(TEXTS, max_size=5), calls=CALLS)
def test_whatever_is_said_a_stream_says_it_as_the_whole_answer_does(
    dialect: str, words: list[str], calls: list[tuple[str, dict[str, Any]]]
) -> None:
    if not words and not calls:
        words = ["."]
    upstream: Dialect = DIALECTS[dialect]
    is_responses = dialect == "responses"
    provider = ProviderType.OPENAI if is_responses else ProviderType(dialect)
    codec = PRESETS[provider].codec.for_call(a_call(RESPONSES_MODEL if is_responses else "m"))
    tools = tuple(ToolCall(name, json.dumps(given), id=f"call_{at}") for at, (name, given) in enumerate(calls))
    answer = Answer("".join(words), tool_calls=tools, usage=Tokens(5, 6))
    frames = upstream.frames(Stream(tuple(words), tool_calls=tools, usage=Tokens(5, 6)), "m", with_usage=True)
    body = b"".join((*frames.opening, *frames.content, *frames.finish, *frames.done))

    streamed = read(codec, [body])

    expected = whole(codec, json.dumps(upstream.completion(answer, "m")).encode())
    assert streamed.complete
    assert streamed.said == expected
    assert expected == Said("".join(words), [*calls], "tool_calls" if calls else "stop")
