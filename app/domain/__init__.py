"""The vocabulary: plain values that every other package speaks in."""
