"""A check of the whole record, in a process of its own, so that no request waits for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Final

import anyio.to_process

from app.domain.audit import Checkpoint, Findings
from app.ledger.verifying import verified
from app.storage.audit import SqlAuditRepository
from app.storage.database import DatabaseRules, open_database

_NICENESS: Final = 10
_RULES: Final = DatabaseRules(patience=60.0, pool=1, overflow=0)


async def checked_elsewhere(url: str, trusted: frozenset[str]) -> Findings:
    """What a check finds, done by another process, which ends with us."""
    return await anyio.to_process.run_sync(_check, url, trusted, cancellable=True)


async def checked(url: str, trusted: frozenset[str], kept: Sequence[Checkpoint] = ()) -> Findings:
    """What a check finds, done here."""
    async with open_database(url, _RULES, is_tolerant=True) as database:
        return await verified(SqlAuditRepository(database), trusted, kept)


def _check(url: str, trusted: frozenset[str]) -> Findings:
    os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    return asyncio.run(checked(url, trusted))
