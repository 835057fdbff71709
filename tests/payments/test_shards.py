"""Several shards, in one database and in two: who is placed where, transfers between them, and crashes on the way."""

import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from tests.conftest import CONF, fresh_database
from tests.payments import kit

from msingi import app, countries
from msingi.kernel import clock
from msingi.kernel.errors import DifferentContent
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.postgres import EmbeddedServer, as_app
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack
from msingi.payments import (
    across,
    acts,
    audit,
    between,
    errors,
    holders,
    holding,
    homes,
    ledger,
    officers,
    orders,
    parties,
    rules,
    store_shards,
    writer,
)
from msingi.payments.model import Alias, Kind, Reason, TransferOrder
from msingi.payments.writer import Writer


@pytest.fixture(scope="module", params=["one database", "two servers"])
async def cluster(request, server, template, owner_url, tmp_path_factory) -> AsyncIterator[Stack]:
    """A stack whose ledger has the shards 0 and 1: in one database, or on two PostgreSQL servers."""
    main = await fresh_database(server, template)
    second = EmbeddedServer(tmp_path_factory.mktemp("pg2"), CONF) if request.param == "two servers" else None
    other = f"={second.url}" if second else ""
    settings = Settings(
        home=tmp_path_factory.mktemp("home"), base_url="http://127.0.0.1:8080", sandbox=True, ledger_shards=f"1{other}"
    )
    made = await Stack.open(settings, as_app(main), countries.load("taifa"))
    app.load_policies()
    app.furnish(made)
    await app.start_rooms(made)
    yield made
    for database in reversed(homes.databases(made)):
        await database.db.close()
    if second:
        second.stop()


@pytest.fixture(scope="module")
async def source(cluster):
    return await kit.treasury(cluster)


