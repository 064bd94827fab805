from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from app.adapters.build import build_adapter
from app.adapters.presets import PRESETS
from app.domain.errors import FailureKind, ProviderError
from app.domain.provider import ProviderConfig, ProviderType
from tests.adapters.streams import a_call
from tests.golden import golden_bytes

T = ProviderType.VLLM
TOOL = {"type": "function", "function": {"name": "f", "strict": True}}


async def test_the_server_counts_the_whole_chat_beside_its_version() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=golden_bytes("vllm/tokenize.json"))

    adapter = build_adapter(ProviderConfig("v", T, "http://p.test:8000/llm/v1"), httpx.MockTransport(handler))
    messages = [{"role": "developer", "content": "x"}, {"role": "user", "content": "hi"}]
    call = a_call("m", messages, tools=[TOOL], temperature=0.5, chat_template_kwargs={"enable_thinking": False})

    assert await adapter.count_tokens(call) == 5
    (request,) = seen
    assert (request.method, str(request.url)) == ("POST", "http://p.test:8000/llm/tokenize")
    assert orjson.loads(request.content) == {
        "model": "m",
        "messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "chat_template_kwargs": {"enable_thinking": False},
    }


@pytest.mark.parametrize("body", [b"{}", b"[]", b"x", b'{"count":true}', b'{"count":-1}', b'{"count":"5"}'])
def test_what_is_no_count_is_a_bad_answer(body: bytes) -> None:
    counting: Any = PRESETS[T].codec.counting
    with pytest.raises(ProviderError) as caught:
        counting.decode(body)
    assert caught.value.kind is FailureKind.BAD_ANSWER
