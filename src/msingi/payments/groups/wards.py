"""What a guardian does for a child, or for an adult under guardianship: open an account, see it, read its entries.

Paying is the same act as with an own account (see mandates.py), up to the country's bound for guardians. The register
is asked at every act: on the day on which the child is an adult, the right is gone by itself (law 4).
"""

from msingi.identity.lifecycle import guardians
from msingi.kernel import log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import parties, rules, shards, store
from msingi.payments.acts import MAX_PAGE
from msingi.payments.groups import mandates
from msingi.payments.groups.errors import NotGuardian
from msingi.payments.groups.model import Ward
from msingi.payments.model import Account, AccountKind, Statement

KINDS = (AccountKind.WALLET, AccountKind.SAVINGS)


@crossing("payments", "portal")
async def own_wards(stack: Stack, ctx: Context) -> list[Ward]:
    """Those for whom the actor is guardian today, with their accounts."""
    me = parties.person_of(ctx)
    policy.decide(ctx, "payments.read-ward", me)
    rights = await guardians.wards_of(stack, job_context(mandates.JOB, "payment"), me)
    found = []
    for right in rights:
        name = await parties.initials_of(stack, ctx, right.person_id)
        found.append(Ward(right.person_id, name, await _accounts(stack, ctx, right.person_id)))
    return found


async def _accounts(stack: Stack, ctx: Context, child: PersonId) -> list[Account]:
    permit = policy.decide(ctx, "payments.read-ward", child)
    async with stack.db.transaction(permit) as tx:
        found = await shards.accounts(stack, tx, child, "")
        log.append(tx, permit, subject=child, detail={"what": "accounts read by a guardian", "count": len(found)})
    return [a for a in found if a.kind is not AccountKind.JOINT]


@crossing("payments", "portal")
async def open_ward_account(stack: Stack, ctx: Context, child: PersonId, kind: AccountKind) -> Account:
    """Open an account in a child's name, in the lowest tier: one wallet, and one savings account.

    Repeated, it gives the account that there is. Raises NotGuardian, Malformed for another kind.
    """
    if kind not in KINDS:
        raise Malformed("A child has a wallet and a savings account.", field="kind", rule="wallet or savings")
    permit = policy.decide(ctx, "payments.open-ward-account", child)
    await _check(stack, ctx, child)
    async with stack.db.transaction(permit) as tx:
        held = await shards.accounts(stack, tx, child, "")
        if not any(a.kind is kind for a in held):
            default = kind is AccountKind.WALLET and not any(a.is_default for a in held)
            tier, currency = min(t.tier for t in stack.profile.tiers), stack.profile.currency.code
            opening = [child], kind, currency, tier, [default], ctx
            await shards.open_person_accounts(stack, permit, tx, *opening)
            held = await shards.accounts(stack, tx, child, "")
        log.append(tx, permit, subject=child, detail={"what": "account opened by a guardian", "kind": kind})
    return next(a for a in held if a.kind is kind)


async def _check(stack: Stack, ctx: Context, child: PersonId) -> None:
    """Raises NotGuardian unless the register gives the actor the right today."""
    if not await mandates.is_guardian(stack, child, parties.person_of(ctx)):
        raise NotGuardian()


@crossing("payments", "portal")
async def ward_statement(
    stack: Stack, ctx: Context, child: PersonId, number: str, *, after: int | None = None, limit: int = 50
) -> Statement:
    """A page of the entries of a child's account, newest first. Raises NotGuardian, NoSuchAccount."""
    if not 1 <= limit <= MAX_PAGE:
        raise Malformed(f"A page has 1 to {MAX_PAGE} entries.", field="limit", rule=f"1..{MAX_PAGE}")
    account = rules.id_of(number)
    permit = policy.decide(ctx, "payments.read-ward", child)
    await _check(stack, ctx, child)
    async with stack.db.transaction(permit) as tx:
        own = next((a for a in await shards.accounts(stack, tx, child, "") if rules.id_of(a.number) == account), None)
        if own is None or own.kind is AccountKind.JOINT:
            raise ledger_errors.NoSuchAccount()
        async with shards.beside(stack, account, permit, tx) as near:
            found = await store.entries(near, account, after if after is not None else 1 << 62, limit + 1)
        log.append(tx, permit, subject=child, detail={"what": "statement read by a guardian"})
    return Statement(number, own.currency, found[:limit], found[limit - 1].seq if len(found) > limit else None)
