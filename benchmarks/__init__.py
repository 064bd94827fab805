"""What the gateway costs, and whether the promised numbers hold."""
