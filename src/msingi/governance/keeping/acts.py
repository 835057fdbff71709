"""Verbs of keeping: destroy what has had its time, erase what no law keeps, hold, and prove what was destroyed."""

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from msingi.governance import signing
from msingi.governance.apart import sending
from msingi.governance.apart.model import What
from msingi.governance.errors import HoldUnknown, NothingKept, RegisterIncomplete, UnderHold
from msingi.governance.keeping import rules, store
from msingi.governance.keeping.model import Certificate, Erased, Hold, HoldOrder, Kept
from msingi.governance.model import Page
from msingi.governance.rules import cursor, page_size
from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.db import Tx
from msingi.kernel.errors import Outage
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.governance")


async def register(stack: Stack) -> list[Kept]:
    """How long each table that holds something about people is kept in this country; public, about nobody."""
    async with stack.db.reading("governance") as tx:
        return [rules.kept(rule, stack.profile) for rule in await store.register(tx)]


async def destroy_due(stack: Stack, ctx: Context, table: str, most: int = rules.BATCH) -> Certificate | None:
    """Destroy one batch of rows of `table` that have had their time (laws 1 to 3); None if there were none.

    Each batch is a transaction of its own, so a run that breaks off goes on where it was.
    Raises NothingKept for a table that retention does not destroy.
    """
    permit = policy.decide(ctx, "governance.destroy_due", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        found = {k.table: k for k in (rules.kept(r, stack.profile) for r in await store.register(tx))}.get(table)
        until = rules.before(found, ctx.at) if found else None
        if found is None or until is None:
            raise NothingKept()
        gone = await store.destroy_due(tx, table, until, most)
        if not gone:
            tx.repeated = True  # nothing was due, so nothing was done, and no leaf is owed
            return None
        made = await _certify(stack, tx, ctx, "due", rules.due_body(found, until, gone, ctx.at))
        detail = {"table": table, "rows": len(gone), "certificate": str(made.certificate_id)}
        log.append(tx, permit, detail=detail | {"digest": made.body["digest"]})
    return made


async def _certify(stack: Stack, tx: Tx, ctx: Context, kind: str, body: dict[str, Any]) -> Certificate:
    certificate_id = uuid7()
    whole = {"certificate": str(certificate_id), "kind": kind, "issuer": stack.settings.url, **body}
    jws, kid = signing.sign(stack, whole)
    made = Certificate(certificate_id, ctx.at, kind, whole, kid, jws)
    await store.put_certificate(tx, made)
    return made


async def sweep(stack: Stack, ctx: Context) -> list[Certificate]:
    """Destroy all that has had its time, table by table, batch by batch; the certificates."""
    made = []
    for known in await register(stack):
        if rules.before(known, ctx.at) is None:
            continue
        try:
            while (certificate := await destroy_due(stack, ctx, known.table)) is not None:
                made.append(certificate)
        except Outage as outage:  # for example a room that is closed while it moves: the other tables do not wait
            logger.warning("retention of %s waits: %s", known.table, outage)
    return made


async def erase(stack: Stack, tx: Tx, ctx: Context, person_id: PersonId, reference: str) -> Erased:
    """Carry out an erasure that was granted, inside the transaction of the answer (law 4).

    Rows that no law keeps and that are out of use are destroyed; what must be kept is sealed anew; the old key is
    destroyed, and with it whatever was ever sealed under it and stands in a copy somewhere.
    Raises UnderHold, RegisterIncomplete.
    """
    if await store.is_held(tx, person_id):
        raise UnderHold()
    unknown = await store.unregistered(tx)
    if unknown:
        raise RegisterIncomplete(tables=", ".join(unknown))
    known = [rules.kept(rule, stack.profile) for rule in await store.register(tx)]
    destroyed, digests = {}, []
    for each in known:
        if rules.erasable(each):
            gone = await store.destroy_of(tx, each.table, person_id)
            digests += gone
            if gone:
                destroyed[each.table] = len(gone)
    opened = []
    for each in known:
        if each.sealed and each.personal:
            rows = await store.sealed_of(tx, each.table, person_id)
            plain = [(label, blob, await stack.seal.unseal(tx, person_id, blob, label)) for label, blob in rows]
            if plain:
                opened.append((each.table, plain))
    await stack.seal.erase(tx, person_id)
    kept = {}
    await stack.seal.create_key(tx, person_id)
    for table, plain in opened:
        news = [await stack.seal.seal(tx, person_id, content, label) for label, _, content in plain]
        kept[table] = await store.reseal(tx, table, person_id, [blob for _, blob, _ in plain], news)
        if kept[table] != len(plain):
            raise RuntimeError(f"{table}: {kept[table]} of {len(plain)} values were sealed anew")
    duties = sorted({f"{e.purpose}: {e.law}" for e in known if e.law})
    body = {
        "case": reference, "destroyed": destroyed, "kept": kept, "duties": duties, "key": "destroyed",
        "digest": rules.digest(digests), "at": rules.instant(ctx.at),
    }  # fmt: skip
    return Erased(destroyed, kept, duties, await _certify(stack, tx, ctx, "erasure", body))


async def hold(stack: Stack, ctx: Context, person_id: PersonId, order: HoldOrder) -> Hold:
    """Order that a person's records be kept for now; every destruction stops (law 1). Raises CaseMalformed."""
    permit = policy.decide(ctx, "governance.hold", person_id)
    rules.check_hold(order)
    who = ctx.actor.name or ctx.actor.id
    made = Hold(uuid7(), person_id, order.because.strip(), who, ctx.at, ctx.at + timedelta(days=order.days))
    async with stack.db.transaction(permit) as tx:
        await store.put_hold(tx, stack.seal, made)
        await sending.send_out(stack, tx, person_id, What.HOLD, made.hold_id, ctx.at)
        log.append(tx, permit, subject=person_id, detail={"until": rules.instant(made.until)})
    return made


async def release(stack: Stack, ctx: Context, person_id: PersonId, hold_id: UUID) -> None:
    """End a legal hold before its time. Raises HoldUnknown."""
    permit = policy.decide(ctx, "governance.hold", person_id)
    async with stack.db.transaction(permit) as tx:
        if not await store.end_hold(tx, person_id, hold_id, ctx.at):
            raise HoldUnknown()
        await sending.send_out(stack, tx, person_id, What.RELEASE, hold_id, ctx.at)
        log.append(tx, permit, subject=person_id, detail={"hold": str(hold_id)})


async def certificates(stack: Stack, after: str = "", limit: int = 50) -> Page[Certificate]:
    """Certificates of what was destroyed, newest first; public, about nobody."""
    async with stack.db.reading("governance") as tx:
        found = await store.certificates(tx, cursor(after), page_size(limit))
    return Page(found, str(found[-1].certificate_id) if len(found) == limit else "")


async def certificate(stack: Stack, certificate_id: UUID) -> Certificate:
    """One certificate. Raises NothingKept."""
    async with stack.db.reading("governance") as tx:
        found = await store.certificate(tx, certificate_id)
    if found is None:
        raise NothingKept()
    return found
