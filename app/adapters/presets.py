"""One row per known provider: its dialect with its options, and where it lives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from app.adapters.allowance import ANTHROPICS, MISTRALS, OPENAIS, OPENROUTERS, TOGETHERS, LimitHeaders
from app.adapters.anthropic import AnthropicCodec
from app.adapters.codec import Codec
from app.adapters.deepseek import DEEPSEEK
from app.adapters.gemini import GeminiCodec
from app.adapters.groq import GROQ
from app.adapters.input_tokens import InputTokens
from app.adapters.mistral import MISTRAL
from app.adapters.ollama import OllamaCodec
from app.adapters.openai_embeddings import OpenAIEmbeddingCodec
from app.adapters.openai_likes import COMPATIBLE, LOCALAI, OPENROUTER, TOGETHER, VLLM, XAI
from app.adapters.openai_platform import PLATFORM_REQUEST, PlatformCodec
from app.domain.provider import ProviderType


@dataclass(frozen=True, slots=True)
class Preset:
    """A known provider. `default_url` "" means that one must be configured.

    `path` is what every base URL must end with; its first part may be there already, in this or another version.
    `limits`: the headers in which it says what is left of its rate limit; most imitate OpenAI's.
    """

    codec: Codec
    default_url: str = ""
    path: tuple[str, ...] = ("v1",)
    needs_key: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    limits: LimitHeaders = OPENAIS


PRESETS: Final[Mapping[ProviderType, Preset]] = {
    ProviderType.OPENAI: Preset(
        PlatformCodec(
            "openai",
            PLATFORM_REQUEST,
            embedding=OpenAIEmbeddingCodec("openai", is_packed=True, takes_token_ids=True),
            counting=InputTokens(),
        ),
        "https://api.openai.com/v1",
    ),
    ProviderType.ANTHROPIC: Preset(AnthropicCodec(), "https://api.anthropic.com/v1", limits=ANTHROPICS),
    ProviderType.GEMINI: Preset(GeminiCodec(), "https://generativelanguage.googleapis.com/v1beta", path=("v1beta",)),
    ProviderType.OLLAMA: Preset(OllamaCodec(), "http://localhost:11434/api", path=("api",), needs_key=False),
    ProviderType.AZURE: Preset(
        PlatformCodec(
            "azure",
            PLATFORM_REQUEST,
            key_header="api-key",
            lists_models=False,
            embedding=OpenAIEmbeddingCodec("azure", is_packed=True, takes_token_ids=True),
        ),
        path=("openai", "v1"),
    ),
    ProviderType.DEEPSEEK: Preset(DEEPSEEK, "https://api.deepseek.com/v1"),
    ProviderType.GROQ: Preset(GROQ, "https://api.groq.com/openai/v1"),
    ProviderType.XAI: Preset(XAI, "https://api.x.ai/v1"),
    ProviderType.MISTRAL: Preset(MISTRAL, "https://api.mistral.ai/v1", limits=MISTRALS),
    ProviderType.TOGETHER: Preset(TOGETHER, "https://api.together.ai/v1", limits=TOGETHERS),
    ProviderType.OPENROUTER: Preset(OPENROUTER, "https://openrouter.ai/api/v1", limits=OPENROUTERS),
    ProviderType.VLLM: Preset(VLLM, "http://localhost:8000/v1", needs_key=False),
    ProviderType.LOCALAI: Preset(LOCALAI, "http://localhost:8080/v1", needs_key=False),
    ProviderType.OPENAI_COMPATIBLE: Preset(COMPATIBLE, needs_key=False),
}


def needs_key(type: ProviderType) -> bool:  # noqa: A002 - the contract's name
    """Whether a provider of this type cannot be asked without a key."""
    return type in PRESETS and PRESETS[type].needs_key
