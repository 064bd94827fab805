"""Claims: the objects in an answer that name an action, taken out of whatever they were wrapped in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Final

from app.decisions.forms import FORMS, forms_within, word_of
from app.decisions.numbers import read_number
from app.decisions.vocabulary import ACTION_KEYS, FIELD_KEYS, LISTED, NOT_MEANT_KEYS, RATING_KEYS, WRAPPER_KEYS, key_of
from app.domain.frozen import frozen
from app.domain.symbols import is_symbol, same_symbol
from app.text.scan import TooTangled
from app.text.strict_json import NonFinite, NotJson, loads

_MAX_DEPTH: Final = 8
_MOST_LOOKED_AT: Final = 4_000
_NAMING_KEYS: Final = frozenset(("type", "value", "name"))
"""Under which an action that is an object says which one it is."""
_AUTHORITY: Final = {key: place for place, key in enumerate(ACTION_KEYS)}
_PRICES: Final = frozenset(("entry", "stop_loss", "leverage"))


@frozen
class Claim:
    """One object with an action: its values by field, and the symbol it was filed under, if any.

    `key` is the key that the action stood under; `word` is the action as written, "" for a null; `position` is the side
    that it says is held: `{"action": "EXIT", "side": "long"}`.
    """

    word: str
    key: str
    values: Mapping[str, object]
    symbol: str | None
    contradicts_itself: bool = False
    position: str | None = None

    @property
    def is_template(self) -> bool:
        """Whether the value is the menu (`BUY|SELL|HOLD`) or a placeholder, not a choice from it."""
        if self.word in FORMS:
            return False
        menu = "|" in self.word or self.word.count("/") > 1
        placeholder = self.word.startswith(("<", "{")) or self.word.lower().startswith(("one of", "string"))
        return placeholder or (menu and len(set(forms_within(self.word))) > 1)


def claims_in(value: object, asked: str) -> list[Claim]:
    """Every claim in a JSON value; the asked symbol tells which keys are symbols.

    Raises TooTangled where there are more values to look at than an honest answer has.
    """
    search = _Search(asked)
    search.look(value, None, 0)
    return search.found


def is_schema(value: object) -> bool:
    """Whether this is a JSON schema: the question given back."""
    if not isinstance(value, dict):
        return False
    if "$schema" in value or (value.get("type") == "object" and isinstance(value.get("properties"), dict)):
        return True
    return any(is_schema(item) for item in value.values()) if len(value) <= 3 else False


class _Search:
    """The claims found, and how many more keys and items are looked at."""

    def __init__(self, asked: str) -> None:
        self.found: list[Claim] = []
        self._asked = asked
        self._left = _MOST_LOOKED_AT

    def look(self, value: object, symbol: str | None, depth: int) -> None:
        if depth > _MAX_DEPTH:
            return
        if isinstance(value, dict):
            self._spend(len(value))
            value = _with_plain_action(value)
            claim = _claim(value, symbol)
            if claim is not None:
                self.found.append(claim)
                return
            for key, item in value.items():
                if _descends(key, item, value, self._asked):
                    self.look(item, key if _names_symbol(key, self._asked) else symbol, depth + 1)
        elif isinstance(value, str):
            self.look(_decoded(value), symbol, depth + 1)
        elif isinstance(value, list):
            self._spend(len(value))
            for item in value:
                if isinstance(item, dict | str):
                    self.look(item, symbol, depth + 1)

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise TooTangled("values")


def _with_plain_action(value: Mapping[str, object]) -> Mapping[str, object]:
    """`{"action": {"type": "BUY", "size": 1}}` as `{"action": "BUY", "size": 1}`.

    Only where the inner object names an action and nothing in it is said again outside, differently.
    """
    if dict not in map(type, value.values()):
        return value
    for name, inner in value.items():
        if not isinstance(inner, dict) or key_of(name) not in _AUTHORITY:
            continue
        names = [one for one in inner if key_of(one) in _NAMING_KEYS]
        word = inner[names[0]] if len(names) == 1 else None
        own = {one: item for one, item in inner.items() if one not in names}
        if not isinstance(word, str) or not forms_within(word) or any(key_of(one) in _AUTHORITY for one in own):
            continue
        outer = {one: item for one, item in value.items() if one != name}
        said = {key_of(one): item for one, item in outer.items()}
        if all(said.get(key_of(one), item) == item for one, item in own.items()):
            return {name: word, **own, **outer}
    return value


def _decoded(text: str) -> object:
    """An object that was encoded as a string; None for any other string."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        value = loads(text)
    except NotJson:
        return None
    return value if isinstance(value, dict | list) else None


