"""What those who agree say together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.decisions.agreement import agreement, combined
from app.domain.decision import Action, Entry, Opinion, Size, Vote, VoteStatus


def test_agreement_is_of_valid_votes_by_their_weight() -> None:
    def vote(action: Action, status: VoteStatus = VoteStatus.OK) -> Vote:
        return Vote("p", "m", status, opinion=Opinion(action, "X"))

    cast = [vote(Action.BUY), vote(Action.BUY), vote(Action.SELL), vote(Action.SELL, VoteStatus.INVALID)]
    weighed = [replace(one, weight=weight) for one, weight in zip(cast, (0.5, 0.1, 0.2, 0.9), strict=True)]

    assert agreement(cast, Action.BUY) == pytest.approx(2 / 3)
    assert agreement(weighed, Action.BUY) == pytest.approx(0.6 / 0.8)
    assert agreement([], Action.BUY) == 0


def test_prices_are_medians_the_size_is_the_smallest_and_units_do_not_mix() -> None:
    def opinion(stop: float, targets: tuple[float, ...], size: Size) -> Opinion:
        return Opinion(Action.SELL, "X", entry=Entry("limit", stop - 1), stop_loss=stop, take_profit=targets, size=size)

    three = [
        opinion(100, (90.0, 80.0), Size("quantity", 3)),
        opinion(102, (88.0, 70.0), Size("quantity", 1)),
        opinion(110, (60.0,), Size("quantity", 2)),
    ]
    whole, warnings = combined(three, "X", Action.SELL, "r")
    assert (whole.stop_loss, whole.take_profit, whole.size) == (102, (88.0, 75.0), Size("quantity", 1))
    assert whole.entry == Entry("limit", 101)
    assert warnings == []

    mixed, warnings = combined([three[0], opinion(100, (), Size("notional", 1))], "X", Action.SELL, "r")
    assert mixed.size is None
    assert warnings == ["sizes_in_different_units: no common size"]
