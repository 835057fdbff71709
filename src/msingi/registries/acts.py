"""Verbs of the registries: describing registers; creating, finding, changing and deleting records; who looked."""

import secrets
from collections.abc import Sequence
from uuid import UUID

from msgspec.structs import replace

from msingi.consent import acts as consents
from msingi.consent.model import Access
from msingi.kernel import log, policy
from msingi.kernel.context import Context, Kind
from msingi.kernel.db import Tx
from msingi.kernel.errors import Erased, NotPermitted
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack
from msingi.registries import finding, rules, store
from msingi.registries.errors import (
    Ambiguous,
    BadContent,
    KeyTaken,
    NoRecord,
    PersonUnknown,
    RecordMoved,
    RegisterExists,
    RegisterNotEmpty,
    RegisterUnknown,
)
from msingi.registries.finding import current as register_of
from msingi.registries.finding import permitted, shown, told
from msingi.registries.model import Content, Found, Listed, Register, RegisterOrder, Seen

__all__ = ["register_of"]
MOST_CHANGED = 500
NO_RECORD = "no record found"
USAGE_PAGES, USAGE_PAGE = 20, 200


async def registers(stack: Stack, after: int = 0, limit: int = 100) -> list[Register]:
    """A page of all registers with their descriptions, by number; about nobody, for everybody."""
    async with stack.db.reading("registries") as tx:
        return await store.registers(tx, after, limit)


async def register_by_id(stack: Stack, register_id: int) -> Register:
    """A register by its number. Raises RegisterUnknown."""
    async with stack.db.reading("registries") as tx:
        found = await store.register_by_id(tx, register_id)
    if found is None:
        raise RegisterUnknown()
    return found


async def describe(stack: Stack, ctx: Context, order: RegisterOrder, *, register_id: int = 0) -> Register:
    """Describe a register of one's own, or say its words and rights anew (law 1); the register.

    A description with other fields than before needs a new version once there are records. `register_id` is chosen
    here unless it is given. Raises BadDescription, RegisterExists.
    """
    async with stack.db.reading("registries") as tx:
        latest = await store.register_named(tx, order.code, "")
    keeper = latest is None or latest.keeper == ctx.actor.institution
    permit = policy.decide(ctx, "registries.describe", policy.NOBODY, keeper=keeper)
    rules.described(order)
    made = Register(register_id or secrets.randbelow(2**52) + 2**32, ctx.actor.institution, order, ctx.at)
    async with stack.db.transaction(permit) as tx:
        known = await store.register_named(tx, order.code, order.version)
        if known is not None:
            full = await store.lock_register(tx, known.register_id)
            if full and not rules.same_shape(known.order, order):
                raise RegisterExists("it holds records of another shape: describe a new version")
            made = replace(made, register_id=known.register_id, at=known.at)
        if await store.put_register(tx, made) is None:
            raise RegisterExists()
        detail = {"register": order.code, "version": order.version, "law": order.law[:200], "personal": made.personal}
        log.append(tx, permit, detail=detail)
    return made


async def end(stack: Stack, ctx: Context, register_id: int) -> None:
    """End a register of one's own that holds nothing (law 7); one that is no longer there has ended (law 6).

    Raises RegisterNotEmpty, NotPermitted.
    """
    async with stack.db.reading("registries") as tx:
        known = await store.register_by_id(tx, register_id)
    keeper = known is None or known.keeper == ctx.actor.institution
    permit = policy.decide(ctx, "registries.end", policy.NOBODY, keeper=keeper)
    async with stack.db.transaction(permit) as tx:
        if known is not None:
            if await store.lock_register(tx, register_id):
                raise RegisterNotEmpty()
            await store.drop_register(tx, register_id)
        log.append(tx, permit, detail={"register": known.order.code if known else "", "number": register_id})


