"""Labelled text: `Action: BUY`, `FINAL TRANSACTION PROPOSAL: **SELL**`, a table row; never a bare word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from app.decisions.claims import Claim
from app.decisions.opinions import spoken_action
from app.decisions.vocabulary import ACTION_KEYS, FIELD_KEYS, FORMS, forms_within, key_of

_LINE: Final = re.compile(r"[\s>#*\-•|]*+(?P<label>[^:：=|]{1,50})[:：=|](?P<value>.+)")
_ELEMENT: Final = re.compile(r"<(?P<label>[A-Za-z_]{2,30})>(?P<value>[^<>]{1,400})</(?P=label)>")
_PROPOSALS: Final = frozenset(
    map(
        key_of,
        (
            *("final transaction proposal", "final recommendation", "final trade decision", "final answer"),
            *("investment recommendation", "my final answer", "my decision", "my recommendation", "verdict"),
        ),
    )
)
_ACTION_LABELS: Final = frozenset(ACTION_KEYS) | _PROPOSALS
MAX_LINES: Final = 5_000


def labelled_claims(text: str, side: str | None) -> list[Claim]:
    """One claim for each label whose whole value is one known form; its neighbours' values come with it.

    A label that mentions an action in a longer value is a claim too, and its word is no known form: so it spoils
    the vote instead of being passed over.
    """
    actions: list[tuple[str, str]] = []
    values: dict[str, object] = {}
    for label, value in _labels(text):
        key = key_of(label)
        if key in _ACTION_LABELS and (spoken_action(value, "rating", side).form or _mentions(value)):
            actions.append((key, value))
        elif key in FIELD_KEYS:
            values.setdefault(FIELD_KEYS[key], value)
    values.setdefault("reasoning", text)
    symbol = values.get("symbol")
    named = symbol if isinstance(symbol, str) else None
    return [Claim(word, "action" if key in _PROPOSALS else key, values, named) for key, word in actions]


def _mentions(value: str) -> bool:
    """Whether an action stands in a longer value; moods (a bullish crossover) are left out."""
    return any(not FORMS[word].rating for word in forms_within(value))


def _labels(text: str) -> Iterator[tuple[str, str]]:
    for element in _ELEMENT.finditer(text):
        yield element["label"], element["value"].strip()
    for line in text.splitlines()[:MAX_LINES]:
        match = _LINE.match(line) if len(line) <= 500 else None
        if match is not None:
            yield match["label"], match["value"].strip(" \t|*`")
