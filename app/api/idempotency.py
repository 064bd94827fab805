"""The `Idempotency-Key` of a request: checked, and bound to what is asked."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final

import anyio.to_thread

from app.api.exchange import Exchange
from app.api.intent import Intent, malformed
from app.domain.idempotency import RequestKey

HEADER: Final = "idempotency-key"
REPLAYED: Final = (b"idempotency-replayed", b"true")
_KEY: Final = re.compile(rb"[\x21-\x7e]{1,255}")


def read_key(exchange: Exchange) -> str | None:
    """The key, None where there is none. Raises RequestRejected for one that is none."""
    key = exchange.headers.get(HEADER.encode())
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise malformed(HEADER, "1 to 255 visible ASCII characters")
    return key.decode("ascii")


async def bound(key: str, exchange: Exchange, body: dict[str, Any], intent: Intent) -> RequestKey:
    """The key with the digest of the question: the body, and the headers that change who is asked what.

    Not in it: how the answer is told (`stream`), and the headers for deadline, priority and cache.
    """
    asked = {name: value for name, value in body.items() if name != "stream"}
    moment = None if intent.as_of is None else intent.as_of.isoformat()
    # A recording is not its replay, nor one run another: the key of the one must not give the answer of the other.
    run = None if intent.replay is None else [intent.replay.mode, intent.replay.run]
    said = [asked, intent.agent_id, intent.policy, moment, intent.as_of_mode, run]
    # A body may have a mebibyte, whose digest takes milliseconds.
    digest = await anyio.to_thread.run_sync(_digest, said)
    return RequestKey(exchange.caller.key_id, key, digest)


def _digest(said: list[Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
