"""The native chat wire: a checked body in, an ask out; the answer with its route, and typed stream events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from app.api.errors import encoded_error
from app.api.exchange import Exchange
from app.api.fields import Answer, Body, checked
from app.api.intent import Intent, policy_named, policy_words
from app.api.messages import MAX_TOOLS, format_violations, message_violations, tool_violations
from app.api.provider_preferences import PROVIDER_SCHEMA, failover_allowed, preference_violations, preferences_of
from app.api.sse import event
from app.api.timing import deadline_of
from app.decisions.wire import usage_rendered
from app.domain.attempt import Ask, AttemptRecord, Completion
from app.domain.caching import CacheMode, CacheNote
from app.domain.chat import ChatChunk, ChatRequest
from app.domain.conversation import MOST_CHARACTERS, NAME, conversation_key
from app.domain.errors import OutcryError, Violation
from app.domain.routing import Explanation, Plan, PolicyName, Priority, Verdict
from app.domain.tools import ToolCallRecord
from app.domain.usage import money
from app.services import CompletionStream, Tools

Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
REPEATED = 64 * 1024
"""How many characters of reasoning `done` repeats at most: a stream must not hold a whole answer."""


class ChatBody(Body):
    """A chat in the native form; what is absent is decided by the agent, the provider file, or the router."""

    messages: list[Any] = Field(description="Messages in OpenAI's shape.", min_length=1)
    agent_id: int | None = Field(default=None, ge=1)
    model: Name | None = None
    policy: str | None = None
    task_type: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] | None = None
    stream: bool = False
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1, le=2**31 - 1)
    stop: str | list[str] | None = None
    response_format: dict[str, Any] | None = None
    tools: list[Any] | None = Field(
        default=None, description="Functions of your own in OpenAI's shape, and names of registered tools."
    )
    tool_choice: str | dict[str, Any] | None = None
    fallbacks: list[Name] = Field(default_factory=list, max_length=16)
    allow_failover: bool = True
    max_retries: int | None = Field(default=None, ge=0, le=10)
    priority: str | None = Field(default=None, pattern="^(low|normal|high)$")
    hedge: bool | None = Field(default=None, description="Whether a second target may start beside a slow first one.")
    deadline_ms: int | None = Field(default=None, ge=1)
    metadata: dict[str, Any] = Field(default_factory=dict)
    conversation_id: str | None = Field(
        default=None,
        max_length=MOST_CHARACTERS,
        pattern=f"^{NAME.pattern}$",
        description="Requests with the same one go to the target that answered last, while it can be asked.",
    )
    provider: dict[str, Any] | None = Field(default=None, json_schema_extra=PROVIDER_SCHEMA)
    cache: str | None = Field(default=None, pattern="^(off|read|write|read-write)$")

    @property
    def registered(self) -> list[str]:
        """The tools that the gateway calls itself, by name."""
        return [tool for tool in self.tools or () if isinstance(tool, str)]


class UsageAnswer(Answer):
    """Tokens of one answer, and who counted them."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    source: str


class AttemptAnswer(Answer):
    """One attempt that was made."""

    provider: str
    model: str
    kind: str = Field(description="first, retry, fallback or hedge.")
    outcome: str
    code: str | None
    status: int | None
    latency_ms: float
    cost_usd: str | None


class ToolCallAnswer(Answer):
    """One call that the gateway made of a registered tool."""

    round: int
    name: str
    call_id: str
    status: str
    http_status: int | None
    latency_ms: float
    code: str | None


class CacheAnswer(Answer):
    """What the response cache had to do with an answer; `age_s` is that of a hit."""

    status: str
    age_s: float | None


