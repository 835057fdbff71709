"""All SQL of bills, requests to pay, and orders that repeat."""

from datetime import date, datetime
from uuid import UUID

from msgspec import Struct

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId

Q = sql.load(__name__)


class Owed(Struct, frozen=True, kw_only=True):
    """A bill as it is kept; `asker` is the ledger's reference of who asks, `account` where the money goes."""

    reference: str
    account_id: int
    asker: int
    name: str
    title: str
    amount: int
    currency: str
    made_at: datetime
    expires_at: datetime
    is_public: bool
    attempt: int = 1
    taker: int | None = None
    taken_at: datetime | None = None
    state: str = "open"
    paid_at: datetime | None = None


class Standing(Struct, frozen=True, kw_only=True):
    """An order that repeats; `due` is its next day, None once it is over."""

    person_id: PersonId
    id: UUID
    payer: int
    payee: int
    own_name: str
    name: str
    amount: int
    currency: str
    reference: str
    every: str
    first_day: date
    last_day: date | None
    due: date | None
    last_result: str = ""
    fee: int | None = None


async def bill_place(tx: Tx) -> int:
    """Draw the next place among the bills."""
    return await tx.value(Q.bill_place)


async def add_bill(tx: Tx, b: Owed) -> None:
    """Keep a bill."""
    await tx.do(
        Q.add_bill,
        b.reference,
        b.account_id,
        b.asker,
        b.name,
        b.title,
        b.amount,
        b.currency,
        b.made_at,
        b.expires_at,
        b.is_public,
    )


async def send_bill(tx: Tx, person: PersonId, reference: str, at: datetime) -> None:
    """Send a bill to one person."""
    await tx.do(Q.send_bill, person, reference, at)


async def bill(tx: Tx, reference: str) -> Owed | None:
    """A bill by its reference."""
    row = await tx.row(Q.bill, reference)
    return _owed(row) if row else None


async def is_sent(tx: Tx, reference: str) -> bool:
    """Whether a bill was sent to one of the people whom the permit reaches."""
    return await tx.value(Q.bill_is_sent, reference)


async def bills_of_asker(tx: Tx, asker: int, before: tuple[datetime, str], limit: int) -> list[Owed]:
    """A page of the bills of one asker, newest first."""
    return [_owed(row) for row in await tx.rows(Q.bills_of_asker, asker, *before, limit)]


async def bills_for_person(tx: Tx, person: PersonId, at: datetime) -> list[Owed]:
    """The open bills that were sent to a person."""
    return [_owed(row) for row in await tx.rows(Q.bills_for_person, person, at)]


async def take_bill(tx: Tx, owed: Owed, account: int, at: datetime) -> bool:
    """Let one account alone pay a bill; whether it was still as `owed` says."""
    return await tx.do(Q.take_bill, owed.reference, account, at, owed.attempt, owed.taker) == 1


async def decided(tx: Tx, transfer_id: UUID) -> bool:
    """Whether the ledger has decided an order with an id, either way."""
    return await tx.value(Q.decided, transfer_id)


async def try_again(tx: Tx, owed: Owed) -> None:
    """After a rejected payment: the bill may be paid by a new transfer."""
    await tx.do(Q.try_again, owed.reference, owed.attempt)


async def end_bill(tx: Tx, reference: str, state: str, at: datetime | None) -> bool:
    """Say how a bill has ended; whether it was open."""
    return await tx.do(Q.end_bill, reference, state, at) == 1


async def add_standing(tx: Tx, s: Standing) -> None:
    """Keep an order that repeats."""
    money = (s.amount, s.currency, s.reference)
    await tx.do(
        Q.add_standing,
        s.person_id,
        s.id,
        s.payer,
        s.payee,
        s.own_name,
        s.name,
        *money,
        s.every,
        s.first_day,
        s.last_day,
        s.fee,
    )


async def standing_of_person(tx: Tx, person: PersonId) -> list[Standing]:
    """The orders of a person that repeat, the newest first."""
    return [_standing(row) for row in await tx.rows(Q.standing_of_person, person)]


async def standing_due(tx: Tx, today: date, limit: int) -> list[Standing]:
    """Orders whose day has come."""
    return [_standing(row) for row in await tx.rows(Q.standing_due, today, limit)]


async def standing_done(tx: Tx, order: Standing, due: date | None, result: str) -> bool:
    """Note how a day's payment ended, and the next day; whether nobody was faster."""
    return await tx.do(Q.standing_done, order.person_id, order.id, order.due, due, result) == 1


async def stop_standing(tx: Tx, person: PersonId, order_id: UUID) -> bool:
    """Stop an order that repeats; whether it was running."""
    return await tx.do(Q.stop_standing, person, order_id) == 1


def _owed(row: Row) -> Owed:
    return Owed(**dict(row))


def _standing(row: Row) -> Standing:
    found = dict(row)
    found["person_id"] = PersonId(UUID(bytes=row["person_id"].bytes))
    found["id"] = UUID(bytes=row["id"].bytes)
    return Standing(**found)
