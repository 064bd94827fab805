"""`outcry providers test` shows what a provider can do, and its exit code says whether that is enough."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app import cli
from tests.behaviours import Answer, Behaviour
from tests.conformance.providers import obliging
from tests.e2e.speaking import provider
from tests.upstream import Script, Upstream

Try = Callable[..., Result]


@pytest.fixture
def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Try]:
    """`tried("alpha", script=...)` runs the command against an upstream that is configured as alpha."""
    with ExitStack() as stack:

        def run(*arguments: str, script: Behaviour | Script = obliging, **row: Any) -> Result:
            upstream = stack.enter_context(Upstream(script))
            config = tmp_path / "providers.json"
            config.write_text(json.dumps({"providers": [provider("alpha", upstream, **row)]}))
            monkeypatch.chdir(tmp_path)
            monkeypatch.setenv("OUTCRY_CONFIG", str(config))
            return CliRunner().invoke(cli.app, ["providers", *arguments])

        yield run


def test_a_good_provider_ends_with_exit_code_0_and_a_report_as_json(tried: Try, tmp_path: Path) -> None:
    result = tried("test", "alpha", "--json", "report.json")

    assert result.exit_code == 0, result.output
    assert "14 passed, 0 failed, 0 skipped" in result.output
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["provider"], report["model"], report["status"]) == ("alpha", "alpha-1", "passed")
    assert "sk-alpha" not in result.output + json.dumps(report)


def test_a_failed_check_is_exit_code_1(tried: Try) -> None:
    result = tried("test", "alpha", "--check", "chat", "--check", "stream", script=Answer("[red]five[/red]"))

    assert result.exit_code == 1
    assert "0 passed, 2 failed, 0 skipped" in result.output
    assert "[red]five[/red]" in result.output, "what a model says is no markup"


@pytest.mark.parametrize("arguments", [("nobody",), ("alpha", "--check", "chatt")])
def test_a_wrong_question_is_a_usage_error_without_a_table(tried: Try, arguments: tuple[str, ...]) -> None:
    result = tried("test", *arguments)

    assert result.exit_code == 64
    assert "outcry: " in result.stderr
    assert result.stdout == ""


def test_a_base_url_that_is_none_is_said_without_a_traceback(tried: Try, tmp_path: Path) -> None:
    result = tried("test", "alpha", base_url="ftp://127.0.0.1")

    assert result.exit_code == 78
    assert "base_url" in result.stderr


def test_a_report_that_cannot_be_written_is_said_before_anything_is_asked(tried: Try) -> None:
    result = tried("test", "alpha", "--json", "nowhere/report.json")

    assert result.exit_code == 78
    assert "outcry: nowhere/report.json cannot be written: No such file or directory" in result.stderr
    assert result.stdout == ""


def test_wrong_overrides_of_the_catalog_are_said_without_a_traceback(
    tried: Try, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.json").write_text("[1")
    monkeypatch.setenv("OUTCRY_CATALOG", "mine.json")

    result = tried("test", "alpha")

    assert result.exit_code == 78
    assert "outcry: mine.json:1: expected JSON" in result.stderr


def test_the_sandbox_is_tested_like_any_provider(tried: Try) -> None:
    result = tried("test", "alpha", provider_type="sandbox", models=["trend"])

    assert "alpha with trend" in result.output
    assert result.exit_code == 1, "it trades by rules and cannot count"


def test_without_a_command_the_providers_are_listed(tried: Try) -> None:
    result = tried()

    assert result.exit_code == 0
    assert "openai_compatible" in result.output
