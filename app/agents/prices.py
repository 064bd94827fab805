"""What an agent's configuration says that its model costs, beside what the catalog and the provider file say."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Final

from app.domain.agent import AgentConfig
from app.domain.usage import PriceCard, PriceTier

AGENTS_PRICE: Final = "agent"
"""The price source of what an agent's configuration states."""


def with_listed_prices(config: AgentConfig, listed: PriceCard | None) -> AgentConfig:
    """The configuration as callers read it: prices that it does not state are those that hold anyway."""
    per_input, per_output = _per_thousand(listed)
    stated_input, stated_output = config.cost_per_1k_input_tokens, config.cost_per_1k_output_tokens
    return replace(
        config,
        cost_per_1k_input_tokens=per_input if stated_input is None else stated_input,
        cost_per_1k_output_tokens=per_output if stated_output is None else stated_output,
    )


def price_for(config: AgentConfig, listed: PriceCard | None) -> PriceCard | None:
    """What calls by this configuration cost: what it states, and what is listed where it states nothing.

    Who repeats the listed price means the listed price, with its tiers and its price of cached tokens.
    """
    if config.cost_per_1k_input_tokens is None and config.cost_per_1k_output_tokens is None:
        return listed
    full = with_listed_prices(config, listed)
    prices = full.cost_per_1k_input_tokens, full.cost_per_1k_output_tokens
    if prices == _per_thousand(listed):
        return listed
    per_input, per_output = (None if price is None else price * 1000 for price in prices)
    return PriceCard((PriceTier(0, per_input, per_output),), AGENTS_PRICE)


def _per_thousand(card: PriceCard | None) -> tuple[Decimal | None, Decimal | None]:
    if card is None:
        return None, None
    per_input, per_output = (
        None if price is None else price / 1000 for price in (card.tiers[0].input, card.tiers[0].output)
    )
    return per_input, per_output
