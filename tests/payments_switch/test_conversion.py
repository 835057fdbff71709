"""Conversion between participants: both currencies are paid in one moment or neither is, whatever fails when.

Every body that reaches a participant is held against Mojaloop's OpenAPI document of API 2.0.
"""

import asyncio
import json
import random
from collections import Counter
from uuid import uuid4

import pytest
from msgspec.structs import replace
from tests.payments_switch import kit
from tests.payments_switch.fsp import Participant, at, condition, fulfilment
from tests.payments_switch.test_schemas import DOCS, valid

from msingi.kernel.context import Kind
from msingi.kernel.errors import NotPermitted, Outage
from msingi.payments.switch import conversions, deciding, desk, errors, ilp, moving, providing, roll, rules, settling
from msingi.payments.switch.model import Pair, State, Wanted, What, WindowState

RATE, FEE = 25, "4"  # USD to KES, and what the provider takes in USD
TERMS = ilp.pack(ilp.Packet(1, "g.fxp", b"terms"))


async def provider(me, method, path, headers, body):
    """An exchange provider: a rate of its own, a fee of 4 in the source currency, and a promise."""
    asker, pieces = headers["fspiop-source"], path.split("/")
    if method == "POST" and pieces[1] == "fxQuotes":
        asked = json.loads(body)
        terms = asked["conversionTerms"]
        source = float(
            terms["sourceAmount"].get("amount") or float(terms["targetAmount"]["amount"]) / RATE + float(FEE)
        )
        target = (source - float(FEE)) * RATE
        terms |= {
            "sourceAmount": {"currency": "USD", "amount": f"{source:g}"},
            "targetAmount": {"currency": "KES", "amount": f"{target:g}"},
            "charges": [{"chargeType": "fee", "sourceAmount": {"currency": "USD", "amount": FEE}}],
            "expiration": at(60),
        }
        answer = {"condition": condition(TERMS), "conversionTerms": terms}
        await me.send("PUT", f"/fxQuotes/{asked['conversionRequestId']}", answer, asker, version="2.0")
    elif method == "POST" and pieces[1] == "fxTransfers":
        await promise(me, json.loads(body)["commitRequestId"], asker)


async def promise(me, id_, asker, **more):
    answer = {"conversionState": "RESERVED", "fulfilment": fulfilment(TERMS), "completedTimestamp": at(0), **more}
    return await me.send("PUT", f"/fxTransfers/{id_}", answer, asker, version="2.0")


def judged(one: Participant) -> None:
    """Every body that reached a participant is valid by the document of its version."""
    names = {"parties": "/parties/{Type}/{ID}"}
    for method, path, headers, body in one.got:
        pieces = path.split("?")[0].split("/")
        resource, failed = pieces[1], pieces[-1] == "error"
        if not body or method == "GET":
            continue
        if resource == "services":
            shape = "/services/FXP" if len(pieces) == 3 else "/services/FXP/{SourceCurrency}/{TargetCurrency}"
        else:
            shape = names.get(resource, f"/{resource}" if method == "POST" else f"/{resource}/{{ID}}")
        flavour = "fspiop 2.0" if "version=2.0" in headers["content-type"] else "fspiop"
        valid(flavour, method, shape + ("/error" if failed else ""), json.loads(body))


@pytest.fixture
async def three(stack, client):
    """Who pays settles in dollars alone, the payee in shillings, the provider in both."""
    for code in ("USD", "KES"):
        await kit.currency(stack, code)
    tag = uuid4().hex[:6]
    payer = await kit.participant(stack, client, f"payer-{tag}", reply=None)
    fxp = await kit.participant(stack, client, f"fxp-{tag}", reply=provider)
    other = await kit.participant(stack, client, f"payee-{tag}", currency="KES")
    await kit.settles(stack, fxp.name, "KES", 10_000_00)
    await providing.change_pair(stack, kit.setup(), Pair(fxp.name, "USD", "KES"), active=True)
    yield payer, fxp, other
    await kit.quiet(stack)
    for one in (payer, fxp, other):
        if DOCS.exists():
            judged(one)
        await one.stop()


