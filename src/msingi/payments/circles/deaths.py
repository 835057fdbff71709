"""What becomes of a member's seat in rotating groups when she has died: it ends, and turns go on.

What neither side has paid ends. What she has paid others is still paid to her account at her turn, for the heirs; what
others have paid her is paid out of what she left, before the heirs, as far as it goes.
"""

from uuid import UUID

from msgspec import structs

from msingi.kernel import log
from msingi.kernel.ids import PersonId
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import orders
from msingi.payments.circles import rules, store, turning
from msingi.payments.circles.model import KeptCircle, KeptDue
from msingi.payments.groups import store as bodies
from msingi.payments.groups.mandates import today
from msingi.payments.model import Order

Planned = tuple[KeptCircle, KeptDue, Order, str]


async def leave(stack: Stack, by: orders.By, person: PersonId, purse: int) -> int:
    """End the seats of somebody who died and pay what she owes out of `purse`; how many contributions were paid.

    `by.permit` is that of whoever settles the estate. Repeated, nothing is paid twice.
    """
    async with stack.db.transaction(by.permit) as tx:
        found = await store.circles_with(tx, person)
        tx.repeated = True
    done = 0
    for body_id in found:
        planned = await _ended(stack, by, person, purse, body_id)
        for kept, due, order, after in planned:
            try:
                await turning.post_due(stack, by.permit, kept, due, order, after)
                done += 1
            except turning.REFUSED:
                continue  # nothing is left: it stays owed, and whose turn it is gets so much less
        if planned:
            await turning.turn(stack, body_id, today(stack))
    return done


async def _ended(stack: Stack, by: orders.By, person: PersonId, purse: int, body_id: UUID) -> list[Planned]:
    """The seat ends; what is owed, each with its order and how it stands once it is paid, the first of them begun."""
    async with stack.db.transaction(by.permit) as tx:
        kept = await store.circle(tx, body_id, hold=True)
        tx.repeated = True
        if kept is None or kept.state != "open" or kept.pot is None:
            return []
        dues, waiting = await turning.settled(stack, by.permit, tx, kept, turning.job())
        seats = {seat.person_id: seat for seat in await store.seats(tx, stack.seal, body_id)}
        ended = rules.ended_by_death(dues, person)
        fresh = seats[person].state == "active"
        if fresh:
            await store.set_seat(tx, body_id, person, "left", turning.job().at)
            await bodies.set_signer(tx, body_id, person, "left", turning.job().at)
        if ended:
            await store.set_dues(tx, body_id, [structs.replace(due, state="void") for due in ended])
        planned: list[Planned] = []
        over = {(due.round, due.to_person) for due in ended}
        rounds = {one.round: one for one in await store.rounds(tx, body_id)}
        for due in dues:
            if due.person_id != person or due.state != "open" or (due.round, due.to_person) in over:
                continue
            if due.round in waiting:
                continue
            late, receiver = rounds[due.round].state != "open", seats[due.to_person]
            credit = await turning.wallet_of(tx, receiver) if late else kept.pot
            key = f"circle/{body_id}/{due.round}/{turning.job().at.isoformat()}"
            order = orders.pay(
                by, key, purse, credit, kept.amount, kept.currency, turning.CODE, reference=f"{kept.name} {due.round}",
                payer=seats[person].name, payee=receiver.name if late else kept.name,
            )  # fmt: skip
            state, after = ("to-member", "out") if late else ("to-pot", "in")
            begun = structs.replace(due, state=state, transfer_id=order.id, at=turning.job().at, by_turn=0)
            await store.set_dues(tx, body_id, [begun])
            planned.append((kept, begun, order, after))
        if fresh or ended or planned:
            tx.repeated = False
            for seat in seats.values():
                log.append(tx, by.permit, subject=seat.person_id, detail={"what": "member of a rotating group died"})
    return planned


async def owed(stack: Stack, permit: Permit, person: PersonId) -> int:
    """What somebody who died still owes rotating groups, minor units."""
    async with stack.db.transaction(permit) as tx:
        total = 0
        for body_id in await store.circles_with(tx, person):
            kept = await store.circle(tx, body_id)
            dues = await store.dues(tx, body_id)
            ended = {(due.round, due.to_person) for due in rules.ended_by_death(dues, person)}
            mine = [due for due in dues if due.person_id == person and due.state == "open"]
            total += sum(kept.amount for due in mine if kept and (due.round, due.to_person) not in ended)
        tx.repeated = True
    return total
