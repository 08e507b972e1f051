"""How people and programs hold the runtime: the shell, env.AI, Workers."""
