"""Hosts a Python Worker: the user's own program, on the runtime's address, with `env.AI` over its engine."""
