"""The only file of estates that runs SQL."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.seal import Seals
from msingi.payments.dormant.store import fence
from msingi.payments.estates.model import HeirShare, Kept, Part, State
from msingi.payments.rules import shard_of

Q = sql.load(__name__)
HEIRS = "payments.estate.heirs"
_decoder = msgspec.json.Decoder(list[HeirShare])


def _kept(row: Row, seals: Seals) -> Kept:
    heirs = _decoder.decode(seals.unseal_with_room_key(HEIRS, bytes(row["heirs"])))
    plain = ("account", "number", "authority", "issued_on", "currency", "made_by", "made_at", "stopped")
    return Kept(
        person_id=PersonId(UUID(bytes=row["person_id"].bytes)), estate_id=UUID(bytes=row["estate_id"].bytes),
        heirs=heirs, state=State(row["state"]), **{name: row[name] for name in plain},
    )  # fmt: skip


async def add(tx: Tx, seals: Seals, kept: Kept) -> bool:
    """Propose an estate; False if one of this person is proposed or open."""
    heirs = seals.seal_with_room_key(HEIRS, msgspec.json.encode(kept.heirs))
    values = (
        *(kept.person_id, kept.estate_id, kept.account, kept.number, kept.authority, kept.issued_on, kept.currency),
        *(heirs, kept.made_by, kept.made_at),
    )
    return await tx.do(Q.add_estate, *values) == 1


async def estate(tx: Tx, seals: Seals, estate_id: UUID, *, hold: bool = False) -> Kept | None:
    """One estate; with `hold` nobody else changes it until the transaction ends."""
    row = await tx.row(Q.hold_estate if hold else Q.estate, estate_id)
    return _kept(row, seals) if row else None


async def decide(tx: Tx, kept: Kept, state: State, by: str, at: datetime) -> bool:
    """A second officer agrees or refuses; False where somebody was faster."""
    return await tx.do(Q.decide_estate, kept.person_id, kept.estate_id, state.value, by, at) == 1


async def close(tx: Tx, kept: Kept, at: datetime) -> bool:
    """Everything is paid and closed."""
    return await tx.do(Q.close_estate, kept.person_id, kept.estate_id, at) == 1


async def add_stopped(tx: Tx, kept: Kept, count: int) -> None:
    """Standing orders that ended."""
    await tx.do(Q.add_stopped, kept.person_id, kept.estate_id, count)


async def estates(tx: Tx, seals: Seals, place: tuple[datetime, UUID] | None, limit: int) -> list[Kept]:
    """A page of the estates, the newest first."""
    at, last = place or (None, None)
    return [_kept(row, seals) for row in await tx.rows(Q.estates, at, last, limit)]


async def open_estates(tx: Tx, after: UUID, limit: int) -> list[UUID]:
    """Estates that are open."""
    return [UUID(bytes=row["estate_id"].bytes) for row in await tx.rows(Q.open_estates, after, limit)]


async def parts(tx: Tx, kept: Kept) -> list[Part]:
    """What the heirs were to get, and how that stands."""
    return [Part(**dict(row.items())) for row in await tx.rows(Q.parts, kept.person_id, kept.estate_id)]


async def add_parts(tx: Tx, kept: Kept, made: Sequence[Part], at: datetime) -> None:
    """Write down what each heir gets out of one account."""
    first = made[0]
    await tx.do(
        Q.add_parts, kept.person_id, kept.estate_id, first.account, first.round, [p.place for p in made],
        [p.heir for p in made], [p.amount for p in made], at,
    )  # fmt: skip


async def set_part(tx: Tx, kept: Kept, part: Part) -> None:
    """How one heir's part stands."""
    where = kept.person_id, kept.estate_id, part.account, part.round, part.place
    await tx.do(Q.set_part, *where, part.state, part.why, part.attempt)


async def close_account(near: Tx, account: int, owner: int) -> bool:
    """Close an empty account for good; writers obey from their next batch on. False if it is not empty."""
    shard = shard_of(account)
    await fence(near, shard)
    return await near.do(Q.close_account, shard, account, owner) == 1
