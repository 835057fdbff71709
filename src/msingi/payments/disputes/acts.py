"""Verbs of disputes: open, look, answer, decide, take further; and the public counts."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

from msingi.kernel import log, policy
from msingi.kernel.context import Context, Kind, job_context
from msingi.kernel.crossing import crossing
from msingi.kernel.db import Row, Tx
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import parties
from msingi.payments import rules as ledger
from msingi.payments import store as accounts
from msingi.payments.disputes import moving, rules, store
from msingi.payments.disputes.errors import CannotDispute, DisputeEnded, NoSuchDispute
from msingi.payments.disputes.model import Dispute, DisputeCounts, DisputeOrder, DisputePage, State
from msingi.payments.disputes.model import Kind as What
from msingi.payments.fraud import rulebook
from msingi.payments.fraud.acts import cursor, uuid_of
from msingi.payments.fraud.model import DisputeTerms
from msingi.payments.fraud.rules import check_words
from msingi.payments.model import AccountKind

WORDS = "payments.dispute.words"
MAX_PAGE = 100
COUNTED = timedelta(days=365)
FURTHER = "payments.disputes.further"  # stack.local: opens a complaint and gives its reference; put there by offers.py
Further = Callable[[Stack, Context, PersonId, str, str], Awaitable[str]]


def terms(stack: Stack, kind: What) -> DisputeTerms:
    """What the country says of a kind of dispute. Raises CannotDispute where it says nothing."""
    book = rulebook.of(stack)
    found = book.disputes.get(kind.value) if book else None
    if found is None:
        raise CannotDispute(rule="kind")
    return found


@crossing("payments", "portal")
async def open_dispute(stack: Stack, ctx: Context, order: DisputeOrder) -> Dispute:
    """Dispute a transfer that the actor paid. Where the rule allows it, what the payee still has of it is held
    until the decision. Repeated, it gives the same dispute.

    Raises NoSuchTransfer, CannotDispute (too late, disputed in other words, or paid to another bank), Malformed.
    """
    said, told = check_words(order.text), terms(stack, order.kind)
    person, wanted = parties.person_of(ctx), uuid_of(order.transfer_id, ledger_errors.NoSuchTransfer())
    permit = policy.decide(ctx, "payments.open-dispute", person)
    paid = await moving.paid_by(stack, permit, person, wanted)
    rules.check_opening(told, paid["at"], ctx.at)
    answer_due, decide_due = rules.deadlines(told, ctx.at)
    payee, institution = await _payee(stack, paid["credit"])
    values = (
        *(wanted, person, payee, institution, paid["debit"], paid["credit"]),
        *(paid["payer"] or parties.own_name(stack, ctx), paid["payee"] or "", paid["amount"], paid["currency"]),
        *(paid["at"], order.kind.value, ctx.at, answer_due, decide_due, _sealed(stack, said)),
    )
    async with stack.db.transaction(permit) as tx:
        fresh = await store.add(tx, values)
        row = await store.dispute(tx, wanted)
        assert row is not None
        if not fresh and (row["kind"] != order.kind or _opened(stack, row["words"]) != said):
            raise CannotDispute(rule="once")
        log.append(tx, permit, subject=person, detail={"what": "payment disputed", "kind": order.kind.value})
    if told.hold and row["state"] in (State.OPEN, State.ANSWERED) and row["hold"] is None:
        await moving.hold(stack, row, told)
    return await _read(stack, ctx, permit, wanted, person)


async def _payee(stack: Stack, account: int) -> tuple[PersonId | None, str]:
    """Who holds the account that was paid: a person, or an institution.

    Raises CannotDispute where it is this bank's side of a payment to another bank: nothing that could be held or paid
    back is here, and the bank would refund what it does not have.
    """
    async with stack.db.reading("payments") as tx:
        holder = await accounts.institution_of(tx, account)
    if holder is not None and holder["kind"] == AccountKind.SETTLEMENT:
        raise CannotDispute(rule="other-bank")
    if holder is not None:
        return None, holder["institution"]
    permit = policy.decide(moving.job(), "payments.hold-disputed", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        person = await accounts.owner_of(tx, account)
        log.append(tx, permit, subject=person, detail={"what": "a payment to you is disputed"})
    return person, ""


def _sealed(stack: Stack, text: str) -> bytes:
    return stack.seal.seal_with_room_key(WORDS, text.encode())


def _opened(stack: Stack, sealed: bytes | None) -> str:
    return stack.seal.unseal_with_room_key(WORDS, bytes(sealed)).decode() if sealed else ""


def _shown(stack: Stack, row: Row, person: PersonId | None, ctx: Context) -> Dispute:
    """A dispute as one of its sides, or an officer, sees it."""
    mine, state = person is not None and store.person(row["payer"]) == person, State(row["state"])
    other = row["payee_name"] if mine else row["payer_name"]
    return Dispute(
        dispute_id=str(row["dispute_id"]), kind=What(row["kind"]), state=state, mine=mine,
        other=other or ledger.masked_number(ledger.number_of(row["credit"] if mine else row["debit"])),
        amount_minor=row["amount"], currency=row["currency"], held_minor=row["held"], refunded_minor=row["refunded"],
        paid_at=row["paid_at"], opened_at=row["opened_at"], answer_due=row["answer_due"], decide_due=row["decide_due"],
        text=_opened(stack, row["words"]), answer=_opened(stack, row["answer"]), reason=_opened(stack, row["reason"]),
        ended_at=row["ended_at"], complaint=row["complaint"] if mine or person is None else "",
        late=state in rules.WAITING and row["decide_due"] < ctx.at,
    )  # fmt: skip


async def _read(stack: Stack, ctx: Context, permit: policy.Permit, wanted: UUID, person: PersonId | None) -> Dispute:
    async with stack.db.transaction(permit) as tx:
        row = await store.dispute(tx, wanted)
        log.append(tx, permit, subject=person, detail={"what": "dispute"})
    if row is None:
        raise NoSuchDispute()
    return _shown(stack, row, person, ctx)


def _side(ctx: Context, act: str) -> tuple[policy.Permit, PersonId | None]:
    """The permit of a side: a person, or somebody who acts for the institution that was paid."""
    if ctx.actor.kind is Kind.PERSON:
        person = parties.person_of(ctx)
        return policy.decide(ctx, act, person, holder="person", own_account=False), person
    own = bool(ctx.actor.institution)
    return policy.decide(ctx, act, policy.NOBODY, holder="institution", own_account=own), None


async def _taking_part(tx: Tx, ctx: Context, wanted: UUID, person: PersonId | None) -> Row:
    """A dispute in which the actor is a side. Raises NoSuchDispute."""
    row = await store.dispute(tx, wanted)
    if row is not None:
        sides = store.person(row["payer"]), store.person(row["payee"])
        theirs = row["payee_institution"] and row["payee_institution"] == ctx.actor.institution
        if (person is not None and person in sides) or (person is None and theirs):
            return row
    raise NoSuchDispute()


@crossing("payments", "portal")
async def dispute(stack: Stack, ctx: Context, dispute_id: str) -> Dispute:
    """One dispute in which the actor takes part. Raises NoSuchDispute."""
    permit, person = _side(ctx, "payments.see-dispute")
    wanted = uuid_of(dispute_id, NoSuchDispute())
    async with stack.db.transaction(permit) as tx:
        row = await _taking_part(tx, ctx, wanted, person)
        log.append(tx, permit, subject=person, detail={"what": "dispute"})
    return _shown(stack, row, person, ctx)


@crossing("payments", "portal")
async def disputes(stack: Stack, ctx: Context, *, place: str = "", limit: int = 25) -> DisputePage:
    """A page of the disputes in which the actor takes part, on either side, newest first."""
    start = _page(place, limit)
    permit, person = _side(ctx, "payments.see-dispute")
    async with stack.db.transaction(permit) as tx:
        institution = "" if person is not None else ctx.actor.institution
        rows = await store.own(tx, person, institution, start, limit + 1)
        log.append(tx, permit, subject=person, detail={"what": "disputes", "count": min(len(rows), limit)})
    last = rows[limit - 1] if len(rows) > limit else None
    after = f"{last['opened_at'].isoformat()}|{last['dispute_id']}" if last else None
    return DisputePage([_shown(stack, row, person, ctx) for row in rows[:limit]], after)


def _page(place: str, limit: int):
    if not 1 <= limit <= MAX_PAGE:
        raise Malformed(f"A page has 1 to {MAX_PAGE} disputes.", field="limit", rule=f"1..{MAX_PAGE}")
    return cursor(place)


@crossing("payments", "portal")
async def answer(stack: Stack, ctx: Context, dispute_id: str, text: str, *, accept: bool = False) -> Dispute:
    """The other side's answer. With `accept` all is paid back at once, and the dispute is over.

    Raises NoSuchDispute, DisputeEnded for a second answer, or the ledger's reason (InsufficientFunds).
    """
    said, wanted = check_words(text), uuid_of(dispute_id, NoSuchDispute())
    permit, person = _side(ctx, "payments.answer-dispute")
    async with stack.db.transaction(permit) as tx:
        row = await _taking_part(tx, ctx, wanted, person)
        if person is not None and store.person(row["payee"]) != person:
            raise NoSuchDispute()
        rules.check_answer(State(row["state"]))
        if not accept:
            await store.answer(tx, wanted, _sealed(stack, said))
        log.append(tx, permit, subject=person, detail={"what": "dispute answered", "accepted": accept})
    if accept:
        await moving.pay_back(stack, permit, row, row["amount"], said)
        async with stack.db.transaction(permit) as tx:
            await store.end(tx, wanted, State.REFUNDED, row["amount"], _sealed(stack, said), "", ctx.at)
            log.append(tx, permit, subject=person, detail={"what": "dispute accepted"})
    async with stack.db.transaction(permit) as tx:
        row = await _taking_part(tx, ctx, wanted, person)
        log.append(tx, permit, subject=person, detail={"what": "dispute"})
    return _shown(stack, row, person, ctx)


@crossing("payments", "portal")
async def queue(stack: Stack, ctx: Context, *, place: str = "", limit: int = 25) -> DisputePage:
    """A page of disputes that wait for a decision, the most urgent first, for account officers."""
    start = _page(place, limit)
    permit = policy.decide(ctx, "payments.decide-dispute", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        rows = await store.queue(tx, start, limit + 1)
        log.append(tx, permit, detail={"what": "disputes that wait", "count": min(len(rows), limit)})
    last = rows[limit - 1] if len(rows) > limit else None
    after = f"{last['decide_due'].isoformat()}|{last['dispute_id']}" if last else None
    return DisputePage([_shown(stack, row, None, ctx) for row in rows[:limit]], after)


@crossing("payments", "portal")
async def review(stack: Stack, ctx: Context, dispute_id: str) -> Dispute:
    """One dispute for an account officer; the payer sees that it was read. Raises NoSuchDispute."""
    permit, wanted = policy.decide(ctx, "payments.decide-dispute", policy.ANYONE), uuid_of(dispute_id, NoSuchDispute())
    async with stack.db.transaction(permit) as tx:
        row = await store.dispute(tx, wanted)
        log.append(tx, permit, subject=store.person(row["payer"]) if row else None, detail={"what": "dispute read"})
    if row is None:
        raise NoSuchDispute()
    return _shown(stack, row, None, ctx)


@crossing("payments", "portal")
async def decide(stack: Stack, ctx: Context, dispute_id: str, refund_minor: int, reason: str) -> Dispute:
    """Decide a dispute: pay back `refund_minor` (0: nothing), with a reason that both sides read (laws 3 and 4).

    Raises NoSuchDispute, DisputeEnded, Malformed, or the ledger's reason where the payee has not enough.
    """
    said, wanted = check_words(reason, "reason"), uuid_of(dispute_id, NoSuchDispute())
    permit = policy.decide(ctx, "payments.decide-dispute", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        row = await store.dispute(tx, wanted)
        if row is None:
            raise NoSuchDispute()
        rules.check_refund(State(row["state"]), refund_minor, row["amount"])
        log.append(tx, permit, subject=store.person(row["payer"]), detail={"what": "dispute to be decided"})
    await moving.pay_back(stack, permit, row, refund_minor, said)
    state = State.REFUNDED if refund_minor else State.REFUSED
    async with stack.db.transaction(permit) as tx:
        if not await store.end(tx, wanted, state, refund_minor, _sealed(stack, said), ctx.actor.id, ctx.at):
            raise DisputeEnded()
        for side in (store.person(row["payer"]), store.person(row["payee"])):
            if side is not None:
                log.append(tx, permit, subject=side, detail={"what": "dispute decided", "result": state.value})
        if row["payee"] is None:
            log.append(tx, permit, detail={"what": "dispute decided", "result": state.value})
    return await review(stack, ctx, dispute_id)


@crossing("payments", "portal")
async def take_further(stack: Stack, ctx: Context, dispute_id: str, text: str) -> Dispute:
    """Take a dispute that was decided, or is late, to the register of complaints (law 5).

    Raises NoSuchDispute, NotYetFurther, and what the register says.
    """
    said, wanted = check_words(text), uuid_of(dispute_id, NoSuchDispute())
    person = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.open-dispute", person)
    further: Further | None = stack.local.get(FURTHER)  # type: ignore[assignment]
    async with stack.db.transaction(permit) as tx:
        row = await _taking_part(tx, ctx, wanted, person)
        if store.person(row["payer"]) != person or further is None:
            raise NoSuchDispute()
        rules.check_further(State(row["state"]), row["decide_due"], row["complaint"], ctx.at)
        log.append(tx, permit, subject=person, detail={"what": "dispute taken further"})
    reference = await further(stack, ctx, person, said, f"dispute-{wanted}")
    async with stack.db.transaction(permit) as tx:
        await store.note_complaint(tx, wanted, reference)
        log.append(tx, permit, subject=person, detail={"what": "complaint opened", "reference": reference})
    return await _read(stack, ctx, permit, wanted, person)


async def dispute_counts(stack: Stack, ctx: Context) -> DisputeCounts:
    """What everybody may know: counts of the last year, and of disputes that wait."""
    counting = job_context(moving.JOB, "statistics", "public-task")
    permit = policy.decide(counting, "payments.count-disputes", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        found = await store.counts(tx, ctx.at - COUNTED, ctx.at)
        log.append(tx, permit, detail={"what": "disputes counted"})
    return found
