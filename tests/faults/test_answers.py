"""Whatever a provider answers comes to one typed reply in time, and is fallen over while nothing was said yet."""

from __future__ import annotations

from typing import Final

import pytest

from tests import behaviours as b
from tests.behaviours import Stream
from tests.faults.house import Case, Fault, House, cases

ERROR, BAD, TRUNCATED = "provider_error", "provider_bad_answer", "provider_stream_truncated"
UNREACHABLE, TIMEOUT, OVERLOADED = "provider_unreachable", "provider_timeout", "provider_overloaded"
AUTH, QUOTA = "provider_auth_failed", "provider_quota_exhausted"

BELOW_ANY_DIALECT: Final = (
    # Time.
    Fault("silent after accept", b.Silent(), TIMEOUT, TIMEOUT),
    Fault("header drip", b.Drip("headers"), TIMEOUT, TIMEOUT),
    Fault("body drip", b.Drip("body"), TIMEOUT, TIMEOUT),
    Fault("stall before content", Stream(stall_after=0), stream=TIMEOUT),
    Fault("comments only", Stream(stall_after=0, comments=20, gap=0.01), stream=TIMEOUT),
    # The connection.
    Fault("refused", b.Refuse(), UNREACHABLE, UNREACHABLE),
    Fault("reset at once", b.Reset(), UNREACHABLE, UNREACHABLE),
    Fault("hang-up", b.HangUp(), UNREACHABLE, UNREACHABLE),
    Fault("reset in the body", b.Reset(after_content=True), whole=BAD),
    Fault("reset before content", Stream(reset_after=0), stream=TRUNCATED),
    Fault("end before content", Stream(cut_after=0), stream=TRUNCATED),
    # The framing.
    Fault("too large a length", b.WrongLength(99), whole=BAD),
    Fault("too small a length", b.WrongLength(-9), whole=BAD),
    Fault("malformed chunk", Stream(misframed_after=0), BAD, TRUNCATED),
    Fault("endless header", b.HeaderFlood(count=1, size=40_000), BAD, BAD),
    Fault("endless headers", b.HeaderFlood(count=None), BAD, BAD),
    Fault("endless interim answers", b.Informational(count=None), BAD, BAD),
    Fault("switching protocols", b.Informational(count=1, status=101), BAD, BAD),
)
IN_A_DIALECT: Final = (
    # The answer.
    Fault("login page", b.Html(), BAD, BAD),
    Fault("nothing", b.Empty(), BAD, BAD),
    Fault("wrong mode", b.WrongMode(), BAD, BAD),
    Fault("truncated JSON", b.TruncatedJson(), BAD, BAD),
    Fault("truncated event", Stream(garbled_after=0), stream=BAD),
    Fault("no content", Stream(words=("",) * 100, no_finish=True, stall_after=100), stream=BAD),
    Fault("redirect", b.Redirect(), BAD, BAD),
    Fault("error with 200", b.JsonError200(), ERROR, ERROR, anthropic=OVERLOADED),
    Fault("error event", Stream(error_after=0), stream=ERROR, anthropic=OVERLOADED),
    # The status.
    Fault("500", b.Status(500), ERROR, ERROR),
    Fault("409", b.Status(409), ERROR, ERROR),
    Fault("408", b.Status(408), TIMEOUT, TIMEOUT),
    Fault("503", b.Status(503), OVERLOADED, OVERLOADED),
    Fault("529", b.Status(529), OVERLOADED, OVERLOADED),
    Fault("revoked key", b.Status(401), AUTH, AUTH),
    Fault("key without permission", b.Status(403), AUTH, AUTH),
    Fault("no money", b.Status(402), QUOTA, QUOTA),
    Fault("204", b.Status(204), BAD, BAD),
    Fault("no model", b.Status(404), "model_not_found", "model_not_found"),
    Fault("rate limited", b.Status(429), "provider_rate_limited", "provider_rate_limited"),
)
AFTER_CONTENT: Final = (
    Fault("end without finish", Stream(no_finish=True), stream=TRUNCATED, in_band=True),
    Fault("end after content", Stream(cut_after=1), stream=TRUNCATED, in_band=True),
    Fault("reset after content", Stream(reset_after=1), stream=TRUNCATED, in_band=True),
    Fault("stall mid-stream", Stream(stall_after=1), stream=TIMEOUT, in_band=True),
    Fault("error event mid-stream", Stream(error_after=1), stream=ERROR, in_band=True, anthropic=OVERLOADED),
    Fault("truncated event mid-stream", Stream(garbled_after=1), stream=BAD, in_band=True),
    Fault("malformed chunk mid-stream", Stream(misframed_after=1), stream=TRUNCATED, in_band=True),
)
NO_FAULT: Final = (
    Fault("no last marker", Stream(no_done=True), stream=""),
    Fault("slow", b.Answer("hello from upstream", delay=0.15), "", ""),
    Fault("slow words", Stream(gap=0.05), stream=""),
    Fault("tiny chunks", b.TinyChunks(), "", ""),
    Fault("tiny chunks after nothings", b.TinyChunks(padding=2000), "", ""),
    Fault("one byte at a time", Stream(piece=1), stream=""),
    Fault("length beyond the end", b.WrongLength(99), stream=""),
    Fault("interim answers", b.Informational(count=20), "", ""),
    Fault("many headers", b.HeaderFlood(count=100), "", ""),
)
BEFORE_CONTENT: Final = cases(BELOW_ANY_DIALECT, ("openai",)) + cases(IN_A_DIALECT)


@pytest.mark.parametrize("case", BEFORE_CONTENT + cases(AFTER_CONTENT), ids=str)
def test_a_fault_is_one_typed_reply_in_time(shared_house: House, case: Case) -> None:
    shared_house.assert_comes_to(case)


@pytest.mark.parametrize("case", BEFORE_CONTENT, ids=str)
def test_a_fault_before_content_is_fallen_over_unnoticed(shared_house: House, case: Case) -> None:
    shared_house.assert_falls_over(case)


@pytest.mark.parametrize("case", cases(AFTER_CONTENT), ids=str)
def test_nothing_is_spliced_after_content(shared_house: House, case: Case) -> None:
    shared_house.script(case.dialect, case.fault.behaviour)

    reply = shared_house.ask(case.dialect, alone=False, stream=True)

    assert reply.code == case.code
    assert shared_house.beta.calls == 0


@pytest.mark.parametrize("case", cases(NO_FAULT), ids=str)
def test_what_looks_odd_and_is_whole_is_a_success(shared_house: House, case: Case) -> None:
    reply = shared_house.assert_comes_to(case)

    said = "".join(
        each.data["choices"][0]["delta"].get("content") or "" for each in reply.events[:-1] if each.data["choices"]
    )
    assert "hello from upstream" in (said if case.streamed else reply.text)
