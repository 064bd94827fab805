"""Messages of OpenAI's shape as Ollama wants them: one text each, pictures beside it, arguments as objects."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any, Final

import orjson

from app.adapters.codec import bad_request, unsupported
from app.domain.chat import JSON

_ROLES: Final = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_RESULTS: Final = ("tool", "function")
_PICTURE: Final = re.compile(r"data:image/[\w.+-]+(?:;[\w=.+-]+)*;base64,", re.IGNORECASE)


class MessageWriter:
    """Writes the messages of one request; `warnings` fill up on the way."""

    def __init__(self, messages: Sequence[JSON]) -> None:
        self._messages = messages
        self._names: dict[str, str] = {}
        self.warnings: list[str] = []

    def written(self) -> list[JSON]:
        """Ollama's messages, in the same order; raises ProviderError for what it has no words for."""
        return [self._message(message, f"messages.{position}") for position, message in enumerate(self._messages)]

    def _message(self, message: JSON, where: str) -> JSON:
        role = message.get("role")
        if role in _RESULTS:
            return self._result(message, where)
        if not isinstance(role, str) or role not in _ROLES:
            raise bad_request(f"unknown role {str(role)[:40]!r}", f"{where}.role")
        written: JSON = {"role": _ROLES[role], **_content(message.get("content"), where)}
        if message.get("name"):
            self._warn("name was dropped: Ollama's messages have none")
        if role == "assistant":
            self._add_assistants(written, message, where)
        return written

    def _add_assistants(self, written: JSON, message: JSON, where: str) -> None:
        if not written["content"] and isinstance(message.get("refusal"), str):
            written["content"] = message["refusal"]
        thought = message.get("reasoning_content")
        if isinstance(thought, str) and thought:
            written["thinking"] = thought
        calls = message.get("tool_calls") or ()
        if not isinstance(calls, list | tuple):
            raise bad_request("tool_calls is no list", f"{where}.tool_calls")
        if not calls and isinstance(message.get("function_call"), dict):
            calls = [{"function": message["function_call"]}]
        if calls:
            written["tool_calls"] = [
                self._call(call, position, f"{where}.tool_calls.{position}") for position, call in enumerate(calls)
            ]

    def _call(self, call: Any, position: int, where: str) -> JSON:  # noqa: ANN401 - a wire body
        if isinstance(call, dict) and call.get("type") == "custom":
            raise unsupported("Ollama knows no custom tools", "messages")
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
            raise bad_request("a tool call without a function name", where)
        name = function["name"]
        arguments = self._arguments(function.get("arguments"))
        written: JSON = {"function": {"index": position, "name": name, "arguments": arguments}}
        if isinstance(call.get("id"), str) and call["id"]:
            self._names[call["id"]] = name
            written["id"] = call["id"]
        return written

    def _arguments(self, arguments: Any) -> JSON:  # noqa: ANN401 - a wire body
        try:
            value = orjson.loads(arguments) if isinstance(arguments, str) and arguments.strip() else arguments or {}
        except orjson.JSONDecodeError:
            value = None
        if isinstance(value, dict):
            return value
        # The model itself may have written them; refusing would end the conversation.
        self._warn("arguments of an earlier tool call are no JSON object; they were sent as text")
        return {"arguments": arguments if isinstance(arguments, str) else str(arguments)}

    def _result(self, message: JSON, where: str) -> JSON:
        """A tool's result, with the tool's name: templates of models show the name, not the id."""
        written: JSON = {"role": "tool", **_content(message.get("content"), where)}
        id_ = message.get("tool_call_id")
        if isinstance(id_, str) and id_:
            written["tool_call_id"] = id_
        name = self._names.get(id_) if isinstance(id_, str) else None
        name = name or message.get("name")
        if isinstance(name, str) and name:
            written["tool_name"] = name
        return written

    def _warn(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)


def _content(content: Any, where: str) -> JSON:  # noqa: ANN401 - a wire body
    """`content` and, where there are any, `images`."""
    if content is None or isinstance(content, str):
        return {"content": content or ""}
    if not isinstance(content, list):
        raise bad_request("content is neither text nor a list of parts", f"{where}.content")
    texts: list[str] = []
    images: list[str] = []
    for position, part in enumerate(content):
        _add_part(part, f"{where}.content.{position}", texts, images)
    written: JSON = {"content": "\n".join(texts)}
    if images:
        written["images"] = images
    return written


def _add_part(part: Any, where: str, texts: list[str], images: list[str]) -> None:  # noqa: ANN401 - a wire body
    if isinstance(part, str):
        texts.append(part)
        return
    kind = part.get("type") if isinstance(part, dict) else None
    match kind:
        case "text" | "refusal":
            texts.append(str(part.get(kind) or ""))
        case "image_url":
            image = part.get("image_url")
            images.append(_picture(str(image.get("url") if isinstance(image, dict) else image), where))
        case "input_audio" | "file":
            raise unsupported(f"Ollama takes no parts of type {kind}", "messages")
        case _:
            raise bad_request(f"unknown type of part: {str(kind)[:40]!r}", where)


def _picture(url: str, where: str) -> str:
    """The base64 text of a data URL, checked: the server would answer a broken one with its decoder's words."""
    if url[:8].lower().startswith(("http://", "https://")):
        raise unsupported("Ollama takes the bytes of a picture, no URL", "messages")
    match = _PICTURE.match(url)
    if match is None:
        raise bad_request("an image must be an https URL or a base64 data URL of type image/*", where)
    encoded = url[match.end() :]
    try:
        if not base64.b64decode(encoded, validate=True):
            raise bad_request("the image's data is empty", where)
    except (binascii.Error, ValueError):
        raise bad_request("the image's data is not base64", where) from None
    return encoded
