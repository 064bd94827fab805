"""Where requests would go and why, what routing did, and changing it while it runs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from app.api.body import NATIVE_LIMIT, read_object, read_optional_object
from app.api.completions import intent_of
from app.api.deps import CurrentExchange, CurrentServices, body_of, described
from app.api.errors import field_errors
from app.api.fields import Body, checked
from app.api.intent import policy_named, policy_words
from app.api.native_chat import ChatBody, Name, ask_of, explanation_rendered, read_chat
from app.domain.errors import Violation
from app.domain.routing import StrategyInForce

router = APIRouter(tags=["routing"])


class StrategyWrite(Body):
    """The order in which `auto` tries its targets from now on: a policy's name or its short form; null the file's."""

    strategy: Name | None


class CircuitReset(Body):
    """Which circuits to close: all of the provider's, unless a model is named."""

    model: Name | None = Field(default=None)


@router.post(
    "/routing/explain",
    openapi_extra=described(ChatBody, {"model": "auto:cost", "messages": [{"role": "user", "content": "Hello"}]}),
    summary="Where a request would go, and why; nobody is called",
)
async def explain(exchange: CurrentExchange) -> dict[str, Any]:
    """The body is that of `POST /chat`. A plan that cannot be made is told with its error, not answered with it."""
    chat = read_chat(await read_object(exchange, NATIVE_LIMIT), exchange.services.tools)
    ask = ask_of(chat, intent_of(exchange), exchange)
    return explanation_rendered(exchange.services.routing.explain(ask), exchange.warnings)


@router.get("/routing/strategy", summary="The strategy in force")
async def read_strategy(services: CurrentServices) -> dict[str, Any]:
    """What `auto` goes by in the process that answers."""
    return _strategy(services.routing.strategy())


@router.put(
    "/routing/strategy",
    openapi_extra=described(StrategyWrite, {"strategy": "cost_aware"}),
    summary="Another strategy, at once",
)
async def write_strategy(
    wanted: Annotated[StrategyWrite, Depends(body_of(StrategyWrite))], exchange: CurrentExchange
) -> dict[str, Any]:
    """Stored: in force here at once, in every process within a second, and after a restart.

    It gives way when the provider file names another strategy than it did, or to null.
    """
    policy = None if wanted.strategy is None else policy_named(wanted.strategy)
    if policy is None and wanted.strategy is not None:
        raise field_errors([Violation("strategy", f"must be one of {policy_words()}, or null")])
    return _strategy(await exchange.services.routing.set_strategy(policy, by=exchange.author))


@router.get("/routing/stats", summary="Attempts, retries, fallbacks and hedges since the start")
async def read_stats(services: CurrentServices) -> dict[str, Any]:
    """By code and by target, of the process that answers."""
    return services.routing_stats()


@router.post(
    "/providers/{name}/circuit/reset",
    openapi_extra=described(CircuitReset, {"model": "gpt-4o-mini"}, required=False),
    summary="Close a provider's circuits by hand",
)
async def reset_circuit(name: Annotated[str, Path(max_length=256)], exchange: CurrentExchange) -> dict[str, Any]:
    """Circuits closed, pauses ended, parked keys let out; in the other processes on the database within a second."""
    content = await read_optional_object(exchange, NATIVE_LIMIT)
    targets = exchange.services.routing.reset_circuits(name, checked(CircuitReset, content).model)
    return {"provider": name, "targets": [target.model for target in targets]}


def _strategy(in_force: StrategyInForce) -> dict[str, Any]:
    return {
        "strategy": in_force.policy.value,
        "source": "configuration" if in_force.since is None else "run_time",
        "since": None if in_force.since is None else in_force.since.isoformat().replace("+00:00", "Z"),
        "scope": "all",
        "workers": in_force.workers,
    }
