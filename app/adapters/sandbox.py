"""The offline provider: rule-based traders behind the same port as every model, labelled as what they are."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import anyio

from app.adapters.sandbox_drills import NO_DRILL, Drill, drill_in, drilled_failure
from app.adapters.sandbox_reading import Reader, Reading
from app.adapters.sandbox_schema import NoExample, example
from app.adapters.sandbox_traders import TRADERS
from app.domain.chat import JSON, Call, ChatChunk, ChatRequest, ChatResponse, Credential
from app.domain.embedding import EmbedCall, Embeddings
from app.domain.errors import FailureKind, ProviderError
from app.domain.needs import JSON_OBJECT, JSON_SCHEMA
from app.domain.provider import ProviderConfig
from app.domain.usage import Usage
from app.text.schema import BadSchema, problems

MODELS: Final[tuple[str, ...]] = tuple(TRADERS)
WARNING: Final = "answered by the offline sandbox, a rule-based stand-in: not a model"
_STAND_IN: Final = "the offline sandbox wrote this; no model did"
_NONSENSE: Final = "colourless green candles sleep furiously while the seventh moon files its quarterly umbrella"
_WRITER: Final = json.JSONEncoder(ensure_ascii=False)
_KEYS: Final = (
    "symbol",
    "reasoning",
    "action",
    "confidence",
    "entry_price",
    "stop_loss",
    "take_profit",
    "size_fraction",
    "leverage",
    "time_horizon",
    "invalidation",
)


class SandboxAdapter:
    """Answers by rule from the market context in the prompt; the same question gets the same bytes.

    Drills come from the last user message or from `drill` among the provider's parameters. `reader` may be shared by
    adapters: what one of them has read, the others need not read again.
    """

    def __init__(
        self,
        config: ProviderConfig,
        *,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        reader: Reader | None = None,
    ) -> None:
        self._standing_drill = str(config.parameters.get("drill", ""))
        self._sleep = sleep
        self._reader = reader or Reader()

    async def complete(self, call: Call) -> ChatResponse:
        said = self._reader.read(call.request.messages)
        drill = self._drill_in(call, said)
        if drill is not NO_DRILL:
            await self._rehearse(drill, call.timeouts.total)
        if drill.cut is not None:
            raise ProviderError(FailureKind.BAD_ANSWER, f"the body ended after {drill.cut} words: a drill")
        text = _NONSENSE if drill.nonsense else self._written(call, said)
        usage = _usage(said, text)
        return ChatResponse(_completion(call, said, text, usage), "stop", usage, (WARNING,))

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncGenerator[AsyncIterator[ChatChunk]]:
        said = self._reader.read(call.request.messages)
        drill = self._drill_in(call, said)
        await self._rehearse(drill, min(call.timeouts.first_token, call.timeouts.total))
        text = _NONSENSE if drill.nonsense else self._written(call, said)
        async with aclosing(_streamed(call, said, text, drill)) as chunks:
            yield chunks

    async def models(self, credential: Credential) -> Sequence[str]:  # noqa: ARG002 - the sandbox needs no key
        return MODELS

    def supports(self, model: str) -> frozenset[str]:  # noqa: ARG002
        """Traders write JSON on demand, and nothing else."""
        return frozenset({JSON_OBJECT, JSON_SCHEMA})

    def unheeded(self, call: Call | EmbedCall) -> tuple[str, ...]:
        """Traders hear of a form and of a drill, and of nothing else."""
        return tuple(name for name in call.request.parameters if name not in ("response_format", "drill"))

    async def embed(self, call: EmbedCall) -> Embeddings:  # noqa: ARG002
        """Traders have no vectors."""
        raise ProviderError(FailureKind.UNSUPPORTED, "the sandbox does not embed", param="model")

    async def count_tokens(self, call: Call) -> int | None:  # noqa: ARG002
        """Nothing is counted offline."""
        return None

    async def probe(self, credential: Credential) -> None:
        """Always there."""

    def _written(self, call: Call, said: Reading) -> str:
        """The trader's answer; members of a panel that go by the same rule get it as it was written for the first."""
        wanted = call.request.parameters.get("response_format")
        earlier = said.written.get(call.model)
        if earlier is not None and earlier[0] == wanted:
            return earlier[1]
        text = _answer(call.model, call.request, said, self._reader)
        said.written[call.model] = wanted, text
        return text

    def _drill_in(self, call: Call, said: Reading) -> Drill:
        """The drill in force; raises ProviderError for a model that is none of the traders."""
        if call.model not in TRADERS:
            raise ProviderError(
                FailureKind.MODEL_NOT_FOUND,
                f"404 from sandbox: no model {call.model[:80]!r}, only {', '.join(MODELS)}",
                upstream_status=404,
            )
        return drill_in(self._standing_drill + str(call.request.parameters.get("drill", "")) + said.last_words)

    async def _rehearse(self, drill: Drill, patience: float) -> None:
        """The drill's waiting and failing; `patience` seconds is the caller's timer."""
        if drill.slow:
            await self._sleep(min(drill.slow, patience))
        if drill.slow > patience:
            raise ProviderError(FailureKind.TIMEOUT, f"no answer from sandbox within {patience:g} s: a drill")
        if drill.fail is not None:
            raise drilled_failure(drill.fail)


