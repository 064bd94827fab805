"""What is left of the budgets that pay for a request, as headers."""

from __future__ import annotations

from collections.abc import Iterable

from app.api.errors import Headers
from app.api.exchange import Exchange
from app.domain.usage import money
from app.ledger.spending import Payer


def left_headers(exchange: Exchange, providers: Iterable[str | None] = ()) -> Headers:
    """Dollars and tokens left of the tightest budgets that pay: gateway's, key's, agent's, and these providers'.

    What calls under way may still take is taken off. Empty where no budget is in force, or none caps it.
    """
    spending = exchange.services.spending
    if not spending.is_set:
        return []
    key_id, agent_id = exchange.caller.key_id, exchange.agent_id
    dollars, tokens = spending.left(*(Payer(provider, key_id, agent_id) for provider in {None, *providers}))
    headers = [] if dollars is None else [(b"x-outcry-budget-left-usd", money(dollars).encode())]
    return headers if tokens is None else [*headers, (b"x-outcry-budget-left-tokens", str(tokens).encode())]
