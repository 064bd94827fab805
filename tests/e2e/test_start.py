"""How the process begins and ends: a wrong file stops it with the line, a signal ends it in good order."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks.scoreboard.process import family
from tests.behaviours import Answer, Stream
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, content, events, provider, within

YAML = """\
providers:
  - name: alpha
    provider_type: openai
    api_key: sk-written-in-the-file-1234
    {wrong}
    model: gpt-4o-mini
"""


@pytest.fixture(scope="session")
def gateway_nursery() -> None:
    """Here each start is one from the very beginning, by a Python of its own."""


def refused(folder: Path, text: str, name: str = "outcry.yaml") -> Service:
    (folder / name).write_text(text)
    gateway = Service(folder, env={"OUTCRY_CONFIG": str(folder / name)})
    code = gateway.ends_by_itself()
    assert code not in {0, None}
    assert "Traceback" not in gateway.log
    assert "sk-written-in-the-file-1234" not in gateway.log
    return gateway


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("modle: gpt-4o", "modle"),
        ("priority: first", "priority"),
        ("timeout: -3", "timeout"),
        ("rate_limit: {requests_per_minuet: 3}", "requests_per_minuet"),
        ("base_url: not-a-url", "base_url"),
    ],
)
def test_a_wrong_key_stops_the_start_and_names_line_and_key(tmp_path: Path, wrong: str, named: str) -> None:
    gateway = refused(tmp_path, YAML.format(wrong=wrong))

    assert named in gateway.log
    assert "outcry.yaml" in gateway.log
    assert "5" in gateway.log


def test_an_unknown_provider_type_is_named_with_its_line(tmp_path: Path) -> None:
    gateway = refused(
        tmp_path, YAML.format(wrong="priority: 1").replace("provider_type: openai", "provider_type: opnai")
    )

    assert "opnai" in gateway.log
    assert "3" in gateway.log


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    assert "outcry.yaml" in refused(tmp_path, "providers: [").log


def test_an_unknown_setting_stops_the_start_and_names_the_nearest(tmp_path: Path) -> None:
    gateway = Service(tmp_path, env={"OUTCRY_BRAEKER__FAILURES": "3"})

    assert gateway.ends_by_itself() != 0

    assert "OUTCRY_BRAEKER__FAILURES" in gateway.log
    assert "OUTCRY_BREAKER__FAILURES" in gateway.log


def test_the_seeds_yaml_shape_works_as_it_is(start: StartService, upstream: StartUpstream) -> None:
    alpha = upstream(models=("gpt-4o-mini",))
    config = {
        "models": {
            "openai": {
                "enabled": True,
                "priority": 1,
                "api": {"base_url": f"{alpha.url}/v1/", "model": "gpt-4o-mini", "timeout": 30},
                "parameters": {"temperature": 0.7, "max_tokens": 500},
                "cost": {"input_per_1m_tokens": 0.15, "output_per_1m_tokens": 0.6},
                "rate_limit": {"calls_per_minute": 60},
            }
        }
    }
    client = start(config=config, env={"OPENAI_API_KEY": "sk-of-the-environment"}).client

    response = client.post("/chat", json={"messages": HELLO})

    assert response.json()["content"] == "hello from upstream"
    assert alpha.requests[0].key == "sk-of-the-environment"
    assert alpha.requests[0].path == "/v1/chat/completions"
    assert (alpha.requests[0].body or {})["temperature"] == 0.7


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/", "/proxy/v1"])
def test_a_base_url_may_come_with_or_without_its_version(
    start: StartService, upstream: StartUpstream, suffix: str
) -> None:
    alpha = upstream()
    client = start(providers=[provider("alpha", alpha, base_url=alpha.url + suffix)]).client

    client.post("/chat", json={"messages": HELLO})

    assert alpha.requests[0].path == ("/proxy" if "proxy" in suffix else "") + "/v1/chat/completions"


def test_a_key_may_come_from_the_environment(start: StartService, upstream: StartUpstream) -> None:
    alpha = upstream()
    client = start(
        providers=[provider("alpha", alpha, api_key="env:DESK_KEY")], env={"DESK_KEY": "sk-of-the-desk"}
    ).client

    client.post("/chat", json={"messages": HELLO})

    assert alpha.requests[0].key == "sk-of-the-desk"


def test_every_provider_whose_key_is_in_the_environment_is_on(start: StartService) -> None:
    client = start(env={"OPENAI_API_KEY": "sk-o", "GROQ_API_KEY": "gsk-g"}).client

    listed: Any = client.get("/v1/models").json()["data"]

    owners = {model["id"].partition("/")[0] for model in listed if "/" in model["id"]}
    assert {"openai", "groq"} <= owners
    assert "sandbox" not in owners


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


def test_a_database_that_is_no_database_is_a_clear_exit(tmp_path: Path) -> None:
    (tmp_path / "outcry.db").write_bytes(b"this is no database, only a file with that name" * 100)
    gateway = Service(tmp_path)

    assert gateway.ends_by_itself() != 0

    assert "outcry.db" in gateway.log
    assert "Traceback" not in gateway.log


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
