"""A configured provider, as the provider file or the environment describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from app.domain.alerts import AlertPlan
from app.domain.catalog import ModelMode
from app.domain.chat import Credential
from app.domain.data_policy import UNSTATED, DataDemand, DataPolicy
from app.domain.routing import Preferences


class ProviderType(StrEnum):
    """Which dialect and defaults a provider has."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    OLLAMA = "ollama"
    AZURE = "azure"
    DEEPSEEK = "deepseek"
    GROQ = "groq"
    XAI = "xai"
    MISTRAL = "mistral"
    TOGETHER = "together"
    OPENROUTER = "openrouter"
    VLLM = "vllm"
    LOCALAI = "localai"
    OPENAI_COMPATIBLE = "openai_compatible"
    SANDBOX = "sandbox"


class LimitStrategy(StrEnum):
    """How a limit per minute counts."""

    FIXED_WINDOW = "fixed_window"
    SLIDING_WINDOW = "sliding_window"
    TOKEN_BUCKET = "token_bucket"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What a provider may be asked, per minute and per UTC day; None is unlimited.

    `burst_limit` is how many requests at once a token bucket holds, None as many as it gets in a minute.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    requests_per_day: int | None = None
    tokens_per_day: int | None = None
    burst_limit: int | None = None
    strategy: LimitStrategy = LimitStrategy.SLIDING_WINDOW


@dataclass(frozen=True, slots=True)
class TimeoutOverrides:
    """A provider's own timers in seconds; None keeps the process's."""

    connect: float | None = None
    first_token: float | None = None
    idle: float | None = None
    total: float | None = None


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A model as an operator states it; what is None comes from the catalog. Prices are dollars per million tokens."""

    id: str
    context_window: int | None = None
    capabilities: frozenset[str] | None = None
    input_per_1m_tokens: Decimal | None = None
    output_per_1m_tokens: Decimal | None = None
    cached_input_per_1m_tokens: Decimal | None = None
    cache_write_per_1m_tokens: Decimal | None = None
    max_output_tokens: int | None = None
    knowledge_cutoff: date | None = None
    mode: ModelMode | None = None
    data_policy: DataPolicy = UNSTATED


TUNABLE: Final = frozenset({ProviderType.OPENAI_COMPATIBLE, ProviderType.VLLM, ProviderType.LOCALAI})
"""Types behind which any server may stand, so that an operator may state how it differs from OpenAI's."""


@dataclass(frozen=True, slots=True)
class DialectSettings:
    """How one server differs from what its type takes for granted; None and empty keep that.

    `key_header`: the header that carries the key, bare unless it is `authorization`. `reasoning_field`: the field
    under which assistant messages carry reasoning back, "" for none. `dropped`: request fields it does not take;
    `allowed`: the only ones it takes. `lacks`: needs, in the names of `domain.needs`, that it cannot serve.
    """

    key_header: str | None = None
    max_tokens_field: str | None = None
    reasoning_field: str | None = None
    developer_role: bool | None = None
    stream_usage: bool | None = None
    strict_tools: bool | None = None
    flatten_text: bool | None = None
    drop_nulls: bool | None = None
    merge_roles: bool | None = None
    dropped: frozenset[str] = frozenset()
    allowed: frozenset[str] | None = None
    lacks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """One provider: instance name, dialect, address, keys, models, limits, order.

    `base_url` is complete (version segment added, no trailing slash); "" for the sandbox. Lower `priority` is tried
    first. At most `max_concurrent` calls are under way at once, None without a limit. `parameters` are defaults below
    the agent's and the request's. `headers` go with every request. `enable_caching`: its answers are cached unless a
    request says otherwise (true), never (false), or only where a request says so (None).
    """

    name: str
    type: ProviderType
    base_url: str
    credentials: tuple[Credential, ...] = (Credential(),)
    models: tuple[ModelConfig, ...] = ()
    default_model: str | None = None
    priority: int = 100
    weight: float = 1.0
    enabled: bool = True
    rate_limit: RateLimit = RateLimit()
    max_concurrent: int | None = None
    timeouts: TimeoutOverrides = TimeoutOverrides()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    input_per_1m_tokens: Decimal | None = None
    output_per_1m_tokens: Decimal | None = None
    cached_input_per_1m_tokens: Decimal | None = None
    cache_write_per_1m_tokens: Decimal | None = None
    health_check_interval: float = 60.0
    enable_caching: bool | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    dialect: DialectSettings | None = None
    data_policy: DataPolicy = UNSTATED


@dataclass(frozen=True, slots=True)
class CallerLimit:
    """What one gateway key, or one agent, may ask of the gateway; at most `max_concurrent` requests at once."""

    rate: RateLimit = RateLimit()
    max_concurrent: int | None = None


@dataclass(frozen=True, slots=True)
class PanelConfig:
    """A named panel: model names, method and quorum (None: the default).

    `risk_officer` is the model that may object, `first_stage` those of the members that two_stage asks first; empty
    is the cheaper half. `shadow` are models that are asked beside it and change nothing.
    """

    members: tuple[str, ...]
    method: str | None = None
    quorum: int | None = None
    risk_officer: str | None = None
    first_stage: tuple[str, ...] = ()
    shadow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskConfig:
    """A task's tier: which models, in which order; a policy of its own, if any.

    `preferences` are the operator's for every request of the task, beside the request's own. `deadline` is the seconds
    that a request of it has at most.
    """

    models: tuple[str, ...] = ()
    policy: str | None = None
    preferences: Preferences | None = None
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class ProviderSet:
    """All that the provider file says, checked; `source` is the file's name or `environment` or `sandbox`.

    `splits` are the weights of those aliases whose names share the requests instead of standing in for each other.
    `data_demand` is what every target has to meet, whatever a request says.
    `caller_limits` are by `key:<id>`, `agent:<id>`, and `default` for each key that is not named.
    """

    providers: tuple[ProviderConfig, ...]
    failover_strategy: str = "priority"
    global_timeout: float | None = None
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    splits: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    tasks: Mapping[str, TaskConfig] = field(default_factory=dict)
    panels: Mapping[str, PanelConfig] = field(default_factory=dict)
    alerts: AlertPlan = AlertPlan()
    data_demand: DataDemand = DataDemand()
    caller_limits: Mapping[str, CallerLimit] = field(default_factory=dict)
    source: str = "environment"
    warnings: tuple[str, ...] = ()
