"""What agents and configurations must look like; every wrong field is named, not only the first."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from pydantic import SecretStr

from app.domain.agent import AgentConfig
from app.domain.errors import Code, RequestRejected, Violation

MAX_METADATA_BYTES: Final = 16 * 1024
_MAX_INTEGER: Final = 2**31 - 1
_MAX_NAME: Final = 200
_MAX_TEXT: Final = 8_000
_MAX_KEY: Final = 4_096
_MAX_PRICE: Final = Decimal(1_000_000)


def raise_for(violations: Sequence[Violation]) -> None:
    """Raise RequestRejected when there are any."""
    if violations:
        first = violations[0]
        raise RequestRejected(
            Code.INVALID_FIELD, f"{first.field}: {first.message}", param=first.field, violations=violations
        )


def agent_violations(fields: Mapping[str, Any]) -> list[Violation]:
    """What is wrong with the given fields of an agent."""
    found: list[Violation] = []
    if "name" in fields:
        found += _text_violations("name", fields["name"], longest=_MAX_NAME)
    if (description := fields.get("description")) is not None and len(description) > _MAX_TEXT:
        found.append(Violation("description", f"at most {_MAX_TEXT} characters"))
    elif description is not None and "\x00" in description:
        found.append(Violation("description", "a NUL character"))
    if "metadata" in fields:
        found += _metadata_violations(fields["metadata"])
    return found


def config_violations(config: AgentConfig) -> list[Violation]:
    """What is wrong with a configuration by itself, before anybody is asked about provider and model."""
    found = _text_violations("provider", config.provider) + _text_violations("model_name", config.model_name)
    for field in ("fallback_provider", "fallback_model"):
        if (value := getattr(config, field)) is not None:
            found += _text_violations(field, value)
    if config.temperature is not None and not 0 <= config.temperature <= 2:
        found.append(Violation("temperature", "a number from 0 to 2"))
    if config.top_p is not None and not 0 < config.top_p <= 1:
        found.append(Violation("top_p", "a number above 0, at most 1"))
    if config.max_tokens is not None and not 1 <= config.max_tokens <= _MAX_INTEGER:
        found.append(Violation("max_tokens", f"an integer from 1 to {_MAX_INTEGER}"))
    if not -_MAX_INTEGER <= config.priority <= _MAX_INTEGER:
        found.append(Violation("priority", f"an integer from -{_MAX_INTEGER} to {_MAX_INTEGER}"))
    for field in ("cost_per_1k_input_tokens", "cost_per_1k_output_tokens"):
        found += _price_violations(field, getattr(config, field))
    return found + _metadata_violations(config.metadata)


def key_violations(key: SecretStr) -> list[Violation]:
    """What is wrong with a provider key: it goes into a header, so that it is printable ASCII without spaces."""
    secret = key.get_secret_value()
    if 1 <= len(secret) <= _MAX_KEY and all("!" <= character <= "~" for character in secret):
        return []
    return [Violation("api_key", f"1 to {_MAX_KEY} printable ASCII characters without spaces")]


def _text_violations(field: str, value: str, *, longest: int = _MAX_NAME) -> list[Violation]:
    if not 1 <= len(value.strip()) <= len(value) <= longest:
        return [Violation(field, f"1 to {longest} characters")]
    # Cc are control characters, Cs lone surrogates: neither has a place in a name, nor in PostgreSQL.
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        return [Violation(field, "no control characters")]
    return []


def _price_violations(field: str, price: Decimal | None) -> list[Violation]:
    if price is None or (price.is_finite() and 0 <= price <= _MAX_PRICE):
        return []
    return [Violation(field, f"dollars from 0 to {_MAX_PRICE}")]


def _metadata_violations(metadata: Mapping[str, Any]) -> list[Violation]:
    try:
        size = len(json.dumps(dict(metadata), allow_nan=False).encode("utf-8"))
    except (TypeError, ValueError, RecursionError):
        return [Violation("metadata", "a JSON object")]
    if size > MAX_METADATA_BYTES:
        return [Violation("metadata", f"at most {MAX_METADATA_BYTES} bytes of JSON, got {size}")]
    return []
