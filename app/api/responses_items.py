"""Input items of the Responses wire as canonical messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from app.api.responses_reasoning import read_reasoning
from app.domain.chat import JSON

TEXT_PARTS: Final = ("input_text", "output_text")
_CHAT_DETAILS: Final = ("auto", "low", "high")


def item_kind(item: Mapping[str, Any]) -> str:
    """The type of an item, `""` without one; a message may leave its own out, and a reference too."""
    stated = item.get("type")
    if isinstance(stated, str):
        return stated
    if stated is not None:
        return ""
    return "message" if "role" in item else "item_reference" if "id" in item else ""


class Transcript:
    """Builds the messages of checked items, in order.

    What the assistant did in one turn (reasoning, message, calls) are neighbouring items there and one message here.
    `only_here` are the paths of what no other wire has words for.
    """

    def __init__(self) -> None:
        self.only_here: list[str] = []
        self._messages: list[JSON] = []
        self._turn: JSON | None = None

    def say(self, role: str, content: str) -> None:
        """Adds a plain message."""
        self._turn = None
        self._messages.append({"role": role, "content": content})

    def add(self, item: Mapping[str, Any], path: str) -> None:
        """Adds one item."""
        match item_kind(item):
            case "message":
                self._message(item, path)
            case "reasoning":
                self._reasoning(item)
            case "function_call":
                function = {"name": item["name"], "arguments": item["arguments"]}
                self._call({"id": item["call_id"], "type": "function", "function": function})
            case "custom_tool_call":
                custom = {"name": item["name"], "input": item["input"]}
                self._call({"id": item["call_id"], "type": "custom", "custom": custom})
            case "function_call_output" | "custom_tool_call_output":
                self._turn = None
                content = self._content(item["output"], f"{path}.output")
                self._messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": content})
            case _:
                self.only_here.append(path)

    def messages(self) -> list[JSON]:
        """All of them; a thought that no deed followed is left out, since no dialect has a place for it."""
        return [m for m in self._messages if m["role"] != "assistant" or _has_content(m) or m.get("tool_calls")]

    def _message(self, item: Mapping[str, Any], path: str) -> None:
        role, content = item["role"], item["content"]
        if role != "assistant":
            self._turn = None
            self._messages.append({"role": role, "content": self._content(content, f"{path}.content")})
            return
        turn = self._turn
        if turn is None or (_has_content(turn) and not turn.get("tool_calls")):
            turn = self._new_turn()
        parts = [{"type": "output_text", "text": content}] if isinstance(content, str) else content
        texts = [part["text"] for part in parts if part["type"] in TEXT_PARTS]
        turn["content"] = _joined(turn["content"], texts)
        refusal = "".join(part["refusal"] for part in parts if part["type"] == "refusal")
        if refusal:
            turn["refusal"] = turn.get("refusal", "") + refusal

    def _reasoning(self, item: Mapping[str, Any]) -> None:
        said = read_reasoning(item)
        turn = self._turn
        # While calls are open, another assistant message would stand between them and their results.
        if turn is None or (_has_content(turn) and not turn.get("tool_calls") and not said.is_late):
            turn = self._new_turn()
        if said.text:
            earlier = turn.get("reasoning_content")
            turn["reasoning_content"] = f"{earlier}\n\n{said.text}" if earlier else said.text
        if said.details:
            turn["reasoning_details"] = [*turn.get("reasoning_details", ()), *said.details]

    def _call(self, call: JSON) -> None:
        turn = self._turn or self._new_turn()
        turn.setdefault("tool_calls", []).append(call)

    def _new_turn(self) -> JSON:
        self._turn = turn = {"role": "assistant", "content": None}
        self._messages.append(turn)
        return turn

    def _content(self, content: str | list[JSON], path: str) -> str | list[JSON]:
        """Text alone stays text: not every provider takes a list of parts."""
        if isinstance(content, str):
            return content
        if len(content) == 1 and content[0]["type"] in TEXT_PARTS:
            text: str = content[0]["text"]
            return text
        return [self._part(part, f"{path}[{position}]") for position, part in enumerate(content)]

    def _part(self, part: JSON, path: str) -> JSON:
        match part["type"]:
            case "input_image":
                return self._image(part, path)
            case "input_file":
                names = ("filename", "file_data", "file_id", "file_url")
                return {"type": "file", "file": {name: part[name] for name in names if part.get(name) is not None}}
            case "input_audio":
                return {"type": "input_audio", "input_audio": part["input_audio"]}
            case _:
                return {"type": "text", "text": part["text"]}

    def _image(self, part: JSON, path: str) -> JSON:
        if part.get("image_url") is None:
            self.only_here.append(path)
        image = {"url": part.get("image_url") or ""}
        if part.get("detail") is not None:
            image["detail"] = part["detail"] if part["detail"] in _CHAT_DETAILS else "high"
        return {"type": "image_url", "image_url": image}


def _has_content(turn: JSON) -> bool:
    return turn["content"] is not None or "refusal" in turn


def _joined(earlier: object, texts: Iterable[str]) -> str | list[JSON] | None:
    """What an assistant said so far and now: one text stays text, several are parts."""
    parts: list[JSON] = list(earlier) if isinstance(earlier, list) else []
    if isinstance(earlier, str):
        parts.append({"type": "text", "text": earlier})
    parts += [{"type": "text", "text": text} for text in texts]
    if not parts:
        return None
    only: str = parts[0]["text"]
    return only if len(parts) == 1 else parts
