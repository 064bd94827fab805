from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from app.configuration.discovery import STANDARDS
from app.domain.caller import Scope
from app.settings import ConfigurationError, Settings, load_settings, read_environment, variables

KEY = "k-0123456789abcdef"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = load_settings({})

    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8080, 1)
    assert settings.database_url == "sqlite+aiosqlite:///./outcry.db"
    assert (settings.default_deadline, settings.max_deadline) == (60, 120)
    assert (settings.api_keys, settings.encryption_keys, settings.config) == ((), (), None)
    assert settings.timeouts.model_dump() == {
        "connect": 2,
        "first_token": 15,
        "idle": 20,
        "total": 30,
        "reasoning_first_token": 60,
        "reasoning_total": 60,
    }


def test_nested_settings_take_two_underscores() -> None:
    settings = load_settings({"OUTCRY_BREAKER__FAILURES": "7", "OUTCRY_RETRY__MAX_RETRIES": "0"})

    assert (settings.breaker.failures, settings.breaker.ratio, settings.retry.max_retries) == (7, 0.5, 0)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        load_settings({}).port = 1  # type: ignore[misc]


def test_an_empty_variable_is_an_unset_one() -> None:
    assert load_settings({"OUTCRY_PORT": "", "OUTCRY_API_KEYS": " ", "DATABASE_URL": ""}) == load_settings({})


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("OUTCRY_PROT", "OUTCRY_PORT"),
        ("OUTCRY_BREAKER__FAILURE", "OUTCRY_BREAKER__FAILURES"),
        ("OUTCRY_APIKEYS", "OUTCRY_API_KEYS"),
        ("outcry_port", "OUTCRY_PORT"),
        ("OUTCRY_BREAKER", "OUTCRY_BREAKER__"),
    ],
)
def test_an_unknown_variable_names_the_nearest_known_one(name: str, meant: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}.*{meant}"):
        load_settings({name: "5"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OUTCRY_PORT", "http"),
        ("OUTCRY_PORT", "70000"),
        ("OUTCRY_WORKERS", "0"),
        ("OUTCRY_LOG_LEVEL", "loud"),
        ("OUTCRY_BREAKER__RATIO", "1.5"),
        ("OUTCRY_TIMEOUTS__TOTAL", "inf"),
        ("OUTCRY_TIMEOUTS__TOTAL", "nan"),
        ("OUTCRY_TIMEOUTS__CONNECT", "0"),
        ("OUTCRY_RETRY__MAX_RETRIES", "-1"),
        ("OUTCRY_ALLOWED_PRIVATE_HOSTS", "http://x"),
        ("OUTCRY_DEFAULT_DEADLINE", "121"),
    ],
)
def test_a_wrong_value_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        load_settings({name: value})


def test_api_keys_have_all_scopes_unless_they_say_which() -> None:
    settings = load_settings({"OUTCRY_API_KEYS": f"{KEY}-one , {KEY}-two:chat+read,"})

    bare, scoped = settings.api_keys
    assert (bare.key.get_secret_value(), bare.scopes) == (f"{KEY}-one", frozenset(Scope))
    assert (scoped.key.get_secret_value(), scoped.scopes) == (f"{KEY}-two", frozenset({Scope.CHAT, Scope.READ}))
    assert len({bare.id, scoped.id}) == 2


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("short-secretkey", "entry 1: expected a key of 16 or more"),
        (f"{KEY},secret\x7f0123456789abc", "entry 2: expected"),
        (f"{KEY}secret:chta", "unknown scope 'chta', did you mean 'chat'"),
        (f"{KEY}secret:", "entry 1"),
        (f"{KEY}secret:chat+", "entry 1"),
        (f"{KEY}:secret0123456789AB", "no scope"),
        (f"{KEY}secret,{KEY}secret", "entry 2: the same key"),
    ],
)
def test_a_wrong_api_key_is_told_by_position_and_never_shown(value: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_settings({"OUTCRY_API_KEYS": value})

    shown = f"{refused.value!r} {refused.value.__context__!r}"
    assert "OUTCRY_API_KEYS: " in refused.value.message
    assert words in refused.value.message
    assert KEY not in shown
    assert "secret" not in shown


def test_encryption_keys_come_before_the_single_one_and_both_count() -> None:
    settings = load_settings({"ENCRYPTION_KEY": "old", "ENCRYPTION_KEYS": "new, newer-still ,old"})

    assert [key.get_secret_value() for key in settings.encryption_keys] == ["new", "newer-still", "old"]
    assert load_settings({"ENCRYPTION_KEY": "only"}).encryption_keys == (SecretStr("only"),)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "gateway.example", "127.0.0.1.example"])
