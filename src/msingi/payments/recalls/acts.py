"""Verbs of recalls: ask back, look, answer, decide, take further."""

from datetime import timedelta
from uuid import UUID

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, Kind
from msingi.kernel.crossing import crossing
from msingi.kernel.db import Row, Tx
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import parties
from msingi.payments import store as accounts
from msingi.payments.disputes import acts as disputes
from msingi.payments.disputes import moving as disputing
from msingi.payments.disputes.model import Kind as What
from msingi.payments.disputes.store import person as whose
from msingi.payments.fraud.acts import cursor, uuid_of
from msingi.payments.fraud.rules import check_words
from msingi.payments.model import AccountKind
from msingi.payments.recalls import holding, rules, store, talking, telling
from msingi.payments.recalls.errors import CannotRecall, NoSuchRecall, RecallEnded
from msingi.payments.recalls.model import Recall, RecallOrder, RecallPage, State
from msingi.payments.switch import errors, moving, recalling

MAX_PAGE = 100


@crossing("payments", "portal")
async def ask_back(stack: Stack, ctx: Context, order: RecallOrder) -> Recall:
    """Ask another bank for a payment back that the actor made to somebody there. Repeated, it gives the same recall.

    Raises NoSuchTransfer, CannotRecall (too late, asked back in other words, exchanged, no other bank), Malformed.
    """
    said, told = check_words(order.text), disputes.terms(stack, order.kind)
    person, wanted = parties.person_of(ctx), uuid_of(order.transfer_id, ledger_errors.NoSuchTransfer())
    permit = policy.decide(ctx, "payments.ask-back", person)
    paid = await disputing.paid_by(stack, permit, person, wanted)
    rules.check_asking(told, paid["at"], ctx.at)
    transfer, other = await _left(stack, paid)
    recall_id = talking.recall_id(UUID(bytes=paid["pending_id"].bytes))
    due = ctx.at + timedelta(days=recalling.answer_days(stack))
    values = (
        *(recall_id, True, transfer, wanted, person, "", paid["debit"], other, order.kind.value, paid["amount"]),
        *(paid["currency"], paid["at"], ctx.at, due, due, talking.sealed(stack, said)),
    )
    async with stack.db.transaction(permit) as tx:
        fresh = await store.add(tx, values)
        row = await store.recall(tx, recall_id)
        assert row is not None
        if not fresh and (row["kind"] != order.kind or talking.opened(stack, row["words"]) != said):
            raise CannotRecall(rule="once")
        log.append(tx, permit, subject=person, detail={"what": "payment asked back", "kind": order.kind.value})
    if row["sent_at"] is None:
        await talking.ask(stack, row)
    return await _read(stack, ctx, permit, recall_id)


async def _left(stack: Stack, paid: Row) -> tuple[str, str]:
    """The transfer on the wire that a payment left by, and the bank that it went to. Raises CannotRecall."""
    async with stack.db.reading("payments") as tx:
        holder = await accounts.institution_of(tx, paid["credit"])
    if holder is None or holder["kind"] != AccountKind.SETTLEMENT or paid["pending_id"] is None:
        raise CannotRecall(rule="no-other-bank")
    try:
        sent = await moving.found(stack, paid["reference"] or "-")
    except (errors.UnknownId, errors.BadSyntax):
        raise CannotRecall(rule="other-currency") from None
    if (sent.amount_minor, sent.currency) != (paid["amount"], paid["currency"]):
        raise CannotRecall(rule="other-currency")
    return sent.id, sent.payee


async def _shown(stack: Stack, ctx: Context, row: Row, tx: Tx | None) -> Recall:
    """A recall as our customer, or an officer, sees it."""
    state, due = State(row["state"]), row["due_at"]
    return Recall(
        recall_id=row["recall_id"], outgoing=row["outgoing"], kind=What(row["kind"]), state=state,
        other=await telling.bank_name(stack, row["other"]), number=row["transfer"],
        amount_minor=row["amount"], currency=row["currency"],
        held_minor=row["held"], refunded_minor=row["refunded"], paid_at=row["paid_at"], opened_at=row["opened_at"],
        answer_due=row["answer_due"], due_at=due, text=talking.opened(stack, row["words"]),
        answer=talking.opened(stack, row["answer"]), reason=row["reason"],
        decision=talking.opened(stack, row["decision"]), ended_at=row["ended_at"], complaint=row["complaint"],
        late=state not in rules.OVER and due < ctx.at,
        steps=await store.steps(tx, row["recall_id"]) if tx is not None else (),
    )  # fmt: skip


