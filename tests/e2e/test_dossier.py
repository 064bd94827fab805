"""How a decision came about is on record, by policy, and what was said in it can be erased."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.behaviours import Answer, Status
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.markets import market, vote
from tests.e2e.service import Service, new_encryption_key
from tests.e2e.speaking import PATIENT, error_of, metrics, provider
from tests.upstream import Upstream

ASKED, SAID = "canary-in-the-prompt-7141", "canary-in-the-answer-2718"


class House:
    """A gateway with one member, its policy, and all that it leaves on disk."""

    def __init__(self, service: Service, member: Upstream, folder: Path) -> None:
        self.service, self.member, self.folder = service, member, folder

    @property
    def client(self) -> httpx.Client:
        return self.service.client

    def decide(self, **fields: Any) -> Any:
        self.member.behave(Answer(vote("BUY", reasoning=f"because {SAID}", invalidation=SAID)))
        body = {
            "symbol": "BTC/USDT",
            "market": market(),
            "prompt": f"decide, {ASKED}",
            "metadata": {"note": ASKED},
            "algo_id": "algo-1",
            **fields,
        }
        response = self.client.post("/decisions", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    def on_disk(self) -> list[str]:
        """Where either canary stands in the clear, after everything in SQLite's log has reached its file."""
        with sqlite3.connect(self.service.database) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return [str(path) for path in files for canary in (ASKED, SAID) if canary.encode() in path.read_bytes()]


@pytest.fixture(scope="module")
def house(start_once: StartService, upstream_once: StartUpstream) -> Any:
    member = upstream_once(models=("one-1",))
    running: dict[str, House] = {}

    def of(policy: str) -> House:
        if policy not in running:
            env = PATIENT | {"OUTCRY_RECORD__PAYLOADS": "" if policy == "default" else policy}
            service = start_once(providers=[provider("one", member)], env=env)
            running[policy] = House(service, member, service.database.parent)
        return running[policy]

    return of


def test_a_dossier_tells_how_a_decision_came_about(house: Any) -> None:
    decision = house("default").decide()

    found = house("default").client.get(f"/decisions/{decision['id']}/dossier").json()

    dossier, (call,), (attempt,) = found["dossier"], found["dossier"]["calls"], found["dossier"]["attempts"]
    assert found["decision"] == decision
    assert ASKED in dossier["prompt"]["messages"][-1]["content"]
    assert len(dossier["prompt"]["sha256"]) == 64
    assert (dossier["algo_id"], dossier["request"]["metadata"]) == ("algo-1", {"note": ASKED})
    assert SAID in call["answer"]["raw"]
    assert (call["requested_model"], call["served"]["model"], call["state"]) == ("one/one-1", "one-1", "answered")
    assert (attempt["provider"], attempt["outcome"], attempt["code"]) == ("one", "ok", None)
    assert dossier["times"]["asked_at"] < dossier["times"]["decided_at"]
    assert dossier["made_by"]["version"] == "0.1.0"
    assert {payload["form"] for payload in found["payloads"]} == {"encrypted"}


def test_attempts_that_failed_are_in_it(house: Any) -> None:
    script = iter([Status(500), Answer(vote("BUY"))])
    house("default").member.behave(lambda _: next(script))
    body = {"symbol": "BTC/USDT", "market": market()}
    decision = house("default").client.post("/decisions", json=body).json()

    found = house("default").client.get(f"/decisions/{decision['id']}/dossier").json()

    assert [one["outcome"] for one in found["dossier"]["attempts"]] == ["error", "ok"]
    assert found["dossier"]["attempts"][0]["upstream_status"] == 500


def test_encrypted_nothing_of_it_is_on_disk_and_its_caller_gets_all_of_it(house: Any) -> None:
    here = house("default")
    decision = here.decide()

    assert here.client.get(f"/decisions/{decision['id']}").json() == decision
    assert decision in here.client.get("/decisions").json()["items"]
    assert SAID in decision["votes"][0]["reasoning"]
    assert here.on_disk() == []


