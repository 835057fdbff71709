"""Vouchers: always covered, spent once, only at approved shops, and what is left goes back, whatever breaks off."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.payments import kit

from msingi.kernel import clock
from msingi.kernel.errors import DifferentContent, Malformed, NotPermitted, TooMany
from msingi.payments import acts as ledger
from msingi.payments import errors as ledger_errors
from msingi.payments import rules as ledger_rules
from msingi.payments import writer
from msingi.payments.bank import acts as bank
from msingi.payments.bank.errors import NoSuchMerchant
from msingi.payments.bank.model import MerchantOrder
from msingi.payments.vouchers import acts, errors, funding, jobs, rules, spending
from msingi.payments.vouchers.model import SchemeOrder, ShopOrder, Spending, State, VoucherOrder

G2P = "social-protection"
CLERK = kit.as_staff("payment-clerk", id="clerk", purpose=G2P)
BOSS = kit.as_staff("payment-approver", id="boss", purpose=G2P)
BOTH = kit.as_staff("payment-clerk", "payment-approver", id="clerk", purpose=G2P)
OTHER = kit.as_staff("payment-clerk", "payment-approver", id="other", institution="zahanati", purpose=G2P)
SELLER = kit.as_staff("account-officer", id="mbenki", institution="benki")


@pytest.fixture(scope="module")
async def town(stack):
    """A ministry with money and a scheme with 100,000 in it; a shop that takes food vouchers, and one that does not."""
    source = await kit.treasury(stack, 10**9)
    people = [await kit.enrolled(stack) for _ in range(3)]
    shops = []
    for n, person in enumerate(people[:2]):
        await kit.wallet(stack, person.id)
        order = MerchantOrder(
            key=f"v{n}", name=f"Duka {n}", latin="DUKA", city="MJINI", category="5411", number=person.number
        )
        shops.append((await bank.register_merchant(stack, SELLER, order)).code)
    order = SchemeOrder("CHAKULA", "Chakula kwa wote", source.number, ("food", "seed"), systems=("bb-registries",))
    scheme = await acts.open_scheme(stack, CLERK, order)
    await funding.put_in(stack, BOSS, scheme.scheme_id, "first", 100_000)
    await acts.approve_shop(stack, BOSS, scheme.scheme_id, ShopOrder(shops[0], ("food",), "Bank of Shops 7"))
    return {"source": source, "people": people, "shops": shops, "scheme": scheme, "order": order}


def sells(town, n=0):
    return kit.as_person(town["people"][n].id)


async def issued(stack, town, name, amount=1_000, *, group="food", active=True, **more):
    (one,) = await acts.issue_vouchers(
        stack, CLERK, town["scheme"].scheme_id, [VoucherOrder(name, amount, group, **more)]
    )
    if active:
        assert (await acts.activate_vouchers(stack, CLERK, [one.serial]))[0].done
    return one


async def balances(stack, town) -> tuple[int, int, int]:
    """Payer, trust account, and the first shop."""
    held = {a.number: a.balance_minor for a in await ledger.accounts(stack, kit.as_staff("treasurer"))}
    (purse,) = await ledger.accounts(stack, sells(town))
    return held[town["scheme"].payer], held[town["scheme"].trust], purse.balance_minor


async def covered(stack, town):
    """Law 1: the trust account holds what its live vouchers can still take, and what was put in and given to none."""
    scheme = await acts.scheme(stack, CLERK, town["scheme"].scheme_id)
    page = await acts.vouchers(stack, CLERK, scheme.scheme_id, limit=500)
    left = sum(one.left_minor for one in page.vouchers)
    _, trust, _ = await balances(stack, town)
    assert scheme.allotted_minor <= scheme.funded_minor
    assert left + scheme.funded_minor - scheme.allotted_minor == trust, (left, scheme, trust)


async def test_access_open_scheme(stack, town):
    again = await acts.open_scheme(stack, CLERK, town["order"])
    assert again.scheme_id == town["scheme"].scheme_id and again.trust != again.payer
    with pytest.raises(errors.SchemeCodeTaken):
        await acts.open_scheme(stack, CLERK, SchemeOrder("CHAKULA", "Other", again.payer, ("food",)))
    with pytest.raises(ledger_errors.NoSuchAccount):
        await acts.open_scheme(stack, OTHER, SchemeOrder("MINE", "Mine", again.payer, ("food",)))
    for bad in (SchemeOrder("x", "N", again.payer, ("f",)), SchemeOrder("OK", "N", again.payer, ())):
        with pytest.raises(Malformed):
            await acts.open_scheme(stack, CLERK, bad)
    for ctx in (BOSS, sells(town)):
        with pytest.raises(NotPermitted):
            await acts.open_scheme(stack, ctx, town["order"])


async def test_access_put_in(stack, town):
    """Four eyes, once for each key, and only what the payer has (laws 1 and 6)."""
    id_ = town["scheme"].scheme_id
    before, trust, _ = await balances(stack, town)
    for _ in range(2):
        scheme = await funding.put_in(stack, BOSS, id_, "more", 500)
    after, held, _ = await balances(stack, town)
    assert (before - after, held - trust) == (500, 500) and scheme.funded_minor == 100_500
    with pytest.raises(DifferentContent):
        await funding.put_in(stack, BOSS, id_, "more", 501)
    with pytest.raises(ledger_errors.FourEyes):
        await funding.put_in(stack, BOTH, id_, "mine", 500)
    with pytest.raises(ledger_errors.InsufficientFunds):
        await funding.put_in(stack, BOSS, id_, "huge", 10**12)
    with pytest.raises(errors.NoSuchScheme):
        await funding.put_in(stack, OTHER, id_, "theirs", 500)
    with pytest.raises(NotPermitted):
        await funding.put_in(stack, CLERK, id_, "clerk", 500)
    assert {move.amount for move in await funding.moves(stack, CLERK, id_)} >= {100_000, 500}
    await covered(stack, town)


async def test_access_approve_shop(stack, town):
    id_ = town["scheme"].scheme_id
    with pytest.raises(ledger_errors.FourEyes):
        await acts.approve_shop(stack, BOTH, id_, ShopOrder(town["shops"][1], ("food",)))
    with pytest.raises(NoSuchMerchant):
        await acts.approve_shop(stack, BOSS, id_, ShopOrder("1234567", ("food",)))
    with pytest.raises(Malformed):
        await acts.approve_shop(stack, BOSS, id_, ShopOrder(town["shops"][1], ("cars",)))
    with pytest.raises(NotPermitted):
        await acts.approve_shop(stack, CLERK, id_, ShopOrder(town["shops"][1], ("food",)))
    await acts.approve_shop(stack, BOSS, id_, ShopOrder(town["shops"][1], ("seed",)))
    await acts.approve_shop(stack, BOSS, id_, ShopOrder(town["shops"][1], ()))


async def test_access_approved_shops(stack, town):
    (one,) = await acts.approved_shops(stack, BOSS, town["scheme"].scheme_id)
    assert (one.shop, one.groups) == (town["shops"][0], ("food",))
    with pytest.raises(errors.NoSuchScheme):
        await acts.approved_shops(stack, OTHER, town["scheme"].scheme_id)


async def test_access_schemes(stack, town):
    assert [s.code for s in await acts.schemes(stack, BOSS)] == ["CHAKULA"]
    assert await acts.schemes(stack, OTHER) == []
    with pytest.raises(NotPermitted):
        await acts.schemes(stack, sells(town))


async def test_access_schemes_of_system(stack, town):
    (one,) = await acts.schemes_of_system(stack, CLERK, "bb-registries")
    assert one.code == "CHAKULA" and await acts.schemes_of_system(stack, CLERK, "unknown") == []
    assert await acts.schemes_of_system(stack, OTHER, "bb-registries") == []
    with pytest.raises(NotPermitted):
        await acts.schemes_of_system(stack, sells(town), "bb-registries")


async def test_access_scheme(stack, town):
    assert (await acts.scheme(stack, CLERK, town["scheme"].scheme_id)).code == "CHAKULA"
    with pytest.raises(errors.NoSuchScheme):
        await acts.scheme(stack, OTHER, town["scheme"].scheme_id)


async def test_access_issue_vouchers(stack, town, owner_url):
    """The same order gives the same voucher; what is not covered is not issued; the number is nowhere (law 4)."""
    id_ = town["scheme"].scheme_id
    one = await issued(stack, town, "I-1", active=False)
    assert rules.is_serial(one.serial) and one.number.startswith(one.serial) and len(one.number) == 22
    again = await asyncio.gather(*[issued(stack, town, "I-1", active=False) for _ in range(3)])
    assert {o.number for o in again} == {one.number}
    with pytest.raises(errors.SerialTaken):
        await issued(stack, town, "I-1", 999, active=False)
    with pytest.raises(errors.NotCovered):
        await issued(stack, town, "I-2", 10**9, active=False)
    printed = await issued(stack, town, "I-3", serial="777000111222", number="98765432109876543210", active=False)
    assert printed.serial == "777000111222"
    for serial, number in (("777000111222", "1" * 16), ("888", "98765432109876543210")):
        with pytest.raises(errors.SerialTaken):
            await issued(stack, town, f"I-{serial}", serial=serial, number=number, active=False)
    for bad in (VoucherOrder("x", 0, "food"), VoucherOrder("x", 1, "cars"), VoucherOrder("x", 1, "food", serial="5")):
        with pytest.raises(Malformed):
            await acts.issue_vouchers(stack, CLERK, id_, [bad])
    with pytest.raises(ledger_errors.NoSuchAccount):
        await issued(stack, town, "I-9", person="999999999999", active=False)
    for ctx in (BOSS, sells(town)):
        with pytest.raises(NotPermitted):
            await acts.issue_vouchers(stack, ctx, id_, [VoucherOrder("z", 1, "food")])
    with pytest.raises(errors.NoSuchScheme):
        await acts.issue_vouchers(stack, OTHER, id_, [VoucherOrder("z", 1, "food")])
    kept = str([dict(r) for t in ("voucher", "voucher_number", "voucher_instruction") for r in await kit.owner_does(
        owner_url, f"SELECT * FROM payments.{t}")])  # fmt: skip
    assert one.serial in kept and one.number not in kept and one.number[16:] not in kept.replace(one.serial, "")
    await covered(stack, town)


async def test_access_activate_vouchers(stack, town):
    one = await issued(stack, town, "A-1", active=False)
    with pytest.raises(errors.VoucherEnded):  # not handed out yet
        await spending.take_voucher(stack, sells(town), Spending("a", one.number))
    assert [c.why for c in await acts.activate_vouchers(stack, OTHER, [one.serial])] == [errors.NoSuchVoucher.code]
    with pytest.raises(NotPermitted):
        await acts.activate_vouchers(stack, BOSS, [one.serial])
    told = await acts.activate_vouchers(stack, CLERK, [one.serial, "5"])
    assert [c.done for c in told] == [True, False]


async def test_access_cancel_vouchers(stack, town):
    """What was not taken goes back to the payer, once (law 5)."""
    payer, trust, _ = await balances(stack, town)
    one = await issued(stack, town, "C-1", 700)
    assert [c.done for c in await acts.cancel_vouchers(stack, OTHER, [one.serial])] == [False]
    with pytest.raises(NotPermitted):
        await acts.cancel_vouchers(stack, BOSS, [one.serial])
    assert (await acts.cancel_vouchers(stack, CLERK, [one.serial]))[0].done
    assert (await acts.cancel_vouchers(stack, CLERK, [one.serial]))[0].why == errors.VoucherEnded.code
    with pytest.raises(errors.VoucherEnded):
        await spending.take_voucher(stack, sells(town), Spending("c", one.number))
    await jobs.keep(stack)
    assert await jobs.keep(stack) == 0
    after, held, _ = await balances(stack, town)
    assert (after - payer, trust - held) == (700, 700)
    back = (await funding.moves(stack, BOSS, town["scheme"].scheme_id))[0]
    assert (back.is_return, back.settled, back.amount, back.vouchers) == (True, True, 700, 1)
    await covered(stack, town)


async def test_access_voucher(stack, town):
    one = await issued(stack, town, "R-1")
    found, taken = await acts.voucher(stack, BOSS, one.serial)
    assert (found.state, found.left_minor, taken) == (State.ACTIVE, 1_000, [])
    with pytest.raises(errors.NoSuchVoucher):
        await acts.voucher(stack, OTHER, one.serial)


async def test_access_vouchers(stack, town):
    page = await acts.vouchers(stack, CLERK, town["scheme"].scheme_id, limit=2)
    more = await acts.vouchers(stack, CLERK, town["scheme"].scheme_id, after=page.next_after, limit=2)
    assert len(page.vouchers) == 2 and more.vouchers and more.vouchers[0].serial > page.vouchers[1].serial
    with pytest.raises(errors.NoSuchScheme):
        await acts.vouchers(stack, OTHER, town["scheme"].scheme_id)


async def test_access_own_vouchers(stack, town):
    holder = town["people"][2]
    one = await issued(stack, town, "P-1", person=holder.number)
    (mine,) = await acts.own_vouchers(stack, kit.as_person(holder.id))
    assert (mine.number, mine.scheme, mine.voucher.left_minor) == (one.number, "Chakula kwa wote", 1_000)
    assert await acts.own_vouchers(stack, sells(town)) == []
    with pytest.raises(NotPermitted):
        await acts.own_vouchers(stack, CLERK)


async def test_access_take_voucher(stack, town):
    """Once, whole; repeated it is the first answer, and nobody takes it twice at the same time (laws 2 and 3)."""
    one = await issued(stack, town, "T-1", 800)
    _, trust, purse = await balances(stack, town)
    seen = await spending.see_voucher(stack, sells(town), f"{one.number[:4]} {one.number[4:]}")
    assert (seen.left_minor, seen.group) == (800, "food")
    with pytest.raises(NoSuchMerchant):
        await spending.take_voucher(stack, kit.as_person(town["people"][2].id), Spending("t", one.number))
    with pytest.raises(errors.ShopNotApproved):
        await spending.take_voucher(stack, sells(town, 1), Spending("t", one.number))
    with pytest.raises(errors.VoucherTooSmall):
        await spending.take_voucher(stack, sells(town), Spending("t", one.number, amount_minor=801))
    tries = [spending.take_voucher(stack, sells(town), Spending(f"k{n % 2}", one.number)) for n in range(6)]
    ended = await asyncio.gather(*tries, return_exceptions=True)
    paid = [e for e in ended if not isinstance(e, BaseException)]
    assert len({e.transfer_id for e in paid}) == 1 and all(e.amount_minor == 800 for e in paid)
    assert all(isinstance(e, errors.VoucherEnded) for e in ended if isinstance(e, BaseException))
    _, held, got = await balances(stack, town)
    assert (trust - held, got - purse) == (800, 800)
    with pytest.raises(NotPermitted):
        await spending.take_voucher(stack, CLERK, Spending("t", one.number))
    await covered(stack, town)


async def test_a_voucher_in_parts_is_spent_piece_by_piece(stack, town):
    one = await issued(stack, town, "T-2", 900, in_parts=True)
    first = await spending.take_voucher(stack, sells(town), Spending("p1", one.number, amount_minor=300))
    again = await spending.take_voucher(stack, sells(town), Spending("p1", one.number, amount_minor=300))
    assert first.transfer_id == again.transfer_id and first.left_minor == again.left_minor == 600
    with pytest.raises(DifferentContent):
        await spending.take_voucher(stack, sells(town), Spending("p1", one.number, amount_minor=301))
    rest = await spending.take_voucher(stack, sells(town), Spending("p2", one.number))
    assert (rest.amount_minor, rest.left_minor) == (600, 0)
    with pytest.raises(errors.VoucherEnded):
        await spending.take_voucher(stack, sells(town), Spending("p3", one.number))
    found, taken = await acts.voucher(stack, CLERK, one.serial)
    assert found.state is State.USED and [t.amount for t in taken] == [300, 600]


async def test_access_take_for_shop(stack, town):
    """The ministry's own software, for an approved shop that it names as its own register does."""
    one = await issued(stack, town, "T-3", 400)
    with pytest.raises(NoSuchMerchant):
        await spending.take_for_shop(stack, CLERK, Spending("s", one.number), "Unknown Bank")
    with pytest.raises(errors.NoSuchVoucher):
        await spending.take_for_shop(stack, OTHER, Spending("s", one.number, town["shops"][0]))
    with pytest.raises(NotPermitted):
        await spending.take_for_shop(stack, sells(town), Spending("s", one.number, town["shops"][0]))
    done = await spending.take_for_shop(stack, CLERK, Spending("s", one.number), "Bank of Shops 7")
    assert (done.shop, done.amount_minor) == (town["shops"][0], 400)