async def somebody(stack, shard):
    """A person whose accounts are placed in a shard, with a key."""
    while (person := PersonId(uuid7())).int % 2 != shard:
        pass
    permit = kit.policy.decide(kit.job_context("payments-writer"), "payments.reread-ledger", kit.policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        await stack.seal.create_key(tx, person)
        kit.log.append(tx, permit, subject=person)
    return person


async def funded(stack, source, shard, amount):
    """Somebody in a shard with a wallet that holds money."""
    person = await somebody(stack, shard)
    account = await acts.open_account(stack, kit.as_person(person), person, kit.AccountKind.WALLET)
    assert rules.shard_of(rules.id_of(account.number)) == shard
    if amount:
        owner = parties.institution_ref(stack, "hazina")
        permit = kit.order(stack, "institution:hazina", source.number, account.number, 1).permit
        by = orders.By(permit, owner, f"fund/{person}")
        paid = orders.pay(by, "1", rules.id_of(source.number), rules.id_of(account.number), amount, "TZS", "G2P")
        errors.check(await ledger.post(stack, [paid]))
    return person, account


async def agree(stack):
    sums: dict[str, int] = {}
    for database in homes.databases(stack):
        found = await audit.check_books(database.db)
        assert found.ok, found.problems
        for currency, total in found.sums.items():
            sums[currency] = sums.get(currency, 0) + total
    assert sums == {"TZS": 0}
    assert await audit.money_under_way(stack) == ""


def wanted(payer, payee, amount, key="k", reference=""):
    return TransferOrder(key, payer.number, Alias("account", payee.number), amount, "TZS", reference)


async def test_a_transfer_between_shards_is_one_transfer_to_both_sides(cluster, source):
    asha, mine = await funded(cluster, source, 0, 1000)
    juma, his = await funded(cluster, source, 1, 50)
    first = await acts.transfer(cluster, kit.as_person(asha), wanted(mine, his, 300, reference="maziwa"))
    assert await acts.transfer(cluster, kit.as_person(asha), wanted(mine, his, 300, reference="maziwa")) == first
    assert first.balance_minor == 700
    with pytest.raises(DifferentContent):
        await acts.transfer(cluster, kit.as_person(asha), wanted(mine, his, 301))
    receipt = await acts.receipt(cluster, kit.as_person(asha), first.transfer_id)
    assert (receipt.amount_minor, receipt.balance_minor, receipt.reference) == (300, 700, "maziwa")
    page = await acts.statement(cluster, kit.as_person(juma), his.number)
    assert [(e.amount_minor, e.balance_minor, e.reference) for e in page.entries] == [
        (300, 350, "maziwa"),
        (50, 50, ""),
    ]
    page = await acts.statement(cluster, kit.as_person(asha), mine.number)
    assert [e.amount_minor for e in page.entries] == [-300, 1000]
    assert await acts.balance_at(cluster, kit.as_person(juma), his.number, kit.clock_now()) == 350
    back = await acts.transfer(cluster, kit.as_person(juma), wanted(his, mine, 350))
    assert back.balance_minor == 0
    await agree(cluster)


async def test_what_the_other_shard_refuses_is_given_back(cluster, source):
    asha, mine = await funded(cluster, source, 0, 1000)
    juma, his = await funded(cluster, source, 1, 0)
    await officers.close_account(cluster, kit.as_person(juma), his.number)
    for _ in range(2):
        with pytest.raises(errors.AccountClosed):
            await acts.transfer(cluster, kit.as_person(asha), wanted(mine, his, 300))
    with pytest.raises(errors.InsufficientFunds):
        await acts.transfer(cluster, kit.as_person(asha), wanted(mine, his, 1001, "k2"))
    (account,) = await acts.accounts(cluster, kit.as_person(asha))
    assert account.balance_minor == account.available_minor == 1000
    await agree(cluster)


async def test_linked_orders_with_one_way_out_are_posted_all_or_none(cluster, source):
    asha, mine = await funded(cluster, source, 0, 1000)
    _, fees = await funded(cluster, source, 0, 0)
    _, his = await funded(cluster, source, 1, 0)
    permit = kit.order(cluster, f"person:{asha}", mine.number, his.number, 1).permit
    by = orders.By(permit, parties.person_ref(cluster, asha), "fee")
    a, b, c = (rules.id_of(x.number) for x in (mine, his, fees))

    def chain(key, amount, fee):
        return [orders.pay(by, key, a, b, amount, "TZS", "P2P"), orders.pay(by, f"{key}f", a, c, fee, "TZS", "FEES")]

    endings = await ledger.post_linked(cluster, chain("1", 990, 11))
    assert [e.reason for e in endings] == [Reason.LINKED, Reason.INSUFFICIENT_FUNDS]
    errors.check(await ledger.post_linked(cluster, chain("2", 600, 11)))
    await officers.freeze(cluster, kit.as_staff("account-officer"), his.number, reason="amri", credits=True)
    endings = await ledger.post_linked(cluster, chain("3", 100, 5))
    assert [e.reason for e in endings] == [Reason.PAYEE_FROZEN, Reason.LINKED]
    (account,) = await acts.accounts(cluster, kit.as_person(asha))
    assert account.balance_minor == account.available_minor == 1000 - 611
    with pytest.raises(errors.Refusal):  # two ways out
        await ledger.post_linked(cluster, [chain("4", 1, 1)[0], chain("5", 1, 1)[0]])
    await agree(cluster)


@pytest.mark.parametrize("step", range(3))
async def test_a_crash_between_the_steps_is_made_good(cluster, source, step, monkeypatch):
    """The program dies after the reservation, after the arrival, or while the hold is committed."""
    asha, mine = await funded(cluster, source, 0, 1000)
    juma, his = await funded(cluster, source, 1, 0)
    real, steps = Writer.post, [Kind.ARRIVE, Kind.COMMIT, None]

    async def dies(self, wanted_orders):
        if wanted_orders and wanted_orders[0].kind == steps[step]:
            raise RuntimeError("the program died")
        endings = await real(self, wanted_orders)
        if step == 2 and wanted_orders[0].kind == Kind.COMMIT:
            raise RuntimeError("the program died before it could say so")
        return endings

    with monkeypatch.context() as patched:
        patched.setattr(Writer, "post", dies)
        with pytest.raises(RuntimeError):
            await acts.transfer(cluster, kit.as_person(asha), wanted(mine, his, 400, reference="shule"))
    done = await between.finish_crossings(cluster, patience_s=-60)
    assert done == (step < 2) and await between.finish_crossings(cluster, patience_s=-60) == 0
    receipt = await acts.transfer(cluster, kit.as_person(asha), wanted(mine, his, 400, reference="shule"))
    assert receipt.balance_minor == 600
    page = await acts.statement(cluster, kit.as_person(juma), his.number)
    assert [(e.amount_minor, e.reference) for e in page.entries] == [(400, "shule")]
    await agree(cluster)


async def test_holds_and_reversals_stay_within_their_shard(cluster, source):
    asha, mine = await funded(cluster, source, 1, 500)
    juma, his = await funded(cluster, source, 1, 0)
    held = await holding.reserve(cluster, kit.as_person(asha), wanted(mine, his, 300), 60)
    paid = await holding.commit_hold(cluster, kit.as_person(asha), "c", held.hold_id, mine.number, 200, "TZS")
    await holding.reverse(cluster, kit.as_person(juma), holding.ReversalOrder("r", paid.transfer_id, 50, "punguzo"))
    (account,) = await acts.accounts(cluster, kit.as_person(asha))
    assert account.balance_minor == account.available_minor == 350
    await agree(cluster)


async def test_a_hold_between_shards_is_paid_in_part_and_the_rest_is_free(cluster, source):
    asha, mine = await funded(cluster, source, 0, 500)
    juma, his = await funded(cluster, source, 1, 0)
    held = await holding.reserve(cluster, kit.as_person(asha), wanted(mine, his, 300), 60)
    assert await holding.reserve(cluster, kit.as_person(asha), wanted(mine, his, 300), 60) == held
    # Whatever happens to the payee's account now, the money that was promised arrives.
    await officers.freeze(cluster, kit.as_staff("account-officer"), his.number, reason="amri", credits=True)
    for _ in range(2):
        await holding.commit_hold(cluster, kit.as_person(asha), "c", held.hold_id, mine.number, 200, "TZS")
    with pytest.raises(errors.HoldEnded):
        await holding.void_hold(cluster, kit.as_person(asha), "v", held.hold_id, mine.number, "TZS")
    (account,) = await acts.accounts(cluster, kit.as_person(asha))
    assert account.balance_minor == account.available_minor == 300
    page = await acts.statement(cluster, kit.as_person(juma), his.number)
    assert [(e.amount_minor, e.balance_minor) for e in page.entries] == [(200, 200)]
    assert await across.follow_up(cluster, patience_s=-60) == 0
    await agree(cluster)


async def test_a_hold_between_shards_that_is_refused_voided_or_too_late_leaves_nothing(cluster, source):
    asha, mine = await funded(cluster, source, 1, 500)
    _, his = await funded(cluster, source, 0, 0)
    gone, closed = await funded(cluster, source, 0, 0)
    await officers.close_account(cluster, kit.as_person(gone), closed.number)
    for _ in range(2):
        with pytest.raises(errors.AccountClosed):
            await holding.reserve(cluster, kit.as_person(asha), wanted(mine, closed, 300), 60)
    held = await holding.reserve(cluster, kit.as_person(asha), wanted(mine, his, 300, "hv"), 60)
    await holding.void_hold(cluster, kit.as_person(asha), "v", held.hold_id, mine.number, "TZS")
    late = await holding.reserve(cluster, kit.as_person(asha), wanted(mine, his, 400, "late"), 1)
    with pytest.raises(errors.InsufficientFunds):
        await holding.reserve(cluster, kit.as_person(asha), wanted(mine, his, 400, "more"), 1)
    with clock.freeze(clock.now() + timedelta(seconds=5)):
        await writer.of(cluster, 1).expire()
        assert await across.follow_up(cluster, patience_s=-60) == 1
        with pytest.raises(errors.HoldEnded):
            await holding.commit_hold(cluster, kit.as_person(asha), "c", late.hold_id, mine.number, 1, "TZS")
    (account,) = await acts.accounts(cluster, kit.as_person(asha))
    assert account.balance_minor == account.available_minor == 500
    assert await promised(cluster) == []
    await agree(cluster)


async def promised(cluster):
    found = []
    for shard in homes.known(cluster):
        async with homes.home(cluster, shard).db.reading("payments") as tx:
            found += await store_shards.promises(tx, shard, across.FIRST, kit.clock_now() + timedelta(minutes=5))
    return found


class Died(Exception):
    """The program is gone."""


@pytest.mark.parametrize("seed", range(6))
async def test_no_death_leaves_money_between_shards(cluster, source, seed, monkeypatch):
    """A program that dies at any of its steps, again and again: what was told is true, and nothing hangs."""
    chance = random.Random(seed)
    (asha, mine), (juma, his) = await funded(cluster, source, 0, 1000), await funded(cluster, source, 1, 1000)
    real, left = Writer.post, [0]

    async def dies(self, posted):
        left[0] -= 1
        if left[0] == 0 and chance.random() < 0.5:
            raise Died
        endings = await real(self, posted)
        if left[0] == 0:
            raise Died
        return endings

    monkeypatch.setattr(Writer, "post", dies)
    holds: list[tuple] = []
    unheard: list[tuple] = []
    balance = {asha: 1000, juma: 1000}

    async def do(what, key, payer, account, payee, other, amount, hold):
        ctx = kit.as_person(payer)
        if what == "hold":
            held = await holding.reserve(cluster, ctx, wanted(account, other, amount, key), 600)
            holds.append((held.hold_id, payer, account, payee, other, amount))
        elif what == "void":
            await holding.void_hold(cluster, ctx, key, hold, account.number, "TZS")
        else:
            if what == "pay":
                await acts.transfer(cluster, ctx, wanted(account, other, amount, key))
            else:
                await holding.commit_hold(cluster, ctx, key, hold, account.number, amount, "TZS")
            balance[payer], balance[payee] = balance[payer] - amount, balance[payee] + amount

    for step in range(14):
        sides, amount, hold = (asha, mine, juma, his), chance.randint(1, 60), ""
        what, left[0] = chance.choice(["pay", "hold", "hold", "commit", "commit", "void"]), chance.randint(1, 5)
        if chance.random() < 0.5:
            sides = (*sides[2:], *sides[:2])
        if what in ("commit", "void"):
            if not holds:
                continue
            hold, *sides, amount = holds.pop()
        ordered = what, f"{seed}/{step}", *sides, max(1, amount - step), hold
        try:
            await do(*ordered)
        except Died:
            for shard in homes.known(cluster):
                cluster.local.pop(f"payments.writer.{shard}", None)
            unheard.append(ordered)
    left[0] = -1
    await between.finish_crossings(cluster, patience_s=-60)
    await across.follow_up(cluster, patience_s=-60)
    assert unheard and sum([(await has(cluster, person))[0] for person in balance]) == 2000
    for ordered in unheard:  # whoever heard nothing asks again
        await do(*ordered)
    for hold, payer, account, *_ in holds:
        await holding.void_hold(cluster, kit.as_person(payer), f"end{hold}", hold, account.number, "TZS")
    assert {person: await has(cluster, person) for person in balance} == {p: (n, n) for p, n in balance.items()}
    assert await promised(cluster) == []
    await agree(cluster)


async def has(cluster, person):
    (account,) = await acts.accounts(cluster, kit.as_person(person))
    return account.balance_minor, account.available_minor


async def test_whoever_is_out_of_use_pays_from_no_database(cluster, source):
    asha, mine = await funded(cluster, source, 1, 500)
    _, his = await funded(cluster, source, 0, 0)
    await acts.transfer(cluster, kit.as_person(asha), wanted(mine, his, 1))
    assert await holders.follow_identity(cluster, kit.job_context(holders.JOB), asha, in_use=False) == 1
    with pytest.raises(errors.AccountFrozen):
        await acts.transfer(cluster, kit.as_person(asha), wanted(mine, his, 1, "k2"))
    assert await holders.follow_identity(cluster, kit.job_context(holders.JOB), asha, in_use=True) == 1
    await acts.transfer(cluster, kit.as_person(asha), wanted(mine, his, 1, "k3"))


def test_the_setting_of_shards_is_read_strictly():
    assert homes.configured(" 1, 2=postgresql://b@h/x ") == {1: "", 2: "postgresql://b@h/x"}
    for text in ("0", "256", "x", "1,1", "-1"):
        with pytest.raises(ValueError):
            homes.configured(text)


async def test_money_made_between_shards_is_seen(cluster, source):
    """A database administrator moves a transit account: the shards together say so."""
    home = homes.home(cluster, 1)
    await funded(cluster, source, 1, 100)
    url = home.db.dsn.replace("msingi_app@", "postgres@").replace("user=msingi_app", "user=postgres")
    change = "UPDATE payments.account SET posted = posted + $1 WHERE shard = 1 AND kind = 'transit'"
    await kit.owner_does(url, change, 10_000)
    assert "under way" in await audit.money_under_way(cluster)
    await kit.owner_does(url, change, -10_000)
    await agree(cluster)


async def _back(stack, person, transfer, amount, key="r"):
    return await holding.reverse(stack, kit.as_person(person), holding.ReversalOrder(key, transfer, amount, "kosa"))


@pytest.mark.parametrize("how", ["at once", "out of a hold"])
async def test_what_came_from_another_shard_is_paid_back_and_never_more(cluster, source, how):
    """By the payer's id of it and by the payee's; twice with one key is once; all together are at most the whole."""
    (asha, mine), (juma, his) = await funded(cluster, source, 0, 500), await funded(cluster, source, 1, 5)
    if how == "at once":
        paid = await acts.transfer(cluster, kit.as_person(asha), wanted(mine, his, 300, reference="kodi"))
    else:
        held = await holding.reserve(cluster, kit.as_person(asha), wanted(mine, his, 400), 60)
        paid = await holding.commit_hold(cluster, kit.as_person(asha), "c", held.hold_id, mine.number, 300, "TZS")
    for _ in range(2):
        await _back(cluster, juma, paid.transfer_id, 100)
    with pytest.raises(DifferentContent):
        await _back(cluster, juma, paid.transfer_id, 101)
    with pytest.raises(errors.OverOriginal):
        await _back(cluster, juma, paid.transfer_id, 201, "more")
    with pytest.raises(errors.Refusal):  # it was not hers to give back
        await _back(cluster, asha, paid.transfer_id, 10, "mine")
    entry = (await acts.statement(cluster, kit.as_person(juma), his.number)).entries[1]
    arrived = str(entry.transfer_id)
    assert entry.amount_minor == 300 and arrived != paid.transfer_id
    await _back(cluster, juma, arrived, 200, "rest")
    with pytest.raises(errors.OverOriginal):
        await _back(cluster, juma, paid.transfer_id, 1, "one")
    assert [await has(cluster, person) for person in (asha, juma)] == [(500, 500), (5, 5)]
    page = await acts.statement(cluster, kit.as_person(asha), mine.number)
    assert [(e.amount_minor, e.reference) for e in page.entries[:2]] == [(200, "kosa"), (100, "kosa")]
    assert await promised(cluster) == [] and await across.follow_up(cluster, patience_s=-60) == 0
    await agree(cluster)


async def test_what_cannot_be_taken_back_or_is_not_there_stays_where_it_is(cluster, source):
    (asha, mine), (juma, his) = await funded(cluster, source, 1, 500), await funded(cluster, source, 0, 0)
    paid = await acts.transfer(cluster, kit.as_person(asha), wanted(mine, his, 300))
    _, purse = await funded(cluster, source, 0, 0)
    await acts.transfer(cluster, kit.as_person(juma), wanted(his, purse, 250, "away"))
    with pytest.raises(errors.InsufficientFunds):
        await _back(cluster, juma, paid.transfer_id, 60)
    assert await promised(cluster) == []
    banker = kit.as_staff("account-officer")
    await officers.freeze(cluster, banker, mine.number, reason="amri", credits=True)
    with pytest.raises(errors.AccountFrozen):
        await _back(cluster, juma, paid.transfer_id, 50, "frozen")
    await officers.unfreeze(cluster, banker, mine.number, reason="amri")
    assert await promised(cluster) == [] and (await has(cluster, juma)) == (50, 50)
    back = await holding.reverse(cluster, banker, holding.ReversalOrder("o", paid.transfer_id, 50, "kosa"))
    assert back.amount_minor == 50 and await has(cluster, asha) == (250, 250)
    await agree(cluster)


@pytest.mark.parametrize("seed", range(6))
async def test_no_death_leaves_a_reversal_half_done(cluster, source, seed, monkeypatch):
    """A program that dies at any step of paying back, before it or after it: once followed up, it is done or it is not,
    nothing hangs, and more than was paid never comes back."""
    chance = random.Random(f"back{seed}")
    (asha, mine), (juma, his) = await funded(cluster, source, 0, 1000), await funded(cluster, source, 1, 100)
    paid = await acts.transfer(cluster, kit.as_person(asha), wanted(mine, his, 600))
    real, left = Writer.post, [0]

    async def dies(self, posted):
        left[0] -= 1
        if left[0] == 0 and chance.random() < 0.5:
            raise Died
        endings = await real(self, posted)
        if left[0] == 0:
            raise Died
        return endings

    monkeypatch.setattr(Writer, "post", dies)
    unheard, told = [], 0
    for step in range(8):
        amount, left[0] = chance.randint(1, 150), chance.randint(1, 5)
        try:
            await _back(cluster, juma, paid.transfer_id, amount, f"{seed}/{step}")
            told += amount
        except errors.OverOriginal:
            assert told + amount > 0
        except Died:
            for shard in homes.known(cluster):
                cluster.local.pop(f"payments.writer.{shard}", None)
            unheard.append((f"{seed}/{step}", amount))
            if chance.random() < 0.5:
                left[0] = -1
                await across.follow_up(cluster, patience_s=-60)
    left[0] = -1
    await across.follow_up(cluster, patience_s=-60)
    assert unheard and await promised(cluster) == []
    await agree(cluster)
    before = (await has(cluster, asha))[0] - 400
    assert told <= before <= 600 and (await has(cluster, juma))[0] == 700 - before
    for key, amount in unheard:  # whoever heard nothing asks again: it is done, done once, or refused for good
        try:
            await _back(cluster, juma, paid.transfer_id, amount, key)
        except (errors.OverOriginal, DifferentContent):
            continue
        told += amount
    assert (await has(cluster, asha))[0] - 400 == told
    assert await promised(cluster) == [] and await across.follow_up(cluster, patience_s=-60) == 0
    await agree(cluster)