def test_hashed_nothing_of_it_is_kept_but_the_verdict_and_the_hashes(house: Any) -> None:
    here = house("hashed")
    decision = here.decide()

    again = here.client.get(f"/decisions/{decision['id']}").json()
    found = here.client.get(f"/decisions/{decision['id']}/dossier").json()

    assert here.on_disk() == []
    assert (again["action"], again["stop_loss"], again["payload"]) == ("BUY", decision["stop_loss"], "hashed")
    assert (again["reasoning"], again["votes"][0]["reasoning"], again["metadata"]) == (None, None, {})
    assert again["votes"][0]["action"] == "BUY"
    assert found["dossier"] is None
    assert all(len(payload["sha256"]) == 64 for payload in found["payloads"])


def test_what_is_erased_is_gone_from_the_disk_and_the_rest_stays(house: Any) -> None:
    here = house("plain")
    decision = here.decide()
    path = f"/decisions/{decision['id']}"
    before = here.client.get(f"{path}/dossier").json()
    assert here.on_disk()

    erased = here.client.delete(f"{path}/payload", params={"reason": "asked for by the customer"})

    assert erased.status_code == 200
    assert erased.json()["erased"] == {payload["part"]: payload["sha256"] for payload in before["payloads"]}
    after, again = here.client.get(f"{path}/dossier").json(), here.client.get(path).json()
    assert [payload["sha256"] for payload in after["payloads"]] == [one["sha256"] for one in before["payloads"]]
    assert after["payloads"][0]["erased"]["reason"] == "asked for by the customer"
    assert (after["dossier"], again["payload"], again["action"]) == (None, "erased", decision["action"])
    assert here.on_disk() == []
    assert here.client.delete(f"{path}/payload", params={"reason": "again"}).json()["erased"] == {}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/decisions/dec_404/payload?reason=r", 404, "caller_not_found"),
        ("/decisions/dec_404/payload", 422, "caller_invalid_field"),
        ("/decisions/dec_404/payload?reason=%20", 422, "caller_invalid_field"),
    ],
)
def test_an_erasure_wants_a_decision_and_a_reason(house: Any, path: str, status: int, code: str) -> None:
    response = house("plain").client.delete(path)

    error_of(response, status, code)


def test_an_unknown_decision_has_no_dossier(house: Any) -> None:
    assert house("plain").client.get("/decisions/dec_404/dossier").status_code == 404


def test_a_payload_that_was_changed_is_an_error_and_never_silence(house: Any) -> None:
    here = house("default")
    decision = here.decide()
    with sqlite3.connect(here.service.database) as database:
        changed = b"gAAAA", decision["id"]
        database.execute("UPDATE payloads SET content = ? WHERE subject = ?", changed)

    response = here.client.get(f"/decisions/{decision['id']}/dossier")

    assert "encryption key" in error_of(response, 503, "gateway_storage_unavailable")["message"]
    assert here.client.get(f"/decisions/{decision['id']}").json()["payload"] == "unreadable"
    assert here.client.get("/decisions").status_code == 200
    assert "outcry_unreadable_payloads_total" in metrics(here.client)


def test_another_encryption_key_stops_the_start(start: StartService, upstream: StartUpstream) -> None:
    member = upstream(models=("one-1",))
    first = start(providers=[provider("one", member)], env=PATIENT)
    House(first, member, first.database.parent).decide()
    first.stop()

    other = Service(
        first.database.parent / "other",
        providers=[provider("one", member)],
        env=PATIENT | {"ENCRYPTION_KEYS": new_encryption_key()},
        database_url=f"sqlite+aiosqlite:///{first.database}",
    )
    (first.database.parent / "other").mkdir()

    assert other.ends_by_itself() != 0
    assert "encryption key" in other.log
