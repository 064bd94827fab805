"""Which URLs an administrator may name over the API: what is told there is believed less than the provider file."""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from app.transport.addresses import forbidden_address, is_allowed_private

_LONGEST: Final = 2_048
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
# A last label of digits (or 0x…) is some spelling of an address to somebody: only the plain ones are taken.
_NAME: Final = re.compile(rf"(?:{_LABEL}\.)*(?!0x|\d+$){_LABEL}", re.IGNORECASE)
_PATH: Final = re.compile(r"[A-Za-z0-9/._~!$&'()*+,;=:@%-]*")


def objection_to(url: str, allowed: Collection[str]) -> str | None:
    """Why this URL is not taken, or None. `allowed` are the private hosts that the operator lists.

    A name is only looked at as a name here: what it resolves to is checked whenever it is connected to.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "must be a URL like https://host/path"
    if len(url) > _LONGEST or parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return f"must be a URL like https://host/path of at most {_LONGEST} characters"
    # urlsplit leaves out line breaks and tabs without a word.
    if not url.isascii() or not url.isprintable():
        return "has characters that no URL has"
    if parts.username is not None or parts.password is not None or "?" in url or "#" in url:
        return "must have no user, query or fragment"
    if not _PATH.fullmatch(parts.path):
        return "has characters in its path that no URL has"
    return _objection_to_host(parts, url, allowed)


def _objection_to_host(parts: SplitResult, url: str, allowed: Collection[str]) -> str | None:
    host, is_listed = parts.hostname or "", is_allowed_private(url, allowed)
    try:
        ip_address(host)
    except ValueError:
        if not _NAME.fullmatch(host) or len(host) > 253:
            return "has a host that is neither a name nor a plain address"
    else:
        reason = forbidden_address(host, private_allowed=is_listed)
        if reason is not None:
            return f"may not lead there: {reason}"
    if parts.scheme != "https" and not is_listed:
        return "must be https, unless OUTCRY_ALLOWED_PRIVATE_HOSTS lists the host"
    return None
