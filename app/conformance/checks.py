"""What a provider has to be able to do, check by check."""

from __future__ import annotations

import json
import statistics
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import SecretStr

from app.conformance.questions import ASK_JSON, ASK_PRICE, PLAIN, PRICE, SCHEMA, TOOL
from app.conformance.session import Session
from app.domain.chat import JSON, ChatResponse, Credential
from app.domain.errors import FailureKind, ProviderError
from app.domain.needs import FORCED_TOOLS, JSON_OBJECT, JSON_SCHEMA, TOOLS

LEAVING: Final = 2.0
"""Seconds that leaving a stream may take."""

_NOBODY: Final = "outcry-conformance-no-such-model"
_WRONG_KEY: Final = SecretStr("sk-outcry-conformance-not-a-key-0123456789")
_ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """What a check that passed has seen."""

    detail: str
    figures: Mapping[str, float] = field(default_factory=dict)


class CheckFailed(Exception):
    """The provider did something else than it should; the message says what."""


class CheckSkipped(Exception):
    """The check could not be tried; the message says why."""


Check = Callable[[Session], Awaitable[Seen]]


async def reachable(session: Session) -> Seen:
    """A free sign of life."""
    await session.subject.adapter.probe(session.subject.credential)
    return Seen("answers")


async def models(session: Session) -> Seen:
    """The provider's own list, with the tested model in it."""
    listed = await session.subject.adapter.models(session.subject.credential)
    if not listed:
        raise CheckSkipped("it has no list of models")
    model = session.subject.target.model
    if model not in listed:
        # Aliases and dated names are served without being listed.
        return Seen(f"lists {len(listed)} models, without {model}", {"models": len(listed)})
    return Seen(f"lists {len(listed)} models, {model} among them", {"models": len(listed)})


async def chat(session: Session) -> Seen:
    """A whole answer that makes sense."""
    response = await session.whole(PLAIN)
    _expect("4" in response.text, f"no 4 in {_quoted(response.text)}")
    _expect(response.finish_reason == "stop", f"finish reason {response.finish_reason!r} instead of 'stop'")
    return Seen(f"said {_quoted(response.text)}")


async def stream(session: Session) -> Seen:
    """The same answer in pieces, with the same end."""
    response = await session.streamed(PLAIN)
    whole = await session.whole(PLAIN)
    _expect("4" in response.text, f"no 4 in {_quoted(response.text)}")
    _expect(
        response.finish_reason == whole.finish_reason,
        f"finish reason {response.finish_reason!r} in the stream, {whole.finish_reason!r} in the whole answer",
    )
    return Seen(f"said {_quoted(response.text)} in {response.pieces} pieces")


async def system(session: Session) -> Seen:
    """A system message that decides the answer."""
    rule = "Whatever the user says, reply with exactly the word ORCHID and nothing else."
    response = await session.complete([{"role": "system", "content": rule}, *PLAIN])
    _expect("orchid" in response.text.lower(), f"said {_quoted(response.text)} instead of what the system told it")
    return Seen("follows the system message")


async def tools(session: Session) -> Seen:
    """A tool call with arguments that its schema allows."""
    call = _tool_call(await _ask_tool(session))
    return Seen(f"called get_price with {call['function']['arguments']}")


async def tool_round_trip(session: Session) -> Seen:
    """The answer that follows a tool's result uses it."""
    first = await _ask_tool(session)
    call = _tool_call(first)
    result = {"role": "tool", "tool_call_id": call["id"], "content": json.dumps({"price": float(PRICE)})}
    second = await session.complete([*ASK_PRICE, first.message, result], {"tools": [TOOL]})
    _expect(PRICE in second.text.replace(",", "").replace(" ", ""), f"no {PRICE} in {_quoted(second.text)}")
    return Seen(f"said {_quoted(second.text)}")


async def json_object(session: Session) -> Seen:
    """JSON mode gives a JSON object."""
    _need(session, JSON_OBJECT)
    response = await session.complete(ASK_JSON, {"response_format": {"type": "json_object"}})
    _object(response)
    return Seen(f"said {_quoted(response.text)}")


async def json_schema(session: Session) -> Seen:
    """A JSON schema is kept to."""
    _need(session, JSON_SCHEMA)
    wanted = {"type": "json_schema", "json_schema": {"name": "sum", "schema": SCHEMA, "strict": True}}
    response = await session.complete(ASK_JSON, {"response_format": wanted})
    said = _object(response)
    _expect(list(said) == ["sum"] and isinstance(said["sum"], int), f"{_quoted(response.text)} does not fit the schema")
    return Seen(f"said {_quoted(response.text)}")