class ChatAnswer(Answer):
    """An answer with its route, its usage and its price; an unknown price is null."""

    id: str
    content: str | None
    reasoning: str | None
    tool_calls: list[dict[str, Any]]
    tool_calls_made: list[ToolCallAnswer]
    provider: str
    model: str
    finish_reason: str | None
    structured_output: str | None = Field(description="How JSON was brought about; null where none was asked for.")
    usage: UsageAnswer | None
    cost_usd: str | None
    latency_ms: float
    time_to_first_token_ms: float | None
    attempts: list[AttemptAnswer]
    routing: dict[str, Any]
    cache: CacheAnswer | None = Field(description="Null where the cache was off.")
    replayed: bool = Field(description="Whether it was told again from a run: nobody was asked.")
    warnings: list[str]


def read_chat(body: dict[str, Any], tools: Tools) -> ChatBody:
    """The checked body. Raises RequestRejected with every wrong field, names that are no tool's among them."""
    return checked(ChatBody, body, list(_violations(body, tools)))


def ask_of(chat: ChatBody, intent: Intent, exchange: Exchange) -> Ask:
    """The completion that a body and the headers ask for; the body is the nearer word."""
    stated = ("temperature", "top_p", "max_tokens", "stop", "response_format", "tools", "tool_choice")
    parameters = {name: value for name in stated if (value := getattr(chat, name)) is not None}
    if chat.registered:
        known = exchange.services.tools
        parameters["tools"] = [known.function(one) if isinstance(one, str) else one for one in parameters["tools"]]
    model = chat.model or "auto"
    if chat.task_type is not None and model == "auto":
        model = f"task:{chat.task_type}"
    named = chat.conversation_id or intent.conversation
    milliseconds, preferences = chat.deadline_ms, preferences_of(chat.provider)
    return Ask(
        request=ChatRequest(chat.messages, parameters),
        request_id=exchange.request_id,
        deadline=deadline_of(exchange, intent.deadline, None if milliseconds is None else milliseconds / 1000),
        model=model,
        fallbacks=tuple(chat.fallbacks),
        named_by=("model", *(f"fallbacks[{place}]" for place in range(len(chat.fallbacks)))),
        agent_id=chat.agent_id or intent.agent_id,
        policy=_policy(chat.policy) or intent.policy,
        allow_failover=chat.allow_failover and failover_allowed(preferences),
        preferences=preferences,
        max_retries=chat.max_retries,
        priority=Priority(chat.priority) if chat.priority else intent.priority or Priority.NORMAL,
        caller=exchange.caller,
        route="chat",
        metadata=chat.metadata,
        cache=CacheMode(chat.cache) if chat.cache and intent.cache is not CacheMode.OFF else intent.cache,
        conversation=None if named is None else conversation_key(exchange.caller.key_id, named),
        as_of=intent.hindsight,
        hedge=intent.hedge if chat.hedge is None else chat.hedge,
        replay=intent.replay,
    )


def _policy(name: str | None) -> PolicyName | None:
    return None if name is None else policy_named(name)


def _violations(body: Mapping[str, Any], tools: Tools) -> Iterator[Violation]:
    """What the model of the body cannot say. Wrong types it finds itself."""
    if isinstance(body.get("messages"), list) and body["messages"]:
        yield from message_violations(body["messages"])
    if isinstance(body.get("provider"), dict):
        yield from preference_violations(body["provider"])
    policy = body.get("policy")
    if isinstance(policy, str) and policy_named(policy) is None:
        yield Violation("policy", f"must be one of {policy_words()}")
    if isinstance(body.get("response_format"), dict):
        yield from format_violations(body["response_format"])
    if isinstance(body.get("tools"), list):
        yield from _tools(body["tools"], tools)


def _tools(tools: list[Any], registered: Tools) -> Iterator[Violation]:
    if len(tools) > MAX_TOOLS:
        yield Violation("tools", f"holds {len(tools)} tools, at most {MAX_TOOLS} are taken")
        return
    own = {function.get("name") for tool in tools if isinstance(tool, dict) and (function := _function(tool))}
    for index, tool in enumerate(tools):
        if isinstance(tool, str):
            why = registered.why_not(tool)
            if why is None and (tool in own or tool in tools[:index]):
                why = "has a name that another tool of this request has"
            if why is not None:
                yield Violation(f"tools[{index}]", why)
        else:
            for wrong in tool_violations([tool]):
                yield Violation(wrong.field.replace("tools[0]", f"tools[{index}]", 1), wrong.message)


