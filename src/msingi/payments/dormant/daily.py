"""Each day's work: follow new accounts, tell customers, put accounts to sleep, hand money over.

Whatever breaks off is taken up again by the next run, because each step is kept with the state that it changes. An
account is looked at only when it could have become dormant: a nation's accounts cost a few look-ups each in so many
months. Putting accounts to sleep moves the fence of their shard first and looks once more, so that a payment of that
very moment keeps its account awake (law 1).
"""

import tomllib
from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta, timezone
from functools import cache
from importlib.resources import files

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import homes
from msingi.payments import rules as ledger_rules
from msingi.payments.bank import tariff, telling
from msingi.payments.bank.tariff import Dormant
from msingi.payments.dormant import handing, rules, store
from msingi.payments.dormant.model import State
from msingi.payments.dormant.rules import Step

JOB = "payments-dormant"
AT_ONCE = 500
SETTLED = timedelta(hours=1)  # accounts opened later than this may still be written: they wait for the next run


def job() -> Context:
    """The context in which the stack follows the law."""
    return job_context(JOB, "payment", "legal-obligation")


def zone(stack: Stack) -> timezone:
    """The country's time."""
    return timezone(timedelta(minutes=stack.profile.utc_offset_minutes))


def today(stack: Stack) -> date:
    """The country's day."""
    return clock.now().astimezone(zone(stack)).date()


async def run(stack: Stack, day: date | None = None) -> int:
    """Do what is due up to a day (today); how many accounts were worked on. Nothing where the country has no law."""
    law = tariff.of(stack).dormant
    if law is None:
        return 0
    now, done = day or today(stack), 0
    for shard in homes.known(stack):
        done += await follow(stack, law, shard)
        done += await look(stack, law, shard, now)
        done += await handing.hand_over(stack, law, shard, now)
    await handing.pay_broken_off(stack, law)
    return done


