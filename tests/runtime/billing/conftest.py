"""Databases of both kinds."""

from tests.runtime.storage.databases import address, database, postgres_address, postgres_server

__all__ = ["address", "database", "postgres_address", "postgres_server"]
