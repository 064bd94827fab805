"""The votes of one decision, looked at together: what the panel said, and would have said without one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.domain.decision import Action, VoteStatus
from app.domain.outcome import Measured, ScoredVote

VALID: Final = frozenset({VoteStatus.OK, VoteStatus.REPAIRED})
UNFINISHED: Final = frozenset({VoteStatus.CANCELLED, VoteStatus.PENDING})
"""Who was not let finish: no answer of theirs is known, and none of it is their doing."""
_EQUAL: Final = 1e-9


class PanelVotes:
    """The votes of one decision, of which there is at least one.

    The plurality is recounted from the weights on record; a tie is HOLD. Shadows and others who weighed nothing are
    not counted; where no vote has a weight, heads are.
    """

    def __init__(self, votes: Sequence[ScoredVote]) -> None:
        self.votes = votes
        self._first = votes[0]
        self._forward_return = next((v.forward_return for v in votes if v.forward_return is not None), None)
        self._threshold = next((v.threshold for v in votes if v.threshold is not None), None)
        valid = [v for v in votes if v.vote.status in VALID and v.vote.action is not None and not v.vote.is_shadow]
        has_weights = any(v.vote.weight is not None for v in valid)
        self._weights = {v.vote.number: (v.vote.weight or 0.0) if has_weights else 1.0 for v in valid}
        self._actions = {v.vote.number: v.vote.action for v in valid}

    @property
    def action(self) -> Action | None:
        """What the panel decided; None where its HOLD is the gateway's own, for want of a result."""
        is_backed = self._first.consensus in self._actions.values()
        return self._first.consensus if is_backed and (self._is_action or self._leader() is Action.HOLD) else None

    @property
    def agreement(self) -> float:
        """The share of the weight that says what was decided."""
        total = sum(self._weights.values())
        said = sum(weight for number, weight in self._weights.items() if self._actions[number] is self._first.consensus)
        return min(said / total, 1.0) if total else 0.0

    @property
    def forward_return(self) -> float | None:
        """What the market did, as a fraction of the entry price; None before it spoke."""
        return self._forward_return

    @property
    def correct(self) -> bool | None:
        """Whether the panel was right; None before the market spoke, and where the panel said nothing."""
        return None if self.action is None else self._is_right(self.action)

    def value_added(self, number: int) -> tuple[bool, bool] | None:
        """Whether the recount is right with this member, and without it.

        None where that cannot be said: no grade, a member who weighed nothing, or nobody else who did.
        """
        others = [other for other, weight in self._weights.items() if other != number and weight > 0]
        if not self._weights.get(number) or not others:
            return None
        with_it, without = self._is_right(self._recounted()), self._is_right(self._recounted(number))
        return None if with_it is None or without is None else (with_it, without)

    @property
    def _is_action(self) -> bool:
        return self._first.consensus is not Action.HOLD

    def _recounted(self, without: int | None = None) -> Action:
        return self._leader(without) or Action.HOLD

    def _leader(self, without: int | None = None) -> Action | None:
        """Who has the most weight; None in a tie."""
        sums = dict.fromkeys(Action, 0.0)
        for number, weight in self._weights.items():
            if number != without and (action := self._actions[number]) is not None:
                sums[action] += weight
        first, second, *_ = sorted(sums, key=lambda action: -sums[action])
        return first if sums[first] - sums[second] > _EQUAL else None

    def _is_right(self, action: Action) -> bool | None:
        moved, threshold = self._forward_return, self._threshold
        return None if moved is None or threshold is None else Measured(moved, threshold).is_right(action)