def test_without_keys_only_loopback_is_served(host: str) -> None:
    with pytest.raises(ConfigurationError, match="OUTCRY_API_KEYS"):
        load_settings({"OUTCRY_HOST": host})

    assert load_settings({"OUTCRY_HOST": host, "OUTCRY_API_KEYS": KEY}).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_loopback_needs_no_keys(host: str) -> None:
    assert load_settings({"OUTCRY_HOST": host}).is_loopback_only


def test_nothing_secret_shows_in_the_settings() -> None:
    settings = load_settings(
        {"OUTCRY_API_KEYS": KEY, "ENCRYPTION_KEY": "fernet-secret", "DATABASE_URL": "postgresql://u:pass-word@h/d"}
    )

    assert settings.database_url == "postgresql://u:pass-word@h/d"
    assert not any(secret in f"{settings!r} {settings}" for secret in (KEY, "fernet-secret", "pass-word"))


def test_the_process_wins_over_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('OUTCRY_PORT=1111\nOUTCRY_WORKERS="2"\nGROQ_API_KEY=a$b # why\nNAKED\n')

    assert read_environment({"OUTCRY_PORT": "2222"}) == {
        "OUTCRY_PORT": "2222",
        "OUTCRY_WORKERS": "2",
        "GROQ_API_KEY": "a$b",
    }
    settings = load_settings({"OUTCRY_PORT": "2222"})
    assert (settings.port, settings.workers) == (2222, 2)
    assert load_settings({}, dotenv=None).port == 8080


def test_an_env_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff\xfe\n")

    with pytest.raises(ConfigurationError, match=r"\.env"):
        load_settings({})


def test_the_provider_file_beside_it_is_found(tmp_path: Path) -> None:
    (tmp_path / "outcry.yaml").write_text("")

    assert load_settings({}).config == Path("outcry.yaml")
    assert load_settings({"OUTCRY_CONFIG": "other.json"}).config == Path("other.json")


EXAMPLE = Path(__file__).parent.parent / ".env.example"
ASSIGNMENT = re.compile(r"^# ?([A-Z][A-Z0-9_]*)=(.*)$")


def example_lines() -> dict[str, str]:
    found = (ASSIGNMENT.match(line) for line in EXAMPLE.read_text().splitlines())
    return {match[1]: match[2] for match in found if match}


def test_the_example_has_every_setting_and_nothing_else() -> None:
    of_providers = {name for standard in STANDARDS for name in (*standard.keys, standard.url, standard.version) if name}

    assert set(example_lines()) == set(variables()) | of_providers


def test_a_copied_example_changes_nothing() -> None:
    text = EXAMPLE.read_text()

    assert all(line.startswith("#") or not line for line in text.splitlines())
    uncommented = {name: value for name, value in example_lines().items() if name in variables()}
    assert load_settings(uncommented, dotenv=None) == Settings()


def test_every_setting_is_explained() -> None:
    def undescribed(shape: type[BaseModel]) -> list[str]:
        found: list[str] = []
        for name, field in shape.model_fields.items():
            inner = field.annotation
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                found += undescribed(inner)
            elif not field.description:
                found.append(name)
        return found

    assert undescribed(Settings) == []


def test_payloads_are_encrypted_only_where_there_is_a_key() -> None:
    with pytest.raises(ConfigurationError, match="OUTCRY_RECORD__PAYLOADS: encrypted needs ENCRYPTION_KEYS"):
        load_settings({"OUTCRY_RECORD__PAYLOADS": "encrypted"}, dotenv=None)

    assert load_settings({"OUTCRY_RECORD__PAYLOADS": "hashed"}, dotenv=None).record.payloads == "hashed"
