"""When a change of stored configuration is in force in all of a gateway's workers."""

from __future__ import annotations

import asyncio
import re

from app.storage.database import open_database
from app.storage.revision import current_revision
from tests.e2e.service import Service
from tests.e2e.speaking import within

_GAUGE = re.compile(r"^outcry_config_revision (\S+)$", re.MULTILINE)


def is_in_force(gateway: Service, seconds: float = 20) -> bool:
    """Whether, in so many seconds, the worker that is furthest behind has all that is stored by now.

    Asking again and again does not tell: one worker may answer whoever comes.
    """
    stored = asyncio.run(_stored(gateway.database_url))
    return within(seconds, lambda: _everywhere(gateway) >= stored)


async def _stored(url: str) -> int:
    async with open_database(url) as database:
        return await database.read(current_revision)


def _everywhere(gateway: Service) -> float:
    found = _GAUGE.search(gateway.client.get("/metrics").text)
    assert found is not None
    return float(found[1])
