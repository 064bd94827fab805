"""The unmodified `openai` client, 2.x and 3.x alike."""

from __future__ import annotations

from typing import Any

import openai

from tests.clients.python import questions as q
from tests.clients.python.reporting import KEY, URL, Checks

CHECKS = Checks("openai", "openai")
CLIENT = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=20)


@CHECKS.each
def chat(model: str) -> None:
    completion = CLIENT.chat.completions.create(model=model, messages=q.HELLO)
    q.same(completion.choices[0].message.content, q.SAID)
    q.same(completion.choices[0].finish_reason, "stop")
    q.same(completion.usage and completion.usage.total_tokens, 18)


@CHECKS.each
def chat_stream(model: str) -> None:
    stream = CLIENT.chat.completions.create(
        model=model, messages=q.HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    q.in_pieces([c.choices[0].delta.content or "" for c in chunks if c.choices])
    q.same(chunks[-1].usage and chunks[-1].usage.total_tokens, 18)


@CHECKS.each
def chat_stream_helper(model: str) -> None:
    with CLIENT.chat.completions.stream(model=model, messages=q.ASK_PRICE, tools=[q.CHAT_TOOL]) as stream:
        for _ in stream:
            pass
        choice = stream.get_final_completion().choices[0]
    calls = choice.message.tool_calls or []
    q.same([call.function.name for call in calls], ["get_price"])
    q.is_price_question(calls[0].function.arguments)
    q.same(choice.finish_reason, "tool_calls")


@CHECKS.each
def chat_tool_round_trip(model: str) -> None:
    messages = list(q.ASK_PRICE)
    first = CLIENT.chat.completions.create(model=model, messages=messages, tools=[q.CHAT_TOOL]).choices[0].message
    call = (first.tool_calls or [])[0]
    if call.type != "function":
        raise AssertionError(call.type)
    q.is_price_question(call.function.arguments)
    messages += [first, {"role": "tool", "tool_call_id": call.id, "content": q.PRICE}]
    second = CLIENT.chat.completions.create(model=model, messages=messages, tools=[q.CHAT_TOOL])
    q.same(second.choices[0].message.content, f"the price is {q.PRICE}")


@CHECKS.each
def chat_picture(model: str) -> None:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{q.PIXEL}"}}
    shown: Any = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, picture]}]
    completion = CLIENT.chat.completions.create(model=model, messages=shown)
    q.same(completion.choices[0].message.content, "a small picture")


@CHECKS.each
def chat_parse(model: str) -> None:
    completion = CLIENT.chat.completions.parse(model=model, messages=q.ASK_VERDICT, response_format=q.Verdict)
    q.is_verdict(completion.choices[0].message.parsed)


@CHECKS.each
def responses(model: str) -> None:
    response = CLIENT.responses.create(model=model, input="hello", instructions="Be brief.")
    q.same(response.output_text, q.SAID)
    q.same(response.status, "completed")
    q.same(response.usage and response.usage.total_tokens, 18)


@CHECKS.each
def responses_stream(model: str) -> None:
    events = list(CLIENT.responses.create(model=model, input="hello", stream=True))
    q.in_pieces([event.delta for event in events if event.type == "response.output_text.delta"])
    q.same([event.type for event in (events[0], events[-1])], ["response.created", "response.completed"])
    q.same([event.sequence_number for event in events], list(range(len(events))))


@CHECKS.each
def responses_stream_helper(model: str) -> None:
    with CLIENT.responses.stream(model=model, input="hello") as stream:
        for _ in stream:
            pass
        q.same(stream.get_final_response().output_text, q.SAID)


@CHECKS.each
def responses_tool_round_trip(model: str) -> None:
    tool = {"type": "function", "name": "get_price", "description": q.DESCRIPTION, "parameters": q.PARAMETERS}
    items = list(q.ASK_PRICE)
    first = CLIENT.responses.create(model=model, input=items, tools=[{**tool, "strict": True}])  # type: ignore[list-item]
    call = next(item for item in first.output if item.type == "function_call")
    q.is_price_question(call.arguments)
    items += [
        *(item.model_dump(exclude_none=True) for item in first.output),
        {"type": "function_call_output", "call_id": call.call_id, "output": q.PRICE},
    ]
    second = CLIENT.responses.create(model=model, input=items, tools=[{**tool, "strict": True}])  # type: ignore[list-item]
    q.same(second.output_text, f"the price is {q.PRICE}")


@CHECKS.each
def responses_picture(model: str) -> None:
    picture = {"type": "input_image", "image_url": f"data:image/png;base64,{q.PIXEL}", "detail": "auto"}
    shown: Any = [{"role": "user", "content": [{"type": "input_text", "text": "What is this?"}, picture]}]
    q.same(CLIENT.responses.create(model=model, input=shown).output_text, "a small picture")


@CHECKS.each
def responses_parse(model: str) -> None:
    response = CLIENT.responses.parse(model=model, input=q.ASK_VERDICT, text_format=q.Verdict)
    q.is_verdict(response.output_parsed)


@CHECKS.once
def responses_cannot_continue_a_stored_one(model: str) -> None:
    try:
        CLIENT.responses.create(model=model, input="hello", previous_response_id="resp_1")
    except openai.BadRequestError as error:
        q.same(error.param, "previous_response_id")
    else:
        raise AssertionError("it was accepted")


@CHECKS.once
def embeddings(_model: str) -> None:
    answer = CLIENT.embeddings.create(model="text-embedding-3-small", input=["one", "three"])
    q.same([each.embedding for each in answer.data], [[0.0, 3.0], [1.0, 5.0]])
    q.same([each.index for each in answer.data], [0, 1])


@CHECKS.once
def embeddings_as_floats(_model: str) -> None:
    answer = CLIENT.embeddings.create(model="text-embedding-3-small", input="one", encoding_format="float")
    q.same(answer.data[0].embedding, [0.0, 3.0])


@CHECKS.each
def models(model: str) -> None:
    q.same(model in {each.id for each in CLIENT.models.list()}, True)
    q.same(CLIENT.models.retrieve(model).id, model)


@CHECKS.once
def error_unknown_model(_model: str) -> None:
    try:
        CLIENT.chat.completions.create(model="gpt-4o-minni", messages=q.HELLO)
    except openai.NotFoundError as error:
        q.same(error.code, "model_not_found")
    else:
        raise AssertionError("it was accepted")


@CHECKS.each
def error_bad_request(model: str) -> None:
    try:
        CLIENT.chat.completions.create(model=model, messages=q.REFUSED)
    except openai.BadRequestError as error:
        q.same("scripted refusal" in error.message, True)
    else:
        raise AssertionError("it was accepted")


@CHECKS.once
def error_wrong_key(model: str) -> None:
    try:
        CLIENT.with_options(api_key="wrong-key-0123456789").chat.completions.create(model=model, messages=q.HELLO)
    except openai.AuthenticationError as error:
        q.same(error.code, "caller_unauthenticated")
    else:
        raise AssertionError("it was accepted")


@CHECKS.once
def error_rate_limited(_model: str) -> None:
    try:
        CLIENT.chat.completions.create(model="busy-1", messages=q.HELLO)
    except openai.RateLimitError as error:
        q.same(error.code, "provider_rate_limited")
    else:
        raise AssertionError("it was accepted")


if __name__ == "__main__":
    CHECKS.run()
