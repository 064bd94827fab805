"""`outcry audit`: whether the record is in order, its checkpoints as a file, one decision to check elsewhere."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, TypeVar

import orjson
import typer
from rich.console import Console

from app.domain.audit import Checkpoint, Findings
from app.domain.errors import StorageUnavailable
from app.ledger.bundle import bundle, shown
from app.ledger.checkpoints import Signer
from app.ledger.sealing import Sealer
from app.ledger.words import Words
from app.settings import ConfigurationError, Settings, load_settings, read_environment
from app.storage.audit import SqlAuditRepository
from app.storage.checking import checked
from app.storage.database import Database, open_database
from app.storage.errors import DatabaseUnusable
from app.storage.payloads import SqlPayloadRepository
from app.storage.vault import Vault

EX_BAD: Final = 1
EX_DATAERR: Final = 65
EX_UNAVAILABLE: Final = 69
EX_CANTCREAT: Final = 73
EX_CONFIG: Final = 78
_PAGE: Final = 500
T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="The record of everything.")
out = Console(highlight=False, markup=False, soft_wrap=True)


@app.command("verify")
def verify_record(
    checkpoints: Annotated[
        Path | None, typer.Option(help="Checkpoints that were exported before: only they show an end that was cut off.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Say it as JSON.")] = False,  # noqa: FBT002 - typer's way
) -> None:
    """Check every entry, payload, decision and checkpoint; exit code 1 when something is wrong."""
    settings = _settings()
    trusted = frozenset(Signer.of(key).public_key for key in settings.signing_key)
    kept = [] if checkpoints is None else _exported(checkpoints)
    verdict = _told(checked(settings.database_url, trusted, kept))
    if as_json:
        sys.stdout.write(orjson.dumps({"ok": verdict.ok, **_fields(verdict)}).decode() + "\n")
    elif verdict.first_bad is None:
        out.print(
            f"in order: {verdict.rows} entries in {verdict.chains} chains, {verdict.checkpoints} checkpoints, "
            f"{verdict.signed} of them signed; {verdict.unsealed} entries are past the last one"
        )
    else:
        bad = verdict.first_bad
        where = ", ".join(
            f"{name} {value}" for name, value in (("chain", bad.chain), ("seq", bad.seq), ("id", bad.id)) if value
        )
        sys.stderr.write(f"outcry: not in order: {where}: {bad.reason}\n")
    raise typer.Exit(0 if verdict.ok else EX_BAD)


@app.command("export")
def export_checkpoints(path: Annotated[Path, typer.Argument(help="The file to write.")]) -> None:
    """Write every checkpoint as JSONL, to be kept where nobody who can write to the database can reach it."""
    count = _with(lambda database: _export(SqlAuditRepository(database), path))
    out.print(f"{path}: {count} checkpoints")


@app.command("bundle")
def bundle_decision(
    decision_id: str,
    path: Annotated[Path | None, typer.Argument(help="The file to write; DECISION_ID.bundle.json without.")] = None,
    words: Annotated[bool, typer.Option("--words", help="Also what was said, where a key opens it.")] = False,  # noqa: FBT002 - typer's way
) -> None:
    """Write a decision with all that is needed to check it elsewhere; examples/verify_bundle.py does."""
    target = path or Path(f"{Path(decision_id).name}.bundle.json")
    sealer = _opener() if words else None
    found = _with(lambda database: _bundled(database, decision_id, sealer))
    if found is None:
        _die(f"no decision {decision_id!r} is on record", EX_DATAERR)
    _write(target, [json.dumps(found, indent=1).encode() + b"\n"])
    if not found["is_sealed"]:
        sys.stderr.write("outcry: no signed checkpoint covers all of it yet\n")
    for word in found.get("words", ()):
        if word["missing"] is not None:
            under = f" (encryption key {word['key_id']})" if word["key_id"] else ""
            sys.stderr.write(f"outcry: no words of its {word['part']}: {word['missing']}{under}\n")
    out.print(f"{target}: {sum(len(segment['links']) for segment in found['segments'])} entries")


def _opener() -> Sealer:
    try:
        return Sealer(vault=Vault(_settings().encryption_keys))
    except ValueError as error:
        _die(f"ENCRYPTION_KEYS: {error}", EX_CONFIG)


async def _bundled(database: Database, decision_id: str, sealer: Sealer | None) -> dict[str, Any] | None:
    words = None if sealer is None else Words(SqlPayloadRepository(database), sealer)
    return await bundle(SqlAuditRepository(database), decision_id, words)


async def _export(record: SqlAuditRepository, path: Path) -> int:
    lines = [orjson.dumps(shown(checkpoint)) + b"\n" async for checkpoint in _checkpoints(record)]
    _write(path, lines)
    return len(lines)


async def _checkpoints(record: SqlAuditRepository) -> AsyncIterator[Checkpoint]:
    past = 0
    while page := await record.checkpoints(past, _PAGE):
        for checkpoint in page:
            yield checkpoint
        past = page[-1].number


def _exported(path: Path) -> list[Checkpoint]:
    try:
        return [Checkpoint(**orjson.loads(line)) for line in path.read_bytes().splitlines()]
    except OSError as error:
        _die(f"{path} cannot be read: {error.strerror}", EX_DATAERR)
    except (ValueError, TypeError):
        _die(f"{path} is no export of checkpoints", EX_DATAERR)


def _write(path: Path, lines: Sequence[bytes]) -> None:
    draft = path.with_name(f".{path.name}.new")
    try:
        with draft.open("wb") as file:
            file.writelines(lines)
        # All of it or nothing: a reader never sees half a file.
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        _die(f"{path} cannot be written: {error.strerror}", EX_CANTCREAT)


def _fields(verdict: Findings) -> dict[str, Any]:
    return {
        "rows": verdict.rows,
        "first_bad": verdict.first_bad,
        "chains": verdict.chains,
        "checkpoints": verdict.checkpoints,
        "signed": verdict.signed,
        "unsealed": verdict.unsealed,
    }


def _with(work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    async def opened(url: str) -> T:
        async with open_database(url) as database:
            return await work(database)

    return _told(opened(_settings().database_url))


def _told(work: Coroutine[Any, Any, T]) -> T:
    """What the work finds; ends the program in a person's words when it cannot."""
    try:
        return asyncio.run(work)
    except (DatabaseUnusable, StorageUnavailable) as error:
        _die(str(error), EX_UNAVAILABLE)


def _settings() -> Settings:
    try:
        return load_settings(read_environment())
    except ConfigurationError as error:
        _die(str(error), EX_CONFIG)


def _die(message: str, status: int) -> NoReturn:
    sys.stderr.write(f"outcry: {message}\n")
    raise typer.Exit(status)
