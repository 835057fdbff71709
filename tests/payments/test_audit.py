"""The checker of the books, against a database administrator who can write anywhere."""

import pytest
from tests.payments import kit

from msingi.kernel.errors import NotPermitted
from msingi.kernel.log import sequencer
from msingi.kernel.log import store as log_store
from msingi.payments import acts, audit, chain, rules, writer
from msingi.payments.book import micros
from msingi.payments.writer import Writer


async def entries(stack):
    """The transparency log's entries in their order, as an auditor reads them."""
    await sequencer.catch_up(stack)
    async with stack.db.plumbing() as conn:
        head = await log_store.newest(conn)
        async for entry in log_store.every_entry(conn, head.size if head else 0):
            yield entry


async def codes(stack):
    found = await audit.check_books(stack.db, entries=entries(stack))
    return {problem.code for problem in found.problems}


@pytest.fixture(scope="module")
async def books(stack):
    """Some history: money issued, three people paying each other, rejections, words, a payment of everything."""
    source = await kit.treasury(stack, 10**6)
    people = [await kit.a_person(stack) for _ in range(3)]
    wallets = [await kit.wallet(stack, p, 1000, source) for p in people]
    for n in range(30):
        payer, payee = n % 3, (n + 1) % 3
        wanted = [
            kit.order(
                stack, f"person:{people[payer]}", wallets[payer].number, wallets[payee].number, amount, reference=words
            )
            for amount, words in ((10 + n, "maziwa"), (5000, ""), (1, ""))
        ]
        await writer.of(stack).post(wanted)
    return source, people, wallets


async def test_untouched_books_have_no_fault(stack, books):
    found = await audit.check_books(stack.db, entries=entries(stack))
    assert found.ok, found.problems
    assert found.rows == 1 + 3 + 90 and found.logged == found.batches == 1 + 3 + 30
    assert found.sums == {"TZS": 0} and found.accounts == 5
    roots = await audit.batch_roots(stack.db)
    assert len(roots) == found.batches


