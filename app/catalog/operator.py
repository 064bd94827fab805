"""What the provider file says of a model: it goes before everything else that is known."""

from __future__ import annotations

from dataclasses import replace

from app.domain.catalog import ModelFacts, ModelMode
from app.domain.needs import EMBEDDINGS
from app.domain.provider import ModelConfig, ProviderConfig
from app.domain.usage import PriceCard, PriceTier


def with_operators_word(config: ProviderConfig, model: str, known: ModelFacts) -> ModelFacts:
    """The facts, with what the operator states of the model in the place of what is known of it elsewhere."""
    stated = _stated(config, model)
    if stated is None:
        return known
    return replace(
        known,
        context_window=known.context_window if stated.context_window is None else stated.context_window,
        max_output_tokens=known.max_output_tokens if stated.max_output_tokens is None else stated.max_output_tokens,
        capabilities=_capabilities(stated, known),
        knowledge_cutoff=stated.knowledge_cutoff or known.knowledge_cutoff,
        mode=stated.mode or known.mode,
    )


def operators_card(config: ProviderConfig, model: str) -> PriceCard | None:
    """What the provider file says the model costs; a price stated for the model goes before the provider's.

    A model with a price of its own takes no cache prices from its provider: they belong to another input price.
    """
    own = _stated(config, model)
    paid_in = own.input_per_1m_tokens if own and own.input_per_1m_tokens is not None else config.input_per_1m_tokens
    paid_out = own.output_per_1m_tokens if own and own.output_per_1m_tokens is not None else config.output_per_1m_tokens
    if paid_in is None and paid_out is None:
        return None
    cache = own if own and own.input_per_1m_tokens is not None else config
    tier = PriceTier(0, paid_in, paid_out, cache.cached_input_per_1m_tokens, cache.cache_write_per_1m_tokens)
    return PriceCard((tier,), "operator")


def _stated(config: ProviderConfig, model: str) -> ModelConfig | None:
    return next((entry for entry in config.models if entry.id == model), None)


def _capabilities(stated: ModelConfig, known: ModelFacts) -> frozenset[str] | None:
    if stated.mode is ModelMode.EMBEDDING:
        return (stated.capabilities or frozenset()) | {EMBEDDINGS}
    return known.capabilities if stated.capabilities is None else stated.capabilities
