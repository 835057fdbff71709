"""Where each shard of the ledger lives: in the stack's own database, or in one of its own.

Shard 0 lives in the stack's own database, and so do all others that the setting `ledger_shards` names without an
address. A shard in a database of its own brings its own transparency log with it: one transaction, one leaf, and no
transaction that spans two databases.
"""

import asyncio

from msgspec import structs

from msingi.kernel import log, policy
from msingi.kernel.context import job_context
from msingi.kernel.db import Database
from msingi.kernel.log import sequencer
from msingi.kernel.postgres import as_app, migrate
from msingi.kernel.stack import Stack
from msingi.payments import errors, rules, store
from msingi.payments.model import SHARD_BITS

JOB = "payments-writer"
_HOMES = "payments.homes"


def configured(text: str) -> dict[int, str]:
    """The setting `ledger_shards` as shard number and database address ("": the stack's own).

    Raises ValueError for anything but numbers from 1 to 255, each once, with or without an address.
    """
    found: dict[int, str] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        number, _, url = part.partition("=")
        if not number.isdecimal() or not 0 < int(number) < 1 << SHARD_BITS or int(number) in found:
            raise ValueError(f"ledger_shards: {number!r} is not a number from 1 to 255, each once")
        found[int(number)] = url
    return found


async def open_shards(stack: Stack) -> None:
    """At start: migrate and connect the databases of further shards, and make sure that each shard has its fence."""
    homes: dict[int, Stack] = {}
    databases: dict[str, Stack] = {"": stack}
    for shard, url in configured(stack.settings.ledger_shards).items():
        if url not in databases:
            await migrate(url)
            # Two logs never share a name: with one key that would look like a forged history.
            own = structs.replace(stack.settings, base_url=f"{stack.settings.url}/ledger/{shard}")
            db = await Database.connect(as_app(url), stack.settings.pool_size)
            databases[url] = Stack(own, db, stack.keys, stack.profile)
        homes[shard] = databases[url]
        await _begin(databases[url], shard)
    stack.local[_HOMES] = homes


async def _begin(home_: Stack, shard: int) -> None:
    async with home_.db.reading("payments") as tx:
        if shard in {row["shard"] for row in await store.shards(tx)}:
            return
    permit = policy.decide(job_context(JOB), "payments.open-shard", policy.NOBODY)
    async with home_.db.transaction(permit) as tx:
        await store.open_shard(tx, shard)
        log.append(tx, permit, detail={"what": "ledger shard opened", "shard": shard})


async def keep_shards(stack: Stack) -> None:
    """For ever: sequence the logs of the shards' own databases; at the end, close their connections."""
    others = _others(stack)
    try:
        await asyncio.gather(*[sequencer.run(other) for other in others], asyncio.Event().wait())
    finally:
        for other in others:
            await other.db.close()


def _others(stack: Stack) -> list[Stack]:
    found: list[Stack] = []
    for home_ in _homes(stack).values():
        if home_ is not stack and home_ not in found:
            found.append(home_)
    return found


def _homes(stack: Stack) -> dict[int, Stack]:
    found = stack.local.get(_HOMES)
    return found if isinstance(found, dict) else {}


def home(stack: Stack, shard: int) -> Stack:
    """The stack in whose database a shard lives. Raises NoSuchAccount for a shard that is not there."""
    if not shard:
        return stack
    found = _homes(stack).get(shard)
    if found is None:
        raise errors.NoSuchAccount()
    return found


def databases(stack: Stack) -> list[Stack]:
    """A stack for each database that holds a part of the ledger, the stack's own first."""
    return [stack, *_others(stack)]


def known(stack: Stack) -> list[int]:
    """The numbers of all shards, in order."""
    return [0, *sorted(_homes(stack))]


async def account_and_holder(stack: Stack, account: int) -> tuple[store.Row | None, int]:
    """An account as its own database has it (None where there is none), and the reference of whoever holds it, or 0."""
    async with home(stack, rules.shard_of(account)).db.reading("payments") as near:
        return await store.account(near, account), await store.holder_ref_of(near, account) or 0
