"""Mirrors app/routing."""
