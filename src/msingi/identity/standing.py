"""What changes of a person, inside one transaction: status, versions, and who is told. Every change goes through here.

An institution that relies on a person is told in the same transaction, under its own pseudonym and no other name; the
rooms above are told by events.
"""

from datetime import datetime

from msingi.identity import blocking, enrolment, rules, store, store_notices
from msingi.identity.enrolment import BECAUSE, PHOTO, phone_key, unseal_version
from msingi.identity.errors import PhoneInUse
from msingi.identity.model import (
    Cause,
    Demographics,
    GuardiansChanged,
    PersonChanged,
    Status,
    StatusChanged,
    StatusPeriod,
)
from msingi.kernel import clock
from msingi.kernel.db import Tx
from msingi.kernel.errors import NotFound
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack


async def locked(tx: Tx, person_id: PersonId) -> tuple[Status, PersonId | None]:
    """A person's status and whom the record merged into, locked until the transaction ends. Raises NotFound."""
    found = await store.lock_person(tx, person_id)
    if found is None:
        raise NotFound()
    return found


async def kept(tx: Tx, person_id: PersonId) -> PersonId:
    """Whom a record stands for now: itself, or whom it was merged into, however often.

    It ends: only a record that stands for itself can be merged, into one that does too, so merges form no ring.
    """
    found = await store.status_of(tx, person_id)
    while found is not None and found[1] is not None:
        person_id = PersonId(found[1])
        found = await store.status_of(tx, person_id)
    return person_id


async def seal_words(tx: Tx, stack: Stack, person_id: PersonId, because: str) -> bytes:
    """An officer's words about a person, sealed under that person's key, so that an erasure reaches them."""
    return await stack.seal.seal(tx, person_id, because.encode(), BECAUSE)


async def statuses(tx: Tx, stack: Stack, person_id: PersonId) -> list[StatusPeriod]:
    """Every status that a person had, oldest first; each ends when the next begins. Raises Erased."""
    rows = await store.statuses(tx, person_id)
    ends = [row["at"] for row in rows[1:]] + [None]
    found = []
    for row, end in zip(rows, ends, strict=True):
        why = "enrolment"
        if row["because"] is not None:
            why = (await stack.seal.unseal(tx, person_id, bytes(row["because"]), BECAUSE)).decode()
        found.append(StatusPeriod(row["at"], end, Status(row["status"]), Cause(row["cause"]), why))
    return found


async def change(
    tx: Tx,
    stack: Stack,
    person_id: PersonId,
    wanted: Status,
    cause: Cause,
    because: str,
    *,
    number_sealed: bytes | None = None,
    merged_into: PersonId | None = None,
) -> None:
    """Write a new status and tell everybody. The caller has locked the record and asked the law (law 7)."""
    at = clock.now()
    sealed = await seal_words(tx, stack, person_id, because)
    await store.change_status(
        tx, person_id, wanted, cause, sealed, at, number_sealed=number_sealed, merged_into=merged_into
    )
    await stack.outbox.emit(tx, StatusChanged.kind, StatusChanged(person_id, wanted, cause))
    if wanted is not Status.MERGED:  # a merge is told as a merge
        await store_notices.tell(tx, person_id, "status", at, status=wanted)


async def revise(
    tx: Tx,
    stack: Stack,
    person_id: PersonId,
    after: Demographics,
    why: str,
    *,
    expected: datetime | None = None,
    picture: bytes | None = None,
    relink: bool = False,
) -> bool:
    """Write a new version of a locked record, with all that finds it; False if the present one is not `expected`.

    `picture` is a photo in the register's form; `relink` tries again to let a phone find the person.
    Raises PhoneInUse if a new phone finds somebody else.
    """
    row, _ = (await store.people(tx, [person_id]))[person_id]
    if expected is not None and row["valid_from"] != expected:
        return False
    before = await unseal_version(tx, stack, person_id, row["sealed"])
    if relink or before.phone != after.phone:
        if before.phone:
            await store.unlink_phone(tx, phone_key(stack, before.phone), person_id)
        if after.phone and not await store.link_phones(tx, {phone_key(stack, after.phone): person_id}):
            raise PhoneInUse()
    secret = stack.keys.mac("blind")
    traits = blocking.traits(before), blocking.traits(after)
    old, new = (set(blocking.search_keys(secret, t)) for t in traits)
    if old != new:
        await store.drop_search_keys(tx, old - new, person_id)
        await store.add_search_keys(tx, [(key, person_id) for key in new - old])
    names, more = (set(blocking.name_keys(secret, t).values()) for t in traits)
    if more - names:
        await store.count_names(tx, dict.fromkeys(more - names, 1))
    sealed = await enrolment.seal_version(tx, stack, person_id, after)
    at = rules.next_valid_from(row["valid_from"], clock.now())
    await store.add_version(tx, person_id, sealed, why, at)
    if (before.region, before.birth.year, before.sex) != (after.region, after.birth.year, after.sex):
        await store.restate(tx, person_id, after.region, after.birth.year, after.sex)
    if picture is not None:
        await store.add_photo(tx, person_id, await stack.seal.seal(tx, person_id, picture, PHOTO), at)
    await stack.outbox.emit(tx, PersonChanged.kind, PersonChanged(person_id))
    await store_notices.tell(tx, person_id, "changed", at)
    return True


async def guardians_changed(tx: Tx, stack: Stack, person_id: PersonId) -> None:
    """Tell everybody that others may act for a person than before."""
    await stack.outbox.emit(tx, GuardiansChanged.kind, GuardiansChanged(person_id))
    await store_notices.tell(tx, person_id, "guardians", clock.now())
