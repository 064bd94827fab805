"""What each server of Chat Completions accepts, as its documentation says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from tests.matrix.likes import JSON, Likes, Rule

_BASE = {"model", "messages", "stream", "temperature", "top_p", "stop", "tools", "tool_choice", "response_format"}
_SAMPLING = {"n", "seed", "logprobs", "top_logprobs", "presence_penalty", "frequency_penalty", "user"}
_OPENAIS = _BASE | _SAMPLING | {
    "max_completion_tokens", "logit_bias", "parallel_tool_calls", "reasoning_effort", "stream_options", "metadata",
    "store", "service_tier", "verbosity", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
    "modalities", "audio", "prediction", "web_search_options",
}  # fmt: skip


def _says_json(body: JSON) -> Iterator[str]:
    wanted = body.get("response_format", {}).get("type")
    if wanted == "json_object" and "json" not in str(body["messages"]).lower():
        yield "the messages do not say JSON"


def _stored_metadata(body: JSON) -> Iterator[str]:
    if body.get("metadata") is not None and body.get("store") is not True:
        yield "metadata without store"


def _never_reasons(body: JSON) -> Iterator[str]:
    for name in ("reasoning_effort", "verbosity"):
        if name in body:
            yield f"{name}: the model does not reason"


def _reasons(body: JSON) -> Iterator[str]:
    never = {"presence_penalty", "frequency_penalty", "logit_bias", "stop"}
    if body.get("reasoning_effort") != "none":
        never |= {"temperature", "top_p", "logprobs", "top_logprobs"}
    yield from (f"{name}: the model reasons" for name in sorted(never & body.keys()))


def _only_responses(body: JSON) -> Iterator[str]:
    yield f"{body['model']} is asked over the Responses API"


def _no_functions_while_reasoning(body: JSON) -> Iterator[str]:
    if body.get("tools") and body.get("reasoning_effort") != "none":
        yield "function tools while reasoning"


def openai(model: str) -> Likes:
    """OpenAI's own platform."""
    rules: dict[str, tuple[Rule, ...]] = {
        "gpt-4o": (_never_reasons,),
        "o3": (_reasons,),
        "o3-pro": (_only_responses,),
        "gpt-6-luna": (_reasons, _no_functions_while_reasoning),
    }
    return Likes(
        frozenset(_OPENAIS),
        roles=frozenset({"system", "developer", "user", "assistant", "tool"}),
        names=True,
        assistant=frozenset({"role", "content", "tool_calls", "name", "refusal"}),
        parts=frozenset({"text", "image_url", "input_audio", "file"}),
        allows_tools=True,
        rules=(_says_json, _stored_metadata, *rules[model]),
    )


DATED_AZURE = Likes(
    frozenset(
        _OPENAIS - {"max_completion_tokens", "reasoning_effort", "verbosity", "metadata", "store"} | {"max_tokens"}
    ),
    roles=frozenset({"system", "developer", "user", "assistant", "tool"}),
    names=True,
    assistant=frozenset({"role", "content", "tool_calls", "name", "refusal"}),
    parts=frozenset({"text", "image_url", "input_audio", "file"}),
    rules=(_says_json,),
)


def _deepseek(body: JSON) -> Iterator[str]:
    thinks = body.get("thinking") != {"type": "disabled"}
    if thinks:
        yield from (f"{n} while thinking" for n in ("temperature", "top_p", "logprobs") if n in body)
    for index, message in enumerate(body["messages"]):
        if isinstance(message["content"], list) and message["role"] != "user":
            yield f"messages[{index}]: content is no text"
        if thinks and message.get("tool_calls") and not message.get("reasoning_content"):
            yield f"messages[{index}]: the reasoning_content must be passed back"


DEEPSEEK = Likes(
    frozenset(_BASE | {"max_tokens", "user_id", "thinking", "reasoning_effort", "stream_options"})
    | {"presence_penalty", "frequency_penalty", "logprobs", "top_logprobs"},
    assistant=frozenset({"role", "content", "tool_calls", "reasoning_content"}),
    strict=False,
    stops=16,
    rules=(_says_json, _deepseek),
)


