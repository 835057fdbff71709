"""Our customers pay abroad: what is shown is what happens, in both currencies, or nothing happens in either."""

import asyncio
import json
from datetime import timedelta
from uuid import uuid4

import pytest
from tests.conftest import fresh_database
from tests.payments import kit as people
from tests.payments_switch import fsp, kit
from tests.payments_switch.fsp import at, condition, fulfilment

from msingi import app, countries
from msingi.kernel import clock
from msingi.kernel.errors import NotPermitted, Outage
from msingi.kernel.postgres import as_app
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack
from msingi.payments import acts as ledger_acts
from msingi.payments import errors as ledger_errors
from msingi.payments import homes
from msingi.payments.rates import acts as rates
from msingi.payments.rates import converting
from msingi.payments.rates import errors as rate_errors
from msingi.payments.rates.model import QuoteState, RateOrder, Side
from msingi.payments.switch import abroad, errors, house, ilp, moving, outside, roll

BANK, CODE = "our-bank", "KES"
FEE = "1.5"


def officer(name):
    return people.as_staff("central-banker", id=name, institution="benki-kuu", purpose="operations")


async def foreign(me, method, path, headers, body):
    """A bank abroad that takes a fee of 1.50 out of what arrives."""
    asker, pieces = headers["fspiop-source"], path.split("/")
    if method == "GET" and pieces[1] == "parties":
        who = {"partyIdType": pieces[2], "partyIdentifier": pieces[3], "fspId": me.name}
        party = {"partyIdInfo": who, "name": "W. K.", "supportedCurrencies": [CODE]}
        await me.send("PUT", path, {"party": party}, asker)
    elif method == "POST" and pieces[1] == "quotes":
        asked = json.loads(body)
        sent = float(asked["amount"]["amount"]) + (float(FEE) if asked["amountType"] == "RECEIVE" else 0)
        packet = ilp.pack(ilp.Packet(1, f"g.{me.name}.msisdn.1", json.dumps({"q": asked["quoteId"]}).encode()))
        answer = {
            "transferAmount": {"currency": CODE, "amount": plain(sent)},
            "payeeReceiveAmount": {"currency": CODE, "amount": plain(sent - float(FEE))},
            "payeeFspFee": {"currency": CODE, "amount": FEE},
            "expiration": at(60), "ilpPacket": packet, "condition": condition(packet),
        }  # fmt: skip
        await me.send("PUT", f"/quotes/{asked['quoteId']}", answer | getattr(me, "twist", {}), asker)
    elif method == "POST" and pieces[1] == "transfers":
        asked = json.loads(body)
        path = f"/transfers/{asked['transferId']}"
        if getattr(me, "refuses", False):
            words = {"errorInformation": {"errorCode": "5104", "errorDescription": "no"}}
            await me.send("PUT", f"{path}/error", words, asker)
        elif not getattr(me, "silent", False):
            done = {
                "transferState": "COMMITTED",
                "fulfilment": fulfilment(asked["ilpPacket"]),
                "completedTimestamp": at(0),
            }
            await me.send("PUT", path, done, asker)


def plain(amount):
    return f"{amount:.2f}".rstrip("0").rstrip(".")


@pytest.fixture(scope="module")
async def stack(server, template, owner_url, tmp_path_factory):
    """A stack with a second shard in a database of its own; the switch's accounts are in the first one."""
    second = await fresh_database(server, template)
    settings = Settings(
        home=tmp_path_factory.mktemp("home"),
        base_url="http://127.0.0.1:8080",
        sandbox=True,
        ledger_shards=f"1={second}",
    )
    made = await Stack.open(settings, as_app(owner_url), countries.load("taifa"))
    app.load_policies()
    app.furnish(made)
    await app.start_rooms(made)
    yield made
    for database in reversed(homes.databases(made)):
        await database.db.close()


@pytest.fixture
async def other(stack, client):
    home = stack.profile.currency
    await kit.currency(stack, home.code, home.digits)
    await kit.currency(stack, CODE, 2)
    if BANK not in (await roll.of(stack)).fsps:
        await house.join(stack, kit.setup(), BANK, "benki", "People's Bank")
        await house.settle_in(stack, kit.setup(), BANK, CODE, 2)
        for code, digits in ((home.code, home.digits), (CODE, 2)):
            await rates.open_position(stack, officer("one"), code, digits, 10**9)
        now = clock.now()
        order = RateOrder(home.code, CODE, "0.05", 100, now, now + timedelta(days=1), fee_minor=100, fee_bp=50)
        (made,) = await rates.propose_rates(stack, officer("one"), [order])
        await rates.decide_rates(stack, officer("two"), made.batch, True)
    made = await kit.participant(
        stack, client, f"abroad-{uuid4().hex[:6]}", currency=CODE, cover=10**9, limit=10**9, reply=foreign
    )
    yield made
    await kit.quiet(stack)
    await made.stop()


async def customer(stack, amount=1_000_000, shard=1):
    """Somebody whose accounts are in this shard of two."""
    while (person := (await people.enrolled(stack)).id).int % 2 != shard:
        pass
    account = await people.wallet(stack, person, amount, await people.treasury(stack) if amount else None)
    return people.as_person(person), account.number


