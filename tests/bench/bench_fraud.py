"""What the gate costs an ordinary transfer: `PYTHONPATH=src python -m tests.bench.bench_fraud`.

Orders of 20,000 people, each with a few payments in memory, through `concerned`, `admit` and `settle`; no database.
The yardstick of the same run is one SHA-256 over 64 bytes, of which the ledger needs several for each transfer.
"""

import asyncio
import hashlib
import time
from types import SimpleNamespace
from uuid import uuid4

from msingi import countries
from msingi.kernel.context import Actor, Kind, context
from msingi.payments.fraud import rulebook, watch
from msingi.payments.model import Order

PEOPLE, ROUNDS = 20_000, 5


class _Ledger:
    """A writer whose memory says that nobody paid lately."""

    def last_day(self, account: int) -> int:
        return 0


async def main() -> None:
    """Measure, and print microseconds for each order."""
    profile = countries.load("taifa")
    book = rulebook.read(profile)
    assert book is not None
    stack = SimpleNamespace(local={"payments.writer.0": _Ledger()}, profile=profile)
    watching = watch.Watch(stack, book)  # type: ignore[arg-type]
    watch.writer.of = lambda stack, shard: _Ledger()  # type: ignore[assignment]
    orders = []
    for n in range(PEOPLE):
        ctx = context(Actor(Kind.PERSON, str(uuid4()), assurance=2), "payment", "contract")
        permit = SimpleNamespace(context=ctx, act="payments.transfer")
        orders.append((n, permit))
    made = [
        [
            Order(uuid4(), n, n << 8, (n + 1) << 8, 500 + r, "TZS", "P2P", b"", permit, "")  # type: ignore[arg-type]
            for n, permit in orders
        ]
        for r in range(ROUNDS)
    ]
    for r, batch in enumerate(made):
        began = time.process_time()
        for order in batch:
            if watching.concerned(((order,),)) and await watching.admit((order,)) is None:
                watching.settle((order,), True)
        took = time.process_time() - began
        print(f"payment {r + 1} of each: {took / PEOPLE * 1e6:.1f} us of CPU an order (goal < 50)")
    began = time.process_time()
    for n in range(PEOPLE):
        hashlib.sha256(n.to_bytes(64)).digest()
    print(f"yardstick: SHA-256 of 64 bytes {(time.process_time() - began) / PEOPLE * 1e6:.2f} us")


if __name__ == "__main__":
    asyncio.run(main())
