"""The money of a dispute: held of what the payee still has, and paid back by a new transfer that names the old one."""

from uuid import UUID

from msingi.kernel import log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.db import Row
from msingi.kernel.errors import Refusal
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.payments import backward, charges, errors, homes, ledger, orders
from msingi.payments import rules as ledger_rules
from msingi.payments import store as accounts
from msingi.payments.disputes import rules, store
from msingi.payments.disputes.errors import DisputeEnded
from msingi.payments.fraud.model import DisputeTerms
from msingi.payments.model import Kind as Movement
from msingi.payments.model import Order, Outcome, Reason

JOB = "payments-disputes"
CODE = "DISP"
DAY_S = 86_400
PAYING = (int(Movement.POST), int(Movement.COMMIT), int(Movement.RESERVE))


def job() -> Context:
    """The context in which the stack itself holds money for a dispute."""
    return job_context(JOB, "redress", "legal-obligation")


async def paid_by(stack: Stack, permit: policy.Permit, person: PersonId, wanted: UUID) -> Row:
    """The journal row of a transfer that an account of the person paid. Raises NoSuchTransfer."""
    try:
        home = homes.home(stack, ledger_rules.shard_of(wanted.int))
    except errors.NoSuchAccount:
        raise errors.NoSuchTransfer() from None
    async with home.db.transaction(permit) as near:
        row = await accounts.transfer(near, wanted)
        if row is not None and row["kind"] == Movement.RESERVE:
            row = await accounts.end_of(near, wanted)
        log.append(near, permit, subject=person, detail={"what": "transfer looked up to be disputed"})
    async with stack.db.transaction(permit) as tx:
        own = {row["account_id"] for row in await accounts.held(tx, person, "")}
        log.append(tx, permit, subject=person, detail={"what": "own accounts"})
    if row is None or row["status"] != 1 or row["kind"] not in PAYING or row["debit"] not in own:
        raise errors.NoSuchTransfer()
    return row


async def hold(stack: Stack, row: Row, terms: DisputeTerms) -> int:
    """Hold what the payee still has of the payment, a day longer than the decision may take; how much is held.

    Where the ledger refuses it (nothing there, limits), nothing is held, and the dispute goes on without.
    """
    account, owner = await homes.account_and_holder(stack, row["credit"])
    if account is None:
        return 0
    amount = rules.holdable(row["amount"], account["posted"], account["reserved"], account["floor"])
    if not amount:
        return 0
    permit = policy.decide(job(), "payments.hold-disputed", policy.ANYONE)
    id_ = UUID(bytes=row["dispute_id"].bytes)
    by = orders.By(permit, owner, f"dispute/{id_}")
    kept = orders.reserve(
        *(by, "hold", row["credit"], row["debit"], amount, row["currency"], CODE),
        timeout_s=min((terms.decide_days + 1) * DAY_S, orders.MAX_TIMEOUT_S),
    )
    (ending,) = await ledger.post(stack, [kept])
    if not isinstance(ending, Outcome) or ending.reason:
        return 0
    async with stack.db.transaction(permit) as tx:
        await store.note_hold(tx, id_, kept.id, amount)
        subject = store.person(row["payee"])
        log.append(tx, permit, subject=subject, detail={"what": "money held, a payment to you is disputed"})
    return amount


async def pay_back(stack: Stack, permit: policy.Permit, row: Row, amount: int, words: str) -> None:
    """End the hold and pay back an amount (0: nothing); repeated, nothing is paid twice, and nobody pays another amount
    at the same time.

    Raises DisputeEnded where somebody else does, or the ledger's reason where the payee has not enough.
    """
    id_ = UUID(bytes=row["dispute_id"].bytes)
    async with stack.db.transaction(permit) as tx:
        attempt = await store.intend(tx, id_, amount)
        log.append(tx, permit, subject=_told(permit, row), detail={"what": "dispute being decided"})
    if attempt is None:
        raise DisputeEnded(state="being-decided")
    _, owner = await homes.account_and_holder(stack, row["credit"])
    by = orders.By(permit, owner, f"dispute/{id_}")
    chain: list[Order] = []
    if row["hold"] is not None:
        chain.append(orders.void(by, f"void/{attempt}", UUID(bytes=row["hold"].bytes), row["currency"], CODE))
    if amount:
        original, told = await _original(stack, row), words[:140].replace("\n", " ").replace("\r", " ")
        chain.append(orders.reverse(by, f"back/{attempt}", original, amount, row["currency"], "REVR", reference=told))
        chain.append(orders.reverse(by, f"alone/{attempt}", original, amount, row["currency"], "REVR", reference=told))
    try:
        await _posted(stack, chain, row["hold"] is not None, bool(amount))
    except Refusal:
        async with stack.db.transaction(permit) as tx:
            await store.try_again(tx, id_, attempt)
            log.append(tx, permit, subject=_told(permit, row), detail={"what": "nothing was paid back"})
        raise
    known = charges.of(stack)
    if amount and known is not None:
        await known.paid_back(await _original(stack, row), amount)


def _told(permit: policy.Permit, row: Row) -> PersonId | None:
    """Who reads that it happened: the payer where an officer decides, else whoever pays back."""
    if permit.subjects is None:
        return store.person(row["payer"])
    return permit.subjects[0] if permit.subjects else None


async def _posted(stack: Stack, chain: list[Order], held: bool, paying: bool) -> None:
    """Free what is held and pay back, together where one shard keeps both, so that nobody can be faster in between.

    A hold whose time is over is free already. Raises the ledger's reason.
    """
    if not held:
        if paying:
            errors.check(await ledger.post(stack, [chain[0]]))
        return
    if paying and ledger_rules.shard_of(_shard(chain[0])) == ledger_rules.shard_of(_shard(chain[1])):
        first, second = await ledger.post_linked(stack, chain[:2])
        if not (isinstance(first, Outcome) and first.reason == Reason.HOLD_ENDED):
            errors.check([first, second])
            return
    else:
        (ended,) = await ledger.post(stack, [chain[0]])
        if not (isinstance(ended, Outcome) and ended.reason == Reason.HOLD_ENDED):
            errors.check([ended])
    if paying:
        errors.check(await ledger.post(stack, [chain[2]]))


def _shard(order: Order) -> int:
    assert order.pending is not None
    return order.pending.int


async def _original(stack: Stack, row: Row) -> UUID:
    """The row by which the money came: the transfer itself, the end of the hold that it was paid out of, or what
    arrived from another shard."""
    wanted = UUID(bytes=row["dispute_id"].bytes)
    found = await backward.received(stack, wanted)
    return UUID(bytes=found["id"].bytes) if found is not None else wanted
