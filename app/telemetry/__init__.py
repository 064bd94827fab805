"""Metrics and logs: they listen, they never steer."""
