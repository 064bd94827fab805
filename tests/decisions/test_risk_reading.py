"""Reading a risk officer: one verdict that cannot be mistaken, or none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.decisions.assessment import RiskVerdict
from app.decisions.parsing import Answer
from app.decisions.risk_reading import Heard, read_assessment

WORD = '{"reasons": ["too wide"], "verdict": "reduce", "risk_score": 0.7, "max_fraction": 0.02}'


def read(text: str, **answer: Any) -> Heard:
    return read_assessment(Answer(text, **answer), "two/two-1")


@pytest.mark.parametrize(
    "text",
    [
        WORD,
        f"<think>maybe reject? {{'verdict': 1}}</think>{WORD}",
        f"```json\n{WORD}\n```",
        f"My view:\n{WORD}\nThat is all.",
        f'{{"assessment": {WORD}}}',
        json.dumps(WORD),
        f"<answer>{WORD}</answer>",
        WORD.replace('"reduce"', '"REDUCED."').replace("0.02", '"2%"'),
        f"{WORD}\n{WORD}",
    ],
)
def test_one_verdict_is_read_however_it_is_wrapped(text: str) -> None:
    found = read(text).assessment

    assert found is not None
    assert (found.verdict, found.risk_score, found.max_fraction) == (RiskVerdict.REDUCE, 0.7, 0.02)
    assert (found.reasons, found.sources) == (("two/two-1: too wide",), ("two/two-1",))


@pytest.mark.parametrize(
    ("text", "answer", "reason"),
    [
        ("I would reject this.", {}, "no_verdict"),
        ("", {}, "no_verdict"),
        (WORD, {"finish_reason": "length"}, "truncated"),
        (WORD, {"finish_reason": "content_filter"}, "refused"),
        (WORD, {"refusal": "no"}, "refused"),
        (f'{WORD} or {{"verdict": "approve"}}', {}, "conflicting_verdicts"),
        ('{"verdict": "approve", "verdict": "reject"}', {}, "unreadable: ConflictingKeys"),
        ('{"verdict": "approve", "risk_score": NaN}', {}, "unreadable: NonFinite"),
        ('{"verdict": "approve|reduce|reject"}', {}, "unknown_verdict"),
        ('{"verdict": "fine by me"}', {}, "unknown_verdict"),
        ('{"verdict": "reduce"}', {}, "reduce_without_max_fraction"),
        ('{"verdict": "reduce", "max_fraction": 5}', {}, "reduce_without_max_fraction"),
        ('{"verdict": "approve"', {}, "no_verdict"),
    ],
)
def test_whatever_can_be_mistaken_is_no_verdict(text: str, answer: dict[str, Any], reason: str) -> None:
    assert read(text, **answer) == Heard(reason=reason)


def test_reducing_to_nothing_is_a_rejection_and_figures_off_their_scale_are_absent() -> None:
    nothing = read('{"verdict": "reduce", "max_fraction": 0}').assessment
    odd = read('{"verdict": "approve", "risk_score": 7, "max_fraction": "some"}').assessment

    assert nothing is not None and nothing.verdict is RiskVerdict.REJECT  # noqa: PT018 - one idea
    assert odd is not None
    assert (odd.risk_score, odd.max_fraction) == (None, None)
    assert set(odd.warnings) == {"officer_risk_score_unreadable", "officer_max_fraction_unreadable"}


def test_tool_arguments_are_read_first() -> None:
    found = read("no idea", tool_arguments=({"verdict": "reject"},)).assessment

    assert found is not None
    assert found.verdict is RiskVerdict.REJECT


@given(st.one_of(st.text(), st.text(alphabet='{}[]":,verdictapo \\n`<>')))
def test_no_text_makes_it_raise_and_none_without_the_word_gives_a_verdict(text: str) -> None:
    found = read(text)

    assert (found.assessment is None) == (found.reason is not None)
    if "verdict" not in text:
        assert found.assessment is None
