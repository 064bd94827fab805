"""The rungs of the ladder: where in an answer the one decision is looked for, in which order, and within what bounds.

tool        tool arguments                      scan     a balanced object in prose
json        the whole answer is one object      repair   one broken object, mended behind guards
tag         <decision>, <answer>                label    `Action: BUY` on a line of its own
fence       the last fenced block
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from app.decisions.claims import Claim, claims_in, is_schema
from app.decisions.forms import forms_within
from app.decisions.labels import labelled_claims, labelled_fields
from app.decisions.opinions import spoken_action
from app.decisions.repair import Unmendable, mended, names_action, narrowed
from app.domain.decision import VoteStatus
from app.domain.frozen import frozen
from app.text.fences import FENCE, fenced_blocks
from app.text.scan import Span, TooTangled, top_level_spans, without_spans
from app.text.strict_json import ConflictingKeys, NonFinite, NotJson, loads
from app.text.tags import between_tags
from app.text.thinking import without_thinking

# An honest answer of a million characters stays far below each; a hostile one is told what it has too much of.
_MOST: Final = {"brackets": 6_000, "quotes": 10_000, "tags": 20_000, "fences": 400, "lines": 20_000}
_MOST_VALUES: Final = 20_000
_LONGEST_WORD: Final = 200


@frozen
class Found:
    """What a rung found: claims, or a verdict that ends the climb."""

    method: str
    claims: Sequence[Claim] = ()
    reason: str | None = None
    status: VoteStatus = VoteStatus.INVALID
    merges: bool = False


def climb(text: str, tool_arguments: Sequence[object], symbol: str, side: str | None) -> Found | None:
    """What the first rung that yields anything yields; None when no rung does.

    Raises TooTangled for what no honest answer has, ConflictingKeys or NonFinite for an object that names an action
    and means two things, or a number that is none.
    """
    if tool_arguments and (found := _from_tools(tool_arguments, symbol)) is not None:
        return found
    whole = _value(text)
    if whole is None:
        _bound(text, "tags", "<", "◁")
        answer = without_thinking(text)
        whole = None if answer == text else _value(answer)
        text = answer
    if whole is not None:
        return _whole(whole, symbol)
    _bound(text, "brackets", "{", "[")
    _bound(text, "quotes", '"')
    _bound(text, "fences", FENCE)
    rungs: tuple[Callable[[], Found | None], ...] = (
        lambda: _tagged(text, symbol, side),
        lambda: _fenced(text, symbol),
        lambda: _scanned(text, symbol, side),
    )
    return next((found for found in (rung() for rung in rungs) if found is not None), None)


def _bound(text: str, what: str, *signs: str) -> None:
    if sum(map(text.count, signs)) > _MOST[what]:
        raise TooTangled(what)


def _from_tools(tool_arguments: Sequence[object], symbol: str) -> Found | None:
    claims: list[Claim] = []
    broken: list[Found] = []
    for arguments in tool_arguments:
        value = _value(arguments.strip()) if isinstance(arguments, str) else arguments
        if value is None and isinstance(arguments, str) and names_action(arguments):
            _bound(arguments, "brackets", "{", "[")
            _bound(arguments, "quotes", '"')
            broken += [found for found in (_objects(top_level_spans(arguments), symbol),) if found]
        claims += claims_in(value, symbol)
    if broken:
        # Broken beside whole, or twice broken: nobody can tell which one was meant.
        if claims or len(broken) > 1:
            return _conflict("tool")
        return replace(broken[0], method="tool") if broken[0].method == "scan" else broken[0]
    return Found("tool", claims, merges=True) if claims else None


def _whole(value: object, symbol: str) -> Found | None:
    claims = claims_in(value, symbol)
    if not claims and is_schema(value):
        return Found("json", reason="echoed_schema")
    return Found("json", claims, merges=True) if claims else None


def _tagged(text: str, symbol: str, side: str | None) -> Found | None:
    claims: list[Claim] = []
    for content in map(str.strip, (*between_tags(text, "decision"), *between_tags(text, "answer"))):
        inner = [claim for value in _values(content) for claim in claims_in(value, symbol)]
        is_word = len(content) <= _LONGEST_WORD and "{" not in content and ":" not in content
        if not inner and is_word and (spoken_action(content, "rating", side).form or forms_within(content)):
            # "BUY or SELL" is here too, as a word that is no known form: it spoils the vote.
            inner = [Claim(content, "rating", labelled_fields(text), None)]
        claims += inner
    return Found("tag", claims, merges=True) if claims else None


def _fenced(text: str, symbol: str) -> Found | None:
    claims = [claim for block in fenced_blocks(text) for claim in claims_in(_value(block), symbol)]
    # The last block that validates counts; an unreadable one before it was a draft.
    readable = [claim for claim in claims if spoken_action(claim.word, claim.key, "long").form]
    return Found("fence", readable or claims) if claims else None


def _scanned(text: str, symbol: str, side: str | None) -> Found | None:
    is_full_width = "{" not in text and "｛" in text
    scanned = narrowed(text) if is_full_width else text
    spans = top_level_spans(scanned)
    found = _objects(spans, symbol, is_mended=is_full_width)
    if found is not None:
        return found
    # What stands within JSON is no label: `"factors": ["Signal: buy"]` is somebody's list.
    return _labelled(without_spans(scanned, [span for span in spans if span.closed and '"' in span.text]), side)


def _objects(spans: Sequence[Span], symbol: str, *, is_mended: bool = False) -> Found | None:
    """What these come to; `is_mended` tells that their punctuation was changed before, so that none is clean."""
    values = [(span, None if is_mended else _value(span.text)) for span in spans if span.closed]
    claims = [claim for _, value in values for claim in claims_in(value, symbol)]
    broken = [span.text for span, value in values if value is None and names_action(span.text)]
    if any(not span.closed and (claims or names_action(span.text)) for span in spans):
        return Found("scan", reason="an object was never closed", status=VoteStatus.TRUNCATED)
    if broken and (claims or len(broken) > 1):
        return _conflict("scan")
    if broken:
        return _repaired(broken[0], symbol)
    if claims:
        return Found("scan", claims, merges=True)
    if any(is_schema(value) for _, value in values):
        return Found("scan", reason="echoed_schema")
    return None


def _conflict(method: str) -> Found:
    return Found(method, reason="conflicting_decisions: a broken object beside another")


def _repaired(text: str, symbol: str) -> Found:
    try:
        claims = claims_in(mended(text), symbol)
    except Unmendable as why:
        return Found("repair", reason=f"unreadable_json: {why}")
    return Found("repair", claims) if claims else Found("repair", reason="unreadable_json: no action came of it")


def _labelled(text: str, side: str | None) -> Found | None:
    _bound(text, "lines", "\n")
    claims = labelled_claims(text, side)
    return Found("label", claims) if claims else None


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
    if not (text.startswith(("{", "[", '"')) and text.endswith(("}", "]", '"'))):
        return None
    if text.count(",") + text.count("{") + text.count("[") > _MOST_VALUES:
        raise TooTangled("values")
    try:
        value = loads(text)
    except (ConflictingKeys, NonFinite):
        if names_action(text):
            raise
        return None
    except NotJson:
        return None
    is_object = isinstance(value, dict | list) or (isinstance(value, str) and value.lstrip()[:1] == "{")
    return value if is_object else None
