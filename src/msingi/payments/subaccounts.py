"""Sub-accounts: whoever pays many people has an account in each shard, so that every payment stays within a shard.

The account that people know is the main one. A run of a payment file moves what a part of it needs to the shards of
its payees, one move for hundreds of payments, and pays from there; what was not needed comes home when the run ends.
Both are shown as one balance.
"""

import asyncio
from contextlib import suppress
from uuid import UUID

from msgspec import Struct

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, Kind, job_context
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.ids import uuid7
from msingi.kernel.stack import Stack
from msingi.payments import errors, homes, ledger, orders, parties, rules, store, store_shards
from msingi.payments.model import AccountKind

JOB = "payments-file-runner"
ACT = "payments.run-file"
CODE, SCOPE = "SUBA", "sub-account"
LABEL = "shard"


class SubAccount(Struct, frozen=True):
    """An account's part in a shard: number, minor units it holds, and how much of them is free."""

    number: str
    shard: int
    balance_minor: int
    available_minor: int


def _job() -> Context:
    return job_context(JOB, "operations", "public-task")


async def _opened(stack: Stack, permit: policy.Permit, main: int, shard: int) -> int:
    """The sub-account in a shard, opened if it is missing. It is known before it is used, and one that a crash left
    unknown holds nothing."""
    async with stack.db.transaction(permit) as tx:
        known = await store_shards.sub_accounts(tx, main)
        log.append(tx, permit, detail={"what": "sub-account", "shard": shard, "known": shard in known})
        if shard in known:
            return known[shard]
        holder = await store.institution_of(tx, main)
        assert holder is not None
        named = holder["institution"], parties.institution_ref(stack, holder["institution"])
        what = AccountKind(holder["kind"]), holder["currency"], 0, f"{LABEL} {shard}", clock.now(), shard
        there = homes.home(stack, shard)
        if there is stack:
            opened = await store.open_institution_account(tx, *named, *what)
        else:
            async with there.db.transaction(permit) as far:
                opened = await store.open_institution_account(far, *named, *what)
                log.append(far, permit, detail={"what": "sub-account opened", "shard": shard})
            await store_shards.name_institution_account(tx, named[0], opened, holder)
        return await store_shards.add_sub_account(tx, main, shard, opened, clock.now())


class Purse:
    """What one run of a file has moved to other shards and not yet ordered to be paid from there."""

    def __init__(self, stack: Stack, institution: str, currency: str) -> None:
        self._stack, self._currency = stack, currency
        self._owner = parties.institution_ref(stack, institution)
        self._name = parties.institution_name(stack, institution)
        self._subs: dict[tuple[int, int], int] = {}
        self._left: dict[tuple[int, int], int] = {}
        self._lock = asyncio.Lock()

    async def payer(self, main: int, payee: int) -> int:
        """The account that pays a payee: the main one, or its sub-account in the payee's shard."""
        shard = rules.shard_of(payee)
        if shard == rules.shard_of(main) or shard not in homes.known(self._stack):
            return main
        async with self._lock:
            if (main, shard) not in self._subs:
                permit = policy.decide(_job(), ACT, policy.NOBODY)
                self._subs[main, shard] = await _opened(self._stack, permit, main, shard)
        return self._subs[main, shard]

    async def fill(self, main: int, sub: int, needed_minor: int) -> None:
        """Move what is missing, or as much as there is; the ledger then says line by line for whom it was enough."""
        shard = rules.shard_of(sub)
        async with self._lock:
            short = needed_minor - self._left.get((main, shard), 0)
            if short > 0:
                short = await self._moved(main, sub, short)
            self._left[main, shard] = max(0, self._left.get((main, shard), 0) + short - needed_minor)

    async def _moved(self, main: int, sub: int, amount: int) -> int:
        permit = policy.decide(_job(), ACT, policy.NOBODY)
        async with self._stack.db.transaction(permit) as tx:  # waits for whoever brings money home just now
            await store_shards.use_sub_account(tx, main, rules.shard_of(sub), clock.now())
            log.append(tx, permit, detail={"what": "sub-account filled", "shard": rules.shard_of(sub)})
        if await _move(self._stack, permit, self._owner, main, sub, amount, self._currency, self._name):
            return amount
        async with self._stack.db.reading("payments") as tx:
            (row,) = await store.some_accounts(tx, rules.shard_of(main), [main])
        least = min(amount, rules.available(row["posted"], row["reserved"], row["floor"]))
        if least > 0 and await _move(self._stack, permit, self._owner, main, sub, least, self._currency, self._name):
            return least
        return 0


