"""Limits, cover, windows and their settlement; who may do what; and no money that hangs, whatever fails."""

import json
import random
from collections import Counter
from uuid import uuid4

import pytest
from msgspec.structs import replace
from tests.payments_switch import kit
from tests.payments_switch.fsp import fulfilment

from msingi.kernel.context import Kind
from msingi.kernel.errors import Malformed, NotPermitted, Outage
from msingi.payments.switch import acts, deciding, desk, errors, moving, roll, rules, settling
from msingi.payments.switch.model import Proof, Settlement, State, Wanted, What, WindowState


@pytest.fixture
def banker(ctx_of):
    """An officer who carries out what a second one approved."""
    made = ctx_of(Kind.STAFF, "banker", roles=["central-banker"], institution="benki", purpose="operations")
    return replace(made, channel=deciding.CHANNEL)


@pytest.fixture
def clerk(ctx_of):
    return ctx_of(Kind.STAFF, "clerk", roles=["treasurer"], institution="benki", purpose="operations")


@pytest.fixture
async def three(stack, client):
    await kit.currency(stack)
    tag = uuid4().hex[:6]
    made = [await kit.participant(stack, client, f"{n}-{tag}") for n in "abc"]
    yield made
    await kit.quiet(stack)
    for one in made:
        await one.stop()


async def pay(payer, payee, amount, currency="USD"):
    wanted = payer.transfer(payee.name, amount, currency)
    assert (await payer.send("POST", "/transfers", wanted, payee.name)).status_code == 202
    await payer.wait("PUT", f"/transfers/{wanted['transferId']}")


async def open_window(stack, banker):
    return next(w for w in await settling.windows(stack, banker) if w.state is WindowState.OPEN)


async def test_law_8_a_window_is_settled_by_net_amounts_and_its_report_stays(stack, three, banker):
    a, b, c = three
    first = await open_window(stack, banker)
    for older in reversed(await settling.windows(stack, banker, limit=500)):
        if older.state is WindowState.CLOSED:
            await settling.settle(stack, banker, older.window)
    await pay(a, b, "100")
    await pay(b, c, "30")
    await pay(c, a, "10")
    await kit.quiet(stack)
    with pytest.raises(errors.WindowNotReady):
        await settling.settle(stack, banker, first.window)
    await settling.close_window(stack, banker, first.window)
    with pytest.raises(errors.WindowNotReady):
        await settling.close_window(stack, banker, first.window)
    await pay(a, b, "1")  # falls into the next window
    await kit.quiet(stack)
    told = await settling.settle(stack, banker, first.window)
    mine = {line.fsp: line.owes_minor for line in told.lines if line.fsp in (a.name, b.name, c.name)}
    assert mine == {a.name: 90_00, b.name: -70_00, c.name: -20_00}
    stands = {n: await kit.stands(stack, n) for n in mine}
    assert {n: s.cover_minor for n, s in stands.items()} == {a.name: 910_00, b.name: 1070_00, c.name: 1020_00}
    assert {n: s.position_minor for n, s in stands.items()} == {a.name: 1_00, b.name: -1_00, c.name: 0}
    assert {n: s.limit_minor for n, s in stands.items()} == {a.name: 910_00, b.name: 1000_00, c.name: 1000_00}
    again = await settling.settle(stack, banker, first.window)
    assert (again.lines, again.window.state) == (told.lines, WindowState.SETTLED)
    assert {n: (await kit.stands(stack, n)).cover_minor for n in mine} == {n: s.cover_minor for n, s in stands.items()}
    assert (await settling.report(stack, banker, first.window)).lines == told.lines
    with pytest.raises(errors.NoSuchWindow):
        await settling.report(stack, banker, 10**6)
    with pytest.raises(Malformed):
        await settling.windows(stack, banker, limit=0)


