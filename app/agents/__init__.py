"""Agents, their configurations, and the view of them the hot path reads."""
