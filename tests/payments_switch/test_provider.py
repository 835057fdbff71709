"""Our customers pay by way of an exchange provider: what is shown is what happens, or nothing happens to anybody."""

import json
from uuid import uuid4

import pytest
from msgspec.structs import replace
from tests.payments import kit as people
from tests.payments_switch import kit
from tests.payments_switch.fsp import payee

from msingi.kernel.errors import NotPermitted, Outage
from msingi.payments import acts as ledger_acts
from msingi.payments import errors as ledger_errors
from msingi.payments.rates.errors import NoRate
from msingi.payments.rates.model import Side
from msingi.payments.switch import errors, exchanging, house, moving, neighbour, outside, provider, providing, roll
from msingi.payments.switch.model import Pair

BANK, CODE = "our-bank", "USD"


async def dealer(me, method, path, headers, body):
    """A provider that says what the simulated one says; `off` makes it dearer, silent or unwilling."""
    home = me.home
    plan = neighbour.Plan(me.name, home.code, home.digits, 0, "", {}, CODE, 2, me.rate, 100)
    off = getattr(me, "off", "")
    if method == "POST" and off != "silent":
        said = exchanging.answer(plan, b"s" * 32, path, body, headers["fspiop-source"])
        if off == "unwilling" and path == "/fxTransfers":
            there = f"{path}/{json.loads(body)['commitRequestId']}/error"
            said = ("PUT", there, said[2], exchanging._no())
        content = exchanging.wire.msgspec.json.encode(said[3])
        await me.send(said[0], said[1], None, said[2], version="2.0", raw=content)


@pytest.fixture
async def others(stack, client):
    """Two providers, of which the second has the better rate, and a bank that settles in dollars alone."""
    home = stack.profile.currency
    await kit.currency(stack, home.code, home.digits)
    await kit.currency(stack, CODE)
    if BANK not in (await roll.of(stack)).fsps:
        await house.join(stack, kit.setup(), BANK, "benki", "People's Bank")
    tag, made = uuid4().hex[:6], []
    for name, rate in ((f"dear-{tag}", "0.0003"), (f"cheap-{tag}", "0.0004")):
        one = await kit.participant(stack, client, name, currency=home.code, cover=10**9, limit=10**9, reply=dealer)
        one.home, one.rate = home, rate
        await kit.settles(stack, name, CODE, 10**6)
        await providing.change_pair(stack, kit.setup(), Pair(name, home.code, CODE), active=True)
        made.append(one)
    far = await kit.participant(stack, client, f"far-{tag}", currency=CODE, reply=payee)
    yield *made, far
    await kit.quiet(stack)
    for one in made:
        await providing.change_pair(stack, kit.setup(), Pair(one.name, home.code, CODE), active=False)
    for one in (*made, far):
        await one.stop()


async def customer(stack, amount=1_000_000):
    person = (await people.enrolled(stack)).id
    account = await people.wallet(stack, person, amount, await people.treasury(stack, amount))
    return people.as_person(person), account.number


async def has(stack, ctx):
    (account,) = await ledger_acts.accounts(stack, ctx)
    return account.balance_minor, account.available_minor


async def found(stack, ctx, far):
    return outside.Found(far.name, "A. M.", "MSISDN", "99977700022", (CODE,))


