from __future__ import annotations

from pathlib import Path

import pytest

from app.configuration.errors import ConfigurationError
from app.domain.provider import DialectSettings, ProviderConfig
from app.provider_file import load_providers

ENTRY = "providers:\n  - name: a\n    provider_type: {kind}\n    base_url: http://x/v1\n"


def loaded(tmp_path: Path, rest: str, kind: str = "openai_compatible") -> ProviderConfig:
    path = tmp_path / "providers.yaml"
    path.write_text(ENTRY.format(kind=kind) + rest)
    return load_providers(path, {}).providers[0]


def test_every_setting_of_a_dialect_is_read(tmp_path: Path) -> None:
    stated = (
        "    headers: {HTTP-Referer: https://desk.example, x-title: Desk}\n"
        "    dialect: {key_header: X-Access, max_tokens_field: max_completion_tokens, reasoning_field: '',"
        " developer_role: true, stream_usage: false, strict_tools: false, flatten_text: true, drop_nulls: true,"
        " merge_roles: true, dropped: [seed], allowed: temperature, lacks: [tools, json_schema]}\n"
    )
    found = loaded(tmp_path, stated)
    assert found.headers == {"http-referer": "https://desk.example", "x-title": "Desk"}
    assert found.dialect == DialectSettings(
        key_header="X-Access",
        max_tokens_field="max_completion_tokens",
        reasoning_field="",
        developer_role=True,
        stream_usage=False,
        strict_tools=False,
        flatten_text=True,
        drop_nulls=True,
        merge_roles=True,
        dropped=frozenset({"seed"}),
        allowed=frozenset({"temperature"}),
        lacks=frozenset({"tools", "json_schema"}),
    )


def test_a_provider_without_settings_has_none(tmp_path: Path) -> None:
    assert loaded(tmp_path, "").dialect is None
    assert loaded(tmp_path, "    dialect: {}\n", "vllm").dialect == DialectSettings()


@pytest.mark.parametrize(
    ("rest", "kind", "said"),
    [
        ("    dialect: {max_tokens_field: tokens}\n", "openai_compatible", "max_tokens_field"),
        ("    dialect: {lacks: [speed]}\n", "openai_compatible", "json_schema"),
        ("    dialect: {flatten: true}\n", "openai_compatible", "flatten_text"),
        ("    dialect: {key_header: 'a b'}\n", "openai_compatible", "key_header"),
        ("    dialect: {flatten_text: true}\n", "openai", "servers of one's own"),
        ("    headers: {Authorization: Bearer abcdef}\n", "openai_compatible", "gateway's own"),
        ("    headers: {X-Outcry-Hop: '0'}\n", "openai_compatible", "gateway's own"),
        ("    headers: {host: x}\n", "openai_compatible", "gateway's own"),
        ('    headers: {x-a: "b\\r\\nx-c: d"}\n', "openai_compatible", "headers"),
        ("    headers: {'x a': b}\n", "openai_compatible", "headers"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_its_name(tmp_path: Path, rest: str, kind: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, rest, kind)
    assert said in str(caught.value)
    assert "abcdef" not in str(caught.value)
