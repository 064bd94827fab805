"""What keeps the record of decisions: how what was said is sealed, where it goes, when it is erased, who made it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from app import __version__
from app.decisions.dossier import MadeBy
from app.decisions.filing import Retention
from app.domain.errors import StorageUnavailable
from app.domain.payload import PayloadForm
from app.ledger.sealing import Sealer
from app.settings import Settings
from app.storage.payloads import SqlPayloadRepository
from app.storage.vault import Vault
from app.wiring.ground import Ground

log = logging.getLogger(__name__)

_EVERY: Final = 600.0


@dataclass(frozen=True, slots=True)
class Recording:
    """One of each; `retain` is the job that erases by age."""

    sealer: Sealer
    payloads: SqlPayloadRepository
    made_by: MadeBy
    retention: Retention

    async def retain(self) -> None:
        """Erase what is too old, every ten minutes, until cancelled."""
        while True:
            try:
                if count := await self.retention.apply():
                    log.info("contents of payloads are erased by age", extra={"count": count})
            except StorageUnavailable as error:
                log.warning("payloads wait to be erased", extra={"reason": error.message})
            await anyio.sleep(_EVERY)


def recording(ground: Ground, revisions: Callable[[], Mapping[str, int]]) -> Recording:
    """What these settings say about the record."""
    payloads = SqlPayloadRepository(ground.database)
    return Recording(
        Sealer(form_of(ground.settings), Vault(ground.settings.encryption_keys)),
        payloads,
        MadeBy(__version__, build_id(), revisions),
        Retention(payloads, ground.settings.record.retention_days, ground.clock.wall),
    )


def form_of(settings: Settings) -> PayloadForm:
    """The form of payloads: what is stated, else encrypted as soon as there is a key."""
    if settings.record.payloads is not None:
        return PayloadForm(settings.record.payloads)
    return PayloadForm.ENCRYPTED if settings.encryption_keys else PayloadForm.PLAIN


def build_id() -> str:
    """The first 16 hex digits of the SHA-256 over the names and contents of our modules: which code this is."""
    root, code = Path(__file__).resolve().parents[1], hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        content = path.read_bytes()
        code.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        code.update(content)
    return code.hexdigest()[:16]
