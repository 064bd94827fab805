"""Names and forms in the wild: what models call an action, a stop, a long position, in several languages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.domain.decision import Action


@dataclass(frozen=True, slots=True)
class Form:
    """What a word says. `action` None: it depends on the position (EXIT). `rating` words say so only under a rating."""

    action: Action | None
    intent: str | None = None
    strength: str | None = None
    rating: bool = False


def key_of(name: str) -> str:
    """A key without case, spaces, dashes and underscores: `stopLoss`, `stop_loss` and `Stop Loss` are one."""
    return re.sub(r"[\s_\-*`\"'“”]+", "", unicodedata.normalize("NFKC", name)).casefold()


def word_of(text: str) -> str:
    """A word as the table of forms knows it: capitals, single spaces, no decoration around it."""
    plain = unicodedata.normalize("NFKC", text).replace("_", " ").replace("-", " ").upper()
    return " ".join(plain.strip(_DECORATION).split())


_DECORATION: Final = " \t\n*`\"'“”‘’.!。！「」『』()[]🚀📈📉🟢🔴🟡✅"


def _key_list(names: str) -> list[str]:
    return [key_of(name) for name in names.split("|")]


def _keys(**names: str) -> Mapping[str, str]:
    return {alias: field for field, aliases in names.items() for alias in _key_list(aliases)}


ACTION_KEYS: Final = tuple(
    _key_list(
        "action|decision|signal|trade_signal|recommendation|rating|side|trade_action|trading_decision|trading_action"
        "|final_decision|操作|操作建议|决策|acción|accion|aktion|empfehlung"
    )
)
"""In order of authority: the first one present is the action, the others must not contradict it."""

RATING_KEYS: Final = frozenset(_key_list("rating|signal|trade_signal|recommendation|empfehlung|操作建议"))

FIELD_KEYS: Final = _keys(
    symbol="symbol|ticker|asset|instrument|pair|coin|标的|símbolo",
    confidence="confidence|conviction|probability|certainty|confidence_score|confidence_level|信心|置信度|confianza"
    "|konfidenz|zuversicht",
    reasoning="reasoning|rationale|reason|justification|analysis|explanation|thesis|理由|分析|razonamiento|begründung",
    intent="intent",
    strength="strength",
    entry="entry|entry_price|limit_price|entrada|入场价|einstieg",
    stop_loss="stop_loss|stop|sl|stop_price|stop_loss_price|止损|止损价",
    take_profit="take_profit|tp|target|targets|target_price|profit_target|take_profit_price|take_profits|price_target"
    "|止盈|止盈价",
    size="size|position_sizing",
    size_fraction="size_fraction|position_size|position_size_pct|position_fraction|allocation|仓位",
    quantity="quantity|qty|amount|shares|contracts|数量",
    notional="notional|position_size_usd|notional_usd",
    leverage="leverage|杠杆|杠杆倍数",
    risk_usd="risk_usd",
    time_horizon="time_horizon|horizon|timeframe|holding_period",
    invalidation="invalidation|invalidation_condition|invalidated_if",
    key_factors="key_factors|factors",
    risks="risks|risk_factors",
)
"""Field of an opinion by key; the size's three spellings are kept apart, since they differ in unit."""

WRAPPER_KEYS: Final = frozenset(
    _key_list(
        "decision|decisions|result|results|output|response|answer|data|final|final_decision|trading_decision|trade"
        "|trade_signal|trade_signal_args|signal|signals|recommendation|order|args|arguments|parameters|决策|结果"
    )
)

INTENTS: Final = frozenset(("open_long", "open_short", "close_long", "close_short", "add", "reduce", "hold"))
STRENGTHS: Final = frozenset(("strong", "normal", "weak"))
HORIZONS: Final[Mapping[str, str]] = {
    "SCALPING": "scalping",
    "SCALP": "scalping",
    "INTRADAY": "intraday",
    "DAY": "intraday",
    "DAY TRADE": "intraday",
    "SHORT TERM": "swing",
    "SWING": "swing",
    "MEDIUM TERM": "swing",
    "POSITION": "position",
    "LONG TERM": "position",
}


