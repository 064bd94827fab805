"""Who is asking, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a gateway key may be used for; `admin` implies all."""

    CHAT = "chat"
    DECISIONS = "decisions"
    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a gateway key. `key_id` is a short public name of the key, `local` for the keyless open door."""

    key_id: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Whether this caller has the scope."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


LOCAL_CALLER = Caller("local", frozenset(Scope))
"""Everybody on loopback while no key is configured."""
