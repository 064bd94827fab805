"""Mistral's dialect: OpenAI's, with a strict order of messages, short call ids and few fields."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final

from app.adapters import abilities
from app.adapters.efforts import mistral_efforts
from app.adapters.openai import OpenAICodec
from app.adapters.openai_embeddings import OpenAIEmbeddingCodec
from app.adapters.openai_messages import MessageRules
from app.adapters.openai_request import RequestOptions
from app.adapters.openai_tools import ToolRules
from app.domain.chat import JSON

_ALLOWED: Final = frozenset(
    {"model", "messages", "temperature", "top_p", "max_tokens", "stream", "stop", "random_seed", "metadata"}
    | {"response_format", "tools", "tool_choice", "presence_penalty", "frequency_penalty", "min_tokens"}
    | {"repetition_penalty", "top_k", "logprobs", "top_logprobs", "n", "prediction", "parallel_tool_calls"}
    | {"reasoning_effort", "prompt_mode", "guardrails", "prompt_cache_key", "service_tier", "safe_prompt"}
)
_SHORT_ID: Final = re.compile(r"[a-zA-Z0-9]{9}")
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BETWEEN: Final = "Understood."


def short_call_id(given: str) -> str:
    """Nine letters and digits for any id, always the same for the same."""
    if _SHORT_ID.fullmatch(given):
        return given
    number = int.from_bytes(hashlib.sha256(given.encode("utf-8", "replace")).digest()[:8], "big")
    digits = []
    for _ in range(9):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)


def arranged(messages: list[JSON]) -> list[JSON]:
    """System messages first, an answer between a tool's result and the user, a marked beginning at the end."""
    names: dict[str, str] = {}
    rest: list[JSON] = []
    for message in messages:
        if message.get("role") == "system":
            continue
        _adapt(message, names)
        if rest and rest[-1].get("role") == "tool" and message.get("role") == "user":
            # Refused otherwise: "Unexpected role 'user' after role 'tool'".
            rest.append({"role": "assistant", "content": _BETWEEN})
        rest.append(message)
    if rest and rest[-1].get("role") == "assistant":
        rest[-1].setdefault("prefix", True)
    return [message for message in messages if message.get("role") == "system"] + rest


def _adapt(message: JSON, names: dict[str, str]) -> None:
    """Ids, names and parts of one message; `names` are the functions by the calls' ids."""
    if isinstance(message.get("content"), list):
        message["content"] = [_part(each) for each in message["content"]]
    if message.get("role") == "assistant":
        _adapt_assistant(message, names)
    if isinstance(message.get("tool_call_id"), str):
        message["tool_call_id"] = short_call_id(message["tool_call_id"])
        if message["tool_call_id"] in names:
            message.setdefault("name", names[message["tool_call_id"]])


def _adapt_assistant(message: JSON, names: dict[str, str]) -> None:
    calls = message.pop("tool_calls", None)
    if isinstance(calls, list) and calls:
        message["tool_calls"] = calls = [
            {**call, "id": short_call_id(str(call.get("id", "")))} if isinstance(call, dict) else call for call in calls
        ]
        for call in calls:
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict) and isinstance(function.get("name"), str):
                names[call["id"]] = function["name"]
        if message.get("content") is None:
            message["content"] = ""
    elif not message.get("content"):
        # Neither words nor calls is refused; a blank says as much.
        message["content"] = " "


def _part(part: Any) -> Any:  # noqa: ANN401 - a wire body
    kind = part.get("type") if isinstance(part, dict) else None
    inner = part.get(kind) if isinstance(kind, str) else None
    if not isinstance(inner, dict):
        return part
    if kind == "input_audio" and isinstance(inner.get("data"), str):
        return {"type": "input_audio", "input_audio": inner["data"]}
    address = inner.get("file_data") or inner.get("file_url")
    if kind == "file" and isinstance(address, str):
        document = {"type": "document_url", "document_url": address}
        return {**document, "document_name": inner["filename"]} if inner.get("filename") else document
    if kind == "file" and isinstance(inner.get("file_id"), str):
        return {"type": "file", "file_id": inner["file_id"]}
    return part


def _finishing(model: str, body: JSON) -> Sequence[str]:
    if body.get("temperature") == 0 and body.get("top_p", 1) != 1:
        del body["top_p"]
        return [f"top_p was dropped: {model} takes none at temperature 0, where it changes nothing"]
    return ()


MISTRAL: Final = OpenAICodec(
    "mistral",
    RequestOptions(
        max_tokens_field="max_tokens",
        renamed={"seed": "random_seed"},
        allowed=_ALLOWED,
        efforts=mistral_efforts,
        highest={"temperature": 1.5},
        has_stream_usage=False,
        messages=MessageRules(
            has_names=False,
            assistant_fields=frozenset({"role", "content", "tool_calls", "prefix"}),
            drops_nulls=True,
            has_file_urls=True,
            arranged=arranged,
        ),
        tools=ToolRules(
            has_strict=False,
            has_functions=False,
            has_allowed_tools=False,
            required="any",
            refused_keywords=frozenset({"$id", "$schema", "additionalProperties", "strict"}),
        ),
        finishing=_finishing,
    ),
    abilities=abilities.MISTRAL,
    embedding=OpenAIEmbeddingCodec(
        "mistral",
        renamed={"dimensions": "output_dimension"},
        allowed=frozenset({"output_dimension", "output_dtype", "metadata"}),
    ),
)
