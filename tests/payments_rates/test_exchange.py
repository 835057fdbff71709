"""Exchange with a real ledger: four eyes on rates, both sides or neither, quotes that end, and the tricks that fail."""

import asyncio
import contextlib
from datetime import timedelta
from uuid import UUID

import pytest
from tests.payments import kit

from msingi.kernel import clock, policy
from msingi.kernel.context import ANYBODY, context, job_context
from msingi.kernel.errors import DifferentContent, NotPermitted, TooMany
from msingi.kernel.ids import uuid7
from msingi.payments import acts as ledger_acts
from msingi.payments import errors as ledger_errors
from msingi.payments.model import AccountKind
from msingi.payments.rates import acts, converting, errors, renewing, store
from msingi.payments.rates.model import QuoteState, RateOrder, RateState, Side

LIMIT = 20_000_00
BANKER = "benki-kuu"


def officer(name="banker-1", *roles):
    return kit.as_staff(*(roles or ("central-banker",)), id=name, institution=BANKER, purpose="operations")


def rate(source="TZS", target="KES", middle="0.05", hours=2, **more):
    now = clock.now()
    return RateOrder(source, target, middle, 100, now - timedelta(minutes=1), now + timedelta(hours=hours), **more)


async def in_force(stack, *orders):
    (first, *_) = await acts.propose_rates(stack, officer("banker-1"), list(orders))
    await acts.decide_rates(stack, officer("banker-2"), first.batch, True)


@pytest.fixture
async def dealing(stack):
    for code, digits in (("TZS", 0), ("KES", 2), ("USD", 2)):
        await acts.open_position(stack, officer(), code, digits, LIMIT if code == "KES" else 10**12)
    await in_force(stack, rate(fee_minor=100, fee_bp=50))


async def customer(stack, amount=1_000_000):
    """A person with a wallet in shillings and an account in the other currency."""
    person = (await kit.enrolled(stack)).id
    wallet = await kit.wallet(stack, person, amount, await kit.treasury(stack) if amount else None)
    other = await ledger_acts.open_account(stack, kit.SAMPLE, person, AccountKind.CURRENT, currency="KES")
    return person, wallet.number, other.number


async def held(stack, person):
    accounts = await ledger_acts.accounts(stack, kit.as_person(person))
    return {a.currency: (a.balance_minor, a.available_minor) for a in accounts}


async def house(stack):
    found = {p.currency: p for p in await acts.positions(stack, officer())}
    return {c: (p.held_minor, p.fees_minor, p.reserved_minor) for c, p in found.items()}


async def test_access_open_position(stack):
    made = await acts.open_position(stack, officer(), "KES", 2, LIMIT)
    assert (made.currency, made.digits, made.limit_minor, made.held_minor) == ("KES", 2, LIMIT, 0)
    for wrong in (officer("x", "auditor"), kit.as_staff("treasurer", purpose="operations"), kit.as_person(uuid7())):
        with pytest.raises(NotPermitted):
            await acts.open_position(stack, wrong, "KES", 2, LIMIT)
    for wrong in (("kes", 2, 1), ("KES", 5, 1), ("KES", 2, -1), ("KES", 2, 10**15 + 1)):
        with pytest.raises(errors.Malformed):
            await acts.open_position(stack, officer(), *wrong)


async def test_access_positions(stack, dealing):
    assert {p.currency for p in await acts.positions(stack, officer("a", "auditor"))} == {"KES", "TZS", "USD"}
    with pytest.raises(NotPermitted):
        await acts.positions(stack, kit.as_staff("treasurer", purpose="operations"))


async def test_access_rates(stack, dealing):
    page = await acts.rates(stack, officer("a", "auditor"), limit=1)
    assert page[0].state is RateState.APPROVED and (page[0].proposed_by, page[0].decided_by) != ("", "")
    rest = await acts.rates(stack, officer(), before=page[0].proposed_at, before_id=page[0].id)
    assert page[0] not in rest and all(r.proposed_at <= page[0].proposed_at for r in rest)
    with pytest.raises(NotPermitted):
        await acts.rates(stack, kit.as_person(uuid7()))
    with pytest.raises(errors.Malformed):
        await acts.rates(stack, officer(), limit=201)


async def test_access_propose_rates(stack, dealing):
    (made,) = await acts.propose_rates(stack, officer(), [rate("USD", "KES", "129.5")])
    assert made.state is RateState.WAITING
    with pytest.raises(NotPermitted):
        await acts.propose_rates(stack, officer("a", "auditor"), [rate()])
    with pytest.raises(errors.NoPosition):
        await acts.propose_rates(stack, officer(), [rate("TZS", "EUR")])


