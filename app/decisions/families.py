"""Who made a model: models of one maker err alike, whoever hosts them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_LINES: Final[Mapping[str, str]] = {
    "openai": "gpt chatgpt o codex davinci ft",
    "anthropic": "claude",
    "google": "gemini gemma learnlm",
    "meta": "llama codellama meta",
    "mistral": "mistral mixtral codestral devstral ministral magistral pixtral voxtral open",
    "xai": "grok",
    "deepseek": "deepseek",
    "alibaba": "qwen qwq qvq",
    "microsoft": "phi mai wizardlm",
    "amazon": "nova titan amazon",
    "cohere": "command aya cohere",
    "baidu": "ernie qianfan",
    "tencent": "hunyuan hy",
    "xiaomi": "mimo",
    "bytedance": "seed ui",
    "moonshot": "kimi moonshot",
    "zhipu": "glm chatglm",
    "minimax": "minimax abab",
    "nvidia": "nemotron nvidia",
    "ibm": "granite",
    "ai21": "jamba",
    "01ai": "yi",
}

MAKERS: Final[Mapping[str, str]] = {line: maker for maker, lines in _LINES.items() for line in lines.split()}
"""The maker of a line of models, as the catalog names lines: `gpt`, `claude`, `llama`."""


def family_of(line: str | None, provider: str) -> str:
    """The maker behind a line; a line nobody listed is a family of its own, no line at all the provider's."""
    return provider if line is None else MAKERS.get(line, line)
