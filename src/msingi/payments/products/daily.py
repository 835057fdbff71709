"""Each day's work: count the days that are over, settle the months that are over, and move their money.

The days of an account are counted in one transaction with its row locked, so that no day counts twice. Money moves
afterwards by orders with ids derived from account and month: repeated, they pay nothing twice (law 2).
"""

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.db import Row
from msingi.kernel.errors import DifferentContent, Refusal
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.payments import errors, homes, ledger, orders, parties, shards
from msingi.payments import rules as ledger_rules
from msingi.payments import store as accounts
from msingi.payments.bank import tariff
from msingi.payments.products import catalogue, rules, store

JOB = "payments-products"
AT_ONCE = 100
MOST_DAYS = 62  # in one transaction; a stack that stood still longer goes on with the next one


def job() -> Context:
    """The context in which the stack counts and pays."""
    return job_context(JOB, "payment", "contract")


def yesterday(stack: Stack) -> date:
    """The last day of the country that is over."""
    return (clock.now() + timedelta(minutes=stack.profile.utc_offset_minutes)).date() - timedelta(days=1)


def end_of(stack: Stack, day: date) -> datetime:
    """The last instant of a day of the country."""
    midnight = datetime.combine(day + timedelta(days=1), time(), UTC)
    return midnight - timedelta(minutes=stack.profile.utc_offset_minutes) - timedelta(microseconds=1)


async def run(stack: Stack, upto: date | None = None) -> int:
    """Count what is due up to a day (yesterday), settle and pay; how many accounts and months were worked on."""
    last, done = upto or yesterday(stack), 0
    permit = policy.decide(job(), "payments.count-interest", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        found = await store.due(tx, last, AT_ONCE)
        log.append(tx, permit, detail={"what": "accounts to be counted", "count": len(found)})
    for person, product in found:
        await count(stack, person, product, last)
        done += 1
    return done + await pay(stack)


async def count(stack: Stack, person: PersonId, code: str, last: date) -> int:
    """Count the days of one account up to a day, and settle each month that ends; how many days."""
    permit = policy.decide(job(), "payments.count-interest", person)
    async with stack.db.transaction(permit) as tx:
        row = await store.product_account(tx, person, code)
        if row is None or row["accrued_to"] >= last:
            tx.repeated = True
            return 0
        wanted = catalogue.product(stack, code)
        accrued, day, counted = int(row["accrued"]), row["accrued_to"], 0
        async with shards.beside(stack, row["account_id"], permit, tx) as near:
            while day < last and counted < MOST_DAYS:
                day, counted = day + timedelta(days=1), counted + 1
                terms = rules.terms_on(wanted, day)
                balance = await accounts.balance_at(near, row["account_id"], end_of(stack, day))
                units = rules.day_units(balance, terms)
                accrued += units
                await store.add_day(tx, person, code, day, balance, units, terms.begins)
                if rules.ends_month(day):
                    lines = await store.days(tx, person, code, day.replace(day=1), day)
                    interest, accrued = rules.settled(accrued)
                    fee = rules.fee(terms, [line["balance"] for line in lines])
                    await store.add_month(tx, person, code, rules.month_of(day), interest, fee, accrued)
        await store.counted(tx, person, code, accrued, day)
        log.append(tx, permit, subject=person, detail={"what": "interest counted", "days": counted})
    return counted


async def pay(stack: Stack) -> int:
    """Move the money of settled months: interest to the customer, the fee to the bank; how many months ended."""
    permit = policy.decide(job(), "payments.count-interest", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        rows = await store.months_due(tx, AT_ONCE)
        log.append(tx, permit, detail={"what": "months to be paid", "count": len(rows)})
    done = 0
    for row in rows:
        done += await _pay(stack, row)
    return done


async def _pay(stack: Stack, row: Row) -> bool:
    """Pay a month's interest, then take its fee out of what there is; False where the interest could not be paid."""
    person = PersonId(UUID(bytes=row["person_id"].bytes))
    permit = policy.decide(job(), "payments.settle-product", person)
    bank = tariff.of(stack).institution
    async with stack.db.reading("payments") as tx:
        earning = await store.earning_account(tx, bank, row["currency"])
    if earning is None:
        return False  # the bank has no account for it yet: it stays due
    name, scope = parties.institution_name(stack, bank), f"product/{row['account_id']}"
    words = {"reference": row["month"]}
    try:
        if row["interest"]:
            by = orders.By(permit, parties.institution_ref(stack, bank), scope)
            wanted = earning, row["account_id"], row["interest"], row["currency"], "INTR"
            paid = orders.pay(by, f"interest/{row['month']}/{row['attempt']}", *wanted, payer=name, **words)
            errors.check(await ledger.post(stack, [paid]))
    except Refusal as refused:
        await _ended(stack, permit, person, row, refused.code, row["fee"])
        return False
    fee = min(row["fee"], await _there_is(stack, row["account_id"]))  # law 5
    if fee:
        async with stack.db.transaction(permit) as tx:  # so that whoever goes on after a crash takes no other amount
            await store.month_result(tx, row, "due", fee)
            log.append(tx, permit, subject=person, detail={"what": "monthly fee", "month": row["month"], "fee": fee})
        by = orders.By(permit, parties.person_ref(stack, person), scope)
        wanted = row["account_id"], earning, fee, row["currency"], "FEES"
        try:
            taken = orders.pay(by, f"fee/{row['month']}", *wanted, payee=name, **words)
            errors.check(await ledger.post(stack, [taken]))
        except DifferentContent:
            fee = row["fee"]  # it was taken before this program began, when there was more
        except Refusal:
            fee = 0  # it is not there any more, so it is not owed
    await _ended(stack, permit, person, row, "paid", fee)
    return True


async def _ended(stack: Stack, permit: policy.Permit, person: PersonId, row: Row, result: str, fee: int) -> None:
    async with stack.db.transaction(permit) as tx:
        await store.month_result(tx, row, result, fee)
        told = {"what": "month settled", "month": row["month"], "interest": row["interest"], "fee": fee}
        log.append(tx, permit, subject=person, detail={**told, "result": result})


async def _there_is(stack: Stack, account: int) -> int:
    """What an account can pay."""
    async with homes.home(stack, ledger_rules.shard_of(account)).db.reading("payments") as near:
        row = await accounts.account(near, account)
    return max(0, row["posted"] - row["reserved"] - row["floor"]) if row is not None else 0