def _descends(key: str, item: object, whole: Mapping[str, object], asked: str) -> bool:
    if not isinstance(item, dict | list | str) or key_of(key) == "properties":
        return False
    if len(whole) == 1:
        return key_of(key) not in NOT_MEANT_KEYS
    return key_of(key) in WRAPPER_KEYS or _names_symbol(key, asked)


def _names_symbol(key: str, asked: str) -> bool:
    if key_of(key) in WRAPPER_KEYS or key_of(key) in FIELD_KEYS:
        return False
    return (key.isupper() and is_symbol(key)) or same_symbol(key, asked)


def _claim(value: Mapping[str, object], symbol: str | None) -> Claim | None:
    by_key: dict[str, object] = {}
    values: dict[str, object] = {}
    named: list[str] = []
    again: list[tuple[str, object]] = []
    for name, item in value.items():
        # Most keys are written as they are listed, and are asked about here more often than anywhere.
        by_key[LISTED.get(name) or key_of(name)] = item
        if isinstance(item, float) and not isfinite(item):
            # No JSON text gets here with one, but arguments may come as objects.
            raise NonFinite(f"{key_of(name)[:40]} is no number")
    for key, item in by_key.items():
        if key in _AUTHORITY:
            named.append(key)
        field = FIELD_KEYS.get(key)
        if field is None or item is None:
            continue
        if field in values:
            again.append((field, item))
        else:
            values[field] = item
    if len(named) > 1:
        named.sort(key=_AUTHORITY.__getitem__)
    scalars = [(key, item) for key in named if _is_scalar(item := _single(by_key[key]))]
    if not scalars or (len(scalars) < len(named) and scalars[0][1] is None):
        return None
    key, action = scalars[0]
    word = action[:200] if isinstance(action, str) else ""
    filed = values.get("symbol")
    side = by_key.get("side")
    position = None if side is None else _closed_side(word, side)
    return Claim(
        word,
        key,
        values,
        (filed[:64].partition("(")[0].strip() or symbol) if isinstance(filed, str) else symbol,
        (len(by_key) < len(value) and _is_twice(value))
        or (len(scalars) > 1 and _contradicts([one for one in scalars if position is None or one[0] != "side"]))
        or (bool(again) and _differ(values, again)),
        position,
    )


def _is_scalar(item: object) -> bool:
    """Whether this may be an action's word, or the lack of one: no object, however it was encoded."""
    return item is None or (isinstance(item, str) and not _decoded(item))


def _is_twice(value: Mapping[str, object]) -> bool:
    """Whether a key that means something stands there twice, in two spellings, with two values."""
    by_key: dict[str, object] = {}
    for name, item in value.items():
        key = key_of(name)
        if by_key.setdefault(key, item) != item and (key in _AUTHORITY or key in FIELD_KEYS):
            return True
    return False


def _closed_side(word: str, side: object) -> str | None:
    """The position's side where an action that closes or keeps one stands beside it; there, long is no wish to buy."""
    if not isinstance(side, str):
        return None
    said = word_of(word)
    form = FORMS.get(said)
    names_position = form is not None and (
        form.action is None or form.intent in ("close_long", "close_short", "reduce", "hold")
    )
    stated = word_of(side).lower() if names_position else ""
    return stated if stated in ("long", "short") and said.lower() != stated else None


def _single(item: object) -> object:
    """`["BUY"]` is BUY."""
    return item[0] if isinstance(item, list) and len(item) == 1 and isinstance(item[0], str) else item


def _contradicts(stated: Sequence[tuple[str, object]]) -> bool:
    """Whether two keys of one object name different actions."""
    if len(stated) < 2:
        return False
    forms = [FORMS.get(word_of(item)) for _, item in stated if isinstance(item, str)]
    return len({form.action for form in forms if form is not None}) > 1


def _differ(values: Mapping[str, object], again: Sequence[tuple[str, object]]) -> bool:
    """Whether a price stands there twice, under two names, with two values."""
    for field in {name for name, _ in again} & _PRICES:
        stated = [values[field], *(item for name, item in again if name == field)]
        prices = {number.value for number in map(read_number, stated) if number.value is not None}
        if len(prices) > 1:
            return True
    return False


def rates(key: str) -> bool:
    """Whether words of mood (bullish) are an action under this key."""
    return key in RATING_KEYS
