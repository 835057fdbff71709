"""The money of a recall that another bank wishes: held, paid back through the switch, freed.

What is to be paid back, and the number of the attempt, is kept before the ledger or the switch is asked; the transfer's
id is made from it. Whatever breaks off is brought to its end by the jobs, and nothing leaves twice.
"""

from datetime import timedelta
from uuid import UUID

import msgspec

from msingi.kernel import clock, log
from msingi.kernel.db import Row
from msingi.kernel.errors import Refusal
from msingi.kernel.ids import random_id
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import homes, ledger, orders
from msingi.payments.disputes import rules as disputing
from msingi.payments.disputes.store import person as whose
from msingi.payments.fraud import rulebook
from msingi.payments.model import Outcome, Reason
from msingi.payments.recalls import store
from msingi.payments.recalls.errors import RecallEnded
from msingi.payments.recalls.model import State
from msingi.payments.switch import errors, house, moving, outside, roll, wire
from msingi.payments.switch import rules as wire_rules
from msingi.payments.switch.model import State as Sent

CODE = "DISP"
DAY_S = 86_400
GRACE = timedelta(minutes=3)  # what the switch does not know by then never reached it


async def hold(stack: Stack, by: Permit, row: Row) -> Row:
    """Hold what our customer still has of it, where the country says so for this kind; the row as it stands then."""
    book = rulebook.of(stack)
    told = book.disputes.get(row["kind"]) if book else None
    account, owner = await homes.account_and_holder(stack, row["account"])
    if told is None or not told.hold or account is None or row["hold"] is not None:
        return row
    amount = disputing.holdable(row["amount"], account["posted"], account["reserved"], account["floor"])
    if not amount:
        return row
    mine = house.bank_of(await roll.of(stack))
    clearing = await house.clearing(stack, mine, row["currency"])
    days = max(1, (row["due_at"] - row["opened_at"]).days)
    kept = orders.reserve(
        orders.By(by, owner, _scope(row)), f"hold/{row['attempt']}", row["account"], clearing, amount, row["currency"],
        CODE, timeout_s=min((days + 20) * DAY_S, orders.MAX_TIMEOUT_S),
    )  # fmt: skip
    (ending,) = await ledger.post(stack, [kept])
    if not isinstance(ending, Outcome) or ending.reason:
        return row
    async with stack.db.transaction(by) as tx:
        await store.note_held(tx, row["recall_id"], kept.id, amount)
        fresh = await store.recall(tx, row["recall_id"])
        assert fresh is not None
        log.append(tx, by, subject=whose(fresh["person"]), detail={"what": "money held, another bank asks it back"})
    return fresh


def _scope(row: Row) -> str:
    return f"recall/{row['recall_id']}"


def transfer_of(row: Row, attempt: int) -> str:
    """The id on the wire of the transfer that pays back."""
    return outside.wire_id(f"{_scope(row)}/{attempt}")


async def free(stack: Stack, by: Permit, row: Row) -> None:
    """Free what is held. A hold whose time is over is free already."""
    if row["hold"] is None:
        return
    _, owner = await homes.account_and_holder(stack, row["account"])
    kept = UUID(bytes=row["hold"].bytes)
    void = orders.void(orders.By(by, owner, _scope(row)), f"free/{row['attempt']}", kept, row["currency"], CODE)
    (ended,) = await ledger.post(stack, [void])
    if not (isinstance(ended, Outcome) and ended.reason in (Reason.HOLD_ENDED, Reason.NO_HOLD)):
        ledger_errors.check([ended])


async def give_back(stack: Stack, by: Permit, row: Row, amount: int, words: bytes, who: str) -> None:
    """Pay back through the switch, from our customer's account to the bank that asks (law 4).

    Raises RecallEnded where somebody else decides, the ledger's reason (InsufficientFunds), UnknownParty where the
    other bank does not take it: then nothing was paid. Outage: it is on its way, and the jobs bring it to its end.
    """
    async with stack.db.transaction(by) as tx:
        attempt = await store.intend(tx, row["recall_id"], amount, clock.now(), words, who)
        log.append(tx, by, subject=whose(row["person"]), detail={"what": "payment back to another bank decided"})
    if attempt is None:
        raise RecallEnded(state="being-decided")
    try:
        offer = await _offered(stack, row, amount)
        await _reserved(stack, by, row, amount, attempt)
    except Refusal:
        await again(stack, by, row, attempt)
        raise
    transfer_id = transfer_of(row, attempt)
    house.paying(stack, transfer_id, row["other"])
    until = wire_rules.told(clock.now() + timedelta(seconds=house.ANSWER_S))
    mine = house.bank_of(await roll.of(stack))
    body = wire.TransferRequest(
        transfer_id, row["other"], mine, offer.transfer_amount, offer.ilp_packet, offer.condition, until
    )
    try:
        await house.asked(stack, "POST", "/transfers", row["other"], body, f"/transfers/{transfer_id}")
    except errors.SwitchRefusal:
        await house.ended(stack, transfer_id, paid=False)
        await again(stack, by, row, attempt)
        raise


