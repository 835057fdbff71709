"""The verbs: who may, who may not, and what people get to see."""

import re
from uuid import uuid4

import asyncpg
import pytest
from tests.payments import kit

from msingi.kernel.context import Actor, Kind, context, job_context
from msingi.kernel.errors import DifferentContent, Malformed, NotPermitted, TooMany
from msingi.payments import acts, errors, store
from msingi.payments.model import AccountKind, Alias, IssueOrder, TransferOrder


def pay(payer, payee, amount, key="k1", reference="", currency="TZS"):
    return TransferOrder(key, payer.number, Alias("account", payee.number), amount, currency, reference)


@pytest.fixture(scope="module")
async def source(stack):
    return await kit.treasury(stack)


async def test_access_open_account(stack):
    person, other = await kit.a_person(stack), await kit.a_person(stack)
    account = await acts.open_account(stack, kit.as_person(person), person, AccountKind.WALLET)
    assert account.is_default and account.balance_minor == 0 and account.currency == stack.profile.currency.code
    with pytest.raises(NotPermitted):
        await acts.open_account(stack, kit.as_person(other), person, AccountKind.WALLET)
    with pytest.raises(NotPermitted):
        await acts.open_account(stack, kit.as_person(person, assurance=1), person, AccountKind.CURRENT)
    with pytest.raises(NotPermitted):  # a higher tier needs an official who saw the documents
        await acts.open_account(stack, kit.as_person(person), person, AccountKind.CURRENT, tier=2)
    with pytest.raises(NotPermitted):
        await acts.open_account(stack, kit.as_staff("account-officer"), "hazina", AccountKind.ISSUE)
    with pytest.raises(Malformed):
        await acts.open_account(stack, kit.SAMPLE, person, AccountKind.GOVERNMENT)
    second = await acts.open_account(stack, kit.as_staff("account-officer"), person, AccountKind.WALLET, tier=2)
    assert not second.is_default and second.tier == 2


async def test_access_wallets_for(stack):
    people = [await kit.a_person(stack) for _ in range(3)]
    first = await acts.wallets_for(stack, job_context("payments-file-runner"), people[:2])
    again = await acts.wallets_for(stack, job_context("payments-file-runner"), people)
    assert first == {p: again[p] for p in people[:2]} and len(set(again.values())) == 3
    with pytest.raises(NotPermitted):
        await acts.wallets_for(stack, kit.as_person(people[0]), people)


async def test_access_transfer(stack, source):
    asha, juma = await kit.a_person(stack), await kit.a_person(stack)
    mine = await kit.wallet(stack, asha, 50_000, source)
    his = await kit.wallet(stack, juma)
    receipt = await acts.transfer(stack, kit.as_person(asha), pay(mine, his, 20_000, reference="chai"))
    assert receipt.balance_minor == 30_000 and receipt.to.endswith(his.number[-4:])
    with pytest.raises(NotPermitted):
        await acts.transfer(stack, kit.as_person(asha, assurance=1), pay(mine, his, 1, "k2"))
    with pytest.raises(NotPermitted):
        await acts.transfer(stack, kit.as_person(asha, purpose="statistics"), pay(mine, his, 1, "k2"))
    with pytest.raises(NotPermitted):
        await acts.transfer(stack, kit.as_staff("payment-clerk"), pay(source, his, 1, "k2"))
    # Juma is signed in with two factors, but the account is Asha's: for him it does not exist.
    with pytest.raises(errors.NoSuchAccount):
        await acts.transfer(stack, kit.as_person(juma), pay(mine, his, 20_000, "k1", "chai"))
    assert (await acts.balances_of(stack, kit.as_person(asha), asha)) == {"TZS": 30_000}
    # and his attempt has not occupied her key
    repeated = await acts.transfer(stack, kit.as_person(asha), pay(mine, his, 20_000, reference="chai"))
    assert repeated == receipt
    treasurer = kit.as_staff("treasurer")
    assert (await acts.transfer(stack, treasurer, pay(source, his, 5, "k3"))).amount_minor == 5
    with pytest.raises(errors.NoSuchAccount):
        await acts.transfer(stack, kit.as_staff("treasurer", institution="benki"), pay(source, his, 5, "k4"))


async def test_access_transfer_many(stack, source):
    asha, juma = await kit.a_person(stack), await kit.a_person(stack)
    mine, his = await kit.wallet(stack, asha, 100, source), await kit.wallet(stack, juma)
    wanted = [pay(mine, his, 60, "a"), pay(mine, his, 60, "b"), pay(mine, his, 60, "a"), pay(mine, his, 1, "a")]
    endings = await acts.transfer_many(stack, kit.as_person(asha), wanted)
    assert endings[0] == endings[2] and endings[0].balance_minor == 40
    assert isinstance(endings[1], errors.InsufficientFunds) and isinstance(endings[3], DifferentContent)
    endings = await acts.transfer_many(stack, kit.as_person(asha, assurance=1), wanted)
    assert all(isinstance(e, NotPermitted) for e in endings)
    with pytest.raises(Malformed):
        await acts.transfer_many(stack, kit.as_person(asha), [wanted[0]] * 1001)


