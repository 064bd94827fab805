"""Taking keys out of text: those we know, and what looks like one."""

from __future__ import annotations

import json
import re
from typing import Final

from pydantic import SecretStr

REDACTED: Final = "[redacted]"
# Shorter ones would blot out words.
LEAST_LENGTH: Final = 6
MOST_SECRETS: Final = 10_000

_SHAPES: Final = re.compile(
    "|".join(
        (
            r"\bsk-[A-Za-z0-9_\-]{8,}",
            r"\b(?:gsk_|xai-|hf_|pplx-)[A-Za-z0-9_\-]{8,}",
            r"\b(?:AIza|AQ\.)[A-Za-z0-9_\-]{10,}",
            r"\bgAAAAA[A-Za-z0-9_\-]{20,}={0,2}",  # a Fernet token
            r"(?<![A-Za-z0-9_\-+/=])[A-Za-z0-9_\-+/]{43}=(?![A-Za-z0-9_\-+/=])",  # a Fernet key
            r"(?<=://)[^\s/@\"']{1,256}@",  # user and password of a URL
        )
    )
)
_NAMED: Final = re.compile(
    r"(?P<name>\b(?:bearer\s+|(?:x-)?api[-_]?key[\"']{0,2}\s*[:=]\s*[\"']{0,2}))(?P<value>[^\s\"'\\,;&]{12,})",
    re.IGNORECASE,
)
_FIELD: Final = re.compile(r"(?:^|_)(?:api_?keys?|authorization|secrets?|passwords?|credentials?)$", re.IGNORECASE)


class Redactor:
    """Replaces secrets in text. Registering costs a recompile; redacting a line some microseconds."""

    def __init__(self) -> None:
        self._known: dict[str, None] = {}
        self._pattern: re.Pattern[str] | None = None

    def register(self, secret: str | SecretStr) -> None:
        """Remember a value that must never be seen, as it is and as JSON writes it."""
        value = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
        if len(value) < LEAST_LENGTH:
            return
        forms = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
        if forms <= self._known.keys():
            return
        self._known.update(dict.fromkeys(forms))
        while len(self._known) > MOST_SECRETS:
            del self._known[next(iter(self._known))]
        # The longest first, so that a key which begins another does not leave the rest of it behind.
        self._pattern = re.compile("|".join(re.escape(known) for known in sorted(self._known, key=len, reverse=True)))

    def redact(self, text: str) -> str:
        """The text without anything secret that we know or recognise."""
        if self._pattern is not None:
            text = self._pattern.sub(REDACTED, text)
        text = _NAMED.sub(rf"\g<name>{REDACTED}", text)
        return _SHAPES.sub(_blot, text)


def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a secret, whatever its value looks like."""
    return _FIELD.search(name) is not None


def _blot(match: re.Match[str]) -> str:
    return f"{REDACTED}@" if match[0].endswith("@") else REDACTED
