"""What routing is told of a request, and what targets would make of its parameters."""

from __future__ import annotations

from dataclasses import replace

from app.catalog.tokens import estimate_tokens
from app.domain.attempt import Ask
from app.domain.chat import Call, ChatRequest
from app.domain.embedding import EmbedCall, EmbedRequest
from app.domain.needs import EMBEDDINGS, needs_of
from app.domain.routing import RoutingQuery, Tier
from app.domain.target import Target
from app.providers.pool import Pool
from app.providers.state import ProviderState
from app.routing.preferences import understood


def query_of(ask: Ask, pool: Pool, tier: Tier | None = None) -> tuple[RoutingQuery, tuple[str, ...]]:
    """The query of an ask, and a warning for each provider that it or its task's tier names and that is not there."""
    query, demand = _bare(ask), pool.current.data_demand
    if demand:
        query = replace(query, house_rule=demand)
    if ask.as_of is not None:
        query = replace(query, as_of=ask.as_of)
    warnings: tuple[str, ...] = ()
    if tier is not None:
        preferences, unknown = understood(tier.preferences, pool)
        query = replace(query, tier=replace(tier, preferences=preferences))
        warnings = tuple(f"task {tier.task}: {warning}" for warning in unknown)
    if ask.preferences is not None:
        preferences, unknown = understood(ask.preferences, pool)
        query, warnings = replace(query, preferences=preferences), (*warnings, *unknown)
    return query, warnings


def unheeded_by(provider: ProviderState | None, target: Target, ask: Ask) -> tuple[str, ...]:
    """Which of the caller's parameters would be left out at this target."""
    if provider is None:
        return ()
    request = ask.request
    if isinstance(request, EmbedRequest):
        return provider.adapter.unheeded(EmbedCall(target.model, request))
    # A response format is brought about at every target, by the ladder.
    parameters = {name: value for name, value in request.parameters.items() if name != "response_format"}
    return provider.adapter.unheeded(Call(target.model, replace(request, parameters=parameters)))


def _bare(ask: Ask) -> RoutingQuery:
    request = ask.request
    if not isinstance(request, ChatRequest):
        # A provider that embeds cuts or refuses a text that is too long by itself: no window is about all of them.
        # Vectors are no tokens.
        return RoutingQuery(frozenset({EMBEDDINGS}), priority=ask.priority, max_tokens=0)
    only_here = request.native.only_here if request.native is not None else ()
    return RoutingQuery(
        needs_of(request),
        estimate_tokens(request.messages),
        ask.priority,
        only_here=only_here[0] if only_here else None,
        max_tokens=_most_output(request),
    )


def _most_output(request: ChatRequest) -> int | None:
    most = request.parameters.get("max_completion_tokens")
    if not isinstance(most, int):
        most = request.parameters.get("max_tokens")
    return most if isinstance(most, int) else None
