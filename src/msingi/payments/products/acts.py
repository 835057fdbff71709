"""What people do with products: choose one when they open an account, see what it has earned, and how."""

import re
from datetime import date, timedelta

from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.crossing import crossing
from msingi.kernel.db import Row
from msingi.kernel.errors import Malformed
from msingi.kernel.stack import Stack
from msingi.payments import acts as payments
from msingi.payments import parties
from msingi.payments import rules as ledger
from msingi.payments.model import AccountKind
from msingi.payments.products import catalogue, rules, store
from msingi.payments.products.errors import BeingOpened, NoSuchProduct
from msingi.payments.products.model import Day, Explained, Month, OwnProduct

BROKEN_OFF = timedelta(minutes=2)
MONTHS = 24
_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")


def today(stack: Stack, ctx: Context) -> date:
    """The country's day at the instant of an act."""
    return (ctx.at + timedelta(minutes=stack.profile.utc_offset_minutes)).date()


@crossing("payments", "portal")
async def open_product(stack: Stack, ctx: Context, code: str) -> OwnProduct:
    """Open an account with a product for the actor: one of each. Repeated, it gives the account that there is.

    Raises NoSuchProduct, BeingOpened while another request opens it.
    """
    wanted, person = catalogue.product(stack, code), parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.open-product", person)
    day, currency = today(stack, ctx), stack.profile.currency.code
    rules.terms_on(wanted, day)
    async with stack.db.transaction(permit) as tx:
        mine = await store.ask(tx, person, code, currency, ctx.at, day, ctx.at - BROKEN_OFF)
        known = await store.product_account(tx, person, code)
        log.append(tx, permit, subject=person, detail={"what": "product chosen", "product": code})
    if mine:
        made = await payments.open_account(
            stack, ctx, person, AccountKind(wanted.kind), currency=currency, label=stack.profile.say(wanted.name)
        )
        async with stack.db.transaction(permit) as tx:
            await store.name_account(tx, person, code, ledger.id_of(made.number))
            log.append(tx, permit, subject=person, detail={"what": "account opened with a product", "product": code})
    elif known is None or not known["account_id"]:
        raise BeingOpened()
    return next(one for one in await own_products(stack, ctx) if one.product == code)


@crossing("payments", "portal")
async def own_products(stack: Stack, ctx: Context) -> list[OwnProduct]:
    """The actor's accounts with products, what each has earned, and the months that were settled."""
    person = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.own-products", person)
    found = []
    async with stack.db.transaction(permit) as tx:
        for row in await store.own(tx, person):
            if row["account_id"]:
                found.append(_own(row, await store.months(tx, person, row["product"], MONTHS)))
        log.append(tx, permit, subject=person, detail={"what": "own products", "count": len(found)})
    return found


def _own(row: Row, months: list[Row]) -> OwnProduct:
    return OwnProduct(
        account=ledger.number_of(row["account_id"]), product=row["product"], since=row["since"],
        accrued_to=row["accrued_to"], earned=rules.decimal(int(row["accrued"])), months=[_month(m) for m in months],
    )  # fmt: skip


def _month(row: Row) -> Month:
    return Month(
        month=row["month"], interest_minor=row["interest"], fee_minor=row["fee"],
        carried=rules.decimal(int(row["carried"])), result=row["result"],
    )  # fmt: skip


@crossing("payments", "portal")
async def explain(stack: Stack, ctx: Context, code: str, month: str) -> Explained:
    """How a month (YYYY-MM) of an own account was computed, day by day (law 4). Raises NoSuchProduct, Malformed."""
    if not _MONTH.fullmatch(month):
        raise Malformed("A month is written YYYY-MM.", field="month", rule="YYYY-MM")
    catalogue.product(stack, code)
    person = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.own-products", person)
    first = date.fromisoformat(f"{month}-01")
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    async with stack.db.transaction(permit) as tx:
        row = await store.product_account(tx, person, code)
        lines = await store.days(tx, person, code, first, last)
        months = await store.months(tx, person, code, MONTHS * 10)
        log.append(tx, permit, subject=person, detail={"what": "how interest was computed", "month": month})
    if row is None or not row["account_id"]:
        raise NoSuchProduct()
    return Explained(
        account=ledger.number_of(row["account_id"]),
        product=code,
        month=month,
        days=[Day(one["day"], one["balance"], rules.decimal(int(one["units"])), one["begins"]) for one in lines],
        sum=rules.decimal(sum(int(one["units"]) for one in lines)),
        settled=next((_month(one) for one in months if one["month"] == month), None),
    )
