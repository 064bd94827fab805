"""What may be shown of a key, so that a person recognises it."""

from __future__ import annotations

import re
from typing import Final

from pydantic import SecretStr

_VENDOR: Final = re.compile(r"[A-Za-z]{1,5}[-_]")
_LEAST_LENGTH: Final = 12


def hint_of(key: SecretStr) -> str:
    """The vendor's prefix and the last four characters, `sk-…4f2a`; of a short key nothing."""
    secret = key.get_secret_value()
    if len(secret) < _LEAST_LENGTH:
        return "…"
    prefix = _VENDOR.match(secret)
    return f"{prefix.group() if prefix else ''}…{secret[-4:]}"
