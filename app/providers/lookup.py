"""Providers by what people call them: a configured name, or a type (then the first enabled one of it)."""

from __future__ import annotations

from urllib.parse import urlsplit

from app.domain.provider import ProviderConfig
from app.domain.usage import PriceCard
from app.providers.pool import CatalogView, Pool
from app.providers.state import ProviderState


def called(name: str, pool: Pool) -> ProviderState | None:
    """The enabled provider of this name, else the first of this type."""
    named = pool.provider(name)
    if named is not None:
        return named
    return next((state for state in pool.providers() if state.config.type == name), None)


def origin_of(config: ProviderConfig) -> str | None:
    """Scheme, host and port of its base URL; None when it has none (the sandbox)."""
    parts = urlsplit(config.base_url)
    if not parts.hostname:
        return None
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    return f"{parts.scheme}://{parts.hostname}:{port}"


class ProviderLookup:
    """What agents' configurations are checked against and filled from."""

    def __init__(self, pool: Pool, catalog: CatalogView) -> None:
        self._pool = pool
        self._catalog = catalog

    def origin_of(self, provider: str) -> str | None:
        """Scheme, host and port of its base URL; None when it has none."""
        state = called(provider, self._pool)
        return None if state is None else origin_of(state.config)

    def resolve_provider(self, provider: str) -> ProviderConfig | None:
        """The configured provider; None when there is no such."""
        state = called(provider, self._pool)
        return None if state is None else state.config

    def serves(self, provider: str, model: str) -> bool | None:
        """Whether it serves the model; None when nobody knows its models."""
        state = called(provider, self._pool)
        if state is None or not state.models:
            return None
        return self._pool.serves(state.config.name, model)

    def card(self, provider: str, model: str) -> PriceCard | None:
        """The model's prices there; None when they are unknown."""
        state = called(provider, self._pool)
        return None if state is None else self._catalog.card(state.config, model)
