"""What we know of each target right now."""