async def _read(stack: Stack, ctx: Context, permit: policy.Permit, recall_id: str) -> Recall:
    """A recall as it stands, read under a permit. Raises NoSuchRecall."""
    async with stack.db.transaction(permit) as tx:
        row = await store.recall(tx, recall_id)
        subject = whose(row["person"]) if row is not None else None
        log.append(tx, permit, subject=subject, detail={"what": "recall"})
        if row is None:
            raise NoSuchRecall()
        return await _shown(stack, ctx, row, tx)


def _id(text: str) -> str:
    """The id of a recall, of which only some texts are one. Raises NoSuchRecall."""
    if not 1 <= len(text) <= 40 or not (text.isascii() and text.replace("-", "").isalnum()):
        raise NoSuchRecall()
    return text


def _side(ctx: Context, act: str) -> tuple[policy.Permit, PersonId | None]:
    """The permit of our customer: a person, or somebody who acts for the institution that was paid."""
    if ctx.actor.kind is Kind.PERSON:
        person = parties.person_of(ctx)
        return policy.decide(ctx, act, person, holder="person", own_account=False), person
    own = bool(ctx.actor.institution)
    return policy.decide(ctx, act, policy.NOBODY, holder="institution", own_account=own), None


async def _concerned(tx: Tx, ctx: Context, recall_id: str, person: PersonId | None) -> Row:
    """A recall that concerns the actor. Raises NoSuchRecall."""
    row = await store.recall(tx, _id(recall_id))
    if row is not None:
        theirs = row["institution"] and row["institution"] == ctx.actor.institution
        if (person is not None and whose(row["person"]) == person) or (person is None and theirs):
            return row
    raise NoSuchRecall()


@crossing("payments", "portal")
async def recall(stack: Stack, ctx: Context, recall_id: str) -> Recall:
    """One recall that concerns the actor, with its steps. Raises NoSuchRecall."""
    permit, person = _side(ctx, "payments.see-recall")
    async with stack.db.transaction(permit) as tx:
        row = await _concerned(tx, ctx, recall_id, person)
        log.append(tx, permit, subject=person, detail={"what": "recall"})
        return await _shown(stack, ctx, row, tx)


@crossing("payments", "portal")
async def recall_of(stack: Stack, ctx: Context, transfer_id: str) -> str:
    """Under which id a payment of the actor's is asked back. Raises NoSuchRecall, NoSuchTransfer."""
    permit, person = _side(ctx, "payments.see-recall")
    if person is None:
        raise NoSuchRecall()
    wanted = uuid_of(transfer_id, NoSuchRecall())
    paid = await disputing.paid_by(stack, permit, person, wanted)
    if paid["pending_id"] is None:
        raise NoSuchRecall()
    recall_id = talking.recall_id(UUID(bytes=paid["pending_id"].bytes))
    async with stack.db.transaction(permit) as tx:
        await _concerned(tx, ctx, recall_id, person)
        log.append(tx, permit, subject=person, detail={"what": "recall"})
    return recall_id


def _place(text: str, limit: int) -> store.Place:
    if not 1 <= limit <= MAX_PAGE:
        raise Malformed(f"A page has 1 to {MAX_PAGE} recalls.", field="limit", rule=f"1..{MAX_PAGE}")
    at, _, last = text.partition("|")
    place = cursor(f"{at}|{UUID(int=0)}") if text else None
    try:
        return (place[0], _id(last)) if place else None
    except NoSuchRecall:
        raise Malformed("This is no place in a list.", field="place", rule="cursor") from None


@crossing("payments", "portal")
async def recalls(stack: Stack, ctx: Context, *, place: str = "", limit: int = 25) -> RecallPage:
    """A page of the recalls that concern the actor, newest first."""
    start = _place(place, limit)
    permit, person = _side(ctx, "payments.see-recall")
    async with stack.db.transaction(permit) as tx:
        rows = await store.own(tx, person, "" if person is not None else ctx.actor.institution, start, limit + 1)
        log.append(tx, permit, subject=person, detail={"what": "recalls", "count": min(len(rows), limit)})
    last = rows[limit - 1] if len(rows) > limit else None
    after = f"{last['opened_at'].isoformat()}|{last['recall_id']}" if last else None
    return RecallPage([await _shown(stack, ctx, row, None) for row in rows[:limit]], after)


@crossing("payments", "portal")
async def answer_recall(stack: Stack, ctx: Context, recall_id: str, text: str, *, agree: bool = False) -> Recall:
    """What our customer says to another bank's wish: agreed, or not, and why. An officer decides.

    Raises NoSuchRecall, RecallEnded for a second answer, Malformed.
    """
    said = check_words(text)
    permit, person = _side(ctx, "payments.answer-recall")
    async with stack.db.transaction(permit) as tx:
        row = await _concerned(tx, ctx, recall_id, person)
        if row["outgoing"]:
            raise NoSuchRecall()
        rules.check_words(State(row["state"]))
        await store.note_words(tx, row["recall_id"], talking.sealed(stack, said))
        await store.step(tx, row["recall_id"], clock.now(), "agreed" if agree else "declined")
        log.append(tx, permit, subject=person, detail={"what": "recall answered", "agreed": agree})
    async with stack.db.transaction(permit) as tx:
        row = await _concerned(tx, ctx, recall_id, person)
        log.append(tx, permit, subject=person, detail={"what": "recall"})
        return await _shown(stack, ctx, row, tx)