TAMPERING = {
    "a balance": ("UPDATE payments.account SET posted = posted + 1 WHERE id = $1", {"balance", "sum"}),
    "two balances": (
        "UPDATE payments.account SET posted = posted + CASE WHEN id = $1 THEN 5 ELSE -5 END "
        "WHERE id IN ($1, (SELECT max(id) FROM payments.account WHERE id <> $1))",
        {"balance"},
    ),
    "a floor": ("UPDATE payments.account SET floor = posted + 1 WHERE id = $1", {"floor"}),
    "what is reserved": ("UPDATE payments.account SET reserved = 1 WHERE id = $1", {"reserved"}),
    "a hold": (
        "INSERT INTO payments.hold VALUES (0, gen_random_uuid(), $1, 256, 5, 'TZS', 7, 0, 0)",
        {"open-hold"},
    ),
    "an amount": (
        "UPDATE payments.journal SET amount = amount + 1 WHERE seq = 10 AND $1 > 0",
        {"root-differs", "head-differs", "balance-after", "balance", "root-not-logged"},
    ),
    "who ordered": (
        "UPDATE payments.journal SET permit = 'person:somebody@ payment contract' WHERE seq = 10 AND $1 > 0",
        {"root-differs", "head-differs", "root-not-logged"},
    ),
    "a reason": (
        "UPDATE payments.journal SET reason = 8 WHERE status = 2 AND seq = (SELECT min(seq) FROM payments.journal "
        "WHERE status = 2) AND $1 > 0",
        {"root-differs", "head-differs", "root-not-logged"},
    ),
    "a row removed": (
        "DELETE FROM payments.journal WHERE seq = 10 AND $1 > 0",
        {"row-missing", "root-differs", "head-differs", "row-count", "id-count", "balance-after", "balance",
         "root-not-logged"},
    ),
    "the last batch removed": (
        "WITH b AS (DELETE FROM payments.batch WHERE first_seq = (SELECT max(first_seq) FROM payments.batch) "
        "AND $1 > 0) SELECT 1",
        {"fence-differs", "row-count", "balance"},
    ),
    "the order of two rows": (
        "WITH gone AS (DELETE FROM payments.journal WHERE seq IN (10, 11) AND $1 > 0 RETURNING *) INSERT INTO "
        f"payments.journal ({', '.join(chain.COLUMNS)}) SELECT "
        f"{', '.join(chain.COLUMNS).replace('seq', '10 + 11 - seq', 1)} FROM gone ORDER BY seq",
        {"root-differs", "head-differs", "id-not-listed", "root-not-logged"},
    ),
    "a link": (
        "UPDATE payments.journal SET credit_before = credit_before - 1 WHERE seq = 10 AND $1 > 0",
        {"link", "root-differs", "head-differs", "root-not-logged"},
    ),
    "where the links begin": ("UPDATE payments.account SET last_seq = last_seq - 1 WHERE id = $1", {"newest-row"}),
    "a batch's root": (
        "UPDATE payments.batch SET root = sha256('x') WHERE first_seq = 1 AND $1 > 0",
        {"root-differs"},
    ),
    "a batch's link": (
        "UPDATE payments.batch SET prev = sha256('x') WHERE first_seq = 2 AND $1 > 0",
        {"chain-broken", "head-differs"},
    ),
    "the fence": ("UPDATE payments.shard SET seq = seq - 1 WHERE $1 > 0", {"fence-differs"}),
    "an id": ("DELETE FROM payments.transfer_id WHERE seq = 5 AND $1 > 0", {"id-not-listed", "id-count"}),
    "the words": (
        "UPDATE payments.remittance SET reference = 'rushwa' WHERE reference = 'maziwa' AND $1 > 0",
        {"body-differs"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERING)
async def test_tampering_by_the_database_owner_is_found(stack, books, owner_url, what):
    """The owner of the database changes something; the checker says so; then it is put back."""
    _, _, wallets = books
    statement, expected = TAMPERING[what]
    tables = "account journal batch shard transfer_id remittance hold".split()
    for table in tables:
        await kit.owner_does(owner_url, f"CREATE TABLE kept_{table} AS TABLE payments.{table}")
    try:
        await kit.owner_does(owner_url, statement, rules.id_of(wallets[0].number))
        found = await codes(stack)
    finally:
        for table in tables:
            await kit.owner_does(owner_url, f"TRUNCATE payments.{table}")
            await kit.owner_does(owner_url, f"INSERT INTO payments.{table} SELECT * FROM kept_{table}")
            await kit.owner_does(owner_url, f"DROP TABLE kept_{table}")
    assert expected <= found, f"missing {expected - found}, found {found}"
    assert await codes(stack) == set()


async def test_erased_words_are_no_fault_but_are_counted(stack, books, owner_url):
    await kit.owner_does(
        owner_url,
        "DELETE FROM payments.remittance WHERE seq = (SELECT min(seq) FROM payments.remittance WHERE reference <> '')",
    )
    found = await audit.check_books(stack.db)
    assert found.ok and found.erased == 1


async def test_history_rewritten_consistently_is_found_in_the_transparency_log(stack, books, owner_url):
    """The owner rewrites a row, every balance after it, every root and every head: all agrees, but not with the log."""
    rows = await kit.owner_does(owner_url, f"SELECT {', '.join(chain.COLUMNS)} FROM payments.journal ORDER BY seq")
    ledger = [list(row) for row in rows]
    ledger[5][14] = rules.body_hash(ledger[5][2], ledger[5][6], ledger[5][5], *ledger[5][7:8], *ledger[5][10:12], "")
    ledger[5][16] = "person:scapegoat@ payment contract"
    head = chain.GENESIS
    for batch in await kit.owner_does(owner_url, "SELECT first_seq, n FROM payments.batch ORDER BY first_seq"):
        part = ledger[batch["first_seq"] - 1 : batch["first_seq"] - 1 + batch["n"]]
        root = chain.root([chain.encode(row, micros(row[15])) for row in part])
        prev, head = head, chain.head(head, 0, batch["first_seq"], batch["n"], root)
        await kit.owner_does(
            owner_url,
            "UPDATE payments.batch SET prev = $2, root = $3, head = $4 WHERE first_seq = $1",
            *(batch["first_seq"], prev, root, head),
        )
    await kit.owner_does(owner_url, "UPDATE payments.journal SET permit = $1, body_hash = $2 WHERE seq = 6",
                         ledger[5][16], ledger[5][14])  # fmt: skip
    await kit.owner_does(owner_url, "DELETE FROM payments.remittance WHERE seq = 6")
    await kit.owner_does(owner_url, "UPDATE payments.shard SET head = $1", head)
    assert (await audit.check_books(stack.db)).ok  # from the database alone nothing is to be seen
    found = await audit.check_books(stack.db, entries=entries(stack))
    assert [p.code for p in found.problems] == ["root-not-logged"]


async def test_access_check_books(stack):
    """Only the checker and auditors may read all books."""
    from msingi.kernel import policy
    from msingi.kernel.context import job_context

    assert policy.decide(job_context("fsck", "audit"), "payments.check-books", policy.ANYONE)
    assert policy.decide(kit.as_staff("auditor"), "payments.check-books", policy.ANYONE)
    for ctx in (kit.as_staff("treasurer"), job_context("setup"), kit.as_person(await kit.a_person(stack))):
        with pytest.raises(NotPermitted):
            policy.decide(ctx, "payments.check-books", policy.ANYONE)
    assert acts.MAX_PAGE and Writer
