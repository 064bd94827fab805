"""One answer in both its forms: told whole, and told as a stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from app.domain.chat import JSON, ChatChunk, ChatResponse

_NOT_IN_DELTAS: Final = ("role", "tool_calls")
_GROWING: Final = ("content", "reasoning_content", "reasoning", "refusal")
_LISTED: Final = ("reasoning_details", "annotations")
_CALLED: Final = (("function", "arguments"), ("custom", "input"))


class NotOne(Exception):
    """These chunks do not make one answer that nothing is missing of."""


def chunks_of(response: ChatResponse) -> list[ChatChunk]:
    """One chunk with everything that each choice says, one with the reasons for the end, and the usage."""
    completion = response.completion
    head = {name: value for name, value in completion.items() if name not in ("choices", "usage", "object")}
    head["object"] = "chat.completion.chunk"
    choices = completion["choices"]
    said = {**head, "choices": [_choice(each, _delta(each["message"]), None) for each in choices]}
    ends = {**head, "choices": [_choice(each, {}, each["finish_reason"]) for each in choices]}
    chunks = [
        ChatChunk(said, carries=True, warnings=response.warnings, allowance=response.allowance),
        ChatChunk(ends, finish_reason=response.finish_reason),
    ]
    if response.usage is not None:
        chunks.append(ChatChunk({**head, "choices": [], "usage": completion["usage"]}, usage=response.usage))
    return chunks


def whole_of(chunks: Iterable[JSON]) -> JSON:
    """The `chat.completion` that these `chat.completion.chunk`s tell; raises NotOne where something would be lost."""
    head: JSON = {}
    choices: dict[int, JSON] = {}
    for chunk in chunks:
        head.update((name, value) for name, value in chunk.items() if name != "choices" and value is not None)
        for choice in chunk.get("choices") or ():
            _extend_choice(choices.setdefault(choice.get("index", 0), _nothing_yet(choice)), choice)
    if not choices or any(choice["finish_reason"] is None for choice in choices.values()):
        raise NotOne("a choice has no end")
    return {**head, "object": "chat.completion", "choices": [_closed(choices[index]) for index in sorted(choices)]}


def _choice(choice: JSON, delta: JSON, finish: Any) -> JSON:  # noqa: ANN401 - a wire value
    logprobs = choice.get("logprobs") if finish is None else None
    return {"index": choice["index"], "delta": delta, "logprobs": logprobs, "finish_reason": finish}


def _delta(message: JSON) -> JSON:
    delta = {"role": "assistant"}
    delta.update((name, value) for name, value in message.items() if name not in _NOT_IN_DELTAS and value is not None)
    calls = message.get("tool_calls")
    return {**delta, "tool_calls": [{**call, "index": index} for index, call in enumerate(calls)]} if calls else delta


def _nothing_yet(choice: JSON) -> JSON:
    message: JSON = {"role": "assistant", "content": None, "refusal": None}
    return {"index": choice.get("index", 0), "message": message, "logprobs": None, "finish_reason": None}


def _extend_choice(known: JSON, choice: JSON) -> None:
    for name, value in choice.items():
        if value is None or name == "index":
            continue
        if name == "delta":
            _extend_message(known["message"], value)
        elif name == "logprobs":
            known["logprobs"] = _joined(known["logprobs"], value)
        elif name == "finish_reason":
            known[name] = value
        else:
            _say_once(known, name, value)


def _extend_message(message: JSON, delta: JSON) -> None:
    for name, value in delta.items():
        if value is None:
            continue
        if name in _GROWING and isinstance(value, str):
            message[name] = (message.get(name) or "") + value
        elif name in _LISTED and isinstance(value, list):
            message[name] = [*(message.get(name) or ()), *value]
        elif name == "tool_calls":
            calls = message.setdefault("tool_calls", {})
            for position, call in enumerate(value):
                _extend_call(calls.setdefault(call.get("index", position), {}), call)
        else:
            _say_once(message, name, value)


def _extend_call(known: JSON, delta: JSON) -> None:
    for name, value in delta.items():
        inner = dict(_CALLED).get(name)
        if inner is not None and isinstance(value, dict):
            _extend_inner(known.setdefault(name, {}), value, inner)
        elif value is not None and name != "index":
            _say_once(known, name, value)


def _extend_inner(known: JSON, delta: JSON, growing: str) -> None:
    for name, value in delta.items():
        if name == growing and isinstance(value, str):
            known[name] = known.get(name, "") + value
        elif value is not None and not (value == "" and name in known):
            _say_once(known, name, value)


def _joined(known: Any, more: Any) -> Any:  # noqa: ANN401 - a wire value
    if not isinstance(more, dict):
        raise NotOne("log probabilities are no object")
    joined = dict(known or {})
    for name, value in more.items():
        if isinstance(value, list):
            joined[name] = [*(joined.get(name) or ()), *value]
        elif name not in joined or value is not None:
            _say_once(joined, name, value)
    return joined


def _say_once(known: JSON, name: str, value: Any) -> None:  # noqa: ANN401 - a wire value
    if known.get(name) is None:
        known[name] = value
    elif known[name] != value:
        raise NotOne(f"{name} is said twice")


def _closed(choice: JSON) -> JSON:
    message = choice["message"]
    calls = message.get("tool_calls")
    if calls is not None:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    return choice
