"""Plausible texts about a market that state no action, made by chance; many speak of buying and selling."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Final

_WHO: Final = ("I", "We", "The desk", "Most traders", "A cautious investor", "The model", "Nobody", "Momentum funds")
_VERB: Final = ("buy", "sell", "hold", "short", "go long", "exit", "accumulate", "trim", "wait", "add", "cover")
_NOT: Final = (
    "would not",
    "should never",
    "cannot",
    "might",
    "could",
    "would hesitate to",
    "are tempted to",
    "did not",
)
_WHERE: Final = ("here", "at {price}", "before the close", "into the news", "above {price}", "while RSI is {rsi}")
_WHY: Final = (
    "the trend is up",
    "volume is thin",
    "MACD crossed below its signal",
    "the range has held since Monday",
    "funding is negative",
    "sellers were absorbed at {price}",
    "buyers defended {price}",
    "the long-term picture is bullish",
)
_LABELS: Final = (
    "Trend: bullish",
    "Signal: MACD crossover above zero",
    "Signal line: {rsi}",
    "Analysis: buyers in control, sellers exhausted",
    "Support: {price}",
    "Resistance: {price}",
    "Stop loss: {price}",
    "Confidence: {rsi}%",
    "Side note: short interest is high",
    "Action: depends on the close",
    "Action: not clear yet",
    "Action: do not buy",
    "Action: BUY or SELL?",
    "Action: buy above {price}, otherwise sell",
    "Action: N/A",
    "Decision: pending",
    "Recommendation: see above",
    "Rating: none",
    "| Action | BUY / SELL / HOLD |",
    "| Confidence | {rsi}% |",
    "**Action:** (BUY, SELL or HOLD)",
    "操作：不确定",
    "行動：未定",
    "Acción: depende",
    "Empfehlung: keine",
    "Действие: не определено",
)
_QUESTIONS: Final = (
    "Should you {verb} {where}?",
    "Would it be wise to {verb}?",
    "Is this the moment to {verb}, or to {other}?",
    "现在该买入还是卖出？",
    "Soll man kaufen oder verkaufen?",
    "¿Comprar o vender?",
    "買うべきか、売るべきか？",
    "Покупать или продавать?",
)
_ECHOES: Final = (
    '{"action": "BUY|SELL|HOLD", "confidence": 0.0, "reasoning": "..."}',
    '{"action": "<BUY, SELL or HOLD>", "stop_loss": null}',
    '{"type": "object", "properties": {"action": {"type": "string", "enum": ["BUY", "SELL", "HOLD"]}}}',
    '{"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "decision", "required": ["action"]}',
    '{"action": {"type": "string", "enum": ["BUY", "SELL", "HOLD"]}, "confidence": {"type": "number"}}',
    "Answer with one of BUY, SELL, HOLD.",
    '{"example": {"action": "BUY"}}',
)
_REFUSALS: Final = (
    "I'm sorry, but I can't tell you to buy or sell.",
    "As an AI, I cannot recommend a trade.",
    "抱歉，我无法建议买入或卖出。",
    "Es tut mir leid, ich kann keine Empfehlung geben.",
)
_KEYS: Final = ("reasoning", "analysis", "summary", "note", "outlook", "bias", "trend", "market", "scenario", "comment")
_NO_ACTIONS: Final = (None, "", "unclear", "depends", "BUY or SELL", "not buy", "maybe buy", "buy?", "do nothing rash")


def without_action(rng: random.Random) -> str:
    """One text, of one to five pieces, that names no action as its decision."""
    pieces = [rng.choice(_PIECES)(rng) for _ in range(rng.randint(1, 5))]
    return rng.choice(_WRAPPINGS)(rng.choice(("\n", "\n\n", " \n")).join(pieces))


def texts_without_action(count: int, rng: random.Random) -> Iterator[str]:
    """So many texts, no two of them alike."""
    seen: set[int] = set()
    while len(seen) < count:
        text = without_action(rng)
        if hash(text) not in seen:
            seen.add(hash(text))
            yield text


def _filled(template: str, rng: random.Random) -> str:
    for name, value in (
        ("{price}", f"{rng.randint(20_000, 99_999):,}"),
        ("{rsi}", f"{rng.uniform(1, 99):.1f}"),
        ("{verb}", rng.choice(_VERB)),
        ("{other}", rng.choice(_VERB)),
    ):
        template = template.replace(name, value)
    return template


def _sentence(rng: random.Random) -> str:
    what = f"{rng.choice(_WHO)} {rng.choice(_NOT)} {rng.choice(_VERB)} {rng.choice(_WHERE)}, since {rng.choice(_WHY)}."
    return _filled(what, rng)


def _question(rng: random.Random) -> str:
    return _filled(rng.choice(_QUESTIONS).replace("{where}", rng.choice(_WHERE)), rng)


def _label(rng: random.Random) -> str:
    return _filled(rng.choice(_LABELS), rng)


def _echo(rng: random.Random) -> str:
    return rng.choice(_ECHOES)


def _refusal(rng: random.Random) -> str:
    return rng.choice(_REFUSALS)


def _numbers(rng: random.Random) -> str:
    return json.dumps([round(rng.uniform(-3_000, 3_000), 1) for _ in range(rng.randint(1, 6))])


def _object(rng: random.Random) -> str:
    value: dict[str, object] = {key: _sentence(rng) for key in rng.sample(_KEYS, rng.randint(1, 4))}
    if rng.random() < 0.5:
        value |= {"confidence": round(rng.random(), 2), "stop_loss": rng.randint(20_000, 99_999)}
    if rng.random() < 0.3:
        value["key_factors"] = [_sentence(rng), "Signal: buy", "Rating: Overweight"]
    if rng.random() < 0.3:
        value["action"] = rng.choice(_NO_ACTIONS)
    text = json.dumps(value, indent=rng.choice((None, 1)), ensure_ascii=rng.random() < 0.5)
    return text.replace('"', "'") if rng.random() < 0.1 else text


_PIECES: Final = (_sentence, _sentence, _question, _label, _label, _echo, _refusal, _numbers, _object, _object)
_WRAPPINGS: Final = (
    str,
    str,
    lambda text: f"```json\n{text}\n```",
    lambda text: f"<think>{text}</think>\n{text}",
    lambda text: f'<think>{{"action": "BUY"}} Action: SELL</think>\n{text}',
    lambda text: f"<decision>{text}</decision>",
    lambda text: json.dumps({"output": text}),
    json.dumps,
    lambda text: f"> {text}".replace("\n", "\n> "),
)
