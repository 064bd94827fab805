"""What everything else stands on: clocks, connections, the database, the providers as they are configured."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import httpx

from app.adapters.build import build_adapter
from app.adapters.pictures import MAX_BYTES, PictureSource
from app.adapters.sandbox import SandboxAdapter
from app.adapters.sandbox_reading import Reader
from app.catalog.catalog import Catalog
from app.catalog.records import read_models
from app.decisions.validity import VoteValidity
from app.domain.grades import Prior
from app.domain.ports import Adapter
from app.domain.provider import ProviderConfig, ProviderType
from app.domain.target import Target
from app.gateway.attempt import Clock
from app.outcomes.book import ScoreBook, ScoreRules
from app.providers.leases import Shortage
from app.providers.pool import Pool
from app.reloading import ProviderConfiguration
from app.resilience.breaker import BreakerRules
from app.resilience.retry import RetryRules
from app.settings import Settings
from app.storage.database import Database, DatabaseRules, open_database
from app.telemetry.logs import register_secret, setup_logging
from app.telemetry.metrics import Metrics
from app.transport.addresses import is_allowed_private
from app.transport.client import TransportRules, open_transport
from app.transport.pictures import PublicPictures

log = logging.getLogger(__name__)

_PUBLIC: Final = TransportRules(max_connections=64, max_connections_per_host=8, keepalive=5.0, max_body=MAX_BYTES)


@dataclass(frozen=True, slots=True)
class Ground:
    """One of each. `public` reaches public addresses only; `shortage` is told when more of a shared limit is needed."""

    settings: Settings
    clock: Clock
    rng: random.Random
    metrics: Metrics
    catalog: Catalog
    retry: RetryRules
    transport: httpx.AsyncBaseTransport
    public: httpx.AsyncBaseTransport
    validity: VoteValidity
    book: ScoreBook
    shortage: Shortage
    pool: Pool
    configuration: ProviderConfiguration
    database: Database

    def transport_for(self, url: str) -> httpx.AsyncBaseTransport:
        """By which way to a URL that is no provider's: inwards only where the operator lists the host."""
        inwards = is_allowed_private(url, self.settings.allowed_private_hosts)
        return self.transport if inwards else self.public


async def laid(settings: Settings, stack: AsyncExitStack) -> Ground:
    """The ground; `stack` closes it in the reverse order. The database may still be away."""
    setup_logging(settings.log_level)
    _register_secrets(settings)
    clock, rng = Clock(time.monotonic, utc_now), random.SystemRandom()
    metrics = Metrics(multiprocess_dir=os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
    retry, catalog = RetryRules(**settings.retry.model_dump()), Catalog(known=read_models(settings.catalog))
    transport = await stack.enter_async_context(open_transport(TransportRules(**settings.transport.model_dump())))
    # What callers name is fetched over connections of its own: none of theirs leads where a provider of ours lives.
    public = await stack.enter_async_context(open_transport(_PUBLIC, private_allowed=False))
    validity, shortage = VoteValidity(), Shortage()
    book = ScoreBook(score_rules(settings), validity)
    pool = Pool(
        adapters_over(transport, PublicPictures(public)),
        catalog,
        breaker=BreakerRules(**settings.breaker.model_dump()),
        retry=retry,
        now=clock.now,
        rng=rng,
        window=settings.health.window,
        grades=book,
        short=shortage.told if settings.is_shared else None,
    )
    configuration = ProviderConfiguration(settings, pool, metrics)
    configuration.load()
    _look_up_prices(pool)
    database = await stack.enter_async_context(
        open_database(settings.database_url, DatabaseRules(**settings.database.model_dump()))
    )
    return Ground(
        settings,
        clock,
        rng,
        metrics,
        catalog,
        retry,
        transport,
        public,
        validity,
        book,
        shortage,
        pool,
        configuration,
        database,
    )


def score_rules(settings: Settings) -> ScoreRules:
    """How records become expectations, as it is set."""
    scores = settings.scores
    return ScoreRules(
        Prior(scores.prior_hit_rate, scores.prior_votes, scores.enough),
        scores.half_life_days,
        scores.lookback_days,
        scores.refresh,
    )


def utc_now() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


def adapters_over(
    transport: httpx.AsyncBaseTransport, pictures: PictureSource | None = None
) -> Callable[[ProviderConfig], Adapter]:
    """Builds the adapter of a configured provider."""
    reader = Reader()

    def build_one(config: ProviderConfig) -> Adapter:
        if config.type is ProviderType.SANDBOX:
            return SandboxAdapter(config, reader=reader)
        return build_adapter(config, transport, pictures)

    return build_one


def _register_secrets(settings: Settings) -> None:
    """Have the log blot out what is secret in the settings themselves."""
    for secret in (*settings.encryption_keys, *settings.signing_key, *(key.key for key in settings.api_keys)):
        register_secret(secret)
    password = urlsplit(settings.database_url).password
    if password:
        register_secret(password)


def _look_up_prices(pool: Pool) -> None:
    """The first price of all takes a fifth of a second to find: no request should be the one that waits for it."""
    for provider in pool.providers():
        default = pool.default_model(provider.config.name)
        if default is not None:
            pool.candidate(Target(provider.config.name, default))
