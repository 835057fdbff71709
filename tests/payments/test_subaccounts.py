"""Whoever pays everybody pays within each shard, and sees one balance."""

from datetime import timedelta

import pytest
from msgspec import structs
from tests.conftest import fresh_database
from tests.payments import kit

from msingi import app, countries
from msingi.kernel import clock
from msingi.kernel.errors import NotPermitted, Outage
from msingi.kernel.postgres import as_app
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack
from msingi.payments import acts, audit, errors, files, holding, homes, rules, shards, subaccounts, working
from msingi.payments.model import Alias, Kind, TransferOrder
from msingi.payments.programmes import acts as programmes
from msingi.payments.programmes import preparing, uncollected
from msingi.payments.programmes.model import ProgrammeOrder

CLERK = kit.as_staff("payment-clerk", id="clerk", purpose="social-protection")
BOSS = kit.as_staff("payment-approver", id="boss", purpose="social-protection")
OWNER = kit.as_staff("treasurer", institution="hazina")


@pytest.fixture(scope="module")
async def stack(server, template, owner_url, tmp_path_factory):
    """A stack with a second shard in a database of its own."""
    second = await fresh_database(server, template)
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home, base_url="http://127.0.0.1:8080", sandbox=True, ledger_shards=f"1={second}")
    made = await Stack.open(settings, as_app(owner_url), countries.load("taifa"))
    app.load_policies()
    app.furnish(made)
    await app.start_rooms(made)
    yield made
    for database in reversed(homes.databases(made)):
        await database.db.close()


@pytest.fixture(scope="module")
async def people(stack):
    """Six people, at least two of them in each shard."""
    found = [await kit.enrolled(stack) for _ in range(6)]
    while not 2 <= sum(shards.place(stack, one.id) for one in found) <= 4:
        found = [*found[1:], await kit.enrolled(stack)]
    return found


async def approved(stack, payer, people, message, amounts):
    lines = [(f"E{n}", p.number, str(a)) for n, (p, a) in enumerate(zip(people, amounts, strict=True), 1)]
    kept = await files.upload_payment_file(stack, CLERK, kit.pain_001(payer.number, lines, message=message))
    await files.approve_payment_file(stack, BOSS, kept.file_id)
    return kept.file_id


async def balances(stack, people):
    return [sum((await acts.balances_of(stack, kit.as_person(p.id), p.id)).values()) for p in people]


async def shown(stack, account):
    (found,) = [a for a in await acts.accounts(stack, OWNER) if a.number == account.number]
    return found.balance_minor


async def rows(stack, kind):
    """The journal's rows of a kind that pay people, by shard."""
    query = "SELECT shard FROM payments.journal WHERE kind = $1 AND code = 'G2P' ORDER BY shard"
    found = []
    for database in homes.databases(stack):
        url = database.db.dsn.replace("msingi_app@", "postgres@").replace("user=msingi_app", "user=postgres")
        found += [row["shard"] for row in await kit.owner_does(url, query, kind)]
    return found


async def agree(stack):
    for database in homes.databases(stack):
        found = await audit.check_books(database.db)
        assert found.ok, found.problems
    assert await audit.money_under_way(stack) == ""


