"""Holds through the acts and doors of holders; freezes, closing and corrections by officers: who may, who may not."""

import pytest
from tests.payments import kit

from msingi.kernel.errors import Malformed, NotPermitted
from msingi.payments import acts, audit, errors, holding, officers, orders, parties, rules, writer
from msingi.payments.holding import ReversalOrder
from msingi.payments.model import AccountKind, Alias, TransferOrder

OFFICER = kit.as_staff("account-officer", id="officer-1", institution="benki")


@pytest.fixture(scope="module")
async def source(stack):
    return await kit.treasury(stack)


@pytest.fixture
async def two(stack, source):
    """Asha with 1000 and Juma with nothing: ids and wallets."""
    asha, juma = await kit.a_person(stack), await kit.a_person(stack)
    return asha, await kit.wallet(stack, asha, 1000, source), juma, await kit.wallet(stack, juma)


def wanted(payer, payee, amount, key="k", reference=""):
    return TransferOrder(key, payer.number, Alias("account", payee.number), amount, "TZS", reference)


async def test_access_reserve(stack, two):
    asha, mine, juma, his = two
    held = await holding.reserve(stack, kit.as_person(asha), wanted(mine, his, 600), 60)
    assert await holding.reserve(stack, kit.as_person(asha), wanted(mine, his, 600), 60) == held
    with pytest.raises(NotPermitted):
        await holding.reserve(stack, kit.as_person(asha, assurance=1), wanted(mine, his, 600, "k2"), 60)
    with pytest.raises(errors.NoSuchAccount):  # somebody else's account
        await holding.reserve(stack, kit.as_person(juma), wanted(mine, his, 1), 60)
    with pytest.raises(errors.InsufficientFunds):
        await acts.transfer(stack, kit.as_person(asha), wanted(mine, his, 401, "t"))
    for seconds in (0, holding.MAX_HOLD_S + 1):
        with pytest.raises(Malformed):
            await holding.reserve(stack, kit.as_person(asha), wanted(mine, his, 1, "k3"), seconds)


async def test_access_commit_hold(stack, two):
    asha, mine, juma, his = two
    held = await holding.reserve(stack, kit.as_person(asha), wanted(mine, his, 600), 60)
    with pytest.raises(errors.NoSuchHold):
        await holding.commit_hold(stack, kit.as_person(juma), "c", held.hold_id, his.number, 600, "TZS")
    paid = await holding.commit_hold(stack, kit.as_person(asha), "c", held.hold_id, mine.number, 500, "TZS")
    again = await holding.commit_hold(stack, kit.as_person(asha), "c", held.hold_id, mine.number, 500, "TZS")
    assert paid == again and paid.amount_minor == 500
    (left,) = await acts.accounts(stack, kit.as_person(asha))
    assert left.balance_minor == left.available_minor == 500
    receipt = await acts.receipt(stack, kit.as_person(juma), paid.transfer_id)
    assert receipt.amount_minor == 500 and receipt.balance_minor == 500


async def test_access_void_hold(stack, two):
    asha, mine, juma, his = two
    held = await holding.reserve(stack, kit.as_person(asha), wanted(mine, his, 1000), 60)
    with pytest.raises(errors.NoSuchHold):
        await holding.void_hold(stack, kit.as_person(juma), "v", held.hold_id, his.number, "TZS")
    await holding.void_hold(stack, kit.as_person(asha), "v", held.hold_id, mine.number, "TZS")
    await acts.transfer(stack, kit.as_person(asha), wanted(mine, his, 1000, "t"))


async def test_access_reverse(stack, two):
    asha, mine, juma, his = two
    receipt = await acts.transfer(stack, kit.as_person(asha), wanted(mine, his, 800))
    for ctx in (kit.as_person(asha), kit.as_staff("treasurer")):
        with pytest.raises(errors.NoSuchTransfer):  # neither the payer nor a stranger takes money back
            await holding.reverse(stack, ctx, ReversalOrder("r", receipt.transfer_id, 800, "kosa"))
    with pytest.raises(NotPermitted):
        await holding.reverse(stack, kit.as_staff("health-worker"), ReversalOrder("r", receipt.transfer_id, 1, "x"))
    await holding.reverse(stack, kit.as_person(juma), ReversalOrder("r", receipt.transfer_id, 300, "bei ya juu"))
    back = await holding.reverse(stack, OFFICER, ReversalOrder("r", receipt.transfer_id, 500, "mlipaji alikosea"))
    assert back.amount_minor == 500
    with pytest.raises(errors.OverOriginal):
        other = await acts.transfer(stack, kit.as_person(asha), wanted(mine, his, 900, "k2"))
        assert other
        await holding.reverse(stack, OFFICER, ReversalOrder("r2", receipt.transfer_id, 1, "tena"))
    page = await acts.statement(stack, kit.as_person(asha), mine.number)
    assert [(e.amount_minor, e.code) for e in page.entries[:3]] == [(-900, "P2P"), (500, "REVR"), (300, "REVR")]
    assert (await audit.check_books(stack.db)).ok


