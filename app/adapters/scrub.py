"""Keys out of texts that providers wrote."""

from __future__ import annotations

import re
from typing import Final

MAX_MESSAGE: Final = 500
"""Characters of a provider's error text that are kept."""

_REDACTED: Final = "[redacted]"
_LEAST_KEY: Final = 6
_LEAST_OWN: Final = 16
"""Characters of a key that is blotted out of answers: local servers go by `ollama` or `EMPTY`, and say these words."""

_KEYS: Final = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|tgp|csk|nvapi|hf|pplx|r8|fw|ollama|oc)[-_][\w*.…-]{4,}"
    r"|\b(?:AIza|AQ\.)[\w*-]{8,}"
    r"|\bey[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
    r"|(?<=bearer )\S{6,}"
    r"|(?<=bearer: )\S{6,}"
    r"|(?:(?<=api-key: )|(?<=api_key=)|(?<=api key: )|(?<=\bkey=))[^\s,;\"']{6,}"
    r"|\b[\w-]*\*{3,}[\w-]*"
    r"|\b[0-9a-fA-F]{32,}\b",
    re.IGNORECASE,
)


def scrubbed(text: str) -> str:
    """The text without anything that looks like a key, in one line, at most 500 characters."""
    # Cut generously first: the pattern must not run over megabytes, nor a key be cut so that it is no longer seen.
    line = " ".join(text[: 8 * MAX_MESSAGE].split())
    return _KEYS.sub(_REDACTED, line)[:MAX_MESSAGE]


def without(secret: str, text: str) -> str:
    """The text without this very secret, nor the beginning of it at a cut end."""
    if len(secret) < _LEAST_KEY:
        return text
    text = text.replace(secret, _REDACTED)
    for length in range(len(secret) - 1, _LEAST_KEY - 1, -1):
        if text.endswith(secret[:length]):
            return text[:-length] + _REDACTED
    return text


def spellings(secret: str) -> tuple[str, ...]:
    """How this very key stands in an answer's JSON; none where it is too short to be blotted out.

    Some servers escape every slash, and a key in base64 has slashes.
    """
    if len(secret) < _LEAST_OWN:
        return ()
    return tuple(dict.fromkeys((secret, secret.replace("/", "\\/"))))


def blotted(spelled: tuple[str, ...], text: str) -> str:
    """An answer's text without the key: a server that echoes what it was sent must not give it away."""
    for each in spelled:
        text = text.replace(each, _REDACTED)
    return text


def blotted_bytes(spelled: tuple[str, ...], body: bytes) -> bytes:
    """The same for a body."""
    for each in spelled:
        body = body.replace(each.encode(), _REDACTED.encode())
    return body
