"""Health over time and alerts, as an operator has them: stored, read, exported, told to webhooks on real sockets."""

from __future__ import annotations

import csv
import io
import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.behaviours import Answer, Refuse, Tokens
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, error_of, metrics, provider, total, within
from tests.upstream import Upstream

ALERTS = {
    "rules": [
        {"when": "provider_down", "for_seconds": 0, "clear_seconds": 0},
        {"when": "quota_exhausted", "providers": ["alpha"]},
    ]
}
QUICK = {"OUTCRY_HEALTH__INTERVAL": "1", "OUTCRY_HEALTH__OPEN_INTERVAL": "1", "OUTCRY_HISTORY__INTERVAL": "0.3"}


class Receiver:
    """A webhook on loopback that refuses the first request at `/ops` and takes all others."""

    def __init__(self) -> None:
        self.came: list[tuple[str, dict[str, Any]]] = []
        self.headers: list[str] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                receiver.came.append((self.path, body))
                receiver.headers.append(str(self.headers))
                is_first = self.path == "/ops" and len(receiver.states("/ops")) == 1
                self.send_response(503 if is_first else 204)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing: a test's output is its own."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port

    def __enter__(self) -> Receiver:
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)

    def states(self, path: str) -> list[str]:
        """What came at a path, the repetition of the refused one included."""
        return [str(body.get("state", body.get("text"))) for where, body in self.came if where == path]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def alpha(upstream_once: StartUpstream) -> Upstream:
    return upstream_once(Answer(usage=Tokens(10, 5)))


