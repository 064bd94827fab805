"""What has to hold of every text that is parsed; told as what does not."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from dataclasses import replace
from typing import Final

from app.decisions.forms import FORMS
from app.decisions.parsing import MAX_ANSWER, Answer, Parsed, parse_answer
from app.decisions.wire import opinion_rendered
from app.domain.decision import Opinion, VoteStatus
from app.text.invisible import without_invisible

ASKED: Final = "BTC/USDT"
_ESCAPE: Final = re.compile(r"\\+u([0-9a-fA-F]{4})")
_SPACING: Final = re.compile(r"[\W_nrt]+")


def broken_property(text: str, side: str | None = None) -> tuple[str | None, Parsed | None]:
    """Which property this text breaks, None when it breaks none; and what was read."""
    try:
        parsed = parse_answer(Answer(text, "stop"), ASKED, side=side)
    except Exception as error:
        # The very property: whatever it is, it must not come out of the parser.
        return f"raised {type(error).__name__}: {error}"[:200], None
    opinion = parsed.opinion
    is_vote = parsed.status in (VoteStatus.OK, VoteStatus.REPAIRED)
    if is_vote is not (opinion is not None) or is_vote is not (parsed.reason is None):
        return "status, opinion and reason disagree", parsed
    if opinion is None:
        return None, parsed
    return _broken_opinion(opinion, text, side), parsed


def _broken_opinion(opinion: Opinion, text: str, side: str | None) -> str | None:
    if not names_an_action(text):
        return "an action without a word for one"
    prices = [opinion.stop_loss, *opinion.take_profit, opinion.entry.price if opinion.entry else None]
    if any(price is not None and not (math.isfinite(price) and price > 0) for price in prices):
        return "a price that is none"
    if opinion.confidence is not None and not 0 <= opinion.confidence <= 1:
        return "a confidence outside of 0..1"
    rendered = json.dumps(opinion_rendered(opinion))
    if len(rendered) > MAX_ANSWER:
        return "more was read than can be parsed"
    again = parse_answer(Answer(rendered, "stop"), ASKED, side=side).opinion
    if again is None or replace(again, confidence_raw=None) != replace(opinion, confidence_raw=None):
        return "parsing the rendered decision does not give it back"
    return None


def names_an_action(text: str) -> bool:
    """Whether a word for an action stands anywhere in this text, however it is spaced, escaped or decorated."""
    seen = without_invisible(_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text))
    squeezed = _squeezed(without_invisible(seen))
    return any(word in squeezed for word in _WORDS)


def _squeezed(text: str) -> str:
    # Letters of line breaks' escapes go from both sides: "B\\nUY" has an n that is none.
    return _SPACING.sub("", unicodedata.normalize("NFKC", text).casefold())


_WORDS: Final = frozenset(map(_squeezed, FORMS))
