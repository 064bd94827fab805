"""Checkpoints: how far chains went, signed, since a chain alone cannot show that its end was cut off.

    body       canonical JSON of {at, heads, number, prev}: `heads` are the {chain, hash, seq} of every chain that has
               grown since the checkpoint before, `prev` is that one's hash, 64 zeros before the first
    hash       SHA-256 of the body
    signature  Ed25519 (RFC 8032) over the body, 128 hex digits; without a key a checkpoint has none

Chains that have not grown are in an older one, which `prev` holds fast: so checkpoints stay small, whatever was before.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final, Self

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr

from app.domain.audit import GONE, Checkpoint, Head
from app.text.canonical import canonical

_LEAST_DISTINCT_BYTES: Final = 16


class Signer:
    """Signs checkpoints. Its public key and that key's short name are for everybody."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
        self.key_id = key_id_of(self.public_key)

    def __repr__(self) -> str:
        return f"Signer({self.key_id})"

    @classmethod
    def of(cls, key: SecretStr) -> Self:
        """The signer of 32 random bytes in urlsafe base64. Raises ValueError, never with a byte of it."""
        try:
            raw = base64.b64decode(key.get_secret_value().strip().encode("ascii"), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError):
            raise ValueError("expected urlsafe base64") from None
        if len(raw) != 32:
            raise ValueError(f"expected 32 bytes, got {len(raw)}")
        if len(set(raw)) < _LEAST_DISTINCT_BYTES:
            raise ValueError("expected 32 random bytes, not a placeholder")
        return cls(Ed25519PrivateKey.from_private_bytes(raw))

    def sign(self, body: str) -> str:
        """The signature over a body."""
        return self._key.sign(body.encode()).hex()


def drawn_up(heads: Sequence[Head], before: Checkpoint | None, at: str, signer: Signer | None) -> Checkpoint:
    """The checkpoint after `before`, None for the first, over these heads."""
    number, prev = (1, GONE) if before is None else (before.number + 1, before.hash)
    body = canonical({"at": at, "heads": [asdict(head) for head in heads], "number": number, "prev": prev}).decode()
    digest = hashlib.sha256(body.encode()).hexdigest()
    if signer is None:
        return Checkpoint(number, at, body, digest)
    return Checkpoint(number, at, body, digest, signer.key_id, signer.public_key, signer.sign(body))


def complaint(found: Checkpoint, before: Checkpoint | None, trusted: frozenset[str]) -> str | None:
    """What is wrong with a checkpoint that comes after `before`; None when nothing is.

    `trusted` are public keys. Without any, a signature is checked by the key that is stored beside it.
    """
    number, prev = (1, GONE) if before is None else (before.number + 1, before.hash)
    if found.number != number:
        return f"comes where checkpoint {number} is missing"
    text: object = found.body
    if not isinstance(text, str):
        return "the checkpoint is not one"
    if hashlib.sha256(found.body.encode("utf-8", "surrogateescape")).hexdigest() != found.hash:
        return "the checkpoint was changed: its hash does not fit"
    try:
        body = orjson.loads(found.body)
        is_next = (body["number"], body["prev"], body["at"]) == (number, prev, found.at)
        heads_of(found)
    except (ValueError, KeyError, TypeError):
        return "the checkpoint is not one"
    if not is_next:
        return "the checkpoint does not follow the one before it"
    return _about_signature(found, before, trusted)


def heads_of(checkpoint: Checkpoint) -> list[Head]:
    """How far the chains went. Raises ValueError for what is no checkpoint."""
    try:
        heads = orjson.loads(checkpoint.body)["heads"]
        return [Head(str(head["chain"]), int(head["seq"]), head["hash"]) for head in heads]
    except (KeyError, TypeError) as error:
        raise ValueError("not a checkpoint") from error


def key_id_of(public_key: str) -> str:
    """The short name of a public key: the first 8 hex digits of its SHA-256."""
    return hashlib.sha256(bytes.fromhex(public_key)).hexdigest()[:8]


def _about_signature(found: Checkpoint, before: Checkpoint | None, trusted: frozenset[str]) -> str | None:
    if found.signature is None or found.public_key is None or found.key_id is None:
        if (found.signature, found.public_key, found.key_id) != (None, None, None):
            return "a part of the signature is missing"
        # Who can write to the database can take signatures away, and must not get rid of them in that way.
        was_signed = before is not None and before.signature is not None
        return "the checkpoint is not signed, and the one before it is" if was_signed else None
    try:
        public_key = bytes.fromhex(found.public_key)
        if found.public_key != public_key.hex() or key_id_of(found.public_key) != found.key_id:
            return "the checkpoint names another key than it shows"
        Ed25519PublicKey.from_public_bytes(public_key).verify(bytes.fromhex(found.signature), found.body.encode())
    except (InvalidSignature, ValueError, TypeError):
        return "the signature is not of this checkpoint"
    if found.signature != bytes.fromhex(found.signature).hex():
        return "the signature is not spelt as it was"
    if trusted and found.public_key not in trusted:
        return f"the checkpoint is signed by {found.key_id}, which is not among the keys that are trusted"
    return None
