"""The fuzzer keeps what leads on, and tells what breaks a property."""

from __future__ import annotations

import random

import pytest

from app.decisions.parsing import Parsed
from benchmarks.parser.fuzzing import Campaign
from benchmarks.parser.large import large_answers
from benchmarks.parser.mutations import LONGEST, mutated
from benchmarks.parser.properties import broken_property, names_an_action
from benchmarks.parser.prose import texts_without_action
from tests.decisions.variants import VARIANTS


@pytest.mark.parametrize("side", [None, "long", "short"])
def test_no_variant_breaks_a_property(side: str | None) -> None:
    assert {broken_property(variant.text, side)[0] for variant in VARIANTS} == {None}


def test_what_reaches_new_branches_joins_the_corpus() -> None:
    campaign = Campaign(random.Random(3))
    campaign.seed(['{"action": "BUY"}'])
    reached = len(campaign.branches)

    found = [campaign.step() for _ in range(200)]

    assert len(campaign.corpus) == 1 + sum(found) > 1
    assert len(campaign.branches) > reached > 50
    assert campaign.executions == 201


def test_the_first_text_of_each_problem_is_told() -> None:
    def check(text: str, _: str | None) -> tuple[str | None, Parsed | None]:
        return ("too many brackets" if text.count("{") > 1 else None), None

    campaign = Campaign(random.Random(3), check)
    campaign.seed(["{", "{{", "{{{"])

    assert [(one.text, one.problem) for one in campaign.failures.values()] == [("{{", "too many brackets")]


@pytest.mark.parametrize(
    "text", ['{"action": "BUY"}', "b_u-y", "\\u0042UY", "B\u200bUY", "ＢＵＹ", "strong\nbuy", "做空", "übergewichten"]
)
def test_an_action_is_seen_however_it_is_written(text: str) -> None:
    assert names_an_action(text)


@pytest.mark.parametrize("text", ["", "the trend is up", '{"action": "maybe"}'])
def test_where_no_action_stands_none_is_seen(text: str) -> None:
    assert not names_an_action(text)


def test_mutations_repeat_with_their_seed_and_stay_short() -> None:
    texts = [[mutated("Action: BUY " * 400, "{}", random.Random(seed)) for seed in range(50)] for _ in range(2)]

    assert texts[0] == texts[1]
    assert max(map(len, texts[0])) <= LONGEST


def test_no_text_without_an_action_is_read_as_one() -> None:
    texts = list(texts_without_action(300, random.Random(5)))

    assert len(set(texts)) == 300
    assert [text for text in texts if broken_property(text, "long")[1] is None] == []
    assert [text for text in texts if (read := broken_property(text, "long")[1]) and read.opinion] == []


def test_large_answers_are_as_long_as_an_answer_may_be() -> None:
    lengths = [len(text) for _, text in large_answers()]

    assert 900_000 < min(lengths) <= max(lengths) <= 1_048_576
