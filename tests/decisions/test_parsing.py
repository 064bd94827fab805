"""What models write, and what is read from it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.decisions.forms import forms_within
from app.decisions.parsing import Answer, Parsed, parse_answer
from app.decisions.wire import opinion_rendered
from app.domain.decision import Action, Entry, Opinion, Size, VoteStatus

ASKED = "BTC/USDT"
BUY, SELL, HOLD = Action.BUY, Action.SELL, Action.HOLD

# What was written; the action; the rung.
READ: list[tuple[str, Action, str]] = [
    ('{"action": "BUY"}', BUY, "json"),
    ('{"symbol": "BTC/USDT", "action": "SELL", "confidence": 0.7}', SELL, "json"),
    ('{"symbol": "BTCUSDT", "signal": "buy"}', BUY, "json"),
    ('{"symbol": "btc", "decision": "hold"}', HOLD, "json"),
    ('{"recommendation": "Strong Buy"}', BUY, "json"),
    ('{"rating": "Overweight"}', BUY, "json"),
    ('{"rating": "bullish"}', BUY, "json"),
    ('{"side": "short"}', SELL, "json"),
    ('{"trade_signal": "GO_LONG"}', BUY, "json"),
    ('{"tradeSignal": "go-long"}', BUY, "json"),
    ('{"操作": "买入", "信心": "高", "理由": "趋势"}', BUY, "json"),
    ('{"操作": "观望"}', HOLD, "json"),
    ('{"action": "做空"}', SELL, "json"),
    ('{"action": "COMPRAR"}', BUY, "json"),
    ('{"action": "Verkaufen"}', SELL, "json"),
    ('{"action": "abwarten"}', HOLD, "json"),
    ('{"action": "NO TRADE"}', HOLD, "json"),
    ('{"action": "neutral"}', HOLD, "json"),
    ('{"action": "close_long"}', SELL, "json"),
    ('{"action": "buy_to_close"}', BUY, "json"),
    ('{"action": "trim"}', SELL, "json"),
    ('{"action": "**BUY**"}', BUY, "json"),
    ('{"action": ["BUY"]}', BUY, "json"),
    ('[{"action": "BUY"}]', BUY, "json"),
    ('{"BTC": {"action": "BUY"}}', BUY, "json"),
    ('{"result": {"action": "SELL"}}', SELL, "json"),
    ('{"result": {"output": {"decision": {"action": "SELL"}}}}', SELL, "json"),
    ('{"decision": {"action": "BUY"}, "thoughts": "long ones"}', BUY, "json"),
    ('{"decisions": {"BTC": {"action": "BUY"}, "AAPL": {"action": "SELL"}}}', BUY, "json"),
    ('{"BTC": {"trade_signal_args": {"signal": "hold"}}}', HOLD, "json"),
    (r'{"result": "{\"action\": \"BUY\"}"}', BUY, "json"),
    (r'"{\"action\": \"SELL\"}"', SELL, "json"),
    ('\ufeff{"action": "BUY"}', BUY, "json"),
    ('{"ac\u200btion": "B\u200bUY"}', BUY, "json"),
    ('<think>maybe {"action": "SELL"}</think>{"action": "BUY"}', BUY, "json"),
    ('first {"action": "SELL"} but no</think>\n{"action": "BUY"}', BUY, "json"),
    ('<think>well {"action": "SELL"} hm {"action": "BUY"}', BUY, "json"),
    ('<thinking>a</thinking><decision>{"action": "BUY"}</decision>', BUY, "tag"),
    ("<answer>SELL</answer>", SELL, "tag"),
    ('Draft {"action": "BUY"}. <answer>so: {"action": "HOLD"}</answer>', HOLD, "tag"),
    ('Sure!\n```json\n{"action": "BUY"}\n```\nGood luck', BUY, "fence"),
    ('```\n{"action": "SELL"}\n```', SELL, "fence"),
    ('```json\n{"action": "maybe"}\n```\n```json\n{"action": "BUY"}\n```', BUY, "fence"),
    ('```json\n{"action": "BUY|SELL|HOLD"}\n```\n```json\n{"action": "BUY"}\n```', BUY, "fence"),
    ('I conclude {"action": "BUY", "why": "{"} end', BUY, "scan"),
    ('{"a": 1} is no vote, {"action": "SELL"} is', SELL, "scan"),
    ('```json\n{"action": "BUY"}', BUY, "scan"),
    ('{"action": "BUY"} and once more {"action": "BUY", "confidence": 0.6}', BUY, "scan"),
    ('returns [-2140.7, -1936.4] so {"action": "HOLD"}', HOLD, "scan"),
    ("{'action': 'BUY', 'confidence': 0.7}", BUY, "repair"),
    ('{"action": "BUY", "confidence": 0.7,}', BUY, "repair"),
    ('{"action": "SELL", // short it\n "confidence": 0.7}', SELL, "repair"),
    ('{"action": "SELL", "leverage": None, "ok": True}', SELL, "repair"),
    ("{action: BUY, confidence: 0.7}", BUY, "repair"),
    ("“action”: ignored {“action”： “BUY”}", BUY, "repair"),
    ('｛"action"："BUY"，"confidence"：0.7｝', BUY, "repair"),
    ('```json\n{"action": "BUY" "confidence": 0.7}\n```', BUY, "repair"),
    ("Reasons above.\nFINAL TRANSACTION PROPOSAL: **SELL**", SELL, "label"),
    ("**Action:** BUY\n**Confidence:** 85%", BUY, "label"),
    ("Rating: Overweight", BUY, "label"),
    ("| Field | Value |\n|---|---|\n| Action | BUY |\n| Confidence | 85% |", BUY, "label"),
    ("操作：观望", HOLD, "label"),
    ("Signal: bullish crossover on MACD\nAction: Buy.", BUY, "label"),
    ("<action>SELL</action>", SELL, "label"),
    ("The trend is up.\n- Decision: LONG\n- Stop loss: 63,900", BUY, "label"),
]

# What was written; the status; what the reason must speak of.
NOT_READ: list[tuple[str, VoteStatus, str]] = [
    ("", VoteStatus.INVALID, "empty"),
    ("   \n", VoteStatus.INVALID, "empty"),
    ("I would not buy here.", VoteStatus.INVALID, "no_decision"),
    ("BUY", VoteStatus.INVALID, "no_decision"),
    ("Action: do not BUY", VoteStatus.INVALID, "unknown_action"),
    ("Action: BUY or HOLD", VoteStatus.INVALID, "ambiguous"),
    ("Action: BUY\nAction: SELL", VoteStatus.INVALID, "conflicting"),
    ("Action: do not BUY\nRating: Overweight", VoteStatus.INVALID, "unknown_action"),
    ('{"action": "BUY or HOLD"}', VoteStatus.INVALID, "ambiguous"),
    ('{"action": "BUY|SELL|HOLD"}', VoteStatus.INVALID, "echoed_template"),
    ('{"action": "BUY/SELL/HOLD", "confidence": 0.5}', VoteStatus.INVALID, "echoed_template"),
    ('{"action": "<BUY, SELL or HOLD>"}', VoteStatus.INVALID, "echoed_template"),
    ('{"action": "not buy"}', VoteStatus.INVALID, "unknown_action"),
    ('{"action": "BUY?"}', VoteStatus.INVALID, "unknown_action"),
    ('{"action": "bullish"}', VoteStatus.INVALID, "unknown_action"),
    ('{"action": "exit"}', VoteStatus.INVALID, "exit_without_position"),
    ('{"action": null, "reasoning": "cannot tell"}', VoteStatus.ABSTAINED, "no action"),
    ('{"action": "N/A"}', VoteStatus.ABSTAINED, "no action"),
    ('{"confidence": 0.9, "reasoning": "buy"}', VoteStatus.INVALID, "no_decision"),
    ('{"reasoning": "x\\nAction: BUY\\n"}', VoteStatus.INVALID, "no_decision"),
    ('{"action": "BUY"} or {"action": "SELL"}', VoteStatus.INVALID, "conflicting"),
    ('```json\n{"action": "BUY"}\n```\n```json\n{"action": "SELL"}\n```', VoteStatus.INVALID, "conflicting"),
    ('[{"action": "BUY"}, {"action": "SELL"}]', VoteStatus.INVALID, "conflicting"),
    ('{"action": "BUY", "action": "SELL"}', VoteStatus.INVALID, "conflicting"),
    ("{'action': 'BUY', 'action': 'SELL'}", VoteStatus.INVALID, "conflicting"),
    ('{"action": "BUY", "side": "SELL"}', VoteStatus.INVALID, "conflicting"),
    ('{"action": "BUY", "stop_loss": 98000, "sl": 90000}', VoteStatus.INVALID, "conflicting"),
    ("{'action': 'BUY'} and {'action': 'BUY'}", VoteStatus.INVALID, "conflicting"),
    ('{"action": "BUY", "confidence": NaN}', VoteStatus.INVALID, "non_finite"),
    ("{'action': 'BUY', 'stop_loss': Infinity}", VoteStatus.INVALID, "non_finite"),
    ('{"action": "BUY", "stop_loss": 1e999}', VoteStatus.INVALID, "non_finite"),
    ("{action: BUY, stop_loss: 98000~98500}", VoteStatus.INVALID, "unreadable"),
    ('{"action": "BUY", "reasoning": "the tr', VoteStatus.TRUNCATED, "never closed"),
    ('{"action": "BUY", "alternative": {"action": "SELL"}', VoteStatus.TRUNCATED, "never closed"),
    ('{"symbol": "ETH/USDT", "action": "BUY"}', VoteStatus.INVALID, "other_symbol"),
    ('{"ETH": {"action": "BUY"}}', VoteStatus.INVALID, "other_symbol"),
    ('{"type": "object", "properties": {"action": {"enum": ["BUY", "SELL"]}}}', VoteStatus.INVALID, "echoed_schema"),
    ("[-2140.7, -1936.4]", VoteStatus.INVALID, "no_decision"),
    ("<html><body>502 Bad Gateway</body></html>", VoteStatus.INVALID, "html"),
    ("I'm sorry, but I can't help with investment decisions.", VoteStatus.REFUSED, "sorry"),
    ("As an AI, I do not trade.", VoteStatus.REFUSED, "AI"),
    ("抱歉，我无法提供投资建议。", VoteStatus.REFUSED, "抱歉"),
    ("Ich kann keine Anlageberatung geben.", VoteStatus.REFUSED, "Ich kann"),
    ("<think>I want to BUY {thinking", VoteStatus.INVALID, "no_decision"),
    ("{" * 200_000, VoteStatus.INVALID, "brackets"),
    ('{"example": {"action": "BUY"}, "note": "only an example"}', VoteStatus.INVALID, "no_decision"),
]

CONFIDENCES: list[tuple[str, float | None]] = [
    ('"85%"', 0.85),
    ("85", 0.85),
    ("0.85", 0.85),
    ('"8/10"', 0.8),
    ('"high"', 0.85),
    ('"高"', 0.85),
    ('"High confidence"', 0.85),
    ("1", 1.0),
    ("0", 0.0),
    ('"0,85"', 0.85),
    ('"85 percent"', 0.85),
    ("8", None),
    ("150", None),
    ("-0.2", None),
    ('"12/10"', None),
    ("true", None),
    ("null", None),
    ('"rather sure"', None),
]

STOPS: list[tuple[str, float | None]] = [
    ('"$98,500.00"', 98500),
    ('"98_500"', 98500),
    ('"98.5k"', 98500),
    ('"9.85e4"', 98500),
    ("9.85e4", 98500),
    ('"98500 USDT"', 98500),
    ('"64.231,50"', 64231.5),
    ('"９８５００"', 98500),
    ('"98000~98500"', None),
    ('"98000-98500"', None),
    ('"N/A"', None),
    ('"-"', None),
    ('"TBD"', None),
    ('"2R"', None),
    ("-5", None),
    ("true", None),
    ('"1,2,3"', None),
]


def parse(text: str, **held: Any) -> Parsed:
    return parse_answer(Answer(text, "stop"), ASKED, **held)


@pytest.mark.parametrize(("text", "action", "rung"), READ)
def test_a_vote_is_read_and_its_rung_named(text: str, action: Action, rung: str) -> None:
    parsed = parse(text)

    assert parsed.opinion is not None, parsed
    assert (parsed.opinion.action, parsed.trace.method) == (action, rung)
    assert parsed.status is (VoteStatus.REPAIRED if rung == "repair" else VoteStatus.OK)
    assert parsed.opinion.symbol == ASKED


@pytest.mark.parametrize(("text", "status", "reason"), NOT_READ)
def test_what_is_no_vote_abstains_and_says_why(text: str, status: VoteStatus, reason: str) -> None:
    parsed = parse(text)

    assert parsed.opinion is None
    assert parsed.status is status
    assert reason in (parsed.reason or "")


@pytest.mark.parametrize(("written", "read"), CONFIDENCES)
def test_confidence_in_every_form(written: str, read: float | None) -> None:
    opinion = parse(f'{{"action": "BUY", "confidence": {written}}}').opinion

    assert opinion is not None
    assert opinion.confidence == (None if read is None else pytest.approx(read))


@pytest.mark.parametrize(("written", "read"), STOPS)
def test_prices_in_every_form(written: str, read: float | None) -> None:
    parsed = parse(f'{{"action": "BUY", "stop_loss": {written}}}')

    assert parsed.opinion is not None
    assert parsed.opinion.stop_loss == read
    assert ("stop_loss_unreadable" in parsed.trace.warnings) is (read is None)


def test_a_price_in_percent_is_kept_apart_from_prices() -> None:
    parsed = parse('{"action": "BUY", "stop_loss": "2%"}')

    assert parsed.opinion is not None
    assert (parsed.opinion.stop_loss, parsed.percents) == (None, {"stop_loss": 2.0})


@pytest.mark.parametrize(("side", "action"), [("long", SELL), ("short", BUY)])
def test_exit_depends_on_the_position(side: str, action: Action) -> None:
    opinion = parse('{"action": "EXIT"}', side=side).opinion

    assert opinion is not None
    assert (opinion.action, opinion.intent) == (action, f"close_{side}")


def test_other_symbols_are_named_and_the_asked_one_is_taken() -> None:
    parsed = parse('{"decisions": {"BTC": {"action": "BUY"}, "AAPL": {"action": "SELL"}}}')

    assert parsed.trace.warnings[0] == "other_symbols: AAPL"


@pytest.mark.parametrize("finish_reason", ["length"])
def test_an_answer_that_ran_out_of_tokens_is_truncated_however_whole_it_looks(finish_reason: str) -> None:
    parsed = parse_answer(Answer('{"action": "BUY"}', finish_reason), ASKED)

    assert (parsed.status, parsed.opinion) == (VoteStatus.TRUNCATED, None)


def test_a_refusal_field_and_a_content_filter_are_refusals() -> None:
    assert parse_answer(Answer("", "stop", refusal="no"), ASKED).status is VoteStatus.REFUSED
    assert parse_answer(Answer('{"action": "BUY"}', "content_filter"), ASKED).status is VoteStatus.REFUSED


@pytest.mark.parametrize("arguments", [{"action": "BUY"}, '{"action": "BUY"}'])
def test_tool_arguments_come_before_text(arguments: object) -> None:
    parsed = parse_answer(Answer('{"action": "SELL"}', "tool_calls", tool_arguments=(arguments,)), ASKED)

    assert parsed.opinion is not None
    assert (parsed.opinion.action, parsed.trace.method) == (BUY, "tool")


@pytest.mark.parametrize(
    ("arguments", "status", "method", "reason"),
    [
        (("{'action': 'BUY'}",), VoteStatus.REPAIRED, "repair", None),
        (({"action": "BUY"}, {"action": "BUY"}), VoteStatus.OK, "tool", None),
        (({"action": "BUY"}, {"action": "SELL"}), VoteStatus.INVALID, "tool", "conflicting_decisions: BUY, SELL"),
        (('{"action": "BUY", "action": "SELL"}',), VoteStatus.INVALID, None, "conflicting_decisions: a key"),
        (({"action": "BUY"}, "{'action': 'BUY'}"), VoteStatus.INVALID, "tool", "conflicting_decisions: a broken"),
        (('{"action": "BUY", "reasoning": "the tr',), VoteStatus.TRUNCATED, "tool", "an object was never closed"),
        (({"action": "BUY", "stop_loss": float("nan")},), VoteStatus.INVALID, None, "non_finite_number"),
        (({"query": "BTC"},), VoteStatus.INVALID, None, "no_decision"),
        (("{" * 9_000 + '"action": 1',), VoteStatus.INVALID, None, "too_many_brackets"),
        (("x" * 1_048_577,), VoteStatus.INVALID, None, "answer longer"),
    ],
    ids=range(10),
)
def test_tool_arguments_are_guarded_as_text_is(
    arguments: tuple[object, ...], status: VoteStatus, method: str | None, reason: str | None
) -> None:
    parsed = parse_answer(Answer("", "tool_calls", tool_arguments=arguments), ASKED)

    assert (parsed.status, parsed.trace.method) == (status, method)
    assert (parsed.reason or "").startswith(reason or "")


def test_all_fields_are_read_from_the_contracts_object() -> None:
    text = json.dumps(
        {
            "symbol": "BTC-USDT",
            "reasoning": "up",
            "action": "BUY",
            "confidence": 0.7,
            "entry_price": 64231.5,
            "stop_loss": 63900,
            "take_profit": 65000,
            "size_fraction": 0.02,
            "leverage": "2x",
            "time_horizon": "intraday",
            "invalidation": "a close below",
        }
    )

    parsed = parse(text)

    assert parsed.opinion == Opinion(
        BUY,
        ASKED,
        confidence=0.7,
        confidence_raw="0.7",
        reasoning="up",
        entry=Entry("limit", 64231.5),
        stop_loss=63900.0,
        take_profit=(65000.0,),
        size=Size("fraction_of_equity", 0.02),
        leverage=2.0,
        time_horizon="intraday",
        invalidation="a close below",
    )
    assert parsed.trace.warnings == ()


def test_targets_are_nearest_first_and_at_most_five() -> None:
    opinion = parse('{"action": "SELL", "take_profit": [1, 6, {"price": 4}, "5", 3, 2]}').opinion

    assert opinion is not None
    assert opinion.take_profit == (6, 5, 4, 3, 2)


def test_a_large_answer_is_read_in_bounded_time() -> None:
    text = "word " * 180_000 + '{"action": "BUY"}'
    started = time.perf_counter()

    assert parse(text).status is VoteStatus.OK
    assert time.perf_counter() - started < 0.5


PIECES = st.sampled_from(
    [
        *(
            '{"action": "BUY"}',
            "{'action': 'SELL'}",
            '{"action": ',
            '"HOLD"',
            "```json\n",
            "```",
            "<think>",
            "</think>",
        ),
        *(
            "<decision>",
            "</decision>",
            "Action: BUY",
            "\n",
            "{",
            "}",
            "[",
            "]",
            '"',
            ",",
            ":",
            "NaN",
            "null",
            "\\",
            "：",
            "|",
        ),
        *("confidence", "1e999", "\ud800", "\u200b", "“", "stop_loss", "98000~98500", "BTC", "properties"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES | st.text(max_size=12), max_size=24).map("".join), st.sampled_from([None, "long", "short"]))
def test_no_text_makes_the_parser_raise(text: str, side: str | None) -> None:
    parsed = parse_answer(Answer(text, "stop"), ASKED, side=side)

    assert (parsed.opinion is not None) is (parsed.status in (VoteStatus.OK, VoteStatus.REPAIRED))
    assert (parsed.reason is None) is (parsed.opinion is not None)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES.filter(lambda p: not forms_within(p)) | st.text(max_size=12), max_size=24).map("".join))
def test_without_an_action_word_there_is_no_vote(text: str) -> None:
    if forms_within(text):
        return
    assert parse_answer(Answer(text, "stop"), ASKED, side="long").opinion is None


PRICES = st.floats(min_value=0.0001, max_value=1e7, allow_nan=False).map(lambda p: float(f"{p:.8g}"))
TEXTS = (
    st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126), min_size=1, max_size=40)
    .map(str.strip)
    .filter(bool)
)
MARKET = st.just(Entry("market", None))
AROUND = [
    ("", ""),
    ("```json\n", "\n```"),
    ("<decision>", "</decision>"),
    ('{"result": ', "}"),
    ("<think>No.</think> ", ""),
]
UNITS = st.sampled_from(["fraction_of_equity", "fraction_of_position", "quantity", "notional"])
LISTS = st.lists(TEXTS, max_size=10).map(tuple)
INTENTS: dict[Action, list[str | None]] = {
    BUY: [None, "open_long", "close_short", "add", "reduce"],
    SELL: [None, "open_short", "close_long", "add", "reduce"],
    HOLD: ["hold"],
}


@st.composite
def opinions(draw: st.DrawFn) -> Opinion:
    """Any opinion that could be in a record: every field, targets nearest first."""
    action = draw(st.sampled_from(Action))
    confidence = draw(st.none() | st.floats(0, 1))
    return Opinion(
        action=action,
        symbol=ASKED,
        intent=draw(st.sampled_from(INTENTS[action])),
        strength=draw(st.sampled_from([None, "strong", "normal", "weak"])),
        confidence=confidence,
        confidence_raw=None if confidence is None else str(confidence),
        reasoning=draw(st.none() | TEXTS),
        entry=draw(st.none() | st.builds(Entry, st.sampled_from(["limit", "market"]), PRICES) | MARKET),
        stop_loss=draw(st.none() | PRICES),
        take_profit=tuple(sorted(draw(st.sets(PRICES, max_size=5)), reverse=action is SELL)),
        size=draw(st.none() | st.builds(Size, UNITS, PRICES)),
        leverage=draw(st.none() | st.floats(1, 125)),
        risk_usd=draw(st.none() | PRICES),
        time_horizon=draw(st.sampled_from([None, "scalping", "intraday", "swing", "position"])),
        invalidation=draw(st.none() | TEXTS),
        key_factors=draw(LISTS),
        risks=draw(LISTS),
    )


@settings(deadline=None)
@given(opinions(), st.sampled_from(AROUND))
def test_reading_a_rendered_opinion_gives_it_back_whatever_stands_around_it(
    opinion: Opinion, around: tuple[str, str]
) -> None:
    before, after = around
    assert parse(before + json.dumps(opinion_rendered(opinion)) + after).opinion == opinion


@pytest.mark.parametrize(
    "text",
    [
        *("<answer>" * 100_000, "{" + " " * 9_000 + "action" + " " * 9_000 + "}", ("x" + " " * 497 + "x\n") * 1_900),
        *(("<aa>" + " " * 400) * 2_000, '{"a": 1} ' * 100_000, "{action: BUY /*" + "/*" * 4_000 + "}"),
    ],
    ids=range(6),
)
def test_no_answer_keeps_the_loop_busy(text: str) -> None:
    started = time.perf_counter()

    parse(text)

    # Some hundredths when alone on the machine; the bound only tells linear from quadratic.
    assert time.perf_counter() - started < 2


def test_of_two_names_of_one_field_the_first_one_counts_in_every_process() -> None:
    # Strings hash otherwise in each process: what goes by the order of a set is another answer after a restart.
    names = ("rationale", "analysis", "thesis", "explanation", "justification", "reasons", "motivo", "grund")
    said = {"action": "BUY", **{name: f"by {name}" for name in names}, "conviction": 0.7, "confidence": 0.9}

    opinion = parse_answer(Answer(json.dumps(said)), ASKED).opinion

    assert opinion is not None
    assert ("by rationale", 0.7) == (opinion.reasoning, opinion.confidence)
