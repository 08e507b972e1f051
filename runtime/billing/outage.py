"""What a caller is told when the database fails: the same on every path that asks it."""

from __future__ import annotations

import logging

from .. import faults

log = logging.getLogger("inflare.billing")


def unavailable(error: Exception) -> faults.Unavailable:
    """What a caller is told of a database that does not answer; where it is and why goes to the log."""
    log.error("the database does not answer: %s", error)
    return faults.Unavailable("The ledger's database does not answer; nothing was charged. Please try again.")


def unsettled(error: Exception) -> faults.Unavailable:
    """What a caller is told when the database went away while the charge was written: it may stand."""
    log.error("the database went away while a charge was settled: %s", error)
    return faults.Unavailable(
        "The ledger's database went away while the charge was written, so it may stand. Send the request again with "
        "the same Idempotency-Key: it is charged once in all. Without a key, see the account's usage first."
    )