@crossing("payments", "portal")
async def recall_queue(stack: Stack, ctx: Context, *, place: str = "", limit: int = 25) -> RecallPage:
    """A page of what other banks wish and no officer has decided, and of our own that nobody answered in time."""
    start = _place(place, limit)
    permit = policy.decide(ctx, "payments.decide-recall", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        rows = await store.queue(tx, start, limit + 1, ctx.at)
        log.append(tx, permit, detail={"what": "recalls that wait", "count": min(len(rows), limit)})
    last = rows[limit - 1] if len(rows) > limit else None
    after = f"{last['due_at'].isoformat()}|{last['recall_id']}" if last else None
    return RecallPage([await _shown(stack, ctx, row, None) for row in rows[:limit]], after)


@crossing("payments", "portal")
async def review_recall(stack: Stack, ctx: Context, recall_id: str) -> Recall:
    """One recall for an account officer; the customer sees that it was read. Raises NoSuchRecall."""
    permit = policy.decide(ctx, "payments.decide-recall", policy.ANYONE)
    return await _read(stack, ctx, permit, _id(recall_id))


@crossing("payments", "portal")
async def decide_recall(
    stack: Stack, ctx: Context, recall_id: str, refund_minor: int, text: str, *, reason: str = ""
) -> Recall:
    """Decide what another bank wishes: pay back `refund_minor` through the switch, or (0) refuse it for a reason of
    camt.029; our customer reads the words (laws 3 and 4).

    Raises NoSuchRecall, RecallEnded, Malformed, the ledger's reason where the customer has not enough, UnknownParty
    where the other bank does not take it, Outage where it is on its way still.
    """
    said = check_words(text, "reason")
    permit = policy.decide(ctx, "payments.decide-recall", policy.ANYONE)
    sealed = talking.sealed(stack, said)
    async with stack.db.transaction(permit) as tx:
        row = await store.recall(tx, _id(recall_id))
        if row is None or row["outgoing"]:
            raise NoSuchRecall()
        rules.check_decision(State(row["state"]), refund_minor, row["amount"], reason)
        if not refund_minor:
            ended = await store.end_refused(tx, row["recall_id"], reason, sealed, ctx.actor.id, ctx.at)
            if not ended:
                raise RecallEnded()
            await store.step(tx, row["recall_id"], clock.now(), "declined-back")
        log.append(tx, permit, subject=whose(row["person"]), detail={"what": "recall decided", "back": refund_minor})
    if refund_minor:
        await holding.give_back(stack, talking.permit(), row, refund_minor, sealed, ctx.actor.id)
        async with stack.db.transaction(permit) as tx:
            row = await store.recall(tx, row["recall_id"])
            assert row is not None
            log.append(tx, permit, subject=whose(row["person"]), detail={"what": "paid back to another bank"})
        await holding.finish(stack, talking.permit(), row)
    else:
        await holding.free(stack, talking.permit(), row)
    await talking.close(stack, row["recall_id"])
    return await _read(stack, ctx, permit, row["recall_id"])


@crossing("payments", "portal")
async def take_recall_further(stack: Stack, ctx: Context, recall_id: str, text: str) -> Recall:
    """Take a recall that was refused, decided or is late to the register of complaints (law 5).

    Raises NoSuchRecall, RecallNotYetFurther, and what the register says.
    """
    said, person = check_words(text), parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.ask-back", person)
    further: disputes.Further | None = stack.local.get(disputes.FURTHER)  # type: ignore[assignment]
    async with stack.db.transaction(permit) as tx:
        row = await _concerned(tx, ctx, recall_id, person)
        if further is None:
            raise NoSuchRecall()
        rules.check_further(State(row["state"]), row["due_at"], row["complaint"], ctx.at)
        log.append(tx, permit, subject=person, detail={"what": "recall taken further"})
    reference = await further(stack, ctx, person, said, f"recall-{row['recall_id']}")
    async with stack.db.transaction(permit) as tx:
        await store.note_complaint(tx, row["recall_id"], reference)
        await store.step(tx, row["recall_id"], clock.now(), "further")
        log.append(tx, permit, subject=person, detail={"what": "complaint opened", "reference": reference})
    return await _read(stack, ctx, permit, row["recall_id"])
