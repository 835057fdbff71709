"""A transfer as its payer orders it, made ready for the writer; and how it ended, as its payer is told."""

from typing import NamedTuple

from msingi.kernel.context import Context, Kind
from msingi.kernel.errors import Refusal
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import book, errors, ledger, parties, rules
from msingi.payments.batch import Ending
from msingi.payments.groups import mandates
from msingi.payments.model import SHARD_BITS, Order, Receipt, TransferOrder

ACT = "payments.transfer"
_SHARD = (1 << SHARD_BITS) - 1


class Payer(NamedTuple):
    """Who pays: the permit to debit what the actor holds alone, the reference of that holder, and the permit's text."""

    permit: Permit
    owner: int
    text: str


def payer_of(stack: Stack, ctx: Context) -> Payer:
    """Who pays by `ctx`. Raises NotPermitted."""
    permit, owner = mandates.own(stack, ctx, ACT)
    return Payer(permit, owner, parties.permit_text(permit))


def plain(stack: Stack, ctx: Context, wanted: TransferOrder, payer: Payer) -> Order | None:
    """A transfer as the writer takes it, where nothing has to be looked up: the payee is named by an account, and the
    actor holds the debited one alone, as the writer's memory knows. None for any other. Raises what `ordered` does."""
    if not rules.is_sound(wanted):
        rules.check_order(wanted)
    debit, alias = rules.id_of(wanted.payer), wanted.payee
    if alias.kind != "account":
        return None
    owner = payer[1]
    if ctx.actor.kind is Kind.PERSON and ledger.holder_of(stack, debit) != owner:
        return None
    return _made(stack, ctx, wanted, payer, owner, debit, rules.id_of(alias.value), "")


async def ordered(stack: Stack, ctx: Context, wanted: TransferOrder, payer: Payer) -> Order:
    """A permitted transfer as the writer takes it: the payee is found. The actor holds the debited account, or has a
    mandate over it."""
    debit, owner, name = rules.id_of(wanted.payer), payer.owner, ""
    if ctx.actor.kind is Kind.PERSON and ledger.holder_of(stack, debit) != owner:
        asked = mandates.Debit(debit, wanted.amount_minor, wanted.key, ACT)
        owner = await mandates.owner_for(stack, ctx, parties.person_of(ctx), asked, owner)
    if wanted.payee.kind == "account":
        credit = rules.id_of(wanted.payee.value)
    else:
        try:
            credit, name, _ = await parties.payee(stack, ctx, wanted.payee)
        except errors.NoSuchAccount:
            if ctx.actor.kind is Kind.PERSON:  # a payment that cannot succeed is no way round the limit of look-ups
                await parties.count_lookup(stack, ctx, wanted.payee)
            raise
    return _made(stack, ctx, wanted, payer, owner, debit, credit, name)


def _made(
    stack: Stack, ctx: Context, wanted: TransferOrder, payer: Payer, owner: int, debit: int, credit: int, name: str
) -> Order:
    """The order to pay from one account to another; `name` is what the payer sees of the payee."""
    transfer_id = rules.transfer_id(f"{owner}/{debit}", wanted.key, debit & _SHARD)
    amount, currency, words = wanted.amount_minor, wanted.currency, wanted.reference
    hashed = rules.body_hash(transfer_id, debit, credit, amount, currency, "P2P", words)
    me = parties.own_name(stack, ctx) if name or words else ""
    permit, _, text = payer
    return Order(transfer_id, owner, debit, credit, amount, currency, "P2P", hashed, permit, text, words, me, name)


def told(wanted: TransferOrder, order: Order, ending: Ending) -> Receipt | Refusal:
    """How an order ended, as its payer is told."""
    if isinstance(ending, Refusal):
        return ending
    if ending.reason:
        return errors.refusal(ending.reason)
    return Receipt(
        str(order.id),
        ending.seq,
        wanted.payer,
        order.payee or rules.masked_number(wanted.payee.value),
        order.amount,
        order.currency,
        order.reference,
        ending.debit_after,
        book.instant(ending.at_us),
    )
