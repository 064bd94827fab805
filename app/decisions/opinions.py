"""From a claim to an opinion: one object of an answer, read and typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from typing import Final

from app.decisions.claims import Claim, rates
from app.decisions.forms import FORMS, NO_ACTION, Form, forms_within, word_of
from app.decisions.numbers import read_confidence, read_number
from app.decisions.vocabulary import HORIZONS, INTENTS, STRENGTHS
from app.domain.decision import Action, Entry, Opinion, Size
from app.domain.frozen import frozen
from app.text.invisible import without_invisible

MAX_TEXT: Final = 8_000
MAX_LIST: Final = 10
MAX_TARGETS: Final = 5
_UNITS: Final = frozenset(("fraction_of_equity", "fraction_of_position", "notional", "quantity"))
_SIZES: Final = frozenset(("size", "size_fraction", "notional", "quantity"))
_MOST_LISTED: Final = 100
_BELONGS_TO: Final = {
    "open_long": Action.BUY,
    "close_short": Action.BUY,
    "open_short": Action.SELL,
    "close_long": Action.SELL,
    "hold": Action.HOLD,
}
"""An intent's action; adding and reducing go either way."""
_MARKET: Final = frozenset(("MARKET", "MARKET ORDER", "NOW", "AT MARKET", "CURRENT PRICE", "CURRENT", "MKT"))


@frozen
class Spoken:
    """An action as read: none with a `problem` (an unknown word), none without one (the model does not vote)."""

    form: Form | None = None
    problem: str | None = None


@dataclass(slots=True)
class Notes:
    """What was noticed while reading; `percents` are prices that were written as percentages."""

    warnings: list[str] = field(default_factory=list)
    percents: dict[str, float] = field(default_factory=dict)


def spoken_action(word: str, key: str, side: str | None) -> Spoken:
    """What one word says under this key, for a position on this side (long, short, flat or unknown)."""
    known = word_of(word)
    if known in NO_ACTION:
        return Spoken()
    form = FORMS.get(known) if "?" not in word else None
    if form is None:
        return Spoken(problem="ambiguous_action" if len(set(forms_within(word))) > 1 else "unknown_action")
    if form.rating and not rates(key):
        return Spoken(problem="unknown_action")
    if form.action is None or (form.intent == "reduce" and side == "short"):
        closing = {"long": Form(Action.SELL, "close_long"), "short": Form(Action.BUY, "close_short")}.get(side or "")
        if closing is None:
            return Spoken(problem="exit_without_position")
        return Spoken(Form(closing.action, form.intent or closing.intent))
    return Spoken(form)


def read_opinion(claim: Claim, action: Action, form: Form, symbol: str, notes: Notes) -> Opinion | None:
    """The opinion of a claim whose action is known; whatever else cannot be read is absent, with a warning.

    None when the intent that is stated belongs to another action, or is not the one that the action's word means.
    """
    # Nothing that is None is among them, and mostly few of the fields are: only those are read.
    values = claim.values
    intent = _one_of(values["intent"], INTENTS) if "intent" in values else None
    if intent is not None and (_BELONGS_TO.get(intent, action) is not action or (form.intent or intent) != intent):
        return None
    confidence, warning = read_confidence(values.get("confidence"))
    if warning is not None:
        notes.warnings.append(warning)
    raw = values.get("confidence")
    reasoning = _text(values["reasoning"]) if "reasoning" in values else None
    if reasoning is None:
        notes.warnings.append("reasoning_missing")
    return Opinion(
        action=action,
        symbol=symbol,
        intent=intent or form.intent,
        strength=(_one_of(values["strength"], STRENGTHS) if "strength" in values else None) or form.strength,
        confidence=confidence,
        confidence_raw=None if raw is None else str(raw)[:64],
        reasoning=reasoning,
        entry=_entry(values["entry"], notes) if "entry" in values else None,
        stop_loss=_price("stop_loss", values["stop_loss"], notes) if "stop_loss" in values else None,
        take_profit=_targets(values["take_profit"], action, notes) if "take_profit" in values else (),
        size=None if _SIZES.isdisjoint(values) else _size(values, notes),
        leverage=_leverage(values["leverage"], notes) if "leverage" in values else None,
        risk_usd=_amount("risk_usd", values["risk_usd"], notes) if "risk_usd" in values else None,
        time_horizon=_horizon(values["time_horizon"], notes) if "time_horizon" in values else None,
        invalidation=_text(values["invalidation"]) if "invalidation" in values else None,
        key_factors=_texts(values["key_factors"]) if "key_factors" in values else (),
        risks=_texts(values["risks"]) if "risks" in values else (),
    )


