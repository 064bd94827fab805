"""What makes two requests the same: a digest of everything that can change an answer."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import anyio.to_thread
import orjson

from app.domain.attempt import Ask
from app.domain.routing import Candidate
from app.gateway.planning import Itinerary

_LARGE: Final = 1024 * 1024
"""Bytes of a canonical form from which on it is hashed in a thread."""


async def key_of(ask: Ask, itinerary: Itinerary, step: Candidate, *, revision: int, own_key: str) -> bytes | None:
    """32 bytes; None for a request that no encoding takes (a number beyond 64 bits).

    `own_key` is the id of the agent's own key, "" for the provider's; `revision` that of the provider file.
    """
    form = canonical(ask, itinerary, step, revision=revision, own_key=own_key)
    if form is None:
        return None
    digest = hashlib.sha256
    if len(form) > _LARGE:
        return (await anyio.to_thread.run_sync(digest, form)).digest()
    return digest(form).digest()


def canonical(ask: Ask, itinerary: Itinerary, step: Candidate, *, revision: int, own_key: str) -> bytes | None:
    """The request as JSON with sorted keys, defaults filled in, beside who asks and who answers.

    Not in it: ids, deadline, priority, metadata, and whether the answer is streamed.
    """
    request = itinerary.chat_for(step.target)
    native = request.native
    said: list[Any] = [
        [step.target.provider, step.target.model, revision],
        [ask.caller.key_id, ask.agent_id, own_key],
        list(request.messages),
        {name: value for name, value in request.parameters.items() if name != "metadata"},
        None if native is None else [native.wire, dict(native.body), dict(native.headers)],
        ask.enforces_format,
    ]
    try:
        return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return None