def answer(model: str, request: ChatRequest) -> str:
    """What a trader writes: bare JSON where JSON was asked for, else prose around it."""
    return _answer(model, request, Reading(request.messages), Reader())


def _answer(model: str, request: ChatRequest, said: Reading, reader: Reader) -> str:
    opinion = said.opinion(model)
    if request.response_format in ("json_object", "json_schema"):
        return _WRITER.encode(_formed(request, opinion or _no_opinion(model, said.market), reader))
    label = f"Outcry's offline sandbox answers (sandbox/{model}), a rule-based stand-in and not a model."
    if opinion is None:
        return f"{label} {_why_none(model, said.market)}"
    return f"{label}\n```json\n{json.dumps(opinion, ensure_ascii=False, indent=1)}\n```"


def _formed(request: ChatRequest, said: dict[str, Any], reader: Reader) -> Any:  # noqa: ANN401 - as the schema wants
    """What was said, in the caller's own form where that is not ours; a market's reader has nothing to add to it."""
    wanted = request.parameters["response_format"].get("json_schema")
    schema = wanted.get("schema") if isinstance(wanted, dict) else None
    if not isinstance(schema, dict) or not schema:
        return said
    try:
        if not problems(reader.compiled(schema), said):
            return said
        return example(schema, said, _STAND_IN)
    except (BadSchema, NoExample):
        return said


def _no_opinion(model: str, market: Mapping[str, Any] | None) -> dict[str, Any]:
    return dict.fromkeys(_KEYS) | {
        "symbol": None if market is None else market.get("symbol"),
        "reasoning": f"sandbox rule '{model}', not a model: {_why_none(model, market)}",
    }


def _why_none(model: str, market: Mapping[str, Any] | None) -> str:
    if market is None:
        return "It reads a market context block and found none in this prompt, so it has no opinion."
    return f"The market context has nothing that the rule '{model}' could judge, so it has no opinion."


async def _streamed(call: Call, said: Reading, text: str, drill: Drill) -> AsyncGenerator[ChatChunk]:
    frame = _frame(call, said, "chat.completion.chunk")
    yield _chunk(frame, {"role": "assistant", "content": ""})
    for count, word in enumerate(re.findall(r"\s*\S+", text)):
        if count == drill.cut:
            break
        yield _chunk(frame, {"content": word}, carries=True)
    if drill.cut is not None:
        raise ProviderError(FailureKind.STREAM_TRUNCATED, f"the stream ended after {drill.cut} words: a drill")
    yield _chunk(frame, {}, finish_reason="stop")
    usage = _usage(said, text)
    yield ChatChunk(frame | {"choices": [], "usage": _wire_usage(usage)}, usage=usage)


def _chunk(frame: JSON, delta: JSON, *, carries: bool = False, finish_reason: str | None = None) -> ChatChunk:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return ChatChunk(frame | {"choices": [choice]}, carries=carries, finish_reason=finish_reason)


def _completion(call: Call, said: Reading, text: str, usage: Usage) -> JSON:
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return _frame(call, said, "chat.completion") | {"choices": [choice], "usage": _wire_usage(usage)}


def _frame(call: Call, said: Reading, kind: str) -> JSON:
    # No clock: the same question gets the same bytes.
    return {"id": said.id_for(call.model), "object": kind, "created": 0, "model": call.model}


def _usage(said: Reading, text: str) -> Usage:
    """Four characters a token; the sandbox is its own provider, so its count is the reported one."""
    return Usage(input_tokens=max(said.characters // 4, 1), output_tokens=max(len(text) // 4, 1))


def _wire_usage(usage: Usage) -> JSON:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }
