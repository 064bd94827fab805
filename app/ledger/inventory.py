"""What the gateway runs with, put on record when it is not what was found last: its files, its keys, its templates.

Nobody changes these through the gateway: they are looked at when a process starts and when its files are read again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import anyio

from app.domain.audit import THE_GATEWAY, Author
from app.domain.errors import StorageUnavailable
from app.domain.provider import ProviderConfig, ProviderSet
from app.ledger.plain import fingerprint, plain

log = logging.getLogger(__name__)

_PAUSE: Final = 1.0
Findings = Mapping[str, Mapping[str, Any]]
"""What was found, by subject; JSON without any secret."""


class Notes(Protocol):
    """Where it is noted. Raises StorageUnavailable."""

    async def note(self, subject: str, found: Mapping[str, Any], *, by: Author) -> bool:
        """Put on record in what this differs from what was noted last, whoever noted that; whether it did at all."""
        ...


class Inventory:
    """Looks when it is told to, at first by itself. `pause` is the seconds between two tries at a database."""

    def __init__(self, notes: Notes, look: Callable[[], Findings], *, pause: float = _PAUSE) -> None:
        self._notes = notes
        self._look = look
        self._pause = pause
        self._by = THE_GATEWAY
        self._due = anyio.Event()
        self._due.set()

    async def take(self, by: Author) -> None:
        """Note what is there now, for whoever changed it; what the database does not take now, the job brings it."""
        try:
            await self._noted(by)
        except StorageUnavailable:
            self.wake(by)

    def wake(self, by: Author = THE_GATEWAY) -> None:
        """Have the job look."""
        self._by = by
        self._due.set()

    async def run(self) -> None:
        """The job: never returns."""
        while True:
            await self._due.wait()
            self._due, by = anyio.Event(), self._by
            try:
                await self._noted(by)
            except StorageUnavailable as error:
                log.warning("changes of the configuration wait for the record", extra={"reason": error.message})
                self.wake(by)
                await anyio.sleep(self._pause)

    async def _noted(self, by: Author) -> None:
        for subject, found in self._look().items():
            if await self._notes.note(subject, found, by=by):
                log.info("a change of the configuration is on record", extra={"subject": subject, "key_id": by.key_id})


def provider_fields(chosen: ProviderSet) -> dict[str, Any]:
    """The provider file as it is told: keys, values of headers and webhooks by the digits that they are known by."""
    told: dict[str, Any] = plain(chosen)
    told["providers"] = {one.name: _provider(one) for one in chosen.providers}
    # They are derived from the rest, and tell of nothing else.
    del told["warnings"]
    return told


def _provider(one: ProviderConfig) -> dict[str, Any]:
    told: dict[str, Any] = plain(one)
    told["base_url"] = _address(one.base_url)
    told["credentials"] = {credential.id: credential.weight for credential in one.credentials if credential.id}
    told["headers"] = {name: fingerprint(value) for name, value in one.headers.items()}
    told["models"] = {model["id"]: model for model in told["models"]}
    return told


def _address(url: str) -> str:
    """Without what may be secret in it, which shows as the digits that it is known by."""
    parts = urlsplit(url)
    bare = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return url if bare == url or not url else f"{bare}#{fingerprint(url)}"
