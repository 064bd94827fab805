"""Reading what a model wrote: at most one opinion, with the rung it was found on, and never a guess."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Final

from app.decisions.claims import Claim
from app.decisions.opinions import Notes, Spoken, read_opinion, spoken_action
from app.decisions.refusals import is_refusal
from app.decisions.rungs import Found, climb
from app.domain.decision import Opinion, ParseTrace, VoteStatus
from app.domain.frozen import frozen
from app.domain.symbols import same_symbol
from app.text.invisible import without_invisible
from app.text.scan import TooTangled
from app.text.strict_json import ConflictingKeys, NonFinite

MAX_ANSWER: Final = 1_048_576

_HTML: Final = re.compile(r"\s{0,99}+(?:<!doctype html|<html[\s>])", re.IGNORECASE)
_KEEP_ALIVE: Final = re.compile(r"(?:\s*+(?::[^\n]{0,99}|data:\s?|event:[^\n]{0,99}|\[DONE\])\n?)++")


@frozen
class Answer:
    """What came back from a model: its text or tool arguments, and how it ended."""

    text: str = ""
    finish_reason: str | None = None
    refusal: str | None = None
    tool_arguments: Sequence[object] = ()


@frozen
class Parsed:
    """An opinion, or the status and reason of an abstention; `percents` are prices that were given as percentages."""

    status: VoteStatus
    opinion: Opinion | None = None
    reason: str | None = None
    trace: ParseTrace = field(default_factory=ParseTrace)
    percents: Mapping[str, float] = field(default_factory=dict)


def parse_answer(answer: Answer, symbol: str, *, side: str | None = None) -> Parsed:
    """The one decision about `symbol` in this answer. Never raises, whatever the text.

    `side` is the side of the position held, for words that depend on it.
    """
    ended = _ended_badly(answer)
    if ended is not None:
        return ended
    text = without_invisible(answer.text).strip()
    try:
        found = climb(text, answer.tool_arguments, symbol, side)
    except TooTangled as what:
        return _abstention(VoteStatus.INVALID, f"too_many_{what}")
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
        return _abstention(VoteStatus.REFUSED, without_invisible(answer.refusal[:1_000])[:300])
    if answer.finish_reason == "content_filter":
        return _abstention(VoteStatus.REFUSED, "finish_reason is content_filter")
    if sum([len(each) for each in answer.tool_arguments if isinstance(each, str)], len(answer.text)) > MAX_ANSWER:
        return _abstention(VoteStatus.INVALID, f"answer longer than {MAX_ANSWER} characters")
    if (not answer.text or answer.text.isspace()) and not answer.tool_arguments:
        return _abstention(VoteStatus.INVALID, "empty_answer")
    if answer.text.startswith("{"):
        # As nearly all do: neither of what follows.
        return None
    if _HTML.match(answer.text):
        return _abstention(VoteStatus.INVALID, "html_page")
    if _KEEP_ALIVE.fullmatch(answer.text) and not answer.tool_arguments:
        return _abstention(VoteStatus.INVALID, "keep_alive_lines")
    return None


def _settled(found: Found, symbol: str, side: str | None) -> Parsed:
    """The one opinion in these claims, if they are of one mind about the asked symbol."""
    asked, others = _told_apart(found.claims, symbol)
    if not asked and not others:
        return _abstention(VoteStatus.INVALID, "echoed_template", found.method)
    if not asked:
        return _abstention(VoteStatus.INVALID, f"other_symbol: {', '.join(others)[:100]}", found.method)
    spoken: list[Spoken] = []
    for claim in asked:
        if claim.contradicts_itself or (claim.position is not None and _of_other_side(claim, side)):
            return _abstention(VoteStatus.INVALID, "conflicting_decisions: one object contradicts itself", found.method)
        spoken.append(spoken_action(claim.word, claim.key, side))
    # One alone disagrees with nobody; whether it gives an action at all is seen where it is read.
    verdict = _disagreement(spoken, asked, merges=found.merges) if len(asked) > 1 or spoken[0].problem else None
    if verdict is not None:
        return _abstention(*verdict, found.method)
    notes = Notes()
    if others:
        notes.warnings.append(f"other_symbols: {', '.join(others)[:200]}")
    if not asked[0].symbol and not any(claim.symbol for claim in asked):
        notes.warnings.append("symbol_missing")
    return _read(found, asked, spoken[-1], symbol, notes)


def _told_apart(claims: Sequence[Claim], symbol: str) -> tuple[list[Claim], list[str]]:
    """The claims about the asked symbol, and the other symbols that were spoken of; templates are neither."""
    asked: list[Claim] = []
    others: list[str] = []
    for claim in claims:
        if claim.is_template:
            continue
        if claim.symbol is None or same_symbol(claim.symbol, symbol):
            asked.append(claim)
        elif claim.symbol not in others:
            others.append(claim.symbol)
    others.sort()
    return asked, others


def _of_other_side(claim: Claim, side: str | None) -> bool:
    """Whether a claim speaks of a position on the side that is not held."""
    return side in ("long", "short") and claim.position != side


def _disagreement(spoken: Sequence[Spoken], asked: Sequence[Claim], *, merges: bool) -> tuple[VoteStatus, str] | None:
    """Why these are not one vote, or None when they are."""
    problems = [one.problem for one in spoken if one.problem]
    if problems:
        return VoteStatus.INVALID, problems[0]
    actions = {one.form.action if one.form else None for one in spoken}
    if len(actions) > 1:
        said = ", ".join(sorted(str(action or "none") for action in actions))
        return VoteStatus.INVALID, f"conflicting_decisions: {said}"
    if actions == {None}:
        return VoteStatus.ABSTAINED, "the model gave no action"
    if len(spoken) == 1:
        return None
    intents = sorted({one.form.intent for one in spoken if one.form and one.form.intent})
    if len(intents) > 1:
        return VoteStatus.INVALID, f"conflicting_decisions: {', '.join(intents)}"
    twice = _two_minds(asked) if merges else None
    return None if twice is None else (VoteStatus.INVALID, f"conflicting_decisions: two values for {twice}")


def _two_minds(asked: Sequence[Claim]) -> str | None:
    """What would be an order's number and is stated differently by claims that agree on the action."""
    for name in ("entry", "stop_loss", "take_profit", "leverage", "size", "size_fraction", "quantity", "notional"):
        stated = [claim.values[name] for claim in asked if claim.values.get(name) is not None]
        if any(value != stated[0] for value in stated[1:]):
            return name
    return None


