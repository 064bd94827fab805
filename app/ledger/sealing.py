"""Payloads made and opened by policy: plain, encrypted, or nothing but their hash.

What is hashed is the canonical JSON: UTF-8, keys sorted, nothing between the tokens, as `app.text.canonical` writes it.
A value that it cannot carry (an integer beyond 64 bits, half of a character) makes the whole of it the standard
encoder's: sorted and without spaces as well, in ASCII. Content that is encrypted is deflated first (RFC 1950) where it
is long: the byte 0x78 that this begins with begins no JSON object.
"""

from __future__ import annotations

import hashlib
import json
import logging
import zlib
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol

from app.domain.payload import Part, Payload, PayloadForm
from app.ledger.skeleton import restored
from app.text.canonical import Unencodable, canonical

log = logging.getLogger(__name__)

_WORTH_DEFLATING: Final = 8 * 1024
_DEFLATED: Final = 0x78


class Vault(Protocol):
    """Encrypts under its newest key and opens with any; `unseal` says None for what it cannot open."""

    @property
    def has_keys(self) -> bool: ...
    def seal(self, content: bytes, *, binding: str) -> tuple[bytes, str]: ...
    def unseal(self, content: bytes, *, binding: str) -> bytes | None: ...


class Gone(StrEnum):
    """Why there is no content: the policy kept none, it was erased, or no key opens it (or it was changed)."""

    HASHED = "hashed"
    ERASED = "erased"
    UNREADABLE = "unreadable"


class Sealer:
    """Makes payloads in one form and opens those of every form. `unreadable` counts what did not open."""

    def __init__(self, form: PayloadForm = PayloadForm.PLAIN, vault: Vault | None = None) -> None:
        if form is PayloadForm.ENCRYPTED and (vault is None or not vault.has_keys):
            raise ValueError("payloads can only be encrypted when ENCRYPTION_KEYS is set")
        self.form = form
        self.unreadable = 0
        self._vault = vault

    def sealed(self, subject: str, part: Part, value: Mapping[str, Any], at: datetime) -> Payload:
        """The value as it is to be kept."""
        content = canonical_bytes(value)
        sha256 = hashlib.sha256(content).hexdigest()
        match self.form:
            case PayloadForm.PLAIN:
                return Payload(subject, part, self.form, sha256, at, content)
            case PayloadForm.ENCRYPTED if self._vault is not None:
                packed = zlib.compress(content, 1) if len(content) > _WORTH_DEFLATING else content
                ciphertext, key_id = self._vault.seal(packed, binding=_binding(subject, part))
                return Payload(subject, part, self.form, sha256, at, ciphertext, key_id)
            case _:
                return Payload(subject, part, PayloadForm.HASHED, sha256, at)

    def opened(self, payload: Payload) -> dict[str, Any] | Gone:
        """The value, or why there is none. What does not open, or is not what was hashed, is logged and counted."""
        text = self.text(payload)
        if isinstance(text, Gone):
            return text
        value: dict[str, Any] = json.loads(text)
        return value

    def text(self, payload: Payload) -> str | Gone:
        """The same as the text that was hashed."""
        match payload.form:
            case PayloadForm.HASHED:
                return Gone.HASHED
            case PayloadForm.ERASED:
                return Gone.ERASED
            case _:
                content = self._content(payload)
        if content is None or hashlib.sha256(content).hexdigest() != payload.sha256:
            self.unreadable += 1
            log.error(
                "a payload cannot be read",
                extra={"subject": payload.subject, "part": payload.part.value, "encryption_key_id": payload.key_id},
            )
            return Gone.UNREADABLE
        return content.decode()

    def answer(self, bare: dict[str, Any], payload: Payload | None) -> dict[str, Any]:
        """An answer whole again, or as it stands without its words, with `payload` saying why.

        One without a payload was stored whole.
        """
        if payload is None:
            return bare
        whole = self.opened(payload)
        return bare | {"payload": whole.value} if isinstance(whole, Gone) else restored(bare, whole)

    def _content(self, payload: Payload) -> bytes | None:
        content = payload.content
        if payload.form is PayloadForm.ENCRYPTED and content is not None:
            binding = _binding(payload.subject, payload.part)
            content = None if self._vault is None else self._vault.unseal(content, binding=binding)
        if content and content[0] == _DEFLATED:
            try:
                return zlib.decompress(content)
            except zlib.error:
                return None
        return content


def canonical_bytes(value: object) -> bytes:
    """The canonical JSON of a payload, as the module says. Raises nothing for what JSON can carry at all."""
    try:
        return canonical(value)
    except Unencodable:
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _binding(subject: str, part: Part) -> str:
    return f"payload|{subject}|{part.value}"