def _groq(body: JSON) -> Iterator[str]:
    wanted = body.get("response_format", {}).get("type")
    if wanted in ("json_object", "json_schema") and (body.get("tools") or body.get("stream")):
        yield "JSON beside tools or streamed"
    for message in body["messages"]:
        yield from (f"{name} is null" for name, value in message.items() if value is None and name != "content")


GROQ = Likes(
    frozenset(_BASE | {"max_completion_tokens", "seed", "user", "parallel_tool_calls", "reasoning_effort"})
    | {"reasoning_format", "include_reasoning", "service_tier", "stream_options"},
    assistant=frozenset({"role", "content", "tool_calls", "reasoning"}),
    rules=(_groq, _says_json),
)


def _xai(body: JSON) -> Iterator[str]:
    yield from (f"{name}: Grok reasons" for name in ("presence_penalty", "frequency_penalty", "stop") if name in body)


XAI = Likes(
    frozenset(_BASE | _SAMPLING | {"max_tokens", "parallel_tool_calls", "reasoning_effort", "stream_options"}),
    strict=False,
    rules=(_xai,),
)


def _mistral(body: JSON) -> Iterator[str]:
    roles = [message["role"] for message in body["messages"]]
    if "system" in roles[roles.index("user") :]:
        yield "a system message within the conversation"
    if ("tool", "user") in pairwise(roles):
        yield "Unexpected role 'user' after role 'tool'"
    if roles[-1] not in ("user", "tool"):
        yield "the last message is no user's and no tool's"
    for message in body["messages"]:
        if message["role"] == "assistant" and not (message.get("content") or message.get("tool_calls")):
            yield "an empty assistant"


MISTRAL = Likes(
    frozenset(_BASE - {"stream_options"})
    | {"max_tokens", "random_seed", "metadata", "presence_penalty", "frequency_penalty", "top_k", "logprobs"}
    | {"top_logprobs", "n", "parallel_tool_calls", "reasoning_effort", "prompt_cache_key", "service_tier"},
    assistant=frozenset({"role", "content", "tool_calls", "prefix"}),
    parts=frozenset({"text", "image_url", "document_url", "input_audio"}),
    ids=re.compile(r"[a-zA-Z0-9]{9}"),
    choices=frozenset({"auto", "none", "any"}),
    strict=False,
    rules=(_mistral,),
)


def _together(body: JSON) -> Iterator[str]:
    if "logprobs" in body and (isinstance(body["logprobs"], bool) or "top_logprobs" in body):
        yield "logprobs is a number"


_OPEN = _BASE | _SAMPLING | {"max_tokens", "top_k", "min_p", "reasoning_effort", "stream_options", "logit_bias"}
TOGETHER = Likes(
    frozenset(_OPEN - {"user", "stream_options", "top_logprobs"} | {"reasoning"}),
    takes_one_stop=False,
    stops=16,
    rules=(_together,),
)
OPENROUTER = Likes(
    frozenset(_OPENAIS - {"n"} | {"top_k", "min_p", "reasoning", "provider", "max_tokens"}),
    roles=frozenset({"system", "developer", "user", "assistant", "tool"}),
    names=True,
    assistant=frozenset({"role", "content", "tool_calls", "refusal", "reasoning", "reasoning_details"}),
    parts=frozenset({"text", "image_url", "input_audio", "file"}),
)


def _says_auto(body: JSON) -> Iterator[str]:
    if body.get("tools") and "tool_choice" not in body:
        yield "tools without a tool_choice"


VLLM = Likes(
    frozenset(_OPEN | {"parallel_tool_calls"}),
    names=True,
    assistant=frozenset({"role", "content", "tool_calls", "refusal", "reasoning"}),
    parts=frozenset({"text", "image_url", "input_audio"}),
    strict=False,
    rules=(_says_auto,),
)
LOCALAI = Likes(
    frozenset(_OPEN | {"metadata"}),
    names=True,
    assistant=frozenset({"role", "content", "tool_calls", "refusal", "reasoning"}),
)
COMPATIBLE = Likes(
    frozenset(_OPENAIS - {"max_completion_tokens"} | {"max_tokens", "top_k"}),
    names=True,
    assistant=frozenset({"role", "content", "tool_calls", "refusal", "reasoning_content", "reasoning_details"}),
    parts=frozenset({"text", "image_url", "input_audio", "file"}),
    allows_tools=True,
)
