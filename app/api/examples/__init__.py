"""What the OpenAPI document shows of each operation."""
