"""Answers as models write them, each with what is to be read from it; the parser's table of truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.domain.decision import Action, VoteStatus

BUY, SELL, HOLD = Action.BUY, Action.SELL, Action.HOLD
INVALID, ABSTAINED, REFUSED, TRUNCATED = (
    VoteStatus.INVALID,
    VoteStatus.ABSTAINED,
    VoteStatus.REFUSED,
    VoteStatus.TRUNCATED,
)

S, C, R = "symbol_missing", "confidence_missing", "reasoning_missing"
BARE: Final = (S, C, R)
RESCALED, WORDED = "confidence_rescaled", "confidence_worded"


@dataclass(frozen=True, slots=True)
class Variant:
    """A text, and what is read from it; without an action `reason` is how the abstention's reason begins."""

    text: str
    status: VoteStatus
    action: Action | None = None
    method: str | None = None
    reason: str = ""
    symbol: str = "BTC/USDT"
    side: str | None = None
    intent: str | None = None
    confidence: float | None = None
    entry: float | None = None
    stop_loss: float | None = None
    take_profit: tuple[float, ...] = ()
    warnings: tuple[str, ...] = BARE
    finish_reason: str = "stop"


def vote(
    text: str,
    action: Action,
    method: str = "json",
    *,
    intent: str | None = None,
    confidence: float | None = None,
    entry: float | None = None,
    stop: float | None = None,
    targets: tuple[float, ...] = (),
    warnings: tuple[str, ...] = BARE,
    side: str | None = None,
    symbol: str = "BTC/USDT",
) -> Variant:
    """A vote; from the rung `repair` it is one with the status repaired."""
    status = VoteStatus.REPAIRED if method == "repair" else VoteStatus.OK
    return Variant(
        text=text,
        status=status,
        action=action,
        method=method,
        symbol=symbol,
        side=side,
        intent=intent or ("hold" if action is HOLD else None),
        confidence=confidence,
        entry=entry,
        stop_loss=stop,
        take_profit=targets,
        warnings=warnings,
    )


def no_vote(
    text: str,
    status: VoteStatus,
    reason: str,
    method: str | None = None,
    *,
    side: str | None = None,
    finish_reason: str = "stop",
) -> Variant:
    """An abstention."""
    return Variant(text, status, method=method, reason=reason, side=side, warnings=(), finish_reason=finish_reason)


