"""The vault: provider keys under Fernet, each bound to the row that it was stored for."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr
from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.domain.errors import StorageUnavailable
from app.storage.database import Database
from app.storage.errors import Undecryptable, WrongEncryptionKey
from app.storage.tables import AgentLLMConfigRow, PayloadRow, ToolRow, VaultCanaryRow

_CANARY: Final = SecretStr("outcry canary")
_CANARY_BINDING: Final = "canary"
# 32 random bytes have about 30 different values; fewer than 16 never happen by chance.
_LEAST_DISTINCT_BYTES: Final = 16


class Vault:
    """Encrypts with the first key, decrypts with all. Without keys it can do neither."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        """Take keys, newest first: each 32 random bytes in urlsafe base64. Raises ValueError naming the position."""
        checked = [_checked(key, position) for position, key in enumerate(keys, start=1)]
        self._ids = [key_id_of(key) for key in checked]
        self._fernet = MultiFernet([Fernet(key) for key in checked]) if checked else None

    def __repr__(self) -> str:
        return f"Vault({', '.join(self._ids)})"

    @property
    def has_keys(self) -> bool:
        """Whether keys can be stored at all."""
        return self._fernet is not None

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The public names of the keys, newest first."""
        return tuple(self._ids)

    def encrypt(self, plaintext: SecretStr, *, binding: str) -> tuple[str, str]:
        """The ciphertext, and the id of the key it is under. Raises StorageUnavailable when there is no key."""
        if self._fernet is None:
            raise StorageUnavailable("a key can only be stored when ENCRYPTION_KEYS is set", retry_after=None)
        bound = orjson.dumps([binding, plaintext.get_secret_value()])
        return self._fernet.encrypt(bound).decode("ascii"), self._ids[0]

    def decrypt(self, ciphertext: str, *, binding: str) -> SecretStr:
        """What was encrypted for this binding; raises Undecryptable for any other, and without the right key."""
        if self._fernet is None:
            raise Undecryptable("no encryption key is configured")
        try:
            found, secret = orjson.loads(self._fernet.decrypt(ciphertext.encode("utf-8")))
        except (InvalidToken, ValueError):
            # No `from`: the parser's error would show what it was given.
            raise Undecryptable("no configured encryption key opens this row") from None
        if found != binding:
            raise Undecryptable("this ciphertext was made for another row")
        return SecretStr(secret)

    def seal(self, content: bytes, *, binding: str) -> tuple[bytes, str]:
        """The same for bytes of any length."""
        if self._fernet is None:
            raise StorageUnavailable("content can only be encrypted when ENCRYPTION_KEYS is set", retry_after=None)
        return self._fernet.encrypt(b"\0".join([binding.encode(), content])), self._ids[0]

    def unseal(self, content: bytes, *, binding: str) -> bytes | None:
        """What was sealed for this binding; None for any other, and without the right key."""
        if self._fernet is None:
            return None
        try:
            found, _, plain = self._fernet.decrypt(content).partition(b"\0")
        except InvalidToken:
            return None
        return plain if found == binding.encode() else None

    async def verify_canary(self, database: Database) -> None:
        """Return when the newest stored canary opens; the first start with a new first key plants one.

        Raises WrongEncryptionKey with the id of the key that is wanted.
        """
        canary, needed = await database.read(_newest_canary)
        if canary is not None and (self.has_keys or needed):
            try:
                self.decrypt(canary.ciphertext, binding=_CANARY_BINDING)
            except Undecryptable:
                raise WrongEncryptionKey(canary.key_id) from None
        if self.has_keys and (canary is None or canary.key_id != self._ids[0]):
            await database.write(self._plant)

    async def _plant(self, session: AsyncSession) -> None:
        ciphertext, key_id = self.encrypt(_CANARY, binding=_CANARY_BINDING)
        # A key that comes back as the first one is the newest again.
        known = (await session.scalars(select(VaultCanaryRow).where(col(VaultCanaryRow.key_id) == key_id))).first()
        row = known or VaultCanaryRow(key_id=key_id, ciphertext=ciphertext, created_at=datetime.now(UTC))
        row.ciphertext, row.created_at = ciphertext, datetime.now(UTC)
        session.add(row)


def key_id_of(key: bytes) -> str:
    """The public name of a Fernet key: the first 8 hex digits of the SHA-256 of its text."""
    return hashlib.sha256(key).hexdigest()[:8]


def binding_of(agent_id: int, provider: str, origin: str | None) -> str:
    """What a stored key belongs to: a ciphertext moved to another agent, provider or origin does not open."""
    return f"{agent_id}|{provider}|{origin or ''}"


def tool_binding(name: str, origin: str) -> str:
    """The same for the headers of a tool."""
    return f"tool|{name}|{origin}"


def _checked(key: SecretStr, position: int) -> bytes:
    """A key in its canonical spelling; a weak or malformed one raises ValueError without any of its bytes."""
    which = f"encryption key number {position}"
    try:
        raw = base64.b64decode(key.get_secret_value().strip().encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError(f"{which} is not urlsafe base64: make one with `outcry keys generate`") from None
    if len(raw) != 32:
        raise ValueError(f"{which} has {len(raw)} bytes, not 32")
    steps = {(after - before) % 256 for before, after in pairwise(raw)}
    if len(set(raw)) < _LEAST_DISTINCT_BYTES or len(steps) == 1 or all(32 <= byte < 127 for byte in raw):
        raise ValueError(f"{which} is a placeholder, not 32 random bytes")
    return base64.urlsafe_b64encode(raw)


async def _newest_canary(session: AsyncSession) -> tuple[VaultCanaryRow | None, bool]:
    """The newest canary, and whether any row holds a ciphertext that would need its key."""
    order = col(VaultCanaryRow.created_at).desc(), col(VaultCanaryRow.id).desc()
    canary = (await session.scalars(select(VaultCanaryRow).order_by(*order).limit(1))).first()
    # A key that is still in use for payloads is wanted as much as one for keys.
    ciphertexts = col(AgentLLMConfigRow.api_key_encrypted), col(ToolRow.headers_encrypted), col(PayloadRow.key_id)
    stored = [await session.scalar(select(exists().where(one.is_not(None)))) for one in ciphertexts]
    return canary, any(stored)
