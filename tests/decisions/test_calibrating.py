"""What claims are worth goes out beside them; what is not known is said to be unknown."""

from __future__ import annotations

import time

from app.decisions.service import DecisionEvent, DecisionService, VoteEvent
from app.decisions.wire import rendered
from app.domain.grades import Calibrated
from app.domain.target import Target
from tests.decisions.fakes import NOON, Panels, Scripted, Shelf, question, service, vote_text


class Known:
    """Claims of `a` came true at three fifths of what was claimed, agreements of panels at one half."""

    def of_vote(self, target: Target, claimed: float | None) -> Calibrated:
        if target.provider != "a" or claimed is None:
            return Calibrated(None, 3, "shrunk", "uncalibrated")
        return Calibrated(round(claimed * 0.6, 4), 250, "isotonic", None)

    def of_panel(self, method: str, agreement: float) -> Calibrated:
        return Calibrated(agreement / 2, 40, "platt", None)


def calibrating(gateway: Scripted) -> DecisionService:
    panels = Panels(["a/1", "b/1", "c/1"])
    return DecisionService(gateway, panels, Shelf(), now=time.monotonic, wall=lambda: NOON, confidences=Known())


BUY = vote_text("BUY", confidence=0.9)
VOTES = {"a/1": BUY, "b/1": BUY, "c/1": vote_text(None)}


async def test_each_vote_says_what_its_claim_is_worth_and_from_how_many() -> None:
    votes = rendered(await calibrating(Scripted(VOTES)).decide(question(settle="all")))["votes"]

    assert [vote["confidence"] for vote in votes] == [0.9, 0.9, None]
    assert [vote["calibrated_confidence"] for vote in votes] == [0.54, None, None]
    assert [vote["calibration"] for vote in votes] == [
        {"n": 250, "method": "isotonic", "note": None},
        {"n": 3, "method": "shrunk", "note": "uncalibrated"},
        None,
    ]


async def test_the_panels_confidence_is_its_calibrated_agreement() -> None:
    answer = rendered(await calibrating(Scripted(VOTES)).decide(question(settle="all")))

    assert (answer["consensus"]["agreement"], answer["confidence"]) == (1.0, 0.5)
    assert answer["consensus"]["calibration"] == {"n": 40, "method": "platt", "note": None}


async def test_without_grades_the_confidence_is_the_agreement_and_says_so() -> None:
    answer = rendered(await service(Scripted(VOTES)).decide(question(settle="all")))

    assert answer["confidence"] == answer["consensus"]["agreement"] == 1.0
    assert answer["consensus"]["calibration"] == {"n": 0, "method": "shrunk", "note": "uncalibrated"}
    assert {vote["calibrated_confidence"] for vote in answer["votes"]} == {None}


async def test_a_vote_that_goes_out_early_says_it_too() -> None:
    worth = {}
    async for event in calibrating(Scripted(VOTES)).stream(question(settle="all")):
        if isinstance(event, VoteEvent) and event.vote.calibration is not None:
            worth[event.vote.provider] = event.vote.calibration.value
        elif isinstance(event, DecisionEvent):
            assert event.decision.confidence == 0.5

    assert worth == {"a": 0.54, "b": None}
