"""Labelled text: `Action: BUY`, `FINAL TRANSACTION PROPOSAL: **SELL**`, a table row; never a bare word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from app.decisions.claims import Claim
from app.decisions.forms import FORMS, forms_within
from app.decisions.opinions import spoken_action
from app.decisions.vocabulary import ACTION_KEYS, FIELD_KEYS, key_of
from app.text.scan import TooTangled

_LINE: Final = re.compile(r"[\s>#*\-•|]*+(?:\d{1,2}[.)]\s++\**+)?(?P<label>[^:：=|]{1,50})[:：=|](?P<value>.+)")
_ELEMENT: Final = re.compile(r"<(?P<label>[A-Za-z_]{2,30})>(?P<value>[^<>]{1,400})</(?P=label)>")
_PROPOSALS: Final = frozenset(
    map(
        key_of,
        (
            *("final transaction proposal", "final recommendation", "final trade decision", "final answer"),
            *("investment recommendation", "my final answer", "my decision", "my recommendation", "verdict"),
            *("final action", "final signal", "trade recommendation", "final verdict", "my action"),
            *("最终决策", "最终建议", "最终决定", "交易建议", "投资建议", "最終判断", "最終決定", "推奨", "投資判断"),
            *("decisión final", "recomendación final", "operación", "decisão final", "recomendação final"),
            *("endgültige entscheidung", "handelsempfehlung", "fazit", "décision finale", "recommandation finale"),
            *("decisione finale", "итоговое решение", "торговая рекомендация", "최종 결정", "투자의견"),
        ),
    )
)
_ACTION_LABELS: Final = frozenset(ACTION_KEYS) | _PROPOSALS
_SIGNAL_LABELS: Final = frozenset(map(key_of, ("signal", "trade_signal", "trading_signal")))
_CLOSE_OF_A_BAR: Final = re.compile(
    r"\b(?:(?:price|candle|bar|daily|hourly|weekly|session|last|previous)\s+clos(?:e|es|ed|ing)"
    r"|clos(?:e|es|ed|ing)\s+(?:above|below|over|under|beyond))\b",
    re.IGNORECASE,
)
"""Where a signal is the reason for an action, `close` is the bar's: `Signal: price close above EMA20`."""
_MOST_ACTIONS: Final = 100
_LONGEST_LINE: Final = 500


def labelled_claims(text: str, side: str | None) -> list[Claim]:
    """One claim for each label whose whole value is one known form; its neighbours' values come with it.

    A label that mentions an action in a longer value is a claim too, and its word is no known form: so it spoils
    the vote instead of being passed over. Raises TooTangled for more of them than an honest answer has.
    """
    actions: list[tuple[str, str]] = []
    for label, value in _labels(text):
        key = key_of(label)
        if key in _ACTION_LABELS and (spoken_action(value, "rating", side).form or _mentions(key, value)):
            actions.append((key, value))
            if len(actions) > _MOST_ACTIONS:
                raise TooTangled("labels")
    if not actions:
        return []
    values = labelled_fields(text)
    symbol = values.get("symbol")
    named = symbol if isinstance(symbol, str) else None
    return [Claim(word, "action" if key in _PROPOSALS else key, values, named) for key, word in actions]


def labelled_fields(text: str) -> Mapping[str, object]:
    """What stands beside labels of fields, the first of each; without a label for it, the text is the reasoning."""
    values: dict[str, object] = {}
    for label, value in _labels(text):
        key = key_of(label)
        if key in FIELD_KEYS:
            values.setdefault(FIELD_KEYS[key], value)
    values.setdefault("reasoning", text)
    return values


def _mentions(key: str, value: str) -> bool:
    """Whether an action stands in a longer value; moods (a bullish crossover) and a bar's close are left out."""
    if key in _SIGNAL_LABELS:
        value = _CLOSE_OF_A_BAR.sub(" ", value)
    return any(not FORMS[word].rating for word in forms_within(value))


def _labels(text: str) -> Iterator[tuple[str, str]]:
    for element in _ELEMENT.finditer(text):
        yield element["label"], element["value"].strip()
    for line in text.splitlines():
        match = _LINE.match(line[:_LONGEST_LINE]) if line else None
        if match is not None:
            yield match["label"], match["value"].strip(" \t|*`")
