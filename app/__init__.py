"""Outcry: an LLM gateway for trading systems."""

__version__ = "0.1.0"
