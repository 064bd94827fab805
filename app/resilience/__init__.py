"""Mechanisms that know nothing of LLMs: sync, no I/O, time is passed in."""