async def test_access_import_rates(stack, dealing):
    text = "source,target,middle,spread_bp,valid_from,valid_until\n"
    since, until = clock.now().isoformat(), (clock.now() + timedelta(1)).isoformat()
    found = await acts.import_rates(
        stack, officer(), text + f"USD,TZS,2500,50,{since},{until}\nUSD,KES,129,50,{since},{until}"
    )
    assert len(found) == 2 and found[0].batch == found[1].batch
    with pytest.raises(NotPermitted):
        await acts.import_rates(stack, kit.as_person(uuid7()), text)


async def test_access_decide_rates_needs_a_second_officer(stack, dealing):
    """Law 4: what one officer proposed is in force only once another approved it."""
    (made,) = await acts.propose_rates(stack, officer("banker-1"), [rate("USD", "TZS", "2500")])

    async def usd():
        return [o for o in await acts.offered(stack, officer()) if (o.source, o.target) == ("USD", "TZS")]

    assert not await usd()
    with pytest.raises(errors.OwnRate):
        await acts.decide_rates(stack, officer("banker-1"), made.batch, True)
    with pytest.raises(NotPermitted):
        await acts.decide_rates(stack, officer("banker-3", "auditor"), made.batch, True)
    assert await acts.decide_rates(stack, officer("banker-2"), made.batch, True) == 1
    assert [(o.rate, o.middle) for o in await usd()] == [("2475", "2500")]
    with pytest.raises(errors.NoSuchRate):  # decided once
        await acts.decide_rates(stack, officer("banker-2"), made.batch, False)
    (refused,) = await acts.propose_rates(stack, officer("banker-1"), [rate("USD", "TZS", "1")])
    await acts.decide_rates(stack, officer("banker-1"), refused.batch, False)  # whoever proposed may take it back
    assert [o.middle for o in await usd()] == ["2500"]


async def test_access_withdraw_rate(stack, dealing):
    (made,) = await acts.propose_rates(stack, officer("banker-1"), [rate("KES", "USD", "0.0077")])
    with pytest.raises(errors.NoSuchRate):  # it was never in force
        await acts.withdraw_rate(stack, officer("banker-1"), made.id)
    await acts.decide_rates(stack, officer("banker-2"), made.batch, True)
    with pytest.raises(NotPermitted):
        await acts.withdraw_rate(stack, officer("a", "auditor"), made.id)
    await acts.withdraw_rate(stack, officer("banker-1"), made.id)
    assert not [o for o in await acts.offered(stack, officer()) if (o.source, o.target) == ("KES", "USD")]
    with pytest.raises(errors.NoSuchRate):
        await acts.withdraw_rate(stack, officer("banker-1"), made.id)


async def test_access_offered(stack, dealing):
    """Anybody may read the rates in force; a rate that only waits is in nobody's list."""
    await acts.propose_rates(stack, officer(), [rate("KES", "USD", "0.0078")])
    found = await acts.offered(stack, context(ANYBODY, "payment", "contract"))
    assert ("TZS", "KES") in {(o.source, o.target) for o in found}
    assert ("KES", "USD") not in {(o.source, o.target) for o in found}


async def test_access_exchange(stack, dealing):
    person, tzs, kes = await customer(stack)
    me, before = kit.as_person(person), await house(stack)
    quote = await converting.quote(stack, me, "TZS", "KES", 100_000, Side.SEND)
    assert (quote.fee_minor, quote.converted_minor, quote.target_minor, quote.rate) == (600, 99_400, 4920_30, "0.0495")
    for _ in range(2):  # the same key converts once
        done = await converting.exchange(stack, me, quote.id, tzs, kes, "key-1")
        assert done.quote.state is QuoteState.PAID
    assert await held(stack, person) == {"TZS": (900_000, 900_000), "KES": (4920_30, 4920_30)}
    after = await house(stack)
    assert (after["TZS"][0] - before["TZS"][0], after["TZS"][1] - before["TZS"][1]) == (99_400, 600)
    assert after["KES"] == (before["KES"][0] - 4920_30, 0, 0)
    with pytest.raises(NotPermitted):
        await converting.quote(stack, kit.as_person(person, assurance=1), "TZS", "KES", 100_000, Side.SEND)
    with pytest.raises(NotPermitted):
        await converting.exchange(stack, officer(), quote.id, tzs, kes, "key-1")
    with pytest.raises(errors.QuoteUsed):  # law 5: a quote pays once
        await converting.exchange(stack, me, quote.id, tzs, kes, "key-2")


