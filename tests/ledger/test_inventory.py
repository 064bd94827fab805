"""What the gateway runs with is noted when it starts and when its files are read again, without any secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio
import orjson
from pydantic import SecretStr

from app.domain.alerts import AlertPlan, Webhook
from app.domain.audit import THE_GATEWAY, Author
from app.domain.chat import Credential
from app.domain.errors import StorageUnavailable
from app.domain.provider import ModelConfig, ProviderConfig, ProviderSet, ProviderType, RateLimit
from app.ledger.inventory import Inventory, provider_fields

BY = Author("0a1b2c3d", "req-1")
CANARY = "canary-2718"


class Notes:
    """Hears what is noted; away for the first `failures` times."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.heard: list[tuple[str, str]] = []
        self.told = anyio.Event()

    async def note(self, subject: str, found: Mapping[str, Any], *, by: Author) -> bool:
        if self.failures:
            self.failures -= 1
            raise StorageUnavailable("away")
        self.heard.append((subject, by.key_id))
        self.told.set()
        return True


def inventory(notes: Notes) -> Inventory:
    return Inventory(notes, lambda: {"configuration:x": {"n": 1}}, pause=0)


async def test_the_job_looks_once_at_the_start_even_where_the_database_comes_late() -> None:
    notes = Notes(failures=2)

    async with anyio.create_task_group() as jobs:
        jobs.start_soon(inventory(notes).run)
        with anyio.fail_after(5):
            await notes.told.wait()
        jobs.cancel_scope.cancel()

    assert notes.heard == [("configuration:x", THE_GATEWAY.key_id)]


async def test_what_a_caller_changed_is_noted_as_his_even_when_the_database_was_away() -> None:
    notes = Notes(failures=1)
    stock = inventory(notes)

    await stock.take(BY)
    assert notes.heard == []
    async with anyio.create_task_group() as jobs:
        jobs.start_soon(stock.run)
        with anyio.fail_after(5):
            await notes.told.wait()
        jobs.cancel_scope.cancel()

    assert notes.heard == [("configuration:x", "0a1b2c3d")]


def provider(**fields: Any) -> ProviderConfig:
    return ProviderConfig("alpha", ProviderType.OPENAI, "https://alpha.example/v1", **fields)


def test_a_provider_file_shows_limits_and_models_and_no_secret() -> None:
    full = provider(
        credentials=(Credential.of(SecretStr(CANARY)),),
        headers={"x-key": CANARY},
        rate_limit=RateLimit(requests_per_minute=60),
        models=(ModelConfig("alpha-1", capabilities=frozenset({"tools", "json"})),),
    )
    other = ProviderConfig("beta", ProviderType.OPENAI_COMPATIBLE, f"https://u:{CANARY}@beta.example/v1?k={CANARY}")
    alerts = AlertPlan(webhooks=(Webhook(SecretStr(f"https://hooks.example/{CANARY}")),))

    told = provider_fields(ProviderSet((full, other), alerts=alerts, source="outcry.yaml"))

    assert CANARY not in orjson.dumps(told).decode()
    alpha = told["providers"]["alpha"]
    assert alpha["rate_limit"]["requests_per_minute"] == 60
    assert alpha["models"]["alpha-1"]["capabilities"] == ["json", "tools"]
    assert list(alpha["credentials"]) == [Credential.of(SecretStr(CANARY)).id]
    assert told["providers"]["beta"]["base_url"].startswith("https://beta.example/v1#")


def test_another_key_header_or_address_shows_as_a_change() -> None:
    def told(**fields: Any) -> dict[str, Any]:
        return provider_fields(ProviderSet((provider(**fields),)))

    assert told() != told(credentials=(Credential.of(SecretStr("a")),))
    assert told(headers={"x": "a"}) != told(headers={"x": "b"})
    assert told(credentials=(Credential.of(SecretStr("a")),)) != told(credentials=(Credential.of(SecretStr("b")),))
