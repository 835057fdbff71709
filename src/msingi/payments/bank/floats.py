"""An agent's float: kept apart from the agent's own money, warned of when it runs low, and closed at the end of a day.

The float is an account like any other: an agent tops it up from the own wallet, or a super-agent or the bank pays into
it by its number, and it is given back by paying out of it. So every movement stands on its statement.
"""

from collections.abc import Iterable
from datetime import date, timedelta

from msgspec import Struct

from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Malformed
from msingi.kernel.stack import Stack
from msingi.payments import parties, shards
from msingi.payments import rules as ledger_rules
from msingi.payments.bank import agents, statements, store, tariff
from msingi.payments.bank.model import Period
from msingi.payments.groups.mandates import today
from msingi.payments.model import AccountKind, Entry

OLDEST = timedelta(days=366)
CASH_IN, CASH_OUT, COMMISSION = "CSHI", "CSHO", "COMM"


class Closing(Struct, frozen=True, kw_only=True):
    """A day of an agency: how often and how much cash came in and went out, what was earned, what else moved, and the
    float before and after; minor units of `currency`. `cash_minor` is by how much the drawer has grown: taken in from
    customers less handed out.
    """

    day: date
    agent: str
    currency: str
    opening_minor: int
    closing_minor: int
    paid_in: int
    paid_in_minor: int
    paid_out: int
    paid_out_minor: int
    commission_minor: int
    other_minor: int

    @property
    def cash_minor(self) -> int:
        """By how much the cash in the drawer has grown on this day."""
        return self.paid_in_minor - self.paid_out_minor


def closed(agent: str, currency: str, day: date, opening: int, entries: Iterable[Entry]) -> Closing:
    """A day's entries of a float, added up; opening and all that moved sum to the closing balance.

    Whatever comes into the float against a code is cash that was handed out, and the other way round.
    """
    found = list(entries)
    ins = [-e.amount_minor for e in found if e.code == CASH_IN and e.amount_minor < 0]
    outs = [e.amount_minor for e in found if e.code == CASH_OUT and e.amount_minor > 0]
    earned = sum(e.amount_minor for e in found if e.code == COMMISSION and e.amount_minor > 0)
    moved = sum(e.amount_minor for e in found)
    return Closing(
        day=day, agent=agent, currency=currency, opening_minor=opening, closing_minor=opening + moved,
        paid_in=len(ins), paid_in_minor=sum(ins), paid_out=len(outs), paid_out_minor=sum(outs),
        commission_minor=earned, other_minor=moved - (sum(outs) - sum(ins)) - earned,
    )  # fmt: skip


def is_low(stack: Stack, available_minor: int) -> bool:
    """Whether a float should be topped up: it would not carry the payments in of an hour or two."""
    return available_minor < tariff.of(stack).agents.low_float_minor


@crossing("payments", "portal")
async def day_of_agency(stack: Stack, ctx: Context, code: str = "", day: date | None = None) -> Closing:
    """The closing of a day (the country's; today without one) of the actor's agency. Raises NoSuchAgent, Malformed."""
    agency = await agents.own_agency(stack, ctx, code)
    wanted = day or today(stack)
    if not timedelta(0) <= today(stack) - wanted <= OLDEST:
        raise Malformed("Choose a day of the last year.", field="day", rule="today-366..today")
    found = await statements.booked(stack, ctx, agency.number, Period(wanted, wanted))
    return closed(agency.shop.code, found.currency, wanted, found.opening_minor, found.entries)


@crossing("payments", "portal")
async def open_float(stack: Stack, ctx: Context, code: str = "") -> str:
    """Keep the float of the actor's agency apart from the own wallet, from now on; the number of its account.

    Repeated, it gives the account that there is. The float begins empty: top it up from the wallet. Cash that
    customers have reserved already is still paid into the account that it was reserved for. Raises NoSuchAgent.
    """
    person = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.open-float", person)
    agency = await agents.own_agency(stack, ctx, code)
    async with stack.db.transaction(permit) as tx:
        held = await shards.accounts(stack, tx, person, "")
        own = next(a for a in held if ledger_rules.id_of(a.number) == agency.account)
        number = own.number
        if own.is_default:
            tier, currency = own.tier, own.currency
            opening = [person], AccountKind.CURRENT, currency, tier, [False], ctx
            (account,) = await shards.open_person_accounts(stack, permit, tx, *opening)
            await store.move_float(tx, agency.shop.code, agency.account, account)
            number = ledger_rules.number_of(account)
        log.append(tx, permit, subject=person, detail={"what": "float kept apart", "agent": agency.shop.code})
    return number


def days_back(stack: Stack, count: int) -> list[date]:
    """The last days of the country, today first."""
    return [today(stack) - timedelta(days=n) for n in range(count)]
