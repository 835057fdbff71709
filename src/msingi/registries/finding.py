"""How records are found, opened, sealed and shown; called by `acts` alone."""

from typing import Any
from uuid import UUID

import msgspec

from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.db import Row, Tx
from msingi.kernel.errors import Erased, Malformed
from msingi.kernel.ids import PersonId
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.registries import rules, store
from msingi.registries.errors import PersonUnknown, RegisterUnknown
from msingi.registries.model import FIRST, LAST, Content, FieldType, Found, Register, Seen

BATCH, SCAN_LIMIT = 100, 5_000


def label(record_id: UUID) -> str:
    """What binds a sealed record to its place."""
    return f"registries.record/{record_id}"


def blinded(stack: Stack, register: Register, name: str, value: Any) -> bytes:
    """A keyed hash of one field's value in one register."""
    if register.order.fields[name].type is FieldType.NUMBER:
        value = float(value)
    told = msgspec.json.encode([register.register_id, name, value], order="sorted")
    return stack.keys.blind("registries\0" + told.decode())


def keys_of(stack: Stack, register: Register, content: Content) -> list[int]:
    """Search keys of a record's fields: 8 bytes of each keyed hash."""
    return [int.from_bytes(blinded(stack, register, n, v)[:8], signed=True) for n, v in content.items()]


def body_of(register: Register, content: Content) -> bytes | Content:
    """What an entry about nobody is stored as; records about people are sealed instead."""
    return msgspec.json.encode(content) if register.personal else content


def person_named(stack: Stack, ctx: Context, text: str) -> PersonId:
    """The person behind the institution's own pseudonym (law 3). Raises PersonUnknown."""
    try:
        return stack.pseudonym.person(ctx.actor.institution, text)
    except Malformed:
        raise PersonUnknown() from None


def split(stack: Stack, ctx: Context, register: Register, content: Content) -> tuple[PersonId | None, Content]:
    """The person that a content is about, and the rest of it."""
    subject = register.order.subject
    if not subject or subject not in content:
        return None, content
    return person_named(stack, ctx, content[subject]), {n: v for n, v in content.items() if n != subject}


async def current(stack: Stack, code: str, version: str) -> Register:
    """A register by name and version, without a version the newest. Raises RegisterUnknown."""
    async with stack.db.reading("registries") as tx:
        found = await store.register_named(tx, code, version)
    if found is None:
        raise RegisterUnknown()
    return found


async def place(stack: Stack, register: Register, name: str) -> tuple[UUID, PersonId | None] | None:
    """Where the record is that has this key or this id; None if none has."""
    try:
        record_id = UUID(name)
    except ValueError:
        record_id = FIRST
    key = blinded(stack, register, register.order.key, name)
    async with stack.db.reading("registries") as tx:
        row = await store.place_of(tx, register.register_id, key, record_id)
    return None if row is None else (row["record_id"], row["person_id"])


async def permitted(
    stack: Stack, ctx: Context, act: str, register: Register, query: Content, write: Content | None = None
) -> tuple[Permit, Content]:
    """The permit for an act on what a query finds, as narrow as the query allows, and the query without its person.

    Raises NotPermitted, FieldNotGranted, BadContent, PersonUnknown.
    """
    purpose, institution = ctx.purpose, ctx.actor.institution
    readable = rules.granted(register, institution, purpose)
    writable = rules.granted(register, institution, purpose, write=True)
    may = bool(readable if write is None else writable)
    policy.decide(ctx, act, policy.NOBODY, granted=may)  # who may do nothing here learns nothing of who is known
    rules.allow(query, register, readable)
    rules.checked(register.order.fields, query, whole=False)
    if write is not None:
        rules.allow(write, register, writable)
        rules.checked(register.order.fields, write, whole=False)
    person_id, rest = split(stack, ctx, register, query)
    if not register.personal:
        return policy.decide(ctx, act, policy.NOBODY, granted=may), rest
    if person_id is None and register.order.key in query:
        found = await place(stack, register, query[register.order.key])
        if found is None and write is None:
            return policy.decide(ctx, act, policy.NOBODY, granted=may), rest
        person_id = found[1] if found is not None else None
    return policy.decide(ctx, act, policy.ANYONE if person_id is None else person_id, granted=may), rest


async def opened(stack: Stack, tx: Tx, register: Register, row: Row) -> Found | None:
    """A stored record, opened; None if its person's key was destroyed."""
    if not register.personal:
        return Found(row["record_id"], None, row["content"], row["updated"])
    person_id = PersonId(row["person_id"])
    try:
        plain = await stack.seal.unseal(tx, person_id, row["sealed"], label(row["record_id"]))
    except Erased:
        return None
    return Found(row["record_id"], person_id, msgspec.json.decode(plain), row["updated"])


async def search(
    stack: Stack, tx: Tx, register: Register, query: Content, limit: int, *, after: UUID | None = None,
    down: bool = False,
) -> list[Found]:  # fmt: skip
    """Up to `limit` records that fit, each judged again when it is open, in order of their making."""
    keys = keys_of(stack, register, query)
    last = after or (LAST if down else FIRST)
    found: list[Found] = []
    scanned = 0
    while scanned < SCAN_LIMIT:
        size = min(BATCH, limit - len(found))
        rows = await store.candidates(tx, register, keys, last, size, down=down)
        for row in rows:
            last = row["record_id"]
            one = await opened(stack, tx, register, row)
            if one is not None and rules.fits(one.content, query):
                found.append(one)
        scanned += len(rows)
        if len(rows) < size or len(found) >= limit:
            break
    return found


def told(
    tx: Tx, permit: Permit, register: Register, found: list[Found], fields: frozenset[str], **more: str | int
) -> None:
    """Leave a leaf for each person found or asked for by name or key (law 4), or one about nobody."""
    detail = {"register": register.order.code, "fields": " ".join(sorted(fields)), **more}
    people = {one.person_id for one in found if one.person_id is not None} | set(permit.subjects or ())
    for person_id in sorted(people):
        log.append(tx, permit, subject=person_id, detail=detail)
    if not people:
        log.append(tx, permit, detail=detail | {"found": len(found)})


def shown(stack: Stack, ctx: Context, register: Register, one: Found) -> Seen:
    """A record cut to what the reader may see, its person named by the reader's own pseudonym (laws 2, 3)."""
    fields = rules.granted(register, ctx.actor.institution, ctx.purpose)
    content = rules.seen(one.content, fields)
    if one.person_id is not None and register.order.subject in fields:
        content[register.order.subject] = stack.pseudonym.of(ctx.actor.institution, one.person_id)
    return Seen(one.record_id, content)
