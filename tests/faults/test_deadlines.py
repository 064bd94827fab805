"""The caller's deadline holds under every fault that only takes time, a quarter of a second over it at most."""

from __future__ import annotations

from typing import Final

import pytest

from app.domain.errors import CONSEQUENCES, Code
from tests import behaviours as b
from tests.behaviours import Stream
from tests.faults.aftermath import assert_typed
from tests.faults.house import Case, Fault, House, cases

LATE: Final = "gateway_deadline_exceeded"
ERROR: Final = "provider_error"
SHORT: Final = 0.2
"""Seconds; less than any timer of the provider's."""

TAKES_TIME: Final = (
    Fault("silent", b.Silent(), LATE, LATE),
    Fault("slow answer", b.Answer(delay=5), LATE, LATE),
    Fault("header drip", b.Drip("headers", gap=0.05), LATE, LATE),
    Fault("body drip", b.Drip("body", gap=0.05), LATE, LATE),
    Fault("error that never ends", b.Status(500, headers={"content-length": "9000"}), ERROR, ERROR),
    Fault("stall before content", Stream(stall_after=0), stream=LATE),
    Fault("comments only", Stream(stall_after=0, comments=100, gap=0.01), stream=LATE),
    Fault("stall mid-stream", Stream(stall_after=1), stream=LATE, in_band=True),
    Fault("slow words", Stream(words=("word",) * 100, gap=0.05), stream=LATE, in_band=True),
)


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "with another"])
@pytest.mark.parametrize("case", cases(TAKES_TIME, ("openai",)), ids=str)
def test_a_deadline_holds(shared_house: House, case: Case, alone: bool) -> None:
    shared_house.script(case.dialect, case.fault.behaviour)

    reply = shared_house.ask(case.dialect, alone=alone, stream=case.streamed, deadline=SHORT)

    assert_typed(reply, within=SHORT)
    # An attempt that leaves time for another, which is then too little, ended by its own timer.
    assert reply.code in {case.code} | (set() if alone else {"provider_timeout"}), reply
    is_in_band = case.streamed and case.fault.in_band
    assert reply.status == (200 if is_in_band else CONSEQUENCES[Code(reply.code)].status)
    shared_house.assert_recovers(case.dialect)
