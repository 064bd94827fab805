"""`make test-clients`: unmodified clients against the real gateway, with mock providers of three dialects behind it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.behaviours import Behaviour, Status
from tests.clients.model import respond
from tests.e2e.service import INHERITED, ROOT, Service
from tests.e2e.speaking import PATIENT, provider
from tests.upstream import Received, Upstream

ENVIRONMENTS = ROOT / ".venv-clients"
SCRIPTS = ROOT / "tests" / "clients"
KEY = "a-gateway-key-0123456789"
MODELS = "gpt-4o-mini claude-sonnet-4-5 gpt-5-pro"
OPENAI_MODELS = ("gpt-4o-mini", "gpt-5.1-codex", "text-embedding-3-small")
PATIENCE = 120.0
# Where the clients would otherwise send word of their own accord.
QUIET = {"LANGSMITH_TRACING": "false", "DO_NOT_TRACK": "1", "PYDANTIC_DISABLE_PLUGINS": "__all__"}


@dataclass(frozen=True, slots=True)
class Script:
    """One client's checks and the environment that they run in."""

    environment: str
    name: str

    @property
    def command(self) -> list[str]:
        """How to run it; `name` is a module's, or a JavaScript file's."""
        binaries = ENVIRONMENTS / self.environment / "bin"
        if self.name.endswith(".mjs"):
            return [str(binaries / "node"), str(SCRIPTS / "js" / self.name)]
        return [str(binaries / "python"), "-m", f"tests.clients.python.{self.name}"]


CLIENTS = (
    Script("openai2", "openai_checks"),
    Script("openai3", "openai_checks"),
    Script("anthropic", "anthropic_checks"),
    Script("langchain", "langchain_checks"),
    Script("instructor", "instructor_checks"),
    Script("pydantic-ai", "pydantic_ai_checks"),
    Script("node", "openai.mjs"),
    Script("node", "anthropic.mjs"),
    Script("node", "ai_sdk.mjs"),
)


@dataclass(frozen=True, slots=True)
class Report:
    """What one client's script said; `crash` is why it has no more to say."""

    script: Script
    lines: Sequence[Mapping[str, Any]]
    crash: str = ""


def main(wanted: Sequence[str]) -> int:
    """Run the clients whose script's name holds one of these words (all without any); 1 when a check failed."""
    chosen = [
        each for each in CLIENTS if not wanted or any(word in f"{each.environment} {each.name}" for word in wanted)
    ]
    with ExitStack() as stack:
        gateway = _gateway(stack)
        with ThreadPoolExecutor(2) as runners:
            reports = list(runners.map(lambda script: _run(script, gateway.base_url), chosen))
    _show(reports)
    passed = sum(line["ok"] for report in reports for line in report.lines)
    failed = sum(not line["ok"] for report in reports for line in report.lines)
    failed += sum(bool(report.crash) for report in reports)
    print(f"\n{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def _gateway(stack: ExitStack) -> Service:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outcry-clients-")))
    alpha = stack.enter_context(Upstream(respond, models=OPENAI_MODELS))
    claude = stack.enter_context(Upstream(respond, dialect="anthropic", models=("claude-sonnet-4-5",)))
    platform = stack.enter_context(Upstream(_over_responses, dialect="responses", models=("gpt-5-pro",)))
    # Longer than any deadline: the gateway says so at once instead of waiting for it.
    busy = stack.enter_context(Upstream(Status(429, headers={"retry-after": "300"}), models=("busy-1",)))
    providers = [
        provider("alpha", alpha, models=list(OPENAI_MODELS)),
        provider("claude", claude, provider_type="anthropic", models=["claude-sonnet-4-5"]),
        # A model of OpenAI's that is served over Responses only; type openai asks nobody else's host that way.
        provider("platform", platform, provider_type="azure", models=["gpt-5-pro"]),
        provider("busy", busy),
    ]
    env = {**PATIENT, "OUTCRY_API_KEYS": KEY}
    return stack.enter_context(Service(folder, providers=providers, env=env))


def _over_responses(request: Received) -> Behaviour:
    return respond(request) if request.path.endswith("/responses") else Status(404, message=f"no {request.path} here")


def _run(script: Script, url: str) -> Report:
    environ = {name: os.environ[name] for name in INHERITED if name in os.environ and name != "VIRTUAL_ENV"}
    environ |= {**QUIET, "OUTCRY_URL": url, "OUTCRY_KEY": KEY, "OUTCRY_MODELS": MODELS, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            script.command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Report(script, (), f"{error}")
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if os.environ.get("OUTCRY_CLIENTS_VERBOSE"):
        sys.stderr.write(done.stderr)
    return Report(script, lines, f"exit code {done.returncode}: {done.stderr[-1500:]}" if done.returncode else "")


def _show(reports: Sequence[Report]) -> None:
    out = Console(highlight=False, soft_wrap=True, width=150 if not sys.stdout.isatty() else None)
    table = Table("client", "version", "check", "model", "ms", "ok")
    for report in reports:
        for line in report.lines:
            verdict = "[green]ok[/]" if line["ok"] else "[red]FAILED[/]"
            table.add_row(line["client"], line["version"], line["check"], line["model"], str(line["ms"]), verdict)
    out.print(table)
    for report in reports:
        for line in report.lines:
            if not line["ok"]:
                where = f"{line['client']} {line['version']}, {line['check']}, {line['model']}"
                out.print(f"FAILED {where}: {line['detail'][:240]}", markup=False)
        if report.crash:
            out.print(f"FAILED {report.script.environment} {report.script.name}: {report.crash}", markup=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
