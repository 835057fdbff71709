"""The writer on a real database: group commit, duplicates, races, lost fences, lost connections."""

import asyncio
import random

import asyncpg
import msgspec
import pytest
from tests.payments import kit

from msingi.kernel import policy
from msingi.kernel.context import job_context
from msingi.kernel.errors import DifferentContent, Outage
from msingi.kernel.ids import uuid7
from msingi.payments import audit, book, rules, store, writer
from msingi.payments.model import Reason, TransfersPosted
from msingi.payments.writer import Writer


@pytest.fixture(scope="module")
async def source(stack):
    return await kit.treasury(stack)


@pytest.fixture
async def pair(stack, source):
    """Two wallets, the first with 1000, and a maker of orders from the first to the second."""
    asha, juma = await kit.a_person(stack), await kit.a_person(stack)
    mine, his = await kit.wallet(stack, asha, 1000, source), await kit.wallet(stack, juma)

    def make(amount, **more):
        return kit.order(stack, f"person:{asha}", mine.number, his.number, amount, **more)

    return mine, his, make


@pytest.fixture(params=[writer.FOLLOWS_FROM, 1], ids=["one-at-a-time", "two-at-once"])
def under_way(request, monkeypatch):
    """Small batches one after the other, as they come; or sent while the one before is under way, as large ones are."""
    monkeypatch.setattr(writer, "FOLLOWS_FROM", request.param)
    return 2 if request.param == 1 else 1


async def balance(owner_url, account):
    (row,) = await kit.owner_does(
        owner_url, "SELECT posted FROM payments.account WHERE id = $1", rules.id_of(account.number)
    )
    return row["posted"]


async def agree(stack):
    found = await audit.check_books(stack.db)
    assert found.ok, found.problems
    return found


async def test_futures_resolve_only_after_the_commit(stack, pair, owner_url):
    mine, _, make = pair
    (ending,) = await writer.of(stack).post([make(100)])
    assert await balance(owner_url, mine) == 900 == ending.debit_after
    (row,) = await kit.owner_does(owner_url, "SELECT * FROM payments.journal WHERE seq = $1", ending.seq)
    assert row["debit_after"] == 900 and row["permit"].startswith("job:payments-file-runner@")
    await agree(stack)


async def test_a_posted_batch_is_told_to_whoever_listens(stack, pair):
    _, _, make = pair
    heard = []

    async def listen(_, payload):
        heard.append(msgspec.json.decode(payload, type=TransfersPosted))

    await writer.of(stack).post([make(1)])
    stack.outbox.subscribe(writer.POSTED, listen)
    try:
        endings = await writer.of(stack).post([make(1), make(2000), make(1)])
        await stack.outbox.drain(stack)
    finally:
        stack.outbox._doers.pop(writer.POSTED)
    assert heard == [TransfersPosted(0, endings[0].seq, 3, 2)]


async def test_a_batch_of_only_duplicates_writes_nothing_and_the_next_batch_works(stack, pair):
    """Bug of the prototype: n = 0 was written, and the next batch violated the primary key."""
    _, _, make = pair
    one = make(100)
    first = await writer.of(stack).post([one])
    batches = (await agree(stack)).batches
    again = await writer.of(stack).post([one])
    assert again[0].repeated and again[0].seq == first[0].seq
    assert (await agree(stack)).batches == batches
    assert (await writer.of(stack).post([make(1)]))[0].reason == 0


async def test_a_forgotten_duplicate_is_looked_up_instead_of_failing_the_batch(stack, pair, owner_url):
    """Bug of the prototype: after the recent-id cache was cleared, an old duplicate failed its whole batch."""
    mine, _, make = pair
    old = make(100)
    first = (await writer.of(stack).post([old]))[0]
    for fresh in (Writer(stack), Writer(stack)):  # a writer that remembers nothing
        changed = make(200, id=old.id)
        endings = await fresh.post([make(10), old, changed, make(10)])
        assert [getattr(e, "reason", None) for e in endings] == [0, 0, None, 0]
        assert endings[1].repeated and endings[1].seq == first.seq and endings[1].debit_after == first.debit_after
        assert isinstance(endings[2], DifferentContent)
    assert await balance(owner_url, mine) == 1000 - 100 - 40
    await agree(stack)


