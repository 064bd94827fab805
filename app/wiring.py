"""The composition root: from settings to services. The only file that names concrete classes."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx

from app.adapters.presets import base_url_of, build_adapter
from app.adapters.sandbox import MODELS as SANDBOX_TRADERS
from app.adapters.sandbox import SandboxAdapter
from app.agents.directory import AgentDirectory
from app.agents.service import AgentService
from app.catalog.catalog import Catalog
from app.configuration.errors import ConfigurationError
from app.decisions.seating import Seating
from app.decisions.service import DecisionService
from app.domain.errors import Conflict, StorageUnavailable
from app.domain.ports import Adapter
from app.domain.provider import ModelConfig, ProviderConfig, ProviderSet, ProviderType
from app.domain.target import Target
from app.gateway.attempt import Clock
from app.gateway.gateway import Gateway
from app.gateway.planning import Planner
from app.gateway.timers import TimerRules
from app.ledger.writer import LedgerRules, UsageWriter
from app.provider_file import load_providers
from app.providers.lookup import ProviderLookup
from app.providers.monitor import HealthMonitor, HealthRules
from app.providers.pool import Pool
from app.resilience.breaker import BreakerRules
from app.resilience.retry import RetryRules
from app.routing.names import known_models
from app.routing.policies import build_policies
from app.routing.router import Router
from app.services import GatewayKey, Services
from app.settings import Settings, read_environment
from app.storage.agents import SqlAgentRepository, current_revision
from app.storage.database import Database, DatabaseRules, open_database
from app.storage.decisions import SqlDecisionRepository
from app.storage.errors import DatabaseUnusable
from app.storage.listener import ConfigListener
from app.storage.migrations import migrate
from app.storage.usage import SqlUsageRepository
from app.storage.vault import Vault
from app.supervisor import Supervisor
from app.telemetry.logs import register_secret, setup_logging
from app.telemetry.metrics import Metrics
from app.transport.client import TransportRules, open_transport

log = logging.getLogger(__name__)

SANDBOX_MODELS = tuple(
    ModelConfig(trader, context_window=1_000_000, capabilities=frozenset({"json_object", "json_schema", "streaming"}))
    for trader in SANDBOX_TRADERS
)
"""The traders read any text and answer as JSON when asked; they call no tools and see no pictures."""


def utc_now() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


async def build(settings: Settings, draining: asyncio.Event, stack: AsyncExitStack) -> Services:
    """Everything behind the edge; `stack` closes it in the reverse order. The database may still be away."""
    setup_logging(settings.log_level)
    _register_secrets(settings)
    clock = Clock(time.monotonic, utc_now)
    rng = random.SystemRandom()
    metrics = Metrics(multiprocess_dir=os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
    retry = RetryRules(**settings.retry.model_dump())
    catalog = Catalog()

    transport = await stack.enter_async_context(open_transport(TransportRules(**settings.transport.model_dump())))
    pool = Pool(
        _adapters(transport),
        catalog,
        breaker=BreakerRules(**settings.breaker.model_dump()),
        retry=retry,
        now=clock.now,
        rng=rng,
        window=settings.health.window,
    )
    configuration = ProviderConfiguration(settings, pool, metrics)
    configuration.load()

    rules = DatabaseRules(**settings.database.model_dump())
    database = await stack.enter_async_context(open_database(settings.database_url, rules))
    agent_rows = SqlAgentRepository(database, Vault(settings.encryption_keys))
    usage_rows = SqlUsageRepository(database)
    directory = AgentDirectory()

    health = HealthRules(**settings.health.model_dump())
    monitor = HealthMonitor(pool, now=clock.now, wall=clock.wall, rng=rng, rules=health)
    writer = UsageWriter(usage_rows, LedgerRules(**settings.ledger.model_dump()))
    gateway = Gateway(
        pool,
        Planner(pool, Router(build_policies(rng)), directory),
        [monitor, metrics, writer],
        retry=retry,
        timers=TimerRules(**settings.timeouts.model_dump()),
        clock=clock,
        rng=rng,
    )
    agents = AgentService(agent_rows, directory, ProviderLookup(pool, catalog), gateway.complete, clock.now)
    seating = Seating(pool, directory)
    decisions = DecisionService(
        gateway,
        seating,
        SqlDecisionRepository(database),
        now=clock.now,
        wall=clock.wall,
        decided=metrics.decision_finished,
    )
    metrics.collectors.append(_states(pool, writer, directory))

    stack.push_async_callback(writer.drain)
    stack.push_async_callback(decisions.close)
    supervisor = Supervisor(metrics.job_restarted)
    supervisor.add("health", monitor.run)
    supervisor.add("usage", writer.run)
    if metrics.is_shared:
        supervisor.add("metrics", _refreshed(metrics))
    supervisor.add("configuration", _watched(database, settings, agents))
    await stack.enter_async_context(supervisor)
    stack.enter_context(configuration.reloaded_on_hangup())
    return Services(
        gateway=gateway,
        decisions=decisions,
        agents=agents,
        providers=pool,
        monitor=monitor,
        usage=usage_rows,
        metrics=metrics,
        model_names=lambda: known_models(pool),
        unready=lambda: _unready(directory, draining),
        reload=configuration.reload,
        draining=draining,
        keys=tuple(GatewayKey.of(key.key, key.scopes) for key in settings.api_keys),
        default_deadline=pool.current.global_timeout or settings.default_deadline,
        max_deadline=settings.max_deadline,
    )


class ProviderConfiguration:
    """The provider file as it is in force, and how it is read again."""

    def __init__(self, settings: Settings, pool: Pool, metrics: Metrics) -> None:
        self._settings = settings
        self._pool = pool
        self._metrics = metrics

    def load(self) -> ProviderSet:
        """Read the file and the environment and put them in force. Raises ConfigurationError; then nothing changes."""
        chosen = load_providers(self._settings.config, read_environment())
        completed = replace(chosen, providers=tuple(_completed(config) for config in chosen.providers))
        self._pool.replace(completed)
        for credential in (credential for one in completed.providers for credential in one.credentials):
            if credential.secret is not None:
                register_secret(credential.secret)
        self._metrics.set_known(
            Target(state.config.name, model) for state in self._pool.providers() for model in state.models
        )
        for warning in completed.warnings:
            log.warning("provider configuration", extra={"warning": warning})
        return completed

    async def reload(self) -> dict[str, Any]:
        """What is in force after reading the file again; raises Conflict when it is wrong, and the old one stays."""
        try:
            chosen = self.load()
        except ConfigurationError as error:
            raise Conflict(f"the old configuration stays in force: {error}") from None
        if self._settings.workers > 1:
            # The other workers take it over as uvicorn replaces them, one after the other.
            os.kill(os.getppid(), signal.SIGHUP)
        names = [one.name for one in chosen.providers if one.enabled]
        return {"source": chosen.source, "providers": names, "revision": self._pool.revision}

    @contextmanager
    def reloaded_on_hangup(self) -> Generator[None]:
        """Read the file again whenever the process is sent SIGHUP."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGHUP)

    def _hung_up(self) -> None:
        try:
            self.load()
        except ConfigurationError as error:
            log.error("the old provider configuration stays in force", extra={"reason": str(error)})


