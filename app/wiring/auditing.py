"""The watch over the record, with the keys that sign its checkpoints."""

from __future__ import annotations

from app.ledger.auditor import Auditor, AuditRules
from app.ledger.checkpoints import Signer
from app.storage.audit import SqlAuditRepository
from app.storage.checking import checked_elsewhere
from app.storage.checkpoints import SqlCheckpointRepository
from app.wiring.ground import Ground


def auditor(ground: Ground) -> Auditor:
    """The one of this process."""
    settings, database, clock = ground.settings, ground.database, ground.clock
    signers = [Signer.of(key) for key in settings.signing_key]
    trusted = frozenset(signer.public_key for signer in signers)
    return Auditor(
        SqlCheckpointRepository(database),
        SqlAuditRepository(database),
        lambda: checked_elsewhere(settings.database_url, trusted),
        appended=lambda: database.chain.appended,
        signer=signers[0] if signers else None,
        now=clock.now,
        wall=clock.wall,
        rules=AuditRules(**settings.audit.model_dump()),
    )
