"""The database: the only place with SQL. SQLite embedded by default, PostgreSQL for several machines."""
