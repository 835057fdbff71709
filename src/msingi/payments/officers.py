"""What officers do with accounts: freeze, release, close. The ledger knows only flags; the reasons stand in the log,
where the holder reads them.

Flags and the shard's fence change in one transaction: once it has committed, no writer posts what they forbid.
"""

from msingi.kernel import log, policy
from msingi.kernel.context import Context, Kind
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Malformed
from msingi.kernel.stack import Stack
from msingi.payments import errors, homes, parties, rules, shards, store, store_shared
from msingi.payments.model import AccountKind, Flag


@crossing("payments", "portal")
async def freeze(
    stack: Stack, ctx: Context, number: str, *, reason: str, debits: bool = True, credits: bool = False
) -> None:
    """Stop an account from paying (`debits`), from receiving (`credits`), or both, until it is unfrozen.

    `reason` (1-140 characters) is told to the holder. What was reserved before is still paid out by a commit.
    Raises NoSuchAccount, also for a closed account.
    """
    if not debits and not credits:
        raise Malformed("Freeze debits, credits, or both.", field="debits", rule="debits or credits")
    await _flag(stack, ctx, "payments.freeze", number, _flags(debits, credits), True, reason)


@crossing("payments", "portal")
async def unfreeze(
    stack: Stack, ctx: Context, number: str, *, reason: str, debits: bool = True, credits: bool = True
) -> None:
    """Let an account pay, receive, or both, again. Raises NoSuchAccount, also for a closed account."""
    await _flag(stack, ctx, "payments.freeze", number, _flags(debits, credits), False, reason)


def _flags(debits: bool, credits: bool) -> int:
    return (Flag.NO_DEBIT if debits else 0) | (Flag.NO_CREDIT if credits else 0)


async def _flag(stack: Stack, ctx: Context, act: str, number: str, flags: int, on: bool, reason: str) -> None:
    if not 1 <= len(reason) <= 140 or not reason.isprintable():
        raise Malformed("Say why, in at most 140 printable characters.", field="reason", rule="length<=140")
    account = rules.id_of(number)
    permit = policy.decide(ctx, act, policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        async with shards.beside(stack, account, permit, tx) as near:
            if not await store.flag(near, account, flags, on):
                raise errors.NoSuchAccount()
        told: dict[str, str | int | bool] = {"what": "account frozen" if on else "account released", "why": reason}
        for owner in await store_shared.owners_of(tx, account) or [None]:
            log.append(tx, permit, subject=owner, detail=told)


@crossing("payments")
async def close_account(stack: Stack, ctx: Context, number: str) -> None:
    """Close an account for good: a person's own, or by an officer. Its statements stay.

    Raises NotEmpty while it holds money or a hold touches it, NoSuchAccount unless it is the person's own.
    """
    account = rules.id_of(number)
    async with homes.home(stack, rules.shard_of(account)).db.reading("payments") as tx:
        known = await store.account(tx, account)
    person = ctx.actor.kind is Kind.PERSON
    permit = policy.decide(ctx, "payments.close-account", parties.person_of(ctx) if person else policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        owner = await store.owner_of(tx, account)
        if known is not None and known["kind"] == AccountKind.JOINT:
            raise errors.NoSuchAccount("A joint account ends when its last holder leaves it.")
        if known is None or known["flags"] & Flag.CLOSED or (person and owner is None):
            raise errors.NoSuchAccount()
        async with shards.beside(stack, account, permit, tx) as near:
            if not await store.close(near, account):
                raise errors.NotEmpty()
        if owner is not None:
            await store.no_default(tx, owner, account)
        log.append(tx, permit, subject=owner, detail={"what": "account closed"})
