"""A real, tiny call with one configuration, and what it proves about it."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from app.domain.agent import AgentConfig
from app.domain.attempt import Ask, Completion
from app.domain.caching import CacheMode
from app.domain.chat import ChatRequest
from app.domain.errors import AllAttemptsFailed, Code, OutcryError, ProviderError
from app.domain.provider import ProviderConfig
from app.domain.usage import PriceCard

_DEADLINE_SECONDS: Final = 15.0
_QUESTION: Final = ({"role": "user", "content": "Reply with the word ok."},)
_ANSWER_TOKENS: Final = 16


class ProviderView(Protocol):
    """What agents need to know of providers; `provider` is a configured name or a type."""

    def origin_of(self, provider: str) -> str | None:
        """Scheme, host and port of its base URL; None when it has none."""
        ...

    def resolve_provider(self, provider: str) -> ProviderConfig | None:
        """The configured provider; None when there is no such."""
        ...

    def serves(self, provider: str, model: str) -> bool | None:
        """Whether it serves the model; None when nobody knows."""
        ...

    def card(self, provider: str, model: str) -> PriceCard | None:
        """The model's prices there; None when they are unknown."""
        ...


# (reachable, authorised, model_known) after a provider's own failure: None is what the failure does not tell.
# Reachable means that an answer came: silence after a connection is no answer.
_PROVED: Final[dict[Code, tuple[bool | None, bool | None, bool | None]]] = {
    Code.PROVIDER_UNREACHABLE: (False, None, None),
    Code.PROVIDER_TIMEOUT: (False, None, None),
    Code.PROVIDER_AUTH_FAILED: (True, False, None),
    Code.MODEL_NOT_FOUND: (True, True, False),
    Code.PROVIDER_QUOTA_EXHAUSTED: (True, True, None),
    Code.INVALID_REQUEST: (True, True, None),
    Code.CONTEXT_LENGTH: (True, True, True),
    Code.CONTENT_FILTER: (True, True, True),
    Code.PROVIDER_RATE_LIMITED: (True, None, None),
    Code.PROVIDER_OVERLOADED: (True, None, None),
    Code.PROVIDER_ERROR: (True, None, None),
    Code.PROVIDER_BAD_ANSWER: (True, None, None),
    Code.PROVIDER_STREAM_TRUNCATED: (True, True, True),
}
_NOTHING: Final = (None, None, None)


class Validation:
    """Asks through the gateway, pinned to the configuration: no fallback, no retry."""

    def __init__(
        self, asker: Callable[[Ask], Awaitable[Completion]], providers: ProviderView, now: Callable[[], float]
    ) -> None:
        self._asker = asker
        self._providers = providers
        self._now = now

    async def of(self, config: AgentConfig) -> dict[str, Any]:
        """What the call proved: true, false, or None where it proved nothing. Errors are part of the answer."""
        price_known = self._price_known(config)
        if config.undecryptable:
            unreadable = "the stored key cannot be read with the configured encryption keys"
            return _report(_NOTHING, price_known, None, Code.STORAGE_UNAVAILABLE, unreadable)
        started = self._now()
        try:
            await self._asker(self._ask(config))
        except OutcryError as error:
            return _report(_proved(error), price_known, self._now() - started, _cause(error).code, error.message)
        return _report((True, True, True), price_known, self._now() - started, None, None)

    def _ask(self, config: AgentConfig) -> Ask:
        provider = self._providers.resolve_provider(config.provider)
        name = config.provider if provider is None else provider.name
        return Ask(
            ChatRequest(_QUESTION, {"max_tokens": _ANSWER_TOKENS}),
            request_id=f"validate-{secrets.token_hex(8)}",
            deadline=self._now() + _DEADLINE_SECONDS,
            model=f"{name}/{config.model_name}",
            agent_id=config.agent_id,
            allow_failover=False,
            max_retries=0,
            route="validate",
            metadata={"config_id": config.id},
            cache=CacheMode.OFF,
        )

    def _price_known(self, config: AgentConfig) -> bool:
        stated = config.cost_per_1k_input_tokens is not None and config.cost_per_1k_output_tokens is not None
        return stated or self._providers.card(config.provider, config.model_name) is not None


def _cause(error: OutcryError) -> OutcryError:
    return error.last if isinstance(error, AllAttemptsFailed) else error


def _proved(error: OutcryError) -> tuple[bool | None, bool | None, bool | None]:
    cause = _cause(error)
    if isinstance(cause, ProviderError):
        return _PROVED.get(cause.code, _NOTHING)
    # The gateway itself did not find the model: nobody was asked.
    return (None, None, False) if cause.code is Code.MODEL_NOT_FOUND else _NOTHING


def _report(
    proved: tuple[bool | None, bool | None, bool | None],
    price_known: bool,  # noqa: FBT001 - a value, not a flag
    seconds: float | None,
    code: Code | None,
    message: str | None,
) -> dict[str, Any]:
    reachable, authorised, model_known = proved
    return {
        "reachable": reachable,
        "authorised": authorised,
        "model_known": model_known,
        "price_known": price_known,
        "latency_ms": None if seconds is None else round(seconds * 1000, 3),
        "code": None if code is None else code.value,
        "message": message,
    }
