"""The program dies hundreds of times, at every statement of the writer: what was acknowledged stands in the books.

Death is played within the process, which makes it fast and repeatable: from a seeded statement on nothing goes on, the
writers and their clients are thrown away, and the next life begins with the database alone. `test_crash.py` does the
same by kill -9, to whole processes. MSINGI_TEST_DEATHS sets how many lives there are.
"""

import asyncio
import os
import random

import pytest
from tests.conftest import fresh_database
from tests.payments import kit

from msingi import app, countries
from msingi.kernel.errors import DifferentContent
from msingi.kernel.postgres import as_app
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack
from msingi.kernel.tx import Tx
from msingi.payments import acts, audit, between, homes, jobs, ledger, orders, parties, rules, store, writer
from msingi.payments.model import AccountKind, Kind

DEATHS = int(os.environ.get("MSINGI_TEST_DEATHS", "150"))
SEED = int(os.environ.get("MSINGI_TEST_SEED", "7"))
CLIENTS, START = 6, 1_000


class Fate:
    """Lets the program go on for a number of the writer's statements, and then no further."""

    def __init__(self, monkeypatch):
        self.left, self.died = 0, asyncio.Event()
        begin, end = Tx.open, Tx._send_the_end

        async def opened(tx):
            await self.step(tx)
            return await begin(tx)

        async def ended(tx, ending):
            await self.step(tx)
            await end(tx, ending)
            await self.step(tx)  # it did commit, and nobody hears of it

        monkeypatch.setattr(Tx, "open", opened)
        monkeypatch.setattr(Tx, "_send_the_end", ended)

    async def step(self, tx):
        """One statement nearer to death."""
        if tx.permits and tx.permits[0].act == "payments.write-batch" and self.left:
            self.left -= 1
            if not self.left:
                self.died.set()
                await asyncio.Event().wait()


class World:
    """Six accounts in two shards, chains of orders that were ever sent, and what was acknowledged of them."""

    def __init__(self, stack, accounts, by):
        self.stack, self.accounts, self.by = stack, accounts, by
        self.chance = random.Random(SEED)
        self.sent: list[list] = []
        self.unsure: list[int] = []
        self.holds: list = []
        self.acknowledged: dict[int, list] = {}

    def next_chain(self):
        """A new chain: a payment, two linked ones within a shard, a hold, or the end of a hold."""
        n, chance = len(self.sent), self.chance
        what = chance.random()
        here = [a for a in self.accounts if rules.shard_of(a) == chance.randrange(2)] or self.accounts
        here = [a for a in self.accounts if rules.shard_of(a) == rules.shard_of(here[0])]
        a, b, c = chance.sample(here, 3)
        amount = chance.randrange(1, 40)
        if what < 0.55:
            a, b = chance.sample(self.accounts, 2)
            made = [orders.pay(self.by, f"{n}", a, b, amount, "TZS", "P2P", reference="x" * (n % 3))]
        elif what < 0.7:
            made = [orders.pay(self.by, f"{n}/{i}", a, to, amount, "TZS", "P2P") for i, to in enumerate((b, c))]
        elif what < 0.85 or not self.holds:
            made = [orders.reserve(self.by, f"{n}", a, b, amount, "TZS", "HOLD", timeout_s=chance.choice((0, 1)))]
            self.holds.append(made[0])
        else:
            hold = chance.choice(self.holds)
            if what < 0.95:
                made = [orders.commit(self.by, f"{n}", hold.id, hold.amount, "TZS", "HOLD")]
            else:
                made = [orders.void(self.by, f"{n}", hold.id, "TZS", "HOLD")]
        self.sent.append(made)
        return n

    async def client(self):
        """Send chains for ever; what was not answered in an earlier life comes first."""
        while True:
            n = self.unsure.pop() if self.unsure else self.next_chain()
            told = False
            try:
                endings = await self.send(n)
                told = True
            finally:
                if not told:
                    self.unsure.append(n)
            assert self.acknowledged.setdefault(n, endings) == endings

    async def send(self, n):
        """The endings of a chain, as (seq, reason)."""
        (endings,) = await ledger.post_chains(self.stack, [self.sent[n]])
        assert not any(isinstance(ending, DifferentContent) for ending in endings)
        return [(ending.seq, ending.reason) for ending in endings]


