"""The provider file as it is in force, and how it is read again."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from app.adapters.base_urls import base_url_of
from app.adapters.sandbox import MODELS as SANDBOX_TRADERS
from app.configuration.errors import ConfigurationError
from app.domain.alerts import Webhook
from app.domain.errors import Conflict
from app.domain.provider import ModelConfig, ProviderConfig, ProviderSet, ProviderType
from app.provider_file import load_providers
from app.providers.pool import Pool
from app.settings import Settings, read_environment
from app.telemetry.logs import register_secret
from app.telemetry.metrics import Metrics
from app.transport.addresses import is_allowed_private

log = logging.getLogger(__name__)

SANDBOX_MODELS = tuple(
    ModelConfig(trader, context_window=1_000_000, capabilities=frozenset({"json_object", "json_schema", "streaming"}))
    for trader in SANDBOX_TRADERS
)
"""The traders read any text and answer as JSON when asked; they call no tools and see no pictures."""


class ProviderConfiguration:
    """The provider file as it is in force, and how it is read again."""

    def __init__(self, settings: Settings, pool: Pool, metrics: Metrics) -> None:
        self._settings = settings
        self._pool = pool
        self._metrics = metrics

    def load(self) -> ProviderSet:
        """Read the file and the environment and put them in force. Raises ConfigurationError; then nothing changes."""
        chosen = completed(load_providers(self._settings.config, read_environment()))
        check_webhooks(chosen.alerts.webhooks, self._settings.allowed_private_hosts)
        self._pool.replace(chosen)
        for webhook in chosen.alerts.webhooks:
            register_secret(webhook.url)
        for credential in (credential for one in chosen.providers for credential in one.credentials):
            if credential.secret is not None:
                register_secret(credential.secret)
        self._metrics.set_known(self._pool.targets())
        for warning in chosen.warnings:
            log.warning("provider configuration", extra={"warning": warning})
        return chosen

    async def reload(self, loaded: Callable[[], Awaitable[None]]) -> dict[str, Any]:
        """What is in force after reading the file again, once `loaded` has heard of it.

        Raises Conflict when the file is wrong, and the old one stays.
        """
        try:
            chosen = self.load()
        except ConfigurationError as error:
            raise Conflict(f"the old configuration stays in force: {error}") from None
        await loaded()
        if self._settings.workers > 1:
            # The other workers take it over as uvicorn replaces them, one after the other.
            os.kill(os.getppid(), signal.SIGHUP)
        names = [one.name for one in chosen.providers if one.enabled]
        return {"source": chosen.source, "providers": names, "revision": self._pool.revision}

    @contextmanager
    def reloaded_on_hangup(self, loaded: Callable[[], None]) -> Generator[None]:
        """Read the file again whenever the process is sent SIGHUP, and tell `loaded`."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._hung_up, loaded)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGHUP)

    def _hung_up(self, loaded: Callable[[], None]) -> None:
        try:
            self.load()
        except ConfigurationError as error:
            log.error("the old provider configuration stays in force", extra={"reason": str(error)})
        else:
            loaded()


def completed(chosen: ProviderSet) -> ProviderSet:
    """What was chosen, ready to be asked. Raises ConfigurationError for a base URL that cannot be one."""
    return replace(chosen, providers=tuple(_completed(config) for config in chosen.providers))


def check_webhooks(webhooks: Sequence[Webhook], allowed: Sequence[str]) -> None:
    """Raises ConfigurationError, without the URL, for one that would go out in the clear."""
    for position, webhook in enumerate(webhooks):
        url = webhook.url.get_secret_value()
        if not url.startswith("https://") and not is_allowed_private(url, allowed):
            raise ConfigurationError(
                f"alerts.webhooks[{position}].url: expected https, or a host that OUTCRY_ALLOWED_PRIVATE_HOSTS lists"
            )


def _completed(config: ProviderConfig) -> ProviderConfig:
    """The configuration with its whole base URL, and the sandbox with its traders."""
    if config.type is ProviderType.SANDBOX:
        return replace(config, models=config.models or SANDBOX_MODELS)
    try:
        return replace(config, base_url=base_url_of(config.type, config.base_url))
    except ValueError as error:
        raise ConfigurationError(f"provider {config.name}: base_url: {error}") from None