def _text(raw: object) -> str | None:
    if isinstance(raw, dict):
        raw = "; ".join(f"{key}: {str(item)[:MAX_TEXT]}" for key, item in islice(raw.items(), _MOST_LISTED))
    if isinstance(raw, list):
        raw = "; ".join(str(item)[:MAX_TEXT] for item in raw[:_MOST_LISTED])
    if not isinstance(raw, str):
        return None
    return without_invisible(raw[: 2 * MAX_TEXT]).strip()[:MAX_TEXT] or None


def _texts(raw: object) -> tuple[str, ...]:
    items = raw if isinstance(raw, list) else [raw]
    return tuple(text for text in map(_text, items[:MAX_LIST]) if text)


def _one_of(raw: object, known: frozenset[str]) -> str | None:
    word = raw.strip().lower().replace(" ", "_") if isinstance(raw, str) else ""
    return word if word in known else None


def _amount(name: str, raw: object, notes: Notes) -> float | None:
    if raw is None or (isinstance(raw, float) and 0 <= raw < inf):
        return raw
    number = read_number(raw)
    if number.problem or (number.value is not None and number.value < 0):
        notes.warnings.append(f"{name}_unreadable")
        return None
    return number.value


def _price(name: str, raw: object, notes: Notes) -> float | None:
    if raw is None or (isinstance(raw, float) and 0 < raw < inf):
        return raw
    number = read_number(raw)
    if number.value is not None and number.percent:
        notes.percents[name] = number.value
        return None
    if number.problem or (number.value is not None and number.value <= 0):
        notes.warnings.append(f"{name}_unreadable")
        return None
    return number.value


def _entry(raw: object, notes: Notes) -> Entry | None:
    if isinstance(raw, dict):
        kind = str(raw.get("type") or "").strip().lower()
        price = _price("entry", raw.get("price"), notes)
        known = kind if kind in ("market", "limit") else ("market" if price is None else "limit")
        return None if price is None and known == "limit" else Entry(known, price)
    if isinstance(raw, str) and word_of(raw) in _MARKET:
        return Entry("market", None)
    price = _price("entry", raw, notes)
    return None if price is None else Entry("limit", price)


def _targets(raw: object, action: Action, notes: Notes) -> tuple[float, ...]:
    items = raw if isinstance(raw, list) else [raw]
    if isinstance(raw, dict):
        items = [raw] if "price" in raw else list(raw.values())
    if len(items) > _MOST_LISTED:
        notes.warnings.append("take_profit_unreadable")
        return ()
    prices = [item.get("price") if isinstance(item, dict) else item for item in items]
    known = {price for price in (_price("take_profit", item, notes) for item in prices) if price is not None}
    if len(known) > MAX_TARGETS:
        notes.warnings.append("take_profit_cut")
    return tuple(sorted(known, reverse=action is Action.SELL)[:MAX_TARGETS])


def _size(values: Mapping[str, object], notes: Notes) -> Size | None:
    whole = values.get("size")
    if isinstance(whole, dict):
        amount = _amount("size", whole.get("value"), notes)
        if amount is not None and whole.get("unit") in _UNITS:
            return Size(str(whole["unit"]), amount)
        notes.warnings.append("size_unreadable")
        return None
    fraction = read_number(values.get("size_fraction") if whole is None else whole)
    if fraction.percent and fraction.value is not None and fraction.value >= 0:
        return Size("fraction_of_equity", fraction.value / 100)
    if whole is not None:
        # A bare `size` has no unit: 0.5 may be half of the equity or half a coin.
        notes.warnings.append("size_without_unit")
        return None
    for name, unit in (("size_fraction", "fraction_of_equity"), ("notional", "notional"), ("quantity", "quantity")):
        amount = _amount(name, values.get(name), notes)
        if amount is not None:
            return Size(unit, amount)
    return None


def _leverage(raw: object, notes: Notes) -> float | None:
    return _amount("leverage", raw.strip().rstrip("xX×倍") if isinstance(raw, str) else raw, notes)


def _horizon(raw: object, notes: Notes) -> str | None:
    if not isinstance(raw, str):
        return None
    known = HORIZONS.get(word_of(raw).removesuffix(" TRADE"))
    if known is None:
        notes.warnings.append("time_horizon_unknown")
    return known
