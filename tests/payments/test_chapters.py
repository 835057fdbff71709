"""An account's rows by links, by index and by plain search are the same, over the borders of the journal's chapters."""

import random
from datetime import timedelta

import asyncpg
import pytest
from tests.payments import kit

from msingi.kernel import policy
from msingi.kernel.context import job_context
from msingi.kernel.errors import NotPermitted
from msingi.payments import acts, audit, jobs, ledger, orders, parties, rules, store, writer
from msingi.payments.model import AccountKind

ROWS = 16  # of a chapter here
ALL = (1 << 63) - 1
QUERY = """SELECT seq, debit_after, credit_after
FROM payments.movements(0::int2, $1, $2, $3, $4, $5, $6::int2[], $7::text[], $8::text[], $9, $11, $10)"""
PLAIN = """SELECT seq, debit_after, credit_after FROM payments.journal
WHERE shard = 0 AND status = 1 AND seq >= $2 AND seq < $3
  AND (debit = $1 AND $5::int & 1 = 1 OR credit = $1 AND $5::int & 2 = 2 AND kind IN (1, 3, 5, 7))
  AND ($6::int2[] IS NULL OR kind = ANY ($6)) AND ($7::text[] IS NULL OR code = ANY ($7))
  AND ($8::text[] IS NULL OR code <> ALL ($8)) AND ($9::bigint IS NULL OR $9 IN (debit, credit) AND $9 <> $1)
ORDER BY seq DESC LIMIT $4"""


@pytest.fixture(scope="module")
async def history(stack, owner_url):
    """A hundred and more random rows between five wallets and who filled them: payments, holds, their ends, what was
    paid back, and orders that were rejected; in chapters of sixteen."""
    await kit.owner_does(owner_url, "UPDATE payments.shard SET chapter_rows = $1", ROWS)
    chance = random.Random(7)
    source = await kit.treasury(stack)
    people = [await kit.a_person(stack) for _ in range(5)]
    ids = [rules.id_of((await kit.wallet(stack, person, 1000, source)).number) for person in people]
    permit = policy.decide(job_context("payments-file-runner"), "payments.pay-line", policy.NOBODY)
    by = [orders.By(permit, parties.person_ref(stack, person), f"test/{person}") for person in people]
    holds, paid = [], []
    for call in range(12):
        sent = []
        for n in range(chance.randrange(1, 25)):
            payer, payee = chance.sample(range(5), 2)
            what, key, amount = chance.random(), f"{call}-{n}", chance.randrange(1, 200)
            if what < 0.5 or (what > 0.7 and not holds) or (what > 0.9 and not paid):
                code = chance.choice(["P2P", "FEES"])
                sent.append(orders.pay(by[payer], key, ids[payer], ids[payee], amount, "TZS", code))
                paid.append((payee, payer, sent[-1].id))
            elif what < 0.7:
                sent.append(orders.reserve(by[payer], key, ids[payer], ids[payee], amount, "TZS", "P2P", timeout_s=0))
                holds.append((payer, sent[-1].id))
            elif what < 0.9:
                owner, hold = holds.pop(chance.randrange(len(holds)))
                end = orders.commit(by[owner], key, hold, 1, "TZS", "P2P") if what < 0.8 else None
                sent.append(end or orders.void(by[owner], key, hold, "TZS", "P2P"))
            else:
                owner, _, first = paid.pop(chance.randrange(len(paid)))
                sent.append(orders.reverse(by[owner], key, first, 1, "TZS", "P2P"))
        await ledger.post(stack, sent)
    return ids, people, rules.id_of(source.number)


@pytest.fixture
async def owner(owner_url):
    conn = await asyncpg.connect(owner_url)
    await conn.execute("SET msingi.room = 'payments'; SET msingi.reach = '*'")
    yield conn
    await conn.close()


async def same(owner, *asked):
    *plain, _ = asked
    words = asked[1] % 2 == 0
    assert await owner.fetch(QUERY, *asked, words) == await owner.fetch(PLAIN, *plain), asked


async def indexed(stack):
    async with stack.db.reading("payments") as tx:
        left = await store.full_chapters(tx)
    await jobs.index_chapters(stack)
    async with stack.db.reading("payments") as tx:
        return left, await store.full_chapters(tx)


async def everything(owner, history, chance, rounds):
    """Random questions about all accounts, by links alone, by links for a while, and without them."""
    ids, _, source = history
    last = await owner.fetchval("SELECT seq FROM payments.shard WHERE shard = 0")
    for _ in range(rounds):
        low, high = sorted(chance.randrange(1, last + 2) for _ in range(2))
        account = chance.choice([*ids, source])
        asked = (
            *(account, chance.choice([1, low]), chance.choice([ALL, high]), chance.choice([ALL, 1, 3, 10])),
            *(chance.choice([1, 2, 3]), chance.choice([None, [1, 3, 5, 7], [1, 2], [4]])),
            *(chance.choice([None, None, ["P2P"]]), chance.choice([None, None, ["P2P", "FUND"]])),
            *(chance.choice([None, None, chance.choice(ids)]), chance.choice([0, 1, 3, 7, 2000])),
        )
        if asked[8] != account:
            await same(owner, *asked)


