from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest
from pydantic import SecretStr

from app.adapters.build import build_adapter
from app.adapters.presets import PRESETS
from app.adapters.tuning import tuned
from app.domain.chat import Credential
from app.domain.errors import ProviderError
from app.domain.needs import JSON_SCHEMA, TOOLS
from app.domain.provider import DialectSettings, ProviderConfig
from app.domain.provider import ProviderType as T
from tests.adapters.streams import a_call
from tests.golden import golden_bytes

PARTS = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
TOOL = {"type": "function", "function": {"name": "f", "strict": True}}
USER = {"role": "user", "content": "hi"}
THOUGHT = {"role": "assistant", "content": "x", "reasoning_content": "why", "audio": None}


def sent(settings: DialectSettings, messages: list[dict[str, Any]] | None = None, **parameters: Any) -> dict[str, Any]:
    codec = tuned(PRESETS[T.OPENAI_COMPATIBLE].codec, settings)
    body: dict[str, Any] = orjson.loads(codec.encode(a_call("m", messages, **parameters), stream=True).body)
    return {name: value for name, value in body.items() if name not in ("model", "stream")}


@pytest.mark.parametrize(
    ("settings", "given", "expected"),
    [
        ({"max_tokens_field": "max_completion_tokens"}, {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ({"stream_usage": False}, {"top_k": 1}, {"top_k": 1}),
        ({"strict_tools": False}, {"tools": [TOOL]}, {"tools": [{"type": "function", "function": {"name": "f"}}]}),
        ({"dropped": frozenset({"seed"})}, {"seed": 1, "top_k": 1}, {"top_k": 1}),
        ({"allowed": frozenset({"seed"})}, {"seed": 1, "top_k": 1}, {"seed": 1}),
    ],
)
def test_parameters_are_what_the_operator_stated(
    settings: dict[str, Any], given: dict[str, Any], expected: dict[str, Any]
) -> None:
    body = sent(DialectSettings(**settings), **given)
    asked = {} if settings.get("stream_usage") is False else {"stream_options": {"include_usage": True}}
    del body["messages"]
    assert body == expected | asked


@pytest.mark.parametrize(
    ("settings", "given", "expected"),
    [
        ({"developer_role": True}, [{"role": "developer", "content": "x"}], [{"role": "developer", "content": "x"}]),
        ({"flatten_text": True}, [{"role": "user", "content": PARTS}], [{"role": "user", "content": "a\nb"}]),
        ({"reasoning_field": "reasoning", "drop_nulls": True}, [THOUGHT]
         , [{"role": "assistant", "content": "x", "reasoning": "why"}]),
        ({"reasoning_field": "", "drop_nulls": True}, [THOUGHT], [{"role": "assistant", "content": "x"}]),
        ({"merge_roles": True}, [USER, USER, {"role": "user", "content": PARTS}]
         , [{"role": "user", "content": "hi\n\nhi"}, {"role": "user", "content": PARTS}]),
    ],
)  # fmt: skip
def test_messages_are_what_the_operator_stated(settings: dict[str, Any], given: Any, expected: Any) -> None:
    assert sent(DialectSettings(**settings), given)["messages"] == expected
    assert sent(DialectSettings(), given)["messages"] != expected


def test_what_a_server_lacks_is_refused() -> None:
    codec = tuned(PRESETS[T.VLLM].codec, DialectSettings(lacks=frozenset({TOOLS, JSON_SCHEMA})))
    assert codec.supports("m") == PRESETS[T.VLLM].codec.supports("m") - {TOOLS, JSON_SCHEMA}
    with pytest.raises(ProviderError):
        codec.encode(a_call("m", tools=[TOOL]), stream=False)


def test_another_dialect_stays_what_it_is() -> None:
    codec = PRESETS[T.ANTHROPIC].codec
    assert tuned(codec, DialectSettings(key_header="x-key")) is codec


async def test_key_and_headers_go_where_the_operator_stated() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=golden_bytes("openai/models_list.json"))

    config = ProviderConfig(
        "mine", T.OPENAI_COMPATIBLE, "http://p.test/v1", headers={"http-referer": "https://desk.example"},
        dialect=DialectSettings(key_header="X-Access"),
    )  # fmt: skip
    await build_adapter(config, httpx.MockTransport(handler)).models(Credential("i", SecretStr("secret-1")))
    (request,) = seen
    assert (request.headers["x-access"], request.headers["http-referer"]) == ("secret-1", "https://desk.example")
    assert "authorization" not in request.headers
    assert "desk.example" not in repr(config)
