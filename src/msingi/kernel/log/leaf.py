"""What an act leaves: salted commitments in its own transaction, and sealed records for the people concerned."""

import hashlib
import os
from collections.abc import Sequence
from datetime import datetime
from operator import add
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from msgspec.structs import astuple

from msingi.kernel import sql
from msingi.kernel.ids import PersonId, RecordId, uuid7

if TYPE_CHECKING:
    from msingi.kernel.db import Tx
    from msingi.kernel.policy import Permit
    from msingi.kernel.seal import Seals

Q = sql.load(__name__)
NOBODY_ID = PersonId(UUID(int=0))
LABEL = "log.record"
SALT_BYTES = 32
Detail = dict[str, str | int | bool]


class Record(msgspec.Struct, frozen=True, omit_defaults=False):
    """What the person sees of an act: who, from which institution, what, for which purpose, on which basis, when.

    `at` is RFC 3339 in UTC; `detail` holds small values that the subject may see.
    """

    record_id: str
    act: str
    at: str
    actor_kind: str
    actor: str
    institution: str
    purpose: str
    basis: str
    request_id: str
    detail: Detail


class Staged(msgspec.Struct):
    """A record that waits for the commit of its transaction, with its salt."""

    subject: PersonId
    record_id: RecordId
    at: Any
    act: str
    body: bytes
    salt: bytes
    veil_id: UUID | None = None
    asker: str = ""  # the institution and the purpose of this act, by which a court order may hide it
    why: str = ""


class LeafRef(msgspec.Struct, frozen=True):
    """Names a record, so that its proof can be asked for once the log has integrated it."""

    record_id: RecordId


def canonical(record: Record) -> bytes:
    """The record as canonical JSON (RFC 8785): members sorted, no blanks; it holds no fractions."""
    return msgspec.json.encode(record, order="sorted")


def commitment(salt: bytes, body: bytes) -> bytes:
    """SHA-256(salt || body), 32 bytes: hides the body, and binds to it."""
    return hashlib.sha256(salt + body).digest()


def tree_hash(commitments: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, over at least one commitment: the 32-byte entry of a transaction."""
    level = [hashlib.sha256(b"\0" + c).digest() for c in commitments]
    while len(level) > 1:
        # Pairing from the left and carrying a lone last node up gives the tree of section 2.1.
        pairs = [hashlib.sha256(b"\1" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


_told: tuple[datetime | None, str] = (None, "")


def _moment(at: datetime) -> str:
    """An instant as records tell it (RFC 3339), to the millisecond; the acts of a batch have one in common."""
    global _told
    last = _told
    if last[0] is not at:
        last = _told = at, at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return last[1]


def append(
    tx: "Tx",
    permit: "Permit",
    *,
    subject: PersonId | None = None,
    detail: Detail | None = None,
    veil_id: UUID | None = None,
) -> LeafRef:
    """Leave a record of the permitted act about `subject` (None: an act about nobody).

    It is written when the transaction commits. `detail` holds nothing that the subject may not see. `veil_id` is the
    court order that hides it for a while; one that covers the whole access is found without it.
    """
    record_id = RecordId(uuid7())
    _stage(tx, permit, subject, record_id, canonical(_record(permit, str(record_id), subject, detail)), veil_id)
    return LeafRef(record_id)


def append_all(tx: "Tx", permit: "Permit", subjects: Sequence[PersonId], detail: Detail) -> None:
    """Leave a record of the permitted act about each of `subjects`, in all of which the same stands: as `append` for
    each of them, in a fraction of the time."""
    if permit.context.actor.kind == "person":  # who acts reads the own name, and others do not
        for subject in subjects:
            append(tx, permit, subject=subject, detail=detail)
        return
    mark = str(uuid7())  # nothing else in the record holds it, for nobody knew it before
    head, tail = canonical(_record(permit, mark, None, detail)).split(mark.encode())
    salts = os.urandom(SALT_BYTES * len(subjects))
    for n, subject in enumerate(subjects):
        record_id = RecordId(uuid7())
        body = head + str(record_id).encode() + tail
        _stage(tx, permit, subject, record_id, body, None, salts[n * SALT_BYTES : (n + 1) * SALT_BYTES])


def _record(permit: "Permit", record_id: str, subject: PersonId | None, detail: Detail | None) -> Record:
    ctx = permit.context
    actor = ctx.actor
    return Record(
        record_id=record_id,
        act=permit.act,
        at=_moment(ctx.at),
        actor_kind=actor.kind,
        actor="" if actor.kind == "person" and str(subject) != actor.id else (actor.name or actor.id),
        institution=actor.institution,
        purpose=ctx.purpose,
        basis=ctx.basis,
        request_id=ctx.request_id,
        detail=detail or {},
    )


def _stage(
    tx: "Tx",
    permit: "Permit",
    subject: PersonId | None,
    record_id: RecordId,
    body: bytes,
    veil_id: UUID | None,
    salt: bytes | None = None,
) -> None:
    ctx = permit.context
    staged = Staged(
        *(subject or NOBODY_ID, record_id, ctx.at, permit.act, body, salt or os.urandom(SALT_BYTES), veil_id),
        *(ctx.actor.institution, ctx.purpose),
    )
    tx.staged.append(staged)
    tx.owed.discard(permit)


def append_root(tx: "Tx", permit: "Permit", *, root: bytes, count: int) -> None:
    """Leave one entry for a batch of `count` acts that are committed to by their own tree hash `root` (32 bytes)."""
    if len(root) != 32 or count < 1:
        raise ValueError("a batch root has 32 bytes and covers at least one act")
    tx.roots.append((root, count))
    tx.owed.discard(permit)


async def flush(tx: "Tx", seals: "Seals") -> None:
    """Put what the transaction leaves at its end, to travel with its commit; called once.

    All records of a transaction share entry 0, so that one transaction leaves one leaf; batch roots follow.
    """
    pending_id = uuid7()
    columns = zip(*map(astuple, tx.staged), strict=True) if tx.staged else ((),) * len(Staged.__struct_fields__)
    subjects, records, times, acts, bodies, salts, veils, askers, whys = columns
    opened = list(map(add, salts, bodies))
    commitments = [hashlib.sha256(one).digest() for one in opened]
    entries = ([tree_hash(commitments)] if commitments else []) + [root for root, _ in tx.roots]
    inner = [b"".join(commitments)] if len(commitments) > 1 else []
    keys = await seals.keys_of(tx, [subject for subject in subjects if subject != NOBODY_ID])
    sealed = seals.seal_all(LABEL, list(zip(map(keys.get, subjects), opened, strict=True)))
    tx.later.append(
        (
            Q.leave,
            (
                pending_id,
                b"".join(entries),
                inner,
                subjects,
                records,
                _once(times),
                _once(acts),
                sealed,
                veils if any(veils) else (),
                len(entries) - len(tx.roots),
                [root for root, _ in tx.roots],
                [count for _, count in tx.roots],
                _once(askers),
                _once(whys),
            ),
        )
    )


def _once(column: tuple[Any, ...]) -> tuple[Any, ...]:
    """A column of records; its first element alone where all are the same."""
    return column[:1] if column and column.count(column[0]) == len(column) else column