async def _offered(stack: Stack, row: Row, amount: int) -> wire.QuoteAnswer:
    """The other bank's packet and condition for the payment back. Raises BadSyntax for another amount, UnknownParty."""
    book, quote_id = await roll.of(stack), random_id()
    digits = wire_rules.settled_in(book.currencies, row["currency"]).digits
    money = wire.Money(row["currency"], wire_rules.amount(amount, digits))
    body = wire.QuoteRequest(
        quote_id, row["transfer"], wire.Party(wire.PartyName("ALIAS", row["recall_id"], None, row["other"])),
        wire.Party(wire.PartyName("ALIAS", "customer", None, house.bank_of(book))), "SEND", money,
        wire.TransactionType("REFUND", "PAYER", "CONSUMER", wire.GivenBack(row["transfer"])),
    )  # fmt: skip
    found = await house.asked(stack, "POST", "/quotes", row["other"], body, f"/quotes/{quote_id}")
    offer = msgspec.convert(found, wire.QuoteAnswer)
    if offer.transfer_amount != money:
        raise errors.BadSyntax("The offer is for another amount.", field="transferAmount", rule="as-asked")
    return offer


async def _reserved(stack: Stack, by: Permit, row: Row, amount: int, attempt: int) -> None:
    """Free what is held and reserve what is paid back, in one chain, so that nobody can be faster in between."""
    _, owner = await homes.account_and_holder(stack, row["account"])
    clearing = await house.clearing(stack, house.bank_of(await roll.of(stack)), row["currency"])
    leaves = orders.reserve(
        orders.By(by, owner, house.SCOPE), transfer_of(row, attempt), row["account"], clearing, amount,
        row["currency"], house.CODE, timeout_s=house.HOLD_S, payee=row["other"],
    )  # fmt: skip
    if row["hold"] is not None:
        kept = UUID(bytes=row["hold"].bytes)
        void = orders.void(orders.By(by, owner, _scope(row)), f"void/{attempt}", kept, row["currency"], CODE)
        first, second = await ledger.post_linked(stack, [void, leaves])
        if not (isinstance(first, Outcome) and first.reason in (Reason.HOLD_ENDED, Reason.NO_HOLD)):
            ledger_errors.check([first, second])
            return
    ledger_errors.check(await ledger.post(stack, [leaves]))


async def again(stack: Stack, by: Permit, row: Row, attempt: int) -> None:
    """An attempt did not go through: the officer may decide anew, and what can be held is held again."""
    now = clock.now()
    async with stack.db.transaction(by) as tx:
        fresh = await store.recall(tx, row["recall_id"])
        assert fresh is not None
        tx.repeated = True
    await free(stack, by, fresh)  # where the chain was refused whole, the old hold stands still
    async with stack.db.transaction(by) as tx:
        done = await store.return_again(tx, row["recall_id"], attempt)
        if done:
            await store.step(tx, row["recall_id"], now, "failed")
        log.append(tx, by, subject=whose(row["person"]), detail={"what": "nothing was paid back"})
        fresh = await store.recall(tx, row["recall_id"])
    if done and fresh is not None:
        await hold(stack, by, fresh)


async def finish(stack: Stack, by: Permit, row: Row) -> bool:
    """Bring a payment back that is on its way to the end that the switch knows; whether it has ended.

    Where it was paid, the recall ends; where it was not, or never reached the switch, the officer decides anew.
    """
    transfer_id = transfer_of(row, row["attempt"])
    try:
        state = (await moving.found(stack, transfer_id)).state
    except errors.UnknownId:
        state = Sent.ABORTED if row["intent_at"] < clock.now() - GRACE else Sent.RESERVED
    if state is Sent.RESERVED:
        return False
    await house.ended(stack, transfer_id, paid=state is Sent.COMMITTED)
    if state is Sent.ABORTED:
        await again(stack, by, row, row["attempt"])
        return True
    now = clock.now()
    async with stack.db.transaction(by) as tx:
        if await store.end_return(tx, row["recall_id"], now):
            await store.step(tx, row["recall_id"], now, State.REFUNDED.value)
        log.append(tx, by, subject=whose(row["person"]), detail={"what": "paid back to another bank"})
    return True
