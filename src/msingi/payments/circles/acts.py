"""Verbs of rotating groups: found one, accept, see, leave."""

from datetime import timedelta
from uuid import UUID

import msgspec

from msingi.kernel import log, once, policy
from msingi.kernel.context import Context
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import parties, shards
from msingi.payments.bank import rules as bank_rules
from msingi.payments.bank import tariff
from msingi.payments.circles import rules, store, turning
from msingi.payments.circles.errors import CircleNotOpen
from msingi.payments.circles.model import Circle, CircleOrder, Due, KeptCircle, KeptDue, KeptRound, KeptSeat, Seat, Turn
from msingi.payments.groups import naming, payout
from msingi.payments.groups import store as bodies
from msingi.payments.groups.errors import InvitationEnded
from msingi.payments.groups.mandates import today
from msingi.payments.groups.model import Body, Signer
from msingi.payments.model import AccountKind

CIRCLE = "circle"


def seed_of(stack: Stack, body_id: UUID) -> bytes:
    """The lot of a circle: made of the stack's own key and the circle's id, so fixed before anybody answers."""
    return stack.keys.blind(f"payments.circle|{body_id}")


@crossing("payments", "portal")
async def found_circle(stack: Stack, ctx: Context, order: CircleOrder) -> str:
    """Found a rotating group: its id. It begins when everybody who was named has accepted.

    The same key again gives the same group. Raises Malformed, NoSuchAccount where a member is nobody.
    """
    bank_rules.check_key(order.key)
    bank_rules.check_words("name", order.name, 60)
    for name in (order.name_of_founder, *(m.name for m in order.members)):
        bank_rules.check_words("members", name, 40)
    bank_rules.check_amount(order.amount_minor)
    rules.check_order(order, today(stack))
    me = parties.person_of(ctx)
    policy.decide(ctx, "payments.found-circle", me)  # before anybody is looked up
    people = [await naming.person_meant(stack, ctx, m.typed) for m in order.members]
    names = [m.name.strip() for m in order.members]
    people.insert(order.founder_turn - 1, me)
    names.insert(order.founder_turn - 1, order.name_of_founder.strip())
    if len(set(people)) < len(people):
        raise Malformed("Name each member once.", field="members", rule="distinct")
    seats = [
        KeptSeat(
            person_id=person, place=n, turn=0 if order.by_lot else n, name=name,
            state="active" if person == me else "invited", answered_at=ctx.at if person == me else None,
        )
        for n, (person, name) in enumerate(zip(people, names, strict=True), 1)
    ]  # fmt: skip
    permit = policy.decide(ctx, "payments.found-circle", tuple(people))
    async with stack.db.transaction(permit) as tx:
        scope = f"circle:{ctx.actor.id}:{order.key}"
        if first := await once.claim(tx, "payments", scope, order):
            return msgspec.json.decode(first, type=str)
        body_id = uuid7()
        body = Body(
            body_id=body_id, kind=CIRCLE, account_id=None, owner=parties.holder_ref(stack, f"body:{body_id}"),
            label=order.name.strip(), bound=0, currency=stack.profile.currency.code, state="inviting",
            lapses_at=ctx.at + timedelta(days=tariff.of(stack).shared.invitation_days),
        )  # fmt: skip
        signers = [Signer(person_id=s.person_id, name=s.name, state=s.state, in_use=True) for s in seats]
        await bodies.add_body(tx, stack.seal, body, signers, ctx.at)
        await store.add_circle(tx, stack.seal, body_id, order, seats)
        for person in people:
            log.append(tx, permit, subject=person, detail={"what": "named in a rotating group"})
        await once.settle(tx, "payments", scope, msgspec.json.encode(str(body_id)))
    return str(body_id)


@crossing("payments", "portal", "channels")
async def answer_circle(stack: Stack, ctx: Context, body_id: str, accept: bool) -> None:
    """Accept a place in a rotating group, or decline it, which ends the group. The last to accept begins it: the lot is
    drawn if it was agreed so, and the pot is opened.

    Raises NoSuchCircle, InvitationEnded.
    """
    me = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.answer-circle", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        kept, seats, mine = await turning.begun(stack, tx, body_id, me, hold=True)
        if mine.state != "invited" or kept.state != "forming" or kept.lapses_at <= ctx.at:
            raise InvitationEnded()
        await store.set_seat(tx, kept.body_id, me, "active" if accept else "left", ctx.at)
        await bodies.set_signer(tx, kept.body_id, me, "active" if accept else "declined", ctx.at)
        if not accept:
            await bodies.end_body(tx, kept.body_id)
            await store.set_circle(tx, kept.body_id, "ended")
        elif all(s.state == "active" for s in await store.seats(tx, stack.seal, kept.body_id)):
            await _begin(stack, permit, tx, kept, ctx)
        for seat in seats:
            log.append(tx, permit, subject=seat.person_id, detail={"what": "member answered", "accepted": accept})