async def create(
    stack: Stack, ctx: Context, register: Register, content: Content, *, record_id: UUID | None = None
) -> Seen:
    """Put a record into a register; what its writer may read of it. `record_id` is made here unless it is given.

    Raises FieldNotGranted, BadContent, PersonUnknown, KeyTaken, RegisterUnknown.
    """
    writable = rules.granted(register, ctx.actor.institution, ctx.purpose, write=True)
    policy.decide(ctx, "registries.create", policy.NOBODY, granted=bool(writable))
    rules.allow(content, register, writable)
    numbered = register.order.fields[register.order.key].numbered
    given = content if content.get(register.order.key) or not numbered else content | {register.order.key: numbered}
    rules.checked(register.order.fields, given, whole=True)
    person_id, rest = finding.split(stack, ctx, register, given)
    if register.personal and person_id is None:
        raise BadContent("a record says whose it is", field=register.order.subject, rule="required")
    if not rest.get(register.order.key):
        raise BadContent("a record has a key", field=register.order.key, rule="required")
    permit = policy.decide(ctx, "registries.create", person_id or policy.NOBODY, granted=True)
    made = Found(record_id or uuid7(), person_id, rest, ctx.at)
    try:
        async with stack.db.transaction(permit) as tx:
            if not await store.keep_register(tx, register.register_id):
                raise RegisterUnknown()
            if given is not content:
                number = await store.next_number(tx, register.register_id)
                key = numbered.replace(rules.NUMBER, str(number))
                made = replace(made, content=made.content | {register.order.key: key})
            await _put(stack, tx, register, made)
            told(tx, permit, register, [made], frozenset(content))
    except Erased:
        raise PersonUnknown() from None
    return shown(stack, ctx, register, made)


async def _put(stack: Stack, tx: Tx, register: Register, made: Found) -> None:
    await _claim_key(stack, tx, register, made)
    keys = finding.keys_of(stack, register, made.content)
    body = await _body(stack, tx, register, made)
    await store.put(tx, register.register_id, made.person_id, made.record_id, keys, body, made.updated)


async def _claim_key(stack: Stack, tx: Tx, register: Register, made: Found) -> None:
    key = finding.blinded(stack, register, register.order.key, made.content[register.order.key])
    if not await store.put_place(tx, register.register_id, key, made.record_id, made.person_id):
        raise KeyTaken()


async def _body(stack: Stack, tx: Tx, register: Register, made: Found) -> bytes | Content:
    body = finding.body_of(register, made.content)
    if made.person_id is not None and isinstance(body, bytes):
        return await stack.seal.seal(tx, made.person_id, body, finding.label(made.record_id))
    return body


async def find(
    stack: Stack, ctx: Context, register: Register, query: Content, *, after: UUID | None = None, limit: int = 50,
    down: bool = False,
) -> Listed:  # fmt: skip
    """A page of the records that have all values of the query, oldest first, or newest first with `down`.

    Raises NotPermitted, FieldNotGranted, BadContent, PersonUnknown.
    """
    permit, rest = await permitted(stack, ctx, "registries.find", register, query)
    async with stack.db.transaction(permit) as tx:
        found = await finding.search(stack, tx, register, rest, limit + 1, after=after, down=down)
        page = found[:limit]
        told(tx, permit, register, page, rules.granted(register, ctx.actor.institution, ctx.purpose))
        seen = [shown(stack, ctx, register, one) for one in page]
    return Listed(seen, str(page[-1].record_id) if len(found) > limit else "")


async def read(stack: Stack, ctx: Context, register: Register, query: Content) -> Seen:
    """The oldest record that has all values of the query.

    Raises NoRecord, NotPermitted, FieldNotGranted, BadContent, PersonUnknown.
    """
    permit, rest = await permitted(stack, ctx, "registries.read", register, query)
    async with stack.db.transaction(permit) as tx:
        found = await finding.search(stack, tx, register, rest, 1)
        told(tx, permit, register, found, rules.granted(register, ctx.actor.institution, ctx.purpose))
        seen = [shown(stack, ctx, register, one) for one in found]
    if not seen:
        raise NoRecord(NO_RECORD)
    return seen[0]


