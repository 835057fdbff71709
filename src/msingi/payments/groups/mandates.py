"""Who may debit an account: its holder, or whoever has a mandate over it now: a joint holder, a guardian.

The ledger debits an account for its holder only. A joint account's holder is the body of those who hold it; a child's
account is the child's. So an order of anybody else needs the reference of that holder, and gets it here and nowhere
else. An account of one's own costs no look-up: the writer has its holder in memory.
"""

from datetime import date, timedelta
from functools import cache

from msgspec import Struct

from msingi.identity.lifecycle import guardians
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, Kind, job_context
from msingi.kernel.ids import PersonId
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import homes, ledger, parties
from msingi.payments import rules as ledger_rules
from msingi.payments import store as accounts
from msingi.payments.bank import tariff
from msingi.payments.groups import rules, store
from msingi.payments.groups.errors import NeedsSignatures
from msingi.payments.groups.model import Signer

JOB = "payments-groups"


class Debit(Struct, frozen=True):
    """What is about to be debited: account id, minor units, and the order's key, within the act's name."""

    account: int
    amount: int
    key: str
    act: str

    @property
    def once(self) -> str:
        """What counts once: the same order repeated, and nothing else."""
        return f"{self.act}/{self.key}/{self.amount}"


async def payer_of(stack: Stack, ctx: Context, act: str, account: int, amount: int, key: str) -> tuple[Permit, int]:
    """The permit to debit an account, and the reference of its holder for whom the actor may order.

    For an account that is none of the actor's, it is the actor's own reference, with which the ledger refuses.
    Raises NotPermitted, and NeedsSignatures above what the actor may pay alone in a day.
    """
    permit, mine = own(stack, ctx, act)
    if ctx.actor.kind is not Kind.PERSON:
        return permit, mine
    return permit, await owner_for(stack, ctx, parties.person_of(ctx), Debit(account, amount, key, act), mine)


def own(stack: Stack, ctx: Context, act: str) -> tuple[Permit, int]:
    """The permit to debit what the actor holds alone, and the reference of that holder. Raises NotPermitted."""
    actor = ctx.actor
    personal, institutional = _asked(act)
    if actor.kind is Kind.PERSON:
        return personal.of_own(ctx), parties.holder_ref(stack, "person:" + actor.id)
    permit = (
        institutional.of_nobody(ctx)
        if actor.institution
        else policy.decide(ctx, act, policy.NOBODY, holder="institution", own_account=False)
    )
    return permit, parties.holder_ref(stack, "institution:" + actor.institution)


@cache
def _asked(act: str) -> tuple[policy.Question, policy.Question]:
    """An act of paying, as people ask for it and as those do who act for an institution."""
    of_people = policy.Question(act, holder="person", own_account=False)
    return of_people, policy.Question(act, holder="institution", own_account=True)


async def owner_for(stack: Stack, ctx: Context, person: PersonId, debit: Debit, mine: int) -> int:
    """The reference of the holder of an account if `person`, whose own one is `mine`, may debit it; else `mine`."""
    holder = ledger.holder_of(stack, debit.account)
    if holder is None:
        async with homes.home(stack, ledger_rules.shard_of(debit.account)).db.reading("payments") as tx:
            holder = await accounts.holder_ref_of(tx, debit.account)
    if holder is None or holder == mine:
        return mine
    permit = policy.decide(ctx, "payments.use-mandate", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        body = await store.body_of_account(tx, debit.account)
        signers = (await store.signers(tx, stack.seal, [body.body_id]))[body.body_id] if body else []
        child = None if body else await accounts.owner_of(tx, debit.account)
        log.append(tx, permit, subject=person, detail={"what": "right to pay looked up"})
    if body is not None:
        if not rules.may_act(signers, person):
            return mine
        await _count(stack, ctx, person, debit, body.bound, list(rules.holding(signers)))
        return holder
    if child is None or not await is_guardian(stack, child, person):
        return mine
    await _count(stack, ctx, person, debit, tariff.of(stack).shared.guardian_day_minor, [child])
    return holder


async def _count(
    stack: Stack, ctx: Context, person: PersonId, debit: Debit, bound: int | None, holders: list[PersonId]
) -> None:
    """Count what is paid alone, and let every holder read of it. Raises NeedsSignatures above the bound."""
    permit = policy.decide(ctx, "payments.use-mandate", (person, *holders))
    async with stack.db.transaction(permit) as tx:
        if bound is not None:
            counted = debit.account, person, debit.once, debit.amount, today(stack), ctx.at, bound
            if not await store.spend_alone(tx, *counted):
                raise NeedsSignatures(alone_minor=bound)
        for one in holders:
            log.append(tx, permit, subject=one, detail={"what": "paid out of an account held together"})


def today(stack: Stack) -> date:
    """The country's day."""
    return (clock.now() + timedelta(minutes=stack.profile.utc_offset_minutes)).date()


async def is_guardian(stack: Stack, child: PersonId, person: PersonId) -> bool:
    """Whether the register says that somebody may act for somebody today (law 4)."""
    rights = await guardians.guardians_of(stack, job_context(JOB, "payment"), child)
    return any(right.guardian_id == person for right in rights)


def names_of(signers: list[Signer]) -> str:
    """How payers see who holds a joint account: the masked names."""
    return " & ".join(s.name for s in rules.holding(signers).values())


def unknown_payer() -> ledger_errors.NoSuchAccount:
    """What whoever has no right over an account is told: the same as for one that does not exist."""
    return ledger_errors.NoSuchAccount(party="payer")