@pytest.fixture(scope="module")
def forbidden() -> Iterator[socket.socket]:
    """A port on loopback that nobody allowed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


@pytest.fixture(scope="module")
def gateway(start_once: StartService, alpha: Upstream, receiver: Receiver, forbidden: socket.socket) -> Service:
    hooks = [
        f"http://127.0.0.1:{receiver.port}/ops",
        {"url": f"http://127.0.0.1:{receiver.port}/slack/T0/secret-path-0123", "format": "slack"},
        f"https://127.0.0.1:{forbidden.getsockname()[1]}/not-allowed",
    ]
    file = {
        "providers": [provider("alpha", alpha, rate_limit={"requests_per_minute": 30, "requests_per_day": 500})],
        "alerts": ALERTS | {"webhooks": hooks},
    }
    return start_once(config=file, env={**QUICK, "OUTCRY_ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{receiver.port}"})


def test_an_outage_is_history_and_an_alert_and_so_is_its_end(
    gateway: Service, alpha: Upstream, receiver: Receiver, forbidden: socket.socket
) -> None:
    client, history = gateway.client, "/providers/alpha/health/history"
    for _ in range(3):
        assert client.post("/chat", json={"messages": HELLO}).status_code == 200
    alpha.behave(Refuse())
    assert within(15, lambda: receiver.states("/ops").count("fired") >= 2)  # refused once, and sent again
    assert within(10, lambda: client.get(history).json()["items"][0]["status"] == "down")
    alpha.behave(Answer())

    assert within(15, lambda: "resolved" in receiver.states("/ops"))
    assert within(10, lambda: client.get(history).json()["items"][0]["status"] != "down")
    assert within(10, lambda: len(receiver.states("/slack/T0/secret-path-0123")) >= 2)

    body = client.get(history, params={"window": 600, "step": 600}).json()
    assert body["summary"]["requests"] >= 3
    assert body["summary"]["samples"] >= 4
    assert 0 < body["summary"]["uptime_percentage"] <= 100
    assert "down" in {row["status"] for row in body["items"]}
    told = [body for path, body in receiver.came if path == "/ops"]
    assert {(one["alert"], one["provider"]) for one in told} == {("provider_down", "alpha")}
    assert [one["state"] for one in told[-2:]] == ["fired", "resolved"]
    assert told[-1]["fired_at"] == told[-2]["fired_at"]
    assert "sk-alpha" not in f"{receiver.came}{receiver.headers}"

    seen = metrics(client)
    assert total(seen, "outcry_alerts_total", alert="provider_down", provider="alpha", state="fired") == 1
    assert total(seen, "outcry_alerts_total", alert="provider_down", provider="alpha", state="resolved") == 1
    assert total(seen, "outcry_alert_deliveries_total", outcome="delivered") == 4
    with pytest.raises(BlockingIOError):
        forbidden.accept()
    assert "alert fired" in gateway.log
    assert "secret-path-0123" not in gateway.log


def test_pages_of_history_follow_one_another(gateway: Service) -> None:
    assert within(5, lambda: len(gateway.client.get("/providers/alpha/health/history").json()["items"]) >= 4)

    first = gateway.client.get("/providers/alpha/health/history", params={"limit": 2}).json()
    second = gateway.client.get("/providers/alpha/health/history", params={"limit": 2, "cursor": first["next"]}).json()

    moments = [row["at"] for row in (*first["items"], *second["items"])]
    assert len(moments) == 4
    assert moments == sorted(moments, reverse=True)
    assert all(moment.endswith("Z") for moment in moments)


def test_an_export_is_the_same_in_both_forms(gateway: Service) -> None:
    until = gateway.client.get("/providers/alpha/health/history", params={"limit": 1}).json()["items"][0]["at"]
    query = {"until": until}

    as_json = gateway.client.get("/providers/health/export", params=query).json()["items"]
    table = gateway.client.get("/providers/health/export", params=query | {"format": "csv"}).text

    assert [row["at"] for row in csv.DictReader(io.StringIO(table))] == [row["at"] for row in as_json]
    assert as_json


def test_wrong_questions_about_history_are_refused_by_name(gateway: Service) -> None:
    wrong = gateway.client.get("/providers/alpha/health/history", params={"step": "soon"})
    unknown = gateway.client.get("/providers/nobody/health/history")
    forged = gateway.client.get("/providers/alpha/health/history", params={"cursor": "forged"})

    assert "step" in str(error_of(wrong, 422, "caller_invalid_field"))
    assert error_of(unknown, 404, "caller_unknown_provider")
    assert error_of(forged, 422, "caller_invalid_field")


def test_the_rotation_of_free_tiers_tells_its_figures(gateway: Service) -> None:
    body = gateway.client.get("/api/llm-providers").json()

    alpha = body["providers"]["alpha"]
    assert body["current_provider"] == "alpha"
    assert (alpha["status"], alpha["is_current"]) == ("available", True)
    assert (alpha["rate_limit_per_minute"], alpha["rate_limit_per_day"]) == (30, 500)
    assert alpha["requests_today"] >= 3


def test_a_webhook_in_the_clear_stops_the_start(start: StartService, tmp_path: Any) -> None:
    file = {
        "providers": [{"name": "home", "provider_type": "sandbox"}],
        "alerts": {"webhooks": ["http://ops.example/secret-path-0123"]},
    }
    service = Service(tmp_path / "wrong", config=file)

    assert service.ends_by_itself() == 78
    assert "alerts.webhooks[0].url: expected https" in service.log
    assert "secret-path-0123" not in service.log


def test_a_locked_database_holds_up_the_samples_and_nobody_else(start: StartService, upstream: StartUpstream) -> None:
    gateway = start(providers=[provider("alpha", upstream())], env=QUICK | {"OUTCRY_DATABASE__BUSY": "0.1"})
    history = "/providers/alpha/health/history"
    lock = sqlite3.connect(gateway.database, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    locked_at = datetime.now(UTC)
    assert within(10, lambda: "health history waits for the database" in gateway.log)
    started = time.monotonic()
    assert gateway.client.post("/chat", json={"messages": HELLO}).status_code == 200
    assert time.monotonic() - started < 2
    freed_at = datetime.now(UTC)
    lock.execute("ROLLBACK")
    lock.close()

    def arrived() -> bool:
        query = {"since": locked_at.isoformat(), "until": freed_at.isoformat()}
        return bool(gateway.client.get(history, params=query).json()["items"])

    assert within(10, arrived)
    assert "health history is written again" in gateway.log