async def test_a_quote_is_its_holders_and_its_currencies(stack, dealing):
    """Law 5, and currency confusion: another's quote, another's account, the legs swapped, a third currency."""
    person, tzs, kes = await customer(stack)
    thief, thief_tzs, thief_kes = await customer(stack, 0)
    me = kit.as_person(person)
    quote = await converting.quote(stack, me, "TZS", "KES", 50_000, Side.SEND)
    with pytest.raises(errors.NoSuchQuote):
        await converting.exchange(stack, kit.as_person(thief), quote.id, thief_tzs, thief_kes, "k")
    for payer, payee in ((thief_tzs, kes), (tzs, thief_kes)):
        with pytest.raises(ledger_errors.NoSuchAccount):
            await converting.exchange(stack, me, quote.id, payer, payee, "k")
    for payer, payee in ((kes, tzs), (tzs, tzs), (kes, kes)):
        with pytest.raises(ledger_errors.CurrencyMismatch):
            await converting.exchange(stack, me, quote.id, payer, payee, "k")
    for missing in (str(uuid7()), "nothing"):
        with pytest.raises(errors.NoSuchQuote):
            await converting.exchange(stack, me, missing, tzs, kes, "k")
    assert await held(stack, person) == {"TZS": (1_000_000, 1_000_000), "KES": (0, 0)}
    for pair in (("KES", "TZS"), ("TZS", "EUR"), ("TZS", "USD")):
        with pytest.raises(errors.NoRate):
            await converting.quote(stack, me, *pair, 1_000, Side.SEND)
    for pair in (("TZS", "tzs"), ("", "KES")):
        with pytest.raises(errors.BadRate):
            await converting.quote(stack, me, *pair, 1_000, Side.SEND)


async def test_a_quote_that_ended_moves_nothing_and_a_race_pays_once(stack, dealing, monkeypatch):
    person, tzs, kes = await customer(stack)
    me = kit.as_person(person)
    quote = await converting.quote(stack, me, "TZS", "KES", 50_000, Side.SEND)
    late = quote.valid_until + timedelta(microseconds=1)
    with monkeypatch.context() as later:
        later.setattr(converting.clock, "now", lambda: late)
        with pytest.raises(errors.QuoteExpired):
            await converting.exchange(stack, me, quote.id, tzs, kes, "k")
    assert await held(stack, person) == {"TZS": (1_000_000, 1_000_000), "KES": (0, 0)}
    tries = [converting.exchange(stack, me, quote.id, tzs, kes, f"k{n % 3}") for n in range(9)]
    ended = await asyncio.gather(*tries, return_exceptions=True)
    assert {type(one) for one in ended} <= {errors.QuoteUsed, type(ended[0]), converting.Exchanged}
    assert sum(isinstance(one, converting.Exchanged) for one in ended) == 3  # one key of three, each time it was sent
    assert (await held(stack, person))["TZS"] == (950_000, 950_000)
    with pytest.raises(DifferentContent):
        winner = next(n % 3 for n, one in enumerate(ended) if isinstance(one, converting.Exchanged))
        kept = await converting.find(stack, quote.id)
        permit = policy.decide(me, "payments.exchange", person, holder="person", own_account=False)
        await converting.take(stack, permit, kept.owner, quote.id, kept.payer, kept.payer, f"k{winner}")


async def test_the_last_shilling_and_the_last_of_the_position(stack, dealing):
    """Both sides or neither (laws 1 and 6): what one side has not, the other never gives."""
    person, tzs, kes = await customer(stack, 10_000)
    me, before = kit.as_person(person), await house(stack)
    quotes = [await converting.quote(stack, me, "TZS", "KES", 6_000, Side.SEND) for _ in range(3)]
    tries = [converting.exchange(stack, me, q.id, tzs, kes, "k") for q in quotes]
    ended = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, converting.Exchanged) for one in ended) == 1
    assert sum(isinstance(one, ledger_errors.InsufficientFunds) for one in ended) == 2
    assert (await held(stack, person))["TZS"] == (4_000, 4_000)
    after = await house(stack)
    assert after["KES"][2] == 0 and before["KES"][0] - after["KES"][0] == quotes[0].target_minor
    rich, rich_tzs, rich_kes = await customer(stack, 900_000)
    too_much = await converting.quote(stack, kit.as_person(rich), "TZS", "KES", LIMIT + 1, Side.RECEIVE)
    with pytest.raises(errors.PositionFull):
        await converting.exchange(stack, kit.as_person(rich), too_much.id, rich_tzs, rich_kes, "k")
    assert await held(stack, rich) == {"TZS": (900_000, 900_000), "KES": (0, 0)}
    assert await house(stack) == after


