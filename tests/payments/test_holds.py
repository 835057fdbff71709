"""Two-phase transfers, chains and reversals on a real database, through the interface that other rooms use."""

import pytest
from tests.payments import kit

from msingi.kernel import clock, policy
from msingi.kernel.context import job_context
from msingi.kernel.errors import DifferentContent
from msingi.payments import acts, audit, errors, ledger, orders, parties, rules, writer
from msingi.payments.model import AccountKind, Reason


@pytest.fixture(scope="module")
async def source(stack):
    return await kit.treasury(stack)


class Side:
    """A person with a wallet, as somebody who orders."""

    def __init__(self, stack, person, account):
        self.stack, self.person, self.number = stack, person, account.number
        self.id = rules.id_of(account.number)
        permit = policy.decide(job_context("payments-file-runner"), "payments.pay-line", policy.NOBODY)
        self.by = orders.By(permit, parties.person_ref(stack, person), f"test/{person}")

    async def has(self):
        """Balance and available amount."""
        (account,) = await acts.accounts(self.stack, kit.as_person(self.person))
        return account.balance_minor, account.available_minor


@pytest.fixture
async def sides(stack, source):
    """Asha with 1000, Juma and Neema with nothing."""
    made = []
    for amount in (1000, 0, 0):
        person = await kit.a_person(stack)
        made.append(Side(stack, person, await kit.wallet(stack, person, amount, source)))
    return made


async def agree(stack):
    found = await audit.check_books(stack.db)
    assert found.ok, found.problems


def reasons(endings):
    return [e if isinstance(e, DifferentContent) else Reason(e.reason) for e in endings]


async def test_a_hold_is_committed_in_part_and_the_rest_is_free(stack, sides):
    asha, juma, _ = sides
    hold = orders.reserve(asha.by, "h", asha.id, juma.id, 400, "TZS", "P2P", timeout_s=60)
    (ending,) = errors.check(await ledger.post(stack, [hold]))
    assert ending.debit_after == 1000 and await asha.has() == (1000, 600) and await juma.has() == (0, 0)
    again = (await ledger.post(stack, [hold]))[0]
    assert again.repeated and again.seq == ending.seq and await asha.has() == (1000, 600)
    too_much = orders.commit(asha.by, "c0", hold.id, 401, "TZS", "P2P")
    assert reasons(await ledger.post(stack, [too_much])) == [Reason.OVER_HOLD]
    done = orders.commit(asha.by, "c1", hold.id, 300, "TZS", "P2P")
    errors.check(await ledger.post(stack, [done]))
    assert await asha.has() == (700, 700) and await juma.has() == (300, 300)
    late = [orders.commit(asha.by, "c2", hold.id, 1, "TZS", "P2P"), orders.void(asha.by, "v", hold.id, "TZS", "P2P")]
    assert reasons(await ledger.post(stack, late)) == [Reason.HOLD_ENDED] * 2
    writer.of(stack)._book = None  # a writer that remembers nothing reads it from the journal
    fresh = orders.commit(asha.by, "c3", hold.id, 1, "TZS", "P2P")
    assert reasons(await ledger.post(stack, [fresh, done])) == [Reason.HOLD_ENDED, Reason.NONE]
    assert await asha.has() == (700, 700)
    page = await acts.statement(stack, kit.as_person(asha.person), asha.number)
    assert [e.amount_minor for e in page.entries] == [-300, 1000]
    await agree(stack)


async def test_a_void_frees_and_nobody_else_ends_a_hold(stack, sides):
    asha, juma, _ = sides
    hold = orders.reserve(asha.by, "h", asha.id, juma.id, 1000, "TZS", "P2P", timeout_s=0)
    more = orders.reserve(asha.by, "h2", asha.id, juma.id, 1, "TZS", "P2P", timeout_s=0)
    assert reasons(await ledger.post(stack, [hold, more])) == [Reason.NONE, Reason.INSUFFICIENT_FUNDS]
    theft = [orders.commit(juma.by, "c", hold.id, 1000, "TZS", "P2P"), orders.void(juma.by, "v", hold.id, "TZS", "P2P")]
    assert reasons(await ledger.post(stack, theft)) == [Reason.NO_HOLD] * 2
    errors.check(await ledger.post(stack, [orders.void(asha.by, "v", hold.id, "TZS", "P2P")]))
    assert await asha.has() == (1000, 1000)
    with pytest.raises(errors.HoldEnded):
        errors.check(await ledger.post(stack, [orders.commit(asha.by, "c", hold.id, 5, "TZS", "P2P")]))
    await agree(stack)


async def test_a_hold_expires_by_the_writers_clock(stack, sides, monkeypatch):
    asha, juma, _ = sides
    now = clock.now()
    hold = orders.reserve(asha.by, "h", asha.id, juma.id, 700, "TZS", "P2P", timeout_s=60)
    errors.check(await ledger.post(stack, [hold]))
    writer.of(stack)._book = None  # the time limit survives the writer
    await writer.of(stack).expire()
    assert await asha.has() == (1000, 300)
    monkeypatch.setattr(clock, "now", lambda: now.replace(year=now.year + 1))
    late = orders.commit(asha.by, "c", hold.id, 700, "TZS", "P2P")
    assert reasons(await ledger.post(stack, [late])) == [Reason.HOLD_ENDED]
    assert await asha.has() == (1000, 1000)
    await writer.of(stack).expire()
    await agree(stack)