async def test_refusals_name_the_reason_and_move_nothing(stack, source):
    asha = await kit.a_person(stack)
    mine = await kit.wallet(stack, asha, 2_000_000, source)
    his = await kit.wallet(stack, await kit.a_person(stack))
    me = kit.as_person(asha)
    for wanted, reason in [
        (pay(mine, mine, 10, "1"), errors.SameAccount),
        (pay(mine, his, 10, "2", currency="USD"), errors.CurrencyMismatch),
        (pay(mine, his, 1_000_001, "3"), errors.OverTierLimit),
        (pay(mine, his, 0, "4"), errors.AmountOutOfRange),
        (pay(mine, his, -5, "5"), errors.AmountOutOfRange),
        (pay(mine, his, 10**15 + 1, "6"), errors.AmountOutOfRange),
        (pay(mine, his, 10, "x" * 65), Malformed),
        (pay(mine, his, 10, "7", reference="x" * 141), Malformed),
        (TransferOrder("8", mine.number, Alias("account", "1" * 13), 10, "TZS"), Malformed),
        (TransferOrder("9", mine.number, Alias("email", "a@b"), 10, "TZS"), Malformed),
        (
            TransferOrder("10", mine.number, Alias("account", acts.rules.number_of(1 << 40)), 10, "TZS"),
            errors.NoSuchAccount,
        ),
    ]:
        with pytest.raises(reason):
            await acts.transfer(stack, me, wanted)
    # the day limit of tier 1 is three million: the fourth of these is over it, whatever is left
    await kit.acts.writer.of(stack).post(
        [kit.order(stack, "institution:hazina", source.number, mine.number, 2_900_000)]
    )
    for n in range(3):
        await acts.transfer(stack, me, pay(mine, his, 1_000_000, f"day-{n}"))
    with pytest.raises(errors.OverTierLimit) as over:
        await acts.transfer(stack, me, pay(mine, his, 1, "day-3"))
    assert over.value.facts == {"limit": "day"}


async def test_access_accounts(stack, source):
    asha, juma = await kit.a_person(stack), await kit.a_person(stack)
    mine = await kit.wallet(stack, asha, 700, source)
    (seen,) = await acts.accounts(stack, kit.as_person(asha))
    assert seen.number == mine.number and seen.balance_minor == seen.available_minor == 700
    officer = kit.as_staff("account-officer")
    assert [a.number for a in await acts.accounts(stack, officer, asha)] == [mine.number]
    with pytest.raises(NotPermitted):
        await acts.accounts(stack, kit.as_person(juma), asha)
    with pytest.raises(NotPermitted):
        await acts.accounts(stack, kit.as_staff("clinician"), asha)
    assert source.number in [a.number for a in await acts.accounts(stack, kit.as_staff("treasurer"))]
    assert await acts.accounts(stack, kit.as_staff("treasurer", institution="zahanati")) == []


async def test_access_balances_of(stack, source):
    asha = await kit.a_person(stack)
    await kit.wallet(stack, asha, 700, source)
    assert await acts.balances_of(stack, kit.as_person(asha), asha) == {"TZS": 700}
    with pytest.raises(NotPermitted):
        await acts.balances_of(stack, kit.as_person(await kit.a_person(stack)), asha)


async def test_access_statement(stack, source):
    asha, juma = await kit.a_person(stack), await kit.a_person(stack)
    mine, his = await kit.wallet(stack, asha, 1000, source), await kit.wallet(stack, juma)
    me = kit.as_person(asha)
    for n in range(5):
        await acts.transfer(stack, me, pay(mine, his, 100, f"s{n}", f"no {n}"))
    with pytest.raises(errors.TransferRejected):
        await acts.transfer(stack, me, pay(mine, his, 600, "too much"))
    page = await acts.statement(stack, me, mine.number, limit=4)
    assert [e.amount_minor for e in page.entries] == [-100] * 4 and page.entries[0].balance_minor == 500
    assert page.entries[0].reference == "no 4" and page.next_after == page.entries[-1].seq
    rest = await acts.statement(stack, me, mine.number, after=page.next_after)
    assert [e.amount_minor for e in rest.entries] == [-100, 1000] and rest.next_after is None
    theirs = await acts.statement(stack, kit.as_person(juma), his.number)
    assert [e.amount_minor for e in theirs.entries] == [100] * 5 and theirs.entries[0].other == "A. M."
    with pytest.raises(errors.NoSuchAccount):
        await acts.statement(stack, kit.as_person(juma), mine.number)
    with pytest.raises(NotPermitted):
        await acts.statement(stack, kit.as_staff("clinician"), mine.number, person=asha)
    with pytest.raises(Malformed):
        await acts.statement(stack, me, mine.number, limit=0)


