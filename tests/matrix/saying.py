"""One chat, meant in the words of Chat Completions, as a client of each inbound wire would say it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

JSON = dict[str, Any]

MODEL = "there/model"


class Unsayable(Exception):
    """The wire has no words for it, so that no client of it can mean it."""


@dataclass(frozen=True)
class Wire:
    """An inbound wire: where it listens, and how a chat is said on it."""

    name: str
    path: str
    says: Callable[[JSON], JSON]


def _chat_completions(chat: JSON) -> JSON:
    return {"model": MODEL, **chat}


_NATIVE = {"messages", "temperature", "top_p", "max_tokens", "stop", "response_format", "tools", "tool_choice"}


def _native_chat(chat: JSON) -> JSON:
    _only(chat, _NATIVE)
    return {"model": MODEL, **chat}


_ITEMS = {"messages", "max_tokens", "temperature", "top_p", "parallel_tool_calls", "user", "metadata"} | {
    "tools", "tool_choice", "response_format", "reasoning_effort", "logprobs", "top_logprobs", "verbosity",
}  # fmt: skip


def _responses(chat: JSON) -> JSON:
    _only(chat, _ITEMS)
    same = ("temperature", "top_p", "parallel_tool_calls", "user", "metadata", "top_logprobs")
    body: JSON = {"model": MODEL, "input": [], **{name: chat[name] for name in same if name in chat}}
    for message in chat["messages"]:
        body["input"] += _items(message)
    if "max_tokens" in chat:
        body["max_output_tokens"] = chat["max_tokens"]
    if "reasoning_effort" in chat:
        body["reasoning"] = {"effort": chat["reasoning_effort"]}
    if "tools" in chat:
        body["tools"] = [{"type": tool["type"], **tool[tool["type"]]} for tool in chat["tools"]]
    if "tool_choice" in chat:
        body["tool_choice"] = _flat_choice(chat["tool_choice"])
    if chat.get("logprobs"):
        body["include"] = ["message.output_text.logprobs"]
    if "response_format" in chat:
        form = chat["response_format"]
        body["text"] = {"format": {"type": form["type"], **form.get("json_schema", {})}}
    return body


def _items(message: JSON) -> list[JSON]:
    content = message["content"]
    match message["role"]:
        case "tool":
            output = content if isinstance(content, str) else [_input_part(part) for part in content]
            return [{"type": "function_call_output", "call_id": message["tool_call_id"], "output": output}]
        case "assistant":
            said = [{"role": "assistant", "content": [{"type": "output_text", "text": content}]}] if content else []
            calls = [
                {"type": "function_call", "call_id": call["id"], **call["function"]}
                for call in message.get("tool_calls", ())
            ]
            return [*said, *calls]
        case role:
            parts = content if isinstance(content, str) else [_input_part(part) for part in content]
            return [{"role": role, "content": parts}]


def _input_part(part: JSON) -> JSON:
    match part["type"]:
        case "text":
            return {"type": "input_text", "text": part["text"]}
        case "image_url":
            return {"type": "input_image", "image_url": part["image_url"]["url"]}
        case "input_audio":
            return part
        case _:
            return {"type": "input_file", **part["file"]}


def _flat_choice(choice: str | JSON) -> str | JSON:
    if isinstance(choice, str):
        return choice
    if choice["type"] == "allowed_tools":
        allowed = choice["allowed_tools"]
        tools = [{"type": "function", **tool["function"]} for tool in allowed["tools"]]
        return {"type": "allowed_tools", "mode": allowed["mode"], "tools": tools}
    return {"type": "function", **choice["function"]}


_BLOCKS = {"messages", "max_tokens", "temperature", "top_p", "top_k", "stop", "user", "tools", "tool_choice"} | {
    "parallel_tool_calls", "response_format", "reasoning_effort",
}  # fmt: skip
_CHOICES = {"auto": "auto", "required": "any", "none": "none"}


def _messages(chat: JSON) -> JSON:
    _only(chat, _BLOCKS)
    same = ("temperature", "top_p", "top_k")
    body: JSON = {"model": MODEL, "max_tokens": chat.get("max_tokens", 9000), "messages": []}
    body |= {name: chat[name] for name in same if name in chat}
    for position, message in enumerate(chat["messages"]):
        _put(body, message, is_first=position == 0)
    if "stop" in chat:
        body["stop_sequences"] = chat["stop"]
    if "user" in chat:
        body["metadata"] = {"user_id": chat["user"]}
    if "tools" in chat:
        body["tools"] = [_tool(tool) for tool in chat["tools"]]
        body["tool_choice"] = _typed_choice(chat.get("tool_choice", "auto"))
        if "parallel_tool_calls" in chat:
            body["tool_choice"]["disable_parallel_tool_use"] = not chat["parallel_tool_calls"]
    if "response_format" in chat:
        _only(chat["response_format"], {"type", "json_schema"}, kind="json_schema")
        schema = chat["response_format"]["json_schema"]["schema"]
        body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    match chat.get("reasoning_effort"):
        case None:
            pass
        case "none":
            body["thinking"] = {"type": "disabled"}
        case effort:
            body |= {"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}}
    return body


def _put(body: JSON, message: JSON, *, is_first: bool) -> None:
    content = message["content"]
    match message["role"]:
        case "system" | "developer" if is_first:
            body["system"] = content
        case "system" | "developer":
            body["messages"].append({"role": "system", "content": content})
        case "assistant":
            blocks: list[JSON] = [{"type": "text", "text": content}] if content else []
            for call in message.get("tool_calls", ()):
                function = call["function"]
                given = orjson.loads(function["arguments"])
                blocks.append({"type": "tool_use", "id": call["id"], "name": function["name"], "input": given})
            body["messages"].append({"role": "assistant", "content": blocks})
        case "tool":
            result = {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": _blocks(content)}
            last = body["messages"][-1]
            if last["role"] == "user":
                last["content"].append(result)
            else:
                body["messages"].append({"role": "user", "content": [result]})
        case _:
            last = body["messages"][-1] if body["messages"] else None
            if last is not None and last["role"] == "user":
                last["content"] += [{"type": "text", "text": content}] if isinstance(content, str) else _blocks(content)
            else:
                body["messages"].append({"role": "user", "content": _blocks(content)})


def _blocks(content: str | list[JSON]) -> str | list[JSON]:
    return content if isinstance(content, str) else [_block(part) for part in content]


def _block(part: JSON) -> JSON:
    match part["type"]:
        case "text":
            return part
        case "image_url":
            return {"type": "image", "source": _source(part["image_url"]["url"])}
        case "file":
            file = part["file"]
            source = _source(file.get("file_data") or file["file_url"])
            return {"type": "document", "source": source, "title": file["filename"]}
        case _:
            raise Unsayable(part["type"])


def _source(url: str) -> JSON:
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    kind, encoded = url.removeprefix("data:").split(";base64,")
    return {"type": "base64", "media_type": kind, "data": encoded}


def _tool(tool: JSON) -> JSON:
    function = tool["function"]
    return {
        "name": function["name"],
        "description": function["description"],
        "input_schema": function["parameters"],
    }


def _typed_choice(choice: str | JSON) -> JSON:
    if isinstance(choice, str):
        return {"type": _CHOICES[choice]}
    _only(choice, {"type", "function"}, kind="function")
    return {"type": "tool", "name": choice["function"]["name"]}


def _only(said: Mapping[str, Any], known: set[str], *, kind: str | None = None) -> None:
    """Raise Unsayable for a field that the wire does not have, or for another type than it has."""
    strange = said.keys() - known
    if strange or (kind is not None and said["type"] != kind):
        raise Unsayable(str(strange or said["type"]))


WIRES = (
    Wire("chat_completions", "/v1/chat/completions", _chat_completions),
    Wire("responses", "/v1/responses", _responses),
    Wire("messages", "/v1/messages", _messages),
    Wire("chat", "/chat", _native_chat),
)
