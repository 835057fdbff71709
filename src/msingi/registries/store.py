"""The rows of the registries: the only file here that runs SQL."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.registries.model import Content, Register, RegisterOrder

Q = sql.load(__name__)


def _register(row: Row | None) -> Register | None:
    if row is None:
        return None
    return Register(row["register_id"], row["keeper"], msgspec.convert(row["described"], RegisterOrder), row["at"])


async def put_register(tx: Tx, made: Register) -> int | None:
    """Keep a description; the register's number, None if another institution keeps one of this name and version."""
    order = made.order
    described, first = msgspec.to_builtins(order), order.first_number
    return await tx.value(
        Q.put_register, made.register_id, order.code, order.version, made.keeper, described, made.at, first
    )


async def register_named(tx: Tx, code: str, version: str) -> Register | None:
    """A register by name and version; without a version the newest."""
    row = await (tx.row(Q.register_named, code, version) if version else tx.row(Q.register_latest, code))
    return _register(row)


async def register_by_id(tx: Tx, register_id: int) -> Register | None:
    """A register by its number."""
    return _register(await tx.row(Q.register_by_id, register_id))


async def registers(tx: Tx, after: int, limit: int) -> list[Register]:
    """A page of the registers, by number."""
    return [r for row in await tx.rows(Q.registers, after, limit) if (r := _register(row)) is not None]


async def lock_register(tx: Tx, register_id: int) -> bool:
    """Hold a register against everybody; whether it holds records."""
    await tx.value(Q.lock_register, register_id)
    return await tx.value(Q.holds_records, register_id)


async def keep_register(tx: Tx, register_id: int) -> bool:
    """Keep a register from ending until the transaction ends; False if it has ended."""
    return await tx.value(Q.keep_register, register_id) is not None


async def drop_register(tx: Tx, register_id: int) -> None:
    """A register ends."""
    await tx.do(Q.drop_register, register_id)


async def next_number(tx: Tx, register_id: int) -> int:
    """Take a register's next number."""
    return await tx.value(Q.next_number, register_id)


async def put_place(tx: Tx, register_id: int, key: bytes, record_id: UUID, person_id: PersonId | None) -> bool:
    """A key now belongs to a record; False if it is another's."""
    return await tx.do(Q.put_place, register_id, key, record_id, person_id) == 1


async def place_of(tx: Tx, register_id: int, key: bytes, record_id: UUID) -> Row | None:
    """Where a record is, by its blinded key or its id."""
    return await tx.row(Q.place_of, register_id, key, record_id)


async def drop_place(tx: Tx, register_id: int, record_id: UUID) -> None:
    """A record gives its key up."""
    await tx.do(Q.drop_place, register_id, record_id)


async def put(
    tx: Tx, register_id: int, person_id: PersonId | None, record_id: UUID, keys: list[int], body: bytes | Content,
    at: datetime,
) -> None:  # fmt: skip
    """Keep a new record: sealed about a person, plain about nobody."""
    if person_id is None:
        await tx.do(Q.put_entry, record_id, register_id, keys, body, at)
    else:
        await tx.do(Q.put_record, person_id, record_id, register_id, keys, body, at)


async def candidates(
    tx: Tx, register: Register, keys: Sequence[int], after: UUID, limit: int, *, down: bool
) -> list[Row]:
    """Records that the index cannot rule out, in order of their making, or the other way round."""
    query = Q.records if register.personal else Q.entries
    return await tx.rows(query, register.register_id, list(keys), after, down, limit)


async def by_id(tx: Tx, person_id: PersonId | None, record_id: UUID) -> Row | None:
    """One record."""
    if person_id is None:
        return await tx.row(Q.entry_by_id, record_id)
    return await tx.row(Q.record_by_id, person_id, record_id)


async def records_of(tx: Tx, person_id: PersonId) -> list[Row]:
    """All records about a person."""
    return await tx.rows(Q.records_of, person_id)


async def change(
    tx: Tx, person_id: PersonId | None, record_id: UUID, was: datetime, keys: list[int], body: bytes | Content,
    at: datetime,
) -> bool:  # fmt: skip
    """A record's new content; False if somebody else changed it since `was`."""
    if person_id is None:
        return await tx.do(Q.change_entry, record_id, was, keys, body, at) == 1
    return await tx.do(Q.change_record, person_id, record_id, was, keys, body, at) == 1


async def drop(tx: Tx, person_id: PersonId | None, record_id: UUID) -> None:
    """A record is deleted."""
    if person_id is None:
        await tx.do(Q.drop_entry, record_id)
    else:
        await tx.do(Q.drop_record, person_id, record_id)