def order(payer, fxp, source="14", target="250", seconds=60.0, **more):
    """The body of POST /fxTransfers."""
    return {
        "commitRequestId": str(uuid4()), "determiningTransferId": str(uuid4()), "initiatingFsp": payer.name,
        "counterPartyFsp": fxp.name, "sourceAmount": {"currency": "USD", "amount": source},
        "targetAmount": {"currency": "KES", "amount": target}, "condition": condition(TERMS),
        "expiration": at(seconds), **more,
    }  # fmt: skip


async def convert(payer, fxp, wanted):
    """Order a conversion, and wait for the provider's promise."""
    got = await payer.send("POST", "/fxTransfers", wanted, fxp.name, version="2.0")
    assert got.status_code == 202, got.text
    return await payer.wait("PUT", f"/fxTransfers/{wanted['commitRequestId']}")


async def books(stack, *who):
    """Position and what is under way, by participant and currency."""
    found = []
    for one, code in who:
        now = await kit.stands(stack, one.name, code)
        found.append((now.position_minor, now.reserved_minor))
    return found


async def state(stack, wanted):
    id_ = wanted.get("commitRequestId") or wanted["transferId"]
    resource = "fxTransfers" if "commitRequestId" in wanted else moving.TRANSFERS
    return (await kit.transfer_of(stack, id_, resource)).state


async def wrong(payer, path, code, after=0):
    told, _ = await payer.wait("PUT", f"{path}/error", after)
    assert told["errorInformation"]["errorCode"] == code, told


async def test_law_9_a_payment_with_conversion_from_the_rate_to_the_settlement(stack, three):
    payer, fxp, other = three
    await payer.send("GET", "/services/FXP/USD/KES", None, version="2.0")
    told, headers = await payer.wait("PUT", "/services/FXP/USD/KES")
    assert fxp.name in told["providers"] and headers["fspiop-source"] == "hub"
    wanted = order(payer, fxp)
    terms = {
        "conversionId": wanted["commitRequestId"], "determiningTransferId": wanted["determiningTransferId"],
        "initiatingFsp": payer.name, "counterPartyFsp": fxp.name, "amountType": "SEND", "expiration": at(60),
        "sourceAmount": {"currency": "USD", "amount": "14"}, "targetAmount": {"currency": "KES"},
    }  # fmt: skip
    asked = {"conversionRequestId": str(uuid4()), "conversionTerms": terms}
    assert (await payer.send("POST", "/fxQuotes", asked, fxp.name, version="2.0")).status_code == 202
    offer, headers = await payer.wait("PUT", f"/fxQuotes/{asked['conversionRequestId']}")
    assert offer["conversionTerms"]["targetAmount"]["amount"] == "250" and headers["fspiop-source"] == fxp.name
    done, _ = await convert(payer, fxp, wanted)
    assert done["conversionState"] == "RESERVED" and done["fulfilment"] == fulfilment(TERMS)
    assert await books(stack, (payer, "USD"), (fxp, "USD"), (fxp, "KES")) == [(0, 14_00), (0, 0), (0, 0)]
    paid = payer.transfer(other.name, "250", "KES", transferId=wanted["determiningTransferId"])
    assert (await payer.send("POST", "/transfers", paid, other.name)).status_code == 202
    assert (await payer.wait("PUT", f"/transfers/{paid['transferId']}"))[0]["transferState"] == "COMMITTED"
    told, _ = await fxp.wait("PATCH", f"/fxTransfers/{wanted['commitRequestId']}")
    assert told["conversionState"] == "COMMITTED"
    await kit.quiet(stack)
    where = (payer, "USD"), (fxp, "USD"), (fxp, "KES"), (other, "KES")
    assert await books(stack, *where) == [(14_00, 0), (-14_00, 0), (250_00, 0), (-250_00, 0)]
    assert await state(stack, wanted) is await state(stack, paid) is State.COMMITTED
    before = len(payer.got)
    await payer.send("GET", f"/fxTransfers/{wanted['commitRequestId']}", None, version="2.0")
    told, _ = await payer.wait("PUT", f"/fxTransfers/{wanted['commitRequestId']}", before)
    assert told["conversionState"] == "COMMITTED"
    # What the window owes: each currency sums to zero, and in shillings the provider owes, not the payer.
    (window,) = [w for w in await settling.windows(stack, officer("a")) if w.state is WindowState.OPEN]
    lines = {
        (x.fsp, x.currency): x.owes_minor for x in (await settling.report(stack, officer("a"), window.window)).lines
    }
    assert [lines[one.name, code] for one, code in where] == [14_00, -14_00, 250_00, -250_00]
    assert (payer.name, "KES") not in lines
    # Cover that a window will take stays.
    with pytest.raises(errors.OverCover):
        await settling.take_cover(stack, kit.approved(officer("a")), fxp.name, "KES", 9_800_00, "k1")
    # The same two again say the same, and pay nothing more.
    await payer.send("POST", "/transfers", paid, other.name)
    moving._known(stack).clear()
    await payer.send("POST", "/transfers", paid, other.name)
    before = len(payer.got)
    await payer.send("POST", "/fxTransfers", wanted, fxp.name, version="2.0")
    await payer.wait("PUT", f"/fxTransfers/{wanted['commitRequestId']}", before)
    await payer.send("POST", "/fxTransfers", wanted | {"expiration": at(30)}, fxp.name, version="2.0")
    await wrong(payer, f"/fxTransfers/{wanted['commitRequestId']}", "3106", before)
    await kit.quiet(stack)
    assert await books(stack, *where) == [(14_00, 0), (-14_00, 0), (250_00, 0), (-250_00, 0)]


