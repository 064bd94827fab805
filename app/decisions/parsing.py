"""Reading what a model wrote: a ladder whose first rung with exactly one candidate wins, and never a guess.

tool        tool arguments                      scan     a balanced object in prose
json        the whole answer is one object      repair   one broken object, mended behind guards
tag         <decision>, <answer>                label    `Action: BUY` on a line of its own
fence       the last fenced block
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from app.decisions.claims import Claim, claims_in, is_schema
from app.decisions.labels import labelled_claims
from app.decisions.opinions import Notes, Spoken, read_opinion, spoken_action
from app.decisions.repair import FULL_WIDTH, Unmendable, mended, names_action
from app.decisions.symbols import same_symbol
from app.domain.decision import Opinion, ParseTrace, VoteStatus
from app.text.fences import fenced_blocks
from app.text.invisible import without_invisible
from app.text.scan import TooTangled, top_level_spans
from app.text.strict_json import ConflictingKeys, NonFinite, NotJson, loads
from app.text.tags import between_tags
from app.text.thinking import without_thinking

MAX_ANSWER: Final = 1_048_576

_HTML: Final = re.compile(r"\s*(?:<!doctype html|<html[\s>])", re.IGNORECASE)
_REFUSAL: Final = re.compile(
    r"(?i)\b(?:i['’]?m|i am) (?:sorry|unable|not able)|\bi (?:cannot|can['’]?t|won['’]?t|must decline)|\bas an ai\b"
    r"|\bnot (?:a )?financial advi[cs]|抱歉|对不起|我不能|我无法|无法提供"
    r"|\b(?:lo siento|no puedo|ich kann (?:ihnen |dir )?(?:kein|nicht)|es tut mir leid|désolé)"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from a model: its text or tool arguments, and how it ended."""

    text: str = ""
    finish_reason: str | None = None
    refusal: str | None = None
    tool_arguments: Sequence[object] = ()


@dataclass(frozen=True, slots=True)
class Parsed:
    """An opinion, or the status and reason of an abstention; `percents` are prices that were given as percentages."""

    status: VoteStatus
    opinion: Opinion | None = None
    reason: str | None = None
    trace: ParseTrace = field(default_factory=ParseTrace)
    percents: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Found:
    """What a rung found: claims, or a verdict that ends the climb."""

    method: str
    claims: Sequence[Claim] = ()
    reason: str | None = None
    status: VoteStatus = VoteStatus.INVALID
    merges: bool = False


def parse_answer(answer: Answer, symbol: str, *, side: str | None = None) -> Parsed:
    """The one decision about `symbol` in this answer. Never raises, whatever the text.

    `side` is the side of the position held, for words that depend on it.
    """
    ended = _ended_badly(answer)
    if ended is not None:
        return ended
    text = without_invisible(answer.text).strip()
    try:
        found = _climb(answer, text, symbol, side)
    except TooTangled:
        return _abstention(VoteStatus.INVALID, "too_many_brackets")
    except ConflictingKeys:
        return _abstention(VoteStatus.INVALID, "conflicting_decisions: a key has two values")
    except NonFinite:
        return _abstention(VoteStatus.INVALID, "non_finite_number")
    if found is None:
        return _nothing(text)
    if found.reason is not None:
        return _abstention(found.status, found.reason, found.method)
    return _settled(found, symbol, side)


def _ended_badly(answer: Answer) -> Parsed | None:
    if answer.finish_reason == "length":
        return _abstention(VoteStatus.TRUNCATED, "finish_reason is length")
    if answer.refusal:
        return _abstention(VoteStatus.REFUSED, without_invisible(answer.refusal)[:300])
    if answer.finish_reason == "content_filter":
        return _abstention(VoteStatus.REFUSED, "finish_reason is content_filter")
    if len(answer.text) > MAX_ANSWER:
        return _abstention(VoteStatus.INVALID, f"answer longer than {MAX_ANSWER} characters")
    if not answer.text.strip() and not answer.tool_arguments:
        return _abstention(VoteStatus.INVALID, "empty_answer")
    if _HTML.match(answer.text):
        return _abstention(VoteStatus.INVALID, "html_page")
    return None


def _climb(answer: Answer, text: str, symbol: str, side: str | None) -> _Found | None:
    from_tools = [claim for arguments in answer.tool_arguments for claim in claims_in(arguments, symbol)]
    if from_tools:
        return _Found("tool", from_tools)
    whole = _value(text)
    if whole is None:
        text = without_thinking(text)
        whole = _value(text)
    if whole is not None:
        return _whole(whole, symbol)
    rungs: tuple[Callable[[], _Found | None], ...] = (
        lambda: _tagged(text, symbol, side),
        lambda: _fenced(text, symbol),
        lambda: _scanned(text, symbol),
        lambda: _labelled(text, side),
    )
    return next((found for found in (rung() for rung in rungs) if found is not None), None)


def _whole(value: object, symbol: str) -> _Found | None:
    claims = claims_in(value, symbol)
    if not claims and is_schema(value):
        return _Found("json", reason="echoed_schema")
    return _Found("json", claims) if claims else None


def _tagged(text: str, symbol: str, side: str | None) -> _Found | None:
    claims: list[Claim] = []
    for content in map(str.strip, (*between_tags(text, "decision"), *between_tags(text, "answer"))):
        if len(content) <= 200 and spoken_action(content, "rating", side).form:
            claims.append(Claim(content, "decision", {}, None))
        else:
            claims += [claim for value in _values(content) for claim in claims_in(value, symbol)]
    return _Found("tag", claims) if claims else None


