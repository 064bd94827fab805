"""Values of ours as plain JSON for the record: what is secret in them becomes the first digits of its hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

from pydantic import SecretStr


def plain(value: Any) -> Any:  # noqa: ANN401 - JSON, from whatever there is
    """The value as JSON: amounts are text, sets are sorted, a secret is the 8 hex digits that it is known by.

    Raises TypeError for what has no such form: better no entry than one that nobody looked at.
    """
    match value:
        case None | bool() | int() | float() | str() if not isinstance(value, Enum):
            return value
        case Enum():
            return value.value
        case SecretStr():
            return fingerprint(value.get_secret_value())
        case Decimal():
            return format(value, "f")
        case date():
            return value.isoformat()
        case Mapping():
            return {str(name): plain(inner) for name, inner in value.items()}
        case AbstractSet():
            return sorted(plain(inner) for inner in value)
        case list() | tuple():
            return [plain(inner) for inner in value]
        case _ if is_dataclass(value):
            return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
        case _:
            raise TypeError(f"{type(value).__name__} cannot be put on record")


def fingerprint(secret: str) -> str:
    """What a secret is known by: the first 8 hex digits of its SHA-256."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()[:8]