async def test_law_1_limits_and_cover_hold_each_other(stack, three, banker):
    a, b, _ = three
    with pytest.raises(errors.OverCover):
        await settling.set_limit(stack, banker, a.name, "USD", 1_000_01)
    with pytest.raises(errors.OverCover):
        await settling.take_cover(stack, banker, a.name, "USD", 1, "too-much")
    await pay(a, b, "400")
    await kit.quiet(stack)
    with pytest.raises(errors.OverCover):
        await settling.set_limit(stack, banker, a.name, "USD", 399_99)
    lower = await settling.set_limit(stack, banker, a.name, "USD", 400_00)
    assert (lower.limit_minor, lower.position_minor) == (400_00, 400_00)
    refused = a.transfer(b.name, "0.01", "USD")
    await a.send("POST", "/transfers", refused, b.name)
    told, _ = await a.wait("PUT", f"/transfers/{refused['transferId']}/error")
    assert told["errorInformation"]["errorCode"] == "4001"
    taken = await settling.take_cover(stack, banker, a.name, "USD", 600_00, "out-1")
    assert taken.cover_minor == 400_00
    with pytest.raises(errors.OverCover):
        await settling.take_cover(stack, banker, a.name, "USD", 1, "out-2")
    # A limit that is wanted and not carried comes into force when cover is brought.
    await settling.bring_cover(stack, banker, a.name, "USD", 100_00, "in-2")
    grown = await settling.set_limit(stack, banker, a.name, "USD", 500_00)
    assert grown.limit_minor == 500_00
    assert (await settling.bring_cover(stack, banker, a.name, "USD", 100_00, "in-2")).cover_minor == 500_00
    with pytest.raises(errors.UnknownFsp):
        await settling.set_limit(stack, banker, "nobody", "USD", 1)
    with pytest.raises(Malformed):
        await settling.bring_cover(stack, banker, a.name, "USD", 1, "")


async def test_a_gross_currency_is_settled_at_once_out_of_the_cover(stack, client, banker):
    await kit.currency(stack, "KES", 2, Settlement.GROSS)
    tag = uuid4().hex[:6]
    a, b = [await kit.participant(stack, client, f"{n}-{tag}", currency="KES", limit=0) for n in "xy"]
    await pay(a, b, "250", "KES")
    await kit.quiet(stack)
    assert [(await kit.stands(stack, n.name, "KES")).cover_minor for n in (a, b)] == [750_00, 1250_00]
    window = await open_window(stack, banker)
    await settling.close_window(stack, banker, window.window)
    for older in reversed(await settling.windows(stack, banker, limit=500)):
        if older.state is WindowState.CLOSED:
            await settling.settle(stack, banker, older.window)
    assert [(await kit.stands(stack, n.name, "KES")).cover_minor for n in (a, b)] == [750_00, 1250_00]
    for one in (a, b):
        await one.stop()


async def test_law_4_no_money_hangs_whatever_fails(stack, three, monkeypatch):
    """Participants that refuse, stay silent, answer late, twice or wrongly; and a switch that loses its database
    between the ledger's step and its own: in the end all transfers have ended, and both books say the same."""
    a, b, c = three
    chance = random.Random(4)
    ways = ("commit", "commit", "reserve", "refuse", "wrong", "silence", "twice")

    async def behave(me, method, path, headers, body):
        if method != "POST" or not path.startswith("/transfers"):
            return
        asked, to, way = json.loads(body), headers["fspiop-source"], chance.choice(ways)
        mine = f"/transfers/{asked['transferId']}"
        yes = {"transferState": "RESERVED" if way == "reserve" else "COMMITTED"}
        yes["fulfilment"] = fulfilment(asked["ilpPacket"] if way != "wrong" else asked["ilpPacket"] + "AAAA")
        if way == "refuse":
            no = {"errorInformation": {"errorCode": "5106", "errorDescription": "no"}}
            await me.send("PUT", mine + "/error", no, to)
        elif way != "silence":
            for _ in range(2 if way == "twice" else 1):
                await me.send("PUT", mine, yes, to)

    keep, lost = desk.Desk.keep, Counter()

    async def sometimes(self, slip):
        if chance.random() < 0.12:
            lost["before"] += 1
            raise Outage("the database went away before")
        kept = await keep(self, slip)
        if chance.random() < 0.08:
            lost["after"] += 1
            raise Outage("the answer of the database was lost")
        return kept

    for one in (a, b, c):
        one.reply = behave
    monkeypatch.setattr(desk.Desk, "keep", sometimes)
    monkeypatch.setattr(rules, "HOLD_GRACE_S", 1)
    ids = []
    for _ in range(40):
        payer, payee = chance.sample((a, b, c), 2)
        wanted = payer.transfer(payee.name, str(chance.randint(1, 90)), "USD", seconds=30)
        ids.append(wanted["transferId"])
        raw = json.dumps(wanted).encode()
        for _ in range(chance.choice((1, 1, 2))):
            await payer.send("POST", "/transfers", None, payee.name, raw=raw)
    await kit.quiet(stack)
    monkeypatch.setattr(desk.Desk, "keep", keep)
    assert min(lost.values()) > 0 and len(lost) == 2
    roll.forget(stack)
    stack.local.pop("payments.switch.recent", None)  # as after a restart
    kit.later(monkeypatch, 60)  # and every transfer's time is over
    while await moving.expire(stack):
        pass
    await kit.swept(stack)
    await kit.quiet(stack)
    await the_books_agree(stack, (a, b, c), ids)


