"""Reading what an operator wrote, and saying exactly what is wrong with it."""
