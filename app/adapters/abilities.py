"""What the imitators of OpenAI's wire have words for, by provider and model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from app.adapters.codec import unsupported
from app.domain.chat import ChatRequest
from app.domain.needs import (
    AUDIO_IN,
    CHAT_ABILITIES,
    CHOICES,
    FILES,
    FORCED_TOOLS,
    JSON_OBJECT,
    JSON_SCHEMA,
    LOGPROBS,
    PARAMS,
    TOOLS,
    VISION,
    needs_of,
)

Abilities = Callable[[str], frozenset[str]]
"""The needs that a model's requests may have, in the names of `domain.needs`."""

_COMMON: Final = frozenset({TOOLS, FORCED_TOOLS, VISION, JSON_OBJECT})
_GROQ_SCHEMA: Final = _COMMON | {JSON_SCHEMA}


def everything(model: str) -> frozenset[str]:
    """All that the wire can say."""
    del model
    return CHAT_ABILITIES


def only(*needs: str) -> Abilities:
    """The same for every model: tools, pictures and JSON mode, and these."""
    able = _COMMON | frozenset(needs)

    def abilities(model: str) -> frozenset[str]:
        del model
        return able

    return abilities


def groq_abilities(model: str) -> frozenset[str]:
    """Groq holds only its GPT-OSS models to a schema."""
    return _GROQ_SCHEMA if "gpt-oss" in model else _COMMON


DEEPSEEK: Final = only(LOGPROBS)
XAI: Final = only(JSON_SCHEMA, CHOICES, LOGPROBS)
MISTRAL: Final = only(JSON_SCHEMA, CHOICES, LOGPROBS, AUDIO_IN, FILES)
TOGETHER: Final = only(JSON_SCHEMA, CHOICES, LOGPROBS)
OPENROUTER: Final = only(JSON_SCHEMA, LOGPROBS, AUDIO_IN, FILES)
VLLM: Final = only(JSON_SCHEMA, CHOICES, LOGPROBS, AUDIO_IN)
LOCALAI: Final = only(JSON_SCHEMA, CHOICES, LOGPROBS)
# Nobody knows what such a server can do; of what hardly any can, a request is better taken elsewhere.
COMPATIBLE: Final = only(JSON_SCHEMA, CHOICES, LOGPROBS, AUDIO_IN, FILES)
_FORMATS: Final = {"json_object": JSON_OBJECT, "json_schema": JSON_SCHEMA}


def refuse_the_unsayable(provider: str, request: ChatRequest, able: frozenset[str]) -> None:
    """Raise ProviderError(UNSUPPORTED) for a need, or a response format, that is not among the abilities."""
    if able is CHAT_ABILITIES:
        return
    needs = needs_of(request)
    wanted = _FORMATS.get(str(request.response_format))
    if wanted is not None:
        needs |= {wanted}
    missing = sorted(needs - able)
    if missing:
        raise unsupported(f"{provider} has no words for {', '.join(missing)}", PARAMS[missing[0]])
