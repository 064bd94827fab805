"""Runs go out of the database as a file and come back unchanged, or are refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.domain.replay import Take, TakeKind, TakeOutcome
from app.storage.database import open_database
from app.storage.migrations import migrate
from app.storage.replay import SqlTakeRepository
from tests.ledger.test_cassette import NOON, take


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path}/outcry.db"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("COLUMNS", "200")
    migrate(url)
    return url


def store(url: str, *takes: Take, lost: int = 0) -> None:
    async def stored() -> None:
        async with open_database(url) as database:
            await SqlTakeRepository(database).append(takes, {("local", "r"): lost} if lost else {})

    asyncio.run(stored())


def outcry(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["replay", *arguments])


def sha256_of(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output.split("sha256 ")[1].strip()


def panel() -> Take:
    body = '{"beside":[],"grades":{},"order":["1","0",null],"scope":"ab"}'
    return Take("f" * 32, "local", "r", TakeKind.PANEL, "k" * 64, "", TakeOutcome.OK, NOON, body)


def test_a_run_goes_out_and_comes_back_the_same(database: str, tmp_path: Path) -> None:
    store(database, *(take(number) for number in range(120)), panel())
    sealed = sha256_of(outcry("export", "r"))
    (tmp_path / "outcry.db").rename(tmp_path / "old.db")
    migrate(database)

    assert outcry("import", "r.jsonl").output == "run r: 121 questions\n"

    assert sha256_of(outcry("verify", "r")) == sha256_of(outcry("verify", "r.jsonl")) == sealed
    assert "121" not in outcry("list").output.split("local")[0]


def test_a_changed_cassette_is_refused_and_nothing_of_it_is_there(database: str, tmp_path: Path) -> None:
    store(database, take(1), take(2))
    outcry("export", "r")
    file = tmp_path / "r.jsonl"
    file.write_bytes(file.read_bytes().replace(b"hello", b"hullo", 1))

    for refused in (outcry("import", "r.jsonl", "--as", "other"), outcry("verify", "r.jsonl")):
        assert refused.exit_code == 65
    assert "other" not in outcry("list").output


def test_a_packed_cassette_is_the_same_run(database: str, tmp_path: Path) -> None:
    store(database, *(take(number) for number in range(120)))
    plain, packed = sha256_of(outcry("export", "r")), sha256_of(outcry("export", "r", "r.jsonl.gz"))
    once = (tmp_path / "r.jsonl.gz").read_bytes()
    outcry("export", "r", "r.jsonl.gz")

    assert outcry("import", "r.jsonl.gz", "--as", "other").output == "run other: 120 questions\n"

    assert plain == packed == sha256_of(outcry("verify", "r.jsonl.gz"))
    assert (tmp_path / "r.jsonl.gz").read_bytes() == once
    assert len(once) < (tmp_path / "r.jsonl").stat().st_size / 4


@pytest.mark.parametrize("broken", ["cut", "flipped", "tail"])
def test_a_packed_cassette_that_is_broken_is_refused(broken: str, database: str, tmp_path: Path) -> None:
    store(database, *(take(number) for number in range(20)))
    outcry("export", "r", "r.jsonl.gz")
    file = tmp_path / "r.jsonl.gz"
    whole = file.read_bytes()
    middle = len(whole) // 2
    changes = {
        "cut": whole[:middle],
        "flipped": whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :],
        "tail": whole + b"more",
    }
    file.write_bytes(changes[broken])

    for refused in (outcry("import", "r.jsonl.gz", "--as", "other"), outcry("verify", "r.jsonl.gz")):
        assert refused.exit_code == 65, refused.output
    assert "other" not in outcry("list").output


def test_a_run_is_never_mixed_with_another(database: str) -> None:
    store(database, take(1))
    outcry("export", "r")

    refused = outcry("import", "r.jsonl")

    assert (refused.exit_code, "--as" in refused.output) == (65, True)
    assert outcry("import", "r.jsonl", "--as", "twin").exit_code == 0
    assert outcry("verify", "twin").exit_code == 0


def test_a_question_that_was_edited_in_the_database_is_found(database: str) -> None:
    wrong = take(2)
    store(database, take(1), replace(wrong, body=wrong.body.replace("hello", "hullo")))

    refused = outcry("verify", "r")

    assert (refused.exit_code, wrong.id in refused.output) == (65, True)


def test_what_was_not_recorded_is_said(database: str) -> None:
    store(database, take(1), lost=3)

    assert "3 questions of this run were not recorded" in outcry("verify", "r").output


def test_what_is_not_there_is_an_error_in_words(database: str) -> None:
    for arguments in (
        ["verify", "none"],
        ["export", "none"],
        ["import", "none.jsonl"],
        ["export", "r", "--caller", "x"],
    ):
        result = outcry(*arguments)
        assert result.exit_code in (65, 69), arguments
        assert result.output.startswith("outcry: "), arguments


def test_of_two_callers_with_one_name_one_is_chosen(database: str) -> None:
    store(database, *(replace(take(n), owner=owner) for n, owner in enumerate(("a", "b"))))

    assert outcry("export", "r").exit_code == 65
    assert outcry("export", "r", "--caller", "b").exit_code == 0
