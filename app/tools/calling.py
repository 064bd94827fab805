"""The calls of one turn: arguments checked, tools asked side by side, and a result for each, whatever happened."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import anyio
import orjson

from app.domain.attempt import Ask
from app.domain.chat import JSON
from app.domain.ports import ToolCaller, ToolCallObserver
from app.domain.tools import ToolCall, ToolCallRecord, ToolCallStatus, ToolError, ToolFailure, ToolReply
from app.gateway.attempt import Clock
from app.text.strict_json import NotJson, loads
from app.tools.registry import Registered

MAX_ARGUMENTS: Final = 64 * 1024
SHARE: Final = 0.8
"""The part of the remaining time that the calls of one turn may take: the model has to answer after them."""

STATUSES: Final[Mapping[ToolFailure, ToolCallStatus]] = {
    ToolFailure.ARGUMENTS: ToolCallStatus.INVALID_ARGUMENTS,
    ToolFailure.UNKNOWN: ToolCallStatus.FAILED,
    ToolFailure.LOCKED: ToolCallStatus.FAILED,
    ToolFailure.UNREACHABLE: ToolCallStatus.FAILED,
    ToolFailure.TIMEOUT: ToolCallStatus.TIMEOUT,
    ToolFailure.REFUSED: ToolCallStatus.FAILED,
    ToolFailure.ERROR: ToolCallStatus.FAILED,
    ToolFailure.REDIRECTED: ToolCallStatus.FAILED,
    ToolFailure.BAD_ANSWER: ToolCallStatus.FAILED,
    ToolFailure.CANCELLED: ToolCallStatus.FAILED,
}
# What the model wrote may be anybody's secret: only the model is told what was wrong with it.
_ON_RECORD: Final = {ToolFailure.ARGUMENTS: "the arguments were no JSON object that follows the tool's schema"}


@dataclass(frozen=True, slots=True)
class RoundRules:
    """At most `max_rounds` rounds of calls and `max_calls` calls per request, `parallel` of them at a time."""

    max_rounds: int = 5
    max_calls: int = 32
    parallel: int = 8


class Calls:
    """The calls of one request. `made` has what is on record of them, in the order of rounds and turns."""

    def __init__(
        self,
        entries: Mapping[str, Registered],
        tools: ToolCaller,
        observers: Sequence[ToolCallObserver],
        rules: RoundRules,
        clock: Clock,
    ) -> None:
        self.made: list[ToolCallRecord] = []
        self._entries = entries
        self._tools = tools
        self._observers = observers
        self._rules = rules
        self._clock = clock

    @property
    def left(self) -> int:
        """How many calls may still be made."""
        return self._rules.max_calls - len(self.made)

    async def results(self, calls: Sequence[JSON], ask: Ask, number: int) -> list[JSON]:
        """A tool message for each call of round `number`, in their order; those beyond the bound are not made."""
        makes = calls[: self.left]
        done: list[tuple[ToolCallRecord, str] | None] = [None] * len(makes)
        until = self._clock.now() + SHARE * (ask.deadline - self._clock.now())
        room = anyio.CapacityLimiter(self._rules.parallel)

        async def make(place: int) -> None:
            async with room:
                done[place] = await self._make(makes[place], ask, number, until)

        async with anyio.create_task_group() as side_by_side:
            for place in range(len(makes)):
                side_by_side.start_soon(make, place)
        texts = []
        for record, text in filter(None, done):
            self.made.append(record)
            texts.append(text)
        beyond = _failure(f"not called: no more than {self._rules.max_calls} calls are made for one request")
        texts += [beyond] * (len(calls) - len(makes))
        return [
            {"role": "tool", "tool_call_id": call["id"], "content": text}
            for call, text in zip(calls, texts, strict=True)
        ]

    async def _make(self, call: JSON, ask: Ask, number: int, until: float) -> tuple[ToolCallRecord, str]:
        """One call, on record whichever way it ends."""
        began, function = self._clock.now(), call["function"]
        record = ToolCallRecord(
            request_id=ask.request_id,
            round=number,
            tool=function["name"][:64],
            call_id=str(call["id"])[:128],
            status=ToolCallStatus.OK,
            started_at=self._clock.wall(),
            duration=0.0,
            agent_id=ask.agent_id,
            key_id=ask.caller.key_id,
        )
        try:
            entry, body = self._checked(function)
            record = replace(record, bytes_out=len(body))
            reply = await self._sent(ToolCall(entry.tool, body, record.call_id, ask.request_id, until - began))
            record = replace(record, http_status=reply.status, bytes_in=reply.size)
            text = _text(reply)
        except ToolError as error:
            record = _failed(record, error)
            text = _failure(error.message)
        except asyncio.CancelledError:
            record = _failed(record, ToolError(ToolFailure.CANCELLED, "the caller left while the tool was called"))
            raise
        finally:
            record = replace(record, duration=self._clock.now() - began)
            for observer in self._observers:
                observer.tool_called(record)
        return record, text

    def _checked(self, function: JSON) -> tuple[Registered, bytes]:
        """The tool, and what it is sent; raises ToolError for a call that must not be made."""
        entry = self._entries.get(function["name"])
        if entry is None:
            raise ToolError(ToolFailure.UNKNOWN, f"there is no tool called {function['name'][:64]!r}")
        if entry.tool.undecryptable:
            raise ToolError(ToolFailure.LOCKED, "the tool cannot be called: its stored headers cannot be read")
        arguments = _arguments(function.get("arguments") or "{}")
        wrong = entry.wrong(arguments)
        if wrong:
            raise ToolError(ToolFailure.ARGUMENTS, f"the arguments are wrong: {'; '.join(wrong)}")
        return entry, orjson.dumps(arguments)

    async def _sent(self, call: ToolCall) -> ToolReply:
        timeout = min(call.tool.timeout, call.timeout)
        if timeout <= 0:
            raise ToolError(ToolFailure.TIMEOUT, "there was no time left to call the tool")
        return await self._tools.call(replace(call, timeout=timeout))


def _arguments(text: str) -> dict[str, object]:
    if len(text) > MAX_ARGUMENTS:
        raise ToolError(ToolFailure.ARGUMENTS, f"the arguments are longer than {MAX_ARGUMENTS} characters")
    try:
        value = loads(text)
        orjson.dumps(value)
    except (NotJson, TypeError) as error:
        # Beyond JSON itself: a lone surrogate, or an integer of more than 64 bits.
        raise ToolError(ToolFailure.ARGUMENTS, f"the arguments are no JSON: {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise ToolError(ToolFailure.ARGUMENTS, "the arguments must be a JSON object")
    return value


def _failed(record: ToolCallRecord, error: ToolError) -> ToolCallRecord:
    return replace(
        record,
        status=STATUSES[error.code],
        code=error.code,
        message=_ON_RECORD.get(error.code, error.message),
        http_status=error.status,
        bytes_in=error.size,
    )


def _text(reply: ToolReply) -> str:
    if reply.was_cut:
        return f"{reply.text}\n[cut here: the tool said more than {reply.size} bytes]"
    return reply.text or "[the tool answered without content]"


def _failure(message: str) -> str:
    return orjson.dumps({"error": message}).decode()