async def _begin(stack: Stack, permit: Permit, tx: store.Tx, kept: KeptCircle, ctx: Context) -> None:
    """Everybody is in: the turns are fixed, and the pot is opened, which nobody signs for."""
    seats = {s.place: s for s in await store.seats(tx, stack.seal, kept.body_id)}
    answered = [(s.place, s.answered_at) for s in seats.values() if s.answered_at is not None]
    places = rules.drawn(seed_of(stack, kept.body_id), answered) if kept.by_lot else sorted(seats)
    people = [seats[place].person_id for place in places]
    days = [rules.day_of(kept.first_day, kept.every, n) for n in range(1, len(people) + 1)]
    await store.begin(tx, kept.body_id, people, days, rules.dues(people))
    tier = max(t.tier for t in stack.profile.tiers)
    pot = await shards.open_shared_account(stack, permit, tx, people, kept.owner, AccountKind.GROUP, tier, ctx)
    await bodies.open_body(tx, kept.body_id, pot)
    await store.set_circle(tx, kept.body_id, "open")


@crossing("payments", "portal")
async def leave_circle(stack: Stack, ctx: Context, body_id: str) -> None:
    """Leave a rotating group that has begun: what neither side has paid ends, what one has paid is still paid back at
    the own turn (law 5).

    Raises NoSuchCircle, CircleNotOpen, StillOwing where others have paid the actor and were not paid.
    """
    me = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.leave-circle", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        kept, seats, _ = await turning.begun(stack, tx, body_id, me, hold=True)
        if kept.state != "open":
            raise CircleNotOpen(state=kept.state)
        dues, waiting = await turning.settled(stack, permit, tx, kept, ctx)
        if waiting or any(d.state in rules.UNDER_WAY for d in dues):
            raise CircleNotOpen(state="payment-under-way")
        ended = rules.leaving(dues, me, kept.amount)
        await store.set_dues(tx, kept.body_id, [msgspec.structs.replace(d, state="void") for d in ended])
        await store.set_seat(tx, kept.body_id, me, "left", ctx.at)
        await bodies.set_signer(tx, kept.body_id, me, "left", ctx.at)
        for seat in seats:
            log.append(tx, permit, subject=seat.person_id, detail={"what": "member left a rotating group"})


@crossing("payments", "portal", "channels")
async def own_circles(stack: Stack, ctx: Context) -> list[Circle]:
    """The rotating groups that the actor belongs to or is invited to."""
    me = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.own-circles", me)
    async with stack.db.transaction(permit) as tx:
        ids = await store.circles_of(tx, me, ctx.at)
        log.append(tx, permit, subject=me, detail={"what": "rotating groups", "count": len(ids)})
    return [await see_circle(stack, ctx, str(one)) for one in ids]


@crossing("payments", "portal", "channels")
async def see_circle(stack: Stack, ctx: Context, body_id: str) -> Circle:
    """One rotating group of the actor's, brought into line with the ledger first (law 6). Raises NoSuchCircle."""
    me = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.know-circle", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        kept, seats, mine = await turning.begun(stack, tx, body_id, me, hold=True)
        dues, _ = await turning.settled(stack, permit, tx, kept, ctx)
        rounds = await store.rounds(tx, kept.body_id)
        held = await payout.balance(stack, permit, tx, kept.pot) if kept.pot is not None else 0
        log.append(tx, permit, subject=me, detail={"what": "rotating group"})
    seed = seed_of(stack, kept.body_id)
    now = turning.collecting(rounds)
    over = {r.round for r in rounds if r.day < today(stack)}
    return Circle(
        body_id=str(kept.body_id), name=kept.name, state=kept.state, mine=mine.state, amount_minor=kept.amount,
        currency=kept.currency, every=kept.every, by_lot=kept.by_lot, first_day=kept.first_day, pot_minor=held,
        now=now.round if now else 0, seats=_seats(seats, dues, over, me), turns=_turns(kept, seats, rounds, dues),
        dues=_dues(seats, dues, over), lot=rules.seal_of(seed) if kept.by_lot else "",
        seed=seed.hex() if kept.by_lot and kept.pot is not None else "",
    )  # fmt: skip


def _seats(seats: list[KeptSeat], dues: list[KeptDue], over: set[int], me: PersonId) -> list[Seat]:
    late: dict[PersonId, int] = {}
    for due in dues:
        if due.state == "open" and due.round in over:
            late[due.person_id] = late.get(due.person_id, 0) + 1
    return [
        Seat(
            place=s.place, turn=s.turn, name=s.name, state=s.state, is_me=s.person_id == me,
            late=late.get(s.person_id, 0), answered_at=s.answered_at,
        )
        for s in seats
    ]  # fmt: skip


def _turns(kept: KeptCircle, seats: list[KeptSeat], rounds: list[KeptRound], dues: list[KeptDue]) -> list[Turn]:
    places = {s.person_id: s.place for s in seats}
    found = []
    for one in rounds:
        paid = [d for d in dues if d.round == one.round and d.state != "void"]
        found.append(
            Turn(
                round=one.round, place=places[one.person_id], day=one.day, state=one.state,
                in_minor=sum(d.state in ("in", "out") for d in paid) * kept.amount, of_minor=len(paid) * kept.amount,
                paid_minor=one.paid, why=one.why,
            )
        )  # fmt: skip
    return found


def _dues(seats: list[KeptSeat], dues: list[KeptDue], over: set[int]) -> list[Due]:
    places = {s.person_id: s.place for s in seats}
    names = {"open": "open", "in": "in", "out": "paid"}
    return [
        Due(
            round=d.round,
            place=places[d.person_id],
            state=names.get(d.state, "under-way"),
            late=d.state == "open" and d.round in over,
        )
        for d in dues
        if d.state != "void"
    ]  # fmt: skip