def officer(name):
    from tests.payments import kit as people

    return people.as_staff("central-banker", id=name, institution="benki-kuu", purpose="operations")


async def test_what_the_payees_side_refuses_frees_both_currencies(stack, three):
    payer, fxp, other = three

    async def no(me, method, path, headers, body):
        if method == "POST":
            words = {"errorInformation": {"errorCode": "5104", "errorDescription": "no"}}
            await me.send("PUT", f"/transfers/{json.loads(body)['transferId']}/error", words, payer.name)

    other.reply, wanted = no, order(payer, fxp)
    await convert(payer, fxp, wanted)
    paid = payer.transfer(other.name, "250", "KES", transferId=wanted["determiningTransferId"])
    await payer.send("POST", "/transfers", paid, other.name)
    await wrong(payer, f"/transfers/{paid['transferId']}", "5104")
    told, _ = await fxp.wait("PATCH", f"/fxTransfers/{wanted['commitRequestId']}")
    assert told["conversionState"] == "ABORTED"
    await kit.quiet(stack)
    assert await books(stack, (payer, "USD"), (fxp, "KES"), (other, "KES")) == [(0, 0)] * 3
    assert await state(stack, wanted) is await state(stack, paid) is State.ABORTED
    # The conversion is over: its transfer, under its id, is not paid out of the payer's own position instead.
    moving._known(stack).clear()
    before = len(payer.got)
    fresh = order(payer, fxp, determiningTransferId=wanted["determiningTransferId"])
    await payer.send("POST", "/fxTransfers", fresh, fxp.name, version="2.0")
    await wrong(payer, f"/fxTransfers/{fresh['commitRequestId']}", "3106", before)


async def test_the_provider_may_refuse_before_its_promise_and_not_after(stack, three):
    payer, fxp, _ = three
    words = {"errorInformation": {"errorCode": "5104", "errorDescription": "no"}}
    fxp.reply, first, second = None, order(payer, fxp), order(payer, fxp)
    path = f"/fxTransfers/{first['commitRequestId']}"
    await payer.send("POST", "/fxTransfers", first, fxp.name, version="2.0")
    await fxp.wait("POST", "/fxTransfers")
    assert (await promise(fxp, first["commitRequestId"], payer.name, fulfilment="A" * 43)).status_code == 400
    stranger = await payer.send("PUT", f"{path}/error", words, fxp.name, version="2.0")
    assert stranger.status_code == 404
    assert (await fxp.send("PUT", f"{path}/error", words, payer.name, version="2.0")).status_code == 200
    await wrong(payer, path, "5104")
    assert (await promise(fxp, first["commitRequestId"], payer.name)).status_code == 409
    assert await books(stack, (payer, "USD")) == [(0, 0)]
    fxp.reply = provider
    await convert(payer, fxp, second)
    path = f"/fxTransfers/{second['commitRequestId']}"
    assert (await fxp.send("PUT", f"{path}/error", words, payer.name, version="2.0")).status_code == 409
    assert (await promise(fxp, second["commitRequestId"], payer.name)).status_code == 200  # said again
    assert await books(stack, (payer, "USD")) == [(0, 14_00)]


