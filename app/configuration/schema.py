"""The shape of the provider file: every key, its type, what it may be."""

from __future__ import annotations

import math
import re
from datetime import date
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints

from app.configuration.alerts import AlertsShape
from app.configuration.data_policy import DataDemandShape, DataPolicyShape
from app.configuration.dialect import DialectShape, Headers
from app.configuration.shape import STRICT, Money, Text, Texts, as_list
from app.configuration.tier import TierShape
from app.domain.catalog import last_day
from app.domain.provider import LimitStrategy, ProviderType
from app.domain.routing import PolicyName

TYPE_ALIASES: Final = {"google": ProviderType.GEMINI, "grok": ProviderType.XAI}
TYPE_NAMES: Final = (*(str(kind) for kind in ProviderType), *TYPE_ALIASES)
POLICY_NAMES: Final = (*(str(policy) for policy in PolicyName), "latency", "cost", "accuracy", "health")
CAPABILITY_ALIASES: Final = {"function_calling": "tools", "json_mode": "json_object"}
METHODS = Literal[
    "majority", "confidence_weighted", "performance_weighted", "unanimous", "risk_officer_veto", "two_stage"
]
# What the gateway itself puts into a request cannot be a provider's default.
RESERVED_PARAMETERS: Final = ("model", "messages", "stream", "api_key", "base_url")
ENV_PREFIX: Final = "env:"
API_VERSION: Final = re.compile(r"api-version=[A-Za-z0-9.-]{1,32}")


def provider_type(name: str) -> ProviderType | None:
    """The type that an operator's word means, `google` and `grok` included; None for no type at all."""
    word = name.strip().lower().replace("-", "_")
    return TYPE_ALIASES.get(word) or (ProviderType(word) if word in TYPE_NAMES else None)


def _as_model(value: Any) -> Any:  # noqa: ANN401  # an id stands for a model of which nothing else is stated
    return {"id": value} if isinstance(value, str) else value


def _as_shares(value: Any) -> Any:  # noqa: ANN401  # names in their order have no shares
    names = as_list(value)
    return dict.fromkeys(names) if isinstance(names, list) and all(isinstance(n, str) for n in names) else names


def _has_a_share(value: dict[str, float | None]) -> dict[str, float | None]:
    if all(share == 0 for share in value.values()):
        raise ValueError("expected a weight above 0 for one of them at least")
    return value


def _as_key(value: Any) -> Any:  # noqa: ANN401  # a key alone has no weight
    return {"key": value} if isinstance(value, str) else value


def _as_names(value: Any) -> Any:  # noqa: ANN401  # `{tools: true, vision: false}` says what a list says
    if isinstance(value, dict) and all(isinstance(has, bool) for has in value.values()):
        return [name for name, has in value.items() if has]
    return value


def _day(value: Any) -> Any:  # noqa: ANN401  # YAML makes a date of what looks like one, JSON a text
    day = value if type(value) is date else last_day(value) if isinstance(value, str) else None
    if day is None:
        raise ValueError("expected a day like 2025-07-31, or a month like 2025-07")
    return day


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("expected a finite number")
    return value


def check_base_url(url: str) -> str:
    """The URL, or ValueError with what is expected; a URL with a user or a query could hold a key and is refused.

    Only Azure's `?api-version=` is no such query.
    """
    wanted = "expected a URL like https://host:port/v1, without user, query or fragment"
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(wanted) from None
    has_query = bool(parts.query) and not API_VERSION.fullmatch(parts.query)
    plain = not (parts.username or parts.password or has_query or parts.fragment) and url.isprintable()
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine or not plain or " " in url:
        raise ValueError(wanted)
    return url


def _url(value: str) -> str:
    return value if value.startswith(ENV_PREFIX) or value == "" else check_base_url(value)


def _parameters(value: dict[str, Any]) -> dict[str, Any]:
    for name in RESERVED_PARAMETERS:
        if name in value:
            raise ValueError(f"{name!r} cannot be a default parameter")
    return value


Seconds = Annotated[float, Field(gt=0, le=86_400), AfterValidator(_finite)]
Count = Annotated[int, Field(ge=1)]
ProviderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
BaseURL = Annotated[str, AfterValidator(_url)]
Parameters = Annotated[dict[str, Any], AfterValidator(_parameters)]
Share = Annotated[float, Field(ge=0, le=1_000_000), AfterValidator(_finite)]
Shares = Annotated[
    dict[Text, Share | None], BeforeValidator(_as_shares), Field(min_length=1), AfterValidator(_has_a_share)
]
Policy = Literal[
    "priority", "round_robin", "health_based", "least_recently_used", "weighted", "cost_aware", "latency_aware",
    "accuracy_first", "latency", "cost", "accuracy", "health",
]  # fmt: skip
Strategy = Literal["fixed_window", "sliding_window", "token_bucket"]