async def _move(
    stack: Stack, permit: policy.Permit, owner: int, debit: int, credit: int, amount: int, currency: str, name: str
) -> bool:
    """Move money between the parts of an account; False if the ledger refuses, such as for too little or a freeze.

    A crash leaves it in the one or in the other, so no key outlives the call.
    """
    by = orders.By(permit, owner, SCOPE)
    move = orders.pay(by, uuid7().hex, debit, credit, amount, currency, CODE, payer=name, payee=name)
    (ending,) = await ledger.post(stack, [move])
    return not isinstance(ending, Refusal) and not ending.reason


async def bring_home(stack: Stack, main: int) -> int:
    """Move what the sub-accounts of an account hold back to it, unless a file is being paid out of it; how much."""
    permit, brought = policy.decide(_job(), ACT, policy.NOBODY), 0
    async with stack.db.transaction(permit) as tx:
        subs = await store_shards.take_sub_accounts(tx, main)  # whoever wants to fill them waits
        log.append(tx, permit, detail={"what": "sub-accounts looked at", "count": len(subs)})
        if not subs or await store_shards.pays_now(tx, main):
            return 0
        holder = await store.institution_of(tx, main)
        assert holder is not None
        owner = parties.institution_ref(stack, holder["institution"])
        name = parties.institution_name(stack, holder["institution"])
        for shard, sub in subs.items():
            async with homes.home(stack, shard).db.reading("payments") as far:
                (row,) = await store.some_accounts(far, shard, [sub])
            free = rules.available(row["posted"], row["reserved"], row["floor"])
            if free > 0 and await _move(stack, permit, owner, sub, main, free, holder["currency"], name):
                brought += free
    return brought


async def bring_all_home(stack: Stack) -> int:
    """What stopped runs and payments given back left in sub-accounts; how much in minor units, of all currencies."""
    async with stack.db.reading("payments") as tx:
        mains = await store_shards.mains(tx)
    brought = 0
    for main in mains:
        with suppress(Outage):
            brought += await bring_home(stack, main)
    return brought


async def paid_before(stack: Stack, scope: str, numbers: range) -> dict[int, UUID]:
    """Lines that an earlier run has brought to the ledger, in whatever shard, with the ids of their orders."""
    permit = policy.decide(_job(), ACT, policy.ANYONE)
    found: dict[int, UUID] = {}
    for shard in homes.known(stack):
        ids = {rules.transfer_id(scope, str(number), shard): number for number in numbers}
        async with homes.home(stack, shard).db.transaction(permit) as tx:
            known = await store_shards.listed(tx, list(ids))
            log.append(tx, permit, detail={"what": "lines looked up that an earlier run may have paid"})
        found |= {ids[one]: one for one in known}
    return found


@crossing("payments", "portal")
async def sub_accounts(stack: Stack, ctx: Context, number: str) -> list[SubAccount]:
    """The parts of an own institution's account in other shards. Raises NoSuchAccount unless it is the actor's."""
    main = rules.id_of(number)
    own = ctx.actor.kind is not Kind.PERSON and bool(ctx.actor.institution)
    permit = policy.decide(ctx, "payments.read-account", policy.NOBODY, holder="institution", own_account=own)
    async with stack.db.transaction(permit) as tx:
        holder = await store.institution_of(tx, main)
        if holder is None or holder["institution"] != ctx.actor.institution:
            raise errors.NoSuchAccount()
        subs = await store_shards.sub_accounts(tx, main)
        log.append(tx, permit, detail={"what": "sub-accounts", "account": rules.masked_number(number)})
    found = []
    for shard, sub in sorted(subs.items()):
        async with homes.home(stack, shard).db.reading("payments") as far:
            (row,) = await store.some_accounts(far, shard, [sub])
        free = rules.available(row["posted"], row["reserved"], row["floor"])
        found.append(SubAccount(rules.number_of(sub), shard, row["posted"], free))
    return found
