"""Institutions that rely on people: they say of whom, and fetch what changed, under their own pseudonyms (law 5)."""

import re
from datetime import timedelta
from typing import Final
from uuid import UUID

from msingi.identity import store, store_notices
from msingi.identity.lifecycle.model import Notice, NoticePage
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed, NotFound
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

KEPT: Final = timedelta(days=90)
START: Final = "0.00000000000000000000000000000000"
_CURSOR = re.compile(r"(\d{1,20})\.([0-9a-f]{32})")


async def note_relying(stack: Stack, ctx: Context, person_id: PersonId, institution: str) -> None:
    """An institution relies on a person from now on: another room has shown it who the person is."""
    permit = policy.decide(ctx, "identity.note-relying", person_id)
    async with stack.db.transaction(permit) as tx:
        await store_notices.rely(tx, person_id, institution, clock.now())
        log.append(tx, permit, subject=person_id, detail={"what": "will be told of changes", "who": institution})


async def rely(stack: Stack, ctx: Context, pseudonym: str, *, wanted: bool = True) -> None:
    """An institution says that it relies on a person whose pseudonym it has, or (`wanted` false) no longer.

    Raises Malformed for what is no pseudonym, NotFound for nobody's.
    """
    institution = ctx.actor.institution
    policy.decide(ctx, "identity.rely", policy.NOBODY)
    person_id = stack.pseudonym.person(institution, pseudonym)
    permit = policy.decide(ctx, "identity.rely", person_id)
    async with stack.db.transaction(permit) as tx:
        found = await store.status_of(tx, person_id)
        if found is not None and wanted:
            await store_notices.rely(tx, person_id, institution, clock.now())
        elif found is not None:
            await store_notices.rely_no_more(tx, person_id, institution)
        what = "nobody" if found is None else "will be told of changes" if wanted else "will not be told any more"
        log.append(tx, permit, subject=found and person_id, detail={"what": what})
    if found is None:
        raise NotFound("Nobody has this pseudonym.")


async def notices(stack: Stack, ctx: Context, after: str = "", limit: int = 100) -> NoticePage:
    """What the institution that asks is told after a cursor, at most `limit` (1 to 500), in order and without a gap.

    Raises Malformed for a cursor that none of its answers held.
    """
    cursor = _CURSOR.fullmatch(after or START)
    if cursor is None or int(cursor[1]) >= 2**63:
        raise Malformed("Send `next_after` of an earlier answer, or nothing.", field="after", rule="cursor")
    if not 1 <= limit <= 500:
        raise Malformed("From 1 to 500.", field="limit", rule="1-500")
    institution = ctx.actor.institution
    permit = policy.decide(ctx, "identity.read-notices", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        rows = await store_notices.notices(tx, institution, (cursor[1], UUID(cursor[2])), limit)
        log.append(tx, permit, detail={"what": "notices fetched", "count": len(rows)})
    told = [
        Notice(
            f"{row['xact']}.{row['notice_id'].hex}",
            row["kind"],
            stack.pseudonym.of(institution, PersonId(row["person_id"])),
            row["at"],
            row["status"] or "",
            stack.pseudonym.of(institution, PersonId(row["other_id"])) if row["other_id"] else "",
        )
        for row in rows
    ]
    return NoticePage(tuple(told), told[-1].id if told else after or START)


async def forget_notices(stack: Stack, ctx: Context) -> int:
    """Forget what was told more than 90 days ago; how many notices."""
    permit = policy.decide(ctx, "identity.forget-notices", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        gone = await store_notices.forget_notices(tx, clock.now() - KEPT)
        log.append(tx, permit, detail={"what": "old notices forgotten", "count": gone})
    return gone
