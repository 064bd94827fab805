"""Whatever is done to the record behind the gateway's back, a check names the first place where it shows."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import text

from app.domain.audit import Author, Entry, Findings, Kind
from app.domain.outcome import Outcome, OutcomeKind
from app.domain.payload import Part
from app.ledger.checkpoints import Signer
from app.ledger.sealing import Sealer
from app.ledger.verifying import verified
from app.outcomes.grading import measured
from app.storage.audit import SqlAuditRepository
from app.storage.checking import checked, checked_elsewhere
from app.storage.database import Database, open_database
from app.storage.decisions import SqlDecisionRepository
from app.storage.outcomes import SqlOutcomeRepository
from app.storage.payloads import SqlPayloadRepository
from tests.storage.auditing import SIGNER, START, Changes, decide, decision, seal, tamper, verify
from tests.storage.decided import NOON, answered, asked, filing, vote

COLUMNS = ("chain", "seq", "at", "kind", "subject", "by", "payload_hash", "state", "prev", "own", "hash")
CHECKPOINT_COLUMNS = ("at", "body", "hash", "key_id", "public_key", "signature")
DECISION_COLUMNS = ("symbol", "status", "action", "key_id", "request_id", "answer", "request")
TABLES = (
    ("audit_entries", COLUMNS, "seq"),
    ("audit_payloads", ("body",), "seq"),
    ("decisions", DECISION_COLUMNS, "id"),
    ("audit_checkpoints", CHECKPOINT_COLUMNS, "number"),
)


@pytest.fixture
async def record(database: Database) -> Database:
    """Ten entries in a chain, two checkpoints, and three entries past them."""
    await decide(database, 1, 2, 3)
    await Changes(database).make("agent:1", "agent:2")
    await seal(database)
    await decide(database, 4, 5)
    await SqlDecisionRepository(database).update("dec-4", {"id": "dec-4", "votes": ["late"]})
    await Changes(database).make("agent:1")
    await seal(database)
    await decide(database, 6, 7)
    await Changes(database).make("agent:2")
    return database


async def _first_bad(url: str, **kept: Any) -> tuple[int | None, str | None, str]:
    bad = (await verify(url, **kept)).first_bad
    assert bad is not None
    return bad.seq, bad.id, bad.reason


async def test_a_record_that_nobody_touched_is_in_order(record: Database, url: str) -> None:
    verdict = await verify(url)

    assert verdict.ok
    assert (verdict.rows, verdict.chains, verdict.checkpoints, verdict.signed, verdict.unsealed) == (13, 1, 2, 2, 3)


async def test_another_process_finds_the_same(record: Database, url: str) -> None:
    trusted = frozenset({SIGNER.public_key})

    assert await checked_elsewhere(url, trusted) == await checked(url, trusted)


@pytest.mark.parametrize("seq", [1, 5, 10, 12])
async def test_a_deleted_entry_is_named(record: Database, url: str, seq: int) -> None:
    await tamper(record, "DELETE FROM audit_entries WHERE seq = :seq", seq=seq)

    where, _, reason = await _first_bad(url)
    assert (where, reason) == (seq, "is missing")


async def test_entries_that_changed_places_are_named(record: Database, url: str) -> None:
    for old, new in ((5, -1), (7, 5), (-1, 7)):
        await tamper(record, "UPDATE audit_entries SET seq = :new WHERE seq = :old", old=old, new=new)

    assert (await _first_bad(url))[0] == 5


async def test_an_end_that_was_cut_off_is_seen_by_the_checkpoint(record: Database, url: str) -> None:
    await tamper(record, "DELETE FROM audit_entries WHERE seq > 9")
    await tamper(record, "DELETE FROM audit_payloads WHERE seq > 9")

    where, _, reason = await _first_bad(url)
    assert (where, reason) == (10, "is cut off: checkpoint 2 has 10")


async def test_a_whole_chain_that_is_gone_is_seen_by_the_checkpoint(record: Database, url: str) -> None:
    for table in ("audit_entries", "audit_payloads", "audit_chains"):
        await tamper(record, f"DELETE FROM {table}")

    assert (await _first_bad(url))[0] == 1


async def test_an_end_cut_off_with_its_checkpoints_is_seen_by_one_that_was_exported(record: Database, url: str) -> None:
    exported = await SqlAuditRepository(record).checkpoints(1, 1)
    await tamper(record, "DELETE FROM audit_entries WHERE seq > 6")
    await tamper(record, "DELETE FROM audit_payloads WHERE seq > 6")
    await tamper(record, "DELETE FROM audit_checkpoints WHERE number = 2")
    await tamper(record, "DELETE FROM decisions WHERE id > 'dec-3'")
    assert (await _first_bad(url))[2] == "is said to be sealed further than any checkpoint goes"
    await tamper(record, "UPDATE audit_chains SET sealed = 6")
    assert (await verify(url)).ok  # by itself no chain can show it

    assert (await _first_bad(url, kept=exported))[1:] == ("checkpoint:2", "was exported, and is not there any more")


async def test_a_chain_forged_from_some_place_on_is_not_what_the_checkpoint_has(record: Database, url: str) -> None:
    async with open_database(url) as forger:
        await tamper(record, "DELETE FROM audit_entries")
        await tamper(record, "DELETE FROM audit_payloads")
        await Changes(forger).make("agent:1", "agent:2", "agent:3", "agent:4", "agent:5", "agent:6", "agent:7")
        chain = await tamper(record, "UPDATE audit_chains SET sealed = 0")

    assert chain
    assert (await _first_bad(url))[0] == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("signature = 'ff' || substr(signature, 3)", "the signature is not of this checkpoint"),
        ("signature = NULL", "a part of the signature is missing"),
        (
            "signature = NULL, key_id = NULL, public_key = NULL",
            "the checkpoint is not signed, and the one before it is",
        ),
        ("hash = 'ff' || substr(hash, 3)", "the checkpoint was changed: its hash does not fit"),
        ("body = replace(body, '10}', '11}')", "the checkpoint was changed: its hash does not fit"),
        ("at = '2026-11-20T14:15:00.000001Z'", "the checkpoint does not follow the one before it"),
        ("number = 3", "comes where checkpoint 2 is missing"),
    ],
)
async def test_a_checkpoint_that_was_changed_is_named(record: Database, url: str, change: str, reason: str) -> None:
    await tamper(record, f"UPDATE audit_checkpoints SET {change} WHERE number = 2")

    _, where, said = await _first_bad(url)
    assert (where, said) == (f"checkpoint:{3 if 'number' in change else 2}", reason)


async def test_a_checkpoint_by_a_key_that_nobody_trusts_is_named(database: Database, url: str) -> None:
    await decide(database, 1)
    stranger = Signer.of(SecretStr("_-4g7cLqU8l7Fh0cZpB3y9nJxWm2kRtQ5sVaEoDi6H0="))
    await seal(database, stranger)

    assert "not among the keys that are trusted" in (await _first_bad(url))[2]
    assert (await checked(url, frozenset())).ok


async def test_a_payload_that_was_erased_is_missed_unless_an_entry_says_so(record: Database, url: str) -> None:
    await tamper(record, "UPDATE audit_payloads SET body = NULL WHERE seq = 2")
    assert await _first_bad(url) == (2, "decision:dec-1", "has lost its payload")

    erased = Entry(Kind.ERASURE, "decision:dec-1", "0a1b2c3d", {"erased": "payload"})
    await record.write(lambda session: _append(record, session, erased))

    assert (await verify(url)).ok


async def test_a_decision_of_which_nothing_is_on_record_is_named(record: Database, url: str) -> None:
    columns = ", ".join(("actionable", "agent_id", *DECISION_COLUMNS))
    copied = f"SELECT 'forged', '2098-01-01 00:00:00.000000', {columns} FROM decisions WHERE id = 'dec-1'"
    if not record.is_sqlite:
        copied = copied.replace("00.000000'", "00Z'::timestamptz")
    await tamper(record, f"INSERT INTO decisions (id, created_at, {columns}) {copied}")

    assert (await _first_bad(url))[1:] == ("decision:forged", "is stored, and not on record")
    # What nothing holds fast is not believed.
    await tamper(record, "UPDATE audit_chains SET begun_at = '2099-01-01 00:00:00.000000'")
    assert (await _first_bad(url))[1:] == ("decision:forged", "is stored, and not on record")


async def test_a_decision_put_back_to_what_it_was_before_is_named(record: Database, url: str) -> None:
    await tamper(record, 'UPDATE decisions SET answer = \'{"id": "dec-4", "n": 4}\' WHERE id = \'dec-4\'')

    assert await _first_bad(url) == (9, "decision:dec-4", "the row it is about was changed")


async def test_an_entry_whose_subject_was_changed_is_named_and_not_the_one_before_it(
    record: Database, url: str
) -> None:
    await tamper(record, "UPDATE audit_entries SET subject = 'decision:dec-1' WHERE seq = 9")

    assert await _first_bad(url) == (9, "decision:dec-1", "was changed: its own hash does not fit")


async def test_an_entry_that_was_given_another_decisions_name_excuses_no_row(record: Database, url: str) -> None:
    await tamper(record, "UPDATE decisions SET action = 'SELL' WHERE id = 'dec-2'")
    await tamper(record, "UPDATE audit_entries SET subject = 'decision:dec-2' WHERE seq = 11")

    assert (await _first_bad(url))[0] in (3, 11)


async def test_a_decision_that_is_gone_is_named(record: Database, url: str) -> None:
    await tamper(record, "DELETE FROM decisions WHERE id = 'dec-2'")

    assert await _first_bad(url) == (3, "decision:dec-2", "the row it is about is gone")


async def _append(database: Database, session: Any, entry: Entry) -> None:
    database.chain.append(session, entry)


@given(
    spot=st.sampled_from([(table, column, key) for table, columns, key in TABLES for column in columns]),
    row=st.integers(0, 99),
    place=st.integers(0, 9_999),
    bit=st.integers(0, 6),
)
@example(spot=("audit_entries", "subject", "seq"), row=8, place=0, bit=0)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_one_bit_of_any_column_of_any_row_is_named(
    record: Database, spot: tuple[str, str, str], row: int, place: int, bit: int
) -> None:
    table, column, key = spot
    wanted = f'SELECT {key}, CAST("{column}" AS TEXT) FROM {table} WHERE "{column}" IS NOT NULL'
    before = await _values(record, wanted)
    where, value = sorted(before)[row % len(before)]
    raw = bytearray(str(value).encode())
    if raw:
        raw[place % len(raw)] ^= 1 << bit
    if not raw or 0 in raw or (column == "seq" and not bytes(raw).isdigit()):
        return
    changed: object = raw.decode("utf-8", "replace")
    if column == "seq":
        changed = int(raw)
    if table == "decisions" and column in ("answer", "request") and not record.is_sqlite and not _is_json(changed):
        return  # PostgreSQL itself refuses it
    kind = "JSON" if column in ("answer", "request") and not record.is_sqlite else None
    put = (
        f'UPDATE {table} SET "{column}" = ' + (f"CAST(:value AS {kind})" if kind else ":value") + f" WHERE {key} = :key"
    )
    try:
        hit = await tamper(record, put, value=changed, key=where)
    except Exception:
        return  # no room for it there: it would stand where another does
    assert hit == 1
    try:
        bad = (await _checked(record)).first_bad
    finally:
        back = changed if column == key else where
        await tamper(record, put, value=int(value) if column == "seq" else value, key=back)

    assert bad is not None
    if table == "audit_entries" and column not in ("seq", "chain"):
        assert bad.seq == where
    if table == "audit_payloads":
        assert bad.seq == where
    if table == "decisions":
        assert bad.id == f"decision:{where}"
    if table == "audit_checkpoints":
        assert bad.id == f"checkpoint:{where}"
    if column == "seq":
        assert bad.seq in (where, changed)
    assert (await _checked(record)).ok


async def _checked(database: Database) -> Findings:
    """A check over the connections that are open: to open them anew is most of the time of one."""
    return await verified(SqlAuditRepository(database), frozenset({SIGNER.public_key}))


async def _values(database: Database, statement: str) -> list[tuple[Any, Any]]:
    async def work(session: Any) -> list[tuple[Any, Any]]:
        return [(row[0], row[1]) for row in await session.execute(text(statement))]

    return await database.read(work)


def _is_json(value: object) -> bool:
    try:
        orjson.loads(str(value))
    except ValueError:
        return False
    return True


def test_bytes_that_are_no_text_are_named_and_not_a_crash(migrated_file: Any, tmp_path: Any) -> None:
    path = tmp_path / "outcry.db"
    shutil.copy(migrated_file, path)
    url = f"sqlite:///{path}"

    async def fill() -> None:
        async with open_database(url) as database:
            await decide(database, 1, 2, 3)
            await seal(database)

    asyncio.run(fill())
    targets = [*(("audit_entries", column) for column in COLUMNS), ("audit_payloads", "body"), ("decisions", "answer"),
               ("decisions", "created_at"), ("audit_checkpoints", "body"), ("audit_checkpoints", "signature"),
               ("audit_checkpoints", "number")]  # fmt: skip
    for table, column in targets:
        for junk in ("CAST(x'ff00fe' AS TEXT)", "x'ff00'", "'abc'", "-7"):
            copy = tmp_path / f"{table}-{column}-{len(junk)}.db"
            with sqlite3.connect(path) as source, sqlite3.connect(copy) as target:
                source.backup(target)
                first = target.execute(f"SELECT max(rowid) FROM {table}").fetchone()[0]
                target.execute(f'UPDATE {table} SET "{column}" = {junk} WHERE rowid = ?', (first,))
                target.commit()
            verdict = asyncio.run(verify(f"sqlite:///{copy}"))
            assert not verdict.ok, (table, column, junk)


@pytest.fixture
async def spoken(database: Database) -> Database:
    """Two decisions with what was said in them, one of them with votes that came late."""
    repository, sealer = SqlDecisionRepository(database), Sealer()
    for number in (1, 2):
        made = decision(number)
        kept = [
            sealer.sealed(made.id, part, {"said": f"{part} {number}"}, START) for part in (Part.ANSWER, Part.DOSSIER)
        ]
        await repository.append(made, {"id": made.id}, {}, kept)
    await repository.update("dec-1", {"id": "dec-1"}, [sealer.sealed("dec-1", Part.LATE, {"said": "late"}, START)])
    return database


@pytest.mark.parametrize(
    ("statement", "seq", "reason"),
    [
        ("UPDATE payloads SET content = :x WHERE subject = 'dec-2' AND part = 'answer'", 3, "(answer) was changed"),
        ("UPDATE payloads SET sha256 = :y WHERE subject = 'dec-2' AND part = 'dossier'", 3, "(dossier) was changed"),
        ("UPDATE payloads SET content = :x WHERE subject = 'dec-1' AND part = 'late'", 4, "(late) was changed"),
        ("UPDATE payloads SET content = NULL WHERE subject = 'dec-1' AND part = 'dossier'", 2, "(dossier) is gone"),
        ("DELETE FROM payloads WHERE subject = 'dec-1' AND part = 'late'", 4, "(late) is gone"),
        (
            "UPDATE payloads SET content = NULL, form = 'hashed' WHERE subject = 'dec-2' AND part = 'dossier'",
            3,
            "(dossier) is not kept as it was",
        ),
        (
            "UPDATE payloads SET content = :x, form = 'encrypted' WHERE subject = 'dec-1' AND part = 'late'",
            4,
            "(late) is not kept as it was",
        ),
        (
            "UPDATE payloads SET content = NULL, form = 'erased' WHERE subject = 'dec-2' AND part = 'dossier'",
            3,
            "(dossier) is erased, and nobody has put that on record",
        ),
    ],
)
async def test_what_was_said_is_compared_with_the_hashes_on_record(
    spoken: Database, url: str, statement: str, seq: int, reason: str
) -> None:
    assert (await verify(url)).ok
    values = {name: value for name, value in (("x", b'{"said": "else"}'), ("y", "ab" * 32)) if f":{name}" in statement}

    assert await tamper(spoken, statement, **values) == 1

    where, _, said = await _first_bad(url)
    assert (where, said) == (seq, f"what was said in it {reason}")


async def test_words_that_nobody_put_on_record_are_named(spoken: Database, url: str) -> None:
    columns = "form, sha256, created_at, content"
    forged = f"INSERT INTO payloads (subject, part, {columns}) SELECT 'dec-2', 'late', {columns} FROM payloads"
    await tamper(spoken, f"{forged} WHERE subject = 'dec-1' AND part = 'late'")

    assert (await _first_bad(url))[1:] == ("decision:dec-2", "has late votes that are not on record")


async def test_words_that_were_erased_through_the_gateway_are_in_order(spoken: Database, url: str) -> None:
    payloads = SqlPayloadRepository(spoken)
    await payloads.erase("dec-1", by=Author("0a1b2c3d"), reason="asked for", at=START)
    await payloads.forget(START + timedelta(days=1), 100, START)

    assert (await verify(url)).ok
    await tamper(spoken, "UPDATE audit_payloads SET body = NULL WHERE seq = 2")
    assert await _first_bad(url) == (2, "decision:dec-1", "has lost its payload")


@pytest.fixture
async def graded(database: Database) -> Database:
    """Three decisions with votes; of the first two it is known what became of them, of the first in two versions."""
    repository, results = SqlDecisionRepository(database), SqlOutcomeRepository(database, lambda: NOON)
    for number in (1, 2, 3):
        made = filing(number)
        await repository.append(made, answered(made, vote("BUY"), vote("SELL"), vote(None, "timeout")), asked())
    for number, price in ((1, 101.0), (1, 102.0), (2, 99.0)):
        told = Outcome("fill", f"dec-{number}", OutcomeKind.REALIZED, NOON + timedelta(hours=1), exit_price=price)
        await results.record(told, measured, agent_id=None)
    await results.record(
        Outcome("mark", "dec-1", OutcomeKind.FORWARD_RETURN, NOON + timedelta(hours=2), forward_return=0.5),
        measured,
        agent_id=None,
    )
    answer = answered(filing(2), vote("BUY"), vote("SELL"), vote("HOLD", latency_ms=900.0))
    await repository.update("dec-2", answer)
    await seal(database)
    return database


async def test_what_became_of_decisions_is_in_order(graded: Database, url: str) -> None:
    assert (await verify(url)).ok


@pytest.mark.parametrize(
    ("statement", "seq", "reason"),
    [
        ("UPDATE outcomes SET exit_price = 103 WHERE version = 2", 6, "the outcome it is about was changed"),
        ("UPDATE outcomes SET kind = 'expired' WHERE decision_id = 'dec-2'", 7, "the outcome it is about was changed"),
        ("UPDATE outcomes SET threshold = 0.5 WHERE version = 1 AND id = 'fill'", 5, "the outcome it is about was"),
        ("DELETE FROM outcomes WHERE version = 2", 6, "the outcome it is about is gone"),
        (
            "UPDATE outcomes SET counts = (id = 'mark') WHERE decision_id = 'dec-1'",
            5,
            "another outcome is said to count",
        ),
        ("UPDATE grades SET correct = NOT correct WHERE decision_id = 'dec-2'", 7, "the grades that follow"),
        ("DELETE FROM grades WHERE outcome_id = 'mark'", 5, "the grades that follow from it were changed"),
        ("UPDATE votes SET action = 'SELL' WHERE decision_id = 'dec-2' AND number = 1", 7, "the votes that it grades"),
        ("UPDATE votes SET confidence = 0.9 WHERE decision_id = 'dec-1'", 5, "the votes that it grades were changed"),
        ("DELETE FROM votes WHERE decision_id = 'dec-1' AND number = 2", 5, "the votes that it grades were changed"),
        (
            "UPDATE horizons SET entry_price = 1 WHERE decision_id = 'dec-1'",
            5,
            "what its grades start from was changed",
        ),
    ],
)
async def test_what_became_of_a_decision_is_compared_with_what_is_on_record(
    graded: Database, url: str, statement: str, seq: int, reason: str
) -> None:
    assert await tamper(graded, statement) > 0

    bad = await _first_bad(url)

    assert (bad[0], reason in bad[2]) == (seq, True), bad


async def test_an_outcome_that_nobody_put_on_record_is_named(graded: Database, url: str) -> None:
    names = "kind, observed_at, recorded_at, counts"
    copied = f"SELECT 'dec-3', 'forged', 1, {names} FROM outcomes WHERE version = 2"
    await tamper(graded, f"INSERT INTO outcomes (decision_id, id, version, {names}) {copied}")

    assert await _first_bad(url) == (None, "decision:dec-3", "has an outcome that is not on record")


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("DELETE FROM audit_chains", "is missing in the list of chains: no checkpoint would cover it"),
        ("UPDATE audit_chains SET sealed = sealed + 1", "is said to be sealed further than any checkpoint goes"),
    ],
)
async def test_a_list_of_chains_that_would_keep_checkpoints_away_is_named(
    graded: Database, url: str, statement: str, reason: str
) -> None:
    await tamper(graded, statement)

    assert await _first_bad(url) == (None, None, reason)