async def the_books_agree(stack, participants, ids):
    owed, states = Counter(), Counter()
    for id_ in ids:
        try:
            found = await kit.transfer_of(stack, id_)
        except errors.UnknownId:  # never acknowledged: its hold is the ledger's alone, and ends by itself
            states["unknown"] += 1
            continue
        states[found.state] += 1
        if found.state is State.COMMITTED:
            owed[found.payer] += found.settled_minor
            owed[found.payee] -= found.settled_minor
    assert states[State.RESERVED] == 0 and states[State.COMMITTED] > 5 and states[State.ABORTED] > 3, states
    for one in participants:
        now = await kit.stands(stack, one.name)
        assert now.position_minor == owed[one.name], one.name
        assert now.reserved_minor == 0, one.name


# Access: one yes, one no for each act.


async def test_access_settle_currency(stack, banker, clerk):
    assert (await acts.settle_currency(stack, banker, "USD", 2)).currency == "USD"
    with pytest.raises(NotPermitted):
        await acts.settle_currency(stack, clerk, "EUR", 2)
    for code, digits in (("usd", 2), ("USD", 9)):
        with pytest.raises(Malformed):
            await acts.settle_currency(stack, banker, code, digits)


async def test_access_join(stack, banker, clerk, three):
    key, name = three[0].public, f"new-{uuid4().hex[:6]}"
    assert len(await acts.join(stack, banker, name, "inst", "New", key, "https://fsp.example/callbacks")) > 30
    with pytest.raises(errors.FspExists):
        await acts.join(stack, banker, name, "inst", "New", key, "https://fsp.example")
    with pytest.raises(NotPermitted):
        await acts.join(stack, clerk, name + "2", "inst", "New", key, "https://fsp.example")
    for wrong in ("ftp://x", "http://u@x", "http://x?y", "inside:"):
        with pytest.raises(Malformed):
            await acts.join(stack, banker, name + "3", "inst", "New", key, wrong)
    with pytest.raises(errors.BadKey):
        await acts.join(stack, banker, name + "4", "inst", "New", "no key", "https://fsp.example")


async def test_access_change(stack, client, banker, clerk, three):
    a, b, _ = three
    with pytest.raises(NotPermitted):
        await acts.change(stack, clerk, a.name, active=False)
    assert not (await acts.change(stack, banker, a.name, active=False)).active
    wanted = a.transfer(b.name, "1", "USD")
    got = await a.send("POST", "/transfers", wanted, b.name)
    assert (got.status_code, got.json()["errorInformation"]["errorCode"]) == (400, "3201")
    await acts.change(stack, banker, a.name, active=True, key=b.public)
    got = await a.send("POST", "/transfers", wanted, b.name)  # the old key counts no more
    assert got.json()["errorInformation"]["errorCode"] == "3105"
    with pytest.raises(errors.UnknownFsp):
        await acts.change(stack, banker, "nobody", active=True)


