"""Groq's dialect: OpenAI's, without streams of structured output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.adapters.abilities import groq_abilities
from app.adapters.codec import unsupported
from app.adapters.efforts import groq_efforts
from app.adapters.openai import OpenAICodec
from app.adapters.openai_embeddings import OpenAIEmbeddingCodec
from app.adapters.openai_messages import MessageRules
from app.adapters.openai_request import OPEN_SAMPLING, OPENAI_ONLY, RequestOptions
from app.adapters.openai_tools import ToolRules
from app.domain.chat import JSON


def _finishing(model: str, body: JSON) -> Sequence[str]:
    wanted = body.get("response_format")
    if isinstance(wanted, dict) and wanted.get("type") in ("json_object", "json_schema"):
        if body.get("tools"):
            raise unsupported("groq takes a response format or tools, not both", "response_format")
        # Several models answer 400 to a stream of JSON, so the answer comes whole and is told as a stream.
        body.pop("stream", None)
        body.pop("stream_options", None)
    if "qwen" in model and not {"reasoning_format", "include_reasoning"} & body.keys():
        body["reasoning_format"] = "parsed"  # left alone, its thoughts stand inside the content
    return ()


GROQ: Final = OpenAICodec(
    "groq",
    RequestOptions(
        max_tokens_field="max_completion_tokens",
        dropped=(OPENAI_ONLY - {"service_tier"})
        | OPEN_SAMPLING
        | {"n", "logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty"},
        efforts=groq_efforts,
        most={"stop": 4, "tools": 128},
        messages=MessageRules(
            has_names=False,
            assistant_fields=frozenset({"role", "content", "tool_calls"}),
            kept_reasoning=frozenset({"reasoning"}),
            drops_nulls=True,
        ),
        tools=ToolRules(has_allowed_tools=False),
        finishing=_finishing,
    ),
    abilities=groq_abilities,
    embedding=OpenAIEmbeddingCodec("groq"),
)
