"""Accounts of children: a guardian acts within limits, and only while the register says so."""

from datetime import timedelta

import pytest
from tests.payments import kit

from msingi.identity import acts as identity
from msingi.identity.lifecycle import guardians
from msingi.identity.lifecycle.model import GuardianKind, GuardianOrder
from msingi.identity.model import Birth, EnrolmentOrder, Name
from msingi.kernel import clock
from msingi.kernel.context import job_context
from msingi.kernel.errors import Malformed, NotPermitted
from msingi.payments import acts as payments
from msingi.payments import errors as ledger_errors
from msingi.payments import holders
from msingi.payments.bank import tariff
from msingi.payments.groups import wards
from msingi.payments.groups.errors import NeedsSignatures, NotGuardian
from msingi.payments.model import AccountKind, Alias, TransferOrder

REGISTRAR = kit.as_staff("registrar", institution="rita", purpose="identity-registration")
AGE = 10


def me(who: kit.Enrolled):
    return kit.as_person(who.id, name="Asha Mrema")


async def child_of(stack, guardian: kit.Enrolled, name: str) -> kit.Enrolled:
    """A child of ten, whose guardian the register knows."""
    born = clock.today().replace(day=1) - timedelta(days=AGE * 366)
    order = EnrolmentOrder(name=Name(name, f"Mwana{name}"), birth=Birth(born.isoformat()), guardian=guardian.number)
    done = await identity.enrol(stack, job_context("setup", "identity-registration"), order, f"child-{name}")
    return kit.Enrolled(done.person_id, done.number, "")


@pytest.fixture(scope="module")
async def home(stack):
    source = await kit.treasury(stack)
    mother, uncle = await kit.enrolled(stack, "Asha"), await kit.enrolled(stack, "Juma")
    await kit.wallet(stack, mother.id, 10_000, source)
    await kit.wallet(stack, uncle.id, 10_000, source)
    return {"source": source, "mother": mother, "uncle": uncle}


async def funded(stack, home, name: str):
    """A child with a wallet of 500,000 that its mother opened."""
    child = await child_of(stack, home["mother"], name)
    opened = await wards.open_ward_account(stack, me(home["mother"]), child.id, AccountKind.WALLET)
    paid = kit.order(stack, "institution:hazina", home["source"].number, opened.number, 500_000)
    (ending,) = await payments.writer.of(stack).post([paid])
    assert not ending.reason
    return child, opened.number


def fees(home, number, key, amount=1_000, to="uncle"):
    return TransferOrder(key, number, Alias("phone", home[to].phone), amount, "TZS", "school")


async def test_access_open_ward_account(stack, home):
    child = await child_of(stack, home["mother"], "Upendo")
    opened = await wards.open_ward_account(stack, me(home["mother"]), child.id, AccountKind.WALLET)
    assert opened.is_default and opened.tier == 1
    assert opened == await wards.open_ward_account(stack, me(home["mother"]), child.id, AccountKind.WALLET)
    with pytest.raises(NotGuardian):
        await wards.open_ward_account(stack, me(home["uncle"]), child.id, AccountKind.SAVINGS)
    with pytest.raises(Malformed):
        await wards.open_ward_account(stack, me(home["mother"]), child.id, AccountKind.CURRENT)
    with pytest.raises(NotPermitted):
        await wards.open_ward_account(stack, kit.as_person(home["mother"].id, 1), child.id, AccountKind.SAVINGS)
    (purse,) = await payments.accounts(stack, me(home["uncle"]))
    gift = TransferOrder("gift", purse.number, Alias("identity", child.number), 700, "TZS")
    await payments.transfer(stack, me(home["uncle"]), gift)
    mine = next(w for w in await wards.own_wards(stack, me(home["mother"])) if w.person_id == child.id)
    assert mine.accounts[0].balance_minor == 700 and mine.name == "U. M."


async def test_access_own_wards(stack, home):
    child, number = await funded(stack, home, "Tumaini")
    assert child.id in [w.person_id for w in await wards.own_wards(stack, me(home["mother"]))]
    assert await wards.own_wards(stack, me(home["uncle"])) == []
    with pytest.raises(NotPermitted):
        await wards.own_wards(stack, REGISTRAR)
    seen = await wards.ward_statement(stack, me(home["mother"]), child.id, number)
    assert seen.entries[0].amount_minor == 500_000
    with pytest.raises(NotGuardian):
        await wards.ward_statement(stack, me(home["uncle"]), child.id, number)
    (purse,) = await payments.accounts(stack, me(home["uncle"]))
    with pytest.raises(ledger_errors.NoSuchAccount):  # the guardian of one is not the reader of another
        await wards.ward_statement(stack, me(home["mother"]), child.id, purse.number)


async def test_a_guardian_pays_for_a_child_within_the_limit_of_a_day(stack, home):
    _, number = await funded(stack, home, "Rehema")
    most = tariff.of(stack).shared.guardian_day_minor
    await payments.transfer(stack, me(home["mother"]), fees(home, number, "f1", most - 1))
    with pytest.raises(NeedsSignatures):
        await payments.transfer(stack, me(home["mother"]), fees(home, number, "f2", 2))
    with pytest.raises(ledger_errors.NoSuchAccount):
        await payments.transfer(stack, me(home["uncle"]), fees(home, number, "f3", 1, "mother"))


async def test_a_former_guardian_has_no_right_from_the_day_on_which_it_ends(stack, home):
    child, number = await funded(stack, home, "Amani")
    right = GuardianOrder(home["uncle"].number, GuardianKind.KIN, "mother travels")
    await guardians.grant_guardian(stack, REGISTRAR, child.id, right)
    await payments.transfer(stack, me(home["uncle"]), fees(home, number, "g1", 100, "mother"))
    await guardians.end_guardian(stack, REGISTRAR, child.id, home["uncle"].id, "mother is back")
    with pytest.raises(ledger_errors.NoSuchAccount):
        await payments.transfer(stack, me(home["uncle"]), fees(home, number, "g2", 100, "mother"))
    with pytest.raises(NotGuardian):
        await wards.ward_statement(stack, me(home["uncle"]), child.id, number)
    assert all(w.person_id != child.id for w in await wards.own_wards(stack, me(home["uncle"])))


async def test_at_majority_the_right_is_gone_by_itself(stack, home):
    child, number = await funded(stack, home, "Zawadi")
    now = clock.now()
    grown = now.replace(year=now.year + stack.profile.adult_age - AGE + 1, day=1)
    with clock.freeze(grown - timedelta(days=800)):
        await payments.transfer(stack, me(home["mother"]), fees(home, number, "m1"))
    with clock.freeze(grown):
        with pytest.raises(ledger_errors.NoSuchAccount):
            await payments.transfer(stack, me(home["mother"]), fees(home, number, "m2"))
        assert await wards.own_wards(stack, me(home["mother"])) == []
        # The account was always the child's.
        await payments.transfer(stack, me(child), fees(home, number, "m3", 100))


async def test_after_a_childs_death_nothing_leaves(stack, home):
    child, number = await funded(stack, home, "Neema")
    await holders.follow_identity(stack, job_context(holders.JOB), child.id, False)
    with pytest.raises(ledger_errors.AccountFrozen):
        await payments.transfer(stack, me(home["mother"]), fees(home, number, "n1"))
