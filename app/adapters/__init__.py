"""The dialects that providers speak."""
