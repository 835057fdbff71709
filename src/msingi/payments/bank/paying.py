"""Who pays, and with which permit: shared by everything in the bank that moves money."""

from datetime import datetime

from msgspec import Struct

from msingi.kernel import policy
from msingi.kernel.context import Context, Kind
from msingi.kernel.ids import PersonId
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import book, charges, errors, ledger, orders, parties, rules
from msingi.payments.batch import Ending
from msingi.payments.groups import mandates
from msingi.payments.model import Order, Outcome, Receipt


class Payer(Struct, frozen=True):
    """The right to debit what the actor holds: the permit, the ledger's reference of the holder, and the person."""

    permit: Permit
    owner: int
    person: PersonId | None

    def by(self, scope: str) -> orders.By:
        """Who orders, within a scope of idempotency keys that only this holder can use."""
        return orders.By(self.permit, self.owner, scope=f"{scope}/{self.owner}")


async def payer_out_of(stack: Stack, ctx: Context, act: str, account: int, amount: int, key: str) -> Payer:
    """Who pays out of an account: its holder, or whoever has a mandate. Raises NotPermitted, NeedsSignatures."""
    permit, owner = await mandates.payer_of(stack, ctx, act, account, amount, key)
    return Payer(permit, owner, parties.person_of(ctx) if ctx.actor.kind is Kind.PERSON else None)


def payer(stack: Stack, ctx: Context, act: str) -> Payer:
    """The actor as holder of accounts: a person, or the institution that the actor works for. Raises NotPermitted."""
    if ctx.actor.kind is Kind.PERSON:
        person = parties.person_of(ctx)
        permit = policy.decide(ctx, act, person, holder="person", own_account=False)
        return Payer(permit, parties.person_ref(stack, person), person)
    own = bool(ctx.actor.institution)
    permit = policy.decide(ctx, act, policy.NOBODY, holder="institution", own_account=own)
    return Payer(permit, parties.institution_ref(stack, ctx.actor.institution), None)


async def post(stack: Stack, chain: list[Order]) -> Receipt:
    """Post a chain of linked orders, all or nothing; the receipt of the first. Raises the reason of a rejection."""
    endings = await (ledger.post_linked(stack, chain) if len(chain) > 1 else ledger.post(stack, chain))
    return receipt_of(chain[0], errors.check(endings)[0])


async def post_charged(stack: Stack, order: Order, agreed_minor: int | None) -> Receipt:
    """Post a payment together with what its payer's product charges for it, all or none; its receipt.

    Raises FeeChanged where it would cost more than `agreed_minor`, and the reason of a rejection.
    """
    charging = charges.of(stack)
    if charging is not None and charging.concerned(order, agreed_minor):
        return receipt_of(order, await charging.pay(order, agreed_minor))
    return await post(stack, [order])


def receipt_of(order: Order, outcome: Ending, *, balance: int | None = None) -> Receipt:
    """The receipt of an order that was posted; `balance` where it is not the payer's. Raises why it was not posted."""
    (ended,) = errors.check([outcome])
    return Receipt(
        str(order.id),
        ended.seq,
        rules.number_of(order.debit),
        order.payee,
        order.amount,
        order.currency,
        order.reference,
        ended.debit_after if balance is None else balance,
        moment(ended),
    )


def moment(outcome: Outcome) -> datetime:
    """When the ledger decided."""
    return book.instant(outcome.at_us)
