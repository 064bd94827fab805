"""The container files keep their promises: no root, no default secret, alive only when the gateway answers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
DEMANDED = re.compile(r"\$\{(\w+):\?[^}]+\}")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text()
    joined = re.sub(r"\\\n\s*", "", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    return [(name.upper(), rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    return found[max(index for index, (name, _) in enumerate(found) if name == "FROM") :]


def of(name: str) -> list[str]:
    return [rest for instruction, rest in last_stage() if instruction == name]


@pytest.fixture
def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return read


def test_the_image_is_built_in_two_stages_from_named_versions() -> None:
    bases = [rest.split()[0] for name, rest in instructions() if name == "FROM"]

    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.\d+-slim", base) for base in bases)


def test_dependencies_are_installed_by_hash_and_nothing_else_is() -> None:
    installs = [rest for name, rest in instructions() if name == "RUN" and re.search(r"pip install|apt", rest)]

    assert len(installs) == 1
    assert "--require-hashes -r requirements.lock" in installs[0]


def test_the_process_is_not_root_from_before_it_starts() -> None:
    names = [name for name, _ in last_stage()]
    user = of("USER")

    assert len(user) == 1
    assert user[0] not in {"root", "0"}
    assert names.index("USER") < names.index("CMD")


def test_the_image_knows_by_itself_whether_it_is_alive() -> None:
    check = of("HEALTHCHECK")[0]

    assert "/health/live" in check
    assert "--timeout=" in check
    command = json.loads(check.partition("CMD ")[2])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "healthcheck", "exec")


def test_the_command_is_an_argument_list_so_that_signals_arrive() -> None:
    assert json.loads(of("CMD")[0]) == ["python", "-m", "app.cli", "serve"]
    assert of("ENTRYPOINT") == []


def test_no_secret_is_written_into_the_image() -> None:
    stated = " ".join(rest for name, rest in instructions() if name in {"ENV", "ARG"})

    assert not re.search(r"KEY|PASSWORD|SECRET|TOKEN", stated)


def test_only_what_is_copied_reaches_the_builder() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    copied = {
        source
        for name, rest in instructions()
        if name == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }

    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied


def test_compose_demands_its_secrets_and_has_none_of_its_own(compose: dict[str, Any]) -> None:
    gateway, postgres = compose["services"]["gateway"], compose["services"]["postgres"]

    assert DEMANDED.fullmatch(gateway["environment"]["OUTCRY_API_KEYS"])
    assert DEMANDED.fullmatch(gateway["environment"]["ENCRYPTION_KEYS"])
    assert DEMANDED.fullmatch(postgres["environment"]["POSTGRES_PASSWORD"])
    assert set(DEMANDED.findall(gateway["environment"]["DATABASE_URL"])) == {"POSTGRES_PASSWORD"}
    assert "trust" not in json.dumps(compose)


def test_every_service_has_a_healthcheck_and_the_gateway_waits_for_its_database(compose: dict[str, Any]) -> None:
    services = compose["services"]

    assert all(service["healthcheck"]["test"] for service in services.values())
    assert "/health/live" in services["gateway"]["healthcheck"]["test"][-1]
    assert services["gateway"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_what_must_survive_lies_on_volumes(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        mounted = {volume.partition(":")[0] for volume in service["volumes"]}
        assert mounted <= set(compose["volumes"])
    assert of("VOLUME") == [compose["services"]["gateway"]["volumes"][0].partition(":")[2]]


def test_the_gateway_has_time_to_let_streams_finish_and_no_privileges(compose: dict[str, Any]) -> None:
    gateway = compose["services"]["gateway"]

    assert int(gateway["stop_grace_period"].removesuffix("s")) > 30
    assert gateway["cap_drop"] == ["ALL"]
    assert gateway["read_only"] is True
    assert "privileged" not in gateway


def test_the_databases_port_stays_inside(compose: dict[str, Any]) -> None:
    assert "ports" not in compose["services"]["postgres"]