_OBJECTS: Final = (
    vote(
        '{"symbol": "BTC/USDT", "reasoning": "Higher lows on rising volume.", "action": "BUY", "confidence": 0.72,'
        ' "entry_price": 64231.5, "stop_loss": 63900, "take_profit": 65000, "size_fraction": 0.02, "leverage": 2,'
        ' "time_horizon": "intraday", "invalidation": "a close below 63,900"}',
        BUY,
        confidence=0.72,
        entry=64231.5,
        stop=63900,
        targets=(65000,),
        warnings=(),
    ),
    vote(
        '{"ticker": "BTCUSDT", "recommendation": "Strong Sell", "conviction": "80%", "rationale": "Lower highs."}',
        SELL,
        confidence=0.8,
        warnings=(RESCALED,),
    ),
    vote(
        '{"coin": "btc", "signal": "hold", "certainty": 0.4, "justification": "No edge."}',
        HOLD,
        confidence=0.4,
        warnings=(),
    ),
    vote(
        '{"trade_signal": "GO_LONG", "probability": 65, "sl": "$63,900.00", "tp": ["65.2k", "64,900"]}',
        BUY,
        intent="open_long",
        confidence=0.65,
        stop=63900,
        targets=(64900, 65200),
        warnings=(S, RESCALED, R),
    ),
    vote(
        '{"side": "short", "limit_price": "6.4e4", "stop": "65_000", "targets": {"tp1": 63000, "tp2": 62000}}',
        SELL,
        intent="open_short",
        entry=64000,
        stop=65000,
        targets=(63000, 62000),
    ),
    vote('{"rating": "Overweight", "confidence": "8/10"}', BUY, confidence=0.8, warnings=(S, RESCALED, R)),
    vote('{"rating": "bearish", "confidence": "high"}', SELL, confidence=0.85, warnings=(S, WORDED, R)),
    vote('{"decision": "no trade", "confidence": 1}', HOLD, confidence=1.0, warnings=(S, "confidence_exactly_one", R)),
    vote('{"action": "buy_to_cover"}', BUY, intent="close_short"),
    vote('{"action": "SELL-TO-CLOSE"}', SELL, intent="close_long"),
    vote('{"action": "accumulate"}', BUY, intent="add"),
    vote('{"action": "Trim"}', SELL, intent="reduce"),
    vote('{"action": "Exit", "side": "long"}', SELL, intent="close_long", side="long"),
    vote('{"action": "hold", "side": "long"}', HOLD, side="long"),
    vote('{"action": "close position"}', BUY, intent="close_short", side="short"),
    vote('{"action": "🟢 **BUY**"}', BUY),
    vote('{"action": "ＢＵＹ", "stop_loss": "６３９００"}', BUY, stop=63900),
    vote('{"action": "BUY", "confidence": 140}', BUY, warnings=(S, "confidence_out_of_scale", R)),
    vote('{"action": "BUY", "confidence": 8}', BUY, warnings=(S, "confidence_scale_unknown", R)),
    vote('{"action": "BUY", "confidence": "quite sure"}', BUY, warnings=(S, "confidence_unreadable", R)),
    vote('{"action": "BUY", "stop_loss": "63000~63500"}', BUY, warnings=(*BARE, "stop_loss_unreadable")),
    vote(
        '{"action": "SELL", "stop_loss": "N/A", "take_profit": "TBD"}',
        SELL,
        warnings=(*BARE, "stop_loss_unreadable", "take_profit_unreadable"),
    ),
    vote('{"action": "BUY", "entry": "market", "stop_loss": "US$63,900"}', BUY, stop=63900),
    vote('{"action": "BUY", "entry": {"type": "limit", "price": 64000}}', BUY, entry=64000),
    vote(
        '{"action": "BUY", "take_profit": [{"price": 66000, "share": 0.5}, {"price": 65000}]}',
        BUY,
        targets=(65000, 66000),
    ),
    vote('{"action": "HOLD", "reasoning": ["flat", "no volume"]}', HOLD, warnings=(S, C)),
)

_WRAPPED: Final = (
    vote('{"BTC": {"action": "SELL"}}', SELL, warnings=(C, R)),
    vote('{"BTC-USDT": {"trade_signal_args": {"signal": "buy"}}}', BUY, warnings=(C, R)),
    vote('{"result": {"output": {"decision": {"action": "HOLD"}}}}', HOLD),
    vote('{"decision": {"action": "BUY"}, "model_note": "as asked"}', BUY),
    vote(
        '{"decisions": {"BTC": {"action": "BUY"}, "AAPL": {"action": "SELL"}}}',
        BUY,
        warnings=("other_symbols: AAPL", C, R),
    ),
    vote(
        '{"decisions": [{"symbol": "ETHUSDT", "action": "SELL"}, {"symbol": "BTCUSDT", "action": "BUY"}]}',
        BUY,
        warnings=("other_symbols: ETHUSDT", C, R),
    ),
    vote('[{"action": "BUY"}]', BUY),
    vote('["{\\"action\\": \\"SELL\\"}"]', SELL),
    vote('"{\\"action\\": \\"BUY\\", \\"confidence\\": 0.6}"', BUY, confidence=0.6, warnings=(S, R)),
    vote('{"name": "submit", "arguments": "{\\"action\\": \\"SELL\\"}"}', SELL),
    vote('{"tool_calls": [{"type": "function", "function": {"arguments": "{\\"action\\": \\"BUY\\"}"}}]}', BUY),
    vote(
        '[{"action": "BUY", "confidence": 0.5}, {"action": "BUY", "confidence": 0.6}]',
        BUY,
        confidence=0.6,
        warnings=(S, "merged: 2 objects agree", R),
    ),
    vote('{"AAPL": {"action": "BUY"}}', BUY, symbol="AAPL", warnings=(C, R)),
)

