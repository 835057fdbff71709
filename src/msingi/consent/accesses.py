"""Who looked at my data: the person's own view of the log, and proofs of it. Part of the room's acts."""

from uuid import UUID

import msgspec

from msingi.consent import rules, store
from msingi.consent.model import Access, Page
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
        found = await store.records_of(tx, person_id, rules.cursor(after), rules.page_size(limit))
        lines = [await _opened(stack, tx, person_id, sealed) for _, sealed in found]
        log.append(tx, permit, subject=person_id, detail={"count": len(found)})
    return Page(lines, str(found[-1][0]) if len(found) == limit else "")


async def _opened(stack: Stack, tx: Tx, person_id: PersonId, sealed: bytes) -> Access:
    plain = await stack.seal.unseal(tx, person_id, sealed, leaf.LABEL)
    return msgspec.json.decode(plain[leaf.SALT_BYTES :], type=Access)


async def access(stack: Stack, ctx: Context, person_id: PersonId, record_id: UUID) -> Access:
    """One line of the same. Raises NotFound for a record of somebody else."""
    permit = policy.decide(ctx, "consent.accesses", person_id)
    async with stack.db.transaction(permit) as tx:
        sealed = await store.record_by_id(tx, person_id, record_id)
        if sealed is None:
            raise NotFound()
        log.append(tx, permit, subject=person_id, detail={"record": str(record_id)})
        return await _opened(stack, tx, person_id, sealed)


async def access_proof(stack: Stack, ctx: Context, person_id: PersonId, record_id: UUID) -> str:
    """The `.tlog-proof` text of one record about the person, which anyone can verify offline (law 6).

    Raises NotFound for a record of somebody else, NotYetInLog in the first moments after the act.
    """
    permit = policy.decide(ctx, "consent.access_proof", person_id)
    async with stack.db.transaction(permit) as tx:
        sealed = await store.record_by_id(tx, person_id, record_id)
        if sealed is None:
            raise NotFound()
        plain = await stack.seal.unseal(tx, person_id, sealed, leaf.LABEL)
        log.append(tx, permit, subject=person_id, detail={"record": str(record_id)})
    return await proof.proof_of(stack, person_id, record_id, plain)
