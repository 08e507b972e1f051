"""The small detector that ships, and everything that made it."""