_LANGUAGES: Final = (
    vote(
        '{"操作": "买入", "信心": "高", "理由": "趋势向上", "止损": "63,900", "止盈": 65000}',
        BUY,
        confidence=0.85,
        stop=63900,
        targets=(65000,),
        warnings=(S, WORDED),
    ),
    vote(
        "交易建议：做空\n置信度：75%\n理由：跌破支撑",
        SELL,
        "label",
        intent="open_short",
        confidence=0.75,
        warnings=(S, RESCALED),
    ),
    vote('{"决策": "观望", "置信度": 0.5}', HOLD, confidence=0.5, warnings=(S, R)),
    vote("行動：買い\n信頼度：高い\n損切り：63900円", BUY, "label", confidence=0.85, stop=63900, warnings=(S, WORDED)),
    vote('{"判断": "様子見", "根拠": "レンジ"}', HOLD, warnings=(S, C)),
    vote(
        '{"acción": "comprar", "confianza": "alta", "razonamiento": "tendencia"}',
        BUY,
        confidence=0.85,
        warnings=(S, WORDED),
    ),
    vote("Recomendación: **VENDER**\nConfianza: 70 por ciento", SELL, "label", confidence=0.7, warnings=(S, RESCALED)),
    vote(
        '{"Aktion": "kaufen", "Konfidenz": "0,75", "Begründung": "Aufwärtstrend"}', BUY, confidence=0.75, warnings=(S,)
    ),
    vote("Empfehlung: Abwarten\nBegründung: kein Trend", HOLD, "label", warnings=(S, C)),
    vote(
        '{"décision": "acheter", "confiance": "élevée", "raison": "cassure"}',
        BUY,
        confidence=0.85,
        warnings=(S, WORDED),
    ),
    vote("Recommandation : vendre", SELL, "label", warnings=(S, C)),
    vote('{"ação": "aguardar", "confiança": "baixa"}', HOLD, confidence=0.35, warnings=(S, WORDED, R)),
    vote('{"decisão": "vender", "raciocínio": "topo duplo"}', SELL, warnings=(S, C)),
    vote(
        '{"действие": "Покупать", "уверенность": "80%", "обоснование": "пробой"}',
        BUY,
        confidence=0.8,
        warnings=(S, RESCALED),
    ),
    vote("Рекомендация: держать", HOLD, "label", warnings=(S, C)),
    vote('{"azione": "vendere", "fiducia": "media"}', SELL, confidence=0.6, warnings=(S, WORDED, R)),
    vote('{"행동": "매수", "신뢰도": 0.7, "근거": "상승 추세"}', BUY, confidence=0.7, warnings=(S,)),
    vote('{"action": "平仓"}', SELL, intent="close_long", side="long"),
)

