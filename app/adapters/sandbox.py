"""The offline provider: rule-based traders behind the same port as every model, labelled as what they are."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import anyio

from app.adapters.sandbox_drills import Drill, drill_in, drilled_failure
from app.adapters.sandbox_schema import NoExample, example
from app.adapters.sandbox_traders import TRADERS, opine
from app.domain.chat import JSON, Call, ChatChunk, ChatRequest, ChatResponse, Credential
from app.domain.embedding import EmbedCall, Embeddings
from app.domain.errors import FailureKind, ProviderError
from app.domain.needs import JSON_OBJECT, JSON_SCHEMA
from app.domain.provider import ProviderConfig
from app.domain.usage import Usage
from app.text.context_block import market_in, without_blocks
from app.text.schema import BadSchema, compiled, problems

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

    Drills come from the last user message or from `drill` among the provider's parameters.
    """

    def __init__(self, config: ProviderConfig, *, sleep: Callable[[float], Awaitable[None]] = anyio.sleep) -> None:
        self._standing_drill = str(config.parameters.get("drill", ""))
        self._sleep = sleep

    async def complete(self, call: Call) -> ChatResponse:
        said = _texts(call.request)
        drill = await self._rehearse(call, said, call.timeouts.total)
        if drill.cut is not None:
            raise ProviderError(FailureKind.BAD_ANSWER, f"the body ended after {drill.cut} words: a drill")
        text = _NONSENSE if drill.nonsense else _answer(call.model, call.request, said)
        usage = _usage(said, text)
        return ChatResponse(_completion(call, said, text, usage), "stop", usage, (WARNING,))

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncGenerator[AsyncIterator[ChatChunk]]:
        said = _texts(call.request)
        drill = await self._rehearse(call, said, min(call.timeouts.first_token, call.timeouts.total))
        async with aclosing(_streamed(call, said, drill)) as chunks:
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

    async def _rehearse(self, call: Call, said: Sequence[str], patience: float) -> Drill:
        """The drill in force, after its waiting and failing are done; `patience` seconds is the caller's timer."""
        if call.model not in TRADERS:
            raise ProviderError(
                FailureKind.MODEL_NOT_FOUND,
                f"404 from sandbox: no model {call.model[:80]!r}, only {', '.join(MODELS)}",
                upstream_status=404,
            )
        drill = drill_in(
            self._standing_drill + str(call.request.parameters.get("drill", "")) + _last_words(call.request, said)
        )
        if drill.slow:
            await self._sleep(min(drill.slow, patience))
        if drill.slow > patience:
            raise ProviderError(FailureKind.TIMEOUT, f"no answer from sandbox within {patience:g} s: a drill")
        if drill.fail is not None:
            raise drilled_failure(drill.fail)
        return drill


def answer(model: str, request: ChatRequest) -> str:
    """What a trader writes: bare JSON where JSON was asked for, else prose around it."""
    return _answer(model, request, _texts(request))


def _answer(model: str, request: ChatRequest, said: Sequence[str]) -> str:
    market = market_in("\n".join(said))
    opinion = None if market is None else opine(model, market)
    if request.response_format in ("json_object", "json_schema"):
        return _WRITER.encode(_formed(request, opinion or _no_opinion(model, market)))
    label = f"Outcry's offline sandbox answers (sandbox/{model}), a rule-based stand-in and not a model."
    if opinion is None:
        return f"{label} {_why_none(model, market)}"
    return f"{label}\n```json\n{json.dumps(opinion, ensure_ascii=False, indent=1)}\n```"


def _formed(request: ChatRequest, said: dict[str, Any]) -> Any:  # noqa: ANN401 - what the caller's schema wants
    """What was said, in the caller's own form where that is not ours; a market's reader has nothing to add to it."""
    wanted = request.parameters["response_format"].get("json_schema")
    schema = wanted.get("schema") if isinstance(wanted, dict) else None
    if not isinstance(schema, dict) or not schema:
        return said
    try:
        if not problems(compiled(schema), said):
            return said
        return example(schema, said, _STAND_IN)
    except (BadSchema, NoExample):
        return said


def _texts(request: ChatRequest) -> list[str]:
    """The text of each message, whether its content is a string or parts."""
    contents = [message.get("content") for message in request.messages]
    return [content if isinstance(content, str) else _text_of(content) for content in contents]


def _text_of(content: object) -> str:
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def _last_words(request: ChatRequest, said: Sequence[str]) -> str:
    for message, text in zip(reversed(request.messages), reversed(said), strict=True):
        if message.get("role") == "user":
            # Blocks carry untrusted news: what is in there must not steer even a drill.
            return without_blocks(text)
    return ""


def _no_opinion(model: str, market: Mapping[str, Any] | None) -> dict[str, Any]:
    return dict.fromkeys(_KEYS) | {
        "symbol": None if market is None else market.get("symbol"),
        "reasoning": f"sandbox rule '{model}', not a model: {_why_none(model, market)}",
    }


def _why_none(model: str, market: Mapping[str, Any] | None) -> str:
    if market is None:
        return "It reads a market context block and found none in this prompt, so it has no opinion."
    return f"The market context has nothing that the rule '{model}' could judge, so it has no opinion."


async def _streamed(call: Call, said: Sequence[str], drill: Drill) -> AsyncGenerator[ChatChunk]:
    text = _NONSENSE if drill.nonsense else _answer(call.model, call.request, said)
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


def _completion(call: Call, said: Sequence[str], text: str, usage: Usage) -> JSON:
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return _frame(call, said, "chat.completion") | {"choices": [choice], "usage": _wire_usage(usage)}


def _frame(call: Call, said: Sequence[str], kind: str) -> JSON:
    digest = hashlib.sha256("\0".join((call.model, *said)).encode("utf-8", "surrogatepass")).hexdigest()
    # No clock: the same question gets the same bytes.
    return {"id": f"chatcmpl-sandbox-{digest[:16]}", "object": kind, "created": 0, "model": call.model}


def _usage(said: Sequence[str], text: str) -> Usage:
    """Four characters a token; the sandbox is its own provider, so its count is the reported one."""
    return Usage(input_tokens=max(sum(map(len, said)) // 4, 1), output_tokens=max(len(text) // 4, 1))


def _wire_usage(usage: Usage) -> JSON:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }
