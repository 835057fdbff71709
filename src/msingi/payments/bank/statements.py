"""Statements over a period: the same entries for people (page and paper) and for software (CSV, camt.053)."""

from datetime import UTC, timedelta, timezone

from msingi.kernel import log, policy
from msingi.kernel.context import Context, Kind
from msingi.kernel.crossing import crossing
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.payments import parties, shards
from msingi.payments import rules as ledger_rules
from msingi.payments import store as accounts
from msingi.payments.bank import rules, store, tariff
from msingi.payments.bank.errors import StatementTooLong
from msingi.payments.bank.model import Booked, Period
from msingi.payments.errors import NoSuchAccount

MAX_ENTRIES = 20_000
INSTANT = timedelta(microseconds=1)


@crossing("payments", "portal")
async def booked(
    stack: Stack, ctx: Context, number: str, period: Period, *, person: PersonId | None = None, holder: str = ""
) -> Booked:
    """All that was booked on an account in a period of the country's days, with the balances before and after.

    The account is the actor's own, `person`'s (staff), or that of the actor's institution; `holder` is the name to
    write on it. Raises NoSuchAccount, Malformed for a period that runs backwards, StatementTooLong.
    """
    profile = stack.profile
    zone = timezone(timedelta(minutes=profile.utc_offset_minutes))
    rules.check_period(period, ctx.at.astimezone(zone).date())
    account = ledger_rules.id_of(number)
    if person is None and ctx.actor.kind is Kind.PERSON:
        person = parties.person_of(ctx)
    permit = policy.decide(
        ctx,
        "payments.read-account",
        person or policy.NOBODY,
        holder="person" if person else "institution",
        own_account=not person and bool(ctx.actor.institution),
    )
    start, end = rules.instants(period, zone)
    stop = min(end, ctx.at + INSTANT)  # what is booked while we read belongs to the next statement
    async with stack.db.transaction(permit) as tx:
        held = await shards.accounts(stack, tx, person, ctx.actor.institution)
        own = next((a for a in held if ledger_rules.id_of(a.number) == account), None)
        if own is None:
            raise NoSuchAccount()
        async with shards.beside(stack, account, permit, tx) as near:
            opening = await accounts.balance_at(near, account, start.astimezone(UTC) - INSTANT)
            entries = await store.entries_between(near, account, start, stop, MAX_ENTRIES + 1)
        log.append(tx, permit, subject=person, detail={"what": "statement", "entries": len(entries)})
    if len(entries) > MAX_ENTRIES:
        raise StatementTooLong(most_entries=MAX_ENTRIES)
    return Booked(
        account=own.number,
        kind=own.kind,
        holder=holder or parties.own_name(stack, ctx),
        currency=own.currency,
        period=period,
        start=start,
        stop=min(end, ctx.at),
        opening_minor=opening,
        closing_minor=entries[-1].balance_minor if entries else opening,
        entries=entries,
        made_at=ctx.at,
        statement_id=f"{own.number}-{period.first:%y%m%d}-{period.last:%y%m%d}",
    )


def servicer(stack: Stack) -> str:
    """The name of the bank that keeps the accounts, in the country's language."""
    return parties.institution_name(stack, tariff.of(stack).institution)
