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
from app.domain.usage import UnpricedPolicy
from app.gateway.conversations import Conversations
from app.providers.pool import Pool
from app.providers.state import ProviderState
from app.routing.preferences import understood


def query_of(
    ask: Ask,
    pool: Pool,
    tier: Tier | None = None,
    *,
    conversations: Conversations | None = None,
    unpriced: UnpricedPolicy = UnpricedPolicy.WARN,
) -> tuple[RoutingQuery, tuple[str, ...]]:
    """The query of an ask, and a warning for each provider that it or its task's tier names and that is not there."""
    warnings: tuple[str, ...] = ()
    if tier is not None:
        preferences, unknown = understood(tier.preferences, pool)
        tier = replace(tier, preferences=preferences)
        warnings = tuple(f"task {tier.task}: {warning}" for warning in unknown)
    wanted = ask.preferences
    if wanted is not None:
        wanted, unknown = understood(wanted, pool)
        warnings = (*warnings, *unknown)
    conversation = None if conversations is None else ask.conversation
    needs, input_tokens, max_tokens, only_here = _said_by(ask.request)
    query = RoutingQuery(
        needs,
        input_tokens,
        ask.priority,
        wanted,
        max_tokens=max_tokens,
        only_here=only_here,
        house_rule=pool.current.data_demand or None,
        tier=tier,
        conversation=conversation,
        last_answered=None if conversation is None or conversations is None else conversations.last(conversation),
        as_of=ask.as_of,
        unpriced=unpriced,
    )
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


def _said_by(request: ChatRequest | EmbedRequest) -> tuple[frozenset[str], int, int | None, str | None]:
    """Needs, tokens of the prompt, the most that may be answered, and the first thing that is for one wire alone."""
    if not isinstance(request, ChatRequest):
        # A provider that embeds cuts or refuses a text that is too long by itself: no window is about all of them.
        # Vectors are no tokens.
        return frozenset({EMBEDDINGS}), 0, 0, None
    only_here = request.native.only_here if request.native is not None else ()
    tokens, most = estimate_tokens(request.messages), _most_output(request)
    return needs_of(request), tokens, most, only_here[0] if only_here else None


def _most_output(request: ChatRequest) -> int | None:
    most = request.parameters.get("max_completion_tokens")
    if not isinstance(most, int):
        most = request.parameters.get("max_tokens")
    return most if isinstance(most, int) else None
