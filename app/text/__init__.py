"""Cleaning what models write."""
