"""Stored keys: found nowhere in plain, refused in another row, readable through a rotation."""

from __future__ import annotations

import base64
from pathlib import Path

import anyio
import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.agent import AgentConfig
from app.domain.errors import StorageUnavailable
from app.storage.agents import SqlAgentRepository
from app.storage.database import Database
from app.storage.errors import Undecryptable, WrongEncryptionKey
from app.storage.vault import Vault, key_id_of

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))
MARKER = "sk-marker-9d1c2b7e55aa4f2a"


def _vault(*keys: str) -> Vault:
    return Vault([SecretStr(key) for key in keys])


async def _agent_with_key(database: Database, vault: Vault, name: str = "desk") -> AgentConfig:
    repository = SqlAgentRepository(database, vault)
    agent = await repository.create(name, None, {})
    config = AgentConfig(
        0, agent.id, "alpha", "alpha-1", api_key=SecretStr(MARKER), api_key_hint="sk-…4f2a", key_origin="https://a.test"
    )
    return await repository.save_config(config)


async def _dump(database: Database) -> str:
    async def everything(session: AsyncSession) -> list[str]:
        tables = ("agents", "agent_llm_configs", "vault_canaries")
        return [repr((await session.execute(text(f"SELECT * FROM {table}"))).all()) for table in tables]

    return "".join(await database.read(everything))


def _bytes_of(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.glob("outcry.db*"))


def test_what_was_encrypted_is_decrypted_for_the_same_binding() -> None:
    vault = _vault(NEW)

    ciphertext, key_id = vault.encrypt(SecretStr(MARKER), binding="7|alpha|https://a.test")

    assert vault.decrypt(ciphertext, binding="7|alpha|https://a.test").get_secret_value() == MARKER
    assert key_id == key_id_of(NEW.encode())


def test_a_ciphertext_for_another_binding_is_refused() -> None:
    vault = _vault(NEW)
    ciphertext, _ = vault.encrypt(SecretStr(MARKER), binding="7|alpha|https://a.test")

    with pytest.raises(Undecryptable):
        vault.decrypt(ciphertext, binding="8|alpha|https://a.test")


def test_the_first_key_encrypts_and_all_decrypt() -> None:
    under_old, _ = _vault(OLD).encrypt(SecretStr(MARKER), binding="b")
    both = _vault(NEW, OLD)
    under_new, key_id = both.encrypt(SecretStr(MARKER), binding="b")

    assert key_id == key_id_of(NEW.encode())
    assert both.decrypt(under_old, binding="b") == both.decrypt(under_new, binding="b") == SecretStr(MARKER)


def test_a_vault_without_keys_stores_nothing_and_says_why() -> None:
    vault = _vault()

    assert not vault.has_keys
    with pytest.raises(StorageUnavailable, match="ENCRYPTION_KEYS"):
        vault.encrypt(SecretStr(MARKER), binding="b")


@pytest.mark.parametrize(
    "key",
    [
        "",
        "your_encryption_key",
        "ключ",
        "changeme" * 5 + "abc=",
        base64.urlsafe_b64encode(bytes(32)).decode(),
        base64.urlsafe_b64encode(bytes(range(32))).decode(),
        base64.urlsafe_b64encode(b"a secret that a person has typed").decode(),
        base64.urlsafe_b64encode(b"\x01\xfe\x77\x30" * 8).decode(),
        base64.urlsafe_b64encode(b"\x01\xfe\x77\x30" * 4).decode(),
    ],
)
def test_short_malformed_and_placeholder_keys_are_refused_without_their_bytes(key: str) -> None:
    with pytest.raises(ValueError, match="encryption key number 2") as raised:
        _vault(NEW, key)

    assert not key or key not in str(raised.value)


def test_a_vault_shows_no_key() -> None:
    assert NEW not in repr(_vault(NEW))


async def test_a_stored_key_is_nowhere_in_the_database_in_plain(database: Database, tmp_path: Path) -> None:
    await _agent_with_key(database, _vault(NEW))

    seen = (await _dump(database)).encode() + await anyio.to_thread.run_sync(_bytes_of, tmp_path)

    assert b"sk-\xe2\x80\xa64f2a" in seen  # the hint: this is what a key leaves
    for form in (MARKER.encode(), base64.b64encode(MARKER.encode()), MARKER.encode().hex().encode()):
        assert form not in seen


async def test_a_ciphertext_moved_to_another_agents_row_is_red_there_and_fine_here(database: Database) -> None:
    vault = _vault(NEW)
    mine, theirs = await _agent_with_key(database, vault), await _agent_with_key(database, vault, "thief")

    async def move(session: AsyncSession) -> None:
        copy = text(
            "UPDATE agent_llm_configs SET api_key_encrypted ="
            " (SELECT api_key_encrypted FROM agent_llm_configs WHERE id = :mine) WHERE id = :theirs"
        )
        await session.execute(copy, {"mine": mine.id, "theirs": theirs.id})

    await database.write(move)

    _, _, configs = await SqlAgentRepository(database, vault).everything()
    assert [(c.undecryptable, c.api_key) for c in configs] == [(False, SecretStr(MARKER)), (True, None)]


async def test_keys_of_before_and_after_a_rotation_are_both_read(database: Database) -> None:
    await _agent_with_key(database, _vault(OLD))
    await _agent_with_key(database, _vault(NEW, OLD), "second")

    _, _, configs = await SqlAgentRepository(database, _vault(NEW, OLD)).everything()

    assert [c.api_key for c in configs] == [SecretStr(MARKER)] * 2


async def test_a_start_with_the_wrong_key_names_the_wanted_one(database: Database) -> None:
    await _vault(OLD).verify_canary(database)

    with pytest.raises(WrongEncryptionKey) as raised:
        await _vault(OTHER).verify_canary(database)

    assert raised.value.key_id == key_id_of(OLD.encode())
    assert OLD not in str(raised.value)
    assert OTHER not in str(raised.value)


async def test_a_rotated_in_key_becomes_the_wanted_one(database: Database) -> None:
    await _vault(OLD).verify_canary(database)
    await _vault(NEW, OLD).verify_canary(database)
    await _vault(NEW).verify_canary(database)

    with pytest.raises(WrongEncryptionKey) as raised:
        await _vault(OLD).verify_canary(database)

    assert raised.value.key_id == key_id_of(NEW.encode())


async def test_a_key_that_comes_back_first_is_the_wanted_one_again(database: Database) -> None:
    for keys in ((OLD,), (NEW, OLD), (OLD, NEW)):
        await _vault(*keys).verify_canary(database)

    await _vault(OLD).verify_canary(database)


async def test_no_key_is_fine_while_nothing_is_stored_under_one(database: Database) -> None:
    await _vault().verify_canary(database)
    await _vault(NEW).verify_canary(database)

    await _vault().verify_canary(database)


async def test_no_key_is_wrong_once_something_is_stored(database: Database) -> None:
    await _vault(NEW).verify_canary(database)
    await _agent_with_key(database, _vault(NEW))

    with pytest.raises(WrongEncryptionKey):
        await _vault().verify_canary(database)
