"""The watch over the record, with the keys that sign its checkpoints, and over what the gateway runs with."""

from __future__ import annotations

from typing import Any

from app.decisions.prompts.versions import template_fields
from app.ledger.auditor import Auditor, AuditRules
from app.ledger.checkpoints import Signer
from app.ledger.inventory import Inventory, provider_fields
from app.services import GatewayKey
from app.storage.audit import SqlAuditRepository
from app.storage.changes import SqlChangeRepository
from app.storage.checking import checked_elsewhere
from app.storage.checkpoints import SqlCheckpointRepository
from app.storage.vault import Vault
from app.wiring.ground import Ground


def inventory(ground: Ground) -> Inventory:
    """What this process runs with, and nobody changes through it."""
    settings, pool = ground.settings, ground.pool
    gateway_keys = [GatewayKey.of(key.key, key.scopes).caller for key in settings.api_keys]
    encryption = Vault(settings.encryption_keys).key_ids
    kept: dict[str, dict[str, Any]] = {
        "configuration:templates": template_fields(),
        "configuration:gateway_keys": {one.key_id: sorted(one.scopes) for one in gateway_keys},
        # The first one encrypts from now on, the others open what is there.
        "configuration:encryption_keys": {key: "first" if key == encryption[0] else "known" for key in encryption},
        "configuration:signing_keys": {
            Signer.of(key).public_key: "known" if number else "first" for number, key in enumerate(settings.signing_key)
        },
    }
    return Inventory(
        SqlChangeRepository(ground.database),
        lambda: {"configuration:providers": provider_fields(pool.stated), **kept},
    )


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