async def test_access_freeze(stack, two):
    asha, mine, juma, his = two
    await acts.transfer(stack, kit.as_person(asha), wanted(mine, his, 10))
    with pytest.raises(NotPermitted):
        await officers.freeze(stack, kit.as_person(juma), mine.number, reason="wivu")
    await officers.freeze(stack, OFFICER, mine.number, reason="Amri ya mahakama 12/2026")
    with pytest.raises(errors.AccountFrozen):  # by a writer that remembered the account as free
        await acts.transfer(stack, kit.as_person(asha), wanted(mine, his, 10, "k2"))
    await acts.transfer(stack, kit.as_person(juma), wanted(his, mine, 5))
    await officers.freeze(stack, OFFICER, mine.number, reason="amri", debits=False, credits=True)
    with pytest.raises(errors.AccountFrozen):
        await acts.transfer(stack, kit.as_person(juma), wanted(his, mine, 5, "k2"))


async def test_access_unfreeze(stack, two):
    asha, mine, _, his = two
    await officers.freeze(stack, OFFICER, mine.number, reason="amri", credits=True)
    with pytest.raises(NotPermitted):
        await officers.unfreeze(stack, kit.as_person(asha), mine.number, reason="nataka")
    await officers.unfreeze(stack, OFFICER, mine.number, reason="amri imeisha")
    await acts.transfer(stack, kit.as_person(asha), wanted(mine, his, 10))


async def test_access_close_account(stack, two):
    asha, mine, juma, his = two
    with pytest.raises(errors.NotEmpty):
        await officers.close_account(stack, kit.as_person(asha), mine.number)
    held = await holding.reserve(stack, kit.as_person(asha), wanted(mine, his, 10), 60)
    with pytest.raises(errors.NotEmpty):  # money is on its way to it
        await officers.close_account(stack, kit.as_person(juma), his.number)
    await holding.void_hold(stack, kit.as_person(asha), "v", held.hold_id, mine.number, "TZS")
    with pytest.raises(errors.NoSuchAccount):
        await officers.close_account(stack, kit.as_person(asha), his.number)
    with pytest.raises(NotPermitted):
        await officers.close_account(stack, kit.as_staff("treasurer"), his.number)
    await officers.close_account(stack, kit.as_person(juma), his.number)
    with pytest.raises(errors.AccountClosed):
        await acts.transfer(stack, kit.as_person(asha), wanted(mine, his, 10, "k2"))
    for later in (
        officers.close_account(stack, OFFICER, his.number),
        officers.unfreeze(stack, OFFICER, his.number, reason="x"),
    ):
        with pytest.raises(errors.NoSuchAccount):
            await later
    assert (await audit.check_books(stack.db)).ok


async def test_a_hold_from_before_a_freeze_is_still_paid(stack, two):
    asha, mine, _, his = two
    held = await holding.reserve(stack, kit.as_person(asha), wanted(mine, his, 600), 60)
    await officers.freeze(stack, OFFICER, mine.number, reason="amri")
    await holding.commit_hold(stack, kit.as_person(asha), "c", held.hold_id, mine.number, 600, "TZS")


async def test_what_is_reserved_counts_against_the_limits_of_both_sides(stack, source):
    """Two holds that together pass the payee's balance limit: the second is refused when it is reserved, not later."""
    tier = next(t for t in stack.profile.tiers if t.tier == 1)
    person = await kit.a_person(stack)
    account = await kit.wallet(stack, person)
    permit = kit.order(stack, "institution:hazina", source.number, account.number, 1).permit
    by = orders.By(permit, parties.institution_ref(stack, "hazina"), "limits")
    pair = [
        orders.reserve(by, k, rules.id_of(source.number), rules.id_of(account.number), n, "TZS", "G2P", timeout_s=60)
        for k, n in (("1", tier.balance_minor - 5), ("2", 6))
    ]
    endings = await writer.of(stack).post(pair)
    assert [e.reason for e in endings] == [0, errors.Reason.BALANCE_LIMIT]
    void = orders.void(by, "3", pair[0].id, "TZS", "G2P")
    assert [e.reason for e in await writer.of(stack).post([void])] == [0]


async def test_institutions_hold_what_their_kind_allows(stack):
    for kind in (AccountKind.AGENT, AccountKind.FEE, AccountKind.SETTLEMENT):
        assert (await acts.open_account(stack, kit.SAMPLE, "benki", kind)).kind is kind
    capped = await acts.open_account(stack, kit.SAMPLE, "benki", AccountKind.SETTLEMENT, floor_minor=-500)
    assert capped.available_minor == 500
    for kind, floor in ((AccountKind.FEE, -1), (AccountKind.SETTLEMENT, 1), (AccountKind.GOVERNMENT, -5)):
        with pytest.raises(Malformed):
            await acts.open_account(stack, kit.SAMPLE, "benki", kind, floor_minor=floor)
