"""The unmodified `anthropic` client."""

from __future__ import annotations

from typing import Any

import anthropic

from tests.clients.python import questions as q
from tests.clients.python.reporting import KEY, URL, Checks

CHECKS = Checks("anthropic", "anthropic")
CLIENT = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0, timeout=20)
TOOL: Any = {"name": "get_price", "description": q.DESCRIPTION, "input_schema": q.PARAMETERS}


@CHECKS.each
def messages(model: str) -> None:
    message = CLIENT.messages.create(model=model, max_tokens=100, system="Be brief.", messages=q.HELLO)
    q.same([block.text for block in message.content if block.type == "text"], [q.SAID])
    q.same(message.stop_reason, "end_turn")
    q.same((message.usage.input_tokens, message.usage.output_tokens), (11, 7))


@CHECKS.each
def messages_stream(model: str) -> None:
    with CLIENT.messages.stream(model=model, max_tokens=100, messages=q.HELLO) as stream:
        q.in_pieces(list(stream.text_stream))
        final = stream.get_final_message()
    q.same(final.stop_reason, "end_turn")
    q.same(final.usage.output_tokens, 7)


@CHECKS.each
def messages_raw_stream(model: str) -> None:
    events = list(CLIENT.messages.create(model=model, max_tokens=100, messages=q.HELLO, stream=True))
    q.same((events[0].type, events[-1].type), ("message_start", "message_stop"))


@CHECKS.each
def tool_round_trip(model: str) -> None:
    said: list[Any] = list(q.ASK_PRICE)
    first = CLIENT.messages.create(model=model, max_tokens=100, messages=said, tools=[TOOL])
    q.same(first.stop_reason, "tool_use")
    call = next(block for block in first.content if block.type == "tool_use")
    q.same(call.name, "get_price")
    q.is_price_question(call.input)
    said += [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": q.PRICE}]},
    ]
    second = CLIENT.messages.create(model=model, max_tokens=100, messages=said, tools=[TOOL])
    q.same([block.text for block in second.content if block.type == "text"], [f"the price is {q.PRICE}"])


@CHECKS.each
def picture(model: str) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": q.PIXEL}
    shown: Any = [{"role": "user", "content": [{"type": "image", "source": source}, {"type": "text", "text": "?"}]}]
    message = CLIENT.messages.create(model=model, max_tokens=100, messages=shown)
    q.same([block.text for block in message.content if block.type == "text"], ["a small picture"])


@CHECKS.each
def streamed_tool_call(model: str) -> None:
    with CLIENT.messages.stream(model=model, max_tokens=100, messages=q.ASK_PRICE, tools=[TOOL]) as stream:
        final = stream.get_final_message()
    call = next(block for block in final.content if block.type == "tool_use")
    q.is_price_question(call.input)
    q.same(final.stop_reason, "tool_use")


@CHECKS.each
def parse(model: str) -> None:
    message = CLIENT.messages.parse(model=model, max_tokens=100, messages=q.ASK_VERDICT, output_format=q.Verdict)
    q.is_verdict(message.parsed_output)


@CHECKS.each
def count_tokens(model: str) -> None:
    counted = CLIENT.messages.count_tokens(model=model, messages=q.HELLO)
    q.same(counted.input_tokens > 0, True)


@CHECKS.once
def error_unknown_model(_model: str) -> None:
    try:
        CLIENT.messages.create(model="claude-sonnet-4-55", max_tokens=100, messages=q.HELLO)
    except anthropic.NotFoundError as error:
        q.same(error.body["error"]["type"], "not_found_error")
    else:
        raise AssertionError("it was accepted")


@CHECKS.each
def error_bad_request(model: str) -> None:
    try:
        CLIENT.messages.create(model=model, max_tokens=100, messages=q.REFUSED)
    except anthropic.BadRequestError as error:
        q.same("scripted refusal" in error.message, True)
    else:
        raise AssertionError("it was accepted")


@CHECKS.once
def error_wrong_key(model: str) -> None:
    try:
        CLIENT.with_options(api_key="wrong-key-0123456789").messages.create(
            model=model, max_tokens=100, messages=q.HELLO
        )
    except anthropic.AuthenticationError as error:
        q.same(error.body["error"]["type"], "authentication_error")
    else:
        raise AssertionError("it was accepted")


@CHECKS.once
def error_rate_limited(_model: str) -> None:
    try:
        CLIENT.messages.create(model="busy-1", max_tokens=100, messages=q.HELLO)
    except anthropic.RateLimitError as error:
        q.same(error.body["error"]["type"], "rate_limit_error")
    else:
        raise AssertionError("it was accepted")


if __name__ == "__main__":
    CHECKS.run()
