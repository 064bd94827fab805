"""What crossed the wire to a provider, as JSON values and back: answers, chunks, errors."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from app.domain.chat import JSON, ChatChunk, ChatRequest, ChatResponse
from app.domain.errors import Code, FailureKind, OutcryError, ProviderError
from app.domain.target import Target
from app.domain.usage import Usage, UsageSource
from app.text.canonical import digest


def question_form(target: Target, request: ChatRequest, *, streamed: bool) -> JSON:
    """What makes two questions the same: who is asked, and everything that can change the answer.

    Defaults are filled in; ids, deadline, priority, metadata and keys are not in it.
    """
    native = request.native
    return {
        "provider": target.provider,
        "model": target.model,
        "messages": list(request.messages),
        "parameters": {name: value for name, value in request.parameters.items() if name != "metadata"},
        "native": None if native is None else [native.wire.value, dict(native.body), dict(native.headers)],
        "streamed": streamed,
    }


def question_key(target: Target, request: ChatRequest, *, streamed: bool) -> str:
    """The hash of that form. Raises Unencodable."""
    return digest(question_form(target, request, streamed=streamed))


def response_plain(response: ChatResponse) -> JSON:
    """A whole answer."""
    return {
        "completion": response.completion,
        "finish_reason": response.finish_reason,
        "usage": _usage_plain(response.usage),
        "warnings": list(response.warnings),
        "native": response.native,
    }


def response_of(plain: JSON) -> ChatResponse:
    """The answer, without the price that its provider named: a replay is free."""
    return ChatResponse(
        plain["completion"],
        plain["finish_reason"],
        _usage_of(plain["usage"]),
        tuple(plain["warnings"]),
        plain["native"],
    )


def chunk_plain(chunk: ChatChunk) -> JSON:
    """One event of a stream."""
    return {
        "chunk": chunk.chunk,
        "carries": chunk.carries,
        "finish_reason": chunk.finish_reason,
        "usage": _usage_plain(chunk.usage),
        "warnings": list(chunk.warnings),
        "native": chunk.native.decode("utf-8", "replace"),
    }


def chunk_of(plain: JSON) -> ChatChunk:
    """The event, without the price that its provider named."""
    return ChatChunk(
        plain["chunk"],
        plain["carries"],
        plain["finish_reason"],
        _usage_of(plain["usage"]),
        tuple(plain["warnings"]),
        plain["native"].encode(),
    )


def error_plain(error: OutcryError) -> JSON:
    """What a call, or a question, ended with."""
    plain: JSON = {
        "code": error.code.value,
        "message": error.message,
        "param": error.param,
        "retry_after": error.retry_after,
        "kind": None,
    }
    if isinstance(error, ProviderError):
        plain |= {
            "kind": error.kind.value,
            "upstream_status": error.upstream_status,
            "should_retry": error.should_retry,
        }
    return plain


def error_of(plain: JSON) -> OutcryError:
    """The error, with the same words, the same status and the same place in the contract."""
    if plain["kind"] is None:
        return OutcryError(
            Code(plain["code"]), plain["message"], param=plain["param"], retry_after=plain["retry_after"]
        )
    return ProviderError(
        FailureKind(plain["kind"]),
        plain["message"],
        upstream_status=plain["upstream_status"],
        retry_after=plain["retry_after"],
        param=plain["param"],
        should_retry=plain["should_retry"],
    )


def _usage_plain(usage: Usage | None) -> JSON | None:
    if usage is None:
        return None
    cost = usage.reported_cost
    return asdict(usage) | {
        "source": usage.source.value,
        "reported_cost": None if cost is None else format(cost, "f"),
    }


def _usage_of(plain: dict[str, Any] | None) -> Usage | None:
    if plain is None:
        return None
    return Usage(**plain | {"source": UsageSource(plain["source"]), "reported_cost": None})
