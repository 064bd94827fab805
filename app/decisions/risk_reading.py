"""Reading a risk officer's answer: one verdict that cannot be mistaken, or none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from app.decisions.assessment import Assessment, RiskVerdict
from app.decisions.numbers import read_number
from app.decisions.parsing import MAX_ANSWER, Answer
from app.text.fences import fenced_blocks
from app.text.invisible import without_invisible
from app.text.scan import TooTangled, top_level_spans
from app.text.strict_json import ConflictingKeys, NonFinite, NotJson, loads
from app.text.tags import between_tags
from app.text.thinking import without_thinking

MAX_REASONS: Final = 10
MAX_REASON: Final = 500
_WRAPPERS: Final = 3

_WORDS: Final[Mapping[str, RiskVerdict]] = {
    "APPROVE": RiskVerdict.APPROVE,
    "APPROVED": RiskVerdict.APPROVE,
    "REDUCE": RiskVerdict.REDUCE,
    "REDUCED": RiskVerdict.REDUCE,
    "REJECT": RiskVerdict.REJECT,
    "REJECTED": RiskVerdict.REJECT,
    "VETO": RiskVerdict.REJECT,
}


@dataclass(frozen=True, slots=True)
class Heard:
    """An assessment, or why the officer's answer is none."""

    assessment: Assessment | None = None
    reason: str | None = None


def read_assessment(answer: Answer, who: str) -> Heard:
    """What the officer `who` (provider/model) says. Never raises, whatever the text; in doubt it abstains."""
    if answer.finish_reason == "length":
        return Heard(reason="truncated")
    if answer.refusal or answer.finish_reason == "content_filter":
        return Heard(reason="refused")
    if len(answer.text) > MAX_ANSWER:
        return Heard(reason=f"answer longer than {MAX_ANSWER} characters")
    try:
        said = list(_objects(answer))
    except (TooTangled, ConflictingKeys, NonFinite) as why:
        return Heard(reason=f"unreadable: {type(why).__name__}")
    words = {str(one.get("verdict")).strip().strip(".!").upper() for one in said}
    if len(words) != 1:
        return Heard(reason="conflicting_verdicts" if words else "no_verdict")
    verdict = _WORDS.get(words.pop())
    return Heard(reason="unknown_verdict") if verdict is None else _typed(verdict, said[-1], who)


def _typed(verdict: RiskVerdict, said: Mapping[str, object], who: str) -> Heard:
    warnings: list[str] = []
    fraction = _share(said, "max_fraction", warnings)
    if verdict is RiskVerdict.REDUCE and fraction is None:
        return Heard(reason="reduce_without_max_fraction")
    if fraction == 0:
        verdict = RiskVerdict.REJECT
    reasons = list(_reasons(said.get("reasons", said.get("reason")))) or [f"{verdict.value} without a reason"]
    return Heard(
        Assessment(
            verdict,
            _share(said, "risk_score", warnings),
            fraction,
            None,
            tuple(f"{who}: {reason}" for reason in reasons),
            sources=(who,),
            warnings=tuple(warnings),
        )
    )


def _share(said: Mapping[str, object], name: str, warnings: list[str]) -> float | None:
    number = read_number(said.get(name))
    value = number.value
    if value is not None and number.percent:
        value /= 100
    if number.problem or (value is not None and not 0 <= value <= 1):
        warnings.append(f"officer_{name}_unreadable")
        return None
    return value


def _reasons(raw: object) -> Iterator[str]:
    for item in (raw if isinstance(raw, list) else [raw])[:MAX_REASONS]:
        text = " ".join(without_invisible(item).split())[:MAX_REASON] if isinstance(item, str) else ""
        if text:
            yield text


def _objects(answer: Answer) -> Iterator[Mapping[str, object]]:
    """Every object with a verdict: of the arguments, else the whole text, tags, fences, or prose around it."""
    found = [one for arguments in answer.tool_arguments for one in _verdicts(_value(arguments))]
    text = without_invisible(answer.text).strip()
    if not found:
        found = _verdicts(_value(text))
    if not found:
        text = without_thinking(text)
        pieces = [text, *between_tags(text, "answer"), *between_tags(text, "decision"), *fenced_blocks(text)]
        found = [one for piece in pieces for one in _verdicts(_value(piece.strip()))]
    if not found:
        # An object that was never closed may have said anything after where it ends: it says nothing here.
        found = [one for span in top_level_spans(text) if span.closed for one in _verdicts(_value(span.text))]
    yield from found


def _verdicts(value: object) -> list[Mapping[str, object]]:
    for _ in range(_WRAPPERS):
        if isinstance(value, Mapping) and "verdict" not in value and len(value) == 1:
            value = next(iter(value.values()))
    return [value] if isinstance(value, Mapping) and "verdict" in value else []


def _value(text: object) -> object:
    """The JSON container that this is; one that says two things under one key, or no number, raises when it judges."""
    if not isinstance(text, str):
        return text
    if not text.startswith(("{", '"')):
        return None
    try:
        value = loads(text)
        return loads(value) if isinstance(value, str) and value.lstrip()[:1] == "{" else value
    except (ConflictingKeys, NonFinite):
        if "verdict" in text:
            raise
        return None
    except NotJson:
        return None
