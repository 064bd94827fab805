"""The hot path: the walk, the attempt, the stream."""