def _read(found: Found, asked: Sequence[Claim], spoken: Spoken, symbol: str, notes: Notes) -> Parsed:
    form = spoken.form
    if form is None or form.action is None:
        return _abstention(VoteStatus.ABSTAINED, "the model gave no action", found.method)
    claim = asked[-1]
    if found.merges and len(asked) > 1:
        notes.warnings.append(f"merged: {len(asked)} objects agree")
        merged = {name: value for one in asked for name, value in one.values.items()}
        claim = Claim(claim.word, claim.key, merged, claim.symbol)
    opinion = read_opinion(claim, form.action, form, symbol, notes)
    if opinion is None:
        return _abstention(VoteStatus.INVALID, "conflicting_decisions: intent and action differ", found.method)
    status = VoteStatus.REPAIRED if found.method == "repair" else VoteStatus.OK
    return Parsed(status, opinion, None, ParseTrace(found.method, tuple(notes.warnings)), dict(notes.percents))


def _nothing(text: str) -> Parsed:
    if is_refusal(text):
        return _abstention(VoteStatus.REFUSED, " ".join(text[:1_000].split())[:300])
    return _abstention(VoteStatus.INVALID, "no_decision")


def _abstention(status: VoteStatus, reason: str, method: str | None = None) -> Parsed:
    return Parsed(status, reason=reason, trace=ParseTrace(method))