async def test_access_balance_at(stack, source):
    asha = await kit.a_person(stack)
    mine = await kit.wallet(stack, asha, 1000, source)
    his = await kit.wallet(stack, await kit.a_person(stack))
    me = kit.as_person(asha)
    moments = [(await acts.statement(stack, me, mine.number)).entries[0].at]
    for n in range(3):
        moments.append((await acts.transfer(stack, me, pay(mine, his, 100, f"b{n}"))).at)
    assert [await acts.balance_at(stack, me, mine.number, at) for at in moments] == [1000, 900, 800, 700]
    assert await acts.balance_at(stack, me, mine.number, mine.opened_at) == 0
    with pytest.raises(errors.NoSuchAccount):
        await acts.balance_at(stack, kit.as_person(await kit.a_person(stack)), mine.number, moments[0])


async def test_access_receipt(stack, source):
    asha, juma, third = [await kit.a_person(stack) for _ in range(3)]
    mine, his = await kit.wallet(stack, asha, 1000, source), await kit.wallet(stack, juma)
    await kit.wallet(stack, third)
    sent = await acts.transfer(stack, kit.as_person(asha), pay(mine, his, 100, "r", "rent"))
    assert await acts.receipt(stack, kit.as_person(asha), sent.transfer_id) == sent
    got = await acts.receipt(stack, kit.as_person(juma), sent.transfer_id)
    assert got.balance_minor == 100 and got.payer == "A. M." and got.reference == "rent"
    with pytest.raises(errors.NoSuchTransfer):
        await acts.receipt(stack, kit.as_person(third), sent.transfer_id)
    with pytest.raises(NotPermitted):
        await acts.receipt(stack, kit.as_person(asha, assurance=0), sent.transfer_id)
    with pytest.raises(Malformed):
        await acts.receipt(stack, kit.as_person(asha), "no-uuid")


async def test_access_issue(stack, source):
    banker = kit.as_staff("central-banker", institution="benki-kuu", purpose="operations")
    before = {a.number: a for a in await acts.accounts(stack, kit.as_staff("treasurer"))}[source.number]
    receipt = await acts.issue(stack, banker, IssueOrder("i1", source.number, 500))
    assert receipt == await acts.issue(stack, banker, IssueOrder("i1", source.number, 500))
    after = {a.number: a for a in await acts.accounts(stack, kit.as_staff("treasurer"))}[source.number]
    assert after.balance_minor == before.balance_minor + 500 and receipt.balance_minor < 0
    with pytest.raises(NotPermitted):
        await acts.issue(stack, kit.as_staff("treasurer", purpose="operations"), IssueOrder("i2", source.number, 500))
    person = await kit.a_person(stack)
    with pytest.raises(errors.NoSuchAccount):
        await acts.issue(stack, banker, IssueOrder("i3", (await kit.wallet(stack, person)).number, 500))


async def test_access_resolve_alias(stack, source):
    asha = await kit.a_person(stack)
    seen = await acts.resolve_alias(stack, kit.as_person(asha), Alias("account", source.number))
    assert seen.name == "Wizara ya Ustawi wa Jamii" and seen.currency == "TZS"
    with pytest.raises(NotPermitted):
        await acts.resolve_alias(stack, kit.as_staff("clinician"), Alias("account", source.number))
    anybody = context(Actor(Kind.PUBLIC, "anybody"), "payment", "contract")
    with pytest.raises(NotPermitted):
        await acts.resolve_alias(stack, anybody, Alias("account", source.number))
    for _ in range(acts.ALIAS_LOOKUPS - 1):
        await acts.resolve_alias(stack, kit.as_person(asha), Alias("account", source.number))
    with pytest.raises(TooMany):
        await acts.resolve_alias(stack, kit.as_person(asha), Alias("account", source.number))


async def test_access_account_holders(stack, source):
    person = await kit.a_person(stack)
    await kit.wallet(stack, person)
    counting = context(Actor(Kind.JOB, "evidence"), "statistics", "public-task")
    assert person in await acts.account_holders(stack, counting)
    with pytest.raises(NotPermitted):
        await acts.account_holders(stack, kit.as_person(person))


@pytest.mark.parametrize(
    "name", ["transfer", "known_ids", "originals", "journal_page", "waiting_crossings", "promises"]
)
async def test_no_look_up_reads_the_whole_journal(stack, name):
    """Behind its view the journal cannot be joined by its keys: each of these asks for them, however long it is."""
    query, ids = store.Q.by_name[name].text, f"'{{{uuid4()}}}'"
    given = {"transfer": f"'{uuid4()}'", "known_ids": ids, "originals": f"{ids}, 0", "journal_page": "0, 1, 500"}
    given |= {"waiting_crossings": "0, now()", "promises": f"0, '{uuid4()}', now()"}
    conn = await asyncpg.connect(stack.db.dsn)
    try:
        await conn.execute("BEGIN; SET LOCAL msingi.room = 'payments'; SET LOCAL msingi.reach = '*'")
        await conn.execute(
            f"SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; PREPARE look AS {query}"
        )
        told = await conn.fetch(f"EXPLAIN EXECUTE look ({given[name]})")
    finally:
        await conn.close()
    lines = [row[0] for row in told]
    scans = [n for n, line in enumerate(lines) if re.search(r"Scan .*on (journal_(?!seen)\w+|transfer_id)\b", line)]
    assert scans
    for n in scans:
        assert "Seq Scan" not in lines[n] and "Index Cond" in lines[n + 1], "\n".join(lines[n - 1 : n + 3])
