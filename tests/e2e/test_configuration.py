"""What a start reads: a wrong file, setting or database stops it and is named; the right one is what it works by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.nursery import Nursery
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, provider

YAML = """\
providers:
  - name: alpha
    provider_type: openai
    api_key: sk-written-in-the-file-1234
    {wrong}
    model: gpt-4o-mini
"""


@pytest.fixture
def refused(tmp_path: Path, gateway_nursery: Nursery | None) -> Callable[..., Service]:
    """Starts a gateway that must refuse to: with this provider file, or in this environment."""

    def start(text: str | None = None, **env: str) -> Service:
        if text is not None:
            env["OUTCRY_CONFIG"] = str(tmp_path / "outcry.yaml")
            Path(env["OUTCRY_CONFIG"]).write_text(text)
        gateway = Service(tmp_path, env=env, nursery=gateway_nursery)
        assert gateway.ends_by_itself() not in {0, None}
        assert "Traceback" not in gateway.log
        assert "sk-written-in-the-file-1234" not in gateway.log
        return gateway

    return start


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
def test_a_wrong_key_stops_the_start_and_names_line_and_key(
    refused: Callable[..., Service], wrong: str, named: str
) -> None:
    gateway = refused(YAML.format(wrong=wrong))

    assert named in gateway.log
    assert "outcry.yaml" in gateway.log
    assert "5" in gateway.log


def test_an_unknown_provider_type_is_named_with_its_line(refused: Callable[..., Service]) -> None:
    gateway = refused(YAML.format(wrong="priority: 1").replace("provider_type: openai", "provider_type: opnai"))

    assert "opnai" in gateway.log
    assert "3" in gateway.log


def test_a_file_that_is_no_yaml_is_named(refused: Callable[..., Service]) -> None:
    assert "outcry.yaml" in refused("providers: [").log


def test_an_unknown_setting_stops_the_start_and_names_the_nearest(refused: Callable[..., Service]) -> None:
    gateway = refused(OUTCRY_BRAEKER__FAILURES="3")

    assert "OUTCRY_BRAEKER__FAILURES" in gateway.log
    assert "OUTCRY_BREAKER__FAILURES" in gateway.log


def test_a_database_that_is_no_database_is_a_clear_exit(tmp_path: Path, refused: Callable[..., Service]) -> None:
    (tmp_path / "outcry.db").write_bytes(b"this is no database, only a file with that name" * 100)

    assert "outcry.db" in refused().log


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