async def exists(stack: Stack, ctx: Context, register: Register, query: Content) -> bool:
    """Whether a record has all values of the query; nothing else of it is told.

    Raises NotPermitted, FieldNotGranted, BadContent, PersonUnknown.
    """
    if not query:
        raise BadContent("ask for at least one value", field="content", rule="given")
    permit, rest = await permitted(stack, ctx, "registries.exists", register, query)
    async with stack.db.transaction(permit) as tx:
        found = await finding.search(stack, tx, register, rest, 1)
        told(tx, permit, register, found, frozenset(query))
    return bool(found)


async def value(stack: Stack, ctx: Context, register: Register, name: str, field: str) -> object:
    """One field of the record that has this id or key; None where it is empty. Raises NoRecord, FieldNotGranted."""
    fields = rules.granted(register, ctx.actor.institution, ctx.purpose)
    policy.decide(ctx, "registries.value", policy.NOBODY, granted=bool(fields))
    rules.allow([field], register, fields)
    where = await finding.place(stack, register, name)
    permit = policy.decide(ctx, "registries.value", (where and where[1]) or policy.NOBODY, granted=True)
    async with stack.db.transaction(permit) as tx:
        row = await store.by_id(tx, where[1], where[0]) if where else None
        one = await finding.opened(stack, tx, register, row) if row else None
        told(tx, permit, register, [one] if one else [], frozenset((field,)))
        seen = shown(stack, ctx, register, one).content.get(field) if one else None
    if one is None:
        raise NoRecord(NO_RECORD)
    return seen


async def update(stack: Stack, ctx: Context, register: Register, query: Content, write: Content) -> tuple[Seen, Seen]:
    """Change exactly one record; it before and after. One that is already as `write` says was changed (law 6).

    Raises NoRecord, Ambiguous, KeyTaken, RecordMoved, NotPermitted, FieldNotGranted, BadContent, PersonUnknown.
    """
    changed = await _change(stack, ctx, "registries.update", register, query, write, most=1)
    if not changed:
        raise NoRecord(NO_RECORD)
    return changed[0]


async def update_all(
    stack: Stack, ctx: Context, register: Register, query: Content, write: Content
) -> list[tuple[Seen, Seen]]:
    """Change every record that fits, at most MOST_CHANGED, all or none; each before and after. Raises as `update`."""
    return await _change(stack, ctx, "registries.update_all", register, query, write, most=MOST_CHANGED)


async def update_or_create(stack: Stack, ctx: Context, register: Register, query: Content, write: Content) -> Seen:
    """Change the record that fits, or put in `write` where none does; it as it is now. Raises as `update`, `create`."""
    changed = await _change(stack, ctx, "registries.update_or_create", register, query, write, most=1)
    return changed[0][1] if changed else await create(stack, ctx, register, write)


async def _change(
    stack: Stack, ctx: Context, act: str, register: Register, query: Content, write: Content, *, most: int
) -> list[tuple[Seen, Seen]]:
    if not query or not write:
        raise BadContent("say which records and what to write", field="query, write", rule="given")
    permit, rest = await permitted(stack, ctx, act, register, query, write)
    person_id, new = finding.split(stack, ctx, register, write)
    changed = []
    async with stack.db.transaction(permit) as tx:
        found = await finding.search(stack, tx, register, rest, most + 1)
        if len(found) > most:
            raise Ambiguous(most=most)
        if not found and most == 1 and register.order.key in new:
            found = await finding.search(stack, tx, register, new, 1)
        for one in found:
            if person_id not in (None, one.person_id):
                raise BadContent("whose record it is does not change", field=register.order.subject, rule="subject")
            after = await _rewrite(stack, tx, ctx, register, one, new)
            changed.append((shown(stack, ctx, register, one), shown(stack, ctx, register, after)))
        told(tx, permit, register, found, frozenset(write))
    return changed


