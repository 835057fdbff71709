"""Posting orders: each to the writer of its shard, chains all or none, and durable once it returns."""

import asyncio
from collections.abc import Sequence

from msingi.kernel.errors import Malformed
from msingi.kernel.stack import Stack
from msingi.payments import across, backward, between, gate, homes, rules, writer
from msingi.payments import orders as making
from msingi.payments.batch import Ending
from msingi.payments.model import SHARD_BITS, Kind, Order, Outcome, Reason

MAX_ORDERS = writer.MAX_BATCH
_SHARD = (1 << SHARD_BITS) - 1


def holder_of(stack: Stack, account: int) -> int | None:
    """The reference of an account's holder, as this program's writer has it in memory; None where it has not met it."""
    book = writer.of(stack, account & _SHARD).book
    return book.holder_of(account >> SHARD_BITS) if book is not None else None


async def post(stack: Stack, orders: Sequence[Order]) -> list[Ending]:
    """Post orders that do not depend on each other, up to 1,000; their endings in their order.

    What the gate stops ends with its Refusal. Raises Outage when it cannot be told in time how they ended; repeating
    them is always safe.
    """
    watched = gate.of(stack)
    if watched is not None and watched.concerned((orders,)):
        return [ending for (ending,) in await post_chains(stack, [(order,) for order in orders])]
    return await _post(stack, orders)


async def post_one(stack: Stack, order: Order) -> Ending:
    """Post an order that stands alone, by the shortest way: the same as `post` with one order."""
    way, watched = _way(order), gate.of(stack)
    if way < 0 or (watched is not None and not watched.passes(order)):
        ((ending,),) = await post_chains(stack, ((order,),))
        return ending
    ending = await writer.of(stack, way).post_one(order)
    if watched is not None:
        watched.settle_one(order, isinstance(ending, Outcome) and not ending.reason)
    return ending


async def _post(stack: Stack, orders: Sequence[Order]) -> list[Ending]:
    way = _way(orders[0]) if orders else -1
    alone = len(orders) == 1 or all(_way(order) == way for order in orders)
    if way >= 0 and alone and len(orders) <= MAX_ORDERS:  # nearly always
        return await writer.of(stack, way).post(orders)
    return [ending for (ending,) in await _post_chains(stack, [(order,) for order in orders])]


def _way(order: Order) -> int:
    """The shard of an order that names both its accounts and stays within it; -1 for any other."""
    shard = order.debit & _SHARD
    return shard if order.credit & _SHARD == shard and order.pending is None and not order.linked else -1


async def post_linked(stack: Stack, orders: Sequence[Order]) -> list[Ending]:
    """Post orders all or none: if one is rejected, all are (the others with the reason LINKED)."""
    (endings,) = await post_chains(stack, [orders])
    return endings


async def post_chains(stack: Stack, chains: Sequence[Sequence[Order]]) -> list[list[Ending]]:
    """Post chains of orders, each chain all or none; up to 1,000 orders altogether. The payers of a chain stand in
    one shard. Raises Malformed if they do not, or if there are too many."""
    watched = gate.of(stack)
    if watched is not None and watched.concerned(chains):
        return await gate.through(watched, chains, lambda passed: _post_chains(stack, passed))
    return await _post_chains(stack, chains)


async def _post_chains(stack: Stack, chains: Sequence[Sequence[Order]]) -> list[list[Ending]]:
    if sum(map(len, chains)) > MAX_ORDERS:
        raise Malformed(f"Send at most {MAX_ORDERS} orders at once.", field="orders", rule=f"count<={MAX_ORDERS}")
    if all(len(chain) == 1 for chain in chains):  # nearly always: no list of lists on the way to the writer
        orders = [chain[0] for chain in chains]
        ways = {_way(order) for order in orders}
        if len(ways) == 1 and (way := ways.pop()) >= 0:
            return [[ending] for ending in await writer.of(stack, way).post(orders)]
    by_shard: dict[int, list[int]] = {}
    leaving: list[int] = []
    endings: list[list[Ending]] = [[] for _ in chains]
    known = frozenset(homes.known(stack))
    for place, chain in enumerate(chains):
        shard = _shard_of(chain)
        if any(order.credit and rules.shard_of(order.credit) not in known for order in chain):
            endings[place] = [_nowhere(order, known) for order in chain]
        elif between.crosses(chain) or across.may_end_across(stack, chain) or backward.may_lead_back(stack, chain):
            leaving.append(place)
        else:
            by_shard.setdefault(shard, []).append(place)

    async def leave(place: int) -> None:
        chain = chains[place]
        if not between.crosses(chain):
            back = backward.may_lead_back(stack, chain)
            endings[place] = await (backward.pay_back if back else across.end)(stack, chain)
        elif chain[0].kind == Kind.RESERVE:
            endings[place] = await across.reserve(stack, chain)
        else:
            endings[place] = await between.cross(stack, chain)

    await asyncio.gather(
        *[_post_in(stack, shard, chains, places, endings) for shard, places in by_shard.items()],
        *map(leave, leaving),
    )
    return endings


def _nowhere(order: Order, known: frozenset[int]) -> Ending:
    """The ending of an order whose chain leads to a shard that is not there: nothing is written, nothing reserved."""
    strange = bool(order.credit) and rules.shard_of(order.credit) not in known
    return Outcome(0, int(Reason.UNKNOWN_PAYEE if strange else Reason.LINKED), 0, 0, 0)


async def _post_in(
    stack: Stack, shard: int, chains: Sequence[Sequence[Order]], places: list[int], endings: list[list[Ending]]
) -> None:
    ready: list[Order] = []
    for place in places:
        ready.extend(chains[place] if len(chains[place]) == 1 else making.linked(list(chains[place])))
    ended = await writer.of(stack, shard).post(ready)
    start = 0
    for place in places:
        endings[place] = ended[start : start + len(chains[place])]
        start += len(chains[place])


def _shard_of(chain: Sequence[Order]) -> int:
    """Where a chain is decided: in the shard of its payers."""
    found = {rules.shard_of(order.pending.int if order.pending is not None else order.debit) for order in chain}
    if len(found) != 1:
        raise Malformed("The payers of linked orders stand in one shard.", field="orders", rule="one-shard")
    return found.pop()
