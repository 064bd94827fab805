"""The pooled HTTP client: address checks at connect time, limits on what is read."""
