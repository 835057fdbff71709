"""The only file of the fraud desk that runs SQL: stopped payments, cases, notes, reports, who is watched."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.seal import Seals
from msingi.payments.book import micros
from msingi.payments.fraud.model import Came, Case, CaseState, Counts, Movement, Paid, State, Stopped
from msingi.payments.rules import masked_number, number_of, shard_of

Q = sql.load(__name__)
ALL = (1 << 63) - 1  # above every seq
SAID = "payments.fraud.said"


class Stop(Struct, frozen=True, kw_only=True):
    """A stopped payment as kept."""

    person_id: PersonId
    stop_id: UUID
    at: datetime
    payer_name: str
    debit: int
    credit: int
    payee_name: str
    owner: int
    amount: int
    currency: str
    told: str
    rules: list[str]
    version: str
    state: str
    case_id: UUID | None = None
    due_at: datetime | None = None


class Held(Struct, frozen=True, kw_only=True):
    """A case as kept, with the payment that it is about (zeros and empty texts where it is about none)."""

    case: Case
    person_id: PersonId
    stop_id: UUID | None
    debit: int
    credit: int
    payer_name: str
    payee_name: str
    version: str
    told: str
    owner: int
    stopped_at: datetime | None
    proposed_by: str
    decided_by: str


def person(value: Any) -> PersonId:
    """A person id as the driver gives it."""
    return PersonId(UUID(bytes=value.bytes))


async def paid_lately(tx: Tx, account: int, since: datetime, most: int) -> list[Paid]:
    """What somebody paid out of an account lately, oldest first."""
    rows = await tx.rows(Q.paid_lately, account, shard_of(account), since, most)
    return [Paid(micros(r["at"]), r["amount"], r["credit"], r["id"]) for r in reversed(rows)]


async def came_lately(tx: Tx, account: int, since: datetime, most: int) -> list[Came]:
    """What people paid into an account lately, oldest first."""
    found: list[Row] = []
    before = ALL
    while True:  # institutions pay few of them in, so once
        rows = await tx.rows(Q.came_lately, account, shard_of(account), since, most, before)
        found.extend(row for row in rows if row["owner"] is not None)
        if len(rows) < most or len(found) >= most:
            break
        before = rows[-1]["seq"]
    return [Came(micros(r["at"]), r["amount"], r["owner"]) for r in reversed(found[:most])]


async def paid_before(tx: Tx, debit: int, credit: int) -> bool:
    """Whether an account ever paid another one."""
    return await tx.value(Q.paid_before, debit, shard_of(debit), credit)


async def was_decided(tx: Tx, order_id: UUID) -> bool:
    """Whether the ledger has decided an order."""
    return await tx.value(Q.was_decided, order_id)


async def movements(tx: Tx, account: int, most: int) -> list[Movement]:
    """The newest movements of an account; the other side masked."""
    rows = await tx.rows(Q.movements, account, most, shard_of(account))
    return [Movement(r["at"], r["amount"], masked_number(number_of(r["other"])), r["code"]) for r in rows]


async def add_stop(tx: Tx, s: Stop) -> bool:
    """Keep a stopped payment; False if it is known."""
    done = await tx.do(
        Q.add_stop,
        *(s.person_id, s.stop_id, s.at, s.payer_name, s.debit, s.credit, s.payee_name, s.owner, s.amount),
        *(s.currency, s.told, s.rules, s.version, s.state, s.case_id, s.due_at),
    )
    return done == 1


async def stop(tx: Tx, person_id: PersonId, stop_id: UUID) -> Row | None:
    """One stopped payment of somebody."""
    return await tx.row(Q.stop, person_id, stop_id)


async def use_pass(tx: Tx, person_id: PersonId, at: datetime, order: Any) -> bool:
    """Use what an officer let go: this very payment, or one from the same account to the same payee of at most as
    much. False if there is nothing of the kind."""
    wanted = order.id, order.debit, order.credit, order.currency, order.amount
    return await tx.do(Q.use_pass, person_id, at, *wanted) == 1


async def stops(
    tx: Tx, seals: Seals, person_id: PersonId, before: tuple[datetime, UUID] | None, limit: int
) -> list[Stopped]:
    """A page of somebody's stopped payments."""
    at, last = before or (None, None)
    return [shown(seals, row) for row in await tx.rows(Q.stops, person_id, at, last, limit)]


def shown(seals: Seals, row: Row) -> Stopped:
    """A stopped payment as its payer sees it."""
    return Stopped(
        stop_id=str(row["stop_id"]),
        at=row["at"],
        payee=row["payee_name"] or masked_number(number_of(row["credit"])),
        amount_minor=row["amount"],
        currency=row["currency"],
        why=row["told"],
        state=State(row["state"]),
        due_at=row["due_at"],
        until=row["until"],
        said=seals.unseal_with_room_key(SAID, bytes(row["said"])).decode() if row["said"] else "",
    )


async def under_check(tx: Tx, person_id: PersonId, stop_id: UUID, case_id: UUID, due_at: datetime) -> None:
    """A stopped payment is in an officer's hands."""
    await tx.do(Q.under_check, person_id, stop_id, case_id, due_at)