def _fenced(text: str, symbol: str) -> _Found | None:
    claims = [claim for block in fenced_blocks(text) for claim in claims_in(_value(block), symbol)]
    # The last block that validates counts; an unreadable one before it was a draft.
    readable = [claim for claim in claims if spoken_action(claim.word, claim.key, "long").form]
    return _Found("fence", readable or claims) if claims else None


def _scanned(text: str, symbol: str) -> _Found | None:
    is_full_width = "{" not in text and "｛" in text
    spans = top_level_spans(text.translate(FULL_WIDTH) if is_full_width else text)
    values = [(span, None if is_full_width else _value(span.text)) for span in spans if span.closed]
    claims = [claim for _, value in values for claim in claims_in(value, symbol)]
    broken = [span.text for span, value in values if value is None and names_action(span.text)]
    if any(not span.closed and (claims or names_action(span.text)) for span in spans):
        return _Found("scan", reason="an object was never closed", status=VoteStatus.TRUNCATED)
    if broken and (claims or len(broken) > 1):
        return _Found("scan", reason="conflicting_decisions: a broken object beside another")
    if broken:
        return _repaired(broken[0], symbol)
    if claims:
        return _Found("scan", claims, merges=True)
    if any(is_schema(value) for _, value in values):
        return _Found("scan", reason="echoed_schema")
    return None


def _repaired(text: str, symbol: str) -> _Found:
    try:
        claims = claims_in(mended(text), symbol)
    except Unmendable as why:
        return _Found("repair", reason=f"unreadable_json: {why}")
    return _Found("repair", claims) if claims else _Found("repair", reason="unreadable_json: no action came of it")


def _labelled(text: str, side: str | None) -> _Found | None:
    claims = labelled_claims(text, side)
    return _Found("label", claims) if claims else None


def _values(text: str) -> list[object]:
    whole = _value(text)
    if whole is not None:
        return [whole]
    return [
        value for value in (_value(span.text) for span in top_level_spans(text) if span.closed) if value is not None
    ]


def _value(text: str) -> object | None:
    """The JSON container that this text is, as a whole; None for anything else.

    An object that names an action and is no clean JSON for a reason that makes it mean two things raises that reason.
    """
    if not text.startswith(("{", "[", '"')):
        return None
    try:
        value = loads(text)
    except (ConflictingKeys, NonFinite):
        if names_action(text):
            raise
        return None
    except NotJson:
        return None
    return (
        value if isinstance(value, Mapping | list) or (isinstance(value, str) and value.lstrip()[:1] == "{") else None
    )


def _settled(found: _Found, symbol: str, side: str | None) -> Parsed:
    """The one opinion in these claims, if they are of one mind about the asked symbol."""
    choices = [claim for claim in found.claims if not claim.is_template]
    if not choices:
        return _abstention(VoteStatus.INVALID, "echoed_template", found.method)
    asked = [claim for claim in choices if claim.symbol is None or same_symbol(claim.symbol, symbol)]
    others = sorted({claim.symbol for claim in choices if claim.symbol is not None and claim not in asked})
    if not asked:
        return _abstention(VoteStatus.INVALID, f"other_symbol: {', '.join(others)[:100]}", found.method)
    if any(claim.contradicts_itself for claim in asked):
        return _abstention(VoteStatus.INVALID, "conflicting_decisions: one object contradicts itself", found.method)
    spoken = [spoken_action(claim.word, claim.key, side) for claim in asked]
    verdict = _disagreement(spoken)
    if verdict is not None:
        return _abstention(*verdict, found.method)
    notes = Notes()
    if others:
        notes.warnings.append(f"other_symbols: {', '.join(others)[:200]}")
    if not any(claim.symbol for claim in asked):
        notes.warnings.append("symbol_missing")
    return _read(found, asked, spoken[-1], symbol, notes)


def _disagreement(spoken: Sequence[Spoken]) -> tuple[VoteStatus, str] | None:
    """Why these are not one vote, or None when they are."""
    problems = [one.problem for one in spoken if one.problem]
    if problems:
        return VoteStatus.INVALID, problems[0]
    actions = {one.form.action if one.form else None for one in spoken}
    if len(actions) > 1:
        said = ", ".join(sorted(str(action or "none") for action in actions))
        return VoteStatus.INVALID, f"conflicting_decisions: {said}"
    return (VoteStatus.ABSTAINED, "the model gave no action") if actions == {None} else None


def _read(found: _Found, asked: Sequence[Claim], spoken: Spoken, symbol: str, notes: Notes) -> Parsed:
    form = spoken.form
    if form is None or form.action is None:
        return _abstention(VoteStatus.ABSTAINED, "the model gave no action", found.method)
    claim = asked[-1]
    if found.merges and len(asked) > 1:
        notes.warnings.append(f"merged: {len(asked)} objects agree")
        merged = {name: value for one in asked for name, value in one.values.items()}
        claim = Claim(claim.word, claim.key, merged, claim.symbol)
    opinion = read_opinion(claim, form.action, form, symbol, notes)
    status = VoteStatus.REPAIRED if found.method == "repair" else VoteStatus.OK
    return Parsed(status, opinion, None, ParseTrace(found.method, tuple(notes.warnings)), dict(notes.percents))


def _nothing(text: str) -> Parsed:
    if _REFUSAL.search(text[:4_000]):
        return _abstention(VoteStatus.REFUSED, " ".join(text.split())[:300])
    return _abstention(VoteStatus.INVALID, "no_decision")


def _abstention(status: VoteStatus, reason: str, method: str | None = None) -> Parsed:
    return Parsed(status, reason=reason, trace=ParseTrace(method))