async def test_linked_orders_are_posted_all_or_none(stack, sides):
    asha, juma, neema = sides
    pay = orders.pay(asha.by, "p", asha.id, juma.id, 900, "TZS", "P2P", reference="maziwa")
    fee = orders.pay(asha.by, "f", asha.id, neema.id, 101, "TZS", "FEES")
    endings = await ledger.post_linked(stack, [pay, fee])
    assert reasons(endings) == [Reason.LINKED, Reason.INSUFFICIENT_FUNDS] and await asha.has() == (1000, 1000)
    with pytest.raises(errors.InsufficientFunds):
        errors.check(endings)
    assert [e.repeated for e in await ledger.post_linked(stack, [pay, fee])] == [True, True]
    pay2 = orders.pay(asha.by, "p2", asha.id, juma.id, 900, "TZS", "P2P")
    fee2 = orders.pay(asha.by, "f2", asha.id, neema.id, 100, "TZS", "FEES")
    assert all(isinstance(e, DifferentContent) for e in await ledger.post_linked(stack, [pay2, fee]))
    errors.check(await ledger.post_linked(stack, [pay2, fee2]))
    assert [await side.has() for side in sides] == [(0, 0), (900, 900), (100, 100)]
    back = [
        orders.pay(juma.by, "b", juma.id, asha.id, 900, "TZS", "P2P"),
        orders.pay(neema.by, "b", neema.id, asha.id, 101, "TZS", "P2P"),
    ]
    alone = orders.pay(neema.by, "b2", neema.id, asha.id, 50, "TZS", "P2P")
    first, second = await ledger.post_chains(stack, [back, [alone]])
    assert reasons(first) == [Reason.LINKED, Reason.INSUFFICIENT_FUNDS] and reasons(second) == [Reason.NONE]
    await agree(stack)


async def test_a_rejected_chain_leaves_holds_as_they_were(stack, sides):
    asha, juma, neema = sides
    hold = orders.reserve(asha.by, "h", asha.id, juma.id, 600, "TZS", "P2P", timeout_s=600)
    errors.check(await ledger.post(stack, [hold]))
    chain = [
        orders.commit(asha.by, "c", hold.id, 600, "TZS", "P2P"),
        orders.reserve(asha.by, "h2", asha.id, neema.id, 300, "TZS", "P2P", timeout_s=5),
        orders.pay(asha.by, "p", asha.id, neema.id, 101, "TZS", "P2P"),
    ]
    assert reasons(await ledger.post_linked(stack, chain)) == [*(Reason.LINKED,) * 2, Reason.INSUFFICIENT_FUNDS]
    assert await asha.has() == (1000, 400)
    errors.check(await ledger.post(stack, [orders.commit(asha.by, "c2", hold.id, 600, "TZS", "P2P")]))
    assert await juma.has() == (600, 600)
    await agree(stack)


async def test_a_reversal_is_a_new_transfer_and_never_more_than_was_paid(stack, sides):
    asha, juma, _ = sides
    paid = orders.pay(asha.by, "p", asha.id, juma.id, 500, "TZS", "P2P")
    more = orders.pay(asha.by, "p2", asha.id, juma.id, 100, "TZS", "P2P")
    errors.check(await ledger.post(stack, [paid, more]))
    back = orders.reverse(juma.by, "r1", paid.id, 200, "TZS")
    errors.check(await ledger.post(stack, [back]))
    assert await asha.has() == (600, 600) and await juma.has() == (400, 400)
    writer.of(stack)._book = None
    wanted = [
        orders.reverse(juma.by, "r2", paid.id, 301, "TZS"),
        orders.reverse(asha.by, "r3", paid.id, 1, "TZS"),
        orders.reverse(juma.by, "r4", back.id, 1, "TZS"),
        orders.reverse(juma.by, "r5", paid.id, 300, "TZS"),
        orders.reverse(juma.by, "r6", paid.id, 1, "TZS"),
    ]
    assert reasons(await ledger.post(stack, wanted)) == [
        *(Reason.OVER_ORIGINAL, Reason.UNKNOWN_PAYER, Reason.NO_ORIGINAL, Reason.NONE, Reason.OVER_ORIGINAL)
    ]
    assert await asha.has() == (900, 900)
    await agree(stack)


async def test_money_changes_currency_through_position_accounts_as_one_chain(stack, sides, source):
    asha, _, _ = sides
    bank = kit.SAMPLE
    here = await acts.open_account(stack, bank, "benki-kuu", AccountKind.POSITION, floor_minor=-(10**9))
    there = await acts.open_account(stack, bank, "benki-kuu", AccountKind.POSITION, currency="USD", floor_minor=-50)
    dollars = await acts.open_account(stack, bank, "benki-kuu", AccountKind.MERCHANT, currency="USD")
    permit, owner = asha.by.permit, parties.institution_ref(stack, "benki-kuu")
    out = orders.By(permit, owner, "fx")

    def exchange(key, shillings, cents):
        return [
            orders.pay(asha.by, key, asha.id, rules.id_of(here.number), shillings, "TZS", "FX"),
            orders.pay(out, key, rules.id_of(there.number), rules.id_of(dollars.number), cents, "USD", "FX"),
        ]

    errors.check(await ledger.post_linked(stack, exchange("1", 800, 30)))
    assert reasons(await ledger.post_linked(stack, exchange("2", 200, 21))) == [
        *(Reason.LINKED, Reason.INSUFFICIENT_FUNDS)  # the position's floor is the limit of what is exchanged
    ]
    assert await asha.has() == (200, 200)
    found = await audit.check_books(stack.db)
    assert found.ok and found.sums == {"TZS": 0, "USD": 0}
