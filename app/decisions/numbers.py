"""Numbers and confidences as models write them; what is not one number is none."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from app.domain.frozen import frozen

_NUMBER: Final = re.compile(
    r"(?P<sign>[+-]?)(?P<digits>\d[\d,._']*)(?P<exponent>[eE][+-]?\d{1,3})?\s*(?P<unit>[%kKmM])?"
)
_CURRENCY: Final = re.compile(
    r"(?i)(?<![a-z])us\$|[$€£¥₽₩₿]|(?<![a-z])(?:usdt|usdc|usd|eur|gbp|jpy|cny|brl|dollars?|euros?)(?![a-z])"
    r"|美元|美金|元|円|ドル|руб\.?|долл\.?|달러|원|^\s*[~≈]"
)
_THOUSANDS: Final = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_EUROPEAN: Final = re.compile(r"\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}|\d+,\d{1,2}|\d+,\d{4,}")
_SCALES: Final = {"k": 1e3, "m": 1e6}
_WORDED: Final[Mapping[str, float]] = {
    word: share
    for share, words in (
        (
            0.95,
            "VERY HIGH|非常高|极高|很高|非常に高い|MUY ALTA|MUITO ALTA|SEHR HOCH|TRÈS ÉLEVÉE|ОЧЕНЬ ВЫСОКАЯ",
        ),
        (
            0.85,
            "HIGH|STRONG|高|较高|高い|ALTA|ALTO|ELEVADA|HOCH|ÉLEVÉE|ÉLEVÉ|HAUTE|FORTE|ELEVATA|ВЫСОКАЯ|ВЫСОКИЙ|높음|YÜKSEK",
        ),
        (
            0.6,
            "MEDIUM|MODERATE|MID|中|中等|中程度|MEDIA|MEDIO|MÉDIA|MODERADA|MITTEL|MOYENNE|MOYEN|СРЕДНЯЯ|СРЕДНИЙ|보통|ORTA",
        ),
        (0.35, "LOW|WEAK|低|较低|低い|BAJA|BAJO|BAIXA|BAIXO|NIEDRIG|GERING|FAIBLE|BASSA|НИЗКАЯ|НИЗКИЙ|낮음|DÜŞÜK"),
        (
            0.15,
            "VERY LOW|非常低|极低|很低|非常に低い|MUY BAJA|MUITO BAIXA|SEHR NIEDRIG|TRÈS FAIBLE|ОЧЕНЬ НИЗКАЯ",
        ),
    )
    for word in words.split("|")
}


@frozen
class Reading:
    """A number, or None with what was wrong; `percent` when it was written with a percent sign."""

    value: float | None
    percent: bool = False
    problem: str | None = None


_NOTHING: Final = Reading(None)


def read_number(raw: object) -> Reading:
    """`$98,500.00`, `98_500`, `98.5k`, `9.85e4`; ranges, placeholders and words are no number."""
    if raw is None:
        return _NOTHING
    if isinstance(raw, float) and math.isfinite(raw):
        return Reading(raw)
    if isinstance(raw, bool):
        return Reading(None, problem="not_a_number")
    if isinstance(raw, int | float):
        return _finite(raw)
    if not isinstance(raw, str):
        return Reading(None, problem="not_a_number")
    text = _CURRENCY.sub("", unicodedata.normalize("NFKC", raw[:64])).strip()
    found = _NUMBER.fullmatch(text)
    if found is None:
        return Reading(None, problem="not_a_number")
    value = _plain(found["digits"])
    if value is None:
        return Reading(None, problem="not_a_number")
    unit = (found["unit"] or "").lower()
    scaled = float(f"{value}{found['exponent'] or ''}") * _SCALES.get(unit, 1.0)
    read = _finite(-scaled if found["sign"] == "-" else scaled)
    return Reading(read.value, percent=unit == "%", problem=read.problem)


def read_confidence(raw: object) -> tuple[float | None, str | None]:
    """A share of 1 and a warning: `85%`, `85`, `0.85`, `8/10` and `high` are .85, .85, .85, .8 and .85.

    What lies outside its scale, or on a scale that nobody can tell (8: of 10, or per cent?), is None.
    """
    if raw is None:
        return None, "confidence_missing"
    if isinstance(raw, str):
        raw = raw[:64]
        worded = _worded(raw)
        if worded is not None:
            return worded, "confidence_worded"
        parts = re.sub(r"(?i)\s+(?:out of|of|von|de|sur|из)\s+", "/", raw).split("/")
        if len(parts) == 2:
            return _fraction(parts[0], parts[1])
        raw = re.sub(
            r"(?i)\s*(?:per\s?cent|prozent|por ?ciento|por cento|pour ?cent|процентов|パーセント)$", "%", raw.strip()
        )
    number = read_number(raw)
    if number.value is None:
        return None, "confidence_unreadable"
    return _share(number)


def _share(number: Reading) -> tuple[float | None, str | None]:
    value = number.value
    if value is None or not 0 <= value <= 100:
        return None, "confidence_out_of_scale"
    if number.percent:
        return value / 100, "confidence_rescaled"
    if value < 1:
        return value, None
    if value == 1:
        return 1.0, "confidence_exactly_one"
    if value <= 10:
        return None, "confidence_scale_unknown"
    return value / 100, "confidence_rescaled"


def _fraction(part: str, whole: str) -> tuple[float | None, str | None]:
    some, of = read_number(part.strip()).value, read_number(whole.strip()).value
    if some is None or of is None:
        return None, "confidence_unreadable"
    if of not in (1, 5, 10, 100) or not 0 <= some <= of:
        return None, "confidence_out_of_scale"
    return some / of, "confidence_rescaled"


def _worded(raw: str) -> float | None:
    word = " ".join(re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", raw)).upper().split())
    return _WORDED.get(word.removesuffix(" CONFIDENCE").removesuffix(" CONVICTION"))


def _plain(digits: str) -> str | None:
    """The digits with a point and no grouping, or None when the grouping makes no sense."""
    text = digits.replace("_", "").replace("'", "")
    if _THOUSANDS.fullmatch(text):
        return text.replace(",", "")
    if _EUROPEAN.fullmatch(text):
        return text.replace(".", "").replace(",", ".")
    return text if re.fullmatch(r"\d+(?:\.\d*)?", text) else None


def _finite(number: float) -> Reading:
    try:
        value = float(number)
    except OverflowError:
        return Reading(None, problem="not_finite")
    return Reading(value) if math.isfinite(value) else Reading(None, problem="not_finite")
