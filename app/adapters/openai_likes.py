"""Providers that differ from OpenAI's dialect by options only, one row each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.adapters import abilities
from app.adapters.efforts import openrouter_efforts, together_efforts, xai_efforts
from app.adapters.openai import OpenAICodec
from app.adapters.openai_embeddings import OpenAIEmbeddingCodec
from app.adapters.openai_messages import MessageRules
from app.adapters.openai_request import OPEN_SAMPLING, OPENAI_ONLY, RequestOptions
from app.adapters.openai_tools import ToolRules
from app.adapters.refusals import xai_refusals
from app.adapters.vllm import VLLMCountingCodec
from app.domain.chat import JSON
from app.domain.errors import FailureKind

_PLAIN_ASSISTANT: Final = frozenset({"role", "content", "name", "tool_calls"})
_PLAIN_TOOLS: Final = ToolRules(has_strict=False, has_functions=False, has_allowed_tools=False)


def _requires_parameters(model: str, body: JSON) -> Sequence[str]:
    """OpenRouter drops what the chosen host cannot do without a word, unless it is told not to."""
    del model
    stated = body.get("provider", {})
    if body.get("logprobs") and isinstance(stated, dict):
        body["provider"] = {"require_parameters": True, **stated}
    return ()


XAI: Final = OpenAICodec(
    "xai",
    RequestOptions(
        max_tokens_field="max_tokens",
        dropped=OPENAI_ONLY | OPEN_SAMPLING | {"logit_bias"},
        refuses=xai_refusals,
        efforts=xai_efforts,
        messages=MessageRules(has_names=False, assistant_fields=_PLAIN_ASSISTANT),
        tools=_PLAIN_TOOLS,
    ),
    abilities=abilities.XAI,
)

TOGETHER: Final = OpenAICodec(
    "together",
    RequestOptions(
        max_tokens_field="max_tokens",
        dropped=OPENAI_ONLY | {"user", "parallel_tool_calls"},
        efforts=together_efforts,
        has_stream_usage=False,
        stop_is_list=True,
        logprobs_is_count=True,
        messages=MessageRules(assistant_fields=_PLAIN_ASSISTANT),
        tools=ToolRules(has_functions=False, has_allowed_tools=False),
    ),
    status_kinds={403: FailureKind.CONTEXT_LENGTH},
    abilities=abilities.TOGETHER,
    embedding=OpenAIEmbeddingCodec("together", dropped=frozenset({"user"}), has_dimensions=False),
)

OPENROUTER: Final = OpenAICodec(
    "openrouter",
    RequestOptions(
        dropped=frozenset({"n"}),
        efforts=openrouter_efforts,
        most={"stop": 4},
        has_developer_role=True,
        messages=MessageRules(kept_reasoning=frozenset({"reasoning", "reasoning_details"})),
        tools=ToolRules(has_allowed_tools=False),
        finishing=_requires_parameters,
    ),
    abilities=abilities.OPENROUTER,
    embedding=OpenAIEmbeddingCodec("openrouter"),
)

_VLLM_REQUEST: Final = RequestOptions(
    max_tokens_field="max_tokens",
    dropped=OPENAI_ONLY,
    keeps_stream_options=True,
    messages=MessageRules(kept_reasoning=frozenset({"reasoning"})),
    # Without a choice it looks at the tools only where the server was started so, and says nothing otherwise.
    tools=ToolRules(has_strict=False, has_functions=False, has_allowed_tools=False, says_auto=True),
)
VLLM: Final = OpenAICodec(
    "vllm",
    _VLLM_REQUEST,
    abilities=abilities.VLLM,
    embedding=OpenAIEmbeddingCodec("vllm", is_packed=True, takes_token_ids=True),
    counting=VLLMCountingCodec(_VLLM_REQUEST),
)

LOCALAI: Final = OpenAICodec(
    "localai",
    RequestOptions(
        max_tokens_field="max_tokens",
        dropped=(OPENAI_ONLY - {"metadata"}) | {"parallel_tool_calls"},
        messages=MessageRules(kept_reasoning=frozenset({"reasoning"})),
        tools=ToolRules(has_allowed_tools=False),
    ),
    abilities=abilities.LOCALAI,
    embedding=OpenAIEmbeddingCodec("localai"),
)

COMPATIBLE: Final = OpenAICodec(
    "openai_compatible",
    RequestOptions(
        max_tokens_field="max_tokens",
        keeps_stream_options=True,
        messages=MessageRules(kept_reasoning=frozenset({"reasoning_content", "reasoning_details"})),
    ),
    abilities=abilities.COMPATIBLE,
    embedding=OpenAIEmbeddingCodec("openai_compatible", takes_token_ids=True),
)