async def _rewrite(stack: Stack, tx: Tx, ctx: Context, register: Register, one: Found, new: Content) -> Found:
    after = replace(one, content=one.content | new, updated=ctx.at)
    rest = {name: f for name, f in register.order.fields.items() if name != register.order.subject}
    rules.checked(rest, after.content, whole=True)
    key = register.order.key
    if not after.content[key]:
        raise BadContent("a record has a key", field=key, rule="required")
    if after.content[key] != one.content[key]:
        await store.drop_place(tx, register.register_id, one.record_id)
        await _claim_key(stack, tx, register, after)
    keys = finding.keys_of(stack, register, after.content)
    body = await _body(stack, tx, register, after)
    if not await store.change(tx, one.person_id, one.record_id, one.updated, keys, body, after.updated):
        raise RecordMoved()
    return after


async def delete(stack: Stack, ctx: Context, register: Register, name: str) -> None:
    """Delete the record that has this key or id; one that is not there was deleted (law 6).

    Only who may write every field of the register deletes. Raises NotPermitted.
    """
    writable = rules.granted(register, ctx.actor.institution, ctx.purpose, write=True)
    whole = writable == frozenset(register.order.fields)
    policy.decide(ctx, "registries.delete", policy.NOBODY, granted=whole)
    where = await finding.place(stack, register, name)
    permit = policy.decide(ctx, "registries.delete", (where and where[1]) or policy.NOBODY, granted=whole)
    async with stack.db.transaction(permit) as tx:
        gone = []
        if where is not None:
            await store.drop_place(tx, register.register_id, where[0])
            await store.drop(tx, where[1], where[0])
            gone = [Found(where[0], where[1], {}, ctx.at)]
        told(tx, permit, register, gone, frozenset())


async def usage(stack: Stack, ctx: Context, register: Register, person: PersonId | None = None) -> Sequence[Access]:
    """Who used a person's records of a register, newest first, out of the person's own record of accesses.

    Only the person asks about themself; of a register about nobody the answer is empty. Raises NotPermitted.
    """
    if ctx.actor.kind is Kind.PERSON and person is None:
        raise NotPermitted("A person asks about themself.")
    permit = policy.decide(ctx, "registries.usage", person or policy.NOBODY, personal=register.personal)
    async with stack.db.transaction(permit) as tx:
        log.append(tx, permit, subject=person, detail={"register": register.order.code})
    lines: list[Access] = []
    after = ""
    for _ in range(USAGE_PAGES if person else 0):
        assert person is not None
        page = await consents.accesses(stack, ctx, person, after, USAGE_PAGE)
        lines += [a for a in page.items if _concerns(a, register)]
        after = page.after
        if not after:
            break
    return lines


async def copy_of(stack: Stack, ctx: Context, person_id: PersonId) -> list[dict[str, object]]:
    """Everything that registers hold about a person, for that person. Raises NotPermitted."""
    permit = policy.decide(ctx, "registries.copy_of", person_id)
    copies: list[dict[str, object]] = []
    async with stack.db.transaction(permit) as tx:
        for row in await store.records_of(tx, person_id):
            register = await store.register_by_id(tx, row["register_id"])
            one = await finding.opened(stack, tx, register, row) if register else None
            if register and one:
                told_of: dict[str, object] = {
                    "register": register.order.code,
                    "keeper": register.keeper,
                    "law": register.order.law,
                }
                copies.append(told_of | {"updated": one.updated, "content": one.content})
        log.append(tx, permit, subject=person_id, detail={"records": len(copies)})
    return copies


def _concerns(line: Access, register: Register) -> bool:
    told_of = line.detail.get("register") == register.order.code
    return told_of and line.act.startswith("registries.") and line.act != "registries.usage"
