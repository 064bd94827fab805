"""The page about adding a provider is true: its snippets run, its tables name what there is."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Final

import httpx
import pytest
from pydantic import SecretStr

from app.adapters import abilities
from app.adapters.base_urls import base_url_of
from app.adapters.codec import Codec, StreamDecoder
from app.adapters.http import HTTPAdapter
from app.adapters.openai import OpenAICodec
from app.adapters.openai_request import OPENAI_ONLY, RequestOptions
from app.adapters.presets import PRESETS, Preset
from app.adapters.tuning import tuned
from app.conformance.checks import CHECKS
from app.domain.chat import Call, Credential
from app.domain.errors import FailureKind, ProviderError
from app.domain.needs import JSON_SCHEMA, TOOLS
from app.provider_file import load_providers
from tests.adapters.streams import a_call, told

PAGE = (Path(__file__).parents[1] / "docs" / "adding-a-provider.md").read_text(encoding="utf-8")
KEY = Credential.of(SecretStr("tele-0123456789abcdef"))
WORDS = [{"number": 7, "office": "berlin", "word": "buy"}, {"word": " the"}, {"word": " dip"}]
END = {"ended": "full", "counted": [5, 3]}
WHOLE = {"number": 7, "office": "berlin", "words": "buy the dip", **END}


def snippets(language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", PAGE, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(body) for _, body in found]


def first_column(after: str) -> list[str]:
    """The names in the first column of the first table that follows this text."""
    table = next(each for each in PAGE.partition(after)[2].split("\n\n") if each.lstrip().startswith("|"))
    cells = [line.split("|")[1] for line in table.splitlines()]
    return [name for cell in cells for name in re.findall(r"`([a-z_]+)`", cell)]


@pytest.fixture(scope="module")
def telegraph() -> Iterator[Codec]:
    module = ModuleType("telegraph")
    sys.modules["telegraph"] = module  # dataclasses look their module up by name
    exec(compile(snippets("python")[2], "docs/adding-a-provider.md", "exec"), module.__dict__)
    yield module.__dict__["TelegraphCodec"]()
    del sys.modules["telegraph"]


def adapter(codec: Codec, status: int, body: bytes, kind: str = "application/json") -> HTTPAdapter:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["x-telegraph-key"] == "tele-0123456789abcdef"
        return httpx.Response(status, content=body, headers={"content-type": kind})

    return HTTPAdapter(codec, "https://telegraph.test", httpx.MockTransport(answer), provider="telegraph")


def call(**parameters: Any) -> Call:
    return replace(a_call("berlin", **parameters), credential=KEY)


def test_the_provider_files_row_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "outcry.yaml"
    path.write_text(snippets("yaml")[0])

    provider = load_providers(path, {"CEREBRAS_API_KEY": "csk-0123456789abcdef"}).providers[0]

    assert (base_url_of(provider.type, provider.base_url), provider.enabled) == ("https://api.cerebras.ai/v1", True)
    assert provider.models[0].context_window == 131072
    assert provider.models[0].capabilities == frozenset({"tools", "json_schema"})


def test_the_row_with_a_dialect_is_taken_at_its_word(tmp_path: Path) -> None:
    path = tmp_path / "outcry.yaml"
    path.write_text(snippets("yaml")[1])
    provider = load_providers(path, {}).providers[0]
    dialect = provider.dialect
    assert dialect is not None

    codec = tuned(PRESETS[provider.type].codec, dialect)

    assert {field.name for field in fields(dialect)} - {"allowed"} == set(
        re.findall(r"^      (\w+):", snippets("yaml")[1], re.MULTILINE)
    )
    assert provider.headers == {"x-team": "desk-3"}
    assert codec.authorization(KEY) == {"api-key": "tele-0123456789abcdef"}
    assert not {"vision", "json_schema"} & codec.supports("house-7b")
    sent = json.loads(codec.encode(a_call("house-7b", max_tokens=9, seed=1), stream=True).body)
    assert sent["max_completion_tokens"] == 9
    assert not {"seed", "stream_options"} & sent.keys()


def test_the_row_of_code_is_one() -> None:
    known = {
        "Final": Final,
        "OpenAICodec": OpenAICodec,
        "RequestOptions": RequestOptions,
        "OPENAI_ONLY": OPENAI_ONLY,
        "abilities": abilities,
        "JSON_SCHEMA": JSON_SCHEMA,
        "Preset": Preset,
        "ProviderType": SimpleNamespace(CEREBRAS="cerebras"),
    }
    dialect, row = snippets("python")[:2]

    exec(dialect, known)
    preset = eval(row, known)["cerebras"]

    assert isinstance(preset, Preset)
    assert TOOLS in preset.codec.supports("m")
    sent = json.loads(preset.codec.encode(a_call(max_tokens=9, logit_bias={"1": 2}), stream=False).body)
    assert sent["max_completion_tokens"] == 9
    assert "logit_bias" not in sent


def test_the_table_names_every_member_of_a_codec() -> None:
    members = {name for name in vars(Codec) if not name.startswith("_")}

    assert set(first_column("A codec translates:")) >= members
    assert {name for name in vars(StreamDecoder) if not name.startswith("_")} <= set(re.findall(r"`(\w+)`", PAGE))


def test_the_table_names_every_check() -> None:
    assert first_column("nothing a test provokes counts against the provider's health.") == list(CHECKS)


async def test_the_dialect_answers(telegraph: Codec) -> None:
    response = await adapter(telegraph, 200, json.dumps(WHOLE).encode()).complete(call(max_tokens=5, seed=1))

    assert (response.text, response.finish_reason) == ("buy the dip", "stop")
    assert response.usage is not None
    assert response.usage.total_tokens == 8
    assert response.warnings == ("seed was dropped: telegrams have no such field",)


async def test_the_dialects_streams_say_the_same(telegraph: Codec) -> None:
    body = b"".join(f"data: {json.dumps(each)}\n\n".encode() for each in [*WORDS, END])

    async with adapter(telegraph, 200, body, "text/event-stream").stream(call()) as chunks:
        streamed = told([chunk async for chunk in chunks])

    assert (streamed.content, streamed.finish) == ("buy the dip", "stop")
    assert streamed.usage is not None
    assert streamed.usage.total_tokens == 8


@pytest.mark.parametrize(("status", "kind"), [(401, FailureKind.AUTH), (429, FailureKind.RATE_LIMITED)])
async def test_the_dialects_errors_are_classified(telegraph: Codec, status: int, kind: FailureKind) -> None:
    with pytest.raises(ProviderError, match="no such key") as caught:
        await adapter(telegraph, status, b'{"problem": "no such key"}').complete(call())

    assert caught.value.kind is kind


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"words": 7, "ended": "full"}', b'{"words": "x", "ended": []}', b"<"])
async def test_nonsense_is_a_bad_answer(telegraph: Codec, body: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        await adapter(telegraph, 200, body).complete(call())

    assert caught.value.kind is FailureKind.BAD_ANSWER


async def test_what_it_has_no_words_for_is_refused_before_anything_is_sent(telegraph: Codec) -> None:
    tools = [{"type": "function", "function": {"name": "get_price"}}]

    with pytest.raises(ProviderError) as caught:
        await adapter(telegraph, 500, b"").complete(call(tools=tools))

    assert (caught.value.kind, caught.value.param) == (FailureKind.UNSUPPORTED, "tools")


async def test_its_models_are_listed(telegraph: Codec) -> None:
    assert await adapter(telegraph, 200, b'{"offices": ["berlin", 7]}').models(KEY) == ["berlin"]
