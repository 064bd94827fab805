"""Conversations as Chat Completions have them, made up: what every inbound wire can say too."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

JSON = dict[str, Any]

text = st.text(min_size=1, max_size=12)
names = st.text("abcdefgh_", min_size=1, max_size=8)
schemas = st.sampled_from([{"type": "object"}, {"type": "object", "properties": {"x": {"type": "integer"}}}])
images = st.sampled_from(["https://x.test/a.png", "data:image/png;base64,iVBORw0KGgo="]).map(
    lambda url: {"type": "image_url", "image_url": {"url": url}}
)
text_parts = text.map(lambda said: {"type": "text", "text": said})
contents: st.SearchStrategy[str | list[JSON]] = st.one_of(
    text, st.tuples(text_parts, images).map(list), st.tuples(images, text_parts, images).map(list)
)
users = contents.map(lambda content: {"role": "user", "content": content})
details = st.one_of(
    st.builds(lambda said, sign: {"type": "thinking", "thinking": said, "signature": sign}, text, text),
    text.map(lambda sealed: {"type": "redacted_thinking", "data": sealed}),
)


@st.composite
def reasoning(draw: st.DrawFn) -> JSON:
    """What an assistant thought: nothing, text, or text with details for replay."""
    if not draw(st.booleans()):
        return {}
    said: JSON = {"reasoning_content": draw(text)}
    if draw(st.booleans()):
        said["reasoning_details"] = draw(st.lists(details, min_size=1, max_size=2))
    return said


@st.composite
def exchanges(draw: st.DrawFn, number: int) -> list[JSON]:
    """A user's message and what came of it: an answer, or calls with their results and then an answer."""
    said: list[JSON] = [draw(users)]
    called = draw(st.integers(0, 2))
    if called:
        ids = [f"call_{number}_{index}" for index in range(called)]
        calls = [
            {
                "id": call_id,
                "type": "function",
                "function": {"name": draw(names), "arguments": draw(st.sampled_from(["{}", '{"x":1}']))},
            }
            for call_id in ids
        ]
        turn: JSON = {"role": "assistant", "content": draw(st.one_of(st.none(), text)), "tool_calls": calls}
        said.append(turn | draw(reasoning()))
        said += [{"role": "tool", "tool_call_id": call_id, "content": draw(text)} for call_id in ids]
    said.append({"role": "assistant", "content": draw(text), **draw(reasoning())})
    return said


@st.composite
def conversations(draw: st.DrawFn) -> list[JSON]:
    """Instructions perhaps, exchanges, and a last word of the user."""
    system = draw(st.lists(text.map(lambda said: {"role": "system", "content": said}), max_size=1))
    rounds = [draw(exchanges(number)) for number in range(draw(st.integers(0, 2)))]
    return [*system, *(message for one in rounds for message in one), draw(users)]


tools = st.lists(
    st.builds(
        lambda name, description, schema: {
            "type": "function",
            "function": {"name": name, "description": description, "parameters": schema},
        },
        names,
        text,
        schemas,
    ),
    min_size=1,
    max_size=3,
)


@st.composite
def parameters(draw: st.DrawFn) -> JSON:
    """Parameters that every wire has words for."""
    said: JSON = {}
    if draw(st.booleans()):
        said["temperature"] = draw(st.sampled_from([0, 0.5, 1]))
    if draw(st.booleans()):
        said["top_p"] = draw(st.sampled_from([0.1, 1]))
    if draw(st.booleans()):
        said["max_completion_tokens"] = draw(st.integers(1, 4096))
    if draw(st.booleans()):
        said["tools"] = draw(tools)
        named = {"type": "function", "function": {"name": said["tools"][0]["function"]["name"]}}
        choice = draw(st.sampled_from([None, "auto", "none", "required", named]))
        if choice is not None:
            said["tool_choice"] = choice
            said["parallel_tool_calls"] = draw(st.booleans())
    if draw(st.booleans()):
        said["response_format"] = {"type": "json_schema", "json_schema": {"name": "v", "schema": draw(schemas)}}
    return said
