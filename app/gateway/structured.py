"""JSON as a caller asked for it, at any target: the ladder on the way out, the check on the way back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from app.domain.chat import JSON, ChatRequest, ChatResponse
from app.domain.errors import FailureKind, ProviderError
from app.domain.frozen import frozen
from app.domain.needs import CHAT_ABILITIES, FORCED_TOOLS, JSON_OBJECT, JSON_SCHEMA, TOOLS
from app.domain.routing import Candidate
from app.domain.structured import Rung
from app.text.bare import bare_json
from app.text.json_stream import JSONStream, TooMuchBefore
from app.text.schema import BadSchema, Schema, compiled, problems
from app.text.strict_json import NotJson, loads

LARGE: Final = 64 * 1024
"""Characters of an answer from which on it is not looked at on the event loop: a megabyte takes 100 ms."""

_JSON_ONLY: Final = "Answer with one JSON object and nothing else: no prose, no code fence."
_TOOL: Final = "answer"
_UNFINISHED: Final = ("length", "content_filter")
_DOUBT: Final = "the answer "
"""How every warning begins that is about an answer, not about what was asked."""


@frozen
class Form:
    """The form that a caller wants: a JSON object, or what follows a schema.

    `strict`: an answer that does not follow it is none.
    """

    schema: JSON | None = None
    strict: bool = False
    name: str = _TOOL

    @property
    def takes_arrays(self) -> bool:
        """Whether the answer may be an array at its root."""
        return self.schema is not None and self.schema.get("type", "object") != "object"


def form_of(request: ChatRequest) -> Form | None:
    """The form that a request asks for, None for text."""
    wanted = request.parameters.get("response_format")
    if not isinstance(wanted, dict):
        return None
    kind = wanted.get("type")
    if kind == "json_object":
        return Form()
    if kind != "json_schema":
        return None
    stated = wanted.get("json_schema")
    stated = stated if isinstance(stated, dict) else {}
    schema = stated.get("schema")
    name = stated.get("name")
    return Form(
        schema if isinstance(schema, dict) else {},
        stated.get("strict") is True,
        name if isinstance(name, str) and name else _TOOL,
    )


def rung_of(form: Form, request: ChatRequest, step: Candidate, *, below: Rung | None = None) -> Rung:
    """The highest rung that this target offers, lower than `below` where that was tried.

    What nobody has stated of its model is taken as able.
    """
    if below is None:
        return next(_offered(form, request, step))
    offered = list(_offered(form, request, step))
    lower = offered[offered.index(below) + 1 :] if below in offered else offered
    return next(iter(lower), Rung.PROMPT)


def _offered(form: Form, request: ChatRequest, step: Candidate) -> Iterator[Rung]:
    says = CHAT_ABILITIES if step.dialect is None else step.dialect
    can = says if step.capabilities is None else step.capabilities
    if form.schema is not None:
        if JSON_SCHEMA in says and JSON_SCHEMA in can:
            yield Rung.SCHEMA
        thinks = request.parameters.get("reasoning_effort") not in (None, "none")
        if {FORCED_TOOLS, TOOLS} <= says and TOOLS in can and not (request.has_tools or thinks or form.takes_arrays):
            yield Rung.TOOL
    if JSON_OBJECT in says:
        yield Rung.JSON_MODE
    yield Rung.PROMPT


def asked(request: ChatRequest, form: Form, rung: Rung) -> ChatRequest:
    """The request as a target on this rung gets it; on all but the highest the caller's own wire is left."""
    if rung is Rung.SCHEMA or (rung is Rung.JSON_MODE and form.schema is None):
        return request
    parameters = {name: value for name, value in request.parameters.items() if name != "response_format"}
    if rung is Rung.TOOL:
        function = {"name": form.name, "description": "Give the answer.", "parameters": form.schema}
        parameters["tools"] = [{"type": "function", "function": function}]
        parameters["tool_choice"] = {"type": "function", "function": {"name": form.name}}
        return ChatRequest(request.messages, parameters)
    if rung is Rung.JSON_MODE:
        parameters["response_format"] = {"type": "json_object"}
    return ChatRequest(_told(request.messages, _instruction(form)), parameters)


def said_of(form: Form, rung: Rung) -> tuple[str, ...]:
    """What the caller should know of a rung that is not the one that was asked for."""
    if rung is Rung.SCHEMA:
        return ()
    wanted = "json_object" if form.schema is None else "json_schema"
    match rung:
        case Rung.TOOL:
            return (f"{wanted} is asked for by a forced tool call: the target has no structured output",)
        case Rung.JSON_MODE if form.schema is not None:
            return (f"{wanted} is asked for by JSON mode and in words: the target has no structured output",)
        case Rung.PROMPT:
            return (f"{wanted} is asked for in words: the target has no JSON mode",)
    return ()


