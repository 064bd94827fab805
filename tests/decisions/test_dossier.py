"""A dossier holds what was asked and heard, is bounded, and obeys the policy on disk as well."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from app.decisions.dossier import MAX_ENTRIES, MAX_TEXT, Witness
from app.domain.attempt import AttemptKind, AttemptOutcome, AttemptRecord
from app.domain.errors import Code, NotAdmitted, StorageUnavailable
from app.domain.payload import Part, PayloadForm
from app.domain.target import Target
from app.ledger.sealing import Sealer
from app.ledger.spill import Spill
from app.storage.vault import Vault
from tests.decisions.fakes import NOON, Scripted, Shelf, question, service, vote_text
from tests.decisions.test_record import Moody

BUY = vote_text("BUY", reasoning="canary-said")
KEY = SecretStr(Fernet.generate_key().decode())


async def dossier(gateway: Scripted, **fields: Any) -> Any:
    shelf = Shelf()
    decision = await service(gateway, shelf).decide(question(**fields))
    return shelf.dossiers[decision.id]


async def test_each_call_names_what_was_asked_who_served_and_what_he_said() -> None:
    found = await dossier(Scripted({"a/1": BUY, "b/1": BUY}), algo_id="algo")

    assert [(call["place"], call["requested_model"]) for call in found["calls"]] == [(".0", "a/1"), (".1", "b/1")]
    first = found["calls"][0]
    assert (first["answer"]["raw"], first["served"]["provider"], first["cost_usd"]) == (BUY, "a", "0.001")
    assert first["parameters"]["response_format"]["type"] == "json_schema"
    assert (first["messages"], first["appended_messages"]) == (None, [])
    assert found["times"]["decided_at"] == "2026-11-20T14:16:00.000000Z"
    assert datetime.fromisoformat(found["times"]["asked_at"]) <= NOON
    assert found["algo_id"] == "algo"


async def test_a_repair_shows_what_was_appended() -> None:
    answers = iter([vote_text("BUY", stop_loss=65000), BUY])

    async def says(_: Any) -> str:
        return next(answers)

    found = await dossier(Scripted({"a/1": says}), on_invalid="repair_once")

    assert [call["place"] for call in found["calls"]] == [".0", ".0.repair"]
    assert [message["role"] for message in found["calls"][1]["appended_messages"]] == ["assistant", "user"]


async def test_a_member_that_fails_or_is_outrun_is_in_it_with_its_reason() -> None:
    async def waits(_: Any) -> str:
        await anyio.sleep_forever()
        return BUY

    failed = NotAdmitted(Code.OVERLOADED, "b is full")
    script: dict[str, Any] = {"a/1": BUY, "b/1": failed, "c/1": waits, "d/1": BUY, "e/1": BUY}
    found = await dossier(Scripted(script))

    calls = {call["requested_model"]: call for call in found["calls"]}
    assert calls["b/1"]["error"] == {"code": "gateway_overloaded", "message": "b is full"}
    assert calls["c/1"]["answer"] is None
    assert calls["c/1"]["state"] in ("under_way", "cancelled")


async def test_a_raw_answer_that_was_cut_says_so() -> None:
    long = BUY + " " * MAX_TEXT

    (call,) = (await dossier(Scripted({"a/1": long})))["calls"]

    answer = call["answer"]
    assert (answer["is_cut"], answer["characters"], len(answer["raw"])) == (True, len(long), MAX_TEXT)
    assert len(answer["sha256"]) == 64


def test_a_witness_keeps_attempts_of_decisions_under_way_and_so_many_at_most() -> None:
    witness = Witness()
    transcript = witness.begin("dec_1", lambda: 0.0)
    record = AttemptRecord(
        "req.0", 1, Target("a", "1"), AttemptKind.FIRST, AttemptOutcome.OK, NOON, 0.1, decision_id="dec_1"
    )

    for _ in range(MAX_ENTRIES + 2):
        witness.attempt_finished(record)
    witness.end("dec_1")
    witness.attempt_finished(record)

    assert len(transcript.attempts) == MAX_ENTRIES
    assert transcript.left_out == {"attempts": 2, "calls": 0}


@pytest.mark.parametrize("form", list(PayloadForm)[:3])
async def test_what_waits_on_disk_obeys_the_policy_and_is_stored_as_it_was_sealed(
    form: PayloadForm, tmp_path: Path
) -> None:
    shelf = Moody(is_away=True)
    sealer, spill = Sealer(form, Vault([KEY])), Spill(tmp_path / "spill" / "decisions.jsonl", 10**6)
    asked = service(Scripted({"a/1": BUY}), shelf, spill=spill, sealer=sealer)

    decision = await asked.decide(question(prompt="canary-asked", metadata={"note": "canary-note"}))

    content = b"".join(path.read_bytes() for path in (tmp_path / "spill").iterdir())
    # Plain is what it says; base64 is no secret.
    folded = [one["content"] for line in content.splitlines() for one in json.loads(line)["payloads"]]
    held = b"".join(base64.b64decode(one or "") for one in folded)
    assert b"canary" not in content
    assert (b"canary" in held) is (form is PayloadForm.PLAIN)
    waiting = await asked.get(decision.id) or {}
    assert waiting["action"] == "BUY"
    assert ("canary-said" in (waiting["reasoning"] or "")) is (form is not PayloadForm.HASHED)
    with pytest.raises(StorageUnavailable):
        await asked.dossier(decision.id)
    (line,) = content.splitlines()
    entry = json.loads(line)
    assert [(one["part"], one["form"]) for one in entry["payloads"]] == [("answer", form), ("dossier", form)]
    await asked.close()


async def test_late_votes_are_an_entry_of_their_own() -> None:
    late = anyio.Event()

    async def waits(_: Any) -> str:
        await late.wait()
        return vote_text("SELL")

    shelf = Shelf()
    decision = await service(Scripted({"a/1": BUY, "b/1": BUY, "c/1": waits}), shelf).decide(question(settle="all"))
    late.set()
    with anyio.fail_after(5):
        while not shelf.updates:
            await anyio.lowlevel.checkpoint()

    parts = {payload.part: payload for payload in shelf.payloads[decision.id]}
    entry = Sealer().opened(parts[Part.LATE])
    assert list(parts) == [Part.ANSWER, Part.DOSSIER, Part.LATE]
    assert isinstance(entry, dict)
    assert [call["state"] for call in entry["heard"]["calls"]] == ["answered"] * 3


def test_encrypted_payloads_without_a_key_are_refused() -> None:
    with pytest.raises(ValueError, match="ENCRYPTION_KEYS"):
        Sealer(PayloadForm.ENCRYPTED, Vault([]))