_AROUND: Final = (
    vote('\ufeff{"action": "BUY"}', BUY),
    vote('{"ac\u200btion": "SE\u200bLL"}', SELL),
    vote('<think>Short it? {"action": "SELL"} No.</think>\n{"action": "BUY"}', BUY),
    vote('Could be {"action": "SELL"}...</think>{"action": "HOLD"}', HOLD),
    vote('<think>I lean to {"action": "SELL"} but then {"action": "BUY"}', BUY),
    vote('◁think▷Action: SELL◁/think▷{"action": "BUY"}', BUY),
    vote("[THINK]Action: SELL[/THINK]\nAction: BUY", BUY, "label", warnings=(S, C)),
    vote('<reasoning>long story</reasoning><decision>{"action": "SELL"}</decision>', SELL, "tag"),
    vote("<answer>HOLD</answer>\n<confidence>0.6</confidence>", HOLD, "tag", confidence=0.6, warnings=(S,)),
    vote('Draft {"action": "BUY"}.\n<decision>In short: {"action": "HOLD"}</decision>', HOLD, "tag"),
    vote(
        'Here you go:\n```json\n{"action": "BUY", "confidence": 0.7}\n```\nGood luck!',
        BUY,
        "fence",
        confidence=0.7,
        warnings=(S, R),
    ),
    vote('```json\n{"action": "BUY|SELL|HOLD"}\n```\nso\n```json\n{"action": "SELL"}\n```', SELL, "fence"),
    vote('```json\n{"action": "undecided yet"}\n```\n```\n{"action": "BUY"}\n```', BUY, "fence"),
    vote('```json\n{"action": "BUY"}', BUY, "scan"),
    vote('After weighing it all, {"action": "SELL", "note": "mind the } in here"} is my call.', SELL, "scan"),
    vote('MACD printed [-2140.7, -1936.4], RSI {"value": 31}. {"action": "HOLD"}', HOLD, "scan"),
    vote(
        '{"action": "BUY"} ... to repeat: {"action": "BUY", "confidence": 0.6}',
        BUY,
        "scan",
        confidence=0.6,
        warnings=(S, "merged: 2 objects agree", R),
    ),
    vote("FINAL TRANSACTION PROPOSAL: **SELL**", SELL, "label", warnings=(S, C)),
    vote(
        "## Final Recommendation: Strong Buy\n- Confidence: 85 percent\n- Stop loss: 63,900\n- Target: 65k",
        BUY,
        "label",
        confidence=0.85,
        stop=63900,
        targets=(65000,),
        warnings=(S, RESCALED),
    ),
    vote(
        "| Field | Value |\n|---|---|\n| Action | BUY |\n| Confidence | 8 out of 10 |",
        BUY,
        "label",
        confidence=0.8,
        warnings=(S, RESCALED),
    ),
    vote("1. **Action**: Sell\n2. **Confidence**: Medium", SELL, "label", confidence=0.6, warnings=(S, WORDED)),
    vote("<action>SELL</action><stop_loss>65000</stop_loss>", SELL, "label", stop=65000, warnings=(S, C)),
)

_BROKEN: Final = (
    vote("{'action': 'BUY', 'confidence': 0.7}", BUY, "repair", confidence=0.7, warnings=(S, R)),
    vote('{"action": "SELL", "confidence": 70%,}', SELL, "repair", confidence=0.7, warnings=(S, RESCALED, R)),
    vote("{'action': 'SELL', 'confidence': 70%}", SELL, "repair", confidence=0.7, warnings=(S, RESCALED, R)),
    vote('{"action": "BUY", // breakout\n "stop_loss": 63900}', BUY, "repair", stop=63900),
    vote('{"action": "BUY", "leverage": None, "sure": True}', BUY, "repair"),
    vote("{action: BUY, confidence: 0.7}", BUY, "repair", confidence=0.7, warnings=(S, R)),
    vote('{"action": "BUY" "confidence": 0.7}', BUY, "repair", confidence=0.7, warnings=(S, R)),
    vote('｛"action"："SELL"，"confidence"：0.6｝', SELL, "repair", confidence=0.6, warnings=(S, R)),
    vote("My call: {“action”: “HOLD”}", HOLD, "repair"),
    vote('{"action": "BUY", "reasoning": "they call it "digital gold" now"}', BUY, "repair", warnings=(S, C)),
    no_vote("{action: BUY, stop_loss: 63000~63500}", INVALID, "unreadable_json", "repair"),
    no_vote("{action: BUY, stop_loss: 63,500}", INVALID, "unreadable_json", "repair"),
    no_vote("{action: BUY, stop_loss: 63 500}", INVALID, "unreadable_json", "repair"),
    no_vote('{"action": "BUY" or "SELL"}', INVALID, "conflicting_decisions"),
    no_vote('{"action": "BUY" if it breaks out}', INVALID, "unreadable_json", "repair"),
    no_vote("{'action': 'BUY'} {'action': 'BUY'}", INVALID, "conflicting_decisions", "scan"),
    no_vote("{'action': 'BUY', 'action': 'SELL'}", INVALID, "conflicting_decisions"),
    no_vote("{'action': 'BUY', 'stop_loss': " + "9" * 310 + "}", INVALID, "unreadable_json", "repair"),
    no_vote("{'action': 'BUY', 'stop_loss': NaN}", INVALID, "non_finite_number"),
    no_vote('{"action": "BUY", "stop_loss": Infinity}', INVALID, "non_finite_number"),
    no_vote('{"action": "BUY", "reasoning": "the trend is', TRUNCATED, "an object was never closed", "scan"),
    no_vote('```json\n{"action": "BUY", "stop_loss": 639', TRUNCATED, "an object was never closed", "scan"),
    no_vote('{"action": "BUY"}', TRUNCATED, "finish_reason is length", finish_reason="length"),
)

