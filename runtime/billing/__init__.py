"""Money in integer nano-dollars: prices, orders, the ledger, and what can be read from it."""
