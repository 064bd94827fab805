from __future__ import annotations

import pytest

from app.catalog.tokens import estimate_text, estimate_tokens

# Counts of o200k_base, from the tokenizer itself.
COUNTED = [
    ("hello world", 2),
    ("tiktoken is great!", 6),
    ("日本語のテキストをトークン化します。", 13),
]


@pytest.mark.parametrize(("text", "tokens"), COUNTED)
def test_an_estimate_is_near_the_real_count(text: str, tokens: int) -> None:
    assert tokens / 2 <= estimate_text(text) <= tokens * 2


def test_nothing_costs_nothing() -> None:
    assert estimate_text("") == 0


def test_every_message_and_the_reply_have_an_overhead() -> None:
    assert estimate_tokens([{"role": "user", "content": ""}] * 2) == 9


def test_a_picture_counts_by_its_size_on_screen_not_in_bytes() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1_000_000}}

    assert estimate_tokens([{"role": "user", "content": [{"type": "text", "text": "what?"}, picture]}]) < 2_000


def test_tools_and_their_calls_count() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "get_price", "arguments": '{"symbol": "BTC"}'}}
    bare = estimate_tokens([{"role": "assistant", "content": None}])

    assert estimate_tokens([{"role": "assistant", "content": None, "tool_calls": [call]}]) > bare
    assert estimate_tokens([{"role": "assistant", "content": None}], [call]) > bare


@pytest.mark.parametrize("content", [None, 7, [], ["text"], [{"type": "text"}]])
def test_odd_content_is_counted_as_nothing(content: object) -> None:
    assert estimate_tokens([{"role": "user", "content": content}]) == 6
