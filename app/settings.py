"""Process settings: every variable, its type, its default; the only reader of the environment."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from app.configuration.errors import ConfigurationError, unknown
from app.configuration.groups import (
    AuditSettings,
    BreakerSettings,
    CacheSettings,
    DatabaseSettings,
    HealthSettings,
    HedgingSettings,
    HistorySettings,
    LedgerSettings,
    OutcomeSettings,
    RecordSettings,
    ReplaySettings,
    RetrySettings,
    ScoreSettings,
    Seconds,
    TimeoutSettings,
    ToolSettings,
    TransportSettings,
    UsageSettings,
)
from app.configuration.keys import ApiKey, parse_api_keys
from app.domain.usage import UnpricedPolicy
from app.ledger.checkpoints import Signer

__all__ = ["ApiKey", "ConfigurationError", "Settings", "load_settings", "read_environment", "variables"]

PREFIX: Final = "OUTCRY_"
DEFAULT_FILE: Final = Path("outcry.yaml")
DOTENV: Final = Path(".env")
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+)(:\d{1,5})?\Z")


def _api_keys(value: Any) -> Any:  # noqa: ANN401  # a variable's text, or the keys themselves
    return parse_api_keys(value) if isinstance(value, str) else value


def _secrets(value: Any) -> Any:  # noqa: ANN401  # a variable's text, or the keys themselves
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _signing_keys(keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    for position, key in enumerate(keys, start=1):
        try:
            Signer.of(key)
        except ValueError as error:
            raise ValueError(f"key {position}: {error}") from None
    return keys


def _hosts(value: Any) -> Any:  # noqa: ANN401  # a variable's text, or the hosts themselves
    if not isinstance(value, str):
        return value
    hosts = tuple(part.strip().lower() for part in value.split(",") if part.strip())
    for position, host in enumerate(hosts, start=1):
        if not _HOST.match(host):
            raise ValueError(f"entry {position}: expected host or host:port")
    return hosts


def _lower(value: Any) -> Any:  # noqa: ANN401  # checked by the type behind it
    return value.lower() if isinstance(value, str) else value


class Settings(BaseSettings):
    """Settings of one process, frozen. Durations are seconds."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True, validate_default=False
    )

    host: str = Field("127.0.0.1", min_length=1, description="Address to serve on; any but loopback needs API keys.")
    port: int = Field(8080, ge=0, le=65535, description="Port to serve on.")
    workers: int = Field(1, ge=1, le=256, description="Worker processes.")
    database_url: str = Field(
        "sqlite+aiosqlite:///./outcry.db",
        min_length=1,
        repr=False,
        description="Where agents, decisions and usage are kept; postgresql://user:password@host/name works too.",
    )
    encryption_keys: Annotated[tuple[SecretStr, ...], BeforeValidator(_secrets)] = Field(
        (), description="Fernet keys for stored provider keys, newest first, comma-separated; all decrypt."
    )
    signing_key: Annotated[tuple[SecretStr, ...], BeforeValidator(_secrets), AfterValidator(_signing_keys)] = Field(
        (), description="Ed25519 keys for checkpoints of the record: the first signs, all are trusted."
    )
    api_keys: Annotated[tuple[ApiKey, ...], BeforeValidator(_api_keys)] = Field(
        (), description="Gateway keys, comma-separated: key or key:scope+scope (chat, decisions, read, admin)."
    )
    config: Path | None = Field(None, description="The provider file, YAML or JSON; outcry.yaml where that exists.")
    catalog: Path | None = Field(
        None, description="Overrides of the model catalog, JSON: above what ships, below the provider file."
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(_lower)] = Field(
        "info", description="debug, info, warning, error or critical."
    )
    allowed_private_hosts: Annotated[tuple[str, ...], BeforeValidator(_hosts)] = Field(
        (),
        description="Private hosts that alerts may go to or an administrator may name over the API, host or host:port.",
    )
    default_deadline: Seconds = Field(60.0, description="Seconds a request may take when it does not say.")
    max_deadline: Seconds = Field(120.0, description="The most seconds a request may ask for.")
    as_of_embargo_days: int = Field(
        30, ge=0, le=3660, description="Days past its knowledge cutoff for which a model counts as contaminated."
    )
    unpriced: Annotated[UnpricedPolicy, BeforeValidator(_lower)] = Field(
        UnpricedPolicy.WARN, description="Models whose price nobody knows: allow, warn (in the answer) or refuse (402)."
    )
    breaker: BreakerSettings = BreakerSettings()
    retry: RetrySettings = RetrySettings()
    hedging: HedgingSettings = HedgingSettings()
    health: HealthSettings = HealthSettings()
    history: HistorySettings = HistorySettings()
    scores: ScoreSettings = ScoreSettings()
    ledger: LedgerSettings = LedgerSettings()
    audit: AuditSettings = AuditSettings()
    record: RecordSettings = RecordSettings()
    usage: UsageSettings = UsageSettings()
    cache: CacheSettings = CacheSettings()
    outcomes: OutcomeSettings = OutcomeSettings()
    replay: ReplaySettings = ReplaySettings()
    transport: TransportSettings = TransportSettings()
    timeouts: TimeoutSettings = TimeoutSettings()
    database: DatabaseSettings = DatabaseSettings()
    tools: ToolSettings = ToolSettings()

    @property
    def is_shared(self) -> bool:
        """Whether other processes may work on the same database: one worker on an SQLite file is alone."""
        return self.workers > 1 or not self.database_url.startswith("sqlite")

    @property
    def is_loopback_only(self) -> bool:
        """Whether nothing but this machine can reach the address that is served."""
        return is_loopback(self.host)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  # pydantic-settings' own signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_settings` gives: it knows which variables exist, and so which ones are misspelt."""
        return (init_settings,)