def _function(tool: dict[str, Any]) -> dict[str, Any]:
    function = tool.get("function")
    return function if isinstance(function, dict) else {}


def rendered(
    completion: Completion, warnings: Sequence[str] = (), calls: Sequence[ToolCallRecord] = ()
) -> dict[str, Any]:
    """The answer of `POST /chat`."""
    message = completion.response.message
    return {
        "id": completion.response.completion.get("id"),
        "content": message.get("content") or message.get("refusal"),
        "reasoning": _reasoning(message),
        "tool_calls": message.get("tool_calls") or [],
        "tool_calls_made": [call_rendered(call) for call in calls],
        "provider": completion.target.provider,
        "model": completion.target.model,
        "finish_reason": completion.response.finish_reason,
        "structured_output": completion.rung,
        "usage": usage_rendered(completion.usage),
        "cost_usd": None if completion.cost_usd is None else money(completion.cost_usd),
        "latency_ms": milliseconds(completion.latency),
        "time_to_first_token_ms": milliseconds(completion.time_to_first_token),
        "attempts": [attempt_rendered(attempt) for attempt in completion.attempts],
        "routing": plan_rendered(completion.plan),
        "cache": cache_rendered(completion.cache),
        "replayed": completion.replayed,
        "warnings": [*completion.warnings, *warnings],
    }


def attempt_rendered(attempt: AttemptRecord) -> dict[str, Any]:
    """One attempt as callers see it."""
    return {
        "provider": attempt.target.provider,
        "model": attempt.target.model,
        "kind": attempt.kind.value,
        "outcome": attempt.outcome.value,
        "code": None if attempt.code is None else attempt.code.value,
        "status": attempt.upstream_status,
        "latency_ms": milliseconds(attempt.duration),
        "cost_usd": None if attempt.cost_usd is None else money(attempt.cost_usd),
    }


def call_rendered(call: ToolCallRecord) -> dict[str, Any]:
    """One call of a registered tool as callers see it; what was said in it stays between model and tool."""
    return {
        "round": call.round,
        "name": call.tool,
        "call_id": call.call_id,
        "status": call.status.value,
        "http_status": call.http_status,
        "latency_ms": milliseconds(call.duration),
        "code": None if call.code is None else call.code.value,
    }


def cache_rendered(note: CacheNote | None) -> dict[str, Any] | None:
    """What the cache had to do with an answer."""
    return None if note is None else {"status": note.status, "age_s": None if note.age is None else round(note.age, 3)}


def plan_rendered(plan: Plan) -> dict[str, Any]:
    """Why a request went where it went."""
    return {"policy": plan.policy, "reason": plan.reason, "candidates": verdicts_rendered(plan.verdicts)}