async def test_rejections_are_journalled_with_their_reason_and_the_hash_of_the_order(stack, pair, owner_url):
    """Bug of the prototype: unknown accounts were not journalled, body hash and currency not compared."""
    mine, his, make = pair
    unknown = rules.number_of(rules.account_id(10**6, 0))
    wanted = [
        kit.order(stack, "person:somebody else", mine.number, his.number, 5),
        kit.order(stack, "person:x", unknown, his.number, 5),
        make(5, currency="USD"),
        make(1001),
    ]
    endings = await writer.of(stack).post(wanted)
    assert [e.reason for e in endings] == [
        Reason.UNKNOWN_PAYER,
        Reason.UNKNOWN_PAYER,
        Reason.CURRENCY,
        Reason.INSUFFICIENT_FUNDS,
    ]
    rows = await kit.owner_does(
        owner_url, "SELECT * FROM payments.journal WHERE seq >= $1 ORDER BY seq", endings[0].seq
    )
    assert [r["reason"] for r in rows] == [e.reason for e in endings]
    assert [r["body_hash"] for r in rows] == [o.body_hash for o in wanted]
    assert (await writer.of(stack).post([wanted[3]]))[0].repeated  # a rejection is final for its id
    assert isinstance((await writer.of(stack).post([make(1, id=wanted[3].id)]))[0], DifferentContent)
    await agree(stack)


async def test_a_second_writer_is_harmless(stack, pair, owner_url):
    mine, _, make = pair
    one, two = Writer(stack), Writer(stack)
    await one.post([make(1)])
    await two.post([make(1)])
    for n in range(5):
        endings = await asyncio.gather(*[w.post([make(1)]) for w in (one, two) for _ in range(5 + n)])
        assert all(e[0].reason == 0 for e in endings)
    assert await balance(owner_url, mine) == 1000 - 2 - 2 * sum(5 + n for n in range(5))
    await agree(stack)


async def test_the_last_shilling_is_spent_once_whatever_races_for_it(stack, pair, owner_url):
    mine, his, make = pair
    writers = [writer.of(stack), Writer(stack)]
    endings = [e for (e,) in await asyncio.gather(*[writers[n % 2].post([make(900)]) for n in range(40)])]
    assert sorted(e.reason for e in endings) == [0] + [Reason.INSUFFICIENT_FUNDS] * 39
    assert await balance(owner_url, mine) == 100 and await balance(owner_url, his) == 900
    await agree(stack)


async def test_concurrent_clients_with_duplicates(stack, source, owner_url):
    """A thousand clients, every order sent two or three times, some changed on the way: money moves once."""
    chance = random.Random(4)
    people = [await kit.a_person(stack) for _ in range(10)]
    wallets = [await kit.wallet(stack, p, 5000, source) for p in people]
    wanted = []
    for _ in range(1000):
        a, b = chance.sample(range(10), 2)
        wanted.append(
            kit.order(stack, f"person:{people[a]}", wallets[a].number, wallets[b].number, chance.randrange(1, 60))
        )
    sent = wanted * 2 + chance.sample(wanted, 300)
    chance.shuffle(sent)
    endings = [e for (e,) in await asyncio.gather(*[writer.of(stack).post([o]) for o in sent])]
    by_id: dict = {}
    for order, ending in zip(sent, endings, strict=True):
        by_id.setdefault(order.id, set()).add((ending.seq, ending.reason))
    assert len(by_id) == 1000 and all(len(outcomes) == 1 for outcomes in by_id.values())
    total = [await balance(owner_url, w) for w in wallets]
    assert sum(total) == 50_000 and min(total) >= 0
    await agree(stack)


class Breaks:
    """Makes `store.persist` fail in chosen ways, a number of times."""

    def __init__(self, monkeypatch, failure, times):
        self.real, self.failure, self.times = store.persist, failure, times
        monkeypatch.setattr(store, "persist", self)

    async def __call__(self, tx, book, batch):
        if self.times > 0:
            self.times -= 1
            raise self.failure
        await self.real(tx, book, batch)


async def test_a_failed_persist_fails_its_futures_and_never_hangs(stack, pair, owner_url, monkeypatch, under_way):
    mine, _, make = pair
    started, most = Writer._start_commit, 0

    async def counted(self):
        nonlocal most
        await started(self)
        most = max(most, len(self._commits))

    with monkeypatch.context() as patched:
        patched.setattr(Writer, "_start_commit", counted)
        Breaks(patched, RuntimeError("a bug"), 1)
        results = await asyncio.wait_for(
            asyncio.gather(*[writer.of(stack).post([make(10)]) for _ in range(200)], return_exceptions=True), 20
        )
    failed = [r for r in results if isinstance(r, RuntimeError)]
    posted = [r for r in results if isinstance(r, list)]
    assert failed and posted and len(failed) + len(posted) == 200  # the batch on top of it was decided again
    assert most == under_way
    assert await balance(owner_url, mine) == 1000 - 10 * sum(r[0].reason == 0 for r in posted)
    assert (await writer.of(stack).post([make(0 + 1)]))[0].seq
    await agree(stack)