async def test_what_a_stopped_program_left_is_brought_to_its_end(stack, dealing, monkeypatch):
    """A stop at every step: whatever was decided is done, and nothing is half done (law 1)."""
    person, tzs, kes = await customer(stack, 100_000)
    me = kit.as_person(person)

    class Stop(Exception):
        pass

    paid = 0
    for step in range(1, 7):
        before, quote = await held(stack, person), await converting.quote(stack, me, "TZS", "KES", 10_000, Side.SEND)
        left = iter(range(step))

        def counted(real, left=left):
            async def call(*args, **more):
                if next(left, None) is None:
                    raise Stop
                return await real(*args, **more)

            return call

        with monkeypatch.context() as broken:
            broken.setattr(converting.ledger, "post", counted(converting.ledger.post))
            broken.setattr(converting.ledger, "post_linked", counted(converting.ledger.post_linked))
            broken.setattr(converting, "_turned", counted(converting._turned))
            with contextlib.suppress(Stop):
                await converting.exchange(stack, me, quote.id, tzs, kes, "k")
        await converting.finish_left(stack)  # too early for what is only held
        far = clock.now() + timedelta(days=4)
        with monkeypatch.context() as later:
            later.setattr(converting.clock, "now", lambda far=far: far)
            await converting.finish_left(stack)
        state = (await converting.find(stack, quote.id)).quote.state
        after = await held(stack, person)
        assert state in (QuoteState.PAID, QuoteState.FREED)
        assert after["TZS"][0] == after["TZS"][1] == before["TZS"][0] - (10_000 if state is QuoteState.PAID else 0)
        assert after["KES"][0] - before["KES"][0] == (quote.target_minor if state is QuoteState.PAID else 0)
        paid += state is QuoteState.PAID
    assert paid >= 2 and (await house(stack))["KES"][2] == 0


async def test_access_pay_exchange(stack, dealing):
    """Only the house's own job pays what was confirmed; a quote that nobody confirmed is not touched."""
    assert policy.decide(converting.job(), "payments.fx-pay-exchange", policy.NOBODY)
    with pytest.raises(NotPermitted):
        policy.decide(officer(), "payments.fx-pay-exchange", policy.NOBODY)
    person, _, _ = await customer(stack)
    quote = await converting.quote(stack, kit.as_person(person), "TZS", "KES", 10_000, Side.SEND)
    for paid in (True, False):
        await converting.finish(stack, quote.id, paid=paid)
    async with stack.db.reading("payments") as tx:
        assert (await store.quote(tx, UUID(quote.id))).quote.state is QuoteState.OFFERED


async def test_quotes_are_counted_for_each_holder(stack, dealing, monkeypatch):
    monkeypatch.setattr(converting, "QUOTES", 2)
    (one, _, _), (two, _, _) = await customer(stack, 0), await customer(stack, 0)
    wanted = "TZS", "KES", 10_000, Side.SEND
    for person, why in ((one, None), (one, None), (one, TooMany), (two, None)):
        with pytest.raises(why) if why else contextlib.nullcontext():
            await converting.quote(stack, kit.as_person(person), *wanted)


async def test_in_a_sandbox_the_installations_rates_are_renewed_before_they_end(stack, dealing):
    async def until(source, at):
        with clock.freeze(at):
            found = await acts.offered(stack, kit.as_staff("central-banker"))
        return [o.valid_until for o in found if o.source == source]

    (made,) = await acts.propose_rates(stack, job_context("setup"), [rate("USD", "KES", "129", hours=24)])
    await acts.decide_rates(stack, job_context("setup-second"), made.batch, True)
    officers = await until("TZS", clock.now())
    week = clock.now() + timedelta(days=8)
    assert await renewing.renew_sample(stack) == 1 and await renewing.renew_sample(stack) == 0
    (renewed,) = await until("USD", clock.now() + timedelta(days=8))
    assert renewed > week and officers == await until("TZS", clock.now())  # what officers set, they renew