async def follow(stack: Stack, law: Dormant, shard: int) -> int:
    """Follow accounts that were opened since the last run; how many were read."""
    permit = policy.decide(job(), "payments.follow-dormancy", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        rows = await store.fresh(tx, shard, clock.now() - SETTLED, AT_ONCE)
        wanted = [row for row in rows if row["kind"] in law.kinds]
        opened = [row["opened_at"].astimezone(zone(stack)).date() for row in wanted]
        await store.follow(tx, shard, wanted, opened, [rules.first_look(day, law) for day in opened])
        if rows:
            await store.followed(tx, shard, rows[-1]["account_id"])
            log.append(tx, permit, detail={"what": "accounts followed", "count": len(wanted)})
        else:
            tx.repeated = True
            tx.release(permit)
    return len(rows)


async def look(stack: Stack, law: Dormant, shard: int, now: date) -> int:
    """Look at the accounts that could have become dormant: tell, put to sleep, or come back later; how many.

    Customers are told before it is kept that they were: a message may come twice, none is missing (law 1).
    """
    permit = policy.decide(job(), "payments.follow-dormancy", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        rows = {row["account_id"]: row for row in await store.to_look_at(tx, shard, now, AT_ONCE)}
        if not rows:
            tx.repeated = True
            tx.release(permit)
            return 0
        steps = await _steps(stack, law, permit, tx, shard, rows, now)
        owners = await store.owners_of(tx, shard, list(rows))
        log.append(tx, permit, detail={"what": "accounts looked at", "count": len(rows)})
    for account, step in steps.items():
        if step.state is State.WARNED and rows[account]["state"] == State.ACTIVE:
            await _tell(stack, owners[account], account, step)
    falling = [account for account, step in steps.items() if step.state is State.DORMANT]
    async with stack.db.transaction(permit) as tx:
        if falling:
            steps |= await _asleep(stack, law, permit, tx, shard, rows, falling, now)
        await store.put_steps(tx, shard, steps, now)
        asleep = [account for account, step in steps.items() if step.state is State.DORMANT]
        told: dict[str, str | int | bool] = {"what": "account dormant", "law": stack.profile.say(law.law)}
        for person in (person for account in asleep for person in owners[account]):
            log.append(tx, permit, subject=person, detail=told)
        log.append(tx, permit, detail={"what": "accounts followed", "count": len(rows), "asleep": len(asleep)})
    for account in asleep:
        await _tell(stack, owners[account], account, steps[account])
    return len(rows)


async def _tell(stack: Stack, people: list[PersonId], account: int, step: Step) -> None:
    """Send the message to everybody who holds an account, once for each step."""
    teller = job_context(telling.JOB, "payment", "legal-obligation")
    for person in people:
        key = f"dormant/{account}/{step.state}/{step.falls_on or step.look_on}"
        await telling.tell_person(stack, teller, person, _said(account, step), key)


@cache
def texts() -> dict[str, dict[str, str]]:
    """What customers are told, by language."""
    return tomllib.loads((files("msingi.payments.dormant") / "telling.toml").read_text("utf-8"))


def _said(account: int, step: Step) -> dict[str, str]:
    """What customers are told, in every language."""
    number = ledger_rules.masked_number(ledger_rules.number_of(account))
    key = "asleep" if step.state is State.DORMANT else "falls_asleep"
    day = step.falls_on.isoformat() if step.falls_on else ""
    return {tongue: words[key].format(account=number, day=day) for tongue, words in texts().items()}


async def _asleep(
    stack: Stack,
    law: Dormant,
    permit: Permit,
    tx: Tx,
    shard: int,
    rows: dict[int, Row],
    falling: Sequence[int],
    now: date,
) -> dict[int, Step]:
    """Put accounts to sleep behind the fence, those of them that are still quiet; what becomes of each."""
    there = homes.home(stack, shard)
    some = {account: rows[account] for account in falling}
    if there is stack:
        epoch = await store.fence(tx, shard)
        found = await _steps(stack, law, permit, tx, shard, some, now)
        await store.put_to_sleep(tx, shard, _dormant(found), epoch)
        return found
    async with there.db.transaction(permit) as far:
        epoch = await store.fence(far, shard)
        found = await _steps(stack, law, permit, tx, shard, some, now, far)
        await store.put_to_sleep(far, shard, _dormant(found), epoch)
        log.append(far, permit, detail={"what": "accounts dormant", "count": len(found)})
    return found


def _dormant(steps: dict[int, Step]) -> list[int]:
    return [account for account, step in steps.items() if step.state is State.DORMANT]


async def _steps(
    stack: Stack,
    law: Dormant,
    permit: Permit,
    tx: Tx,
    shard: int,
    rows: dict[int, Row],
    now: date,
    far: Tx | None = None,
) -> dict[int, Step]:
    """What becomes of each account today: an act on any account of its holders counts for all of them."""
    accounts = await store.accounts_of_owners(tx, shard, rows.keys())
    acted = await _last_acts(stack, law, permit, tx, set().union(*accounts.values()), shard, far)
    found = {}
    for account, row in rows.items():
        heard = [row["opened_on"], row["woken_on"], *(acted.get(one) for one in accounts[account])]
        last = max(day for day in heard if day is not None)
        found[account] = rules.step(State(row["state"]), row["falls_on"], last, now, law)
    return found


async def _last_acts(
    stack: Stack, law: Dormant, permit: Permit, tx: Tx, accounts: Collection[int], here: int, far: Tx | None
) -> dict[int, date]:
    """The country's days on which customers last ordered something on accounts, wherever they live."""
    found: dict[int, datetime] = {}
    for shard in {ledger_rules.shard_of(account) for account in accounts}:
        some = [account for account in accounts if ledger_rules.shard_of(account) == shard]
        asked = shard, some, law.bank_debits, law.own_credits
        there = homes.home(stack, shard)
        if there is stack:
            found |= await store.last_acts(tx, *asked)
        elif far is not None and shard == here:
            found |= await store.last_acts(far, *asked)
        else:
            async with there.db.transaction(permit) as other:
                found |= await store.last_acts(other, *asked)
                log.append(other, permit, detail={"what": "last acts on accounts"})
    return {account: at.astimezone(zone(stack)).date() for account, at in found.items()}
