"""What moves the money of a rotating group: contributions in, turns out; each written before the ledger is asked."""

from datetime import date, timedelta
from uuid import UUID

from msgspec import structs

from msingi.kernel import log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.crossing import crossing
from msingi.kernel.ids import PersonId
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import ledger, orders, parties, shards
from msingi.payments import rules as ledger_rules
from msingi.payments import store as accounts
from msingi.payments.bank import paying
from msingi.payments.bank import rules as bank_rules
from msingi.payments.circles import rules, store
from msingi.payments.circles.errors import CircleNotOpen, NoSuchCircle, NothingDue
from msingi.payments.circles.model import KeptCircle, KeptDue, KeptRound, KeptSeat, PaidIn, TurnPayment
from msingi.payments.groups import pot
from msingi.payments.groups.mandates import today
from msingi.payments.model import Order

JOB = "payments-circles"
CODE = "SAVG"
AT_ONCE = 100
UNDER_WAY = timedelta(minutes=10)
ENDS = {"to-pot": "in", "to-member": "out"}  # what is under way, and how it stands once it is paid
REFUSED = (ledger_errors.TransferRejected, ledger_errors.NoSuchAccount)


async def begun(
    stack: Stack, tx: store.Tx, body_id: str, me: PersonId, *, hold: bool = False
) -> tuple[KeptCircle, list[KeptSeat], KeptSeat]:
    """A circle, its seats, and the one of `me`. Raises NoSuchCircle unless `me` belongs to it."""
    try:
        wanted = UUID(body_id)
    except ValueError:
        raise NoSuchCircle() from None
    kept = await store.circle(tx, wanted, hold=hold)
    seats = await store.seats(tx, stack.seal, wanted)
    mine = next((s for s in seats if s.person_id == me and s.state != "left"), None)
    if kept is None or mine is None:
        raise NoSuchCircle()
    return kept, seats, mine


def collecting(rounds: list[KeptRound]) -> KeptRound | None:
    """The round that is collected now: the first that is not paid out."""
    return next((r for r in rounds if r.state != "paid"), None)


async def settled(
    stack: Stack, permit: Permit, tx: store.Tx, kept: KeptCircle, ctx: Context
) -> tuple[list[KeptDue], set[int]]:
    """The dues, brought into line with the ledger where a program broke off between the two (law 6), and the rounds
    in which a payment is still under way. The circle must be held."""
    found, changed, waiting = [], [], set()
    for due in await store.dues(tx, kept.body_id):
        if due.state not in ENDS or due.transfer_id is None:
            found.append(due)
            continue
        async with shards.beside(stack, ledger_rules.shard_of(due.transfer_id.int), permit, tx) as near:
            row = await accounts.transfer(near, due.transfer_id)
        if row is not None and row["status"] == 1:
            changed.append(structs.replace(due, state=ENDS[due.state]))
        elif row is not None or (due.at is not None and due.at + UNDER_WAY < ctx.at):
            changed.append(structs.replace(due, state="open"))  # refused, or it never reached the ledger
        else:
            waiting.add(due.round)
            found.append(due)
    if changed:
        await store.set_dues(tx, kept.body_id, changed)
    return sorted([*found, *changed], key=lambda d: (d.round, d.person_id.bytes)), waiting


