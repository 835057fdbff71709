"""The money of an estate: what ends with a death, debts to rotating groups, then the heirs; whenever something comes.

Each heir's part is written down before the ledger is asked (law 3): what breaks off is asked again, and paid once. The
orders carry out a certificate: the ledger knows that by the permit's own words (`rules.by_law`), which no caller can
choose, and lets them pass where the dead person's own orders end.
"""

from uuid import UUID

from msgspec.structs import replace

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.db import Row
from msingi.kernel.errors import Refusal
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import errors, homes, ledger, orders, parties
from msingi.payments import rules as ledger_rules
from msingi.payments import store as accounts
from msingi.payments.bank import store_asking
from msingi.payments.circles import deaths
from msingi.payments.estates import rules, store
from msingi.payments.estates.model import Kept, Part, State

JOB, CODE, AT_ONCE = "payments-estates", "ESTA", 100


def job() -> Context:
    """The context in which the stack itself pays heirs."""
    return job_context(JOB, "payment", "legal-obligation")


def permit() -> Permit:
    """The permit of the stack itself."""
    return policy.decide(job(), "payments.pay-heirs", policy.ANYONE)


async def held(stack: Stack, kept: Kept) -> dict[int, tuple[Row, str]]:
    """The accounts that the dead person held alone, as the ledger has them, with their kinds."""
    async with stack.db.transaction(permit()) as tx:
        rows = await accounts.held(tx, kept.person_id, "")
        tx.repeated = True
    own, found = parties.person_ref(stack, kept.person_id), {}
    for row in rows:
        number = row["account_id"]
        async with homes.home(stack, ledger_rules.shard_of(number)).db.reading("payments") as near:
            if await accounts.holder_ref_of(near, number) != own:
                continue  # held together with others, who keep it
            there = await accounts.account(near, number)
        if there is not None:
            found[number] = there, row["kind"]
    return found


async def settle(stack: Stack, estate_id: UUID) -> int:
    """One look at an open estate; how many parts were paid."""
    by = permit()
    async with stack.db.transaction(by) as tx:
        kept = await store.estate(tx, stack.seal, estate_id)
        tx.repeated = True
    if kept is None or kept.state is not State.OPEN:
        return 0
    await _stop(stack, by, kept)
    found = await held(stack, kept)
    ref = parties.person_ref(stack, kept.person_id)
    purse = next((number for number, (row, _) in found.items() if row["currency"] == kept.currency), None)
    if purse is not None:
        await deaths.leave(stack, orders.By(by, ref, f"estate/{estate_id}"), kept.person_id, purse)
    done = 0
    for number, (row, _) in found.items():
        if row["currency"] == kept.currency:
            await _divide(stack, by, kept, number)
            done += await _pay(stack, by, kept, number, ref)
    return done


async def _stop(stack: Stack, by: Permit, kept: Kept) -> None:
    """Standing orders end."""
    async with stack.db.transaction(by) as tx:
        due = [one for one in await store_asking.standing_of_person(tx, kept.person_id) if one.due is not None]
        ended = sum([await store_asking.stop_standing(tx, kept.person_id, one.id) for one in due])
        if ended:
            await store.add_stopped(tx, kept, ended)
            log.append(tx, by, subject=kept.person_id, detail={"what": "standing orders ended", "count": ended})
        else:
            tx.repeated = True


async def _divide(stack: Stack, by: Permit, kept: Kept, number: int) -> None:
    """Write down what each heir gets of what is free in an account and waits for none of them (law 2)."""
    async with stack.db.transaction(by) as tx:
        await store.estate(tx, stack.seal, kept.estate_id, hold=True)
        known = [part for part in await store.parts(tx, kept) if part.account == number]
        async with homes.home(stack, ledger_rules.shard_of(number)).db.reading("payments") as near:
            row = await accounts.account(near, number)
        assert row is not None
        free = ledger_rules.available(row["posted"], row["reserved"], row["floor"])
        waiting = sum(part.amount for part in known if part.state != "paid")
        if any(part.state == "asked" for part in known):  # a program broke off: those first, so that nothing is twice
            amounts = []
        else:
            amounts = rules.shares(free, waiting, [heir.parts for heir in kept.heirs])
        round_ = max((part.round for part in known), default=0) + 1
        made = [
            Part(
                account=number, round=round_, place=place, heir=ledger_rules.id_of(heir.account), amount=amount,
                attempt=1, state="asked", why="",
            )
            for place, (heir, amount) in enumerate(zip(kept.heirs, amounts, strict=False), 1)
            if amount
        ]  # fmt: skip
        if made:
            await store.add_parts(tx, kept, made, clock.now())
            log.append(tx, by, subject=kept.person_id, detail={"what": "estate divided", "heirs": len(made)})
        else:
            tx.repeated = True


async def _pay(stack: Stack, by: Permit, kept: Kept, number: int, owner: int) -> int:
    """Pay the parts out of one account that are not paid; how many were."""
    async with stack.db.transaction(by) as tx:
        due = [part for part in await store.parts(tx, kept) if part.account == number and part.state != "paid"]
        tx.repeated = True
    paid, scope = 0, f"estate/{kept.estate_id}/{number}"
    for part in due:
        order = orders.pay(
            orders.By(by, owner, scope), f"{part.round}/{part.place}/{part.attempt}", number, part.heir, part.amount,
            kept.currency, CODE, reference=kept.number[:60],
        )  # fmt: skip
        (ending,) = await ledger.post(stack, [order])
        try:
            errors.check([ending])
            after = replace(part, state="paid", why="")
            paid += 1
        except Refusal as refused:  # of this heir alone: the others are paid, and this part waits for this heir
            after = replace(part, state="refused", why=refused.code, attempt=part.attempt + 1)
        async with stack.db.transaction(by) as tx:
            await store.set_part(tx, kept, after)
            told: dict[str, str | int | bool] = {"what": "an heir's part", "paid": after.state == "paid"}
            log.append(tx, by, subject=kept.person_id, detail=told)
    return paid


async def run(stack: Stack, ctx: Context) -> int:
    """Look at each open estate: what came in since is paid too; how many parts were paid."""
    by, after, done = policy.decide(ctx, "payments.pay-heirs", policy.ANYONE), UUID(int=0), 0
    while True:
        async with stack.db.transaction(by) as tx:
            found = await store.open_estates(tx, after, AT_ONCE)
            tx.repeated = True
        for one in found:
            done += await settle(stack, one)
        if len(found) < AT_ONCE:
            return done
        after = found[-1]


async def close(stack: Stack, by: Permit, kept: Kept) -> bool:
    """Close every account that is empty (law 5); whether all are, and no part waits."""
    async with stack.db.transaction(by) as tx:
        waits = any(part.state != "paid" for part in await store.parts(tx, kept))
        tx.repeated = True
    own, whole = parties.person_ref(stack, kept.person_id), not waits
    for number, (row, _) in (await held(stack, kept)).items():
        if ledger_rules.is_closed(row["flags"]):
            continue
        async with homes.home(stack, ledger_rules.shard_of(number)).db.transaction(by) as near:
            done = await store.close_account(near, number, own)
            log.append(near, by, subject=kept.person_id, detail={"what": "account of an estate", "closed": done})
        whole = whole and done
    return whole