class Shape(BaseModel):
    """What all of them have in common: they are strict."""

    model_config = STRICT


class CostShape(Shape):
    """Dollars per million tokens."""

    input_per_1m_tokens: Money | None = None
    output_per_1m_tokens: Money | None = None
    cached_input_per_1m_tokens: Money | None = None
    cache_write_per_1m_tokens: Money | None = None


class RateLimitShape(Shape):
    """`calls_per_minute` is the first seed's word for `requests_per_minute`."""

    requests_per_minute: Count | None = None
    calls_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    requests_per_day: Count | None = None
    tokens_per_day: Count | None = None
    burst_limit: Count | None = None
    strategy: Strategy = LimitStrategy.SLIDING_WINDOW.value


class CallerLimitShape(RateLimitShape):
    """One of `caller_limits`."""

    max_concurrent: Count | None = None


class TimeoutsShape(Shape):
    """A provider's own timers."""

    connect: Seconds | None = None
    first_token: Seconds | None = None
    idle: Seconds | None = None
    total: Seconds | None = None


class ModelShape(Shape):
    """One of `models`."""

    id: Text
    context_window: Count | None = None
    max_output_tokens: Count | None = None
    knowledge_cutoff: Annotated[date, BeforeValidator(_day)] | None = None
    mode: Literal["chat", "embedding"] | None = None
    capabilities: Annotated[list[str], BeforeValidator(_as_names)] | None = None
    cost: CostShape = CostShape()
    data_policy: DataPolicyShape = DataPolicyShape()


class KeyShape(Shape):
    """One of `api_keys`. Keys with a weight share the requests by it; the others are reserves, in their order."""

    key: str
    weight: Annotated[float, Field(gt=0, le=1_000_000), AfterValidator(_finite)] | None = None


class CommonShape(Shape):
    """What both forms of a provider have."""

    provider_type: str | None = None
    api_key: str | None = None
    api_keys: Annotated[list[Annotated[KeyShape, BeforeValidator(_as_key)]], BeforeValidator(as_list)] = []
    base_url: BaseURL | None = None
    model: Text | None = None
    models: list[Annotated[ModelShape, BeforeValidator(_as_model)]] = []
    priority: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 100
    weight: Annotated[float, Field(gt=0, le=1_000_000), AfterValidator(_finite)] = 1.0
    enabled: bool = True
    rate_limit: RateLimitShape = RateLimitShape()
    max_concurrent: Count | None = None
    timeout: Seconds | None = None
    timeouts: TimeoutsShape = TimeoutsShape()
    parameters: Parameters = {}
    cost: CostShape = CostShape()
    health_check_interval: Seconds | None = None
    enable_caching: bool | None = None
    headers: Headers = {}
    dialect: DialectShape | None = None
    data_policy: DataPolicyShape = DataPolicyShape()


class ProviderShape(CommonShape):
    """One of `providers`."""

    name: ProviderName


class ApiShape(Shape):
    """The first seed's `api`."""

    base_url: BaseURL | None = None
    model: Text | None = None
    timeout: Seconds | None = None
    api_key: str | None = None


class NamedShape(CommonShape):
    """One of the mapping form's `models`: its key is its name."""

    api: ApiShape = ApiShape()


class TaskShape(Shape):
    """A task's tier."""

    models: Texts | None = None
    policy: Policy | None = None
    provider: TierShape | None = None
    deadline_ms: Annotated[int, Field(ge=1, le=86_400_000)] | None = None


class PanelShape(Shape):
    """A named panel. `stages` are the members in two groups: who is asked first, and who on disagreement.

    `shadow` are models that are asked beside it and change nothing.
    """

    members: Texts
    method: METHODS | None = None
    quorum: Count | None = None
    risk_officer: Text | None = None
    stages: list[Texts] | None = None
    shadow: list[Text] = Field(default=[], max_length=8)


class FileShape(Shape):
    """The whole file."""

    providers: list[ProviderShape] = []
    models: dict[ProviderName, NamedShape] = {}
    health_check_interval: Seconds | None = None
    global_timeout: Seconds | None = None
    failover_strategy: Policy = "priority"
    aliases: dict[Text, Shares] = {}
    tasks: dict[Text, TaskShape] = {}
    panels: dict[Text, PanelShape] = {}
    alerts: AlertsShape | None = None
    data_policy: DataDemandShape = DataDemandShape()
    caller_limits: dict[Text, CallerLimitShape] = {}