async def test_wrong_numbers_are_counted_by_caller_and_block_the_voucher(stack, town):
    one = await issued(stack, town, "W-1")
    wrong = f"{one.serial}{(int(one.number[16:]) + 1) % 10**6:06d}"
    guesser = kit.as_person(town["people"][0].id, name="Guesser")
    for _ in range(5):
        with pytest.raises(errors.NoSuchVoucher):
            await spending.see_voucher(stack, guesser, wrong)
    with pytest.raises(errors.VoucherEnded) as told:
        await spending.see_voucher(stack, guesser, one.number)
    assert told.value.facts["state"] == "blocked"
    assert (await acts.activate_vouchers(stack, CLERK, [one.serial]))[0].done
    for _ in range(5):
        with pytest.raises(errors.NoSuchVoucher):
            await spending.see_voucher(stack, guesser, "1234")
    with pytest.raises(TooMany):
        await spending.see_voucher(stack, guesser, one.number)


@pytest.fixture
def fresh_minute(stack):
    """The counts of wrong numbers start again."""
    stack.local["kernel.tally"] = {}


async def test_what_expires_goes_back_and_what_was_spent_in_part_too(stack, town, monkeypatch, fresh_minute):
    part = await issued(stack, town, "E-1", 1_000, in_parts=True)
    await issued(stack, town, "E-2", 50, active=False)
    await spending.take_voucher(stack, sells(town), Spending("e1", part.number, amount_minor=400))
    payer, _, _ = await balances(stack, town)
    page = await acts.vouchers(stack, CLERK, town["scheme"].scheme_id, limit=500)
    left = sum(one.left_minor for one in page.vouchers)
    late = clock.now() + timedelta(days=91)
    monkeypatch.setattr(funding, "job", lambda: __import__("msgspec").structs.replace(spending.job(), at=late))
    await jobs.keep(stack)
    after, _, _ = await balances(stack, town)
    assert after - payer == left >= 650
    assert (await acts.voucher(stack, CLERK, part.serial))[0].state is State.EXPIRED
    await covered(stack, town)