async def test_movements_are_those_of_a_plain_search_before_amid_and_after_indexing(stack, history, owner):
    """Law 5 stands on them: each way to an account's rows finds the same ones, in the same order."""
    chapters = await owner.fetch("SELECT first_seq, next_seq, indexed FROM payments.chapter ORDER BY first_seq")
    assert len(chapters) > 5 and not any(row["indexed"] for row in chapters)
    assert [row["first_seq"] for row in chapters] == [1, *(row["next_seq"] for row in chapters[:-1])]
    chance = random.Random(11)
    await everything(owner, history, chance, 60)
    first = chapters[0]["first_seq"]
    await owner.fetchval("SELECT payments.index_chapter(0::int2, $1, 'debit')", first)  # and then it crashed
    assert not await owner.fetchval("SELECT indexed FROM payments.chapter WHERE first_seq = $1", first)
    await owner.fetchval("SELECT payments.index_chapter(0::int2, $1, 'credit')", first)
    await owner.fetchval("SELECT payments.index_chapter(0::int2, $1, 'debit')", chapters[2]["first_seq"])
    await everything(owner, history, chance, 60)
    left, after = await indexed(stack)
    assert (0, first) not in left and len(left) == len(chapters) - 2 and not after
    state = await owner.fetch("SELECT indexed FROM payments.chapter ORDER BY first_seq")
    assert [row["indexed"] for row in state] == [True] * (len(chapters) - 1) + [False]  # the last is being written
    await everything(owner, history, chance, 60)
    assert (await audit.check_books(stack.db)).ok


async def test_a_statement_by_pages_holds_every_entry_once(stack, history, owner):
    ids, people, _ = history
    for account, person in zip(ids, people, strict=True):
        number, seen, after = rules.number_of(account), [], None
        while True:
            page = await acts.statement(stack, kit.as_person(person), number, after=after, limit=3)
            seen += [(entry.seq, entry.amount_minor, entry.balance_minor) for entry in page.entries]
            if (after := page.next_after) is None:
                break
        rows = await owner.fetch(PLAIN, account, 1, ALL, 1000, 3, [1, 3, 5, 7], None, None, None)
        assert [seq for seq, _, _ in seen] == [row["seq"] for row in rows]
        assert sum(amount for _, amount, _ in seen) == seen[0][2]
        batches = await owner.fetch("SELECT first_seq, at FROM payments.batch ORDER BY first_seq")
        for batch in batches[::3]:
            upto = [e for e in seen if e[0] < batch["first_seq"]]
            just_before = batch["at"] - timedelta(microseconds=1)
            assert await acts.balance_at(stack, kit.as_person(person), number, just_before) == (
                upto[0][2] if upto else 0
            )


async def test_the_wall_stands_around_it(stack, history, owner):
    """Somebody sees the rows of accounts that the permit reaches, in other rooms nothing, and other people nothing."""
    ids, people, _ = history
    ask = "SELECT count(*) FROM payments.movements(0::int2, $1, 1, $2, 1000)"
    stranger = await kit.a_person(stack)
    for reach, sees in (("*", True), (str(people[0]), True), (str(stranger), False), ("", False)):
        await owner.execute(f"SET msingi.reach = '{reach}'")
        assert bool(await owner.fetchval(ask, ids[0], ALL)) == sees
    await owner.execute("SET msingi.reach = '*'; SET msingi.room = 'identity'")
    assert not await owner.fetchval(ask, ids[0], ALL)
    assert not await owner.fetchval("SELECT payments.index_chapter(0::int2, 1, 'debit')")


async def test_rows_behind_a_missing_one_are_found_by_index_and_search(history, owner):
    """Somebody took a row away that others lead through: the checker tells; statements miss that row alone."""
    ids, _, source = history
    for account in (*ids, source):
        transaction = owner.transaction()
        await transaction.start()
        newest = await owner.fetchval("SELECT last_seq FROM payments.account WHERE id = $1", account)
        await owner.execute("DELETE FROM payments.journal WHERE seq = $1", newest)
        await same(owner, account, 1, ALL, 1000, 3, [1, 3, 5, 7], None, None, None, 2000)
        await transaction.rollback()


async def test_a_writer_goes_on_over_the_border_after_it_has_forgotten_everything(stack, history, owner):
    """What it reads anew names each account's newest row, so that the chain of links has no gap."""
    ids, people, _ = history
    for _ in range(3):
        await writer.of(stack).idle()
        writer.of(stack)._book = None
        account = await acts.open_account(stack, kit.as_person(people[0]), people[0], AccountKind.SAVINGS)
        paid = kit.order(stack, f"person:{people[0]}", rules.number_of(ids[0]), account.number, 1)
        (ending,) = await ledger.post(stack, [paid])
        assert ending.reason == 0
        row = await owner.fetchrow(
            "SELECT debit_before, credit_before FROM payments.journal WHERE seq = $1", ending.seq
        )
        assert row["credit_before"] == 0 < row["debit_before"] < ending.seq
    found = await audit.check_books(stack.db)
    assert found.ok, found.problems


async def test_access_index_journal(stack):
    """Only the ledger's own work indexes chapters."""
    assert policy.decide(job_context("payments-writer"), "payments.index-journal", policy.NOBODY)
    for ctx in (job_context("setup"), kit.as_staff("treasurer"), kit.as_person(await kit.a_person(stack))):
        with pytest.raises(NotPermitted):
            policy.decide(ctx, "payments.index-journal", policy.NOBODY)
