"""Google's whole answers as chat completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import orjson

from app.adapters.codec import bad_answer
from app.adapters.gemini_candidates import (
    candidates_of,
    finish_of,
    index_of,
    is_finished,
    logprobs_of,
    raise_error_in,
    said_by,
)
from app.adapters.gemini_usage import usage_of
from app.adapters.wire_usage import wire_usage
from app.domain.chat import JSON, ChatResponse


def answers_in(body: bytes | str) -> list[JSON]:
    """The answers of a body: one, or the array of them that a stream without SSE is; raises BAD_ANSWER."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_answer(f"the answer is not JSON: {error}") from None
    answers = value if isinstance(value, list) else [value]
    if not all(isinstance(each, dict) for each in answers):
        raise bad_answer("the answer is no JSON object")
    return answers


def response_of(answers: Sequence[JSON], *, wall: float) -> ChatResponse:
    """A `chat.completion` out of one answer or of its pieces; raises ProviderError for an error or for no answer."""
    for answer in answers:
        raise_error_in(answer, wall)
    warnings: list[str] = []
    candidates = _whole_candidates(answers)
    if not candidates:
        raise bad_answer("the answer has no candidates")
    choices = [_choice(index, candidate, warnings) for index, candidate in sorted(candidates.items())]
    if choices[0]["index"] != 0:
        raise bad_answer("the answer has no first candidate")
    usage = usage_of(_last(answers, "usageMetadata"))
    completion: JSON = {
        "id": completion_id(_last(answers, "responseId")),
        "object": "chat.completion",
        "created": int(wall),
        "model": text_or_nothing(_last(answers, "modelVersion")),
        "choices": choices,
    }
    if usage is not None:
        completion["usage"] = wire_usage(usage)
    return ChatResponse(completion, choices[0]["finish_reason"], usage, tuple(warnings))


def completion_id(response_id: Any) -> str:  # noqa: ANN401 - a wire body
    """OpenAI's kind of id, made of the provider's own where it states one."""
    return f"chatcmpl-{text_or_nothing(response_id) or uuid4().hex}"


def text_or_nothing(value: Any) -> str:  # noqa: ANN401 - a wire body
    """The value where it is text, else ""."""
    return value if isinstance(value, str) else ""


def _whole_candidates(answers: Sequence[JSON]) -> dict[int, JSON]:
    """Candidates by their index, the pieces of each put together."""
    whole: dict[int, JSON] = {}
    for answer in answers:
        for position, candidate in enumerate(candidates_of(answer)):
            index = index_of(candidate, position)
            whole[index] = _joined(whole[index], candidate) if index in whole else candidate
    return whole


def _joined(first: JSON, second: JSON) -> JSON:
    parts: list[Any] = []
    for each in (first, second):
        content = each.get("content")
        more = content.get("parts") if isinstance(content, dict) else None
        parts += more if isinstance(more, list) else []
    return {**first, **second, "content": {"parts": parts}}


def _choice(index: int, candidate: JSON, warnings: list[str]) -> JSON:
    if not is_finished(candidate):
        raise bad_answer("the answer is not finished")
    said = said_by(candidate)
    finish, warning = finish_of(candidate, has_calls=bool(said.calls))
    if finish == "stop" and not said.parts:
        raise bad_answer("the model said nothing")
    if warning is not None:
        warnings.append(warning)
    warnings += said.warnings
    message: JSON = {"role": "assistant", "content": said.text if said.text or not said.calls else None}
    message["refusal"] = None
    if said.calls:
        message["tool_calls"] = said.calls
    if said.thought:
        message["reasoning_content"] = said.thought
    if said.details:
        message["reasoning_details"] = said.details
    return {
        "index": index,
        "message": message,
        "logprobs": logprobs_of(candidate),
        "finish_reason": finish,
        "native_finish_reason": candidate["finishReason"],
    }


def _last(answers: Sequence[JSON], name: str) -> Any:  # noqa: ANN401 - a wire body
    return next((answer[name] for answer in reversed(answers) if answer.get(name) is not None), None)
