"""Output items of a streamed response while they are being written: the events that open, extend and close each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

from app.api.responses_answer import Frame, message_item, refusal_part, text_part
from app.api.responses_reasoning import reasoning_items
from app.domain.chat import JSON

Event = tuple[str, JSON]
"""The type of an event, and its fields but the sequence number."""


class OpenItem(Protocol):
    """One item under way. `items` are what it came to, once it is closed."""

    items: list[JSON]

    def close(self, status: str) -> Iterator[Event]:
        """The events that end it; `status` is what it ends with."""
        ...


class OpenReasoning:
    """Reasoning: its text as a summary, and details for replay that come with the item's end."""

    def __init__(self, frame: Frame, index: int) -> None:
        self.items: list[JSON] = []
        self._frame = frame
        self._index = index
        self._id = frame.new_id("rs")
        self._text: list[str] = []
        self._details: list[JSON] = []

    def open(self) -> Iterator[Event]:
        """The item without anything in it."""
        item: JSON = {
            "id": self._id,
            "type": "reasoning",
            "summary": [],
            "encrypted_content": None,
            "status": "in_progress",
        }
        yield _added(self._index, item)

    def add(self, text: str, details: list[JSON]) -> Iterator[Event]:
        """What one delta brought."""
        self._details += details
        if not text:
            return
        if not self._text:
            part = {"type": "summary_text", "text": ""}
            yield "response.reasoning_summary_part.added", {**self._place(), "part": part}
        self._text.append(text)
        yield "response.reasoning_summary_text.delta", {**self._place(), "delta": text}

    def close(self, status: str) -> Iterator[Event]:
        """The summary whole, and the item with what replay needs; further items follow where details fill several."""
        text = "".join(self._text)
        if text:
            part = {"type": "summary_text", "text": text}
            yield "response.reasoning_summary_text.done", {**self._place(), "text": text}
            yield "response.reasoning_summary_part.done", {**self._place(), "part": part}
        said = {"reasoning_content": text, "reasoning_details": self._details}
        made = reasoning_items(said, lambda: self._frame.new_id("rs"))
        self.items = [{**item, "status": status} for item in made]
        self.items[0]["id"] = self._id
        yield _done(self._index, self.items[0])
        for position, item in enumerate(self.items[1:], self._index + 1):
            yield _added(position, item)
            yield _done(position, item)

    def _place(self) -> JSON:
        return {"item_id": self._id, "output_index": self._index, "summary_index": 0}


class OpenMessage:
    """A message: parts of text and of refusal, one after the other."""

    def __init__(self, frame: Frame, index: int) -> None:
        self.items: list[JSON] = []
        self._index = index
        self._id = frame.new_id("msg")
        self._parts: list[JSON] = []
        self._said: list[str] = []
        self._logprobs: list[JSON] = []
        self._notes: list[JSON] = []
        self._kind: str | None = None

    def open(self) -> Iterator[Event]:
        """The message without anything in it."""
        yield _added(self._index, message_item(self._id, [], "in_progress"))

    def add_text(self, text: str, logprobs: list[JSON]) -> Iterator[Event]:
        """More text."""
        yield from self._turn_to("text")
        self._said.append(text)
        self._logprobs += logprobs
        yield "response.output_text.delta", {**self._place(), "delta": text, "logprobs": logprobs}

    def add_refusal(self, text: str) -> Iterator[Event]:
        """More of a refusal."""
        yield from self._turn_to("refusal")
        self._said.append(text)
        yield "response.refusal.delta", {**self._place(), "delta": text}

    def annotate(self, notes: list[JSON]) -> None:
        """Notes on the text; they are told with the part's end."""
        self._notes += notes

    def close(self, status: str) -> Iterator[Event]:
        """The last part whole, and the message."""
        if self._kind is None:
            yield from self._turn_to("text")
        yield from self._close_part()
        self.items = [message_item(self._id, self._parts, status)]
        yield _done(self._index, self.items[0])

    def _turn_to(self, kind: str) -> Iterator[Event]:
        if self._kind == kind:
            return
        yield from self._close_part()
        self._kind = kind
        empty = text_part("") if kind == "text" else refusal_part("")
        yield "response.content_part.added", {**self._place(), "part": empty}

    def _close_part(self) -> Iterator[Event]:
        said = "".join(self._said)
        match self._kind:
            case "text":
                part = text_part(said, self._logprobs, self._notes)
                yield "response.output_text.done", {**self._place(), "text": said, "logprobs": self._logprobs}
            case "refusal":
                part = refusal_part(said)
                yield "response.refusal.done", {**self._place(), "refusal": said}
            case _:
                return
        yield "response.content_part.done", {**self._place(), "part": part}
        self._parts.append(part)
        self._said, self._logprobs, self._notes = [], [], []

    def _place(self) -> JSON:
        return {"item_id": self._id, "output_index": self._index, "content_index": len(self._parts)}


class OpenCall:
    """A call of one of the caller's tools, of a function or of a tool with free input."""

    def __init__(self, frame: Frame, index: int, delta: Mapping[str, Any]) -> None:
        self.items: list[JSON] = []
        self._index = index
        form = "custom" if delta.get("type") == "custom" else "function"
        self._form = _FORMS[form]
        self._inner = form
        self._item: JSON = {
            "id": frame.new_id(self._form["prefix"]),
            "type": self._form["type"],
            "status": "in_progress",
            "call_id": str(delta.get("id") or frame.new_id("call")),
            "name": str((delta.get(form) or {}).get("name") or ""),
            self._form["said"]: "",
        }
        self._said: list[str] = []

    def open(self) -> Iterator[Event]:
        """The call without its arguments."""
        yield _added(self._index, dict(self._item))

    def add(self, delta: Mapping[str, Any]) -> Iterator[Event]:
        """More of the arguments."""
        inner = delta.get(self._inner) or {}
        self._item["name"] = self._item["name"] or inner.get("name") or ""
        text = inner.get(self._form["said"])
        if isinstance(text, str) and text:
            self._said.append(text)
            yield f"{self._form['event']}.delta", {**self._place(), "delta": text}

    def close(self, status: str) -> Iterator[Event]:
        """The arguments whole, and the call."""
        said = "".join(self._said)
        yield f"{self._form['event']}.done", {**self._place(), self._form["said"]: said}
        self.items = [{**self._item, "status": status, self._form["said"]: said}]
        yield _done(self._index, self.items[0])

    def _place(self) -> JSON:
        return {"item_id": self._item["id"], "output_index": self._index}


_FORMS: Final = {
    "function": {
        "prefix": "fc",
        "type": "function_call",
        "said": "arguments",
        "event": "response.function_call_arguments",
    },
    "custom": {
        "prefix": "ctc",
        "type": "custom_tool_call",
        "said": "input",
        "event": "response.custom_tool_call_input",
    },
}


def _added(index: int, item: JSON) -> Event:
    return "response.output_item.added", {"output_index": index, "item": item}


def _done(index: int, item: JSON) -> Event:
    return "response.output_item.done", {"output_index": index, "item": item}
