"""Accounts in shards: who is placed where, how they are opened and read, and the accounts between two shards."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from msgspec import structs

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.ids import PersonId
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import parties, rules, store, store_shared
from msingi.payments.book import Book
from msingi.payments.homes import JOB, databases, home, known
from msingi.payments.model import Account, AccountKind

KEEPER = "ledger"  # who holds the transit accounts


def place(stack: Stack, person: PersonId) -> int:
    """The shard for a person's new accounts: the same one for all of them while the number of shards stays."""
    shards = known(stack)
    return shards[person.int % len(shards)]


@asynccontextmanager
async def beside(stack: Stack, account: int, permit: Permit, tx: store.Tx) -> AsyncIterator[store.Tx]:
    """The transaction in which an account's rows are: `tx` itself, or one in the database of the account's shard."""
    there = home(stack, rules.shard_of(account))
    if there is stack:
        yield tx
        return
    async with there.db.transaction(permit) as far:
        yield far
        log.append(far, permit, detail={"what": "rows of another database"})


async def accounts(stack: Stack, tx: store.Tx, person: PersonId | None, institution: str) -> list[Account]:
    """The accounts of a person, or else of an institution, with their balances, wherever they live.

    What sub-accounts hold is shown as their main account's.
    """
    rows = await store.held(tx, person, institution)
    far: dict[int, store.Row] = {}
    for shard in {rules.shard_of(row["account_id"]) for row in rows if row["posted"] is None}:
        async with home(stack, shard).db.reading("payments") as other:
            wanted = [row["account_id"] for row in rows if rules.shard_of(row["account_id"]) == shard]
            far |= {row["id"]: row for row in await store.some_accounts(other, shard, wanted)}
    found = {row["account_id"]: store.account_of(row, far.get(row["account_id"], row)) for row in rows}
    for row in rows:
        if row["part_of"] is not None:
            part, whole = found.pop(row["account_id"]), found[row["part_of"]]
            both = whole.balance_minor + part.balance_minor, whole.available_minor + part.available_minor
            found[row["part_of"]] = structs.replace(whole, balance_minor=both[0], available_minor=both[1])
    return list(found.values())


async def currencies(tx: store.Tx, person: PersonId | None, institution: str) -> dict[int, str]:
    """The accounts of a person, or else of an institution, sub-accounts too, with their currencies."""
    return {row["account_id"]: row["currency"] for row in await store.held(tx, person, institution)}


async def open_person_accounts(
    stack: Stack,
    permit: Permit,
    tx: store.Tx,
    people: Sequence[PersonId],
    kind: AccountKind,
    currency: str,
    tier: int,
    defaults: Sequence[bool],
    ctx: Context,
) -> list[int]:
    """Open an account for each of `people` in their shards; the ids in their order.

    `tx` is the transaction in the stack's own database, which knows every holder. A shard's own database is written
    first: an account that nobody knows of holds nothing and harms nobody.
    """
    ids: dict[int, int] = {}
    for shard in sorted({place(stack, person) for person in people}):
        chosen = [n for n, person in enumerate(people) if place(stack, person) == shard]
        some = [people[n] for n in chosen]
        refs, first = [parties.person_ref(stack, p) for p in some], [defaults[n] for n in chosen]
        there = home(stack, shard)
        if there is stack:
            opened = await store.open_person_accounts(tx, some, refs, kind, currency, tier, first, ctx.at, shard)
        else:
            async with there.db.transaction(permit) as far:
                opened = await store.open_person_accounts(far, some, refs, kind, currency, tier, first, ctx.at, shard)
                log.append(far, permit, detail={"what": "accounts opened", "count": len(opened)})
            await store.name_holders(tx, some, opened, kind, currency, first, ctx.at, shard)
        ids.update(zip(chosen, opened, strict=True))
    return [ids[n] for n in range(len(people))]


async def open_shared_account(
    stack: Stack, permit: Permit, tx: store.Tx, people: Sequence[PersonId], owner: int, kind: AccountKind, tier: int,
    ctx: Context,
) -> int:  # fmt: skip
    """Open an account that several people hold together, in the shard of the first; its id. `owner` is the ledger's
    reference of all of them as one holder. A savings group's account is nobody's: its members read the group's book.
    """
    shard, currency = place(stack, people[0]), stack.profile.currency.code
    there = home(stack, shard)
    if there is stack:
        account = await store_shared.open_shared_account(tx, owner, kind, currency, tier, shard)
    else:
        async with there.db.transaction(permit) as far:
            account = await store_shared.open_shared_account(far, owner, kind, currency, tier, shard)
            log.append(far, permit, detail={"what": "accounts opened", "count": 1})
    some = len(people)
    if kind is AccountKind.GROUP:
        return account
    await store.name_holders(tx, people, [account] * some, kind, currency, [False] * some, ctx.at, shard)
    return account


async def restrict_holder(stack: Stack, permit: Permit, tx: store.Tx, person: PersonId, flag: int, on: bool) -> int:
    """Set or lift a flag on all accounts of a person, in every database; how many changed. Once it returns and `tx`
    has committed, every writer obeys it."""
    changed = await store.restrict_holder(tx, person, flag, on)
    for other in databases(stack)[1:]:
        async with other.db.transaction(permit) as far:
            changed += await store.restrict_holder(far, person, flag, on)
            log.append(far, permit, detail={"what": "accounts of another database", "flag": flag, "on": on})
    return changed


async def open_transits(home_: Stack, book: Book, ways: Iterable[tuple[int, str]]) -> None:
    """Open the accounts of a book's shard towards other shards, one for each currency, and take them into the book."""
    permit = policy.decide(job_context(JOB), "payments.open-transit", policy.NOBODY)
    owner = parties.institution_ref(home_, KEEPER)
    async with home_.db.transaction(permit) as tx:
        for other, currency in ways:
            await store.open_transit(tx, book.shard, other, currency, owner, clock.now())
        await store.meet_transits(tx, book)
        log.append(tx, permit, detail={"what": "transit account opened", "shard": book.shard})
