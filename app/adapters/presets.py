"""One row per known provider: its dialect with its options, and where it lives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from app.adapters.anthropic import AnthropicCodec
from app.adapters.codec import Codec
from app.adapters.input_tokens import InputTokens
from app.adapters.ollama import OllamaCodec
from app.adapters.openai import OpenAICodec
from app.adapters.openai_platform import PlatformCodec
from app.adapters.openai_request import RequestOptions
from app.adapters.refusals import deepseek_refusals, openai_refusals, xai_refusals
from app.domain.errors import FailureKind
from app.domain.provider import ProviderType

_OPENAI_ONLY: Final = frozenset(
    {"store", "metadata", "service_tier", "prediction", "verbosity", "safety_identifier"}
    | {"prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "moderation", "web_search_options"}
    | {"modalities", "audio"}
)
_MISTRAL: Final = frozenset(
    {"model", "messages", "temperature", "top_p", "max_tokens", "stream", "stop", "random_seed", "metadata"}
    | {"response_format", "tools", "tool_choice", "presence_penalty", "frequency_penalty", "min_tokens"}
    | {"repetition_penalty", "top_k", "logprobs", "top_logprobs", "n", "prediction", "parallel_tool_calls"}
    | {"reasoning_effort", "prompt_mode", "guardrails", "prompt_cache_key", "service_tier", "safe_prompt"}
)
_LEVELS: Final = ("minimal", "low", "medium", "high", "xhigh", "max")


def _efforts(*words: str) -> Mapping[str, str]:
    return dict(zip(_LEVELS, words, strict=True))


@dataclass(frozen=True, slots=True)
class Preset:
    """A known provider. `default_url` "" means that one must be configured.

    `path` is what every base URL must end with; its first part may be there already, in this or another version.
    """

    codec: Codec
    default_url: str = ""
    path: tuple[str, ...] = ("v1",)
    needs_key: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)


PRESETS: Final[Mapping[ProviderType, Preset]] = {
    ProviderType.OPENAI: Preset(
        PlatformCodec(
            "openai",
            RequestOptions(max_tokens_field="max_completion_tokens", has_developer_role=True, refuses=openai_refusals),
            counting=InputTokens(),
        ),
        "https://api.openai.com/v1",
    ),
    ProviderType.ANTHROPIC: Preset(AnthropicCodec(), "https://api.anthropic.com/v1"),
    # Its OpenAI-compatible endpoint.
    ProviderType.GEMINI: Preset(
        OpenAICodec(
            "gemini",
            RequestOptions(
                max_tokens_field="max_tokens",
                dropped=_OPENAI_ONLY | {"logit_bias", "user", "parallel_tool_calls"},
                efforts={**_efforts("low", "low", "medium", "high", "high", "high"), "none": "none"},
            ),
        ),
        "https://generativelanguage.googleapis.com/v1beta/openai",
        path=("v1beta", "openai"),
    ),
    ProviderType.OLLAMA: Preset(OllamaCodec(), "http://localhost:11434/api", path=("api",), needs_key=False),
    ProviderType.AZURE: Preset(
        PlatformCodec(
            "azure",
            RequestOptions(max_tokens_field="max_completion_tokens", has_developer_role=True, refuses=openai_refusals),
            key_header="api-key",
            lists_models=False,
        ),
        path=("openai", "v1"),
    ),
    ProviderType.DEEPSEEK: Preset(
        OpenAICodec(
            "deepseek",
            RequestOptions(
                max_tokens_field="max_tokens",
                renamed={"user": "user_id"},
                dropped=_OPENAI_ONLY | {"n", "seed", "logit_bias", "parallel_tool_calls"},
                refuses=deepseek_refusals,
                efforts=_efforts("low", "low", "high", "high", "high", "max"),
                thinking_switch=True,
                has_json_schema=False,
                has_strict_tools=False,
                kept_reasoning=frozenset({"reasoning_content"}),
            ),
        ),
        "https://api.deepseek.com/v1",
    ),
    ProviderType.GROQ: Preset(
        OpenAICodec(
            "groq",
            RequestOptions(
                max_tokens_field="max_completion_tokens",
                dropped=(_OPENAI_ONLY - {"service_tier"})
                | {"n", "logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty"},
                has_names=False,
                kept_reasoning=frozenset({"reasoning"}),
                drops_nulls=True,
            ),
        ),
        "https://api.groq.com/openai/v1",
    ),
    ProviderType.XAI: Preset(
        OpenAICodec(
            "xai",
            RequestOptions(
                max_tokens_field="max_tokens",
                dropped=_OPENAI_ONLY | {"logit_bias"},
                refuses=xai_refusals,
                has_names=False,
                has_strict_tools=False,
            ),
        ),
        "https://api.x.ai/v1",
    ),
    ProviderType.MISTRAL: Preset(
        OpenAICodec(
            "mistral",
            RequestOptions(
                max_tokens_field="max_tokens",
                renamed={"seed": "random_seed"},
                allowed=_MISTRAL,
                efforts={**_efforts("high", "high", "high", "high", "high", "high"), "none": "none"},
                has_stream_usage=False,
                has_names=False,
                has_strict_tools=False,
                required_is_any=True,
                short_call_ids=True,
            ),
        ),
        "https://api.mistral.ai/v1",
    ),
    ProviderType.TOGETHER: Preset(
        OpenAICodec(
            "together",
            RequestOptions(
                max_tokens_field="max_tokens",
                dropped=_OPENAI_ONLY | {"user", "parallel_tool_calls"},
                efforts=_efforts("low", "low", "medium", "high", "high", "high"),
                has_stream_usage=False,
                stop_is_list=True,
                logprobs_is_count=True,
            ),
            status_kinds={403: FailureKind.CONTEXT_LENGTH},
        ),
        "https://api.together.ai/v1",
    ),
    ProviderType.OPENROUTER: Preset(
        OpenAICodec(
            "openrouter",
            RequestOptions(
                dropped=frozenset({"n"}),
                has_developer_role=True,
                kept_reasoning=frozenset({"reasoning", "reasoning_details"}),
            ),
        ),
        "https://openrouter.ai/api/v1",
    ),
    ProviderType.VLLM: Preset(
        OpenAICodec(
            "vllm",
            RequestOptions(
                max_tokens_field="max_tokens",
                dropped=_OPENAI_ONLY,
                has_strict_tools=False,
                kept_reasoning=frozenset({"reasoning"}),
            ),
        ),
        "http://localhost:8000/v1",
        needs_key=False,
    ),
    ProviderType.LOCALAI: Preset(
        OpenAICodec(
            "localai",
            RequestOptions(max_tokens_field="max_tokens", kept_reasoning=frozenset({"reasoning"})),
        ),
        "http://localhost:8080/v1",
        needs_key=False,
    ),
    ProviderType.OPENAI_COMPATIBLE: Preset(
        OpenAICodec(
            "openai_compatible",
            RequestOptions(
                max_tokens_field="max_tokens",
                kept_reasoning=frozenset({"reasoning_content", "reasoning_details"}),
            ),
        ),
        needs_key=False,
    ),
}


def needs_key(type: ProviderType) -> bool:  # noqa: A002 - the contract's name
    """Whether a provider of this type cannot be asked without a key."""
    return type in PRESETS and PRESETS[type].needs_key
