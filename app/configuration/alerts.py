"""The shape of the provider file's `alerts`."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from app.configuration.shape import STRICT, Text, as_list

Kind = Literal[
    "provider_down", "circuit_open", "quota_exhausted", "key_refused", "spend_unknown", "success_rate", "p95_ms",
    "daily_requests",
]  # fmt: skip


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("expected a finite number")
    return value


def _as_rule(value: Any) -> Any:  # noqa: ANN401  # a kind stands for a rule with its defaults
    return {"when": value} if isinstance(value, str) else value


def _as_webhook(value: Any) -> Any:  # noqa: ANN401  # a URL stands for a webhook that takes JSON
    return {"url": value} if isinstance(value, str) else value


Figure = Annotated[float, Field(gt=0, le=86_400_000), AfterValidator(_finite)]
Seconds = Annotated[float, Field(ge=0, le=86_400), AfterValidator(_finite)]


class RuleShape(BaseModel):
    """One of `rules`."""

    model_config = STRICT

    when: Kind
    threshold: Figure | None = None
    clear: Figure | None = None
    for_seconds: Seconds | None = None
    clear_seconds: Seconds | None = None
    minimum: Annotated[int, Field(ge=1, le=256)] = 20
    providers: Annotated[list[Text], BeforeValidator(as_list)] = []


class WebhookShape(BaseModel):
    """One of `webhooks`."""

    model_config = STRICT

    url: Text
    format: Literal["json", "slack"] = "json"


class AlertsShape(BaseModel):
    """The whole of `alerts`."""

    model_config = STRICT

    rules: list[Annotated[RuleShape, BeforeValidator(_as_rule)]] | None = None
    webhooks: Annotated[list[Annotated[WebhookShape, BeforeValidator(_as_webhook)]], BeforeValidator(as_list)] = []