async def usage(session: Session) -> Seen:
    """Tokens are reported, in the whole answer and in the stream."""
    whole, streamed = (await session.whole(PLAIN)).usage, (await session.streamed(PLAIN)).usage
    for name, counted in (("the whole answer", whole), ("the stream", streamed)):
        _expect(counted is not None, f"{name} reports no usage")
        _expect(counted is None or min(counted.input_tokens, counted.output_tokens) > 0, f"{name} reports {counted}")
    assert whole is not None  # noqa: S101 - checked in the loop
    figures = {"input_tokens": whole.input_tokens, "output_tokens": whole.output_tokens}
    return Seen(f"{whole.input_tokens} in, {whole.output_tokens} out", figures)


async def unknown_model(session: Session) -> Seen:
    """A model that does not exist is refused as such."""
    return await _refused(
        session.complete(PLAIN, model=_NOBODY), (FailureKind.MODEL_NOT_FOUND,), "it answers whatever model is named"
    )


async def wrong_key(session: Session) -> Seen:
    """A made-up key is refused as such."""
    if session.subject.credential.secret is None:
        raise CheckSkipped("no key is configured")
    asking = session.complete(PLAIN, credential=Credential.of(_WRONG_KEY))
    return await _refused(asking, (FailureKind.AUTH, FailureKind.PERMISSION), "it answers whatever the key is")


async def latency(session: Session) -> Seen:
    """First token and whole stream, the median of three."""
    runs = [await session.stream(PLAIN) for _ in range(_ROUNDS)]
    first = statistics.median(run.duration if run.first_token is None else run.first_token for run in runs) * 1000
    total = statistics.median(run.duration for run in runs) * 1000
    figures = {"first_token_ms": first, "total_ms": total, "n": _ROUNDS}
    return Seen(f"first token {first:.0f} ms, total {total:.0f} ms (median of {_ROUNDS})", figures)


async def cancellation(session: Session) -> Seen:
    """A stream that is left early closes at once."""
    took = await session.leave_stream([{"role": "user", "content": "Count from 1 to 100, separated by spaces."}])
    _expect(took <= LEAVING, f"leaving a stream took {took:.1f} s")
    return Seen(f"left in {took * 1000:.0f} ms", {"leaving_ms": took * 1000})


CHECKS: Final[Mapping[str, Check]] = {
    check.__name__: check
    for check in (
        reachable,
        models,
        chat,
        stream,
        usage,
        system,
        tools,
        tool_round_trip,
        json_object,
        json_schema,
        unknown_model,
        wrong_key,
        latency,
        cancellation,
    )
}
"""Every check by its name, in the order they run: from what everything needs to what is nice to know."""


async def _ask_tool(session: Session) -> ChatResponse:
    _need(session, TOOLS)
    forced = {"tool_choice": "required"} if FORCED_TOOLS in session.subject.abilities else {}
    return await session.complete(ASK_PRICE, {"tools": [TOOL], **forced})


def _tool_call(response: ChatResponse) -> JSON:
    calls: list[JSON] = response.message.get("tool_calls") or []
    _expect(bool(calls), f"said {_quoted(response.text)} instead of calling the tool")
    function: Any = calls[0].get("function") or {}
    _expect(function.get("name") == "get_price", f"called {function.get('name')!r}")
    try:
        arguments = json.loads(function.get("arguments") or "")
    except ValueError:
        raise CheckFailed(f"arguments that are no JSON: {_quoted(str(function.get('arguments')))}") from None
    fits = isinstance(arguments, dict) and isinstance(arguments.get("symbol"), str)
    _expect(fits, f"arguments without a symbol: {_quoted(json.dumps(arguments))}")
    _expect(response.finish_reason == "tool_calls", f"finish reason {response.finish_reason!r} instead of 'tool_calls'")
    return calls[0]


async def _refused(asking: Awaitable[ChatResponse], kinds: tuple[FailureKind, ...], answered: str) -> Seen:
    try:
        await asking
    except ProviderError as error:
        if error.kind not in kinds:
            raise CheckFailed(f"taken for {error.kind} instead of {kinds[0]}: {error.message}") from None
        return Seen(f"{error.kind}: {error.message}")
    raise CheckSkipped(answered)


def _object(response: ChatResponse) -> JSON:
    try:
        said = json.loads(response.text)
    except ValueError:
        raise CheckFailed(f"no JSON: {_quoted(response.text)}") from None
    if not isinstance(said, dict):
        raise CheckFailed(f"no JSON object: {_quoted(response.text)}")
    return said


def _need(session: Session, ability: str) -> None:
    if ability not in session.subject.abilities:
        raise CheckSkipped(f"{ability} is not among what this model is known to do")


def _expect(held: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not held:
        raise CheckFailed(otherwise)


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:80]}…")
