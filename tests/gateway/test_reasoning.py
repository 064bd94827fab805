from __future__ import annotations

from typing import Any

from app.domain.caller import Caller, Scope
from app.domain.chat import ChatChunk, ChatRequest, ChatResponse
from app.gateway.reasoning import LIFETIME, MOST_BYTES, MOST_BYTES_TOGETHER, MOST_TURNS, ReasoningMemory
from tests.fakes import FakeClock, ScriptedAdapter
from tests.gateway.conftest import House, ask, house

THOUGHT = {"type": "thinking", "thinking": "look first", "signature": "sig"}
TOOLS = {"tools": [{"type": "function", "function": {"name": "look"}}]}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
BACK: list[dict[str, Any]] = [
    {"role": "user", "content": "go"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "42"},
]
TURN = {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_details": [THOUGHT]}


def answered() -> ChatResponse:
    choice = {"index": 0, "message": dict(TURN), "finish_reason": "tool_calls"}
    return ChatResponse({"id": "x", "choices": [choice]}, "tool_calls")


def chunk(delta: dict[str, Any], finish: str | None = None) -> ChatChunk:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return ChatChunk({"id": "x", "choices": [choice]}, carries=bool(delta), finish_reason=finish)


def thoughts_sent(way: House, call: int = 1) -> object:
    sent = way.adapters["alpha"].calls[call].request.messages
    return sent[1].get("reasoning_details")


async def test_thoughts_before_a_call_go_back_with_its_result() -> None:
    way = house(alpha=ScriptedAdapter(answered(), "done"))
    await way.gateway.complete(ask(way, request=ChatRequest(BACK[:1], TOOLS)))

    await way.gateway.complete(ask(way, request=ChatRequest(BACK, TOOLS)))

    assert thoughts_sent(way) == [THOUGHT]


async def test_thoughts_of_a_stream_go_back_too() -> None:
    pieces = [chunk({"reasoning_details": [THOUGHT]}), chunk({"tool_calls": [{"index": 0, **CALL}]}), chunk({}, "stop")]
    way = house(alpha=ScriptedAdapter(pieces, "done"))
    async with way.gateway.stream(ask(way, request=ChatRequest(BACK[:1], TOOLS))) as stream:
        assert [_ async for _ in stream]

    await way.gateway.complete(ask(way, request=ChatRequest(BACK, TOOLS)))

    assert thoughts_sent(way) == [THOUGHT]


async def test_nobody_gets_the_thoughts_of_another_callers_turn() -> None:
    way = house(alpha=ScriptedAdapter(answered(), "done"))
    await way.gateway.complete(ask(way, request=ChatRequest(BACK[:1], TOOLS)))

    other = Caller("other", frozenset(Scope))
    await way.gateway.complete(ask(way, request=ChatRequest(BACK, TOOLS), caller=other))

    assert thoughts_sent(way) is None


async def test_what_the_caller_sends_back_is_his_word() -> None:
    way = house(alpha=ScriptedAdapter(answered(), "done"))
    await way.gateway.complete(ask(way, request=ChatRequest(BACK[:1], TOOLS)))
    own = [{"type": "thinking", "thinking": "mine", "signature": "s"}]

    messages = [BACK[0], {**BACK[1], "reasoning_details": own}, BACK[2]]
    await way.gateway.complete(ask(way, request=ChatRequest(messages, TOOLS)))

    assert thoughts_sent(way) == own


def test_a_turn_is_forgotten_after_its_time() -> None:
    clock = FakeClock()
    memory = ReasoningMemory(clock.now)
    memory.keep("k", "p", TURN)
    clock.advance(LIFETIME + 1)

    request = ChatRequest(BACK)
    assert memory.restored("k", "p", request) is request


def test_the_memory_is_bounded() -> None:
    memory = ReasoningMemory(FakeClock().now)
    memory.keep("k", "p", {**TURN, "reasoning_details": [{"type": "thinking", "thinking": "x" * MOST_BYTES}]})
    assert memory.restored("k", "p", ChatRequest(BACK)).messages[1] == BACK[1]

    memory.keep("k", "p", TURN)
    for number in range(MOST_TURNS):
        memory.keep("k", "p", {**TURN, "tool_calls": [{**CALL, "id": f"call_x{number}"}]})
    assert memory.restored("k", "p", ChatRequest(BACK)).messages[1] == BACK[1]


def test_all_turns_together_take_no_more_than_they_may() -> None:
    memory = ReasoningMemory(FakeClock().now)
    long = {"reasoning_content": "x" * (MOST_BYTES - 100)}
    count = 2 * MOST_BYTES_TOGETHER // MOST_BYTES
    for number in range(count):
        for _ in range(2):  # what is kept again takes its place but once
            memory.keep("me", "alpha", {**long, "tool_calls": [{**CALL, "id": f"call_{number}"}]})

    def is_kept(number: int) -> bool:
        message = {**BACK[1], "tool_calls": [{**CALL, "id": f"call_{number}"}]}
        restored = memory.restored("me", "alpha", ChatRequest([message], TOOLS))
        return "reasoning_content" in restored.messages[0]

    kept = [number for number in range(count) if is_kept(number)]
    assert kept == list(range(count - len(kept), count))
    assert MOST_BYTES_TOGETHER * 0.9 < len(kept) * MOST_BYTES <= MOST_BYTES_TOGETHER * 1.01


def test_a_restored_turn_still_says_that_it_has_no_content() -> None:
    memory = ReasoningMemory(FakeClock().now)
    memory.keep("k", "p", TURN)

    assert memory.restored("k", "p", ChatRequest(BACK)).messages[1] == TURN