def _forms() -> Mapping[str, Form]:
    rows: list[tuple[Form, str]] = [
        (Form(Action.BUY), "BUY|BUY NOW|COMPRAR|COMPRA|KAUFEN|KAUF|ACHETER|买入|买进|买|購買|購入"),
        (Form(Action.BUY, strength="strong"), "STRONG BUY|STRONGLY BUY|STARK KAUFEN|COMPRA FUERTE|强烈买入|强力买入"),
        (Form(Action.BUY, strength="weak"), "WEAK BUY"),
        (Form(Action.BUY, "open_long"), "LONG|GO LONG|OPEN LONG|ENTER LONG|BUY TO OPEN|BUY LONG|做多|开多|LARGO"),
        (Form(Action.BUY, "close_short"), "CLOSE SHORT|BUY TO CLOSE|BUY TO COVER|COVER|EXIT SHORT|平空"),
        (Form(Action.BUY, "add"), "ACCUMULATE|BUY MORE|加仓|增持|ACUMULAR|AUFSTOCKEN"),
        (Form(Action.BUY, strength="normal"), "OVERWEIGHT|OUTPERFORM|ÜBERGEWICHTEN"),
        (Form(Action.BUY, rating=True), "BULLISH|看多|看涨|ALCISTA|BULLISCH"),
        (Form(Action.SELL), "SELL|SELL NOW|VENDER|VENTA|VERKAUFEN|VERKAUF|VENDRE|卖出|卖|賣出"),
        (Form(Action.SELL, strength="strong"), "STRONG SELL|STRONGLY SELL|VENTA FUERTE|强烈卖出|强力卖出"),
        (Form(Action.SELL, strength="weak"), "WEAK SELL"),
        (
            Form(Action.SELL, "open_short"),
            "SHORT|GO SHORT|OPEN SHORT|ENTER SHORT|SELL SHORT|SELL TO OPEN|做空|开空|CORTO|LEERVERKAUFEN",
        ),
        (Form(Action.SELL, "close_long"), "CLOSE LONG|SELL TO CLOSE|EXIT LONG|平多"),
        (Form(Action.SELL, "reduce"), "TRIM|REDUCE|减仓|减持|REDUCIR|REDUZIEREN"),
        (Form(Action.SELL, strength="normal"), "UNDERWEIGHT|UNDERPERFORM|UNTERGEWICHTEN"),
        (Form(Action.SELL, rating=True), "BEARISH|看空|看跌|BAJISTA|BÄRISCH"),
        (Form(None), "EXIT|CLOSE|CLOSE POSITION|EXIT POSITION|LIQUIDATE|FLATTEN|平仓|CERRAR|SCHLIESSEN"),
        (
            Form(Action.HOLD, "hold"),
            "HOLD|WAIT|NEUTRAL|NO TRADE|NO ACTION|NO POSITION|STAY OUT|STAY FLAT|STAND ASIDE|DO NOTHING|SKIP|PASS"
            "|EQUAL WEIGHT|观望|持有|等待|不操作|MANTENER|ESPERAR|NEUTRO|HALTEN|ABWARTEN|WARTEN|CONSERVER",
        ),
    ]
    return {word: form for form, words in rows for word in words.split("|")}


FORMS: Final = _forms()
"""Every word that is an action, whole."""

NO_ACTION: Final = frozenset(("", "NULL", "NONE", "N/A", "NA", "UNKNOWN", "UNDECIDED", "ABSTAIN", "无"))
"""Words that say the model does not vote."""

_LATIN_WORDS: Final = sorted((w for w in FORMS if w.isascii()), key=len, reverse=True)
_OTHER_WORDS: Final = sorted((w for w in FORMS if not w.isascii()), key=len, reverse=True)
_ANY_FORM: Final = re.compile(
    rf"(?<![A-Z])(?:{'|'.join(map(re.escape, _LATIN_WORDS))})(?![A-Z])|{'|'.join(map(re.escape, _OTHER_WORDS))}"
)


def forms_within(text: str) -> list[str]:
    """Every action word inside a longer text; for telling an ambiguous value from an unknown one."""
    return _ANY_FORM.findall(word_of(text))
