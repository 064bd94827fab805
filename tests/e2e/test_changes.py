"""Who changed what is on record over HTTP, whichever worker did it, across restarts, and without any secret."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import StartService
from tests.e2e.markets import market
from tests.e2e.service import Service, new_encryption_key

ADMIN, READER = "admin-canary-0123456789", "reader-canary-0123456789"
CANARY = "sk-canary-577215664901"
PROVIDERS = [{"name": "house", "provider_type": "sandbox", "rate_limit": {"requests_per_minute": 6000}}]


def _env() -> dict[str, str]:
    keys = f"{ADMIN},{READER}:read"
    return {"OUTCRY_WORKERS": "2", "OUTCRY_API_KEYS": keys, "ENCRYPTION_KEYS": new_encryption_key()}


@pytest.fixture(scope="module")
def gateway(start_once: StartService) -> Service:
    return start_once(providers=PROVIDERS, env=_env())


def _ask(gateway: Service, method: str, path: str, body: Any = None, *, key: str = ADMIN) -> httpx.Response:
    """Over a connection of its own, so that either worker may get it."""
    with httpx.Client(base_url=gateway.base_url, trust_env=False, timeout=30) as client:
        return client.request(method, path, json=body, headers={"x-api-key": key, "x-request-id": "req-e2e"})


def _changes(gateway: Service, **filters: str) -> list[dict[str, Any]]:
    with httpx.Client(base_url=gateway.base_url, trust_env=False, timeout=30) as client:
        answer = client.get("/audit/changes", params=filters, headers={"x-api-key": READER})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items[::-1]


def test_each_route_that_changes_something_puts_it_on_record(gateway: Service) -> None:
    agent = _ask(gateway, "POST", "/agents", {"name": "momentum"}).json()["id"]
    config = {"provider": "house", "model_name": "trend"}
    first = _ask(gateway, "PUT", f"/agents/{agent}/llm-config", config).json()["id"]
    second = _ask(gateway, "POST", f"/agents/{agent}/llm-config", config | {"api_key": CANARY})
    assert second.status_code == 201, second.text
    _ask(gateway, "PATCH", f"/agents/{agent}/llm-config/{second.json()['id']}", {"api_key": f"{CANARY}2"})
    _ask(gateway, "PATCH", f"/agents/{agent}/llm-config/{second.json()['id']}", {"api_key": None})
    _ask(gateway, "PATCH", f"/agents/{agent}/llm-config/{second.json()['id']}", {"api_key": None})
    _ask(gateway, "DELETE", f"/agents/{agent}/llm-config/{first}")
    _ask(gateway, "PATCH", f"/agents/{agent}", {"enabled": False})
    _ask(gateway, "DELETE", f"/agents/{agent}")

    found = _changes(gateway, subject=f"agent:{agent}")

    assert [one["what"] for one in found] == [
        "agent_created",
        *("llm_config_created", "llm_config_created", "llm_config_changed", "llm_config_changed"),
        *("llm_config_deleted", "agent_changed", "llm_config_deleted", "agent_deleted"),
    ]
    assert {(one["by"], one["request_id"]) for one in found} == {(_key_id(ADMIN), "req-e2e")}
    assert (found[6]["before"], found[6]["after"]) == ({"enabled": True}, {"enabled": False})
    assert [one["after"]["api_key"]["did"] for one in found[2:5]] == ["set", "replaced", "removed"]


def test_tools_the_strategy_and_stops_are_on_record(gateway: Service) -> None:
    tool = {"name": "t", "description": "d", "parameters": {"type": "object"}, "url": "https://tools.example/x"}
    created = _ask(gateway, "POST", "/tools", tool | {"headers": {"authorization": CANARY}})
    assert created.status_code == 201, created.text
    _ask(gateway, "DELETE", "/tools/t")
    _ask(gateway, "PUT", "/routing/strategy", {"strategy": "cost_aware"})
    _ask(gateway, "PUT", "/routing/strategy", {"strategy": None})
    _ask(gateway, "POST", "/admin/kill", {"scope": "agent:9", "reason": "drill"})
    _ask(gateway, "POST", "/admin/resume", {"scope": "agent:9"})

    for subject, did in (
        ("tool:t", ["tool_created", "tool_deleted"]),
        ("setting:failover_strategy", ["setting", "setting"]),
        ("kill:agent:9", ["kill", "resume"]),
    ):
        found = _changes(gateway, subject=subject)
        assert [one["what"] for one in found] == did
        assert {one["by"] for one in found} == {_key_id(ADMIN)}


def test_an_outcome_and_an_erasure_are_on_record_and_everything_stays_in_order(gateway: Service) -> None:
    body = {"symbol": "BTC/USDT", "market": market(), "models": ["house/trend", "house/breakout"]}
    decision = _ask(gateway, "POST", "/decisions", body).json()["id"]
    outcome = {
        "outcome_id": "o-1", "kind": "realized", "observed_at": "2026-11-20T16:00:00Z", "horizon_s": 3600,
        "entry_price": 100, "exit_price": 101, "forward_return": 0.01, "source": "desk",
    }  # fmt: skip
    assert _ask(gateway, "POST", f"/decisions/{decision}/outcome", outcome).status_code == 201
    assert _ask(gateway, "DELETE", f"/decisions/{decision}/payload?reason=asked").status_code == 200

    (erased,) = _changes(gateway, kind="erasure")
    bundle = _ask(gateway, "GET", f"/audit/{decision}/bundle").json()

    assert (erased["subject"], erased["reason"], erased["by"]) == (f"decision:{decision}", "asked", _key_id(ADMIN))
    kinds = [link["entry"]["kind"] for part in bundle["segments"] for link in part["links"] if "entry" in link]
    assert sorted(kinds) == ["decision", "erasure", "outcome"]
    found = _ask(gateway, "GET", "/audit/verify").json()
    assert (found["ok"], found["first_bad"]) == (True, None)


def test_no_secret_is_in_any_entry(gateway: Service) -> None:
    with closing(sqlite3.connect(gateway.database)) as connection:
        rows = connection.execute("SELECT subject, body FROM audit_entries NATURAL JOIN audit_payloads").fetchall()

    assert len(rows) > 10
    assert not [row for row in rows for cell in row if "canary" in str(cell)]


def test_who_asks_what_is_wrong_is_told_which_field(gateway: Service) -> None:
    for query, field in (("kind=outcome", "kind"), ("cursor=nonsense", "cursor"), ("limit=0", "limit")):
        answer = _ask(gateway, "GET", f"/audit/changes?{query}")
        assert (answer.status_code, answer.json()["error"]["param"]) == (422, field), answer.text
    assert _ask(gateway, "GET", "/audit/changes", key="nobody-0123456789").status_code == 401


def test_files_and_keys_are_noted_at_the_start_and_where_they_differ_after_it(tmp_path: Path) -> None:
    env = _env() | {"OUTCRY_WORKERS": "1"}
    gateway = Service(tmp_path, providers=PROVIDERS, env=env)
    with gateway:
        started = _until(gateway, 4)
    gateway._env["OUTCRY_API_KEYS"] = f"{ADMIN},{READER}:read,third-canary-0123456789:chat"
    with gateway:
        again = _until(gateway, 5)
        config = gateway._folder / "providers.json"
        assert config.exists(), sorted(gateway._folder.iterdir())
        config.write_text(config.read_text().replace("6000", "7000"))
        assert _ask(gateway, "POST", "/admin/reload").status_code == 200
        assert _ask(gateway, "POST", "/admin/reload").status_code == 200
        reloaded = _changes(gateway, subject="configuration:providers")

    assert {one["subject"].removeprefix("configuration:") for one in started} == {
        *("providers", "templates", "gateway_keys", "encryption_keys"),
    }
    assert (again[4]["subject"], again[4]["by"]) == ("configuration:gateway_keys", "gateway")
    assert (again[4]["before"], list(again[4]["after"])) == ({}, [_key_id("third-canary-0123456789")])
    first, second = reloaded
    limit = {"requests_per_minute": 7000}
    assert (first["by"], second["by"]) == ("gateway", _key_id(ADMIN))
    assert second["after"]["providers"] == {"house": {"rate_limit": limit}}


def _until(gateway: Service, count: int) -> list[dict[str, Any]]:
    """The job notes what there is right after the start."""
    found: list[dict[str, Any]] = []
    for _ in range(200):
        found = [one for one in _changes(gateway) if one["subject"].startswith("configuration:")]
        if len(found) >= count:
            break
    return found


def _key_id(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:8]
