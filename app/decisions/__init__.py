"""From a market to an order that can be defended."""
