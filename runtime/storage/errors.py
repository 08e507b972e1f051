"""What can go wrong with the database itself, each with the value, the rule it broke and the remedy."""


class StorageError(Exception):
    """The database cannot be used: `value` is what was found, `rule` what must hold, `remedy` what to do."""

    def __init__(self, value: str, rule: str, remedy: str) -> None:
        super().__init__(f"{value}: {rule}. {remedy}")
        self.value, self.rule, self.remedy = value, rule, remedy


class UnknownDatabase(StorageError):
    """An address that is neither a file path nor a PostgreSQL URL, or whose driver is not installed."""


class SchemaTooNew(StorageError):
    """The database was written by a newer release; this one must not touch it."""


class DatabaseUnavailable(StorageError):
    """The database did not answer or refused a statement (locked, disk full, connection lost)."""


class RowRefused(StorageError):
    """The database works but does not take these rows: a value it can't hold, or a rule of the schema."""


class DuplicateRow(RowRefused):
    """A row with this identity is already there."""
