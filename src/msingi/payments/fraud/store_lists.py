"""SQL of lists of sanctions, beside `store.py`: lists, their sealed entries, and who was found alike."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.payments.fraud import store

Q = sql.load(__name__)


async def put(
    tx: Tx, name: str, sha256: bytes, refs: Sequence[str], sealed: Sequence[bytes], at: datetime, who: str
) -> None:
    """Put a list in force, instead of the one of the same name."""
    await tx.do(Q.put_list, name, sha256, len(refs), at, who)
    await tx.do(Q.drop_entries, name)
    await tx.do(Q.put_entries, name, list(range(len(refs))), list(refs), list(sealed))


async def lists(tx: Tx) -> list[Row]:
    """The lists in force."""
    return await tx.rows(Q.lists)


async def to_compare(tx: Tx, before: datetime) -> list[tuple[str, int]]:
    """Lists that are to be compared, and from which entry on."""
    return [(row["list"], row["compared"]) for row in await tx.rows(Q.lists_to_compare, before)]


async def entries(tx: Tx, name: str, place: int, limit: int) -> list[tuple[int, str, bytes]]:
    """Some entries of a list."""
    return [(row["place"], row["ref"], bytes(row["body"])) for row in await tx.rows(Q.entries, name, place, limit)]


async def compared(tx: Tx, name: str, place: int, at: datetime | None) -> None:
    """How far a list is compared; `at` once it is compared to its end."""
    await tx.do(Q.compared, name, place, at)


async def add_hit(
    tx: Tx, person_id: PersonId, name: str, ref: str, bits: float, case_id: UUID, at: datetime, due_at: datetime
) -> bool:
    """Somebody is alike to an entry: watched, with a case, if that was not known. False if it was."""
    if await tx.do(Q.add_hit, person_id, name, ref, bits, case_id) != 1:
        return False
    await store.look_at(tx, person_id, "sanctions", at, None)
    await store.add_case(tx, case_id, person_id, "sanctions", None, [f"{name} {ref}"], at, due_at)
    return True