@crossing("payments", "portal", "channels")
async def pay_turn(stack: Stack, ctx: Context, order: TurnPayment) -> PaidIn:
    """Pay a contribution out of the own wallet, for oneself or another member: into the pot, or, if the turn is paid
    out already, to whose turn it was (law 4). The last contribution of a round pays it out.

    The same key again pays nothing again. Raises NoSuchCircle, CircleNotOpen, NothingDue, or the ledger's reason.
    """
    bank_rules.check_key(order.key)
    me = parties.person_of(ctx)
    who = paying.payer(stack, ctx, "payments.pay-turn")
    purse = await pot.wallet_of(stack, ctx)
    permit = policy.decide(ctx, "payments.know-circle", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        kept, seats, mine = await begun(stack, tx, order.body_id, me, hold=True)
        seat = next((s for s in seats if s.place == order.place), None) if order.place else mine
        if seat is None:
            raise NoSuchCircle()
        if kept.pot is None:
            raise CircleNotOpen(state=kept.state)
        dues, _ = await settled(stack, permit, tx, kept, ctx)
        rounds = {r.round: r for r in await store.rounds(tx, kept.body_id)}
        by = who.by(f"turn/{kept.body_id}")
        due = _wanted(dues, seat, order, ledger_rules.transfer_id(by.scope, order.key, ledger_rules.shard_of(purse)))
        late = rounds[due.round].state != "open"
        receiver = next(s for s in seats if s.person_id == due.to_person)
        credit = await wallet_of(tx, receiver) if late else kept.pot
        words = {"reference": f"{kept.name} {due.round}", "payer": seat.name}
        payee = receiver.name if late else kept.name
        made = orders.pay(by, order.key, purse, credit, kept.amount, kept.currency, CODE, payee=payee, **words)
        begun_now = due.state == "open"
        due = structs.replace(due, transfer_id=made.id, at=ctx.at, by_turn=0)
        if begun_now:
            await store.set_dues(tx, kept.body_id, [structs.replace(due, state="to-member" if late else "to-pot")])
        log.append(tx, permit, subject=seat.person_id, detail={"what": "contribution to a rotating group"})
    if begun_now:
        await post_due(stack, permit, kept, due, made, "out" if late else "in")
    done = await turn(stack, kept.body_id, today(stack))
    return PaidIn(round=due.round, amount_minor=kept.amount, currency=kept.currency, paid_out=due.round in done)


def _wanted(dues: list[KeptDue], seat: KeptSeat, order: TurnPayment, transfer_id: UUID) -> KeptDue:
    """The contribution that is meant: the one that this order has paid already, or the first that is open.

    Raises NothingDue.
    """
    mine = [d for d in dues if d.person_id == seat.person_id and order.round in (0, d.round)]
    first = next((d for d in mine if d.transfer_id == transfer_id and d.state != "open"), None)
    found = first or next((d for d in mine if d.state == "open"), None)
    if found is None:
        raise NothingDue()
    return found


async def wallet_of(tx: store.Tx, seat: KeptSeat) -> int:
    """Where a member is paid. Raises NoSuchAccount."""
    wallets = await accounts.default_wallets(tx, [seat.person_id])
    if seat.person_id not in wallets:
        raise ledger_errors.NoSuchAccount(party="payee")
    return wallets[seat.person_id][0]


async def post_due(stack: Stack, permit: Permit, kept: KeptCircle, due: KeptDue, made: Order, paid: str) -> None:
    """Ask the ledger, and write down how it ended; whatever breaks off, `settled` finds it."""
    endings = await ledger.post(stack, [made])
    try:
        ledger_errors.check(endings)
    except REFUSED:
        async with stack.db.transaction(permit) as tx:
            await store.set_dues(tx, kept.body_id, [structs.replace(due, state="open")])
            log.append(tx, permit, subject=due.person_id, detail={"what": "contribution refused by the ledger"})
        raise
    async with stack.db.transaction(permit) as tx:
        await store.set_dues(tx, kept.body_id, [structs.replace(due, state=paid)])
        log.append(tx, permit, subject=due.person_id, detail={"what": "contribution in the book"})


async def run_circles(stack: Stack, ctx: Context, day: date | None = None) -> int:
    """Pay out the turns whose day is over, and finish what broke off; how many turns were paid."""
    day = day or today(stack)
    permit = policy.decide(ctx, "payments.turn-circle", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        due = await store.circles_due(tx, day, AT_ONCE)
        log.append(tx, permit, detail={"what": "rotating groups due", "count": len(due)})
        tx.repeated = not due  # nothing was due, so nothing was seen, and no leaf is owed
    return sum([len(await turn(stack, one, day)) for one in due])


async def turn(stack: Stack, body_id: UUID, day: date) -> list[int]:
    """Pay out each turn of a circle that is complete, or whose day is before `day`, in their order; which were paid."""
    done: list[int] = []
    tried: set[int] = set()
    while planned := await _plan(stack, body_id, day, tried):
        kept, round_, plan, receiver = planned
        tried.add(round_.round)
        if await _pay_out(stack, kept, round_, plan, receiver):
            done.append(round_.round)
    return done


def job() -> Context:
    """The context in which the stack itself pays turns."""
    return job_context(JOB, "payment", "contract")


async def _plan(
    stack: Stack, body_id: UUID, day: date, tried: set[int]
) -> tuple[KeptCircle, KeptRound, rules.Plan, KeptSeat] | None:
    """The next turn to pay out, written down before the ledger is asked; None where there is none."""
    permit = policy.decide(job(), "payments.turn-circle", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        kept = await store.circle(tx, body_id, hold=True)
        tx.repeated = True  # until something is to be done, and a leaf is owed
        if kept is None or kept.state != "open":
            return None
        dues, waiting = await settled(stack, permit, tx, kept, job())
        rounds = await store.rounds(tx, body_id)
        next_one = rules.next_turn(rounds, dues, day, waiting | tried)
        if next_one is None:
            if all(d.state in ("out", "void") for d in dues) and all(r.state == "paid" for r in rounds):
                await store.set_circle(tx, body_id, "ended")
                tx.repeated = False
                log.append(tx, permit, detail={"what": "rotating group has ended"})
            return None
        past = {r.round for r in rounds if r.state == "paid"}
        plan = rules.plan(dues, next_one.round, next_one.person_id, past)
        taken = [
            structs.replace(d, state="setting-off", by_turn=next_one.round, at=job().at, transfer_id=None)
            for d in plan.set_off
        ]
        plan = structs.replace(plan, set_off=taken)
        await store.set_dues(tx, body_id, taken)
        await store.set_round(tx, body_id, next_one.round, "paying", next_one.attempt)
        receiver = next(s for s in await store.seats(tx, stack.seal, body_id) if s.person_id == next_one.person_id)
        tx.repeated = False
        log.append(tx, permit, subject=receiver.person_id, detail={"what": "turn of a rotating group"})
    return kept, next_one, plan, receiver


async def _pay_out(stack: Stack, kept: KeptCircle, round_: KeptRound, plan: rules.Plan, receiver: KeptSeat) -> bool:
    """Pay a planned turn, all of it or nothing; whether the ledger did. What it says is kept with the round."""
    permit = policy.decide(job(), "payments.turn-circle", policy.ANYONE)
    why, chain = "", list[Order]()
    try:
        chain = await _chain(stack, permit, kept, round_, plan, receiver)
        if chain:
            await paying.post(stack, chain)
    except REFUSED as refused:
        why = refused.code
    async with stack.db.transaction(permit) as tx:
        await store.circle(tx, kept.body_id, hold=True)
        now = next(r for r in await store.rounds(tx, kept.body_id) if r.round == round_.round)
        if (now.state, now.attempt) == ("paying", round_.attempt):  # else somebody was faster
            spent = [structs.replace(d, state="in" if why else "out") for d in plan.spent]
            off = [
                structs.replace(d, state="open", by_turn=0) if why else structs.replace(d, state="out", transfer_id=o)
                for d, o in zip(plan.set_off, [c.id for c in chain[-len(plan.set_off) :]] or plan.set_off, strict=False)
            ]
            await store.set_dues(tx, kept.body_id, [*spent, *off])
            paid = 0 if why else plan.own * kept.amount
            state = "open" if why else "paid"
            await store.set_round(tx, kept.body_id, now.round, state, now.attempt + 1, paid=paid, why=why)
        for person in {receiver.person_id, *(d.to_person for d in plan.set_off)}:
            log.append(tx, permit, subject=person, detail={"what": "turn paid out", "result": why or "paid"})
    return not why


async def _chain(
    stack: Stack, permit: Permit, kept: KeptCircle, round_: KeptRound, plan: rules.Plan, receiver: KeptSeat
) -> list[Order]:
    """The orders of a turn: what remains to whose turn it is, then what that member owed to others (law 4)."""
    assert kept.pot is not None
    async with stack.db.transaction(permit) as tx:
        seats = {s.person_id: s for s in await store.seats(tx, stack.seal, kept.body_id)}
        lines = [(receiver, plan.own * kept.amount, "own")] if plan.own else []
        lines += [(seats[d.to_person], kept.amount, f"set-off/{d.round}") for d in plan.set_off]
        found = [(await wallet_of(tx, seat), seat.name, minor, key) for seat, minor, key in lines]
        log.append(tx, permit, subject=receiver.person_id, detail={"what": "turn planned"})
    by = orders.By(permit, kept.owner, f"turn-out/{kept.body_id}/{round_.round}/{round_.attempt}")
    words = {"reference": f"{kept.name} {round_.round}", "payer": kept.name}
    return [
        orders.pay(by, key, kept.pot, credit, minor, kept.currency, CODE, payee=name, **words)
        for credit, name, minor, key in found
    ]
