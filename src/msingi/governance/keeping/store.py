"""Rows of keeping: the register, holds, certificates, and the destroying itself."""

from datetime import datetime
from uuid import UUID

from msingi.governance.keeping.model import Certificate, Hold, How, Rule
from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.seal import Seals

Q = sql.load(__name__)
FROM_THE_NEWEST = UUID(int=(1 << 128) - 1)


async def register(tx: Tx) -> list[Rule]:
    """The register of what is kept, in the order in which it is destroyed."""
    return [
        Rule(r["tab"], r["purpose"], r["keep_days"], How(r["how"]), r["personal"], r["clock"], r["sealed"], r["duty"])
        for r in await tx.rows(Q.register)
    ]


async def destroy_due(tx: Tx, table: str, before: datetime, most: int) -> list[tuple[bytes, datetime]]:
    """Destroy rows that have had their time; the digest and age of each."""
    return [(bytes(r["digest"]), r["aged"]) for r in await tx.rows(Q.destroy_due, table, before, most)]


async def destroy_of(tx: Tx, table: str, person_id: PersonId) -> list[bytes]:
    """Destroy a person's rows that are out of use; the digest of each."""
    return [bytes(r["digest"]) for r in await tx.rows(Q.destroy_of, table, person_id)]


async def sealed_of(tx: Tx, table: str, person_id: PersonId) -> list[tuple[str, bytes]]:
    """A person's sealed values of a table, with the labels that bind them."""
    return [(r["label"], bytes(r["blob"])) for r in await tx.rows(Q.sealed_of, table, person_id)]


async def reseal(tx: Tx, table: str, person_id: PersonId, olds: list[bytes], news: list[bytes]) -> int:
    """Put values that were sealed anew in the place of the old ones; how many were."""
    return await tx.value(Q.reseal, table, person_id, olds, news)


async def is_held(tx: Tx, person_id: PersonId) -> bool:
    """Whether a person is under a legal hold."""
    return await tx.value(Q.is_held, person_id)


async def put_hold(tx: Tx, seals: Seals, made: Hold) -> None:
    """A legal hold begins. Its reason is sealed for the room: the machine may not have met the person yet."""
    because = seals.seal_with_room_key("governance.hold", made.because.encode())
    await tx.do(Q.put_hold, made.person_id, made.hold_id, because, made.ordered_by, made.since, made.until)


async def end_hold(tx: Tx, person_id: PersonId, hold_id: UUID, at: datetime) -> bool:
    """A legal hold ends; False if there is none."""
    return await tx.do(Q.end_hold, person_id, hold_id, at) == 1


async def put_certificate(tx: Tx, made: Certificate) -> None:
    """Keep a certificate."""
    await tx.do(Q.put_certificate, made.certificate_id, made.at, made.kind, made.body, made.kid, made.jws)


def _certificate(row: Row) -> Certificate:
    return Certificate(row["certificate_id"], row["at"], row["kind"], row["body"], row["kid"], row["jws"])


async def certificates(tx: Tx, after: UUID | None, limit: int) -> list[Certificate]:
    """Certificates, newest first."""
    return [_certificate(row) for row in await tx.rows(Q.certificates, after or FROM_THE_NEWEST, limit)]


async def certificate(tx: Tx, certificate_id: UUID) -> Certificate | None:
    """One certificate."""
    row = await tx.row(Q.certificate, certificate_id)
    return None if row is None else _certificate(row)


async def unregistered(tx: Tx) -> list[str]:
    """Tables with content about a person that nobody registered."""
    return [row[0] for row in await tx.rows(Q.unregistered)]
