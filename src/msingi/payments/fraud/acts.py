"""What people do about payments that a rule stopped: look, contest, add what explains it. And the public counts."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.crossing import crossing
from msingi.kernel.db import Tx
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack
from msingi.payments import parties
from msingi.payments.fraud import rulebook, rules, stopping, store
from msingi.payments.fraud.errors import CannotContest, NoSuchStop
from msingi.payments.fraud.model import Counts, State, Stopped, StoppedPage

MAX_PAGE = 100
NOTE = "payments.fraud.note"
COUNTED = timedelta(days=365)


def uuid_of(text: str, missing: Exception) -> UUID:
    """The id that a text is. Raises `missing`: what is no id names nothing."""
    try:
        return UUID(text)
    except ValueError:
        raise missing from None


def cursor(text: str) -> tuple[datetime, UUID] | None:
    """The place where a page goes on: an instant and an id with a bar between. Raises Malformed."""
    if not text:
        return None
    at, _, last = text.partition("|")
    try:
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError(at)
        return moment.astimezone(UTC), UUID(last)
    except (ValueError, OverflowError):
        raise Malformed("This is no place in a list.", field="after", rule="cursor") from None


@crossing("payments", "portal")
async def stopped_payments(stack: Stack, ctx: Context, *, before: str = "", limit: int = 25) -> StoppedPage:
    """A page of the actor's own payments that a rule stopped, newest first."""
    if not 1 <= limit <= MAX_PAGE:
        raise Malformed(f"A page has 1 to {MAX_PAGE} payments.", field="limit", rule=f"1..{MAX_PAGE}")
    person, place = parties.person_of(ctx), cursor(before)
    permit = policy.decide(ctx, "payments.see-stopped", person)
    async with stack.db.transaction(permit) as tx:
        found = await store.stops(tx, stack.seal, person, place, limit + 1)
        log.append(tx, permit, subject=person, detail={"what": "stopped payments", "count": min(len(found), limit)})
    last = found[limit - 1] if len(found) > limit else None
    return StoppedPage(found[:limit], f"{last.at.isoformat()}|{last.stop_id}" if last else None)


@crossing("payments", "portal")
async def stopped_payment(stack: Stack, ctx: Context, stop_id: str) -> Stopped:
    """One of the actor's own stopped payments. Raises NoSuchStop."""
    person, wanted = parties.person_of(ctx), uuid_of(stop_id, NoSuchStop())
    permit = policy.decide(ctx, "payments.see-stopped", person)
    async with stack.db.transaction(permit) as tx:
        row = await store.stop(tx, person, wanted)
        log.append(tx, permit, subject=person, detail={"what": "stopped payment"})
    if row is None:
        raise NoSuchStop()
    return store.shown(stack.seal, row)


@crossing("payments", "portal")
async def contest(stack: Stack, ctx: Context, stop_id: str, text: str) -> Stopped:
    """Contest a stopped payment, or add what explains it: an officer decides until `due_at` (law 5).

    Raises NoSuchStop, Malformed, CannotContest once it was decided.
    """
    said = rules.check_words(text)
    person, wanted = parties.person_of(ctx), uuid_of(stop_id, NoSuchStop())
    permit = policy.decide(ctx, "payments.contest-stop", person)
    book = rulebook.of(stack)
    days = book.contest_days if book else 1
    async with stack.db.transaction(permit) as tx:
        row = await store.stop(tx, person, wanted)
        if row is None:
            raise NoSuchStop()
        if row["state"] == State.STOPPED:
            case_id, due_at = uuid7(), ctx.at + timedelta(days=days)
            await store.add_case(tx, case_id, person, "contest", wanted, row["rules"], ctx.at, due_at)
            await store.under_check(tx, person, wanted, case_id, due_at)
        elif row["state"] == State.CHECKING:
            case_id = UUID(bytes=row["case_id"].bytes)
        else:
            raise CannotContest()
        await write(stack, tx, case_id, person, ctx.at, "", said)
        log.append(tx, permit, subject=person, detail={"what": "stopped payment contested"})
        row = await store.stop(tx, person, wanted)
    assert row is not None
    return store.shown(stack.seal, row)


async def write(stack: Stack, tx: Tx, case_id: UUID, person: PersonId, at: datetime, author: str, text: str) -> None:
    """Write into a case, sealed for the room."""
    sealed = stack.seal.seal_with_room_key(NOTE, text.encode())
    await store.add_note(tx, case_id, uuid7(), person, at, author, sealed)


async def public_counts(stack: Stack, ctx: Context) -> Counts:
    """What everybody may know of the desk: counts of the last year, and of cases that wait."""
    permit = policy.decide(stopping.job(), "payments.count-stopped", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        found = await store.counts(tx, ctx.at - COUNTED, ctx.at)
        log.append(tx, permit, detail={"what": "counts of stopped payments"})
    return found
