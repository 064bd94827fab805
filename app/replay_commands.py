"""`outcry replay`: runs as files, out of the database and back, and whether they still are what was recorded."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Column, Table

from app.domain.errors import StorageUnavailable
from app.domain.replay import RUN_NAME, Run, Take
from app.ledger.cassette import BadCassette, Seal, broken_in, check, head_of, line_of, takes_in
from app.ledger.packed import PACKED, opened, written
from app.settings import ConfigurationError, load_settings, read_environment
from app.storage.database import open_database
from app.storage.errors import DatabaseUnusable
from app.storage.replay import SqlTakeRepository

EX_DATAERR: Final = 65
EX_UNAVAILABLE: Final = 69
EX_CANTCREAT: Final = 73
EX_CONFIG: Final = 78
_PAGE: Final = 50
T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="Recorded runs.")
out = Console(highlight=False, markup=False, soft_wrap=True)
Caller = Annotated[str | None, typer.Option(help="Whose run: a key's public id, `local` without keys.")]


class _Wrong(Exception):
    """What a person has to hear."""


@app.command("list")
def list_runs() -> None:
    """Show the runs that are kept."""
    table = Table(*(Column(name, overflow="fold") for name in ("run", "caller", "last recorded", "bytes", "lost")))
    for run in _with(lambda runs: runs.runs()):
        table.add_row(run.name, run.owner, run.written_at.isoformat(timespec="seconds"), str(run.size), str(run.lost))
    out.print(table)


@app.command("export")
def export_run(
    run: str,
    path: Annotated[Path | None, typer.Argument(help="The file to write; RUN.jsonl without.")] = None,
    caller: Caller = None,
) -> None:
    """Write a run as one JSONL cassette."""
    target = path or Path(f"{run}.jsonl")
    count, sha256 = _with(lambda runs: _export(runs, run, caller, target))
    out.print(f"{target}: {count} questions, sha256 {sha256}")


@app.command("import")
def import_run(
    path: Path,
    name: Annotated[str | None, typer.Option("--as", help="The run's name here; the cassette's own without.")] = None,
    caller: Caller = None,
) -> None:
    """Read a cassette into a run of its own; refuses one that was changed, and a run that is there already."""
    count, run = _with(lambda runs: _import(runs, path, name, caller or "local"))
    out.print(f"run {run}: {count} questions")


@app.command("verify")
def verify_run(
    run: Annotated[str, typer.Argument(help="A run, or a cassette's file.")],
    caller: Caller = None,
) -> None:
    """Check that every question of a run is filed under what was asked; says the manifest's hash."""
    path = Path(run)
    if path.is_file():
        count, sha256 = _told(lambda: _check_file(path))
    else:
        count, sha256 = _with(lambda runs: _verify(runs, run, caller))
    out.print(f"{run}: {count} questions as they were recorded, sha256 {sha256}")


async def _export(runs: SqlTakeRepository, name: str, caller: str | None, path: Path) -> tuple[int, str]:
    run = await _chosen(runs, name, caller)
    count, seal = await _count(runs, run), Seal()
    draft = path.with_name(f".{path.name}.new")
    try:
        with written(draft, is_packed=path.suffix == PACKED) as file:
            file.write(seal.add(head_of(run.name, count)))
            async for take in _takes(runs, run):
                file.write(seal.add(line_of(take)))
            file.write(seal.line())
        # All of it or nothing: a reader never sees half a file.
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        _die(f"{path} cannot be written: {error.strerror}", EX_CANTCREAT)
    _warn_of_lost(run)
    return count, seal.sha256


async def _import(runs: SqlTakeRepository, path: Path, name: str | None, owner: str) -> tuple[int, str]:
    with opened(path) as file:
        stated, count, _ = check(file)
        run = name or stated
        if not RUN_NAME.fullmatch(run):
            raise _Wrong("a run's name is 1 to 128 letters, digits, `.`, `_` or `-`")
        if any(one.owner == owner for one in await runs.runs(run)):
            raise _Wrong(f"there is a run {run} of {owner} already: choose another name with --as")
        batch: list[Take] = []
        for take in takes_in(file, owner, run):
            batch.append(take)
            if len(batch) == _PAGE:
                await runs.append(batch, {})
                batch = []
        await runs.append(batch, {} if count else {(owner, run): 0})
    return count, run


async def _verify(runs: SqlTakeRepository, name: str, caller: str | None) -> tuple[int, str]:
    run = await _chosen(runs, name, caller)
    count, seal = await _count(runs, run), Seal()
    seal.add(head_of(run.name, count))
    async for take in _takes(runs, run):
        wrong = broken_in(take)
        if wrong is not None:
            raise BadCassette(f"the question {take.id} {wrong}")
        seal.add(line_of(take))
    _warn_of_lost(run)
    return count, seal.sha256


def _check_file(path: Path) -> tuple[int, str]:
    with opened(path) as file:
        _, count, sha256 = check(file)
    return count, sha256


async def _chosen(runs: SqlTakeRepository, name: str, caller: str | None) -> Run:
    found = [run for run in await runs.runs(name) if caller in (None, run.owner)]
    if not found:
        raise _Wrong(f"there is no run {name!r}" + (f" of {caller}" if caller else ""))
    if len(found) > 1:
        raise _Wrong(f"several callers have a run {name}: --caller {' or '.join(run.owner for run in found)}")
    return found[0]


async def _takes(runs: SqlTakeRepository, run: Run) -> AsyncIterator[Take]:
    last: Take | None = None
    while page := await runs.page(run.owner, run.name, after=last, limit=_PAGE):
        for take in page:
            yield take
        last = page[-1]


async def _count(runs: SqlTakeRepository, run: Run) -> int:
    return await runs.count(run.owner, run.name)


def _warn_of_lost(run: Run) -> None:
    if run.lost:
        sys.stderr.write(f"outcry: {run.lost} questions of this run were not recorded: too large, or too many\n")


def _with(work: Callable[[SqlTakeRepository], Coroutine[Any, Any, T]]) -> T:
    async def opened(url: str) -> T:
        async with open_database(url) as database:
            return await work(SqlTakeRepository(database))

    def run() -> T:
        return asyncio.run(opened(load_settings(read_environment()).database_url))

    return _told(run)


def _told(work: Callable[[], T]) -> T:
    """What the work finds; ends the program in a person's words when it cannot."""
    try:
        return work()
    except ConfigurationError as error:
        _die(str(error), EX_CONFIG)
    except (BadCassette, _Wrong) as error:
        _die(str(error), EX_DATAERR)
    except (DatabaseUnusable, StorageUnavailable, OSError) as error:
        _die(str(error), EX_UNAVAILABLE)


def _die(message: str, status: int) -> NoReturn:
    sys.stderr.write(f"outcry: {message}\n")
    raise typer.Exit(status)
