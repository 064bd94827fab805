"""What is said when a configuration is wrong: where, which key, what was expected; never a value that may be a key."""

from __future__ import annotations

import difflib
from collections.abc import Collection


class ConfigurationError(Exception):
    """The service cannot start, or reload, with this configuration. `message` tells an operator what to change."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name that was probably meant, None when nothing is near."""
    by_lower = {candidate.lower(): str(candidate) for candidate in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    if not close:
        close = [lower for lower in by_lower if name.lower() in lower or lower in name.lower()][:1]
    return by_lower[close[0]] if close else None


def unknown(kind: str, name: str, known: Collection[str]) -> str:
    """`unknown key 'prioritty', did you mean 'priority'?`, or the list of what there is."""
    meant = nearest(name, known)
    rest = f"did you mean {meant!r}?" if meant else f"known: {', '.join(sorted(known))}"
    return f"unknown {kind} {name!r}, {rest}"
