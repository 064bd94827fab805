"""What routing is told of a request, and what targets would make of its parameters."""

from __future__ import annotations

from dataclasses import replace

from app.catalog.tokens import estimate_tokens
from app.domain.attempt import Ask
from app.domain.chat import Call, ChatRequest
from app.domain.embedding import EmbedCall, EmbedRequest
from app.domain.frozen import frozen
from app.domain.needs import EMBEDDINGS, needs_of
from app.domain.routing import RoutingQuery, Tier
from app.domain.target import Target
from app.domain.usage import UnpricedPolicy
from app.gateway.conversations import Conversations
from app.providers.pool import Pool
from app.providers.state import ProviderState
from app.routing.preferences import understood


class Queries:
    """What routing is told of requests. Of the last one it is known what it says: a panel's members say the same."""

    def __init__(
        self, pool: Pool, *, conversations: Conversations | None = None, unpriced: UnpricedPolicy = UnpricedPolicy.WARN
    ) -> None:
        self._pool = pool
        self._conversations = conversations
        self._unpriced = unpriced
        self._last: ChatRequest | EmbedRequest = ChatRequest(())
        self._said = _said_by(self._last)

    def of(self, ask: Ask, tier: Tier | None = None) -> tuple[RoutingQuery, tuple[str, ...]]:
        """The query of an ask, and a warning for each provider that it or its task's tier names that is not there."""
        warnings: tuple[str, ...] = ()
        if tier is not None:
            preferences, unknown = understood(tier.preferences, self._pool)
            tier = replace(tier, preferences=preferences)
            warnings = tuple(f"task {tier.task}: {warning}" for warning in unknown)
        wanted = ask.preferences
        if wanted is not None:
            wanted, unknown = understood(wanted, self._pool)
            warnings = (*warnings, *unknown)
        last_answered, conversation = None, None if self._conversations is None else ask.conversation
        if self._conversations is not None and conversation is not None:
            last_answered = self._conversations.last(conversation)
        said = self._said_by(ask.request)
        query = RoutingQuery(
            said.needs,
            said.input_tokens,
            ask.priority,
            wanted,
            max_tokens=said.max_tokens,
            only_here=said.only_here,
            house_rule=self._pool.current.data_demand or None,
            tier=tier,
            conversation=conversation,
            last_answered=last_answered,
            as_of=ask.as_of,
            unpriced=self._unpriced,
        )
        return query, warnings

    def _said_by(self, request: ChatRequest | EmbedRequest) -> _Said:
        if not _is_same(request, self._last):
            self._last, self._said = request, _said_by(request)
        return self._said


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


@frozen
class _Said:
    """Needs, tokens of the prompt, the most that may be answered, and the first thing that is for one wire alone."""

    needs: frozenset[str]
    input_tokens: int
    max_tokens: int | None
    only_here: str | None


def _is_same(one: ChatRequest | EmbedRequest, other: ChatRequest | EmbedRequest) -> bool:
    """Whether both are chats of the very same messages, which are not looked into."""
    if not isinstance(one, ChatRequest) or not isinstance(other, ChatRequest) or one.messages is not other.messages:
        return False
    return one.native is other.native and one.parameters == other.parameters


def _said_by(request: ChatRequest | EmbedRequest) -> _Said:
    if not isinstance(request, ChatRequest):
        # A provider that embeds cuts or refuses a text that is too long by itself: no window is about all of them.
        # Vectors are no tokens.
        return _Said(frozenset({EMBEDDINGS}), 0, 0, None)
    only_here = request.native.only_here if request.native is not None else ()
    tokens, most = estimate_tokens(request.messages), _most_output(request)
    return _Said(needs_of(request), tokens, most, only_here[0] if only_here else None)


def _most_output(request: ChatRequest) -> int | None:
    most = request.parameters.get("max_completion_tokens")
    if not isinstance(most, int):
        most = request.parameters.get("max_tokens")
    return most if isinstance(most, int) else None
