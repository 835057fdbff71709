"""SQL about what stands around a record: institutions that are told, virtual ids, and deliveries in bulk."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msingi.identity.model import Status
from msingi.identity.store import Q
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId


async def rely(tx: Tx, person_id: PersonId, institution: str, at: datetime) -> None:
    """An institution relies on a person from now on."""
    await tx.do(Q.rely, person_id, institution, at)


async def rely_no_more(tx: Tx, person_id: PersonId, institution: str) -> None:
    """An institution relies on a person no longer."""
    await tx.do(Q.rely_no_more, person_id, institution)


async def rely_on_kept(tx: Tx, merged: PersonId, kept: PersonId, at: datetime) -> None:
    """Whoever relied on a merged record relies on the kept one too."""
    await tx.do(Q.rely_on_kept, merged, kept, at)


async def tell(
    tx: Tx,
    person_id: PersonId,
    kind: str,
    at: datetime,
    *,
    status: Status | None = None,
    other: PersonId | None = None,
) -> None:
    """Tell every institution that relies on a person what happened."""
    await tx.do(Q.tell, person_id, kind, status, other, at)


async def notices(tx: Tx, institution: str, after: tuple[str, UUID], limit: int) -> Sequence[Row]:
    """What an institution is told after a cursor, in the order in which it became visible."""
    return await tx.rows(Q.notices, institution, *after, limit)


async def forget_notices(tx: Tx, before: datetime) -> int:
    """Forget what was told before an instant; how many."""
    return await tx.do(Q.forget_notices, before)


async def add_alias(
    tx: Tx,
    alias_key: bytes,
    alias_id: UUID,
    person_id: PersonId,
    sealed: bytes,
    made_at: datetime,
    expires_at: datetime | None,
    uses: int | None,
) -> bool:
    """Keep a new virtual id; False if that number was one before."""
    kept = await tx.value(Q.add_alias, alias_key, alias_id, person_id, sealed, made_at, expires_at, uses)
    return kept is not None


async def aliases(tx: Tx, person_id: PersonId, limit: int) -> Sequence[Row]:
    """The virtual ids of a person, newest first."""
    return await tx.rows(Q.aliases, person_id, limit)


async def live_aliases(tx: Tx, person_id: PersonId, at: datetime) -> int:
    """How many virtual ids of a person still lead somewhere."""
    return await tx.value(Q.live_aliases, person_id, at)


async def revoke_alias(tx: Tx, person_id: PersonId, alias_id: UUID, at: datetime) -> bool:
    """End a virtual id; False if the person has none with this id."""
    return await tx.value(Q.revoke_alias, person_id, alias_id, at) is not None


async def use_alias(tx: Tx, alias_key: bytes, at: datetime, asker: bytes, errand: timedelta) -> PersonId | None:
    """Whom a virtual id stands for, counting the use; None for nobody."""
    return await tx.value(Q.use_alias, alias_key, at, asker, errand)


async def begin_delivery(tx: Tx, source: str, total: int | None, at: datetime, by: str) -> None:
    """A bulk enrolment begins, or begins again."""
    await tx.do(Q.begin_delivery, source, total, at, by)


async def advance_delivery(tx: Tx, source: str, at: datetime, *counts: int) -> None:
    """How far a bulk enrolment is; `counts` are enrolled, held and refused rows."""
    await tx.do(Q.advance_delivery, source, at, *counts)


async def deliveries(tx: Tx, limit: int) -> Sequence[Row]:
    """Bulk enrolments, the newest first."""
    return await tx.rows(Q.deliveries, limit)


async def reopen_case(tx: Tx, person_id: PersonId) -> None:
    """The newest case of a held person waits again."""
    await tx.do(Q.reopen_case, person_id)


async def merged_by(tx: Tx, officer: str, since: datetime) -> int:
    """How many cases an officer decided as the same person since then."""
    return await tx.value(Q.merged_by, officer, since)


async def decisions_by_officer(tx: Tx, since: datetime, quick: timedelta) -> Sequence[Row]:
    """Rows (decided_by, decided, same, quick, median_s), the busiest officer first."""
    return await tx.rows(Q.decisions_by_officer, since, quick)
