"""One request as it is put to one target, and the target's answer as the caller asked for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from typing import Final

import anyio.to_thread

from app.domain.attempt import Ask
from app.domain.chat import ChatChunk, ChatRequest, ChatResponse
from app.domain.frozen import frozen
from app.domain.routing import Candidate
from app.domain.structured import Rung
from app.gateway.planning import Itinerary
from app.gateway.reasoning import ReasoningMemory, StreamedTurn
from app.gateway.structured import LARGE, Form, asked, form_of, rung_of, said_of, settled, size_of
from app.gateway.structured_stream import BareStream

_LENGTHS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens")


@frozen
class Rendition:
    """What one target is sent.

    `rung` is None where no JSON was asked for; `form` also where the asker reads any text alone.
    """

    request: ChatRequest
    form: Form | None = None
    rung: Rung | None = None
    warnings: tuple[str, ...] = ()

    async def settled(self, response: ChatResponse) -> ChatResponse:
        """The answer in the form that was asked for; raises ProviderError where it is not."""
        if self.form is None or self.rung is None:
            return response
        if size_of(response) <= LARGE:
            return settled(response, self.form, self.rung)
        return await anyio.to_thread.run_sync(settled, response, self.form, self.rung, abandon_on_cancel=True)

    def bare(self, chunks: AsyncIterator[ChatChunk]) -> AsyncIterator[ChatChunk]:
        """The chunks in the form that was asked for."""
        return chunks if self.form is None or self.rung is None else BareStream(chunks, self.form, self.rung)


class Renderer:
    """Puts requests to targets: defaults merged, thoughts restored, JSON asked for by the target's best rung."""

    def __init__(self, memory: ReasoningMemory) -> None:
        self._memory = memory

    def rendition(
        self, ask: Ask, itinerary: Itinerary, step: Candidate, *, below: Rung | None = None, at: Rung | None = None
    ) -> Rendition:
        """The request of an ask as this step's target gets it.

        `below`: the rung that it had no words for; `at`: the rung by which it was asked when this was recorded.
        """
        request = itinerary.chat_for(step.target)
        request = self._memory.restored(ask.caller.key_id, step.target.provider, request)
        request, warnings = _within_reach(request, step)
        form = form_of(request)
        if form is None:
            return Rendition(request, warnings=warnings)
        rung = at or rung_of(form, request, step, below=below)
        request = asked(request, form, rung)
        return Rendition(request, form if ask.enforces_format else None, rung, (*warnings, *said_of(form, rung)))

    def answered(self, ask: Ask, step: Candidate, response: ChatResponse) -> None:
        """An answer went out: remember what was thought before its calls."""
        message = response.message
        if message.get("tool_calls"):
            self._memory.keep(ask.caller.key_id, step.target.provider, message)

    def told(self, ask: Ask, step: Candidate, chunks: Iterable[ChatChunk]) -> None:
        """The same for a stream that is there as a whole."""
        if ask.chat.has_tools:
            turn = StreamedTurn()
            for chunk in chunks:
                turn.see(chunk)
            self._memory.keep(ask.caller.key_id, step.target.provider, turn.message)

    def remembering(self, ask: Ask, step: Candidate, chunks: AsyncIterator[ChatChunk]) -> AsyncIterator[ChatChunk]:
        """The same for a stream of a request that offers tools."""
        if not ask.chat.has_tools:
            return chunks
        return _Remembered(chunks, self._memory, (ask.caller.key_id, step.target.provider))


def _within_reach(request: ChatRequest, step: Candidate) -> tuple[ChatRequest, tuple[str, ...]]:
    """The request with no more output asked for than the model can write: providers refuse it, and nothing is lost."""
    most = step.max_output_tokens
    if most is None:
        return request, ()
    over = [name for name in _LENGTHS if _exceeds(request.parameters.get(name), most)]
    if not over:
        return request, ()
    native = request.native
    if native is not None:
        native = replace(
            native, body={**native.body, **{n: most for n in _LENGTHS if _exceeds(native.body.get(n), most)}}
        )
    changed = replace(request, parameters={**request.parameters, **dict.fromkeys(over, most)}, native=native)
    return changed, (f"{over[0]} was cut to {most}, the most that {step.target} writes",)


def _exceeds(stated: object, most: int) -> bool:
    return isinstance(stated, int) and stated > most


class _Remembered:
    """Passes chunks on and remembers the turn at its finish."""

    def __init__(self, chunks: AsyncIterator[ChatChunk], memory: ReasoningMemory, whose: tuple[str, str]) -> None:
        self._chunks = chunks
        self._memory = memory
        self._whose = whose
        self._turn = StreamedTurn()

    def __aiter__(self) -> _Remembered:
        return self

    async def __anext__(self) -> ChatChunk:
        chunk = await anext(self._chunks)
        self._turn.see(chunk)
        if chunk.finish_reason is not None:
            self._memory.keep(*self._whose, self._turn.message)
        return chunk
