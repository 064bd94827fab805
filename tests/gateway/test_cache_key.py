"""Two requests are the same when nothing that can change an answer tells them apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.domain.attempt import Ask
from app.domain.caller import Caller, Scope
from app.domain.chat import ChatRequest, NativeBody, Wire
from app.domain.routing import Priority
from app.gateway.cache_key import key_of
from app.gateway.planning import Itinerary
from tests.fakes import ScriptedAdapter
from tests.gateway.conftest import House, ask, house

HELLO = [{"role": "user", "content": "hello"}]
BASE = ChatRequest(HELLO, {"temperature": 1, "response_format": {"type": "json_object"}})
LEAF = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=5)
VALUES = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


def planned(inn: House, wanted: Ask) -> Itinerary:
    return inn.planner.plan(wanted)


async def key(inn: House, wanted: Ask, **beside: Any) -> bytes | None:
    itinerary = planned(inn, wanted)
    said = {"revision": 1, "own_key": "", **beside}
    return await key_of(wanted, itinerary, itinerary.plan.steps[0], **said)


async def keys(*requests: ChatRequest) -> list[bytes | None]:
    inn = house(alpha=ScriptedAdapter("buy"))
    return [await key(inn, ask(inn, request=request)) for request in requests]


def shuffled(value: Any) -> Any:
    """The same with the keys of every object in the other order."""
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(value)}
    return [shuffled(each) for each in value] if isinstance(value, list) else value


def same_json(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: 1 is not 1.0, and neither is true."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same_json(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return repr(one) == repr(other)


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=4))
async def test_the_order_of_keys_does_not_count(said: dict[str, Any]) -> None:
    one, other = await keys(ChatRequest(HELLO, {"x": said}), ChatRequest(HELLO, {"x": shuffled(said)}))

    assert one is not None
    assert one == other


@given(VALUES, VALUES)
async def test_every_other_value_counts(one: Any, other: Any) -> None:
    assume(not same_json(one, other))

    found = await keys(ChatRequest(HELLO, {"x": one}), ChatRequest(HELLO, {"x": other}))

    assert found[0] != found[1]


@pytest.mark.parametrize("values", [(1, 1.0, True, "1", [1], {"1": 1}, None, 0, False, "")])
async def test_values_that_python_takes_for_equal_are_not(values: tuple[Any, ...]) -> None:
    found = await keys(*(ChatRequest(HELLO, {"deep": [{"x": value}]}) for value in values))

    assert len(set(found)) == len(values)


@pytest.mark.parametrize(("one", "other"), [("é", "e\u0301"), ("a", "а"), ("\U0001f4c8", "\\U0001f4c8"), ("x", "x ")])
async def test_texts_that_look_alike_are_not_the_same(one: str, other: str) -> None:
    found = await keys(*(ChatRequest([{"role": "user", "content": text}]) for text in (one, other)))

    assert found[0] != found[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"request_id": "another"},
        {"deadline": 1_000_000.0},
        {"priority": Priority.HIGH},
        {"metadata": {"strategy": "btc"}},
        {"route": "chat_completions"},
        {"request": replace(BASE, parameters={**BASE.parameters, "metadata": {"run": "1"}})},
        {"max_retries": 0},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_what_cannot_change_an_answer_does_not_count(changes: dict[str, Any]) -> None:
    inn = house(alpha=ScriptedAdapter("buy"))

    assert await key(inn, ask(inn, request=BASE)) == await key(inn, ask(inn, **{"request": BASE, **changes}))


@pytest.mark.parametrize(
    "changes",
    [
        {"caller": Caller("other", frozenset(Scope))},
        {"enforces_format": False},
        {"request": replace(BASE, messages=[*HELLO, *HELLO])},
        {"request": replace(BASE, messages=[{"role": "system", "content": "hello"}])},
        {"request": replace(BASE, parameters={**BASE.parameters, "user": "u"})},
        {"request": replace(BASE, native=NativeBody(Wire.MESSAGES, {"messages": HELLO}))},
        {"model": "beta/beta-1"},
    ],
    ids=["caller", "format", "messages", "role", "user", "native", "target"],
)
async def test_whoever_asks_or_answers_and_everything_said_counts(changes: dict[str, Any]) -> None:
    inn = house(alpha=ScriptedAdapter("buy"), beta=ScriptedAdapter("sell"))

    assert await key(inn, ask(inn, request=BASE)) != await key(inn, ask(inn, **{"request": BASE, **changes}))


async def test_a_natives_body_and_headers_count() -> None:
    bodies = [
        NativeBody(Wire.MESSAGES, {"messages": HELLO}),
        NativeBody(Wire.RESPONSES, {"messages": HELLO}),
        NativeBody(Wire.MESSAGES, {"messages": HELLO, "thinking": {"type": "enabled"}}),
        NativeBody(Wire.MESSAGES, {"messages": HELLO}, {"anthropic-beta": "x"}),
    ]

    assert len(set(await keys(*(replace(BASE, native=native) for native in bodies)))) == len(bodies)


@pytest.mark.parametrize("beside", [{"revision": 2}, {"own_key": "abcdef01"}])
async def test_another_configuration_or_an_agents_own_key_is_another_request(beside: dict[str, Any]) -> None:
    inn = house(alpha=ScriptedAdapter("buy"))

    assert await key(inn, ask(inn)) != await key(inn, ask(inn), **beside)


async def test_defaults_count_as_if_they_had_been_said() -> None:
    inn = house(alpha=ScriptedAdapter("buy"))
    plain = ask(inn, request=replace(BASE, parameters={}))
    said = ask(inn, request=replace(BASE, parameters={"temperature": 0.2}))
    without = await key(inn, plain)
    inn.parameters["alpha"] = {"temperature": 0.2}
    inn.reload()

    assert without != await key(inn, plain) == await key(inn, said)


async def test_a_request_that_cannot_be_written_has_no_key() -> None:
    assert await keys(ChatRequest(HELLO, {"seed": 2**70})) == [None]


async def test_a_long_prompt_is_hashed_beside_the_loop_to_the_same_digest() -> None:
    long = [{"role": "user", "content": "x" * (2 * 1024 * 1024)}]

    one, other = await keys(ChatRequest(long), ChatRequest(list(long)))

    assert one is not None
    assert one == other
