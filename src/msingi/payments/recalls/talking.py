"""What our bank and another one say to each other about a recall, and what is noted of it.

The other bank's messages come by way of the switch (`house.Recalling`); ours are said at the switch's door, as all
others are. What was not taken is said again by the jobs.
"""

from datetime import timedelta
from uuid import UUID

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import homes, store_shared
from msingi.payments import rules as ledger_rules
from msingi.payments import store as accounts
from msingi.payments.disputes.store import person as whose
from msingi.payments.fraud import rulebook
from msingi.payments.recalls import holding, rules, store, telling
from msingi.payments.recalls.model import State
from msingi.payments.switch import cancelling, errors, house, moving, recalling, roll
from msingi.payments.switch import rules as wire_rules
from msingi.payments.switch.outside import wire_id

JOB, WORDS = "payments-recalls", "payments.recall.words"
CUSTOMER_DAYS = 5  # where the country says nothing of recalls


def job() -> Context:
    """The context in which the stack itself carries recalls on."""
    return job_context(JOB, "redress", "legal-obligation")


def permit() -> Permit:
    """The permit of the stack itself."""
    return policy.decide(job(), "payments.carry-recall", policy.ANYONE)


def recall_id(hold: UUID) -> str:
    """The id of the recall of a payment of ours, made from the hold that it was paid out of: always the same."""
    return wire_id(f"recall/{hold}")


def sealed(stack: Stack, text: str) -> bytes:
    """Words as they are kept."""
    return stack.seal.seal_with_room_key(WORDS, text.encode())


def opened(stack: Stack, kept: bytes | None) -> str:
    """Words as they were said."""
    return stack.seal.unseal_with_room_key(WORDS, bytes(kept)).decode() if kept else ""


def leave(tx: Tx, by: Permit, row: Row, what: str) -> None:
    """A leaf that our customer reads, where a person is."""
    log.append(tx, by, subject=whose(row["person"]), detail={"what": what})


async def ask(stack: Stack, row: Row) -> None:
    """Ask the other bank, or ask it again: the same request. Raises Outage where it cannot be said now."""
    book = await roll.of(stack)
    digits = wire_rules.settled_in(book.currencies, row["currency"]).digits
    words, again = opened(stack, row["words"]), row["sent_at"] is not None
    wanted = cancelling.Request(
        row["recall_id"], house.bank_of(book), row["other"], row["transfer"],
        wire_rules.amount(row["amount"], digits), row["currency"], rules.REASONS[rules.Kind(row["kind"])], words,
    )  # fmt: skip
    path = f"/{wire_rules.RECALLS}"
    # The instant of the first time, so that it is the same request to the byte.
    await house.say(stack, "POST", path, row["other"], cancelling.asking(wanted, row["opened_at"]))
    by, now = permit(), clock.now()
    async with stack.db.transaction(by) as tx:
        await store.note_sent(tx, row["recall_id"], now)
        await store.step(tx, row["recall_id"], now, "sent-again" if again else "asked")
        leave(tx, by, row, "another bank was asked to pay back")


async def tell(stack: Stack, row: Row, told: str) -> None:
    """Answer the other bank: the money comes back, it does not, or our customer is being asked."""
    mine = house.bank_of(await roll.of(stack))
    words = opened(stack, row["decision"]) if told == cancelling.REFUSED else ""
    reason = row["reason"] if told == cancelling.REFUSED else ""
    said = cancelling.Answer(row["recall_id"], row["other"], mine, row["transfer"], told, reason, words)
    path = f"/{wire_rules.RECALLS}/{row['recall_id']}"
    await house.say(stack, "PUT", path, row["other"], cancelling.answering(said, clock.now()))
    by = permit()
    async with stack.db.transaction(by) as tx:
        await store.note_told(tx, row["recall_id"], told)
        leave(tx, by, row, "another bank was answered")