async def has(stack, me):
    (account,) = await ledger_acts.accounts(stack, me)
    return account.balance_minor, account.available_minor


async def agreed(stack):
    """Clearing and position tell the same in the other currency, and nothing is held that has ended."""
    await kit.quiet(stack)
    now = await kit.stands(stack, BANK, CODE)
    async with stack.db.reading("payments") as tx:
        row = await house.ledger_store.account(tx, await house.clearing(stack, BANK, CODE))
    assert (now.position_minor, now.reserved_minor) == (row["posted"], 0)
    return {
        p.currency: (p.held_minor, p.reserved_minor, p.fees_minor) for p in await rates.positions(stack, officer("one"))
    }


async def somebody(other):
    msisdn = f"2547{uuid4().int % 10**8:08d}"
    await other.send("POST", f"/participants/MSISDN/{msisdn}", {"fspId": other.name, "currency": CODE})
    await other.wait("PUT", f"/participants/MSISDN/{msisdn}")
    return msisdn


async def test_access_ask_abroad(stack, other):
    me, _ = await customer(stack)
    to = await outside.find(stack, me, "MSISDN", await somebody(other))
    assert (to.fsp, to.name, to.currencies) == (other.name, "W. K.", (CODE,))
    offer = await abroad.ask_abroad(stack, me, to, CODE, 100_000)
    assert (offer.quote.total_minor, offer.quote.fee_minor, offer.quote.target_minor) == (100_000, 600, 4920_30)
    assert (offer.receive_minor, offer.their_fee_minor, offer.quote.rate) == (4918_80, 1_50, "0.0495")
    asked = await abroad.ask_abroad(stack, me, to, CODE, 1_000_00, Side.RECEIVE)
    assert (asked.receive_minor, asked.quote.target_minor) == (1_000_00, 1_001_50)
    with pytest.raises(NotPermitted):
        await abroad.ask_abroad(
            stack, people.as_person((await people.enrolled(stack)).id, assurance=1), to, CODE, 1_000
        )
    with pytest.raises(rate_errors.NoSuchQuote):
        await abroad.promised(stack, (await customer(stack, 0))[0], asked.quote.id)
    assert (await abroad.promised(stack, me, asked.quote.id))[1].receive_minor == 1_000_00
    with pytest.raises(errors.BadCurrency):
        await abroad.ask_abroad(stack, me, to, "USD", 1_000)
    with pytest.raises(rate_errors.AmountNotConverted):
        await abroad.ask_abroad(stack, me, to, CODE, 1)


@pytest.mark.parametrize("shard", [0, 1])
async def test_access_pay_abroad(stack, other, shard):
    me, account = await customer(stack, shard=shard)
    to = await outside.find(stack, me, "MSISDN", await somebody(other))
    before, stood = await agreed(stack), (await kit.stands(stack, other.name, CODE)).position_minor
    offer = await abroad.ask_abroad(stack, me, to, CODE, 100_000)
    for _ in range(2):  # the same key pays once
        sent = await abroad.pay_abroad(stack, me, account, offer.quote.id, "key-1")
        assert (sent.amount_minor, sent.to.name) == (100_000, "W. K.")
    after = await agreed(stack)
    home = stack.profile.currency.code
    assert await has(stack, me) == (900_000, 900_000)
    assert after[CODE][0] == before[CODE][0] - 4920_30 and after[home][0] == before[home][0] + 99_400
    assert after[home][2] == before[home][2] + 600
    assert (await kit.stands(stack, other.name, CODE)).position_minor == stood - 4920_30
    stranger, strange = await customer(stack, 0)
    fresh = await abroad.ask_abroad(stack, me, to, CODE, 50_000)
    for who, which, why in (
        (stranger, strange, rate_errors.NoSuchQuote),
        (me, strange, ledger_errors.NoSuchAccount),
        (people.as_person((await people.enrolled(stack)).id, assurance=1), account, NotPermitted),
    ):
        with pytest.raises(why):
            await abroad.pay_abroad(stack, who, which, fresh.quote.id, "key-2")
    with pytest.raises(rate_errors.NoSuchQuote):  # an offer abroad is no exchange between own accounts
        quote = await abroad.ask_abroad(stack, me, to, CODE, 50_000)
        await converting.exchange(stack, me, quote.quote.id, account, account, "key")
    assert await agreed(stack) == after and await has(stack, me) == (900_000, 900_000)


