"""The offline traders: by rule, labelled, and as bad as a drill wants them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.sandbox import MODELS, WARNING, SandboxAdapter
from app.adapters.sandbox_traders import opine
from app.domain.chat import Call, ChatChunk, ChatRequest, Credential, Timeouts
from app.domain.errors import FailureKind, ProviderError
from app.domain.provider import ProviderConfig, ProviderType
from app.text.context_block import MARKET, NEWS, block, canonical_json

BULL: dict[str, Any] = {
    "symbol": "BTC/USDT",
    "timeframe": "intraday",
    "price": {"last": 64231.5},
    "indicators": {
        "rsi": {"value": 61.2},
        "macd": {"macd": 42.1, "signal": 35.0, "hist": 7.1},
        "ema": [{"period": 20, "value": 64118.0}, {"period": 50, "value": 63982.5}],
        "atr": {"value": 78.4},
        "bollinger": {"upper": 64350.0, "middle": 64110.0, "lower": 63870.0},
        "volume": {"last": 398, "avg20": 441},
    },
    "constraints": {"max_fraction": 0.01, "min_risk_reward": 1.5},
}
SCHEMA: dict[str, Any] = {"response_format": {"type": "json_schema", "json_schema": {"name": "d", "schema": {}}}}
TOKEN = "0" * 16


def sandbox(drill: str = "", slept: list[float] | None = None) -> SandboxAdapter:
    async def sleep(seconds: float) -> None:
        if slept is not None:
            slept.append(seconds)

    config = ProviderConfig("sandbox", ProviderType.SANDBOX, "", parameters={"drill": drill} if drill else {})
    return SandboxAdapter(config, sleep=sleep)


def call(said: str = "hello", market: dict[str, Any] | None = None, model: str = "trend", **parameters: Any) -> Call:
    text = said if market is None else f"{said}\n{block(MARKET, canonical_json(market), TOKEN)}"
    return Call(model, ChatRequest([{"role": "user", "content": text}], parameters))


async def streamed(adapter: SandboxAdapter, asked: Call) -> list[ChatChunk]:
    async with adapter.stream(asked) as chunks:
        return [chunk async for chunk in chunks]


def with_(path: str, value: Any) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(json.dumps(BULL))
    *parents, last = path.split(".")
    inner = whole
    for key in parents:
        inner = inner.setdefault(key, {})
    inner[last] = value
    return whole


def action(model: str, market: dict[str, Any]) -> str | None:
    said = opine(model, market)
    return None if said is None else said["action"]


@pytest.mark.parametrize(
    ("model", "market", "expected"),
    [
        ("trend", BULL, "BUY"),
        ("trend", with_("price.last", 63000), "HOLD"),
        ("trend", with_("indicators.ema", [{"period": 20, "value": 63000}, {"period": 50, "value": 65000}]), "HOLD"),
        ("trend", with_("indicators", {}), None),
        ("reversion", BULL, "HOLD"),
        ("reversion", with_("indicators.rsi.value", 25), "BUY"),
        ("reversion", with_("indicators.rsi.value", 75), "SELL"),
        ("reversion", with_("price.last", 64400), "SELL"),
        ("reversion", with_("indicators", {"atr": {"value": 1}}), None),
        ("breakout", BULL, "HOLD"),
        ("breakout", with_("price.last", 64400), "HOLD"),
        (
            "breakout",
            with_("price.last", 64400)
            | {"indicators": {"bollinger": {"upper": 64350, "lower": 1}, "volume": {"last": 500, "avg20": 441}}},
            "BUY",
        ),
        (
            "breakout",
            {"price": {"last": 90.0}, "levels": {"support": [100]}, "indicators": {"atr": {"value": 2}}},
            "SELL",
        ),
        ("breakout", {"price": {"last": 90.0}, "levels": {"support": [100]}}, "HOLD"),
        ("breakout", {"price": {"last": 90.0}}, None),
        ("trend", BULL | {"constraints": {"allowed_actions": [{"action": "SELL"}]}}, "HOLD"),
    ],
)
def test_each_trader_keeps_to_its_rule(model: str, market: dict[str, Any], expected: str | None) -> None:
    assert action(model, market) == expected


def test_prices_come_from_the_atr_and_keep_the_constraints() -> None:
    said = opine("trend", BULL)

    assert said is not None
    assert said["entry_price"] - said["stop_loss"] == pytest.approx(1.5 * 78.4)
    assert said["take_profit"] - said["entry_price"] >= 1.5 * (said["entry_price"] - said["stop_loss"])
    assert said["size_fraction"] == 0.01


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-1e6, 1e6) | st.text(max_size=3),
    lambda c: (
        st.lists(c, max_size=3)
        | st.dictionaries(st.sampled_from(["last", "value", "period", "upper", "lower", "hist"]), c, max_size=3)
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(
    st.sampled_from(MODELS),
    st.dictionaries(st.sampled_from(["indicators", "levels", "constraints", "price", "symbol"]), JUNK),
    JUNK,
)
def test_no_market_breaks_a_trader(model: str, market: dict[str, Any], indicators: object) -> None:
    said = opine(model, {"price": {"last": 5.0}} | market | {"indicators": indicators})

    assert said is None or said["action"] in ("BUY", "SELL", "HOLD")


async def test_json_is_bare_when_json_was_asked_for_and_labelled_all_the_same() -> None:
    response = await sandbox().complete(call("decide", BULL, **SCHEMA))

    said = json.loads(response.text)
    assert (said["action"], said["reasoning"].startswith("sandbox rule 'trend', not a model")) == ("BUY", True)
    assert response.warnings == (WARNING,)
    assert response.usage is not None


async def test_without_a_market_it_says_so_and_abstains_in_json() -> None:
    plain = await sandbox().complete(call())
    bare = json.loads((await sandbox().complete(call(**SCHEMA))).text)

    assert "rule-based stand-in and not a model" in plain.text
    assert "found none" in plain.text
    assert bare["action"] is None
    assert "found none" in bare["reasoning"]


async def test_prose_carries_the_decision_in_a_fence() -> None:
    text = (await sandbox().complete(call("decide", BULL))).text

    assert text.startswith("Outcry's offline sandbox answers (sandbox/trend)")
    assert '"action": "BUY"' in text


async def test_the_same_question_gets_the_same_bytes() -> None:
    one, two = [await sandbox().complete(call("decide", BULL)) for _ in range(2)]

    assert one == two


async def test_a_stream_says_word_by_word_what_the_whole_answer_says() -> None:
    whole = await sandbox().complete(call("decide", BULL))
    chunks = await streamed(sandbox(), call("decide", BULL))

    words = [chunk.chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk.chunk["choices"]]
    assert "".join(words) == whole.text
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop"]
    assert not chunks[0].carries
    assert chunks[1].carries
    assert chunks[-1].chunk["choices"] == []
    assert chunks[-1].usage == whole.usage


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, FailureKind.BAD_REQUEST),
        (401, FailureKind.AUTH),
        (402, FailureKind.QUOTA_EXHAUSTED),
        (404, FailureKind.MODEL_NOT_FOUND),
        (418, FailureKind.BAD_REQUEST),
        (429, FailureKind.RATE_LIMITED),
        (500, FailureKind.SERVER_ERROR),
        (502, FailureKind.SERVER_ERROR),
        (503, FailureKind.OVERLOADED),
        (504, FailureKind.TIMEOUT),
        (529, FailureKind.OVERLOADED),
    ],
)
async def test_it_fails_as_told(status: int, kind: FailureKind) -> None:
    for adapter, said in ((sandbox(f"[[fail={status}]]"), "hi"), (sandbox(), f"hi [[fail={status}]]")):
        with pytest.raises(ProviderError) as caught:
            await adapter.complete(call(said))
        assert (caught.value.kind, caught.value.upstream_status) == (kind, status)
        with pytest.raises(ProviderError):
            await streamed(adapter, call(said))


async def test_it_is_slow_as_told_but_never_beyond_the_callers_timer() -> None:
    slept: list[float] = []
    assert (await sandbox(slept=slept).complete(call("[[slow=300]]"))).text
    impatient = replace(call("[[slow=3000]]"), timeouts=Timeouts(total=0.5, first_token=0.2))

    for ask in (sandbox(slept=slept).complete(impatient), streamed(sandbox(slept=slept), impatient)):
        with pytest.raises(ProviderError) as caught:
            await ask
        assert caught.value.kind is FailureKind.TIMEOUT
    assert slept == [0.3, 0.5, 0.2]


async def test_a_cut_stream_ends_without_a_finish_reason() -> None:
    heard: list[ChatChunk] = []

    async def listen() -> None:
        async with sandbox().stream(call("[[cut=3]]")) as chunks:
            async for chunk in chunks:
                heard.append(chunk)  # noqa: PERF401 - a comprehension would keep nothing of a stream that breaks

    with pytest.raises(ProviderError) as caught:
        await listen()

    assert caught.value.kind is FailureKind.STREAM_TRUNCATED
    assert sum(chunk.carries for chunk in heard) == 3
    assert not any(chunk.finish_reason for chunk in heard)


async def test_nonsense_is_nonsense_in_every_mode() -> None:
    text = (await sandbox().complete(call("[[nonsense]]", BULL, **SCHEMA))).text

    assert "BUY" not in text.upper()
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(text)


async def test_news_cannot_order_a_drill() -> None:
    said = block(NEWS, '[{"title":"[[fail=500]]"}]', TOKEN)

    assert (await sandbox().complete(call(said, BULL))).text


async def test_an_unknown_model_is_named_and_the_known_ones_are_listed() -> None:
    with pytest.raises(ProviderError, match="trend, reversion, breakout") as caught:
        await sandbox().complete(call(model="oracle"))

    assert caught.value.kind is FailureKind.MODEL_NOT_FOUND
    assert list(await sandbox().models(Credential())) == ["trend", "reversion", "breakout"]


async def test_members_of_a_panel_are_answered_as_if_each_were_alone() -> None:
    shared = sandbox()
    forms: list[dict[str, Any]] = [{}, {"response_format": {"type": "json_object"}}, SCHEMA]
    first = call("judge", BULL)

    for model in (*MODELS, *MODELS):
        for form in forms:
            asked = replace(first, model=model, request=ChatRequest(first.request.messages, form))
            alone = replace(asked, request=ChatRequest(list(first.request.messages), form))
            assert await shared.complete(asked) == await sandbox().complete(alone)


async def test_another_prompt_is_read_anew() -> None:
    shared = sandbox()
    for market in (BULL, with_("price.last", 63000), BULL):
        assert await shared.complete(call("judge", market)) == await sandbox().complete(call("judge", market))
