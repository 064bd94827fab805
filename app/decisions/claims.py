"""Claims: the objects in an answer that name an action, taken out of whatever they were wrapped in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Final

from app.decisions.forms import FORMS, forms_within, word_of
from app.decisions.numbers import read_number
from app.decisions.vocabulary import ACTION_KEYS, FIELD_KEYS, NOT_MEANT_KEYS, RATING_KEYS, WRAPPER_KEYS, key_of
from app.domain.frozen import frozen
from app.domain.symbols import is_symbol, same_symbol
from app.text.scan import TooTangled
from app.text.strict_json import NonFinite, NotJson, loads

_MAX_DEPTH: Final = 8
_MOST_LOOKED_AT: Final = 4_000
_NAMING_KEYS: Final = frozenset(("type", "value", "name"))
"""Under which an action that is an object says which one it is."""


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
        menu = "|" in self.word or self.word.count("/") > 1
        placeholder = self.word.startswith(("<", "{")) or self.word.lower().startswith(("one of", "string"))
        return placeholder or (menu and len(set(forms_within(self.word))) > 1)


def claims_in(value: object, asked: str) -> list[Claim]:
    """Every claim in a JSON value; the asked symbol tells which keys are symbols.

    Raises TooTangled where there are more values to look at than an honest answer has.
    """
    return list(_claims(value, asked, None, 0, _Patience()))


def is_schema(value: object) -> bool:
    """Whether this is a JSON schema: the question given back."""
    if not isinstance(value, Mapping):
        return False
    if "$schema" in value or (value.get("type") == "object" and isinstance(value.get("properties"), Mapping)):
        return True
    return any(is_schema(item) for item in value.values()) if len(value) <= 3 else False


class _Patience:
    """How many more keys and items are looked at."""

    def __init__(self) -> None:
        self._left = _MOST_LOOKED_AT

    def spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise TooTangled("values")


def _claims(value: object, asked: str, symbol: str | None, depth: int, patience: _Patience) -> Iterator[Claim]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, str):
        yield from _claims(_decoded(value), asked, symbol, depth + 1, patience)
    elif isinstance(value, list):
        patience.spend(len(value))
        for item in value:
            if isinstance(item, Mapping | str):
                yield from _claims(item, asked, symbol, depth + 1, patience)
    elif isinstance(value, Mapping):
        patience.spend(len(value))
        value = _with_plain_action(value)
        claim = _claim(value, symbol)
        if claim is not None:
            yield claim
            return
        for key, item in value.items():
            if _descends(key, item, value, asked):
                yield from _claims(item, asked, key if _names_symbol(key, asked) else symbol, depth + 1, patience)


def _with_plain_action(value: Mapping[str, object]) -> Mapping[str, object]:
    """`{"action": {"type": "BUY", "size": 1}}` as `{"action": "BUY", "size": 1}`.

    Only where the inner object names an action and nothing in it is said again outside, differently.
    """
    for name, inner in value.items():
        if key_of(name) not in ACTION_KEYS or not isinstance(inner, Mapping):
            continue
        names = [one for one in inner if key_of(one) in _NAMING_KEYS]
        word = inner[names[0]] if len(names) == 1 else None
        own = {one: item for one, item in inner.items() if one not in names}
        if not isinstance(word, str) or not forms_within(word) or any(key_of(one) in ACTION_KEYS for one in own):
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
    return value if isinstance(value, Mapping | list) else None


def _descends(key: str, item: object, whole: Mapping[str, object], asked: str) -> bool:
    if not isinstance(item, Mapping | list | str) or key_of(key) == "properties":
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
    is_twice = False
    for name, item in value.items():
        key = key_of(name)
        is_twice |= by_key.get(key, item) != item and (key in ACTION_KEYS or key in FIELD_KEYS)
        by_key[key] = item
        if isinstance(item, float) and not isfinite(item):
            # No JSON text gets here with one, but arguments may come as objects.
            raise NonFinite(f"{key[:40]} is no number")
    stated = [(key, _single(by_key[key])) for key in ACTION_KEYS if key in by_key]
    scalars = [(key, item) for key, item in stated if item is None or (isinstance(item, str) and not _decoded(item))]
    if not scalars or (len(scalars) < len(stated) and scalars[0][1] is None):
        return None
    key, action = scalars[0]
    word = action[:200] if isinstance(action, str) else ""
    fields: dict[str, list[object]] = {}
    for alias in by_key.keys() & FIELD_KEYS.keys():
        if by_key[alias] is not None:
            fields.setdefault(FIELD_KEYS[alias], []).append(by_key[alias])
    named = fields.get("symbol", [None])[0]
    position = _closed_side(word, by_key.get("side"))
    others = [(name, item) for name, item in scalars if position is None or name != "side"]
    return Claim(
        word=word,
        key=key,
        values={field: found[0] for field, found in fields.items()},
        symbol=(named[:64].partition("(")[0].strip() or symbol) if isinstance(named, str) else symbol,
        contradicts_itself=is_twice or _contradicts(others) or _differ(fields),
        position=position,
    )


def _closed_side(word: str, side: object) -> str | None:
    """The position's side where an action that closes or keeps one stands beside it; there, long is no wish to buy."""
    form = FORMS.get(word_of(word))
    names_position = form is not None and (
        form.action is None or form.intent in ("close_long", "close_short", "reduce", "hold")
    )
    stated = word_of(side).lower() if isinstance(side, str) and names_position else ""
    return stated if stated in ("long", "short") and word_of(word).lower() != stated else None


def _single(item: object) -> object:
    """`["BUY"]` is BUY."""
    return item[0] if isinstance(item, list) and len(item) == 1 and isinstance(item[0], str) else item


def _contradicts(stated: Sequence[tuple[str, object]]) -> bool:
    """Whether two keys of one object name different actions."""
    forms = [FORMS.get(word_of(item)) for _, item in stated if isinstance(item, str)]
    return len({form.action for form in forms if form is not None}) > 1


def _differ(fields: Mapping[str, list[object]]) -> bool:
    """Whether a price stands there twice, under two names, with two values."""
    for field in ("entry", "stop_loss", "leverage"):
        prices = {number.value for number in map(read_number, fields.get(field, [])) if number.value is not None}
        if len(prices) > 1:
            return True
    return False


def rates(key: str) -> bool:
    """Whether words of mood (bullish) are an action under this key."""
    return key in RATING_KEYS
