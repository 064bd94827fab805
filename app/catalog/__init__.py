"""What models are and what they cost."""