async def test_access_close_scheme(stack, town):
    """What was given to no voucher goes back at once, the vouchers that people hold go on."""
    order = SchemeOrder("SHORT", "Short", town["source"].number, ("food",))
    scheme = await acts.open_scheme(stack, CLERK, order)
    await funding.put_in(stack, BOSS, scheme.scheme_id, "in", 1_000)
    await acts.approve_shop(stack, BOSS, scheme.scheme_id, ShopOrder(town["shops"][0], ("food",)))
    (one,) = await acts.issue_vouchers(stack, CLERK, scheme.scheme_id, [VoucherOrder("1", 300, "food")])
    await acts.activate_vouchers(stack, CLERK, [one.serial])
    payer, _, _ = await balances(stack, town)
    with pytest.raises(NotPermitted):
        await funding.close_scheme(stack, CLERK, scheme.scheme_id)
    assert (await funding.close_scheme(stack, BOSS, scheme.scheme_id)).funded_minor == 300
    assert (await balances(stack, town))[0] - payer == 700
    with pytest.raises(errors.SchemeClosed):
        await acts.issue_vouchers(stack, CLERK, scheme.scheme_id, [VoucherOrder("2", 1, "food")])
    done = await spending.take_voucher(stack, sells(town), Spending("x", one.number))
    assert done.amount_minor == 300