def read_environment(process: Mapping[str, str] | None = None, *, dotenv: Path | None = DOTENV) -> dict[str, str]:
    """The process's variables over those of `.env`; raises ConfigurationError for a file that cannot be read."""
    from_file: dict[str, str] = {}
    if dotenv is not None and dotenv.is_file():
        try:
            read = dotenv_values(dotenv, interpolate=False)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{dotenv}: cannot be read: {type(error).__name__}") from None
        from_file = {name: value for name, value in read.items() if value is not None}
    return {**from_file, **(os.environ if process is None else process)}


def load_settings(environ: Mapping[str, str] | None = None, *, dotenv: Path | None = DOTENV) -> Settings:
    """Settings from the environment and `.env`; raises ConfigurationError that names the variable, never its value."""
    environment = read_environment(environ, dotenv=dotenv)
    known = variables()
    _refuse_unknown(environment, known)
    try:
        settings = Settings(**_values(environment, known))
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        # Not chained: what was written may be a key.
        raise ConfigurationError(f"{_variable(problem['loc'], known)}: {_expected(problem['msg'])}") from None
    if settings.default_deadline > settings.max_deadline:
        raise ConfigurationError("OUTCRY_DEFAULT_DEADLINE: expected at most OUTCRY_MAX_DEADLINE")
    if settings.record.payloads == "encrypted" and not settings.encryption_keys:
        raise ConfigurationError("OUTCRY_RECORD__PAYLOADS: encrypted needs ENCRYPTION_KEYS")
    if not settings.api_keys and not settings.is_loopback_only:
        raise ConfigurationError(
            f"OUTCRY_HOST: {settings.host} can be reached from other machines, which needs OUTCRY_API_KEYS; "
            "without keys only 127.0.0.1 is served"
        )
    return settings


def variables() -> dict[str, tuple[str, ...]]:
    """Every variable with the field it sets; `ENCRYPTION_KEY` is a second one for `encryption_keys`."""
    return dict(_variables(Settings, PREFIX, ())) | {
        "DATABASE_URL": ("database_url",),
        "ENCRYPTION_KEYS": ("encryption_keys",),
        "ENCRYPTION_KEY": ("encryption_keys",),
    }


def is_loopback(host: str) -> bool:
    """Whether the host is `localhost` or a loopback address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _variables(shape: type[BaseModel], prefix: str, above: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, field in shape.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _variables(field.annotation, f"{prefix}{name.upper()}__", (*above, name))
        elif name not in ("database_url", "encryption_keys"):
            yield f"{prefix}{name.upper()}", (*above, name)


def _refuse_unknown(environment: Mapping[str, str], known: Mapping[str, tuple[str, ...]]) -> None:
    for name in environment:
        if name.upper().startswith(PREFIX) and name not in known:
            raise ConfigurationError(unknown("variable", name, [n for n in known if n.startswith(PREFIX)]))


def _values(environment: Mapping[str, str], known: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The variables that are set and not empty, nested as the fields are."""
    values: dict[str, Any] = {}
    for name, place in known.items():
        text = environment.get(name, "").strip()
        if not text or name == "ENCRYPTION_KEY":
            continue
        inner = values
        for part in place[:-1]:
            inner = inner.setdefault(part, {})
        inner[place[-1]] = text
    keys = [environment.get(name, "").strip() for name in ("ENCRYPTION_KEYS", "ENCRYPTION_KEY")]
    if any(keys):
        listed = [part.strip() for key in keys for part in key.split(",") if part.strip()]
        values["encryption_keys"] = tuple(dict.fromkeys(listed))
    if "config" not in values and DEFAULT_FILE.is_file():
        values["config"] = DEFAULT_FILE
    return values


def _variable(loc: tuple[int | str, ...], known: Mapping[str, tuple[str, ...]]) -> str:
    place = tuple(part for part in loc if isinstance(part, str))
    return next((name for name, field in known.items() if field == place[: len(field)]), ".".join(place))


def _expected(message: str) -> str:
    return message.removeprefix("Value error, ").replace("Input should be", "expected")