async def test_customers_of_every_shard_pay_other_banks(stack, client, other):
    """In the country's own currency: the money is held in the customer's shard, for clearing in the first."""
    home = stack.profile.currency.code
    near = await kit.participant(
        stack, client, f"near-{uuid4().hex[:6]}", currency=home, cover=10**9, limit=10**9, reply=fsp.payee
    )
    msisdn = f"25577{uuid4().int % 10**7:07d}"
    await near.send("POST", f"/participants/MSISDN/{msisdn}", {"fspId": near.name, "currency": home})
    await near.wait("PUT", f"/participants/MSISDN/{msisdn}")
    before = (await kit.stands(stack, BANK, home)).position_minor
    for shard in (0, 1):
        me, account = await customer(stack, shard=shard)
        to = await outside.find(stack, me, "MSISDN", msisdn)
        offer = await outside.ask_offer(stack, me, to, 40_000)
        for _ in range(2):
            await outside.pay_outside(stack, me, account, offer, "k")
        assert await has(stack, me) == (960_000, 960_000)
    assert (await kit.stands(stack, BANK, home)).position_minor == before + 80_000
    async with stack.db.reading("payments") as tx:
        row = await house.ledger_store.account(tx, await house.clearing(stack, BANK, home))
    assert (row["posted"], row["reserved"]) == (before + 80_000, 0)
    await near.stop()


async def test_refused_silent_and_expired_come_back(stack, other, monkeypatch):
    me, account = await customer(stack)
    to = await outside.find(stack, me, "MSISDN", await somebody(other))
    before = await agreed(stack)
    other.refuses = True
    offer = await abroad.ask_abroad(stack, me, to, CODE, 70_000)
    for why in (errors.UnknownParty, rate_errors.QuoteUsed):
        with pytest.raises(why):
            await abroad.pay_abroad(stack, me, account, offer.quote.id, "k")
    other.refuses, other.silent = False, True
    monkeypatch.setattr(house, "ANSWER_S", 1.0)
    offer = await abroad.ask_abroad(stack, me, to, CODE, 70_000)
    for _ in range(2):
        with pytest.raises(Outage):
            await abroad.pay_abroad(stack, me, account, offer.quote.id, "k")
    assert await has(stack, me) == (1_000_000, 930_000)
    await asyncio.sleep(1.2)
    await moving.expire(stack)
    await kit.quiet(stack)
    assert await has(stack, me) == (1_000_000, 1_000_000)
    with pytest.raises(rate_errors.QuoteUsed):
        await abroad.pay_abroad(stack, me, account, offer.quote.id, "k")
    other.silent = False
    offer = await abroad.ask_abroad(stack, me, to, CODE, 70_000)
    late = offer.valid_until + timedelta(milliseconds=1)
    with monkeypatch.context() as later:
        later.setattr(abroad.clock, "now", lambda: late)
        with pytest.raises(rate_errors.QuoteExpired):
            await abroad.pay_abroad(stack, me, account, offer.quote.id, "k")
    poor = await abroad.ask_abroad(stack, me, to, CODE, 1_000_001)
    with pytest.raises(ledger_errors.InsufficientFunds):
        await abroad.pay_abroad(stack, me, account, poor.quote.id, "k")
    assert await agreed(stack) == before and await has(stack, me) == (1_000_000, 1_000_000)


@pytest.mark.parametrize(
    "twist",
    [
        {"transferAmount": {"currency": "USD", "amount": "4920.3"}},
        {"transferAmount": {"currency": CODE, "amount": "4920.29"}},
        {"payeeReceiveAmount": {"currency": "USD", "amount": "4918.8"}},
        {"payeeReceiveAmount": {"currency": CODE, "amount": "4920.31"}},
        {"payeeFspFee": {"currency": "TZS", "amount": "1"}},
        {"transferAmount": {"currency": CODE, "amount": "4920.301"}},
    ],
    ids=["dollars", "less", "dollars-arrive", "more-arrives", "fee-elsewhere", "decimals"],
)
async def test_an_offer_in_another_currency_or_amount_is_refused(stack, other, twist):
    me, _ = await customer(stack, 0)
    other.twist = twist
    to = outside.Found(other.name, "W. K.", "MSISDN", "254700000001", (CODE,))
    with pytest.raises(errors.BadSyntax):
        await abroad.ask_abroad(stack, me, to, CODE, 100_000)


async def test_what_a_stopped_program_left_ends_as_the_switch_says(stack, other, monkeypatch):
    """Confirmed, and then nothing: before the order, and after the other side was paid."""
    me, account = await customer(stack)
    to = await outside.find(stack, me, "MSISDN", await somebody(other))
    monkeypatch.setattr(house, "ANSWER_S", 1.0)

    async def stop(*args, **more):
        raise Outage("stopped")

    ended = []
    for broken in ((abroad, "_send"), (converting, "finish")):
        offer = await abroad.ask_abroad(stack, me, to, CODE, 10_000)
        with monkeypatch.context() as now:
            now.setattr(*broken, stop)
            with pytest.raises(Outage):
                await abroad.pay_abroad(stack, me, account, offer.quote.id, "k")
            await kit.quiet(stack)
        assert (await converting.find(stack, offer.quote.id)).quote.state is QuoteState.HELD
        assert await abroad.end_left(stack) == 0  # too early
        with monkeypatch.context() as later:
            far = offer.quote.valid_until + timedelta(minutes=4)
            later.setattr(converting.clock, "now", lambda far=far: far)
            assert await abroad.end_left(stack) == 1
        ended.append((await converting.find(stack, offer.quote.id)).quote.state)
    assert ended == [QuoteState.FREED, QuoteState.PAID]
    await agreed(stack)
    assert await has(stack, me) == (990_000, 990_000)
