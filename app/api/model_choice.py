"""Which models a body of a `/v1` wire asks for, and the ask that it becomes with what the wire makes of the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.api.exchange import Exchange
from app.api.intent import Intent
from app.api.provider_preferences import failover_allowed, preference_violations, preferences_of
from app.api.timing import deadline_of
from app.domain.attempt import Ask
from app.domain.chat import ChatRequest
from app.domain.conversation import conversation_key
from app.domain.embedding import EmbedRequest
from app.domain.errors import Code, RequestRejected, Violation
from app.domain.routing import Preferences, Priority

MAX_FALLBACKS: Final = 16
FORBIDDEN: Final = ("api_base", "base_url", "api_key")


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The models to try, in order, each once, and what the caller said of their providers.

    `named_by` are the fields that the names stand in. `cache_key` is OpenAI's `prompt_cache_key`: what shares one is
    best answered by one target.
    """

    names: tuple[str, ...]
    preferences: Preferences | None
    cache_key: str | None = None
    named_by: tuple[str, ...] = ()

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> ModelChoice:
        """The choice of a checked body. Raises RequestRejected for a preference that is not built."""
        names = {} if body.get("model") is None else {body["model"]: "model"}
        for place, name in enumerate(body.get("models") or ()):
            names.setdefault(name, f"models[{place}]")
        cache_key = body.get("prompt_cache_key")
        is_key = isinstance(cache_key, str) and cache_key != ""
        preferences = preferences_of(body.get("provider"))
        return cls(tuple(names), preferences, cache_key if is_key else None, tuple(names.values()))

    def ask(self, request: ChatRequest | EmbedRequest, intent: Intent, exchange: Exchange, *, route: str) -> Ask:
        """The ask for a request, with the intent of its headers."""
        # Vectors depend on no text but their own: there is nothing to stick to.
        named = None if isinstance(request, EmbedRequest) else intent.conversation or self.cache_key
        return Ask(
            request=request,
            request_id=exchange.request_id,
            deadline=deadline_of(exchange, intent.deadline),
            model=self.names[0],
            fallbacks=self.names[1:],
            named_by=self.named_by,
            agent_id=intent.agent_id,
            policy=intent.policy,
            allow_failover=failover_allowed(self.preferences),
            preferences=self.preferences,
            priority=intent.priority or Priority.NORMAL,
            caller=exchange.caller,
            route=route,
            cache=intent.cache,
            as_of=intent.hindsight,
            conversation=None if named is None else conversation_key(exchange.caller.key_id, named),
            hedge=intent.hedge,
            replay=intent.replay,
        )


def refuse_first(violations: Iterable[Violation]) -> None:
    """Raise RequestRejected with the path of the first violation, if there is any."""
    for wrong in violations:
        raise RequestRejected(Code.INVALID_REQUEST, f"{wrong.field}: {wrong.message}", param=wrong.field)


def choice_violations(body: Mapping[str, Any]) -> Iterator[Violation]:
    """Everything wrong with `model` and `models`, and fields that would name a provider's address or key."""
    for name in FORBIDDEN:
        if name in body:
            yield Violation(name, "is not taken from a request: providers and their keys are configured")
    yield from _named(body)
    yield from preference_violations(body.get("provider"))


def _named(body: Mapping[str, Any]) -> Iterator[Violation]:
    model, models = body.get("model"), body.get("models")
    if model is None and models is None:
        yield Violation("model", "is missing")
    if model is not None and (not isinstance(model, str) or not 0 < len(model) <= 256):
        yield Violation("model", "must be a model's name of 1 to 256 characters")
    if models is None:
        return
    if not isinstance(models, list) or not 0 < len(models) <= MAX_FALLBACKS:
        yield Violation("models", f"must be an array of 1 to {MAX_FALLBACKS} models' names")
        return
    for index, name in enumerate(models):
        if not isinstance(name, str) or not 0 < len(name) <= 256:
            yield Violation(f"models[{index}]", "must be a model's name of 1 to 256 characters")
