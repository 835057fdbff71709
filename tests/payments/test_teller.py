"""The counter of a branch: who may, what is told to the customer, limits, and a drawer that agrees with the ledger."""

import pytest
from tests.payments import kit

from msingi.kernel.errors import Malformed, NotPermitted
from msingi.payments import acts as ledger
from msingi.payments import audit, errors, officers
from msingi.payments.bank import tariff, teller
from msingi.payments.bank.errors import NotAtTheCounter, OverTellerLimit
from msingi.payments.model import AccountKind, Alias, TransferOrder

ONE = kit.as_staff("account-officer", id="teller-1", institution="benki")
OTHERS = (
    kit.as_staff("account-officer", id="x", institution="rita"),  # another institution's
    kit.as_staff("payment-clerk", id="y", institution="benki"),
)


@pytest.fixture(scope="module")
async def till(stack):
    """A drawer with 100,000 to pay in with."""
    source = await kit.treasury(stack)
    number = await teller.own_till(stack, ONE)
    (ending,) = await ledger.ledger.post(
        stack, [kit.order(stack, "institution:hazina", source.number, number, 100_000)]
    )
    assert not ending.reason
    return number


async def customer(stack, amount=0):
    who = await kit.enrolled(stack)
    return who, (await kit.wallet(stack, who.id)).number


async def balance(stack, who):
    return sum((await ledger.balances_of(stack, kit.as_person(who.id), who.id)).values())


async def test_access_teller_look(stack, till):
    who, number = await customer(stack)
    for typed in (who.number, who.phone):
        found = await teller.look(stack, ONE, typed, "Kitambulisho kimeonekana")
        assert (found.person, found.name) == (who.id, "A. M.") and [a.number for a in found.accounts] == [number]
    for ctx in (*OTHERS, kit.as_person(who.id)):
        with pytest.raises(NotPermitted):
            await teller.look(stack, ctx, who.number, "Kitambulisho kimeonekana")
    for typed in ("1", number, "+255799999999"):
        with pytest.raises(errors.NoSuchAccount):
            await teller.look(stack, ONE, typed, "x")
    with pytest.raises(Malformed):
        await teller.look(stack, ONE, who.number, " ")


async def test_access_teller_open(stack, till):
    who = await kit.enrolled(stack)
    made = await teller.open_for(stack, ONE, who.id, AccountKind.SAVINGS, "Kitambulisho")
    assert made.kind is AccountKind.SAVINGS and made.tier == 1
    with pytest.raises(NotPermitted):
        await teller.open_for(stack, OTHERS[0], who.id, AccountKind.WALLET, "x")
    with pytest.raises(Malformed):
        await teller.open_for(stack, ONE, who.id, AccountKind.GOVERNMENT, "x")


async def test_access_teller_cash_in_and_out_by_the_drawer(stack, till):
    who, number = await customer(stack)
    paid = await teller.take_in(stack, ONE, "a", who.id, number, 5_000)
    assert await teller.take_in(stack, ONE, "a", who.id, number, 5_000) == paid and await balance(stack, who) == 5_000
    taken = await teller.pay_out(stack, ONE, "b", who.id, number, 1_200, "Kitambulisho")
    assert await teller.pay_out(stack, ONE, "b", who.id, number, 1_200, "Kitambulisho") == taken
    assert await balance(stack, who) == 3_800
    for ctx in OTHERS:
        with pytest.raises(NotPermitted):
            await teller.pay_out(stack, ctx, "c", who.id, number, 1, "x")
    slip = await teller.slip(stack, ONE, taken.transfer_id)
    assert (slip.amount_minor, slip.reference) == (1_200, "CSHO") and slip.payer.endswith(number[-4:])
    for wrong in ("x", "00000000-0000-0000-0000-000000000000"):
        with pytest.raises(errors.NoSuchTransfer):
            await teller.slip(stack, ONE, wrong)
    with pytest.raises(errors.NoSuchTransfer):  # another teller's drawer
        await teller.slip(stack, kit.as_staff("account-officer", id="teller-9", institution="benki"), taken.transfer_id)
    with pytest.raises(errors.InsufficientFunds):
        await teller.pay_out(stack, ONE, "d", who.id, number, 3_801, "Kitambulisho")
    assert (await audit.check_books(stack.db)).ok


