"""What providers with a dialect of their own accept: anything else is a complaint."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

JSON = dict[str, Any]

_RESPONSES = {
    "model", "input", "instructions", "max_output_tokens", "temperature", "top_p", "tools", "tool_choice",
    "parallel_tool_calls", "text", "reasoning", "include", "store", "stream", "user", "metadata", "service_tier",
    "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "top_logprobs",
}  # fmt: skip
_ITEMS = {
    "message": {"role", "content", "type", "id", "status"},
    "function_call": {"type", "call_id", "name", "arguments", "id", "status"},
    "function_call_output": {"type", "call_id", "output"},
    "reasoning": {"type", "id", "summary", "encrypted_content", "status", "content"},
}
_INPUTS = {
    "input_text": {"text"},
    "input_image": {"image_url", "detail"},
    "input_file": {"file_data", "file_id", "file_url", "filename"},
    "output_text": {"text", "annotations", "logprobs"},
    "input_audio": {"input_audio"},
}


def _responses(body: JSON) -> Iterator[str]:
    yield from (f"unknown field {name}" for name in sorted(body.keys() - _RESPONSES))
    if body.get("store") is not False:
        yield "something would be stored"
    items = body["input"] if isinstance(body["input"], list) else []
    calls: list[str] = []
    for index, item in enumerate(items):
        form = item.get("type", "message")
        if item.keys() - _ITEMS[form]:
            yield f"input[{index}]: {sorted(item.keys() - _ITEMS[form])}"
        if form == "function_call":
            calls.append(item["call_id"])
        if form == "function_call_output" and item["call_id"] not in calls:
            yield f"input[{index}] answers no call"
        content = item.get("content", item.get("output")) if form != "reasoning" else None
        for part in content if isinstance(content, list) else ():
            wanted = "output" if item.get("role") == "assistant" else "input"
            if not part["type"].startswith(wanted) or part.keys() - _INPUTS[part["type"]] - {"type"}:
                yield f"input[{index}]: part {part}"
    for tool in body.get("tools", ()):
        if tool["type"] != "function" or "function" in tool:
            yield f"tool {tool}"
    if isinstance(body.get("tool_choice"), dict) and "function" in body["tool_choice"]:
        yield "a nested tool_choice"
    form = body.get("text", {}).get("format", {})
    if form.get("type") == "json_object" and "json" not in str(items).lower():
        yield "the input does not say JSON"
    if body["model"] == "gpt-4o":
        yield from ("the model does not reason" for _ in body.get("reasoning", ()))
    else:
        yield from (f"{name}: the model reasons" for name in ("temperature", "top_p") if name in body)


_ANTHROPIC = {
    "model", "messages", "max_tokens", "system", "temperature", "top_p", "top_k", "stop_sequences", "tools",
    "tool_choice", "metadata", "service_tier", "thinking", "output_config", "stream",
}  # fmt: skip
_BLOCKS = {
    "text": {"text", "citations"},
    "image": {"source"},
    "document": {"source", "title"},
    "tool_use": {"id", "name", "input", "caller"},
    "tool_result": {"tool_use_id", "content", "is_error"},
    "thinking": {"thinking", "signature"},
    "redacted_thinking": {"data"},
}


def _anthropic(body: JSON) -> Iterator[str]:
    yield from (f"unknown field {name}" for name in sorted(body.keys() - _ANTHROPIC))
    if "max_tokens" not in body:
        yield "max_tokens is missing"
    if body["messages"][0]["role"] != "user":
        yield "the first message is no user's"
    called: set[str] = set()
    for index, message in enumerate(body["messages"]):
        blocks = message["content"] if isinstance(message["content"], list) else []
        if not message["content"]:
            yield f"messages[{index}] is empty"
        answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if set(answered) != called:
            yield f"messages[{index}] answers {answered}, called were {sorted(called)}"
        kinds = [block["type"] for block in blocks]
        if "tool_result" in kinds and kinds != sorted(kinds, key=lambda kind: kind != "tool_result"):
            yield f"messages[{index}]: results do not come first"
        called = {block["id"] for block in blocks if block["type"] == "tool_use"}
        for block in blocks:
            inner = block["content"] if isinstance(block.get("content"), list) else []
            yield from _blocks([block, *inner], index)
    if "tool_choice" in body and not body.get("tools"):
        yield "tool_choice without tools"
    yield from (f"tool {tool}" for tool in body.get("tools", ()) if tool["input_schema"].get("type") != "object")
    if body.get("metadata", {}).keys() - {"user_id"}:
        yield "metadata"
    if "claude-opus-5" in body["model"]:
        yield from (f"{name} is gone" for name in ("temperature", "top_p", "top_k") if name in body)
        if body.get("tool_choice", {}).get("type") in ("any", "tool"):
            yield "a forced call of a model that always thinks"
        if body.get("thinking", {}).get("type") == "disabled":
            yield "thinking cannot be switched off"


def _blocks(blocks: list[JSON], index: int) -> Iterator[str]:
    for block in blocks:
        if block.keys() - _BLOCKS[block["type"]] - {"type", "cache_control"}:
            yield f"messages[{index}]: block {block}"
        if block["type"] == "text" and not block["text"].strip():
            yield f"messages[{index}]: an empty text"


_GENERATION = {
    "temperature", "topP", "topK", "maxOutputTokens", "stopSequences", "candidateCount", "seed", "presencePenalty",
    "frequencyPenalty", "responseLogprobs", "logprobs", "responseMimeType", "responseSchema", "responseJsonSchema",
    "thinkingConfig",
}  # fmt: skip


def _gemini(body: JSON) -> Iterator[str]:
    known = {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig"}
    yield from (f"unknown field {name}" for name in sorted(body.keys() - known))
    generation = body.get("generationConfig", {})
    yield from (f"unknown field {name}" for name in sorted(generation.keys() - _GENERATION))
    if "presencePenalty" in generation or "frequencyPenalty" in generation:
        yield "penalties are gone"
    roles = [turn["role"] for turn in body["contents"]]
    if roles[0] != "user" or any(one == other for one, other in pairwise(roles)):
        yield f"turns {roles}"
    calls: list[str] = []
    for turn in body["contents"]:
        parts = turn["parts"]
        answered = [part["functionResponse"]["name"] for part in parts if "functionResponse" in part]
        if answered != calls:
            yield f"{answered} answer {calls}"
        calls = [part["functionCall"]["name"] for part in parts if "functionCall" in part]
        if calls and "thoughtSignature" not in next(part for part in parts if "functionCall" in part):
            yield "a call without its signature"
        for part in parts:
            forms = part.keys() - {"thoughtSignature"}
            if len(forms) != 1 or not forms <= {"text", "inlineData", "fileData", "functionCall", "functionResponse"}:
                yield f"part {part}"
            if part.get("text") == "" and "thoughtSignature" not in part:
                yield "an empty text"
            if not isinstance(part.get("functionResponse", {}).get("response", {}), dict):
                yield "a response that is no object"


def _ollama(body: JSON) -> Iterator[str]:
    known = {"model", "messages", "stream", "tools", "format", "options", "think", "keep_alive", "truncate"}
    yield from (f"unknown field {name}" for name in sorted(body.keys() - known - {"logprobs", "top_logprobs"}))
    options = {"temperature", "top_p", "top_k", "seed", "num_predict", "stop", "presence_penalty", "frequency_penalty"}
    yield from (f"unknown option {name}" for name in sorted(body.get("options", {}).keys() - options))
    for index, message in enumerate(body["messages"]):
        if message["role"] not in ("system", "user", "assistant", "tool") or not isinstance(message["content"], str):
            yield f"messages[{index}]: {message}"
        for image in message.get("images", ()):
            base64.b64decode(image, validate=True)
        for call in message.get("tool_calls", ()):
            if not isinstance(call["function"]["arguments"], dict):
                yield f"messages[{index}]: arguments are text"


def _choice_at_responses(body: JSON) -> Any:
    if not body.get("tools"):
        return "none"
    choice = body.get("tool_choice", "auto")
    return choice if isinstance(choice, str) else choice.get("mode") or choice["name"]


def _choice_at_anthropic(body: JSON) -> Any:
    if not body.get("tools"):
        return "none"
    choice = body.get("tool_choice", {"type": "auto"})
    return choice["name"] if choice["type"] == "tool" else choice["type"].replace("any", "required")


def _choice_at_gemini(body: JSON) -> Any:
    if not body.get("tools"):
        return "none"
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {"mode": "AUTO"})
    if calling.get("allowedFunctionNames") and len(body["tools"][0]["functionDeclarations"]) > 1:
        return calling["allowedFunctionNames"][0]
    return {"AUTO": "auto", "VALIDATED": "auto", "NONE": "none", "ANY": "required"}[calling["mode"]]


def _choice_at_ollama(body: JSON) -> Any:
    return "auto" if body.get("tools") else "none"


Complaints = Callable[[JSON], Iterator[str]]
Choice = Callable[[JSON], Any]
RESPONSES: tuple[Complaints, Choice] = (_responses, _choice_at_responses)
ANTHROPIC: tuple[Complaints, Choice] = (_anthropic, _choice_at_anthropic)
GEMINI: tuple[Complaints, Choice] = (_gemini, _choice_at_gemini)
OLLAMA: tuple[Complaints, Choice] = (_ollama, _choice_at_ollama)
