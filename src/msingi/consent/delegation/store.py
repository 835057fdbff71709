"""Rows of acting for others."""

from datetime import datetime
from uuid import UUID

import msgspec

from msingi.consent.delegation.model import Delegation
from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.seal import Seals

Q = sql.load(__name__)
LABEL = "consent.delegation"


def _delegation(row: Row, names: tuple[str, str]) -> Delegation:
    return Delegation(
        delegation_id=row["delegation_id"],
        person_id=PersonId(row["person_id"]),
        delegate_id=PersonId(row["delegate_id"]),
        person_name=names[0],
        delegate_name=names[1],
        purposes=tuple(row["purposes"]),
        since=row["since"],
        until=row["until"],
        ended_at=row["ended_at"],
    )


async def put(tx: Tx, seals: Seals, made: Delegation) -> None:
    """A delegation begins; both names are sealed with the key of the person who gives it."""
    names = msgspec.msgpack.encode((made.person_name, made.delegate_name))
    sealed = await seals.seal(tx, made.person_id, names, LABEL)
    await tx.do(
        Q.put_delegation, made.person_id, made.delegation_id, made.delegate_id, list(made.purposes), made.since,
        made.until, sealed,
    )  # fmt: skip


async def count_live(tx: Tx, person_id: PersonId, now: datetime) -> int:
    """How many delegations of a person are live."""
    return await tx.value(Q.count_live, person_id, now)


async def given(tx: Tx, seals: Seals, person_id: PersonId) -> list[Delegation]:
    """What a person gave to others, newest first."""
    found = []
    for row in await tx.rows(Q.given, person_id):
        plain = await seals.unseal(tx, person_id, bytes(row["sealed"]), LABEL)
        found.append(_delegation(row, msgspec.msgpack.decode(plain, type=tuple[str, str])))
    return found


async def received(tx: Tx, delegate_id: PersonId, now: datetime) -> list[Delegation]:
    """The live delegations that were given to a person; whose they are, without names."""
    return [_delegation(row, ("", "")) for row in await tx.rows(Q.received, delegate_id, now)]


async def entrusted(tx: Tx, person_id: PersonId, delegate_id: PersonId, purpose: str, now: datetime) -> UUID | None:
    """The live delegation for a purpose, locked against being taken back meanwhile."""
    return await tx.value(Q.entrusted, person_id, delegate_id, purpose, now)


async def end(tx: Tx, person_id: PersonId, delegation_id: UUID, at: datetime) -> bool:
    """A delegation ends; False if it has ended, or never was."""
    return await tx.do(Q.end_delegation, person_id, delegation_id, at) == 1
