"""Small stand-ins for what lies outside the code under test: clocks, providers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio

from app.domain.attempt import AttemptRecord
from app.domain.audit import THE_GATEWAY, Author
from app.domain.chat import Call, ChatChunk, ChatResponse, Credential
from app.domain.embedding import EmbedCall, Embeddings
from app.domain.errors import FailureKind, ProviderError, StorageUnavailable
from app.domain.needs import CHAT_ABILITIES, EMBEDDINGS
from app.domain.settings import Setting
from app.domain.usage import Usage

USAGE = Usage(input_tokens=10, output_tokens=5)


class FakeClock:
    """Monotonic seconds and UTC that move only when told."""

    def __init__(self, now: float = 1000.0) -> None:
        self.seconds = now
        self.utc = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

    def now(self) -> float:
        return self.seconds

    def wall(self) -> datetime:
        return self.utc

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        self.utc += timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Cut:
    """A stream that ends without a finish reason after so many words."""

    after: int


@dataclass(frozen=True, slots=True)
class Breaks:
    """A stream that says some words, then fails."""

    words: str
    error: ProviderError


@dataclass(frozen=True, slots=True)
class Stalls:
    """A stream that says so many words, then nothing more."""

    after: int


class Hang:
    """An upstream that never answers."""


Behaviour = str | ProviderError | Cut | Breaks | Stalls | Hang | ChatResponse | list[ChatChunk]


class ScriptedAdapter:
    """A provider that does what it is told, call by call; the last behaviour repeats."""

    def __init__(
        self,
        *behaviours: Behaviour,
        dialect: frozenset[str] = CHAT_ABILITIES,
        counts: int | ProviderError | None = None,
        deaf_to: tuple[str, ...] = (),
    ) -> None:
        self.deaf_to = deaf_to
        self._behaviours = list(behaviours)
        self._dialect = dialect
        self._counts = counts
        self.embedded: list[EmbedCall] = []
        self.calls: list[Call] = []
        self.open_streams = 0
        self.reached = anyio.Event()

    def _next(self, call: Call) -> Behaviour:
        self.calls.append(call)
        self.reached.set()
        return self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]

    async def complete(self, call: Call) -> ChatResponse:
        match self._next(call):
            case str(text):
                return answer(text, call.model)
            case ChatResponse() as response:
                return response
            case ProviderError() as error:
                raise error
            case Hang():
                await anyio.sleep_forever()
        raise AssertionError("this behaviour is for streams")

    def stream(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[ChatChunk]]:
        return self._stream(call)

    @asynccontextmanager
    async def _stream(self, call: Call) -> AsyncGenerator[AsyncIterator[ChatChunk]]:
        self.open_streams += 1
        try:
            yield self._chunks(self._next(call), call.model)
        finally:
            self.open_streams -= 1

    async def _chunks(self, behaviour: Behaviour, model: str) -> AsyncGenerator[ChatChunk]:
        match behaviour:
            case list(chunks):
                for chunk in chunks:
                    yield chunk
            case ProviderError() as error:
                raise error
            case Hang():
                await anyio.sleep_forever()
            case Stalls(after):
                for chunk in _words(["word"] * after, model):
                    yield chunk
                await anyio.sleep_forever()
            case Cut(after):
                for chunk in _words(["word"] * after, model):
                    yield chunk
                raise ProviderError(FailureKind.STREAM_TRUNCATED, "the stream ended without a finish reason")
            case Breaks(words, error):
                for chunk in _words(words.split(), model):
                    yield chunk
                raise error
            case str(text):
                for chunk in _words(text.split(), model):
                    yield chunk
                yield ChatChunk(_chunk({}, model, finish="stop"), finish_reason="stop")
                yield ChatChunk({**_chunk({}, model), "choices": []}, usage=USAGE)

    async def models(self, credential: Credential) -> Sequence[str]:
        return []

    def supports(self, model: str) -> frozenset[str]:
        return self._dialect

    def unheeded(self, call: Call | EmbedCall) -> tuple[str, ...]:
        return tuple(name for name in call.request.parameters if name in self.deaf_to)

    async def embed(self, call: EmbedCall) -> Embeddings:
        self.embedded.append(call)
        if EMBEDDINGS not in self._dialect:
            raise ProviderError(FailureKind.UNSUPPORTED, "does not embed", param="model")
        return Embeddings([[float(len(text))] for text in call.request.inputs], call.model, Usage(7, 0))

    async def count_tokens(self, call: Call) -> int | None:
        if isinstance(self._counts, ProviderError):
            raise self._counts
        return self._counts

    async def probe(self, credential: Credential) -> None:
        return None


def answer(text: str, model: str = "m") -> ChatResponse:
    """A whole answer with usage."""
    message = {"role": "assistant", "content": text}
    completion = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    return ChatResponse(completion, "stop", USAGE)


def _words(words: Sequence[str], model: str) -> list[ChatChunk]:
    opening = ChatChunk(_chunk({"role": "assistant", "content": ""}, model))
    return [opening, *(ChatChunk(_chunk({"content": word}, model), carries=True) for word in words)]


def _chunk(delta: dict[str, Any], model: str, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": model, "choices": [choice]}


class FakeSettings:
    """Settings in memory, as long as the `database` is not away; several processes may share one."""

    def __init__(self) -> None:
        self.rows: dict[str, Setting] = {}
        self.is_away = False

    async def get(self, name: str) -> Setting | None:
        self._ask()
        return self.rows.get(name)

    async def put(self, name: str, value: Mapping[str, Any], *, by: Author = THE_GATEWAY) -> None:
        self._ask()
        self.rows[name] = Setting(value, datetime(2026, 11, 20, 12, tzinfo=UTC))

    async def remove(self, name: str, *, by: Author = THE_GATEWAY) -> None:
        self._ask()
        self.rows.pop(name, None)

    def _ask(self) -> None:
        if self.is_away:
            raise StorageUnavailable("the database is away")


class Recorder:
    """An observer that keeps what it hears."""

    def __init__(self) -> None:
        self.records: list[AttemptRecord] = []

    def attempt_finished(self, record: AttemptRecord) -> None:
        self.records.append(record)