@pytest.fixture(scope="module")
async def world(server, template, tmp_path_factory):
    url = await fresh_database(server, template)
    made = await Stack.open(
        Settings(home=tmp_path_factory.mktemp("home"), ledger_shards="1", sandbox=True),
        *(as_app(url), countries.load("taifa")),
    )
    app.load_policies()
    await app.start_rooms(made)
    await kit.owner_does(url, "UPDATE payments.shard SET chapter_rows = 64")  # so that many die while one begins
    source = await kit.treasury(made)
    owner = parties.institution_ref(made, "hazina")
    permit = kit.order(made, "institution:hazina", source.number, source.number, 1).permit
    assert permit is not None
    by = orders.By(permit, owner, "deaths")
    accounts = [
        rules.id_of((await acts.open_account(made, kit.SAMPLE, "hazina", AccountKind.GOVERNMENT)).number)
        for _ in range(3)
    ]
    facts = {"holder": "institution", "own_account": False, "kind": "government", "tier": 0}
    opening = kit.policy.decide(kit.SAMPLE, "payments.open-account", kit.policy.NOBODY, **facts)
    async with made.db.transaction(opening) as tx:
        for _ in range(3):
            there = "hazina", owner, AccountKind.GOVERNMENT, "TZS", 0, "", kit.clock_now(), 1
            accounts.append(await store.open_institution_account(tx, *there))
        kit.log.append(tx, opening)
    for account in accounts:
        paid = orders.pay(by, f"start/{account}", rules.id_of(source.number), account, START, "TZS", "FUND")
        assert [e.reason for e in await ledger.post(made, [paid])] == [0]
    yield World(made, accounts, by)
    await made.close()


async def live_and_die(world, fate, statements):
    """One life: clients at work until the writer's statements are used up."""
    for shard in homes.known(world.stack):
        world.stack.local.pop(f"payments.writer.{shard}", None)
    fate.left, fate.died = statements, asyncio.Event()
    tasks = [asyncio.create_task(world.client()) for _ in range(CLIENTS)]
    await asyncio.wait_for(fate.died.wait(), 30)
    for task in tasks:
        task.cancel()
    for shard in homes.known(world.stack):
        dying = writer.of(world.stack, shard)
        tasks += [task for task in (*dying._commits, dying._running) if task is not None]
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    broken = [e for e in ends if isinstance(e, AssertionError)]
    assert not broken, broken
    fate.left = 0


async def test_no_death_at_any_statement_loses_or_doubles_what_was_acknowledged(world, monkeypatch):
    fate = Fate(monkeypatch)
    monkeypatch.setattr(writer, "FOLLOWS_FROM", 1)  # two batches on their way at once, as large ones are
    deaths = 0
    while deaths < DEATHS or len(world.acknowledged) <= DEATHS:  # a slow machine is told less in each life
        await live_and_die(world, fate, world.chance.randrange(1, 8))
        deaths += 1
        if deaths % 25 == 0:
            await jobs.index_chapters(world.stack)
    for shard in homes.known(world.stack):
        world.stack.local.pop(f"payments.writer.{shard}", None)
    await between.finish_crossings(world.stack, patience_s=-60)
    for n, told in world.acknowledged.items():
        assert await world.send(n) == told, world.sent[n]
    balances = dict.fromkeys(world.accounts, START)
    for n, chain in enumerate(world.sent):  # what nobody was told is told now, and stands in the books as well
        for order, (_, reason) in zip(chain, await world.send(n), strict=True):
            named = next((h for h in world.holds if h.id == order.pending), order)
            if not reason and order.kind in (Kind.POST, Kind.COMMIT):
                balances[named.debit] -= order.amount
                balances[named.credit] += order.amount
    async with world.stack.db.reading("payments") as tx:
        for shard in (0, 1):
            ids = [account for account in world.accounts if rules.shard_of(account) == shard]
            for row in await store.some_accounts(tx, shard, ids):
                assert row["posted"] == balances[row["id"]]
    found = await audit.check_books(world.stack.db)
    assert found.ok and found.sums == {"TZS": 0}, found.problems