async def test_access_open_accounts(stack, banker, clerk, three):
    first = await acts.open_accounts(stack, banker, three[0].name, "USD")
    assert await acts.open_accounts(stack, banker, three[0].name, "USD") == first
    with pytest.raises(NotPermitted):
        await acts.open_accounts(stack, clerk, three[0].name, "USD")
    with pytest.raises(errors.BadCurrency):
        await acts.open_accounts(stack, banker, three[0].name, "XXX")


async def test_access_stop_account(stack, banker, clerk, three):
    a, b, _ = three
    with pytest.raises(NotPermitted):
        await acts.stop_account(stack, clerk, a.name, "USD", False)
    await acts.stop_account(stack, banker, a.name, "USD", False)
    wanted = a.transfer(b.name, "1", "USD")
    await a.send("POST", "/transfers", wanted, b.name)
    told, _ = await a.wait("PUT", f"/transfers/{wanted['transferId']}/error")
    assert told["errorInformation"]["errorCode"] == "5106"


async def test_access_standing(stack, banker, clerk, three, ctx_of):
    own = ctx_of(Kind.CLIENT, three[0].name, roles=["switch-participant"], purpose="payment", basis="contract")
    for who in (banker, own):
        assert (await acts.standing(stack, who, three[0].name, "USD")).cover_minor == 1_000_00
    for who, name in ((clerk, three[0].name), (own, three[1].name)):
        with pytest.raises(NotPermitted):
            await acts.standing(stack, who, name, "USD")


async def test_access_participants(stack, banker, clerk, three):
    found = {one.fsp: one for one in await acts.participants(stack, banker, limit=200)}
    assert {t.name for t in three} <= set(found) and roll.HUB not in found
    assert found[three[0].name].standings[0].cover_minor == 1_000_00 and found[three[0].name].digits["USD"] == 2
    (first,) = await acts.participants(stack, banker, limit=1)
    assert first.fsp not in {one.fsp for one in await acts.participants(stack, banker, first.fsp, 200)}
    with pytest.raises(Malformed):
        await acts.participants(stack, banker, limit=0)
    for ask in (acts.participants, settling.currencies):
        with pytest.raises(NotPermitted):
            await ask(stack, clerk)
    assert [c.digits for c in await settling.currencies(stack, banker) if c.currency == "USD"] == [2]


async def test_access_of_the_settlement(stack, clerk, three):
    name = three[0].name
    for act in (
        settling.set_limit(stack, clerk, name, "USD", 1),
        settling.bring_cover(stack, clerk, name, "USD", 1, "k"),
        settling.take_cover(stack, clerk, name, "USD", 1, "k"),
        settling.windows(stack, clerk),
        settling.report(stack, clerk, 1),
        settling.close_window(stack, clerk, 1),
        settling.settle(stack, clerk, 1),
    ):
        with pytest.raises(NotPermitted):
            await act


async def test_without_a_signature_only_a_sandbox_believes_the_network(stack, client, three):
    trusted = await kit.participant(stack, client, f"net-{uuid4().hex[:6]}", proof=Proof.NETWORK, reply=None)
    headers, body = trusted.signed("POST", "/transfers", trusted.transfer(three[0].name, "1", "USD"), three[0].name)
    del headers["FSPIOP-Signature"]
    book = await roll.of(stack)
    believed = [book.trusts_network(book.fsps[trusted.name], sandbox) for sandbox in (True, False)]
    assert believed == [True, False]
    assert (await client.post("/fspiop/transfers", content=body, headers=headers)).status_code == 202
    await trusted.stop()


@pytest.fixture
def officers(ctx_of):
    """Two officers who come through a door, as they do outside of tests."""
    return [
        ctx_of(Kind.STAFF, name, roles=["central-banker"], institution="benki", purpose="operations")
        for name in ("officer-1", "officer-2")
    ]


