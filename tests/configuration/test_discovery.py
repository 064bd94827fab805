from __future__ import annotations

import pytest

from app.configuration.errors import ConfigurationError
from app.domain.provider import ProviderType
from app.provider_file import load_providers

EVERYTHING = {
    "OPENAI_API_KEY": "sk-1",
    "ANTHROPIC_API_KEY": "sk-2",
    "DEEPSEEK_API_KEY": "sk-3",
    "GROQ_API_KEY": "sk-4",
    "XAI_API_KEY": "sk-5",
    "GOOGLE_API_KEY": "sk-6",
    "MISTRAL_API_KEY": "sk-7",
    "TOGETHER_API_KEY": "sk-8",
    "OPENROUTER_API_KEY": "sk-9",
    "AZURE_OPENAI_API_KEY": "sk-10",
    "AZURE_OPENAI_ENDPOINT": "https://me.openai.azure.com",
    "OLLAMA_URL": "http://localhost:11434",
    "LOCALAI_URL": "http://localhost:8081",
    "VLLM_URL": "http://localhost:8000",
}


def test_every_provider_with_a_key_is_on_in_the_listed_order() -> None:
    found = load_providers(None, EVERYTHING)

    assert [p.name for p in found.providers] == [
        *("openai", "anthropic", "deepseek", "groq", "xai", "gemini", "mistral", "together", "openrouter"),
        *("azure", "ollama", "localai", "vllm"),
    ]
    assert [p.priority for p in found.providers] == list(range(1, 14))
    assert found.source == "environment"
    assert {p.name: p.base_url for p in found.providers if p.base_url} == {
        "azure": "https://me.openai.azure.com",
        "ollama": "http://localhost:11434",
        "localai": "http://localhost:8081",
        "vllm": "http://localhost:8000",
    }


@pytest.mark.parametrize(
    ("variable", "kind"), [("GROK_API_KEY", ProviderType.XAI), ("GEMINI_API_KEY", ProviderType.GEMINI)]
)
def test_the_other_name_of_a_key_works_too(variable: str, kind: ProviderType) -> None:
    assert [p.type for p in load_providers(None, {variable: "sk-1"}).providers] == [kind]


@pytest.mark.parametrize("environ", [{}, {"OPENAI_API_KEY": ""}, {"OPENAI_API_KEY": "  ", "OLLAMA_URL": ""}])
def test_without_anything_the_sandbox_answers(environ: dict[str, str]) -> None:
    found = load_providers(None, environ)

    assert [(p.name, p.type) for p in found.providers] == [("sandbox", ProviderType.SANDBOX)]
    assert found.source == "sandbox"


def test_azure_needs_its_endpoint_and_says_so() -> None:
    found = load_providers(None, {"AZURE_OPENAI_API_KEY": "sk-1"})

    assert found.source == "sandbox"
    assert "AZURE_OPENAI_ENDPOINT" in found.warnings[0]


@pytest.mark.parametrize(
    ("endpoint", "version", "url"),
    [
        ("https://r.openai.azure.com", "2024-10-21", "https://r.openai.azure.com?api-version=2024-10-21"),
        ("https://r.openai.azure.com/", "preview", "https://r.openai.azure.com/?api-version=preview"),
        ("https://r.openai.azure.com/openai/v1/", "2024-10-21", "https://r.openai.azure.com/openai/v1/"),
        (
            "https://r.azure.com?api-version=2025-04-01-preview",
            "x",
            "https://r.azure.com?api-version=2025-04-01-preview",
        ),
        ("https://r.openai.azure.com", "", "https://r.openai.azure.com"),
    ],
)
def test_azures_version_is_added_where_its_endpoint_says_none(endpoint: str, version: str, url: str) -> None:
    found = load_providers(
        None,
        {"AZURE_OPENAI_API_KEY": "sk-1", "AZURE_OPENAI_ENDPOINT": endpoint, "OPENAI_API_VERSION": version},
    )
    assert [provider.base_url for provider in found.providers] == [url]


def test_azure_takes_a_token_instead_of_a_key() -> None:
    found = load_providers(None, {"AZURE_OPENAI_AD_TOKEN": "eyJ.b.c", "AZURE_OPENAI_ENDPOINT": "https://r.azure.com"})
    (secret,) = (credential.secret for credential in found.providers[0].credentials)
    assert secret is not None
    assert secret.get_secret_value() == "eyJ.b.c"


@pytest.mark.parametrize("value", ["gsk_...", "your-groq-key", "sk-your-key-here"])
def test_a_placeholder_is_no_key(value: str) -> None:
    found = load_providers(None, {"GROQ_API_KEY": value})

    assert found.source == "sandbox"
    assert "GROQ_API_KEY" in found.warnings[0]


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({"OLLAMA_URL": "localhost:11434"}, "OLLAMA_URL"),
        ({"GROQ_API_KEY": "gsk secret"}, "GROQ_API_KEY"),
        ({"AZURE_OPENAI_ENDPOINT": "https://r.azure.com?code=secret"}, "AZURE_OPENAI_ENDPOINT"),
        ({"OPENAI_API_VERSION": "1&code=x", "AZURE_OPENAI_ENDPOINT": "https://r.azure.com"}, "OPENAI_API_VERSION"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named_without_its_value(environ: dict[str, str], variable: str) -> None:
    with pytest.raises(ConfigurationError, match=variable) as refused:
        load_providers(None, environ)

    assert environ[variable] not in refused.value.message
