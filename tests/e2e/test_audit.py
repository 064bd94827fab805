"""What the gateway did stands up: anybody can check it, here and elsewhere, and it survives a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, text

from tests.e2e.conftest import StartService
from tests.e2e.markets import market
from tests.e2e.service import ROOT, Service, new_encryption_key, plain_client
from tests.postgres import PostgresServer

BODY = {"symbol": "BTC/USDT", "market": market(), "models": ["sandbox/trend", "sandbox/breakout"], "settle": "all"}
QUICK = {"OUTCRY_AUDIT__CHECKPOINT_ENTRIES": "5"}


@pytest.fixture(scope="module")
def gateway(start_once: StartService) -> Service:
    return start_once(env={"OUTCRY_SIGNING_KEY": new_encryption_key(), **QUICK})


def _decide(client: httpx.Client) -> str:
    response = client.post("/decisions", json=BODY)
    assert response.status_code == 200, response.text
    return str(response.json()["id"])


def _checked_elsewhere(path: Path, *key: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "examples" / "verify_bundle.py"), str(path), *key]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=path.parent, timeout=30)


def test_everything_is_in_order_and_a_checkpoint_says_how_far(gateway: Service) -> None:
    for _ in range(6):
        _decide(gateway.client)

    found = gateway.client.get("/audit/verify").json()

    assert (found["ok"], found["first_bad"]) == (True, None)
    assert found["rows"] >= 7
    assert len(found["public_key"]) == 64


def test_a_bundle_is_checked_offline_and_says_what_is_wrong(gateway: Service, tmp_path: Path) -> None:
    others = [_decide(gateway.client) for _ in range(3)]
    decision = others.pop(0)
    answer = gateway.client.get(f"/audit/{decision}/bundle")
    path = tmp_path / "bundle.json"
    path.write_bytes(answer.content)
    key = gateway.client.get("/audit/verify").json()["public_key"]

    good = _checked_elsewhere(path, key)
    assert (good.returncode, decision in good.stdout) == (0, True), good.stderr
    assert all(other not in answer.text for other in others)

    for harm, said in (
        (_change_payload, "its payload was changed"),
        (_change_entry, "was changed"),
        (_cut, "is not what a signed checkpoint has"),
        (_forge, "bad signature"),
        (_rename, "the decision itself is missing"),
    ):
        bundle = answer.json()
        harm(bundle)
        path.write_text(json.dumps(bundle))
        bad = _checked_elsewhere(path)
        assert (bad.returncode, said in bad.stderr) == (1, True), bad.stderr
    path.write_bytes(answer.content)
    assert "another key" in _checked_elsewhere(path, "00" * 32).stderr


def _told(bundle: Any) -> Any:
    return next(link for link in bundle["segments"][0]["links"] if "entry" in link)


def _change_payload(bundle: Any) -> None:
    _told(bundle)["payload"] = _told(bundle)["payload"].replace("BTC", "ETH", 1)


def _change_entry(bundle: Any) -> None:
    _told(bundle)["entry"]["by"] = "somebody"


def _cut(bundle: Any) -> None:
    bundle["segments"][0]["links"].pop()


def _forge(bundle: Any) -> None:
    bundle["checkpoints"][0]["signature"] = "00" * 64


def _rename(bundle: Any) -> None:
    bundle["decision_id"] = "dec_other"


def test_a_decision_that_is_not_on_record_has_no_bundle(gateway: Service) -> None:
    answer = gateway.client.get("/audit/dec_404/bundle")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "caller_not_found")


def test_what_was_changed_behind_its_back_is_named_over_http_and_on_the_command_line(start: StartService) -> None:
    gateway = start(env={"OUTCRY_SIGNING_KEY": new_encryption_key(), **QUICK})
    decision = [_decide(gateway.client) for _ in range(3)][1]
    engine = create_engine(f"sqlite:///{gateway.database}")
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE decisions SET answer = replace(answer, 'BUY', 'SELL') || ' ' WHERE id = :id"), {"id": decision}
        )
    engine.dispose()

    found = gateway.client.get("/audit/verify").json()
    command = gateway.run("audit", "verify")

    assert (found["ok"], found["first_bad"]["id"]) == (False, f"decision:{decision}")
    assert (command.returncode, decision in command.stderr) == (1, True)


def test_after_kill_9_every_decision_that_was_answered_is_on_a_valid_record(
    start: StartService, postgres: PostgresServer
) -> None:
    for url in (None, postgres.create()):
        gateway = start(database_url=url, env={"OUTCRY_SIGNING_KEY": new_encryption_key(), **QUICK})
        seen = []
        for _ in range(2):
            seen += [_decide(gateway.client) for _ in range(4)]
            os.kill(gateway.pid, signal.SIGKILL)
            gateway.kill()
            gateway.start()
        found = gateway.client.get("/audit/verify").json()
        bundles = [gateway.client.get(f"/audit/{decision}/bundle").status_code for decision in seen]
        assert (found["ok"], found["first_bad"], found["chains"]) == (True, None, 2)
        assert bundles == [200] * 8


def test_two_workers_write_two_chains_that_are_both_in_order(start: StartService) -> None:
    gateway = start(env={"OUTCRY_WORKERS": "2", **QUICK})
    for _ in range(30):
        with plain_client(gateway.base_url) as client:
            _decide(client)

    found = gateway.client.get("/audit/verify").json()

    assert (found["ok"], found["first_bad"]) == (True, None)
    assert found["chains"] in (1, 2)
    # Beside them what the service was started with.
    noted = gateway.client.get("/audit/changes").json()["items"]
    assert found["rows"] == 30 + found["chains"] + len(noted)
    assert found["public_key"] is None


def test_an_orderly_end_leaves_a_checkpoint_and_the_command_line_exports_what_it_needs(
    start: StartService, tmp_path: Path
) -> None:
    gateway = start(env={"OUTCRY_SIGNING_KEY": new_encryption_key()})
    decision = _decide(gateway.client)
    gateway.stop()

    verified = gateway.run("audit", "verify", "--json")
    found = json.loads(verified.stdout)
    assert (verified.returncode, found["ok"], found["unsealed"], found["signed"] > 0) == (0, True, 0, True)
    exported, taken = tmp_path / "checkpoints.jsonl", tmp_path / "one.json"
    assert gateway.run("audit", "export", str(exported)).returncode == 0
    assert gateway.run("audit", "bundle", decision, str(taken)).returncode == 0
    assert _checked_elsewhere(taken).returncode == 0
    assert gateway.run("audit", "verify", "--checkpoints", str(exported)).returncode == 0
    assert gateway.run("audit", "bundle", "dec_404").returncode == 65
    engine = create_engine(f"sqlite:///{gateway.database}")
    with engine.begin() as connection:
        for table in ("audit_checkpoints", "audit_entries", "audit_payloads", "audit_chains", "decisions"):
            connection.execute(text(f"DELETE FROM {table}"))
    engine.dispose()
    assert gateway.run("audit", "verify").returncode == 0
    cut = gateway.run("audit", "verify", "--checkpoints", str(exported))
    assert (cut.returncode, "exported, and is not there any more" in cut.stderr) == (1, True)
