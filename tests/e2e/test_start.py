"""How the process begins and ends, from the very beginning: a wrong file stops it, a signal ends it in good order."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.scoreboard.process import family
from tests.behaviours import Answer, Stream
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, content, events, provider, within


@pytest.fixture(scope="session")
def gateway_nursery() -> None:
    """Here each start is one from the very beginning, by a Python of its own."""


def test_a_wrong_file_is_a_clear_exit(tmp_path: Path) -> None:
    (tmp_path / "outcry.yaml").write_text("providers: [")
    gateway = Service(tmp_path, env={"OUTCRY_CONFIG": str(tmp_path / "outcry.yaml")})

    assert gateway.ends_by_itself() not in {0, None}

    assert "outcry.yaml" in gateway.log
    assert "Traceback" not in gateway.log


def test_a_stream_may_finish_after_sigterm_and_the_exit_is_clean(start: StartService, upstream: StartUpstream) -> None:
    alpha = upstream(Stream(words=tuple(f"w{n} " for n in range(20)), gap=0.05))
    gateway = start(providers=[provider("alpha", alpha)])
    body = {"model": "alpha-1", "messages": HELLO, "stream": True}
    stopping = threading.Thread(target=gateway.terminate)

    with gateway.client.stream("POST", "/v1/chat/completions", json=body) as response:
        arriving = events(response)
        first = next(arriving)
        stopping.start()
        seen = [first, *arriving]
    stopping.join()

    assert content(seen).split() == [f"w{n}" for n in range(20)]
    assert seen[-1].data == "[DONE]"
    assert gateway.exit_code() == 0


def test_a_locked_database_does_not_keep_the_process(start: StartService) -> None:
    gateway = start()
    with closing(sqlite3.connect(gateway.database, isolation_level=None)) as another:
        another.execute("BEGIN EXCLUSIVE")
        assert gateway.client.post("/chat", json={"messages": HELLO}).status_code == 200

        gateway.terminate()

        assert gateway.exit_code() == 0
    spilled = list((gateway.database.parent / ".outcry").glob("usage-spill*"))
    assert sum(path.read_text().count("\n") for path in spilled) == 1


def test_a_day_on_one_connection_is_one_log_of_json_lines(start: StartService, upstream: StartUpstream) -> None:
    gateway = start(providers=[provider("alpha", upstream(Answer()))])
    gateway.client.post("/chat", json={"messages": HELLO})

    lines = [line for line in gateway.log.splitlines() if line.startswith("{")]

    assert lines
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_workers_whose_parent_was_killed_leave_the_port_to_the_next_start(start: StartService) -> None:
    gateway = start(env={"OUTCRY_WORKERS": "2"})
    workers = family(gateway.pid)
    assert gateway.client.post("/chat", json={"messages": HELLO}).status_code == 200

    gateway.kill()

    assert within(20, lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    gateway.start()
    assert gateway.client.get("/usage").json()["items"]  # and they had everything recorded