class Check:
    """Whether answers have the form; the schema is compiled once, and one that cannot be is said, not refused."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._schema: Schema | None = None
        self.warnings: tuple[str, ...] = ()
        if form.schema:
            try:
                self._schema = compiled(form.schema)
            except BadSchema as error:
                self.warnings = (_unchecked(error),)

    def check(self, text: str) -> tuple[str, ...]:
        """Warnings about a text that is JSON; raises ProviderError(BAD_ANSWER) for one that cannot be used."""
        try:
            value = loads(text)
        except NotJson as error:
            raise _bad(f"the answer is no JSON: {error}") from None
        try:
            wrong = [] if self._schema is None else problems(self._schema, value)
        except BadSchema as error:
            return (*self.warnings, _unchecked(error))
        if wrong and self._form.strict:
            raise _bad(f"the answer does not follow the schema: {'; '.join(wrong)}")
        return (*self.warnings, *(f"the answer does not follow the schema: {each}" for each in wrong))


def doubts_the_answer(warnings: Iterable[str]) -> bool:
    """Whether one of these says that the answer itself may not be as asked, or was not checked."""
    return any(warning.startswith(_DOUBT) for warning in warnings)


def size_of(response: ChatResponse) -> int:
    """Characters that an answer's choices hold, calls' arguments included."""
    messages = [choice["message"] for choice in response.completion["choices"]]
    calls = [call for message in messages for call in message.get("tool_calls") or ()]
    arguments = [(call.get("function") or {}).get("arguments") for call in calls]
    return sum(len(text) for text in (*(m.get("content") for m in messages), *arguments) if isinstance(text, str))


def settled(response: ChatResponse, form: Form, rung: Rung) -> ChatResponse:
    """The answer with bare JSON as content. Raises ProviderError(BAD_ANSWER) where there is none in it.

    One that was cut, refused, or calls a tool of the caller's is left as it is.
    """
    if response.native is not None:
        return response
    check, warnings = Check(form), list(response.warnings)
    for choice in response.completion["choices"]:
        warnings += _settled_choice(choice, form, rung, check)
    first = response.completion["choices"][0]["finish_reason"]
    return replace(response, finish_reason=first, warnings=tuple(dict.fromkeys(warnings)))


def _settled_choice(choice: JSON, form: Form, rung: Rung, check: Check) -> tuple[str, ...]:
    message = choice["message"]
    if rung is Rung.TOOL and message.get("tool_calls"):
        message["content"] = message.pop("tool_calls")[0]["function"]["arguments"]
        choice["finish_reason"] = "stop"
    if message.get("refusal") or message.get("tool_calls"):
        return ()
    if choice["finish_reason"] in _UNFINISHED:
        return (f"the answer ended early ({choice['finish_reason']}): its JSON may not be whole",)
    text = message.get("content") or ""
    bare = bare_json(text)
    if bare is None or (bare.startswith("[") and not form.takes_arrays):
        raise _bad("the answer holds no JSON object" if not form.takes_arrays else "the answer holds no JSON")
    if bare != text:
        _keep_thinking(message, text)
        message["content"] = bare
    return check.check(bare)


def _keep_thinking(message: JSON, text: str) -> None:
    if message.get("reasoning_content"):
        return
    reader = JSONStream()
    try:
        reader.feed(text)
        reader.close()
    except TooMuchBefore:
        return
    if reader.thinking:
        message["reasoning_content"] = reader.thinking


def _told(messages: Any, instruction: str) -> list[JSON]:  # noqa: ANN401 - a sequence of wire bodies
    """The messages with an instruction in the first system message: some templates take no second one."""
    first = messages[0]
    if first.get("role") in ("system", "developer") and isinstance(first.get("content"), str):
        return [{**first, "content": f"{first['content']}\n\n{instruction}"}, *messages[1:]]
    return [{"role": "system", "content": instruction}, *messages]


def _instruction(form: Form) -> str:
    if not form.schema:
        return _JSON_ONLY
    return f"{_JSON_ONLY} It must follow this JSON schema:\n{_rendered(form.schema)}"


def _rendered(schema: Mapping[str, Any]) -> str:
    return orjson.dumps(schema).decode()


def _unchecked(error: BadSchema) -> str:
    return f"the answer is not checked against the schema: {error}"


def _bad(message: str) -> ProviderError:
    return ProviderError(FailureKind.BAD_ANSWER, message)