class Broken(Exception):
    """The program dies here."""


async def test_whatever_breaks_off_pays_once_and_loses_nothing(stack, town, monkeypatch):
    """Before the money moves, and after it moved but before that was noted (law 2)."""
    before = await balances(stack, town)
    for n, place in enumerate(("before", "after")):
        one = await issued(stack, town, f"B-{n}", 100)
        post = spending.ledger.post

        async def dies(stack, orders, place=place, post=post):
            if place == "after":
                await post(stack, orders)
            raise Broken

        with monkeypatch.context() as broken:
            broken.setattr(spending.ledger, "post", dies)
            with pytest.raises(Broken):
                await spending.take_voucher(stack, sells(town), Spending("b", one.number))
        with pytest.raises(errors.VoucherEnded):  # nobody else can take it meanwhile
            await spending.take_voucher(stack, sells(town), Spending("other", one.number))
        with monkeypatch.context() as later:
            later.setattr(spending, "LATE", timedelta(seconds=-1))
            assert await spending.recover(stack) == 1
        done = await spending.take_voucher(stack, sells(town), Spending("b", one.number))
        assert done.amount_minor == 100
    after = await balances(stack, town)
    assert (before[1] - after[1], after[2] - before[2]) == (200, 200)
    await covered(stack, town)