async def test_timeouts_leave_no_money_hanging(stack, three, monkeypatch):
    """A provider that is silent, a promise that no transfer follows, a payee that is silent."""
    payer, fxp, other = three
    fxp.reply, silent = None, order(payer, fxp)
    await payer.send("POST", "/fxTransfers", silent, fxp.name, version="2.0")
    await fxp.wait("POST", "/fxTransfers")
    fxp.reply, other.reply = provider, None
    alone, both = order(payer, fxp), order(payer, fxp, seconds=50)
    await convert(payer, fxp, alone)
    await convert(payer, fxp, both)
    late = payer.transfer(other.name, "250", "KES", 700, transferId=both["determiningTransferId"])
    got = await payer.send("POST", "/transfers", late, other.name)  # it would end too long after its conversion
    assert got.json()["errorInformation"]["errorCode"] == "3101"
    paid = payer.transfer(other.name, "250", "KES", 90, transferId=both["determiningTransferId"])
    await payer.send("POST", "/transfers", paid, other.name)
    await other.wait("POST", "/transfers")
    await kit.quiet(stack)
    kit.later(monkeypatch, 70)
    await moving.expire(stack)
    await kit.quiet(stack)
    assert [await state(stack, one) for one in (silent, alone, both, paid)] == [State.ABORTED] * 2 + [
        State.RESERVED
    ] * 2
    assert await books(stack, (payer, "USD"), (fxp, "KES")) == [(0, 14_00), (0, 250_00)]
    for one in (silent, alone):
        await wrong(payer, f"/fxTransfers/{one['commitRequestId']}", "3303")
        await wrong(fxp, f"/fxTransfers/{one['commitRequestId']}", "3303")
    kit.later(monkeypatch, 95)
    await moving.expire(stack)
    await kit.quiet(stack)
    assert await state(stack, both) is await state(stack, paid) is State.ABORTED
    await wrong(payer, f"/transfers/{paid['transferId']}", "3303")
    assert (await fxp.wait("PATCH", f"/fxTransfers/{both['commitRequestId']}"))[0]["conversionState"] == "ABORTED"
    assert await books(stack, (payer, "USD"), (fxp, "KES"), (other, "KES")) == [(0, 0)] * 3


async def test_what_does_not_fit_is_refused_and_moves_nothing(stack, three):
    payer, fxp, other = three
    money = {"currency": "USD", "amount": "14"}
    refused = {
        "5106": order(payer, fxp, sourceAmount={"currency": "KES", "amount": "14"}, targetAmount=money),
        "4001": order(payer, fxp, source="1000.01"),
        "3101": order(payer, fxp, initiatingFsp=other.name),
        "3102": {k: v for k, v in order(payer, fxp).items() if k != "determiningTransferId"},
        "3303": order(payer, fxp, seconds=-1),
    }
    for code, body in refused.items():
        got = await payer.send("POST", "/fxTransfers", body, fxp.name, version="2.0")
        if code in ("3101", "3102"):  # of wrong form: refused at the door
            assert got.json()["errorInformation"]["errorCode"] == code
        else:
            await wrong(payer, f"/fxTransfers/{body['commitRequestId']}", code)
    assert (await payer.send("POST", "/fxTransfers", order(payer, fxp), fxp.name, version="1.1")).status_code == 406
    # A transfer before the promise, of another amount, of somebody else.
    fxp.reply, wanted = None, order(payer, fxp)
    await payer.send("POST", "/fxTransfers", wanted, fxp.name, version="2.0")
    await fxp.wait("POST", "/fxTransfers")
    paid = payer.transfer(other.name, "250", "KES", transferId=wanted["determiningTransferId"])
    await payer.send("POST", "/transfers", paid, other.name)
    await wrong(payer, f"/transfers/{paid['transferId']}", "3100")
    await promise(fxp, wanted["commitRequestId"], payer.name)
    before = len(payer.got)
    more = payer.transfer(other.name, "250.01", "KES", transferId=wanted["determiningTransferId"])
    got = await payer.send("POST", "/transfers", more, other.name)
    assert got.json()["errorInformation"]["errorCode"] == "3101"
    stolen = fxp.transfer(other.name, "250", "KES", transferId=wanted["determiningTransferId"])
    await fxp.send("POST", "/transfers", stolen, other.name)  # the provider's own transfer, out of its own position
    await fxp.wait("PUT", f"/transfers/{stolen['transferId']}")
    await payer.send("POST", "/transfers", paid, other.name)
    await wrong(payer, f"/transfers/{paid['transferId']}", "3106", before)
    assert await books(stack, (payer, "USD")) == [(0, 14_00)]  # until the conversion's time is over