def verdicts_rendered(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """What was thought of each candidate."""
    return [{"target": str(one.target), "score": one.score, "why_not": one.why_not} for one in verdicts]


def explanation_rendered(found: Explanation, warnings: Sequence[str] = ()) -> dict[str, Any]:
    """The answer of `POST /routing/explain`; `routing` is what the answer of `POST /chat` would have."""
    plan, error = found.plan, found.error
    nothing = {"policy": None, "reason": None, "candidates": verdicts_rendered(found.verdicts)}
    return {
        "target": None if plan is None else str(plan.steps[0].target),
        "plan": [] if plan is None else [str(step.target) for step in plan.steps],
        "routing": nothing if plan is None else plan_rendered(plan),
        "error": None if error is None else {"code": error.code, "status": error.status, "message": error.message},
        "warnings": [*found.warnings, *warnings],
    }


def milliseconds(seconds: float | None) -> float | None:
    """Seconds as milliseconds, to the microsecond."""
    return None if seconds is None else round(seconds * 1000, 3)


def _reasoning(message: Mapping[str, Any]) -> str | None:
    text = message.get("reasoning_content") or message.get("reasoning")
    return text if isinstance(text, str) else None


class NativeStream:
    """Typed events: `start`, `delta`, `tool`, `usage`, and `done` or `error`.

    `calls` are those made of registered tools; it grows while the stream lasts.
    """

    def __init__(self, request_id: str, warnings: Sequence[str], calls: Sequence[ToolCallRecord] = ()) -> None:
        self._request_id = request_id
        self._warnings = warnings
        self._made = calls
        self._told = 0
        self._id: str | None = None
        self._reasoning: list[str] = []
        self._reasoned = 0
        self._calls: dict[int, dict[str, Any]] = {}

    def head(self, stream: CompletionStream) -> bytes:
        """Who answers."""
        return event("start", {"provider": stream.target.provider, "model": stream.target.model})

    def chunk(self, chunk: ChatChunk) -> bytes:
        """The deltas of one chunk, if it has any."""
        self._id = self._id or chunk.chunk.get("id")
        pieces: list[bytes] = self._calls_since() if self._made else []
        for choice in chunk.chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            reasoning = _reasoning(delta)
            if reasoning:
                self._remember(reasoning)
                pieces.append(event("delta", {"type": "reasoning", "text": reasoning}))
            text = delta.get("content") or delta.get("refusal")
            if text:
                pieces.append(event("delta", {"type": "content", "text": text}))
            for call in delta.get("tool_calls") or ():
                _merge(self._calls, call)
                pieces.append(event("delta", {"type": "tool_call", "tool_call": call}))
        return b"".join(pieces)

    def end(self, stream: CompletionStream) -> bytes:
        """The usage, and the answer without its content."""
        usage = usage_rendered(stream.usage)
        done = {
            "id": self._id,
            "reasoning": "".join(self._reasoning) if 0 < self._reasoned <= REPEATED else None,
            "tool_calls": [self._calls[index] for index in sorted(self._calls)],
            "tool_calls_made": [call_rendered(call) for call in self._made],
            "provider": stream.target.provider,
            "model": stream.target.model,
            "finish_reason": stream.finish_reason,
            "structured_output": stream.rung,
            "usage": usage,
            "cost_usd": None if stream.cost_usd is None else money(stream.cost_usd),
            "latency_ms": milliseconds(stream.latency),
            "time_to_first_token_ms": milliseconds(stream.time_to_first_token),
            "attempts": [attempt_rendered(attempt) for attempt in stream.attempts],
            "routing": plan_rendered(stream.plan),
            "cache": cache_rendered(stream.cache),
            "replayed": stream.replayed,
            "warnings": [*stream.warnings, *self._warnings],
        }
        return event("usage", usage or {}) + event("done", done)

    def error(self, error: OutcryError) -> bytes:
        """The error instead of the end."""
        return b"event: error\ndata: " + encoded_error(error, self._request_id) + b"\n\n"

    def _calls_since(self) -> list[bytes]:
        """The calls that were made since the chunk before."""
        new, self._told = self._made[self._told :], len(self._made)
        return [event("tool", call_rendered(call)) for call in new]

    def _remember(self, text: str) -> None:
        self._reasoned += len(text)
        if self._reasoned > REPEATED:
            self._reasoning.clear()
        else:
            self._reasoning.append(text)


def _merge(calls: dict[int, dict[str, Any]], delta: Mapping[str, Any]) -> None:
    """Puts one delta of a tool call to what was there of it: arguments concatenate, everything else is said once."""
    index = delta.get("index")
    call = calls.setdefault(
        index if isinstance(index, int) else len(calls),
        {"id": None, "type": "function", "function": {"name": "", "arguments": ""}},
    )
    function = delta.get("function") or {}
    call["id"] = delta.get("id") or call["id"]
    call["function"]["name"] = call["function"]["name"] or function.get("name") or ""
    call["function"]["arguments"] += function.get("arguments") or ""
