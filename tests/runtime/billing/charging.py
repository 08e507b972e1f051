"""A process that charges without end and says so: `python charging.py ADDRESS NAME WORKERS LEASE_SECONDS`.

Each settled charge is one line on standard output, written only after `settle` returned: request id, key, account.
A prepaid wallet that is empty ends its workers. It is killed, or ends when its standard input does."""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta

from inflare.runtime.billing.errors import InsufficientCredits
from inflare.runtime.billing.ledger import Ledger
from inflare.runtime.billing.orders import Order
from inflare.runtime.storage.database import Database

PRICE = 7_500


async def charge_forever(ledger: Ledger, name: str, account: str, *, keyed: bool) -> None:
    """One worker: one request after the other, each acknowledged after it is paid."""
    number = 0
    while True:
        request_id = f"{name}-{number}"
        number += 1
        key = f"key-{request_id}" if keyed else None
        now = datetime.now(UTC)
        order = Order(account, "cloudflare", "m", PRICE, account == "prepaid", request_id, now, key, b"body")
        try:
            await ledger.settle(await ledger.reserve(order))
        except InsufficientCredits:
            return
        os.write(1, f"{request_id} {key} {account}\n".encode())


async def main(address: str, name: str, workers: int, lease: float) -> None:
    """Charge with some workers: half of them prepaid, half of them with keys."""
    ledger = Ledger(Database(address), lease=timedelta(seconds=lease))
    os.write(1, b"ready\n")
    await asyncio.to_thread(sys.stdin.readline)
    kinds = [("prepaid", False), ("prepaid", True), ("postpaid", False), ("postpaid", True)]
    if name.startswith("prepaid"):
        kinds = kinds[:2]
    await asyncio.gather(
        *(
            charge_forever(
                ledger, f"{name}-{worker}", kinds[worker % len(kinds)][0], keyed=kinds[worker % len(kinds)][1]
            )
            for worker in range(workers)
        )
    )
    await ledger.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
