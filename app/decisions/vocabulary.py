"""Names in the wild: what models call an action, a stop, a reason; in several languages."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Mapping
from typing import Final


def key_of(name: str) -> str:
    """A key without case, spaces, dashes and underscores: `stopLoss`, `stop_loss` and `Stop Loss` are one."""
    listed = LISTED.get(name)
    if listed is not None:
        return listed
    return _known_key(name) if len(name) <= _LONGEST_KNOWN else _key(name)


def _key(name: str) -> str:
    return re.sub(r"[\s_\-*`\"'“”]+", "", unicodedata.normalize("NFKC", name)).casefold()


# Keys as they are listed below, and so as the contract has them. A cache that moves what it finds to its front touches
# six places in memory for each, and nothing of it is at hand when the next answer comes.
LISTED: Final[dict[str, str]] = {}
# Each answer has the same dozen keys, and each is looked at several times.
_LONGEST_KNOWN: Final = 40
_known_key = functools.lru_cache(maxsize=1024)(_key)


def _key_list(names: str) -> list[str]:
    LISTED.update((name, _key(name)) for name in names.split("|"))
    return [LISTED[name] for name in names.split("|")]


def _keys(**names: str) -> Mapping[str, str]:
    return {alias: field for field, aliases in names.items() for alias in _key_list(aliases)}


ACTION_KEYS: Final = tuple(
    _key_list(
        "action|decision|signal|trade_signal|recommendation|rating|side|trade_action|trading_decision|trading_action"
        "|trading_signal|trade_decision|final_decision|操作|操作建议|决策|交易决策|交易信号|信号|建议|行動|アクション|判断|売買|売買判断"
        "|シグナル|acción|accion|decisión|señal|recomendación|ação|acao|decisão|sinal|recomendação|aktion|empfehlung"
        "|entscheidung|signale|décision|recommandation|azione|decisione|segnale|raccomandazione|действие|решение|сигнал"
        "|рекомендация|행동|결정|매매|신호|eylem|karar|sinyal|actie|beslissing|akcja|decyzja|sygnał"
    )
)
"""In order of authority: the first one present is the action, the others must not contradict it."""

RATING_KEYS: Final = frozenset(
    _key_list(
        "rating|signal|trade_signal|trading_signal|recommendation|empfehlung|操作建议|交易信号|信号|建议|シグナル|señal"
        "|recomendación|sinal|recomendação|recommandation|segnale|raccomandazione|сигнал|рекомендация|신호|sinyal|sygnał"
    )
)

FIELD_KEYS: Final = _keys(
    symbol="symbol|ticker|asset|instrument|pair|coin|标的|交易对|币种|銘柄|símbolo|ativo|activo|symbole|actif|символ"
    "|инструмент|종목",
    confidence="confidence|conviction|probability|certainty|confidence_score|confidence_level|信心|置信度|信心度|把握"
    "|信頼度|確信度|自信度|confianza|certeza|confiança|konfidenz|zuversicht|konfidenzniveau|confiance|certitude|fiducia"
    "|уверенность|вероятность|신뢰도|확신도|güven|vertrouwen|pewność",
    reasoning="reasoning|rationale|reason|reasons|justification|analysis|explanation|thesis|理由|分析|原因|推理|根拠"
    "|razonamiento|razón|justificación|análisis|raciocínio|justificativa|motivo|análise|begründung|analyse|grund"
    "|raisonnement|raison|ragionamento|motivazione|обоснование|причина|анализ|근거|이유|분석|gerekçe|uzasadnienie",
    intent="intent",
    strength="strength",
    entry="entry|entry_price|limit_price|entrada|precio_de_entrada|preço_de_entrada|入场价|入场|エントリー|エントリー価格"
    "|einstieg|einstiegskurs|entrée|prix_d'entrée|ingresso|вход|цена_входа|진입가",
    stop_loss="stop_loss|stop|sl|stop_price|stop_loss_price|止损|止损价|損切り|ストップロス|逆指値|stoploss|stop_pérdida"
    "|parada|perte_maximale|стоп|стоп_лосс|손절|손절가",
    take_profit="take_profit|tp|target|targets|target_price|profit_target|take_profit_price|take_profits|price_target"
    "|止盈|止盈价|目标价|利確|目標価格|objetivo|alvo|kursziel|ziel|objectif|obiettivo|тейк_профит|цель|익절|익절가|목표가",
    size="size|position_sizing",
    size_fraction="size_fraction|position_size|position_size_pct|position_fraction|allocation|仓位",
    quantity="quantity|qty|amount|shares|contracts|数量",
    notional="notional|position_size_usd|notional_usd",
    leverage="leverage|杠杆|杠杆倍数|レバレッジ|apalancamiento|alavancagem|hebel|levier|плечо|레버리지",
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
        "|function|tool_call|tool_calls|tool_input|input|final_answer|trades|orders|decisión|entscheidung|décision"
        "|resultado|ergebnis|résultat|решение|результат|結果|判断"
    )
)

NOT_MEANT_KEYS: Final = frozenset(
    _key_list(
        "example|examples|sample|template|format|alternative|alternatives|rejected|previous|schema|default|if|else"
        "|scenario|hypothetical|instead_of|not|previous_decision|last_decision|示例|例|beispiel|ejemplo|exemple|exemplo"
    )
)
"""An object under one of these, even alone, is not what the model decides."""

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