_CONFLICTING: Final = (
    no_vote('{"action": "BUY"} no, {"action": "SELL"}', INVALID, "conflicting_decisions: BUY, SELL", "scan"),
    no_vote('```\n{"action": "BUY"}\n```\n```\n{"action": "HOLD"}\n```', INVALID, "conflicting_decisions", "fence"),
    no_vote('[{"action": "BUY"}, {"action": "SELL"}]', INVALID, "conflicting_decisions", "json"),
    no_vote('{"action": "BUY", "action": "SELL"}', INVALID, "conflicting_decisions"),
    no_vote('{"Action": "BUY", "action": "SELL"}', INVALID, "conflicting_decisions", "json"),
    no_vote('{"action": "BUY", "recommendation": "Sell"}', INVALID, "conflicting_decisions", "json"),
    no_vote('{"action": "BUY", "intent": "open_short"}', INVALID, "conflicting_decisions", "json"),
    no_vote('{"action": "BUY", "stop_loss": 63000, "sl": 60000}', INVALID, "conflicting_decisions", "json"),
    no_vote('{"action": "BUY", "sl": 63000} {"action": "BUY", "sl": 60000}', INVALID, "conflicting_decisions", "scan"),
    no_vote('{"action": "LONG"} {"action": "COVER"}', INVALID, "conflicting_decisions", "scan"),
    no_vote('{"action": "exit", "side": "short"}', INVALID, "conflicting_decisions", "json", side="long"),
    no_vote("Action: BUY\nRecommendation: SELL", INVALID, "conflicting_decisions", "label"),
    no_vote('<decision>not BUY</decision> {"action": "BUY"}', INVALID, "unknown_action", "tag"),
    no_vote("<decision>BUY</decision><decision>SELL</decision>", INVALID, "conflicting_decisions", "tag"),
)

