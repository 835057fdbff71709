"""Programs that are killed, each in a process of its own. Run as `python load.py URL HOME FIRST`; FIRST is the first
account index of ten accounts with money.

A seed on standard input starts a writer under load, which prints the id of each acknowledged transfer. `FILE_ID N`
starts a program that works a payment file off and kills itself (-9) with the N-th message to the database that pays or
keeps outcomes, when it has just left; 0: never. Each says `PID n` first; `GONE` says that it has ended. (Everything is
imported once.)
"""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from msingi import app, countries
from msingi.kernel import db, policy
from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack
from msingi.payments import parties, rules, working, writer
from msingi.payments.model import Order

CLIENTS = 40


async def main(url: str, home: str, first: int, seed: int) -> None:
    """Transfer at random between ten accounts for ever; some orders are sent again, as a client would after a doubt."""
    stack = await Stack.open(Settings(home=Path(home)), url, countries.load("taifa"))
    app.load_policies()
    chance = random.Random(seed)
    permit = policy.decide(job_context("payments-file-runner"), "payments.pay-line", policy.NOBODY)
    text, owner = parties.permit_text(permit), parties.institution_ref(stack, "hazina")

    async def client() -> None:
        while True:
            id = UUID(int=chance.getrandbits(128))
            debit, credit = (rules.account_id(first + n, 0) for n in chance.sample(range(10), 2))
            amount = chance.randrange(1, 50)
            hashed = rules.body_hash(id, debit, credit, amount, "TZS", "P2P", "")
            order = Order(id, owner, debit, credit, amount, "TZS", "P2P", hashed, permit, text)
            for _ in range(chance.choice((1, 1, 1, 2))):
                try:
                    (ending,) = await writer.of(stack).post([order])
                except Outage:
                    await asyncio.sleep(0.05)
                    continue
                os.write(1, f"{id.hex} {ending.seq} {ending.reason}\n".encode())

    await asyncio.gather(*[client() for _ in range(CLIENTS)])


async def pay_file(url: str, home: str, file_id: str, left: int) -> None:
    """Work a file off in small parts; the process dies with a message, before it can hear the answer."""
    stack = await Stack.open(Settings(home=Path(home)), url, countries.load("taifa"))
    app.load_policies()
    working.LEASE_S = 0  # the next life need not wait for the dead
    left = left or -1
    sends = db.Link.execute

    async def deadly(self: db.Link, text: str, *args: Any, **more: Any) -> str:
        nonlocal left
        left -= "payments.settle(" in text or "payments.payment_line" in text
        if left or "COMMIT" not in text:
            return await sends(self, text, *args, **more)
        sent = asyncio.ensure_future(sends(self, text, *args, **more))
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGKILL)
        return await sent

    db.Link.execute = deadly
    done = await working.run_file(stack, file_id)
    os.write(1, f"PAID {done.paid} {done.rejected}\n".encode())
    await stack.close()


if __name__ == "__main__":
    for line in sys.stdin:
        child = os.fork()
        if not child:
            os.write(1, f"PID {os.getpid()}\n".encode())
            if " " in line:
                file, messages = line.split()
                asyncio.run(pay_file(sys.argv[1], sys.argv[2], file, int(messages)))
                os._exit(0)
            asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(line)))
        os.waitpid(child, 0)
        os.write(1, b"\nGONE\n")
