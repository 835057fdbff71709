"""Rows of rights across machines."""

from datetime import datetime
from uuid import UUID

import msgspec

from msingi.governance.apart.model import Errand, Receipt, Waiting, What
from msingi.governance.keeping.model import Hold
from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId

Q = sql.load(__name__)


def _errand(row: Row) -> Errand:
    receipt = None if row["receipt"] is None else msgspec.convert(row["receipt"], Receipt)
    return Errand(
        row["errand_id"], PersonId(row["person_id"]), row["machine"], What(row["what"]), row["reference"],
        row["about"], row["made_at"], row["tries"], row["last"], row["done_at"], receipt,
    )  # fmt: skip


async def put_errand(tx: Tx, made: Errand) -> None:
    """An errand to a machine, due at once."""
    await tx.do(
        Q.put_errand, made.person_id, made.errand_id, made.machine, made.what, made.reference, made.about, made.made_at
    )  # fmt: skip


async def due_errand(tx: Tx, now: datetime) -> Errand | None:
    """The errand whose turn it is, locked."""
    row = await tx.row(Q.due_errand, now)
    return None if row is None else _errand(row)


async def put_off(tx: Tx, errand: Errand, now: datetime, until: datetime, last: str) -> None:
    """All that is due for the errand's machine waits."""
    await tx.do(Q.put_off, errand.machine, errand.errand_id, now, until, last)


async def wait_alone(tx: Tx, errand: Errand, until: datetime, last: str) -> None:
    """This errand alone waits."""
    await tx.do(Q.wait_alone, errand.person_id, errand.errand_id, until, last)


async def errand_done(tx: Tx, errand: Errand, at: datetime, receipt: Receipt) -> None:
    """The machine has answered."""
    await tx.do(Q.errand_done, errand.person_id, errand.errand_id, at, msgspec.to_builtins(receipt))


async def errands_about(tx: Tx, person_id: PersonId, about: UUID) -> list[Errand]:
    """What machines must do for a case or a hold."""
    return [_errand(row) for row in await tx.rows(Q.errands_about, person_id, about)]


async def waiting_errands(tx: Tx) -> list[Waiting]:
    """How many errands wait for each machine, and since when the oldest does."""
    return [Waiting(r["machine"], r["waiting"], r["since"]) for r in await tx.rows(Q.waiting_errands)]


async def hold_by_id(tx: Tx, person_id: PersonId, hold_id: UUID) -> Hold | None:
    """A legal hold."""
    row = await tx.row(Q.hold_by_id, person_id, hold_id)
    if row is None:
        return None
    return Hold(
        row["hold_id"], person_id, row["because"], row["ordered_by"], row["since"], row["until"], row["ended_at"]
    )  # fmt: skip


async def end_hold_here(tx: Tx, person_id: PersonId, hold_id: UUID, at: datetime) -> bool:
    """A legal hold ends; False if there is none."""
    return await tx.do(Q.end_hold_here, person_id, hold_id, at) == 1
