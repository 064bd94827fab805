"""A place on a panel: whom it belongs to, and when and what for he is asked."""

from __future__ import annotations

from app.domain.decision import Role, Vote, VoteStatus
from app.domain.frozen import frozen


@frozen
class Seat:
    """A member's number in the panel, the model name it is asked by, and the stage in which it is asked.

    `config_id` is the configuration of the asking agent that speaks for it, None for the agent's best match.
    """

    number: int
    name: str
    config_id: int | None = None
    stage: int = 1
    role: Role = Role.MEMBER

    @property
    def is_officer(self) -> bool:
        """Whether it may object to what the members vote, and does not vote itself."""
        return self.role is Role.RISK_OFFICER

    @property
    def provider(self) -> str:
        """The provider's name as far as the model name tells it, "" for names that are routed (`auto`)."""
        return self.name.partition("/")[0] if "/" in self.name else ""

    @property
    def model(self) -> str:
        """The model's name without its provider."""
        return self.name.partition("/")[2] or self.name


def absent(seat: Seat, status: VoteStatus, reason: str | None) -> Vote:
    """The abstention of a member that gave no answer."""
    return Vote(
        provider=seat.provider, model=seat.model, status=status, reason=reason, stage=seat.stage, role=seat.role
    )