async def test_access_ask_and_pay(stack, others):
    """The best rate is offered; rate and charge are shown before; an offer is paid once, by whom it was made for."""
    _, cheap, far = others
    ctx, account = await customer(stack)
    to = await found(stack, ctx, far)
    offer = await provider.ask(stack, ctx, to, CODE, 100_000)
    assert (offer.provider, offer.send_minor, offer.charge_minor) == (cheap.name, 100_000, 1_000)
    assert (offer.sent_minor, offer.receive_minor, offer.rate) == (39_60, 39_60, "0.0004")
    stranger, theirs = await customer(stack)
    with pytest.raises(NotPermitted):
        await provider.ask(stack, replace(ctx, purpose="care"), to, CODE, 100_000)
    with pytest.raises(NotPermitted):
        await provider.pay(stack, replace(ctx, purpose="care"), account, offer, "k")
    with pytest.raises(ledger_errors.NoSuchAccount):  # somebody else's account
        await provider.pay(stack, stranger, account, offer, "k")
    assert await has(stack, ctx) == (1_000_000, 1_000_000)
    for key in ("k", "k", "another"):
        assert (await provider.pay(stack, ctx, account, offer, key)).amount_minor == 100_000
    await kit.quiet(stack)
    assert await has(stack, ctx) == (900_000, 900_000) and await has(stack, stranger) == (1_000_000, 1_000_000)
    home = stack.profile.currency.code
    assert (await kit.stands(stack, cheap.name, home)).position_minor == -100_000
    assert (await kit.stands(stack, cheap.name)).position_minor == 39_60
    assert (await kit.stands(stack, far.name)).position_minor == -39_60
    arrives = await provider.ask(stack, ctx, to, CODE, 10_00, Side.RECEIVE)
    assert (arrives.receive_minor, arrives.send_minor, arrives.charge_minor) == (10_00, 25_253, 253)
    assert theirs


@pytest.mark.parametrize("off", ["unwilling", "refused", "silent"])
async def test_whoever_refuses_or_is_silent_nothing_is_paid(stack, others, off, monkeypatch):
    dear, cheap, far = others
    ctx, account = await customer(stack)
    to = await found(stack, ctx, far)
    offer = await provider.ask(stack, ctx, to, CODE, 50_000)
    cheap.off = off
    if off == "refused":

        async def no(me, method, path, headers, body):
            words = {"errorInformation": {"errorCode": "5104", "errorDescription": "no"}}
            where = f"/transfers/{json.loads(body)['transferId']}/error"
            await me.send("PUT", where, words, headers["fspiop-source"])

        far.reply = no
    if off == "silent":
        monkeypatch.setattr(house, "ANSWER_S", 0.3)
    with pytest.raises(Outage if off == "silent" else errors.UnknownParty):
        await provider.pay(stack, ctx, account, offer, "k")
    if off == "silent":  # held until the conversion's time is over; then it is freed by itself
        assert await has(stack, ctx) == (1_000_000, 950_000)
        await kit.quiet(stack)
        kit.later(monkeypatch, 3)
        await moving.expire(stack)
    await kit.quiet(stack)
    assert await has(stack, ctx) == (1_000_000, 1_000_000)
    for one in (dear, cheap, far):
        now = await kit.stands(stack, one.name)
        assert (now.position_minor, now.reserved_minor) == (0, 0)
    home = await kit.stands(stack, BANK, stack.profile.currency.code)
    assert home.reserved_minor == 0


async def test_without_a_provider_there_is_no_offer(stack, others):
    dear, cheap, far = others
    ctx, _ = await customer(stack, 1)
    to = await found(stack, ctx, far)
    cheap.off = "unwilling"
    home = stack.profile.currency.code
    for one in (dear, cheap):
        await providing.change_pair(stack, kit.setup(), Pair(one.name, home, CODE), active=False)
    with pytest.raises(NoRate):
        await provider.ask(stack, ctx, to, CODE, 1_000)
    with pytest.raises(errors.BadCurrency):
        await provider.ask(stack, ctx, to, "XXX", 1_000)


@pytest.mark.parametrize("amount", [1, 99, 10_000, 123_457])
def test_a_simulated_provider_never_pays_more_than_its_rate(amount):
    plan = neighbour.Plan("fx", "TZS", 0, 0, "", {}, CODE, 2, "0.00038", 80)
    give, charge, take = exchanging.worked(plan, amount, True)
    assert give == amount and take <= (amount - charge) * 0.038 + 1e-9
    back, _, same = exchanging.worked(plan, max(take, 1), False)
    assert same == max(take, 1) and exchanging.worked(plan, back, True)[2] >= same
