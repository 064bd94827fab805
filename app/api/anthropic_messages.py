"""Messages of Anthropic's wire in the canonical form: results as messages of their own, blocks as parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from app.api.responses_reasoning import is_sealed, opened
from app.domain.chat import JSON

_FAILED: Final = "Error: "
_PICTURES: Final = frozenset({"base64", "url"})


class Transcript:
    """Collects the canonical messages of a checked body.

    `only_here` are the paths of what no other wire has words for: files kept at Anthropic, and what the tools that it
    runs itself left in the conversation.
    """

    def __init__(self) -> None:
        self.messages: list[JSON] = []
        self.only_here: list[str] = []

    def instruct(self, system: str | list[JSON]) -> None:
        """What the system says, before or within the conversation."""
        text = system if isinstance(system, str) else "\n\n".join(block["text"] for block in system)
        if text:
            self.messages.append({"role": "system", "content": text})

    def add(self, message: Mapping[str, Any], path: str) -> None:
        """One message of the wire: none, one or several of ours."""
        content = message["content"]
        match message["role"]:
            case "system":
                self.instruct(content)
            case "assistant":
                blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
                self.messages.append(self._said(blocks, f"{path}.content"))
            case _ if isinstance(content, str):
                self.messages.append({"role": "user", "content": content})
            case _:
                self._hear(content, f"{path}.content")

    def _hear(self, blocks: list[JSON], path: str) -> None:
        """Results first: they belong to the calls before them, whatever else the user says."""
        parts: list[JSON] = []
        for index, block in enumerate(blocks):
            if block["type"] == "tool_result":
                self.messages.append(self._result(block, f"{path}[{index}]"))
            else:
                parts += self._part(block, f"{path}[{index}]")
        if parts:
            self.messages.append({"role": "user", "content": _plain(parts)})

    def _result(self, block: JSON, path: str) -> JSON:
        content = block.get("content")
        parts: list[JSON] = []
        if isinstance(content, list):
            for index, each in enumerate(content):
                parts += self._part(each, f"{path}.content[{index}]")
        elif content:
            parts.append({"type": "text", "text": content})
        if block.get("is_error"):
            # No other wire has a field for it, and the model should know.
            parts = _marked(parts)
        return {"role": "tool", "tool_call_id": block["tool_use_id"], "content": _plain(parts) if parts else ""}

    def _part(self, block: JSON, path: str) -> list[JSON]:
        match block["type"]:
            case "text":
                return [{"type": "text", "text": block["text"]}]
            case "image" if block["source"]["type"] in _PICTURES:
                return [{"type": "image_url", "image_url": {"url": _address(block["source"])}}]
            case "document" if block["source"]["type"] in _PICTURES or block["source"]["type"] == "text":
                return [_document(block)]
            case _:
                self.only_here.append(path)
                return []

    def _said(self, blocks: list[JSON], path: str) -> JSON:
        texts: list[str] = []
        thoughts: list[str] = []
        details: list[JSON] = []
        calls: list[JSON] = []
        for index, block in enumerate(blocks):
            match block["type"]:
                case "text":
                    texts.append(block["text"])
                case "thinking":
                    thoughts.append(block["thinking"])
                    details += [_bare(block)] if block.get("signature") else []
                case "redacted_thinking":
                    details += opened(block["data"]) if is_sealed(block["data"]) else [_bare(block)]
                case "tool_use":
                    calls.append(_call(block))
                case _:
                    self.only_here.append(f"{path}[{index}]")
        text = "".join(texts)
        message: JSON = {"role": "assistant", "content": text if text or not calls else None}
        if calls:
            message["tool_calls"] = calls
        if thought := "".join(thoughts):
            message["reasoning_content"] = thought
        if details:
            message["reasoning_details"] = details
        return message


def _call(block: JSON) -> JSON:
    arguments = orjson.dumps(block["input"]).decode()
    return {"id": block["id"], "type": "function", "function": {"name": block["name"], "arguments": arguments}}


def _bare(block: JSON) -> JSON:
    return {name: value for name, value in block.items() if name != "cache_control"}


def _plain(parts: list[JSON]) -> str | list[JSON]:
    """One text is said as text, which every provider takes."""
    if len(parts) == 1 and parts[0]["type"] == "text":
        text: str = parts[0]["text"]
        return text
    return parts


def _marked(parts: list[JSON]) -> list[JSON]:
    if parts and parts[0]["type"] == "text":
        return [{"type": "text", "text": _FAILED + parts[0]["text"]}, *parts[1:]]
    return [{"type": "text", "text": _FAILED.strip()}, *parts]


def _address(source: JSON) -> str:
    if source["type"] == "url":
        url: str = source["url"]
        return url
    return f"data:{source['media_type']};base64,{source['data']}"


def _document(block: JSON) -> JSON:
    source = block["source"]
    if source["type"] == "text":
        title = f"{block['title']}\n\n" if isinstance(block.get("title"), str) else ""
        return {"type": "text", "text": f"{title}{source['data']}"}
    file: JSON = {"file_url" if source["type"] == "url" else "file_data": _address(source)}
    file["filename"] = block["title"] if isinstance(block.get("title"), str) else "document.pdf"
    return {"type": "file", "file": file}