async def test_access_sub_accounts(stack, people):
    """Every payment of a file is local to the payee's shard; the account shows one balance all the time."""
    source = await kit.treasury(stack, 100_000)
    file_id = await approved(stack, source, people, "SUB-1", [1000] * 6)
    assert await subaccounts.sub_accounts(stack, OWNER, source.number) == []
    real, seen = working.store_files.end_part, []

    async def looks(*args):
        seen.append(await shown(stack, source))
        return await real(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(working.store_files, "end_part", looks)
        done = await working.run_file(stack, file_id)
    assert (done.paid, done.rejected, seen) == (6, 0, [94_000])
    assert await balances(stack, people) == [1000] * 6 and await shown(stack, source) == 94_000
    assert sorted(await rows(stack, Kind.POST)) == sorted(shards.place(stack, p.id) for p in people)
    assert await rows(stack, Kind.ARRIVE) == [] == await rows(stack, Kind.RESERVE)
    (part,) = await subaccounts.sub_accounts(stack, OWNER, source.number)
    assert (part.shard, part.balance_minor) == (1, 0)
    assert len([a for a in await acts.accounts(stack, OWNER) if a.number in (source.number, part.number)]) == 1
    page = await acts.statement(stack, OWNER, part.number)  # what people of the shard were paid stands there
    assert {e.amount_minor for e in page.entries} > {-1000}
    receipt = await acts.receipt(stack, OWNER, page.entries[0].transfer_id)
    assert (receipt.payer, receipt.amount_minor) == (part.number, 1000)
    for ctx, why in (
        (kit.as_staff("treasurer", institution="zahanati"), errors.NoSuchAccount),
        (kit.as_person(people[0].id), NotPermitted),
    ):
        with pytest.raises(why):
            await subaccounts.sub_accounts(stack, ctx, source.number)
    await agree(stack)


async def test_what_the_account_cannot_pay_is_told_line_by_line_and_the_rest_comes_home(stack, people):
    small, before = await kit.treasury(stack, 2_500), await balances(stack, people)
    done = await working.run_file(stack, await approved(stack, small, people, "SUB-2", [1000] * 6))
    lines = (await files.file_lines(stack, BOSS, done.file_id)).lines
    assert done.paid == 2 and {n.reason for n in lines} == {"", "AM04"}
    assert sum(await balances(stack, people)) == sum(before) + 2_000 and await shown(stack, small) == 500
    assert [p.balance_minor for p in await subaccounts.sub_accounts(stack, OWNER, small.number)] in ([0], [])
    await agree(stack)


async def test_a_stopped_file_pays_nobody_twice_though_people_lead_elsewhere_now(stack, people, monkeypatch):
    """The program dies after paying; when another takes the file up, the names lead to accounts of another shard."""
    source, before = await kit.treasury(stack, 100_000), await balances(stack, people)
    file_id = await approved(stack, source, people, "SUB-3", [1000] * 6)

    async def dies(*_):
        raise Outage("paid, and nothing written")

    with monkeypatch.context() as patch:
        patch.setattr(working.store_files, "end_part", dies)
        patch.setattr(working, "LEASE_S", -1)
        with pytest.raises(Outage):
            await working.run_file(stack, file_id)
    real = working._credits

    async def elsewhere(stack, ctx, named):
        persons, credits = await real(stack, ctx, named)
        names, ids = list(credits), sorted(credits.values(), key=rules.shard_of)
        return persons, dict(zip(sorted(names, key=lambda n: -rules.shard_of(credits[n])), ids, strict=True))

    monkeypatch.setattr(working, "_credits", elsewhere)
    done = await working.run_file(stack, file_id)
    assert (done.paid, done.rejected) == (6, 0)
    assert await balances(stack, people) == [b + 1000 for b in before] and await shown(stack, source) == 94_000
    await agree(stack)


async def test_what_is_paid_back_to_a_sub_account_comes_home(stack, people):
    source = await kit.treasury(stack, 100_000)
    await working.run_file(stack, await approved(stack, source, people, "SUB-4", [1000] * 6))
    far = next(p for p in people if shards.place(stack, p.id) == 1)
    me = kit.as_person(far.id)
    (account,) = await acts.accounts(stack, me)
    (paid, *_) = (await acts.statement(stack, me, account.number)).entries
    await holding.reverse(stack, me, holding.ReversalOrder("back", paid.transfer_id, 400, "si yangu"))
    (part,) = await subaccounts.sub_accounts(stack, OWNER, source.number)
    assert part.balance_minor == 400 and await shown(stack, source) == 94_400
    assert await subaccounts.bring_all_home(stack) == 400 and await subaccounts.bring_all_home(stack) == 0
    async with stack.db.reading("payments") as tx:
        (row,) = await shards.store.some_accounts(tx, 0, [rules.id_of(source.number)])
    assert row["posted"] == 94_400
    await agree(stack)


async def test_what_nobody_collected_goes_back_from_every_database(stack, people, monkeypatch):
    """People of both shards, each in a database of its own: told, then taken back, unless the account was used."""
    source, before = await kit.treasury(stack, 100_000), await balances(stack, people)
    fresh = [one for one, held in zip(people, before, strict=True) if not held] or [await kit.enrolled(stack)]
    while min([shards.place(stack, one.id) for one in fresh].count(place) for place in (0, 1)) < 2:
        fresh.append(await kit.enrolled(stack))
    order = ProgrammeOrder("LATE", "Late", source.number, 1_000, claim_days=60, warn_days=14)
    programme = await programmes.open_programme(stack, CLERK, order)
    await programmes.enrol_beneficiaries(stack, CLERK, programme.programme_id, [one.number for one in fresh])
    cycle = await programmes.open_cycle(stack, CLERK, programme.programme_id, "2026-01")
    await preparing.prepare(stack, cycle)
    await files.approve_payment_file(stack, BOSS, str(cycle))
    assert (await working.run_file(stack, str(cycle))).paid == len(fresh)
    user = next(one for one in fresh if shards.place(stack, one.id) == 1)  # pays something out before the day
    (purse,) = await acts.accounts(stack, kit.as_person(user.id))
    spent = TransferOrder("k", purse.number, Alias("identity", people[0].number), 10, "TZS")
    await acts.transfer(stack, kit.as_person(user.id), spent)
    job, told = preparing.job, []

    async def tell_person(_stack, _ctx, person, *_):
        told.append(person)

    monkeypatch.setattr(uncollected.telling, "tell_person", tell_person)

    def on(days):
        at = clock.now() + timedelta(days=days)
        monkeypatch.setattr(preparing, "job", lambda institution: structs.replace(job(institution), at=at))

    on(47)
    assert await uncollected.tell(stack) == len(fresh) - 1 == len(set(told)) and user.id not in told
    late = next(one for one in fresh if shards.place(stack, one.id) == 1 and one is not user)
    (purse,) = await acts.accounts(stack, kit.as_person(late.id))
    await acts.transfer(stack, kit.as_person(late.id), structs.replace(spent, payer=purse.number))
    on(70)
    await uncollected.send_back(stack)
    left = dict(zip([one.id for one in fresh], await balances(stack, fresh), strict=True))
    left = {person: held for person, held in left.items() if held}
    assert left == {user.id: 990, late.id: 990} or left == {user.id: 990, late.id: 990, people[0].id: 20}
    await subaccounts.bring_all_home(stack)
    assert await shown(stack, source) == 100_000 - 2_000
    await agree(stack)


async def test_money_for_a_shard_that_is_not_there_stays_where_it_is(stack, people):
    me = kit.as_person(people[0].id)
    (account,) = await acts.accounts(stack, me)
    nowhere = rules.number_of(rules.account_id(1, 77))
    for act, more in ((acts.transfer, ()), (holding.reserve, (60,))):
        with pytest.raises(errors.NoSuchAccount):
            await act(stack, me, TransferOrder("k", account.number, Alias("account", nowhere), 100, "TZS"), *more)
    assert (await acts.accounts(stack, me)) == [account]
    assert await audit.money_under_way(stack) == ""
