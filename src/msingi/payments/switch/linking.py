"""A transfer and the conversion that it is paid with: one ends with the other, in one chain of the ledger (law 9).

The payer's participant pays the exchange provider in one currency, and the provider pays the payee's in another. Which
conversion stands behind a transfer is found by the transfer's id alone.
"""

from datetime import datetime

from msgspec.structs import replace

from msingi.kernel import clock
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import orders, parties
from msingi.payments.model import Order
from msingi.payments.switch import rules, sending, store, wire
from msingi.payments.switch.model import Letter, State, Transfer
from msingi.payments.switch.roll import Roll

SCOPE, CODE = "switch", "FSPI"
TRANSFERS, CONVERSIONS = "transfers", "fxTransfers"
DECIDED_BY = "conversions"  # the talk that leads from a transfer to its conversion


def holder(stack: Stack, fsp: str) -> int:
    """The ledger's reference of the switch accounts of a participant: nobody but the switch may debit them."""
    return parties.institution_ref(stack, f"switch/{fsp}")


async def behind(stack: Stack, book: Roll, wanted: Transfer) -> tuple[Transfer | None, bool]:
    """The conversion that its payer ordered for a transfer, None if there is none; and whether the transfer is known.

    Asked only where somebody converts into the currency.
    """
    if wanted.resource != TRANSFERS or not any(pair.target == wanted.currency for pair in book.pairs):
        return None, False
    async with stack.db.reading("payments") as tx:
        talk = await store.talk(tx, DECIDED_BY, wanted.id)
        if talk is None or talk.source != wanted.payer:
            return None, False
        found = await store.transfer(tx, talk.destination)
        known = await store.transfer(tx, wanted.id) is not None
    return (found if found is not None and found.linked == wanted.id else None), known


async def of(stack: Stack, transfer: Transfer) -> Transfer | None:
    """The conversion behind a transfer, as the database has it; None for one that its payer pays by itself."""
    if not transfer.funder:
        return None
    async with stack.db.reading("payments") as tx:
        return await store.transfer(tx, transfer.linked)


async def decider(stack: Stack, conversion: Transfer) -> Transfer | None:
    """The transfer that decides a conversion, if it was ordered and its conversion stands behind it."""
    async with stack.db.reading("payments") as tx:
        found = await store.transfer(tx, conversion.linked)
    return found if found is not None and found.linked == conversion.id else None


def paid(stack: Stack, permit: Permit, conversion: Transfer | None) -> list[Order]:
    """The order that pays the exchange provider, for the chain that pays the payee; none without a conversion."""
    if conversion is None:
        return []
    one, by = conversion, orders.By(permit, holder(stack, conversion.payer), SCOPE)
    return [
        orders.commit(
            by, f"{one.id}/done", one.hold, one.amount_minor, one.currency, CODE, reference=one.fulfilment
        )
    ]  # fmt: skip


def freed(stack: Stack, permit: Permit, one: Transfer | None) -> list[Order]:
    """The order that frees what a transfer or a conversion reserved."""
    if one is None:
        return []
    by = orders.By(permit, holder(stack, one.funder or one.payer), SCOPE)
    return [orders.void(by, f"{one.hold}/void", one.hold, one.currency, CODE)]


def ended(book: Roll, conversion: Transfer | None, state: State) -> tuple[Transfer | None, list[Letter]]:
    """The conversion as it ends with its transfer, and how its provider is told: until it has taken it."""
    if conversion is None:
        return None, []
    now = clock.now()
    settled = conversion.amount_minor if state is State.COMMITTED else 0
    over = replace(conversion, state=state, completed_at=now, settled_minor=settled)
    return over, [told(book, over, now)]


def told(book: Roll, over: Transfer, now: datetime) -> Letter:
    """What a provider that has fulfilled is told in the end: PATCH /fxTransfers/{ID}."""
    body = wire.ConversionAnswer(over.state.name, None, rules.told(now))
    path = f"/{CONVERSIONS}/{over.id}"
    return sending.own(book, over.payee, "PATCH", path, body, "2.0", until=now + sending.SURELY)