async def say_to_payer(tx: Tx, seals: Seals, person_id: PersonId, stop_id: UUID, words: str) -> None:
    """The desk's words to the payer."""
    await tx.do(Q.say_to_payer, person_id, stop_id, seals.seal_with_room_key(SAID, words.encode()))


async def end_stop(
    tx: Tx, seals: Seals, person_id: PersonId, stop_id: UUID, state: State, until: datetime | None, said: str
) -> None:
    """What an officer decided about a stopped payment."""
    sealed = seals.seal_with_room_key(SAID, said.encode()) if said else b""
    await tx.do(Q.end_stop, person_id, stop_id, state.value, until, sealed)


async def add_case(
    tx: Tx, case_id: UUID, person_id: PersonId, kind: str, stop_id: UUID | None, rules: Sequence[str], at: datetime,
    due_at: datetime,
) -> str:  # fmt: skip
    """Open a case; its reference."""
    reference = f"F{at:%y%m}-{case_id.hex[-8:].upper()}"
    await tx.do(Q.add_case, case_id, person_id, reference, kind, stop_id, list(rules), at, due_at)
    return reference


async def queue(tx: Tx, after: tuple[datetime, UUID] | None, limit: int, now: datetime) -> list[Case]:
    """A page of cases that wait for an officer."""
    due, last = after or (None, None)
    return [_case(row, now) for row in await tx.rows(Q.queue, due, last, limit)]


def _case(row: Row, now: datetime) -> Case:
    state = CaseState(row["state"])
    ended = state in (CaseState.CLEARED, CaseState.CONFIRMED)
    return Case(
        case_id=UUID(bytes=row["case_id"].bytes),
        reference=row["reference"],
        kind=row["kind"],
        state=state,
        rules=list(row["rules"]),
        opened_at=row["opened_at"],
        due_at=row["due_at"],
        taken_by=row["taken_by"],
        proposed_by=row["proposed_by"],
        amount_minor=row["amount"],
        currency=row["currency"],
        late=row["due_at"] < now and not ended,
    )


async def case(tx: Tx, case_id: UUID, now: datetime) -> Held | None:
    """One case, locked until the transaction ends."""
    row = await tx.row(Q.fraud_case, case_id)
    if row is None:
        return None
    stop_id = UUID(bytes=row["stop_id"].bytes) if row["stop_id"] else None
    return Held(
        case=_case(row, now),
        person_id=person(row["person_id"]),
        stop_id=stop_id,
        debit=row["debit"],
        credit=row["credit"],
        payer_name=row["payer_name"],
        payee_name=row["payee_name"],
        version=row["version"],
        told=row["told"],
        owner=row["owner"],
        stopped_at=row["stopped_at"],
        proposed_by=row["proposed_by"],
        decided_by=row["decided_by"],
    )


async def move_case(
    tx: Tx, case_id: UUID, state: CaseState, taken_by: str, proposed_by: str, decided_by: str, at: datetime | None
) -> None:
    """A step of a case."""
    await tx.do(Q.move_case, case_id, state.value, taken_by, proposed_by, decided_by, at)


async def add_note(
    tx: Tx, case_id: UUID, note_id: UUID, about: PersonId, at: datetime, author: str, words: bytes
) -> None:
    """Write into a case."""
    await tx.do(Q.add_note, case_id, note_id, about, at, author, words)


async def notes(tx: Tx, case_id: UUID) -> list[tuple[datetime, str, bytes]]:
    """What stands in a case, sealed, oldest first."""
    return [(r["at"], r["author"], bytes(r["words"])) for r in await tx.rows(Q.notes, case_id)]


async def add_report(tx: Tx, case_id: UUID, about: PersonId, at: datetime, body: bytes) -> None:
    """Keep a report."""
    await tx.do(Q.add_report, case_id, about, at, body)


async def report(tx: Tx, case_id: UUID) -> bytes | None:
    """The sealed report on a case."""
    found = await tx.value(Q.report, case_id)
    return bytes(found) if found else None


async def counts(tx: Tx, since: datetime, now: datetime) -> Counts:
    """What everybody may know of the desk."""
    row = await tx.row(Q.counts, since, now)
    assert row is not None
    return Counts(*row.values())


async def look_at(tx: Tx, person_id: PersonId, why: str, since: datetime, until: datetime | None) -> None:
    """Watch somebody for a reason."""
    await tx.do(Q.look_at, person_id, why, since, until)


async def look_away(tx: Tx, person_id: PersonId, why: str) -> None:
    """Watch somebody for a reason no longer."""
    await tx.do(Q.look_away, person_id, why)


async def watched(tx: Tx, now: datetime) -> list[tuple[PersonId, str, datetime | None]]:
    """Everybody who is watched; those whose time is over are forgotten."""
    await tx.do(Q.forget_watched, now)
    return [(person(r["person_id"]), r["why"], r["until"]) for r in await tx.rows(Q.watched, now)]
