"""The stream of the Responses wire: numbered events in their order, or a provider's own where it spoke this wire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.api.errors import openai_form
from app.api.responses_answer import Frame, annotation_of, ending, logprobs_of
from app.api.responses_open import Event, OpenCall, OpenItem, OpenMessage, OpenReasoning
from app.api.responses_reasoning import reasoning_items
from app.api.sse import event
from app.domain.chat import JSON, ChatChunk
from app.domain.errors import FailureKind, OutcryError, ProviderError
from app.services import CompletionStream

MOST_HELD: Final = 32 * 1024 * 1024
"""Bytes of a stream's events. The wire repeats the whole answer at the end, so that all of it has to be held."""


class ResponsesStream:
    """One stream. `response.completed` or `response.incomplete` ends it, or an `error` event after which nothing comes.

    Reasoning and messages close as soon as something else begins; calls stay open until the end, because deltas of
    parallel calls may alternate.
    """

    def __init__(self, frame: Frame, request_id: str) -> None:
        self._frame = frame
        self._request_id = request_id
        self._number = 0
        self._is_native = False
        self._model = ""
        self._service_tier: str | None = None
        self._refused = False
        self._held = 0
        self._writing: OpenReasoning | OpenMessage | None = None
        self._calls: dict[object, OpenCall] = {}
        self._items: list[OpenItem] = []
        self._late: list[JSON] = []
        self._places = 0

    def head(self, stream: CompletionStream) -> bytes:
        """Nothing yet: the first chunk shows whose events these will be."""
        self._model = stream.target.model
        return b""

    def chunk(self, chunk: ChatChunk) -> bytes:
        """The events of one chunk."""
        if chunk.native or self._is_native:
            self._is_native = True
            self._number += 1 if chunk.native else 0
            return chunk.native
        if self._held > MOST_HELD:
            raise ProviderError(FailureKind.BAD_ANSWER, f"the answer has more than {MOST_HELD} bytes")
        said = self._opening(chunk) + b"".join(self._numbered(each) for each in self._events(chunk))
        self._held += len(said)
        return said

    def end(self, stream: CompletionStream) -> bytes:
        """What is open is closed, and the whole response follows."""
        if self._is_native:
            return b""
        pieces = [self._opening(None)]
        status, reason = ending(stream.finish_reason, refused=self._refused)
        pieces += [self._numbered(each) for each in self._closed(status)]
        response = self._frame.response(
            self._model,
            status=status,
            reason=reason,
            output=[item for each in self._items for item in each.items] + self._late,
            usage=stream.usage,
            service_tier=self._service_tier,
        )
        pieces.append(self._numbered((f"response.{status}", {"response": response})))
        return b"".join(pieces)

    def error(self, error: OutcryError) -> bytes:
        """The error instead of the end."""
        told = openai_form(error)
        message = told.message.encode("utf-8", "replace").decode()
        fields = {"code": told.code.value, "message": message, "param": told.param, "request_id": self._request_id}
        return self._numbered(("error", fields))

    def _opening(self, chunk: ChatChunk | None) -> bytes:
        if self._number:
            return b""
        if chunk is not None:
            self._model = str(chunk.chunk.get("model") or self._model)
        response = self._frame.response(self._model)
        names = ("response.created", "response.in_progress")
        return b"".join(self._numbered((name, {"response": response})) for name in names)

    def _numbered(self, told: Event) -> bytes:
        name, fields = told
        encoded = event(name, {"type": name, "sequence_number": self._number, **fields})
        self._number += 1
        return encoded

    def _events(self, chunk: ChatChunk) -> Iterator[Event]:
        tier = chunk.chunk.get("service_tier")
        self._service_tier = tier if isinstance(tier, str) else self._service_tier
        for choice in chunk.chunk.get("choices") or ():
            # This wire has one answer only.
            if choice.get("index", 0) == 0:
                yield from self._delta(choice.get("delta") or {}, logprobs_of(choice))

    def _delta(self, delta: Mapping[str, Any], logprobs: list[JSON]) -> Iterator[Event]:
        text = delta.get("reasoning_content")
        stated = delta.get("reasoning_details")
        details = [each for each in stated if isinstance(each, dict)] if isinstance(stated, list) else []
        self._held += sum(len(str(value)) for each in details for value in each.values())
        if (isinstance(text, str) and text) or (details and not self._items):
            yield from self._reasoning(text if isinstance(text, str) else "", details)
        elif details and isinstance(self._writing, OpenReasoning):
            yield from self._writing.add("", details)
        else:
            # What belongs to a message or a call that is already there comes after it.
            self._late += details
        said, refusal = delta.get("content"), delta.get("refusal")
        if isinstance(said, str) and said:
            yield from self._text(said, logprobs)
        if isinstance(refusal, str) and refusal:
            self._refused = True
            yield from self._refusal(refusal)
        notes = delta.get("annotations")
        if isinstance(notes, list) and isinstance(self._writing, OpenMessage):
            self._writing.annotate([annotation_of(each) for each in notes if isinstance(each, dict)])
        for call in delta.get("tool_calls") or ():
            yield from self._call(call)

    def _reasoning(self, text: str, details: list[JSON]) -> Iterator[Event]:
        writing = self._writing
        if not isinstance(writing, OpenReasoning):
            yield from self._close_writing("completed")
            writing = self._writing = OpenReasoning(self._frame, self._place())
            self._items.append(writing)
            yield from writing.open()
        yield from writing.add(text, details)

    def _message(self) -> Iterator[Event]:
        if not isinstance(self._writing, OpenMessage):
            yield from self._close_writing("completed")
            self._writing = OpenMessage(self._frame, self._place())
            self._items.append(self._writing)
            yield from self._writing.open()

    def _text(self, text: str, logprobs: list[JSON]) -> Iterator[Event]:
        yield from self._message()
        assert isinstance(self._writing, OpenMessage)  # noqa: S101 - _message sees to it
        yield from self._writing.add_text(text, logprobs)

    def _refusal(self, text: str) -> Iterator[Event]:
        yield from self._message()
        assert isinstance(self._writing, OpenMessage)  # noqa: S101 - _message sees to it
        yield from self._writing.add_refusal(text)

    def _call(self, delta: Mapping[str, Any]) -> Iterator[Event]:
        yield from self._close_writing("completed")
        number = delta.get("index", 0)
        call = self._calls.get(number)
        if call is None:
            call = self._calls[number] = OpenCall(self._frame, self._place(), delta)
            self._items.append(call)
            yield from call.open()
        yield from call.add(delta)

    def _close_writing(self, status: str) -> Iterator[Event]:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            yield from writing.close(status)
            # Details may have filled more than one item.
            self._places += len(writing.items) - 1

    def _closed(self, status: str) -> Iterator[Event]:
        """The ends of all that is open; the last item has the status of the whole."""
        if not self._items:
            yield from self._message()
        calls = list(self._calls.values())
        last = calls[-1] if calls and self._writing is None else self._writing
        for call in calls:
            yield from call.close(status if call is last else "completed")
        yield from self._close_writing(status)
        late = reasoning_items({"reasoning_details": self._late}, lambda: self._frame.new_id("rs"), late=True)
        self._late = [{**item, "status": "completed"} for item in late]
        for item in self._late:
            place = self._place()
            yield "response.output_item.added", {"output_index": place, "item": item}
            yield "response.output_item.done", {"output_index": place, "item": item}

    def _place(self) -> int:
        self._places += 1
        return self._places - 1
