"""How fast shops are paid, beside plain transfers of the same run: `python tests/bench/bench_shops.py [--seconds S]`.

Both go through their acts, 256 in flight, on an embedded PostgreSQL with fsync on.
"""

import argparse
import asyncio
import itertools
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import uvloop

from msingi import countries
from msingi.app import load_policies
from msingi.kernel import log, policy
from msingi.kernel.context import Actor, Kind, context, job_context
from msingi.kernel.ids import PersonId
from msingi.kernel.postgres import EmbeddedServer, as_app, migrate
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack
from msingi.payments import acts
from msingi.payments.bank import acts as bank
from msingi.payments.bank.model import MerchantOrder, Purchase
from msingi.payments.model import AccountKind, Alias, IssueOrder, TransferOrder

SETUP = job_context("setup", "payment")
IN_FLIGHT, PEOPLE, SHOPS = 256, 256, 20


async def town(stack: Stack) -> tuple[list[tuple[PersonId, str]], list[str], str]:
    """People with money, shops of an institution, and the account that the shops are paid into."""
    await acts.open_account(stack, SETUP, "benki", AccountKind.ISSUE)
    till = await acts.open_account(stack, SETUP, "hazina", AccountKind.GOVERNMENT)
    await acts.issue(stack, job_context("setup"), IssueOrder("bench", till.number, 10**12))
    officer = context(Actor(Kind.STAFF, "b", "benki", frozenset({"account-officer"}), 2), "payment", "public-task")
    order = MerchantOrder(key="", name="Duka", latin="DUKA", city="DODOMA", category="5411", account=till.number)
    from msgspec.structs import replace

    codes = [(await bank.register_merchant(stack, officer, replace(order, key=f"{n}"))).code for n in range(SHOPS)]
    people: list[tuple[PersonId, str]] = []
    payer = context(Actor(Kind.STAFF, "t", "hazina", frozenset({"treasurer"}), 2), "payment", "contract")
    permit = policy.decide(job_context("payments-writer"), "payments.reread-ledger", policy.ANYONE)
    for n in range(PEOPLE):
        person = PersonId(UUID(int=n + 1))
        async with stack.db.transaction(permit) as tx:
            await stack.seal.create_key(tx, person)
            log.append(tx, permit, subject=person)
        purse = await acts.open_account(stack, SETUP, person, AccountKind.WALLET)
        people.append((person, purse.number))
        paid = TransferOrder(f"start-{n}", till.number, Alias("account", purse.number), 2_000_000, "TZS")
        await acts.transfer(stack, payer, paid)
    return people, codes, till.number


async def measured(seconds: float, act: Callable[[int], Awaitable[object]]) -> float:
    """How often an act is done in a second, 256 in flight."""
    numbers, until, done = itertools.count(), time.monotonic() + seconds, 0

    async def one() -> None:
        nonlocal done
        while time.monotonic() < until:
            await act(next(numbers))
            done += 1

    began = time.monotonic()
    await asyncio.gather(*(one() for _ in range(IN_FLIGHT)))
    return done / (time.monotonic() - began)


async def bench(seconds: float) -> None:
    """Measure, in turns, and print."""
    load_policies()
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder) / "pg")
        try:
            await migrate(server.url)
            stack = await Stack.open(Settings(home=Path(folder)), as_app(server.url), countries.load("taifa"))
            people, codes, till = await town(stack)
            contexts = [context(Actor(Kind.PERSON, str(p), assurance=2), "payment", "contract") for p, _ in people]

            async def transfer(n: int) -> object:
                order = TransferOrder(
                    f"t{time.monotonic_ns()}-{n}", people[n % PEOPLE][1], Alias("account", till), 1, "TZS"
                )
                return await acts.transfer(stack, contexts[n % PEOPLE], order)

            async def shop(n: int) -> object:
                order = Purchase(
                    key=f"s{time.monotonic_ns()}-{n}", payer=people[n % PEOPLE][1], merchant=codes[n % SHOPS],
                    amount_minor=1, currency="TZS",
                )  # fmt: skip
                return await bank.pay_merchant(stack, contexts[n % PEOPLE], order)

            for _ in range(3):
                plain, shops = await measured(seconds, transfer), await measured(seconds, shop)
                print(f"transfers {plain:7.0f}/s   shops {shops:7.0f}/s   {shops / plain:.2f} of a transfer")
            await stack.close()
        finally:
            server.stop()


def main() -> None:
    """Read the options and measure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=2.0)
    uvloop.run(bench(options.parse_args().seconds))


if __name__ == "__main__":
    main()
