"""Snapshots in, plan out."""
