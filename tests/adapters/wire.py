"""What a provider is sent, for tests."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.adapters.presets import PRESETS
from app.domain.errors import FailureKind, ProviderError
from app.domain.provider import ProviderType
from tests.adapters.streams import a_call
from tests.golden import golden_json

Messages = list[dict[str, Any]]


def body_for(
    type_: ProviderType, messages: Messages | None = None, *, model: str = "m", stream: bool = False, **parameters: Any
) -> dict[str, Any]:
    """The JSON that is sent."""
    body: dict[str, Any] = orjson.loads(
        PRESETS[type_].codec.encode(a_call(model, messages, **parameters), stream=stream).body
    )
    return body


def warned_for(type_: ProviderType, *, model: str = "m", **parameters: Any) -> list[str]:
    """The names that warnings begin with."""
    warnings = PRESETS[type_].codec.encode(a_call(model, **parameters), stream=False).warnings
    return [each.partition(" ")[0] for each in warnings]


def refused_param(
    type_: ProviderType, messages: Messages | None = None, *, model: str = "m", **parameters: Any
) -> str | None:
    """Which field the provider has no words for."""
    with pytest.raises(ProviderError) as caught:
        body_for(type_, messages, model=model, **parameters)
    assert caught.value.kind is FailureKind.UNSUPPORTED
    return caught.value.param


def from_request(name: str, *dropped: str) -> tuple[Messages, dict[str, Any]]:
    """Messages and parameters of a request on file, without some."""
    given = golden_json(name)
    outside = ("model", "messages", "stream", *dropped)
    return given["messages"], {name: value for name, value in given.items() if name not in outside}
