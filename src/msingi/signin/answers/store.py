"""The only file of yes/no authentication that runs SQL: counters, codes and alarms of many questions at a time."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.signin.model import Alarm
from msingi.signin.rules import Tries

Q = sql.load(__name__)


async def lock_places(tx: Tx, places: Iterable[bytes]) -> None:
    """Hold these places until the transaction ends, whether they have counters or not."""
    await tx.value(Q.lock_places, sorted(int.from_bytes(p[:8], signed=True) for p in places))


async def places(tx: Tx, wanted: Iterable[bytes]) -> dict[bytes, Tries]:
    """Counters of wrong answers; places without one are absent."""
    rows = await tx.rows(Q.places, list(wanted))
    return {bytes(r["place"]): Tries(r["failures"], r["since"], r["locked_until"]) for r in rows}


async def write_places(tx: Tx, counters: dict[bytes, Tries]) -> None:
    """Write counters of wrong answers."""
    ordered = sorted(counters.items())
    await tx.do(
        Q.write_places,
        [place for place, _ in ordered],
        [t.failures for _, t in ordered],
        [t.since for _, t in ordered],
        [t.locked_until for _, t in ordered],
    )


async def forget_places(tx: Tx, cleared: Iterable[bytes]) -> None:
    """Clear counters."""
    await tx.do(Q.forget_places, list(cleared))


async def count_windows(tx: Tx, added: dict[bytes, int], since: datetime) -> dict[bytes, int]:
    """Add to the counters of a window; gives what they are then."""
    rows = await tx.rows(Q.count_windows, list(added), list(added.values()), since)
    return {bytes(row["place"]): row["failures"] for row in rows}


async def try_codes(tx: Tx, tried: Sequence[tuple[PersonId, UUID, bytes]]) -> dict[UUID, Row]:
    """Count a try of each code (person, challenge, what it is bound to); by challenge, as it was sent."""
    columns = [list(column) for column in zip(*tried, strict=True)]
    return {row["challenge_id"]: row for row in await tx.rows(Q.try_codes, *columns)}


async def use_codes(tx: Tx, used: Sequence[tuple[PersonId, UUID]], now: datetime) -> None:
    """Mark codes as used."""
    await tx.do(Q.use_codes, [person for person, _ in used], [challenge for _, challenge in used], now)


async def raise_alarm(tx: Tx, alarm: Alarm) -> bool:
    """Keep an alarm; False if it was raised before in this window."""
    fields = msgspec.structs.astuple(alarm)
    return await tx.value(Q.raise_alarm, *fields) is not None


async def alarms(tx: Tx, before: datetime, limit: int) -> list[Alarm]:
    """The newest alarms before an instant."""
    return [msgspec.convert(dict(row), Alarm) for row in await tx.rows(Q.alarms, before, limit)]
