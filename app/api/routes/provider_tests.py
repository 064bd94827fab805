"""`POST /providers/{name}/test`: the conformance suite against a live provider, as one report or with its progress."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any, Final

import anyio
from fastapi import APIRouter, Path
from fastapi.responses import Response
from pydantic import Field
from starlette.types import Receive, Scope, Send

from app.api.body import NATIVE_LIMIT, read_optional_object
from app.api.completions import CLOSING
from app.api.deps import CurrentExchange, described
from app.api.errors import encoded_error
from app.api.exchange import Exchange
from app.api.fields import Body, checked
from app.api.native_chat import Name
from app.api.sse import event
from app.api.watch import Watch
from app.conformance.report import CheckResult, Report, rendered, rendered_check
from app.domain.errors import OutcryError

router = APIRouter(prefix="/providers", tags=["providers"])

_STREAM: Final[dict[str, Any]] = {
    "text/event-stream": {
        "schema": {"type": "string"},
        "example": 'event: check\ndata: {"name":"chat","status":"passed","latency_ms":655.1}\n\n'
        'event: report\ndata: {"provider":"openai_primary","status":"passed"}\n\n',
    }
}
Progress = AsyncGenerator[CheckResult | Report]


class ProviderTest(Body):
    """What to test: the default model and every check, unless named. `stream` shows each check as it ends."""

    model: Name | None = None
    checks: list[Name] | None = Field(default=None, min_length=1, max_length=64)
    stream: bool = False


class _Running(Response):
    """An answer that is written on the exchange while the suite runs."""

    def __init__(self, exchange: Exchange, asked: ProviderTest, name: str) -> None:
        super().__init__()
        self._exchange = exchange
        self._asked = asked
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        exchange = self._exchange
        exchange.services.kills.check(None)
        progress = exchange.services.conformance.run(
            self._name,
            model=self._asked.model,
            checks=self._asked.checks,
            request_id=exchange.request_id,
            key_id=exchange.caller.key_id,
        )
        watch = Watch(exchange)
        await watch.run(_pump(exchange, watch, progress) if self._asked.stream else _collect(exchange, progress))


@router.post(
    "/{name}/test",
    openapi_extra=described(
        ProviderTest, {"model": "gpt-4o-mini", "checks": ["chat", "tools"], "stream": False}, required=False
    ),
    responses={200: {"description": "The report, or an event stream with `stream: true`", "content": _STREAM}},
    summary="Run the conformance suite against a live provider",
)
async def run_provider_test(name: Annotated[str, Path(max_length=256)], exchange: CurrentExchange) -> Response:
    """Real, tiny calls past circuit and limits; they cost what they cost, and stand in the usage records."""
    content = await read_optional_object(exchange, NATIVE_LIMIT)
    return _Running(exchange, checked(ProviderTest, content), name)


async def _collect(exchange: Exchange, progress: Progress) -> None:
    async for seen in progress:
        if isinstance(seen, Report):
            await exchange.answer_json(rendered(seen))


async def _pump(exchange: Exchange, watch: Watch, progress: Progress) -> None:
    def told(error: OutcryError) -> bytes:
        return b"event: error\ndata: " + encoded_error(error, exchange.request_id) + b"\n\n"

    exchange.error_form = told
    try:
        async for seen in progress:
            if not exchange.is_started:
                # Only now is it sure that there is such a provider.
                await exchange.start_stream([])
            if isinstance(seen, Report):
                await watch.push(event("report", rendered(seen)))
            else:
                await watch.push(event("check", rendered_check(seen)))
    finally:
        with anyio.move_on_after(CLOSING, shield=True):
            await progress.aclose()
    await exchange.push(b"", last=True)
