"""Tools that the gateway calls itself, in rounds with the model."""