async def test_a_batch_that_follows_one_under_way_waits_for_it_and_passes(
    stack, pair, owner_url, monkeypatch, under_way
):
    mine, _, make = pair
    started, recovered, most = Writer._start_commit, 0, 0

    async def counted(self):
        nonlocal most
        await started(self)
        most = max(most, len(self._commits))

    async def never(self):
        nonlocal recovered
        recovered += 1

    monkeypatch.setattr(Writer, "_start_commit", counted)
    monkeypatch.setattr(Writer, "_recover", never)
    one = Writer(stack)
    endings = await asyncio.wait_for(asyncio.gather(*[one.post([make(1)]) for _ in range(300)]), 30)
    assert not recovered and most == under_way and len({ending.seq for (ending,) in endings}) == 300
    assert await balance(owner_url, mine) == 700
    await agree(stack)


async def test_an_outage_is_retried_and_then_told(stack, pair, owner_url, monkeypatch):
    mine, _, make = pair
    with monkeypatch.context() as patched:
        Breaks(patched, Outage("gone"), 2)
        assert (await writer.of(stack).post([make(10)]))[0].reason == 0
    with monkeypatch.context() as patched:
        Breaks(patched, Outage("gone"), 99)
        with pytest.raises(Outage):
            await asyncio.wait_for(writer.of(stack).post([make(10)]), 20)
    assert (await writer.of(stack).post([make(10)]))[0].debit_after == 980 == await balance(owner_url, mine)
    await agree(stack)


async def test_a_connection_that_dies_during_commit_does_not_double_or_lose(
    stack, pair, owner_url, monkeypatch, under_way
):
    """The outcome of a COMMIT whose answer was lost is read from the database."""
    mine, _, make = pair
    one = Writer(stack)
    real = Writer._persist
    lies = 1

    async def committed_but_lost(self, batch):
        nonlocal lies
        failure = await real(self, batch)
        if lies and failure is None and batch.rows:
            lies -= 1
            return Outage("the connection was lost during COMMIT")
        return failure

    monkeypatch.setattr(Writer, "_persist", committed_but_lost)
    endings = await asyncio.gather(*[one.post([make(10)]) for _ in range(50)])
    assert len({e[0].seq for e in endings}) == 50 and await balance(owner_url, mine) == 500
    await agree(stack)


async def test_killed_connections_lose_nothing(stack, pair, owner_url, under_way):
    """Whatever connection is at work is killed again and again, each time after some progress."""
    mine, _, make = pair
    acknowledged = kills = 0

    async def killer():
        nonlocal kills
        conn = await asyncpg.connect(owner_url)
        while acknowledged < 800:
            goal = acknowledged + 30
            while acknowledged < min(goal, 800):
                await asyncio.sleep(0.002)
            killed = await conn.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'msingi_app' "
                "AND datname = current_database() AND state <> 'idle' LIMIT 1"
            )
            kills += len(killed)
        await conn.close()

    async def client():
        nonlocal acknowledged
        for _ in range(40):
            order = make(1)
            while True:
                try:
                    (ending,) = await writer.of(stack).post([order])
                    break
                except Outage:
                    await asyncio.sleep(0.01)
            acknowledged += ending.reason == 0

    await asyncio.wait_for(asyncio.gather(killer(), *[client() for _ in range(20)]), 60)
    assert kills > 2 and acknowledged == 800 and await balance(owner_url, mine) == 200
    await agree(stack)


async def test_accounts_opened_meanwhile_are_known_to_a_running_writer(stack, pair, source):
    _, _, make = pair
    await writer.of(stack).post([make(1)])
    person = await kit.a_person(stack)
    fresh = await kit.wallet(stack, person, 5, source)
    assert fresh.is_default


async def test_the_application_cannot_touch_the_journal_but_by_inserting_under_a_permit(stack, owner_url):
    """The wall of the journal, tried in the application's role with a raw connection."""
    from msingi.kernel.postgres import as_app

    conn = await asyncpg.connect(as_app(owner_url))
    for statement in (
        "SELECT * FROM payments.journal",
        "UPDATE payments.journal SET amount = 1",
        "DELETE FROM payments.journal",
        "TRUNCATE payments.journal",
        "SELECT * FROM payments.transfer_id",
        "UPDATE payments.batch SET n = 1",
        "DELETE FROM payments.account",
        "INSERT INTO payments.journal (shard, seq, id, kind, debit, credit, amount, debit_after, credit_after,"
        " currency, code, status, reason, body_hash, at, permit) VALUES (0, 1, gen_random_uuid(), 1, 1, 2,"
        " 3, 4, 5, 'TZS', '', 1, 0, '', now(), '')",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(statement)
    for statement in (
        "SELECT * FROM payments.journal_seen",
        "SELECT * FROM payments.holder",
        "SELECT * FROM payments.account",
    ):
        assert await conn.fetch(statement) == []
    await conn.close()


def test_instants_are_exact():
    for at_us in (0, 1, 10**15 + 1, 1_795_000_000_123_457):
        assert book.micros(book.instant(at_us)) == at_us


def test_the_writers_permit_is_its_own():
    permit = policy.decide(job_context(writer.JOB), "payments.write-batch", policy.NOBODY)
    assert permit.rule.startswith("payments.write-batch") and uuid7()
