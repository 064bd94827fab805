"""Mirrors app/providers."""