class Carrier:
    """Takes what the switch brings for our bank about recalls (`house.Recalling`)."""

    async def asked(self, stack: Stack, wanted: cancelling.Request) -> None:
        """Another bank asks back what our customer received: kept, held as far as the country says, and our customer
        is asked. The same again is answered again. Raises UnknownId where nothing was received."""
        found = await received(stack, wanted)
        if found is None:
            raise errors.UnknownId(field="OrgnlTxId", rule="received")
        movement, whom, shop = found
        kind, now = rules.KINDS.get(wanted.reason, rules.Kind.NOT_DELIVERED), clock.now()
        book = rulebook.of(stack)
        days = book.recalls.customer_days if book and book.recalls else CUSTOMER_DAYS
        values = (
            *(wanted.id, False, wanted.transfer_id, movement["id"], whom, shop, movement["credit"], wanted.asker),
            *(kind.value, movement["amount"], movement["currency"], movement["at"], now, now + timedelta(days=days)),
            *(now + timedelta(days=recalling.answer_days(stack)), sealed(stack, wanted.words)),
        )
        by = permit()
        async with stack.db.transaction(by) as tx:
            fresh = await store.add(tx, values)
            row = await store.recall(tx, wanted.id)
            assert row is not None
            if fresh:
                await store.step(tx, wanted.id, now, "asked")
            leave(tx, by, row, "another bank asks back a payment to you")
        if row["transfer"] != wanted.transfer_id or row["outgoing"]:
            raise errors.Modified(field="Assgnmt.Id", rule="one-payment")
        if fresh:
            row = await holding.hold(stack, by, row)
            await telling.tell(stack, row, "heard")
        told = {State.REFUNDED: cancelling.COMES_BACK, State.REFUSED: cancelling.REFUSED}
        await tell(stack, row, told.get(State(row["state"]), cancelling.PENDING))

    async def answered(self, stack: Stack, told: cancelling.Answer, source: str) -> None:
        """What another bank says to a recall of ours; what comes twice, or too late, changes nothing (law 3)."""
        by, now = permit(), clock.now()
        async with stack.db.transaction(by) as tx:
            row = await store.recall(tx, told.id)
            if row is None or not row["outgoing"] or row["other"] != source:
                raise errors.UnknownId(field="ID", rule="asked")
            after, done = rules.after_answer(State(row["state"]), told.answer), False
            if after is not None:
                said = sealed(stack, told.words) if told.words else None
                reason = told.reason if after is State.REFUSED else ""
                done = await store.note_answer(tx, told.id, after.value, said, reason, now)
                if done and after.value != row["state"]:
                    await store.step(tx, told.id, now, after.value)
            leave(tx, by, row, "the other bank answered")
        if done and after is not None and after in (State.PROMISED, State.REFUSED):
            await telling.tell(stack, row, after)

    async def account_for(self, stack: Stack, transfer: str, source: str, amount: int, currency: str) -> int:
        """The account to which a payment back goes: that which had paid. Raises UnknownId, RecallEnded."""
        row = await self._of(stack, transfer, source, currency)
        rules.refundable(State(row["state"]), row["amount"], row["refunded"], amount)
        return row["account"]

    async def came_back(self, stack: Stack, transfer: str, source: str, by_transfer: str, amount: int) -> None:
        """A transfer paid back; noted once (law 2)."""
        row, by, now = await self._of(stack, transfer, source, ""), permit(), clock.now()
        async with stack.db.transaction(by) as tx:
            fresh = await store.note_refund(tx, row["recall_id"], by_transfer, amount, now)
            if fresh:
                await store.step(tx, row["recall_id"], now, "came")
            leave(tx, by, row, "another bank paid back")
        if fresh:
            await telling.tell(stack, row, "came", amount)

    async def _of(self, stack: Stack, transfer: str, source: str, currency: str) -> Row:
        """The recall of ours for a payment to a bank. Raises UnknownId."""
        paid = await moving.found(stack, transfer)
        by = permit()
        async with stack.db.transaction(by) as tx:
            hold = [ledger_rules.transfer_id(house.SCOPE, paid.id, shard) for shard in homes.known(stack)]
            row = None
            for one in hold:
                row = row or await store.recall(tx, recall_id(one))
            if row is None or row["other"] != source or (currency and row["currency"] != currency):
                raise errors.UnknownId(field="originalTransactionId", rule="asked-back")
            leave(tx, by, row, "a payment back was looked up")
        return row


async def received(stack: Stack, wanted: cancelling.Request) -> tuple[Row, PersonId | None, str] | None:
    """What our customer received by a transfer: its row in the ledger, and whose account it went to."""
    mine = house.bank_of(await roll.of(stack))
    source = await house.clearing(stack, mine, wanted.currency)
    credited = ledger_rules.transfer_id(house.INWARD, wanted.transfer_id, ledger_rules.shard_of(source))
    by = permit()
    async with homes.home(stack, ledger_rules.shard_of(source)).db.transaction(by) as near:
        row = await accounts.transfer(near, credited)
        log.append(near, by, detail={"what": "a payment that is asked back looked up"})
    if row is None or row["status"] != 1:
        return None
    async with stack.db.transaction(by) as tx:
        holder = await accounts.institution_of(tx, row["credit"])
        owners = await store_shared.owners_of(tx, row["credit"])
        log.append(tx, by, detail={"what": "whose account it went to"})
    if holder is not None:
        return row, None, holder["institution"]
    return (row, owners[0], "") if owners else None


async def close(stack: Stack, recall_id: str) -> None:
    """Tell both sides how another bank's wish ended, if it has ended; repeated, nobody is told twice."""
    by = permit()
    async with stack.db.transaction(by) as tx:
        row = await store.recall(tx, recall_id)
        tx.repeated = True
    if row is None or row["outgoing"] or row["ended_at"] is None:
        return
    back = row["state"] == State.REFUNDED
    await tell(stack, row, cancelling.COMES_BACK if back else cancelling.REFUSED)
    await telling.tell(stack, row, "returned" if back else "kept", row["refunded"])
