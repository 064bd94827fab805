"""Every variant of an answer is read as it should be."""

from __future__ import annotations

import pytest

from app.decisions.parsing import Answer, parse_answer
from tests.decisions.variants import VARIANTS, Variant


@pytest.mark.parametrize("variant", VARIANTS, ids=range(len(VARIANTS)))
def test_a_variant_is_read_as_it_is_meant(variant: Variant) -> None:
    parsed = parse_answer(Answer(variant.text, variant.finish_reason), variant.symbol, side=variant.side)

    opinion = parsed.opinion
    assert (parsed.status, parsed.trace.method, parsed.trace.warnings) == (
        variant.status,
        variant.method,
        variant.warnings,
    ), parsed.reason
    assert (parsed.reason or "").startswith(variant.reason)
    assert (None if opinion is None else opinion.action) is variant.action
    if opinion is not None:
        entry = None if opinion.entry is None else opinion.entry.price
        assert (opinion.intent, entry, opinion.stop_loss, opinion.take_profit) == (
            variant.intent,
            variant.entry,
            variant.stop_loss,
            variant.take_profit,
        )
        assert opinion.confidence == (None if variant.confidence is None else pytest.approx(variant.confidence))
        assert opinion.symbol == variant.symbol


def test_the_variants_differ() -> None:
    assert len({(variant.text, variant.side, variant.finish_reason) for variant in VARIANTS}) == len(VARIANTS)
