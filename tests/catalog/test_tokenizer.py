from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from app.catalog.tokenizer import VocabularyCounter, token_counter, vocabulary_of
from app.catalog.tokens import Estimator, estimate_tokens
from app.domain.attempt import CountSource

HELLO: list[Mapping[str, Any]] = [{"role": "user", "content": "hello world"}]
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1000}}
GET_PRICE = {
    "type": "function",
    "function": {"name": "get_price", "parameters": {"type": "object", "properties": {"symbol": {"type": "string"}}}},
}


@pytest.fixture(scope="module")
def counter() -> VocabularyCounter:
    counter = token_counter()
    assert isinstance(counter, VocabularyCounter)
    return counter


class Miscounting:
    """A bad release: one token too many, in every vocabulary but those named in `without`."""

    def __init__(self, without: Sequence[str] = ()) -> None:
        self.without = without

    def counts(self, texts: Sequence[str], encoding: str) -> list[int]:
        if encoding in self.without:
            raise KeyError(encoding)
        return [len(text) + 1 for text in texts]


@pytest.mark.parametrize(
    ("text", "o200k", "cl100k"),
    [
        ("hello world", 2, 2),
        ("日本語のテキストをトークン化します。", 13, 16),
        ("हिन्दी पाठ और العربية النص", 7, 20),
        ("A" * 5000, 625, 625),
        ("<|endoftext|> hi", 8, 8),
        ("", 0, 0),
    ],
)
def test_a_text_counts_as_in_the_models_own_vocabulary(
    counter: VocabularyCounter, text: str, o200k: int, cl100k: int
) -> None:
    # 3 for the message, 1 for its role, 3 for the beginning of the reply.
    assert counter.count("gpt-4o", [{"role": "user", "content": text}]) == (o200k + 7, CountSource.TOKENIZER)
    assert counter.count("gpt-4", [{"role": "user", "content": text}]) == (cl100k + 7, CountSource.TOKENIZER)


def test_names_parts_tools_and_calls_count(counter: VocabularyCounter) -> None:
    def count(message: Mapping[str, Any], tools: Sequence[Mapping[str, Any]] = ()) -> int:
        return counter.count("gpt-4o", [{"role": "user", **message}], tools)[0]

    plain = count({"content": "hello world"})
    call = {"id": "1", "type": "function", "function": {"name": "get_price", "arguments": '{"symbol": "BTC"}'}}

    assert count({"content": "hello world", "name": "ann"}) == plain + 2
    assert count({"content": [{"type": "text", "text": "hello world"}]}) == plain
    assert count({"content": "hello world", "tool_calls": [call]}) > plain + 4
    assert count({"content": "hello world"}, [GET_PRICE]) > plain + 8 + 10


def test_a_picture_makes_an_estimate_of_a_count(counter: VocabularyCounter) -> None:
    tokens, source = counter.count("gpt-4o", [{"role": "user", "content": [PICTURE]}])

    assert source is CountSource.ESTIMATE
    assert 500 < tokens < 2000


@pytest.mark.parametrize(
    ("model", "encoding", "factor"),
    [
        ("gpt-4o-2024-08-06", "o200k_base", None),
        ("openai/gpt-5.2", "o200k_base", None),
        ("gpt-4.1-mini", "o200k_base", None),
        ("gpt-6.1-sol", "o200k_base", None),
        ("o3", "o200k_base", None),
        ("gpt-4", "cl100k_base", None),
        ("gpt-4-turbo", "cl100k_base", None),
        ("gpt-35-turbo", "cl100k_base", None),
        ("text-embedding-3-small", "cl100k_base", None),
        ("openai/gpt-oss-120b", "o200k_base", None),
        ("claude-3-5-sonnet-20241022", "o200k_base", 1.2),
        ("claude-sonnet-4-20250514", "o200k_base", 1.2),
        ("anthropic/claude-sonnet-4.5", "o200k_base", 1.2),
        ("claude-opus-4-6", "o200k_base", 1.2),
        ("claude-opus-4-7", "o200k_base", 1.5),
        ("claude-sonnet-5-5", "o200k_base", 1.5),
        ("mistral-large-latest", "o200k_base", 1.05),
        ("mixtral-8x7b", "o200k_base", 1.05),
        ("gemini-3.8-flash", "o200k_base", 1.1),
        ("my-deployment", "o200k_base", 1.1),
    ],
)
def test_each_line_of_models_has_its_vocabulary(model: str, encoding: str, factor: float | None) -> None:
    assert vocabulary_of(model) == (encoding, factor)


def test_another_makers_model_is_estimated_from_openais_vocabulary(counter: VocabularyCounter) -> None:
    text = [{"role": "user", "content": "hello world " * 100}]
    own, _ = counter.count("gpt-4o", text)

    tokens, source = counter.count("claude-opus-4-7", text)

    assert source is CountSource.ESTIMATE
    assert own * 1.4 < tokens <= own * 1.5


@pytest.mark.parametrize("tokenizer", [Miscounting(), Miscounting(without=["o200k_base"])])
def test_a_tokenizer_that_miscounts_is_not_used(tokenizer: Miscounting, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        counter = VocabularyCounter(tokenizer)

    assert [counter.count(model, HELLO) for model in ("gpt-4o", "gpt-4")] == [
        (estimate_tokens(HELLO), CountSource.ESTIMATE)
    ] * 2
    assert [record.message for record in caplog.records] == ["the tokenizer miscounts and is not used"] * 2


def test_without_the_extra_there_is_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "toktok", None)

    counter = token_counter()

    assert isinstance(counter, Estimator)
    assert counter.count("gpt-4o", HELLO) == (estimate_tokens(HELLO), CountSource.ESTIMATE)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"role": 7, "content": 7, "name": 7, "tool_calls": 7},
        {"content": [None, 7, {"text": 7}, {"type": "input_audio"}], "tool_calls": [None, {"function": 7}]},
        {"content": "half a pair: \ud83d"},
    ],
)
def test_no_message_is_too_odd_to_be_counted(counter: VocabularyCounter, message: Mapping[str, Any]) -> None:
    tokens, _ = counter.count("gpt-4o", [message], [7, {}, {"function": None}])  # type: ignore[list-item]  # nonsense

    assert tokens >= 6
