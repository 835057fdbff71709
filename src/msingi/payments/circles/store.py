"""All SQL of rotating groups."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from msingi.kernel import sql
from msingi.kernel.db import Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.seal import Seals
from msingi.payments.circles.model import CircleOrder, KeptCircle, KeptDue, KeptRound, KeptSeat
from msingi.payments.groups.store import closed, parts, read

Q = sql.load(__name__)


async def add_circle(tx: Tx, seals: Seals, body_id: UUID, order: CircleOrder, seats: Sequence[KeptSeat]) -> None:
    """Found a circle."""
    o = order
    await tx.do(Q.add_circle, body_id, o.name.strip(), o.amount_minor, o.every, o.by_lot, o.first_day)
    people = [s.person_id for s in seats], [s.place for s in seats], [s.turn for s in seats]
    told = [closed(seals, s.name) for s in seats], [s.state for s in seats], [s.answered_at for s in seats]
    await tx.do(Q.add_seats, body_id, *people, *told)


async def circle(tx: Tx, body_id: UUID, *, hold: bool = False) -> KeptCircle | None:
    """One circle; with `hold` nobody else changes how it stands until the transaction ends."""
    row = await tx.row(Q.hold_circle if hold else Q.circle, body_id)
    return KeptCircle(**parts(row)) if row else None


async def circles_with(tx: Tx, person: PersonId) -> list[UUID]:
    """Open circles in which somebody sits, or owes something."""
    return [UUID(bytes=row["body_id"].bytes) for row in await tx.rows(Q.circles_with, person)]


async def circles_of(tx: Tx, person: PersonId, at: datetime) -> list[UUID]:
    """The circles that a person belongs to or is invited to."""
    return [UUID(bytes=row["body_id"].bytes) for row in await tx.rows(Q.circles_of, person, at)]


async def seats(tx: Tx, seals: Seals, body_id: UUID) -> list[KeptSeat]:
    """The members of a circle by place."""
    return [KeptSeat(**read(seals, row, "name")) for row in await tx.rows(Q.seats, body_id)]


async def set_seat(tx: Tx, body_id: UUID, person: PersonId, state: str, at: datetime) -> None:
    """A member answers or leaves."""
    await tx.do(Q.set_seat, body_id, person, state, at)


async def set_circle(tx: Tx, body_id: UUID, state: str) -> None:
    """How a circle stands."""
    await tx.do(Q.set_circle, body_id, state)


async def begin(
    tx: Tx, body_id: UUID, people: Sequence[PersonId], days: Sequence[date], owed: Sequence[KeptDue]
) -> None:
    """The circle begins: `people` in the order of their turns, the days of these, and what everybody pays."""
    turns = list(range(1, len(people) + 1))
    await tx.do(Q.set_turns, body_id, list(people), turns)
    await tx.do(Q.add_rounds, body_id, turns, list(people), list(days))
    columns = [d.round for d in owed], [d.person_id for d in owed], [d.to_person for d in owed]
    await tx.do(Q.add_dues, body_id, *columns)


async def rounds(tx: Tx, body_id: UUID) -> list[KeptRound]:
    """The turns of a circle in their order."""
    return [KeptRound(**parts(row)) for row in await tx.rows(Q.rounds, body_id)]


async def set_round(
    tx: Tx, body_id: UUID, round_: int, state: str, attempt: int, *, paid: int = 0, why: str = ""
) -> None:  # fmt: skip
    """How a turn stands."""
    await tx.do(Q.set_round, body_id, round_, state, attempt, paid, why)


async def dues(tx: Tx, body_id: UUID) -> list[KeptDue]:
    """What everybody pays and has paid."""
    return [KeptDue(**parts(row)) for row in await tx.rows(Q.dues, body_id)]


async def set_dues(tx: Tx, body_id: UUID, changed: Sequence[KeptDue]) -> None:
    """How some contributions stand."""
    which = [d.round for d in changed], [d.person_id for d in changed], [d.state for d in changed]
    how = [d.transfer_id for d in changed], [d.by_turn for d in changed], [d.at for d in changed]
    await tx.do(Q.set_dues, body_id, *which, *how)


async def circles_due(tx: Tx, today: date, limit: int) -> list[UUID]:
    """Circles with a turn whose day is over, or with something that broke off."""
    return [UUID(bytes=row["body_id"].bytes) for row in await tx.rows(Q.circles_due, today, limit)]
