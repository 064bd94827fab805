"""What goes without saying about prompts, and who may say otherwise."""

from __future__ import annotations

import pytest

from app.domain.data_policy import UNSTATED, DataPolicy
from app.domain.provider import ModelConfig, ProviderConfig, ProviderType
from app.providers.data_policy import IN_THE_HOUSE, data_policy_of


@pytest.mark.parametrize(
    ("type_", "url", "model", "expected"),
    [
        (ProviderType.SANDBOX, "", "trend", IN_THE_HOUSE),
        (ProviderType.OLLAMA, "http://localhost:11434/api", "llama3", IN_THE_HOUSE),
        (ProviderType.OLLAMA, "http://localhost:11434/api", "gpt-oss:120b-cloud", UNSTATED),
        (ProviderType.OLLAMA, "https://ollama.com/api", "llama3", UNSTATED),
        (ProviderType.OLLAMA, "http://ollama:11434/api", "llama3", UNSTATED),
        (ProviderType.VLLM, "http://10.1.2.3:8000/v1", "m", IN_THE_HOUSE),
        (ProviderType.VLLM, "http://[::1]:8000/v1", "m", IN_THE_HOUSE),
        (ProviderType.VLLM, "http://[::ffff:10.0.0.1]:8000/v1", "m", IN_THE_HOUSE),
        (ProviderType.VLLM, "http://[::ffff:8.8.8.8]:8000/v1", "m", UNSTATED),
        (ProviderType.LOCALAI, "http://100.64.0.1/v1", "m", UNSTATED),
        (ProviderType.LOCALAI, "http://8.8.8.8/v1", "m", UNSTATED),
        (ProviderType.OPENAI_COMPATIBLE, "http://127.0.0.1:4000/v1", "m", UNSTATED),
        (ProviderType.OPENAI, "https://api.openai.com/v1", "gpt-4o", UNSTATED),
    ],
)
def test_only_a_model_server_at_a_private_address_keeps_prompts_in_the_house(
    type_: ProviderType, url: str, model: str, expected: DataPolicy
) -> None:
    assert data_policy_of(ProviderConfig("p", type_, url), model) == expected


def test_the_nearer_word_wins_part_by_part() -> None:
    config = ProviderConfig(
        "p",
        ProviderType.VLLM,
        "http://10.0.0.1/v1",
        models=(ModelConfig("x", data_policy=DataPolicy(retention_days=7)), ModelConfig("y")),
        data_policy=DataPolicy(training=True, region="eu"),
    )

    assert data_policy_of(config, "x") == DataPolicy(training=True, retention_days=7, region="eu")
    assert data_policy_of(config, "y") == DataPolicy(training=True, retention_days=0, region="eu")
