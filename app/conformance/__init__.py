"""The conformance suite: what a provider has to be able to do, tried on a live one through its adapter."""
