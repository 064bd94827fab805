"""Which scope each operation wants: one row per method and route, and nothing without a row is served."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from app.domain.caller import Caller, Scope
from app.domain.errors import NotPermitted


class Open(Enum):
    """Operations that want no key: for everybody, or for a peer on this machine (else `read`)."""

    EVERYBODY = "everybody"
    LOOPBACK = "loopback"


Row = Scope | Open

ACCESS: Final[Mapping[tuple[str, str], Row]] = {
    ("POST", "/v1/chat/completions"): Scope.CHAT,
    ("POST", "/v1/responses"): Scope.CHAT,
    ("POST", "/v1/embeddings"): Scope.CHAT,
    ("POST", "/v1/messages"): Scope.CHAT,
    ("POST", "/v1/messages/count_tokens"): Scope.CHAT,
    ("GET", "/v1/models"): Scope.CHAT,
    ("GET", "/v1/models/{model_id:path}"): Scope.CHAT,
    ("POST", "/chat"): Scope.CHAT,
    ("POST", "/prompts/render"): Scope.CHAT,
    ("POST", "/decisions"): Scope.DECISIONS,
    ("POST", "/risk-assessments"): Scope.DECISIONS,
    ("GET", "/decisions"): Scope.DECISIONS,
    ("GET", "/decisions/{decision_id}"): Scope.DECISIONS,
    ("GET", "/decisions/{decision_id}/dossier"): Scope.DECISIONS,
    ("DELETE", "/decisions/{decision_id}/payload"): Scope.ADMIN,
    ("POST", "/decisions/{decision_id}/outcome"): Scope.DECISIONS,
    ("POST", "/prices"): Scope.ADMIN,
    ("GET", "/providers"): Scope.READ,
    ("GET", "/providers/health"): Scope.READ,
    ("GET", "/providers/health/export"): Scope.READ,
    ("GET", "/providers/{name}/health/history"): Scope.READ,
    ("POST", "/providers/{name}/test"): Scope.ADMIN,
    ("POST", "/providers/{name}/circuit/reset"): Scope.ADMIN,
    ("POST", "/routing/explain"): Scope.READ,
    ("GET", "/routing/strategy"): Scope.READ,
    ("PUT", "/routing/strategy"): Scope.ADMIN,
    ("GET", "/routing/stats"): Scope.READ,
    ("GET", "/api/llm-providers"): Scope.READ,
    ("GET", "/agents"): Scope.READ,
    ("POST", "/agents"): Scope.ADMIN,
    ("GET", "/agents/{agent_id}"): Scope.READ,
    ("PATCH", "/agents/{agent_id}"): Scope.ADMIN,
    ("DELETE", "/agents/{agent_id}"): Scope.ADMIN,
    ("GET", "/agents/{agent_id}/llm-config"): Scope.READ,
    ("PUT", "/agents/{agent_id}/llm-config"): Scope.ADMIN,
    ("POST", "/agents/{agent_id}/llm-config"): Scope.ADMIN,
    ("POST", "/agents/{agent_id}/llm-config/validate"): Scope.ADMIN,
    ("PATCH", "/agents/{agent_id}/llm-config/{config_id}"): Scope.ADMIN,
    ("DELETE", "/agents/{agent_id}/llm-config/{config_id}"): Scope.ADMIN,
    ("GET", "/tools"): Scope.READ,
    ("POST", "/tools"): Scope.ADMIN,
    ("GET", "/tools/{name}"): Scope.READ,
    ("DELETE", "/tools/{name}"): Scope.ADMIN,
    ("GET", "/tools/{name}/calls"): Scope.READ,
    ("GET", "/leaderboard"): Scope.READ,
    ("GET", "/calibration"): Scope.READ,
    ("POST", "/experiments"): Scope.ADMIN,
    ("GET", "/experiments"): Scope.READ,
    ("GET", "/experiments/{experiment_id}"): Scope.READ,
    ("POST", "/experiments/{experiment_id}/stop"): Scope.ADMIN,
    ("DELETE", "/experiments/{experiment_id}"): Scope.ADMIN,
    ("GET", "/usage"): Scope.READ,
    ("GET", "/usage/summary"): Scope.READ,
    ("GET", "/usage/projection"): Scope.READ,
    ("GET", "/usage/export"): Scope.READ,
    ("GET", "/budgets"): Scope.READ,
    ("GET", "/budgets/{scope}"): Scope.READ,
    ("PUT", "/budgets/{scope}"): Scope.ADMIN,
    ("DELETE", "/budgets/{scope}"): Scope.ADMIN,
    ("POST", "/admin/reload"): Scope.ADMIN,
    ("POST", "/admin/kill"): Scope.ADMIN,
    ("POST", "/admin/resume"): Scope.ADMIN,
    ("GET", "/admin/kill"): Scope.READ,
    ("GET", "/audit/verify"): Scope.READ,
    ("GET", "/audit/checkpoints"): Scope.READ,
    ("GET", "/audit/changes"): Scope.READ,
    ("GET", "/audit/{decision_id}/bundle"): Scope.READ,
    ("GET", "/metrics"): Open.LOOPBACK,
    ("GET", "/health/live"): Open.EVERYBODY,
    ("GET", "/health/ready"): Open.EVERYBODY,
    ("GET", "/openapi.json"): Scope.READ,
}


def check_scope(caller: Caller, method: str, route: str) -> None:
    """Whether this caller may do this. Raises NotPermitted, also for an operation without a row."""
    row = ACCESS.get((method, route))
    if row is Open.EVERYBODY:
        return
    if row is Open.LOOPBACK:
        # Whoever is here without a key was let in as a loopback peer, and is the local caller, who may read.
        row = Scope.READ
    if row is None or not caller.may(row):
        wanted = "a permission nobody has" if row is None else f"the scope {row}"
        raise NotPermitted(f"{method} {route} wants {wanted}, which this key does not have")