@pytest.mark.parametrize("seed", range(6))
async def test_the_switch_dies_between_any_two_steps_and_nothing_hangs(stack, three, monkeypatch, seed):
    """Keeping what happened fails at random, as when the program stops between the ledger and the desk's commit. After
    the time is over both are paid or neither is, in both currencies, and nothing is under way."""
    payer, fxp, other = three
    chance, keep = random.Random(seed), desk.Desk.keep

    async def fragile(self, slip):
        if chance.random() < 0.35:
            raise Outage("stopped")
        return await keep(self, slip)

    ordered = [(w := order(payer, fxp, "14", "250"), payer.transfer(other.name, "250", "KES")) for _ in range(4)]
    with monkeypatch.context() as shaky:
        shaky.setattr(desk.Desk, "keep", fragile)
        for wanted, paid in ordered:
            paid["transferId"] = wanted["determiningTransferId"]
            await payer.send("POST", "/fxTransfers", wanted, fxp.name, version="2.0")
            await asyncio.sleep(0.05)
            await payer.send("POST", "/transfers", paid, other.name)
        await asyncio.sleep(0.1)
        await kit.quiet(stack)
    del w
    moving._known(stack).clear()
    kit.later(monkeypatch, 75)
    for _ in range(3):
        await moving.expire(stack)
    await kit.quiet(stack)
    # The ledger frees by itself what was reserved for nobody. Its clock never goes back, so each seed goes further.
    kit.later(monkeypatch, 1_000 * (seed + 1))
    await kit.swept(stack)
    ends = Counter()
    for wanted, paid in ordered:
        found = [await kit.known(stack, one) for one in (wanted["commitRequestId"], paid["transferId"])]
        ends[tuple(t.state if t else None for t in found)] += 1
    assert set(ends) <= {
        (State.COMMITTED, State.COMMITTED), (State.ABORTED, State.ABORTED), (State.ABORTED, None), (None, None)
    }, ends  # fmt: skip
    n = ends[State.COMMITTED, State.COMMITTED]
    where = (payer, "USD"), (fxp, "USD"), (fxp, "KES"), (other, "KES")
    assert await books(stack, *where) == [(14_00 * n, 0), (-14_00 * n, 0), (250_00 * n, 0), (-250_00 * n, 0)]


async def test_access_change_pair(stack, three, ctx_of):
    """To let somebody convert takes two officers, to stop it one; then nobody is told of it any more."""
    payer, fxp, other = three
    one, two = officer("one"), officer("two")
    clerk = ctx_of(Kind.STAFF, "clerk", roles=["treasurer"], institution="benki", purpose="operations")
    pair = Pair(fxp.name, "USD", "KES")
    for who in (clerk, one):
        with pytest.raises(NotPermitted):
            await providing.change_pair(stack, who, pair, active=True)
    with pytest.raises(NotPermitted):
        await providing.change_pair(stack, clerk, pair, active=False)
    await providing.change_pair(stack, one, pair, active=False)
    assert fxp.name not in (await roll.of(stack)).providers("USD", "KES")
    for body in (order(payer, fxp), order(payer, payer)):
        await payer.send("POST", "/fxTransfers", body, body["counterPartyFsp"], version="2.0")
        await wrong(payer, f"/fxTransfers/{body['commitRequestId']}", "5106")
    wanted = Wanted(What.CONVERT, fxp.name, currency="USD", target="KES")
    proposal = await deciding.propose(stack, one, wanted)
    with pytest.raises(errors.OwnProposal):
        await deciding.decide(stack, one, proposal.id, True)
    await deciding.decide(stack, two, proposal.id, True)
    assert fxp.name in (await roll.of(stack)).providers("USD", "KES")
    for bad, why in (
        (replace(wanted, target="USD"), errors.BadSyntax),
        (replace(wanted, target="XXX"), errors.BadCurrency),
        (replace(wanted, fsp=other.name), errors.BadCurrency),
        (replace(wanted, fsp="nobody"), errors.UnknownFsp),
    ):
        with pytest.raises(why):
            await deciding.propose(stack, one, bad)
    assert conversions.QUOTES in rules.CONVERSION
