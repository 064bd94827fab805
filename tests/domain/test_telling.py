"""An answer told as a stream and put together again is the same answer, however it was cut."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.chat import ChatResponse
from app.domain.telling import NotOne, chunks_of, whole_of
from app.domain.usage import Usage

JSON = dict[str, Any]
TEXT = st.text(min_size=1, max_size=30)
CALLS = st.lists(
    st.fixed_dictionaries({"id": TEXT, "name": TEXT, "arguments": TEXT}),
    max_size=3,
    unique_by=lambda call: call["id"],
)
SAID = st.fixed_dictionaries(
    {"content": st.none() | TEXT, "refusal": st.none() | TEXT},
    optional={"reasoning_content": TEXT, "reasoning_details": st.lists(st.dictionaries(TEXT, TEXT), min_size=1)},
)
LOGPROBS = st.none() | st.fixed_dictionaries({"content": st.lists(st.fixed_dictionaries({"token": TEXT}), min_size=1)})


@st.composite
def answers(draw: st.DrawFn) -> JSON:
    choices = []
    for index in range(draw(st.integers(1, 3))):
        calls = [
            {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
            for call in draw(CALLS)
        ]
        message = {"role": "assistant", **draw(SAID), **({"tool_calls": calls} if calls else {})}
        finish = "tool_calls" if calls else "stop"
        choices.append({"index": index, "message": message, "logprobs": draw(LOGPROBS), "finish_reason": finish})
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    head = {"id": "c-1", "object": "chat.completion", "created": 7, "model": "m-1", "system_fingerprint": "fp"}
    return {**head, "choices": choices, "usage": usage}


def halved(chunk: JSON, at: int) -> list[JSON]:
    """The chunk as two, its texts cut at a place."""
    first, second = [], []
    for choice in chunk["choices"]:
        delta, head, tail = choice["delta"], {}, {}
        for name, value in delta.items():
            if name in ("content", "reasoning_content", "refusal") and value:
                head[name], tail[name] = value[:at], value[at:]
            elif name == "tool_calls":
                head[name] = [
                    {**c, "function": {**c["function"], "arguments": c["function"]["arguments"][:at]}} for c in value
                ]
                tail[name] = [
                    {"index": c["index"], "function": {"arguments": c["function"]["arguments"][at:]}} for c in value
                ]
            else:
                head[name] = value
        first.append({**choice, "delta": head, "finish_reason": None})
        second.append({"index": choice["index"], "delta": tail, "finish_reason": choice["finish_reason"]})
    return [{**chunk, "choices": first}, {**chunk, "choices": second}]


@given(answers())
def test_nothing_is_lost_between_the_two_forms(completion: JSON) -> None:
    response = ChatResponse(completion, completion["choices"][0]["finish_reason"], Usage(3, 2))

    assert whole_of(chunk.chunk for chunk in chunks_of(response)) == completion


@given(answers(), st.integers(0, 10))
def test_it_does_not_matter_where_a_stream_was_cut(completion: JSON, at: int) -> None:
    chunks = chunks_of(ChatResponse(completion, "stop", Usage(3, 2)))

    assert whole_of(half for chunk in chunks for half in halved(chunk.chunk, at)) == completion


def chunk(delta: JSON, finish: str | None = None, **more: Any) -> JSON:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, **more}
    return {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [chunk({"content": "buy"})],
        [chunk({"mood": "good"}), chunk({"mood": "bad"}, "stop")],
        [chunk({"tool_calls": [{"index": 0, "id": "a"}]}), chunk({"tool_calls": [{"index": 0, "id": "b"}]}, "stop")],
        [chunk({}, "stop", logprobs="none")],
    ],
    ids=["nothing", "no end", "said twice", "another call", "strange log probabilities"],
)
def test_what_cannot_be_put_together_is_not(chunks: list[JSON]) -> None:
    with pytest.raises(NotOne):
        whole_of(chunks)
