"""What was said is stored with its decision, by policy, and erased without it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import text

from app.decisions.filing import Retention
from app.domain.audit import Author
from app.domain.decision import Action, Consensus, Decision, DecisionStatus, SettledReason
from app.domain.errors import Conflict
from app.domain.payload import Part, Payload, PayloadForm
from app.ledger.sealing import Gone, Sealer
from app.ledger.skeleton import skeleton
from app.storage.database import Database
from app.storage.decisions import SqlDecisionRepository
from app.storage.errors import WrongEncryptionKey
from app.storage.payloads import SqlPayloadRepository
from app.storage.vault import Vault

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CANARY = "canary-3141"
ANSWER: dict[str, Any] = {"zeta": 1, "action": "BUY", "reasoning": CANARY, "alpha": ["買", CANARY]}
DOSSIER = {"prompt": CANARY * 300}
OLD, NEW = (SecretStr(Fernet.generate_key().decode()) for _ in range(2))
FORMS = [PayloadForm.PLAIN, PayloadForm.ENCRYPTED, PayloadForm.HASHED]


def sealer(form: PayloadForm = PayloadForm.PLAIN, *keys: SecretStr) -> Sealer:
    return Sealer(form, Vault(keys or (OLD,)))


def decision(name: str = "dec-1") -> Decision:
    consensus = Consensus("majority", 1.0, 1.0, 1, SettledReason.ALL_VOTED, 0.3)
    return Decision(name, "BTC/USDT", DecisionStatus.DECIDED, Action.BUY, True, consensus, (), NOON)


async def store(database: Database, by: Sealer, name: str = "dec-1", at: datetime = NOON) -> list[Payload]:
    kept = [by.sealed(name, Part.ANSWER, ANSWER, at), by.sealed(name, Part.DOSSIER, DOSSIER, at)]
    await SqlDecisionRepository(database, by).append(decision(name), skeleton(ANSWER), {}, kept)
    return kept


async def cells(database: Database) -> str:
    """Everything that stands in the two tables."""
    found = ""
    for table in ("decisions", "payloads"):
        rows = await database.read(lambda session, name=table: session.execute(text(f"SELECT * FROM {name}")))  # type: ignore[misc]
        found += "".join(str(bytes(cell) if isinstance(cell, memoryview) else cell) for row in rows for cell in row)
    return found


@pytest.mark.parametrize("form", FORMS)
async def test_only_plain_payloads_hold_what_was_said_in_the_clear(database: Database, form: PayloadForm) -> None:
    await store(database, sealer(form))

    assert (CANARY in await cells(database)) is (form is PayloadForm.PLAIN)


@pytest.mark.parametrize("form", [PayloadForm.PLAIN, PayloadForm.ENCRYPTED])
async def test_an_answer_comes_back_whole_and_in_its_order(database: Database, form: PayloadForm) -> None:
    by = sealer(form)
    await store(database, by)

    decisions = SqlDecisionRepository(database, by)
    found = await decisions.get("dec-1")
    page, _ = await decisions.page(limit=5, cursor=None, symbol=None, agent_id=None)

    assert (found, page) == (ANSWER, [ANSWER])
    assert list(found or {}) == list(ANSWER)


async def test_the_hash_is_the_same_in_every_form(database: Database) -> None:
    hashes = [[one.sha256 for one in await store(database, sealer(form), f"dec-{form}")] for form in FORMS]

    assert hashes[0] == hashes[1] == hashes[2]


async def test_a_decision_that_is_not_stored_leaves_no_payload(database: Database) -> None:
    by = sealer()
    await store(database, by)
    await SqlPayloadRepository(database).erase("dec-1", by=Author("k"), reason="r", at=NOON)

    with pytest.raises(Conflict):
        await store(database, by)

    assert {one.form for one in await SqlPayloadRepository(database).of("dec-1")} == {PayloadForm.ERASED}


async def test_what_is_erased_leaves_its_hash_and_who_erased_it_why(database: Database) -> None:
    kept = await store(database, sealer())
    payloads = SqlPayloadRepository(database)

    erasure = await payloads.erase("dec-1", by=Author("key-1"), reason="asked for", at=NOON)

    assert erasure is not None
    assert erasure.parts == {payload.part: payload.sha256 for payload in kept}
    left = await payloads.of("dec-1")
    assert {(one.form, one.content, one.erased_by, one.erased_reason) for one in left} == {
        (PayloadForm.ERASED, None, "key-1", "asked for")
    }
    assert CANARY not in await cells(database)
    assert await payloads.erase("dec-404", by=Author("k"), reason="r", at=NOON) is None


async def test_a_late_vote_is_an_entry_of_its_own_that_is_shown_from_then_on(database: Database) -> None:
    by = sealer()
    decisions, late = SqlDecisionRepository(database, by), ANSWER | {"reasoning": "later"}
    kept = [by.sealed("dec-1", Part.LATE, late, NOON)]
    await store(database, by)

    for _ in range(2):
        await decisions.update("dec-1", skeleton(late), kept)
    await decisions.update("dec-404", skeleton(late), [replace(kept[0], subject="dec-404")])

    assert await decisions.get("dec-1") == late
    assert len(await SqlPayloadRepository(database).of("dec-1")) == 3
    assert await SqlPayloadRepository(database).of("dec-404") == []


async def test_what_comes_after_the_erasure_is_not_kept_either(database: Database) -> None:
    by = sealer()
    payloads = SqlPayloadRepository(database)
    await store(database, by)
    await payloads.erase("dec-1", by=Author("k"), reason="r", at=NOON)

    await SqlDecisionRepository(database, by).update(
        "dec-1", skeleton(ANSWER), [by.sealed("dec-1", Part.LATE, ANSWER, NOON)]
    )

    assert CANARY not in await cells(database)
    assert len(await payloads.of("dec-1")) == 3


async def test_content_older_than_the_retention_is_erased_in_batches(database: Database) -> None:
    by, payloads = sealer(), SqlPayloadRepository(database)
    for number in range(3):
        await store(database, by, f"dec-{number}", NOON - timedelta(days=number))

    assert await Retention(payloads, 1.5, lambda: NOON).apply() == 2
    assert await Retention(payloads, 1.5, lambda: NOON).apply() == 0
    assert await Retention(payloads, None, lambda: NOON).apply() == 0
    assert [one.form for one in await payloads.of("dec-1")] == [PayloadForm.PLAIN] * 2
    assert {one.erased_by for one in await payloads.of("dec-2")} == {"retention"}


async def test_a_batch_erases_no_more_than_it_says(database: Database) -> None:
    payloads = SqlPayloadRepository(database)
    for number in range(2):
        await store(database, sealer(), f"dec-{number}", NOON - timedelta(days=2))

    assert [await payloads.forget(NOON, 3, NOON) for _ in range(3)] == [3, 1, 0]


async def test_without_its_key_an_answer_says_so_and_the_others_are_still_there(database: Database) -> None:
    await store(database, sealer(PayloadForm.ENCRYPTED, OLD), "dec-1")
    await store(database, sealer(PayloadForm.ENCRYPTED, NEW), "dec-2")
    by = sealer(PayloadForm.ENCRYPTED, NEW)
    decisions = SqlDecisionRepository(database, by)

    lost, kept = await decisions.get("dec-1"), await decisions.get("dec-2")

    assert lost == {"zeta": 1, "action": "BUY", "reasoning": None, "alpha": [], "payload": "unreadable"}
    assert (kept, by.unreadable) == (ANSWER, 1)


async def test_an_old_key_opens_what_was_encrypted_before_the_rotation(database: Database) -> None:
    await store(database, sealer(PayloadForm.ENCRYPTED, OLD))

    assert await SqlDecisionRepository(database, sealer(PayloadForm.ENCRYPTED, NEW, OLD)).get("dec-1") == ANSWER


async def test_encrypted_payloads_want_their_key_at_the_start(database: Database) -> None:
    await Vault([OLD]).verify_canary(database)
    await Vault([]).verify_canary(database)
    await store(database, sealer(PayloadForm.ENCRYPTED, OLD))

    with pytest.raises(WrongEncryptionKey):
        await Vault([]).verify_canary(database)


def test_a_payload_moved_to_another_decision_or_changed_does_not_open() -> None:
    by = sealer(PayloadForm.ENCRYPTED)
    payload = by.sealed("dec-1", Part.ANSWER, ANSWER, NOON)

    assert by.opened(payload) == ANSWER
    assert by.opened(replace(payload, subject="dec-2")) is Gone.UNREADABLE
    plain = sealer().sealed("dec-1", Part.ANSWER, ANSWER, NOON)
    assert by.opened(replace(plain, content=b'{"action":"SELL"}')) is Gone.UNREADABLE
