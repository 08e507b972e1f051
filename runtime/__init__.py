"""The engine: accounts, money, admission, batching, sessions; and its HTTP faces."""