async def test_what_the_ledger_refuses_is_put_back(stack, town):
    one = await issued(stack, town, "F-1", 100)
    book = writer.of(stack).book
    (purse,) = await ledger.accounts(stack, sells(town))
    place = ledger_rules.index_of(ledger_rules.id_of(purse.number))
    flags = book.flags[place]
    book.flags[place] = flags | 4
    try:
        with pytest.raises(ledger_errors.TransferRejected):
            await spending.take_voucher(stack, sells(town), Spending("f", one.number))
    finally:
        book.flags[place] = flags
    assert (await acts.voucher(stack, CLERK, one.serial))[0].left_minor == 100
    assert (await spending.take_voucher(stack, sells(town), Spending("g", one.number))).amount_minor == 100


@given(st.lists(st.tuples(st.sampled_from(["issue", "take", "cancel", "keep"]), st.integers(1, 400)), max_size=8))
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
async def test_every_voucher_is_covered_whatever_happens(stack, town, steps):
    """Law 1 after every step of any history."""
    live: list = []
    for what, n in steps:
        if what == "issue":
            await _maybe(live, issued(stack, town, f"H-{len(live)}-{clock.now()}", n, in_parts=bool(n % 2)))
        elif what == "keep":
            await jobs.keep(stack)
        elif live and what == "take":
            one = live[n % len(live)]
            await _maybe([], spending.take_voucher(stack, sells(town), Spending(f"{n}", one.number, amount_minor=n)))
        elif live:
            await acts.cancel_vouchers(stack, CLERK, [live[n % len(live)].serial])
    await covered(stack, town)


async def _maybe(kept: list, doing) -> None:
    try:
        kept.append(await doing)
    except (errors.NotCovered, errors.VoucherEnded, errors.VoucherTooSmall, DifferentContent):
        return


@given(st.integers(0, 10**14 - 1))
@settings(max_examples=60, deadline=None)
def test_serial_numbers_differ_and_find_every_wrong_digit(place):
    serial = rules.serial_of(place)
    assert rules.is_serial(serial) and rules.serial_of((place + 1) % 10**14) != serial
    wrong = serial[:5] + str((int(serial[5]) + 1) % 10) + serial[6:]
    assert not rules.is_serial(wrong) and rules.serial_tried(serial + "123456") == serial
    assert rules.serial_tried(wrong + "123456") == ""
