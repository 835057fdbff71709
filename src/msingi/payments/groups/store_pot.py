"""All SQL of savings groups: constitution, members, book, debts, payments out, meetings."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from uuid import UUID

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.seal import Seals
from msingi.payments.groups.model import GroupOrder, KeptDebt, KeptGroup, KeptMember, Meeting, Payout
from msingi.payments.groups.store import closed, opened, parts, read

Q = sql.load(__name__)


async def add_group(tx: Tx, body_id: UUID, order: GroupOrder, currency: str, began_on: date) -> None:
    """Found a savings group."""
    o = order
    money = o.share_minor, o.most_shares, o.social_minor, o.interest_permille, o.loan_times, o.loan_days
    await tx.do(Q.add_group, body_id, o.name.strip(), *money, currency, began_on, o.ends_on)


async def add_members(tx: Tx, seals: Seals, body_id: UUID, members: Sequence[KeptMember]) -> None:
    """Name the members of a group."""
    columns = [m.person_id for m in members], [m.place for m in members]
    names = [closed(seals, m.name) for m in members]
    await tx.do(Q.add_members, body_id, *columns, names, [m.state for m in members])


async def group(tx: Tx, body_id: UUID) -> KeptGroup | None:
    """One savings group."""
    row = await tx.row(Q.group, body_id)
    return KeptGroup(**parts(row)) if row else None


async def groups_of(tx: Tx, person: PersonId) -> list[UUID]:
    """The groups that a person belongs to or is invited to."""
    return [UUID(bytes=row["body_id"].bytes) for row in await tx.rows(Q.groups_of, person)]


async def open_group(tx: Tx, body_id: UUID, social_account: int) -> None:
    """The group has its accounts."""
    await tx.do(Q.open_group, body_id, social_account)


async def set_group(tx: Tx, body_id: UUID, state: str) -> None:
    """How a group stands."""
    await tx.do(Q.set_group, body_id, state)


async def next_cycle(tx: Tx, body_id: UUID, cycle: int, today: date) -> None:
    """After the share-out of `cycle` the next one begins today."""
    await tx.do(Q.next_cycle, body_id, cycle, today)


async def members(tx: Tx, seals: Seals, body_id: UUID) -> list[KeptMember]:
    """The members of a group by place."""
    rows = await tx.rows(Q.members, body_id)
    return [KeptMember(**read(seals, row, "name")) for row in rows]


async def set_member(tx: Tx, body_id: UUID, person: PersonId, state: str) -> None:
    """Somebody joins or leaves."""
    await tx.do(Q.set_member, body_id, person, state)


async def add_entry(
    tx: Tx, group: KeptGroup, entry_id: UUID, person: PersonId, kind: str, amount: int, at: datetime, *,
    shares: int = 0, about: UUID | None = None,
) -> None:  # fmt: skip
    """Write into the book what the ledger is about to be asked."""
    await tx.do(Q.add_entry, group.body_id, entry_id, person, group.cycle, kind, amount, shares, about, at)


async def person_of_entry(tx: Tx, body_id: UUID, entry_id: UUID) -> PersonId | None:
    """Whose line of the book it is; None if there is none."""
    found = await tx.value(Q.person_of_entry, body_id, entry_id)
    return PersonId(UUID(bytes=found.bytes)) if found else None


async def post_entries(tx: Tx, body_id: UUID, entries: Collection[UUID]) -> None:
    """The ledger has posted them."""
    await tx.do(Q.post_entries, body_id, list(entries))


async def drop_entries(tx: Tx, body_id: UUID, entries: Collection[UUID]) -> None:
    """The ledger has refused them."""
    await tx.do(Q.drop_entries, body_id, list(entries))


async def pending_entries(tx: Tx, body_id: UUID) -> list[tuple[UUID, datetime]]:
    """What stands in the book and may not be in the ledger, and since when."""
    return [(UUID(bytes=row["entry_id"].bytes), row["at"]) for row in await tx.rows(Q.pending_entries, body_id)]


async def sums(tx: Tx, group: KeptGroup) -> dict[PersonId, dict[str, tuple[int, int]]]:
    """What each member paid and got in the running cycle: kind -> (minor units, shares)."""
    found: dict[PersonId, dict[str, tuple[int, int]]] = {}
    for row in await tx.rows(Q.sums, group.body_id, group.cycle):
        person = PersonId(UUID(bytes=row["person_id"].bytes))
        found.setdefault(person, {})[row["kind"]] = (row["amount"], row["shares"])
    return found


async def shares_on(
    tx: Tx, body_id: UUID, person: PersonId, begin: datetime, end: datetime, but: UUID | None
) -> int:  # fmt: skip
    """How many shares a member bought between two instants, but for one entry."""
    return await tx.value(Q.shares_on, body_id, person, begin, end, but)


async def entries(tx: Tx, body_id: UUID, before: datetime, limit: int) -> list[Row]:
    """The newest lines of the book: entry_id, person_id, kind, amount, shares, at."""
    return await tx.rows(Q.pot_entries, body_id, before, limit)


async def add_debt(tx: Tx, seals: Seals, group: KeptGroup, debt: KeptDebt, at: datetime) -> None:
    """A member owes the group."""
    d, why = debt, closed(seals, debt.why)
    await tx.do(Q.add_debt, group.body_id, d.debt_id, d.person_id, group.cycle, d.kind, d.lent, d.owed, why, d.due, at)


async def debts(tx: Tx, seals: Seals, body_id: UUID) -> list[KeptDebt]:
    """What members owe and have not paid."""
    rows = await tx.rows(Q.debts, body_id)
    return [KeptDebt(**read(seals, row, "why")) for row in rows]


async def add_payouts(tx: Tx, seals: Seals, body_id: UUID, proposal_id: UUID, payouts: Sequence[Payout]) -> None:
    """Who gets what; what was written first holds."""
    for p in payouts:
        name = closed(seals, p.name)
        await tx.do(Q.add_payout, body_id, proposal_id, p.place, p.person_id, p.account_id, p.credit, name, p.amount)


async def payouts(tx: Tx, seals: Seals, body_id: UUID, proposal_id: UUID) -> list[Payout]:
    """Who gets what."""
    rows = await tx.rows(Q.payouts, body_id, proposal_id)
    return [Payout(**read(seals, row, "name")) for row in rows]


async def add_meeting(
    tx: Tx, seals: Seals, body_id: UUID, meeting_id: UUID, told: Meeting, by: PersonId, at: datetime
) -> None:
    """Keep the record of a meeting."""
    note = closed(seals, told.note)
    await tx.do(Q.add_meeting, body_id, meeting_id, told.held_on, told.present, note, by, at)


async def meetings(tx: Tx, seals: Seals, body_id: UUID) -> list[Meeting]:
    """The newest records of meetings."""
    rows = await tx.rows(Q.meetings, body_id)
    return [Meeting(r["held_on"], list(r["present"]), opened(seals, r["note"])) for r in rows]
