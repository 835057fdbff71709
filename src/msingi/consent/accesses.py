"""Who looked at my data: the person's own view of the log, and proofs of it. Part of the room's acts."""

from uuid import UUID

import msgspec

from msingi.consent import rules, store
from msingi.consent.errors import LessDetail
from msingi.consent.model import Access, Page
from msingi.countries.law import Disclosure
from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.db import Tx
from msingi.kernel.errors import NotFound
from msingi.kernel.ids import PersonId
from msingi.kernel.log import leaf, proof
from msingi.kernel.stack import Stack


async def accesses(stack: Stack, ctx: Context, person_id: PersonId, after: str = "", limit: int = 50) -> Page[Access]:
    """Who did what about the person, newest first: actor, institution, purpose, legal basis, when (law 6)."""
    permit = policy.decide(ctx, "consent.accesses", person_id)
    async with stack.db.transaction(permit) as tx:
        found = await store.records_of(tx, person_id, rules.cursor(after), rules.page_size(limit), ctx.at)
        lines = [await _opened(stack, tx, person_id, sealed) for _, sealed in found]
        log.append(tx, permit, subject=person_id, detail={"count": len(found)})
    return Page(lines, str(found[-1][0]) if len(found) == limit else "")


async def _opened(stack: Stack, tx: Tx, person_id: PersonId, sealed: bytes) -> Access:
    plain = await stack.seal.unseal(tx, person_id, sealed, leaf.LABEL)
    return disclosed(stack, msgspec.json.decode(plain[leaf.SALT_BYTES :], type=Access))


def _rule(stack: Stack, line: Access) -> Disclosure | None:
    return next((d for d in stack.profile.law.disclosures if d.covers(line.act, line.purpose)), None)


def disclosed(stack: Stack, line: Access) -> Access:
    """The line as the person may see it: what the country's law counts as a relative's affair is left out."""
    rule = _rule(stack, line)
    if rule is None:
        return line
    kept = {name: value for name, value in line.detail.items() if "*" not in rule.hide and name not in rule.hide}
    actor = "" if "actor" in rule.hide else line.actor
    return msgspec.structs.replace(line, actor=actor, detail=kept | {"less": stack.profile.say(rule.text)})


async def access(stack: Stack, ctx: Context, person_id: PersonId, record_id: UUID) -> Access:
    """One line of the same. Raises NotFound for a record of somebody else."""
    permit = policy.decide(ctx, "consent.accesses", person_id)
    async with stack.db.transaction(permit) as tx:
        sealed = await store.record_by_id(tx, person_id, record_id, ctx.at)
        if sealed is None:
            raise NotFound()
        log.append(tx, permit, subject=person_id, detail={"record": str(record_id)})
        return await _opened(stack, tx, person_id, sealed)


async def access_proof(stack: Stack, ctx: Context, person_id: PersonId, record_id: UUID) -> str:
    """The `.tlog-proof` text of one record about the person, which anyone can verify offline (law 6).

    Raises NotFound for a record of somebody else, NotYetInLog in the first moments after the act, LessDetail for a
    record that is shown with less detail, because a proof holds all of it.
    """
    permit = policy.decide(ctx, "consent.access_proof", person_id)
    async with stack.db.transaction(permit) as tx:
        sealed = await store.record_by_id(tx, person_id, record_id, ctx.at)
        if sealed is None:
            raise NotFound()
        plain = await stack.seal.unseal(tx, person_id, sealed, leaf.LABEL)
        if _rule(stack, msgspec.json.decode(plain[leaf.SALT_BYTES :], type=Access)) is not None:
            raise LessDetail()
        log.append(tx, permit, subject=person_id, detail={"record": str(record_id)})
    return await proof.proof_of(stack, person_id, record_id, plain)