_NOTHING: Final = (
    no_vote("", INVALID, "empty_answer"),
    no_vote("BUY", INVALID, "no_decision"),
    no_vote("I would not buy here, and I would not sell either.", INVALID, "no_decision"),
    no_vote("Should you buy? Only above 65,000.", INVALID, "no_decision"),
    no_vote("Action: do not BUY", INVALID, "unknown_action", "label"),
    no_vote("Action: BUY or HOLD", INVALID, "ambiguous_action", "label"),
    no_vote("Action: BUY?", INVALID, "unknown_action", "label"),
    no_vote("Action: BUY once 65,000 is broken", INVALID, "unknown_action", "label"),
    no_vote('{"action": "BUY or HOLD"}', INVALID, "ambiguous_action", "json"),
    no_vote('{"action": "BUY|SELL|HOLD", "confidence": 0.0}', INVALID, "echoed_template", "json"),
    no_vote('{"action": "<one of BUY, SELL, HOLD>"}', INVALID, "echoed_template", "json"),
    no_vote(
        '{"type": "object", "properties": {"action": {"enum": ["BUY", "SELL", "HOLD"]}}}',
        INVALID,
        "echoed_schema",
        "json",
    ),
    no_vote('{"action": "bullish"}', INVALID, "unknown_action", "json"),
    no_vote('{"action": "exit"}', INVALID, "exit_without_position", "json"),
    no_vote('{"action": "close", "confidence": 0.9}', INVALID, "exit_without_position", "json", side="flat"),
    no_vote('{"action": null, "reasoning": "No data."}', ABSTAINED, "the model gave no action", "json"),
    no_vote('{"confidence": 0.9, "reasoning": "BUY"}', INVALID, "no_decision"),
    no_vote('{"example": {"action": "BUY"}}', INVALID, "no_decision"),
    vote('{"action": {"type": "BUY"}}', BUY),
    vote(
        '{"action": {"type": "sell", "size_fraction": 0.1, "stop_loss": 66000}, "confidence": 0.7, "reasoning": "r"}',
        SELL,
        confidence=0.7,
        stop=66000,
        warnings=(S,),
    ),
    vote('{"decision": {"action": {"value": "HOLD"}}}', HOLD),
    no_vote('{"action": {"type": "BUY or SELL"}}', INVALID, "ambiguous_action", "json"),
    no_vote('{"action": {"type": "BUY|SELL|HOLD"}}', INVALID, "echoed_template", "json"),
    no_vote('{"action": {"type": "BUY"}, "side": "SELL"}', INVALID, "conflicting_decisions", "json"),
    no_vote('{"action": {"type": "BUY", "name": "SELL"}}', INVALID, "no_decision"),
    no_vote('{"action": {"type": "BUY", "confidence": 0.2}, "confidence": 0.9}', INVALID, "no_decision"),
    no_vote('{"action": {"type": "string", "enum": ["BUY", "SELL"]}}', INVALID, "no_decision"),
    no_vote('{"action": {"type": "limit", "price": 64000}}', INVALID, "no_decision"),
    no_vote('{"example": {"action": {"type": "BUY"}}}', INVALID, "no_decision"),
    vote("Action: BUY\nSignal: price close above EMA20", BUY, "label", warnings=(S, C)),
    vote("Trading Signal: daily close below the 50 EMA\nDecision: SELL", SELL, "label", warnings=(S, C)),
    no_vote("Signal: price close above EMA20", INVALID, "no_decision"),
    no_vote("Action: BUY\nSignal: close the long", INVALID, "ambiguous_action", "label"),
    no_vote("Action: BUY\nSignal: daily close below EMA20, sell", INVALID, "ambiguous_action", "label"),
    no_vote("Action: close above 65000\nDecision: BUY", INVALID, "unknown_action", "label"),
    no_vote('As said: {"key_factors": ["volume",\n"Signal: buy"\n]}', INVALID, "no_decision"),
    no_vote('{"symbol": "ETH/USDT", "action": "BUY"}', INVALID, "other_symbol: ETH/USDT", "json"),
    no_vote("[-2140.7, -1936.4]", INVALID, "no_decision"),
    no_vote("<think>BUY, surely: {the breakout", INVALID, "no_decision"),
    no_vote("<!doctype html><title>502</title>", INVALID, "html_page"),
    no_vote(": keep-alive\n\n: keep-alive\n", INVALID, "keep_alive_lines"),
    no_vote("I'm sorry, but I can't help with trading.", REFUSED, "I'm sorry"),
    no_vote('{"error": "I cannot provide financial advice."}', REFUSED, '{"error"'),
    no_vote("抱歉，我无法提供投资建议。", REFUSED, "抱歉"),
    no_vote("申し訳ありませんが、お答えできません。", REFUSED, "申し訳"),
    no_vote("Lo siento, no puedo ayudar con eso.", REFUSED, "Lo siento"),
    no_vote("Es tut mir leid, dazu darf ich nichts sagen.", REFUSED, "Es tut"),
    no_vote("Je ne peux pas donner de conseil.", REFUSED, "Je ne"),
    no_vote("Desculpe, não posso ajudar.", REFUSED, "Desculpe"),
    no_vote("Извините, я не могу помочь.", REFUSED, "Извините"),
)

VARIANTS: Final = (*_OBJECTS, *_WRAPPED, *_LANGUAGES, *_AROUND, *_BROKEN, *_CONFLICTING, *_NOTHING)
