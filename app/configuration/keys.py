"""Gateway keys as `OUTCRY_API_KEYS` lists them: `key` or `key:scope+scope`."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from pydantic import SecretStr

from app.configuration.errors import unknown
from app.domain.caller import Scope

LEAST_LENGTH = 16
_WORD = re.compile(r"[a-z_-]{1,16}\Z")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A configured gateway key and what it may be used for."""

    key: SecretStr
    scopes: frozenset[Scope]

    @property
    def id(self) -> str:
        """The key's short public name: the first 8 hex digits of its SHA-256."""
        return hashlib.sha256(self.key.get_secret_value().encode()).hexdigest()[:8]


def parse_api_keys(text: str) -> tuple[ApiKey, ...]:
    """The keys in their order; raises ValueError that tells the position of a wrong one, never the key."""
    found: list[ApiKey] = []
    for position, entry in enumerate((part.strip() for part in text.split(",")), start=1):
        if not entry:
            continue
        secret, colon, scopes = entry.partition(":")
        if len(secret) < LEAST_LENGTH or not secret.isprintable():
            raise ValueError(f"entry {position}: expected a key of {LEAST_LENGTH} or more printable characters")
        if any(other.key.get_secret_value() == secret for other in found):
            raise ValueError(f"entry {position}: the same key is there twice")
        found.append(ApiKey(SecretStr(secret), _scopes(scopes, position) if colon else frozenset(Scope)))
    return tuple(found)


def _scopes(text: str, position: int) -> frozenset[Scope]:
    names = [name.strip() for name in text.split("+")]
    for name in names:
        if name not in set(Scope):
            # What does not look like a word may be the rest of a key that holds a colon.
            said = unknown("scope", name, list(Scope)) if _WORD.match(name) else "what follows ':' is no scope"
            raise ValueError(f"entry {position}: {said}")
    return frozenset(Scope(name) for name in names)
