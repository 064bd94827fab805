"""DeepSeek's dialect: OpenAI's, with thinking that is on by default and JSON mode that must be named in the prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from app.adapters import abilities
from app.adapters.efforts import deepseek_efforts
from app.adapters.openai import OpenAICodec
from app.adapters.openai_messages import MessageRules
from app.adapters.openai_request import OPEN_SAMPLING, OPENAI_ONLY, RequestOptions
from app.adapters.openai_tools import ToolRules
from app.adapters.refusals import deepseek_refusals
from app.domain.chat import JSON

_ASKING: Final = {"role": "system", "content": "Answer in JSON."}


def _finishing(model: str, body: JSON) -> Sequence[str]:
    """JSON mode is refused where nothing in the messages says the word."""
    del model
    wanted = body.get("response_format")
    is_asked = isinstance(wanted, dict) and wanted.get("type") == "json_object"
    if is_asked and not any("json" in text.lower() for text in _texts(body["messages"])):
        body["messages"].insert(0, dict(_ASKING))
    return ()


def _texts(messages: Sequence[JSON]) -> Iterator[str]:
    for message in messages:
        content = message.get("content")
        for each in content if isinstance(content, list) else (content,):
            text = each.get("text") if isinstance(each, dict) else each
            if isinstance(text, str):
                yield text


DEEPSEEK: Final = OpenAICodec(
    "deepseek",
    RequestOptions(
        max_tokens_field="max_tokens",
        renamed={"user": "user_id"},
        dropped=OPENAI_ONLY | OPEN_SAMPLING | {"n", "seed", "logit_bias", "parallel_tool_calls"},
        refuses=deepseek_refusals,
        efforts=deepseek_efforts,
        most={"stop": 16, "tools": 128},
        messages=MessageRules(
            assistant_fields=frozenset({"role", "content", "name", "tool_calls", "prefix"}),
            kept_reasoning=frozenset({"reasoning_content"}),
            # A tool call that comes back without its reasoning is refused; a space is enough.
            placeholder=" ",
            flattens_text=True,
        ),
        tools=ToolRules(has_strict=False, has_functions=False, has_allowed_tools=False),
        finishing=_finishing,
    ),
    abilities=abilities.DEEPSEEK,
)
