"""Mirrors app/resilience."""