async def test_access_propose(stack, officers, clerk, three):
    one, _ = officers
    grow = Wanted(What.COVER, three[0].name, currency="USD", amount_minor=5_00)
    first = await deciding.propose(stack, one, grow, "arrived-1")
    assert await deciding.propose(stack, one, grow, "arrived-1") == first
    assert first.id in {p.id for p in await deciding.proposals(stack, one)}
    with pytest.raises(errors.Modified):
        await deciding.propose(stack, one, replace(grow, amount_minor=6_00), "arrived-1")
    for wrong, why in (
        (replace(grow, amount_minor=0), Malformed),
        (replace(grow, amount_minor=10**16), Malformed),
        (replace(grow, currency="XXX"), errors.BadCurrency),
        (replace(grow, fsp="nobody"), errors.UnknownFsp),
        (Wanted(What.JOIN, three[0].name), errors.FspExists),
        (Wanted(What.JOIN, "fresh", "i", "Fresh", "no key", "https://fsp.example"), errors.BadKey),
        (Wanted(What.JOIN, "fresh", "i", "Fresh", three[0].public, "ftp://fsp.example"), Malformed),
        (Wanted(What.JOIN, "fresh", "i", "F", three[0].public, "https://f.example", ("XXX",)), errors.BadCurrency),
        (Wanted(What.JOIN, "fresh", "i\0", "F", three[0].public, "https://f.example"), Malformed),
        (Wanted(What.CHANGE, three[0].name, key="no key"), errors.BadKey),
        (Wanted(What.CHANGE, three[0].name), Malformed),
    ):
        with pytest.raises(why):
            await deciding.propose(stack, one, wrong)
    for act in (deciding.propose(stack, clerk, grow), deciding.proposals(stack, clerk)):
        with pytest.raises(NotPermitted):
            await act
    assert (await kit.stands(stack, three[0].name)).cover_minor == 1_000_00  # nothing has moved


async def test_access_decide_and_proposals(stack, officers, clerk, three):
    """Nobody lets in, or moves cover or limit, alone; what stands against it is said, and the proposal still waits."""
    (one, two), name = officers, three[0].name
    grow = await deciding.propose(stack, one, Wanted(What.COVER, name, currency="USD", amount_minor=5_00))
    with pytest.raises(errors.OwnProposal):
        await deciding.decide(stack, one, grow.id, True)
    with pytest.raises(NotPermitted):
        await deciding.decide(stack, clerk, grow.id, True)
    done = await deciding.decide(stack, two, grow.id, True)
    assert done.standing.cover_minor == 1_005_00 and done.proposal.decided_by.endswith("officer-2")
    for id_ in (grow.id, str(uuid4()), "x"):
        with pytest.raises(errors.NoSuchProposal):
            await deciding.decide(stack, two, id_, True)
    high = await deciding.propose(stack, one, Wanted(What.LIMIT, name, currency="USD", amount_minor=1_006_00))
    with pytest.raises(errors.OverCover):
        await deciding.decide(stack, two, high.id, True)
    assert high.id in {p.id for p in await deciding.proposals(stack, two)}
    await deciding.decide(stack, one, high.id, False)  # whoever proposed may take it back
    assert high.id not in {p.id for p in await deciding.proposals(stack, two)}
    fresh = f"fresh-{uuid4().hex[:6]}"
    joins = Wanted(What.JOIN, fresh, "inst", "Fresh", three[0].public, "https://fsp.example/fspiop", ("USD",))
    proposal = await deciding.propose(stack, one, joins)
    assert fresh not in (await roll.of(stack)).fsps
    token = (await deciding.decide(stack, two, proposal.id, True)).token
    assert (await roll.of(stack)).knows_token(fresh, token) and (await kit.stands(stack, fresh)).limit_minor == 0
    for alone in (
        acts.join(stack, one, fresh + "2", "i", "n", three[0].public, "https://fsp.example"),
        acts.open_accounts(stack, one, name, "USD"),
        acts.change(stack, one, name, key=three[1].public),
        acts.change(stack, one, name, active=True),
        settling.set_limit(stack, one, name, "USD", 1),
        settling.bring_cover(stack, one, name, "USD", 1, "k"),
        settling.take_cover(stack, one, name, "USD", 1, "k"),
    ):
        with pytest.raises(NotPermitted):
            await alone
    assert not (await acts.change(stack, one, fresh, active=False)).active  # to stop, one is enough
    again = await deciding.propose(stack, one, Wanted(What.CHANGE, fresh, active=True))
    await deciding.decide(stack, two, again.id, True)
    assert (await roll.of(stack)).fsps[fresh].active