def _register_secrets(settings: Settings) -> None:
    """Have the log blot out what is secret in the settings themselves."""
    for secret in (*settings.encryption_keys, *(key.key for key in settings.api_keys)):
        register_secret(secret)
    password = urlsplit(settings.database_url).password
    if password:
        register_secret(password)


def _adapters(transport: httpx.AsyncBaseTransport) -> Callable[[ProviderConfig], Adapter]:
    def build_one(config: ProviderConfig) -> Adapter:
        if config.type is ProviderType.SANDBOX:
            return SandboxAdapter(config)
        return build_adapter(config, transport)

    return build_one


def _completed(config: ProviderConfig) -> ProviderConfig:
    """The configuration with its whole base URL, and the sandbox with its traders."""
    if config.type is ProviderType.SANDBOX:
        return replace(config, models=config.models or SANDBOX_MODELS)
    try:
        return replace(config, base_url=base_url_of(config.type, config.base_url))
    except ValueError as error:
        raise ConfigurationError(f"provider {config.name}: base_url: {error}") from None


def _watched(database: Database, settings: Settings, agents: AgentService) -> Callable[[], Awaitable[None]]:
    """The job that keeps the agents' directory as the database has it."""

    async def watch() -> None:
        while not await _is_migrated(database, settings):
            await anyio.sleep(1)
        await ConfigListener(database).run(agents.refresh)

    return watch


async def _is_migrated(database: Database, settings: Settings) -> bool:
    """Whether the tables are there; brings them about when the database was away at the start."""
    try:
        await database.read(current_revision)
        return True
    except (StorageUnavailable, DatabaseUnusable):
        pass
    try:
        await anyio.to_thread.run_sync(migrate, settings.database_url)
    except StorageUnavailable as error:
        log.warning("the database is away", extra={"reason": error.message})
        return False
    return True


def _states(pool: Pool, writer: UsageWriter, directory: AgentDirectory) -> Callable[[Metrics], None]:
    """Sets what is a state rather than an event, when somebody looks."""

    def collect(metrics: Metrics) -> None:
        now, ejections = time.monotonic(), 0
        for provider in pool.providers():
            metrics.set_in_flight(provider.config.name, provider.in_flight)
            for target in pool.states(provider.config.name):
                metrics.set_circuit(target.target, target.breaker.circuit(now))
                ejections += target.breaker.ejections
        metrics.set_ejections(ejections)
        metrics.set_usage_queue(writer.depth, writer.spilled)
        metrics.set_configuration(max(directory.revision, 0), directory.undecryptable)

    return collect


def _refreshed(metrics: Metrics) -> Callable[[], Awaitable[None]]:
    """The job that keeps this worker's states fresh where another worker may be the one that is scraped."""

    async def refresh() -> None:
        while True:
            metrics.refresh()
            await anyio.sleep(1)

    return refresh


def _unready(directory: AgentDirectory, draining: asyncio.Event) -> list[str]:
    reasons = [] if directory.is_loaded else ["the database has not answered yet"]
    return [*reasons, "the service is stopping"] if draining.is_set() else reasons
