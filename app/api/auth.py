"""Who is calling, by the gateway key that came along."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from app.domain.caller import Caller
from app.domain.errors import NotAuthenticated
from app.services import GatewayKey


def authenticate(headers: Mapping[bytes, bytes], keys: Sequence[GatewayKey]) -> Caller:
    """The holder of the key in these headers. Raises NotAuthenticated.

    Every configured key is compared, in constant time, so that nothing can be learned from how long it took.
    """
    presented = presented_key(headers)
    if presented is None:
        raise NotAuthenticated("no gateway key: send `Authorization: Bearer <key>`, `x-api-key` or `api-key`")
    digest = hashlib.sha256(presented).digest()
    holder: Caller | None = None
    for key in keys:
        if hmac.compare_digest(digest, key.digest):
            holder = key.caller
    if holder is None:
        raise NotAuthenticated("this gateway key is not known")
    return holder


def presented_key(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The key a caller sent, in whichever forms. Raises NotAuthenticated where they disagree: nobody has two."""
    presented = {key for name in (b"x-api-key", b"api-key") if (key := headers.get(name))}
    authorization = headers.get(b"authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            raise NotAuthenticated("the authorization header must be `Bearer <key>`")
        presented.add(token.strip())
    if len(presented) > 1:
        raise NotAuthenticated("two headers hold different gateway keys: send one")
    return next(iter(presented), None) or None
