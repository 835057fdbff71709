"""What happens when a rule speaks: the payment is kept as stopped, its payer is told, and an officer gets a case.

Two lines go into the log: one that the payer sees (a payment was stopped, in which words), and one that is sealed for
the room alone (which rules of which version), because whoever launders money must not learn that it was noticed.
"""

from datetime import timedelta
from uuid import UUID

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.context import Kind as Actor
from msingi.kernel.errors import Refusal
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack
from msingi.payments import homes, parties
from msingi.payments import rules as ledger
from msingi.payments.book import instant
from msingi.payments.fraud import store
from msingi.payments.fraud.errors import PaymentHeld, PaymentStopped
from msingi.payments.fraud.model import Answer, Came, Paid, Rulebook, State, Verdict
from msingi.payments.model import Order

JOB = "payments-fraud"


def job() -> Context:
    """The context in which the stack itself watches."""
    return job_context(JOB, "fraud-prevention", "legal-obligation")


def payer_of(order: Order) -> PersonId:
    """The person who orders, or in whose name a job does."""
    assert order.permit is not None
    if order.permit.context.actor.kind is Actor.PERSON:
        return parties.person_of(order.permit.context)
    assert order.permit.subjects is not None
    return order.permit.subjects[0]


async def history(stack: Stack, order: Order, since_us: int, most: int) -> tuple[list[Paid], list[Came]]:
    """What an account paid, and what people paid into it, since an instant, from the journal."""
    permit = policy.decide(job(), "payments.read-history", policy.ANYONE)
    since = instant(since_us)
    async with homes.home(stack, ledger.shard_of(order.debit)).db.transaction(permit) as tx:
        paid = await store.paid_lately(tx, order.debit, since, most)
        came = await store.came_lately(tx, order.debit, since, most)
        log.append(tx, permit, detail={"what": "payments of the last days, to weigh a new one"})
    return paid, came


async def paid_before(stack: Stack, order: Order) -> bool:
    """Whether the payer ever paid this payee, from the journal."""
    permit = policy.decide(job(), "payments.read-history", policy.ANYONE)
    async with homes.home(stack, ledger.shard_of(order.debit)).db.transaction(permit) as tx:
        found = await store.paid_before(tx, order.debit, order.credit)
        log.append(tx, permit, detail={"what": "whether a payee was paid before"})
    return found


def refusal(stop_id: UUID, told: str, state: str) -> Refusal:
    """What the payer is told."""
    kind = PaymentHeld if state == State.CHECKING else PaymentStopped
    return kind(stop=str(stop_id), why=told)


async def stop(stack: Stack, book: Rulebook, order: Order, verdict: Verdict) -> Refusal | None:
    """Keep a payment as stopped and say so; None where it may go all the same: an officer let it go, or it is a
    repetition of one that the ledger has decided."""
    person_id, now = payer_of(order), clock.now()
    permit = policy.decide(job(), "payments.stop-payment", person_id)
    async with homes.home(stack, ledger.shard_of(order.id.int)).db.reading("payments") as near:
        if await store.was_decided(near, order.id):
            return None
    async with stack.db.transaction(permit) as tx:
        if await store.use_pass(tx, person_id, now, order):
            log.append(tx, permit, subject=person_id, detail={"what": "payment sent that was checked"})
            return None
        known = await store.stop(tx, person_id, order.id)
        if known is not None:
            tx.repeated = True  # nothing new: the first answer again
            return refusal(order.id, known["told"], known["state"])
        review = verdict.answer is Answer.REVIEW
        case_id = uuid7() if review else None
        due_at = now + timedelta(hours=book.review_hours) if review else None
        state = State.CHECKING if review else State.STOPPED
        assert order.permit is not None
        name = order.payer or parties.own_name(stack, order.permit.context)
        kept = store.Stop(
            person_id=person_id,
            stop_id=order.id,
            at=now,
            payer_name=name,
            debit=order.debit,
            credit=order.credit,
            payee_name=order.payee,
            owner=order.owner,
            amount=order.amount,
            currency=order.currency,
            told=verdict.told,
            rules=list(verdict.rules),
            version=book.version,
            state=state.value,
            case_id=case_id,
            due_at=due_at,
        )
        await store.add_stop(tx, kept)
        reference = ""
        if case_id is not None and due_at is not None:
            reference = await store.add_case(tx, case_id, person_id, "review", order.id, verdict.rules, now, due_at)
        log.append(tx, permit, subject=person_id, detail={"what": "payment stopped", "why": verdict.told})
        sealed = {"rules": " ".join(verdict.rules), "version": book.version, "case": reference}
        log.append(tx, permit, detail={"what": "rules that spoke", **sealed})
    return refusal(order.id, verdict.told, state)