async def test_a_teller_alone_pays_small_amounts_out_of_the_customers_own_account(stack, till):
    (who, number), (other, theirs) = await customer(stack), await customer(stack)
    with pytest.raises(OverTellerLimit):
        await teller.pay_out(stack, ONE, "a", who.id, number, tariff.of(stack).teller_alone_minor + 1, "x")
    with pytest.raises(errors.NoSuchAccount):  # of somebody else than who stands there
        await teller.pay_out(stack, ONE, "b", who.id, theirs, 1, "x")
    for wrong in (0, -5, 10**16):
        with pytest.raises(errors.AmountOutOfRange):
            await teller.take_in(stack, ONE, "c", who.id, number, wrong)
    await teller.take_in(stack, ONE, "d", who.id, number, 100)
    await officers.freeze(stack, ONE, number, reason="Amri 3")
    with pytest.raises(errors.AccountFrozen):
        await teller.pay_out(stack, ONE, "e", who.id, number, 50, "x")
    assert NotAtTheCounter.status == 409 and await balance(stack, other) == 0


async def test_access_teller_tier(stack, till):
    """A higher tier holds from the next payment on, also in a writer that has the account in memory."""
    (who, number), low = await customer(stack), min(t.per_transfer_minor for t in _tiers(stack))
    source = await kit.treasury(stack)
    rich = kit.order(stack, "institution:hazina", source.number, number, 2 * low)
    await ledger.ledger.post(stack, [rich])
    big = TransferOrder("a", number, Alias("account", source.number), low + 1, "TZS")
    with pytest.raises(errors.OverTierLimit):
        await ledger.transfer(stack, kit.as_person(who.id), big)
    for ctx in OTHERS:
        with pytest.raises(NotPermitted):
            await teller.set_tier(stack, ctx, who.id, number, 2, "x")
    with pytest.raises(Malformed):
        await teller.set_tier(stack, ONE, who.id, number, 7, "x")
    with pytest.raises(errors.NoSuchAccount):
        await teller.set_tier(stack, ONE, (await kit.enrolled(stack)).id, number, 2, "x")
    await teller.set_tier(stack, ONE, who.id, number, 2, "Kitambulisho na barua ya makazi")
    again = TransferOrder("b", number, Alias("account", source.number), low + 1, "TZS")
    assert (await ledger.transfer(stack, kit.as_person(who.id), again)).amount_minor == low + 1


def _tiers(stack):
    return stack.profile.tiers


def now():
    """The teller at this moment: what was done before lies in the past."""
    return kit.as_staff("account-officer", id="teller-1", institution="benki")


async def test_the_drawer_agrees_with_the_ledger_and_a_difference_stands(stack, till):
    who, number = await customer(stack)
    before = (await teller.day(stack, now())).expected_minor
    await teller.take_in(stack, now(), "x", who.id, number, 900)
    await teller.pay_out(stack, now(), "y", who.id, number, 250, "Kitambulisho")
    found = await teller.day(stack, now())
    closing, expected = found.closing, found.expected_minor
    assert expected == before + 650
    assert closing.opening_minor - closing.cash_minor + closing.other_minor == closing.closing_minor
    told = await teller.count(stack, now(), expected - 50)
    assert (told.expected_minor, told.counted_minor) == (expected, expected - 50)
    assert (await teller.day(stack, now())).expected_minor == expected - 50
    with pytest.raises(Malformed):
        await teller.count(stack, now(), -1)
    with pytest.raises(NotPermitted):
        await teller.count(stack, OTHERS[0], 1)
