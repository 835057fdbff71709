"""Doors of two-phase payment, of many transfers in one call, and of what officers do with accounts.

Every order carries an `Idempotency-Key`; a batch carries one key for each of its transfers.
"""

from typing import Annotated

from litestar import post
from litestar.params import JSONBody
from msgspec import Meta, Struct

from msingi.kernel import web
from msingi.kernel.errors import Refusal
from msingi.payments import acts, holding, officers
from msingi.payments import model as m
from msingi.payments.routes import AliasBody, Amount, AnyRequest, Key, Number, paying

Currency = Annotated[str, Meta(min_length=3, max_length=3)]
Words = Annotated[str, Meta(min_length=1, max_length=140)]
HoldTime = Annotated[int, Meta(ge=1, le=holding.MAX_HOLD_S)]


class HoldBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What to reserve of one of the caller's own accounts, and for how many seconds."""

    payer: Annotated[str, Meta(max_length=24)]
    payee: AliasBody
    amount_minor: Amount
    currency: Currency
    timeout_s: HoldTime
    reference: Annotated[str, Meta(max_length=140)] = ""


class CommitBody(Struct, frozen=True, forbid_unknown_fields=True):
    """How much of a hold is paid: what is left of it becomes free."""

    payer: Annotated[str, Meta(max_length=24)]
    amount_minor: Amount
    currency: Currency


class VoidBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose hold is to be ended."""

    payer: Annotated[str, Meta(max_length=24)]
    currency: Currency


class ReversalBody(Struct, frozen=True, forbid_unknown_fields=True):
    """How much of a transfer is paid back, and why."""

    amount_minor: Amount
    reason: Words


class FreezeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What is stopped, or let go again, and why: the holder reads it."""

    reason: Words
    debits: bool = True
    credits: bool = False


class KeyedTransfer(Struct, frozen=True, forbid_unknown_fields=True):
    """One transfer of a batch, with its own idempotency key."""

    key: Annotated[str, Meta(min_length=1, max_length=64)]
    payer: Annotated[str, Meta(max_length=24)]
    payee: AliasBody
    amount_minor: Amount
    currency: Currency
    reference: Annotated[str, Meta(max_length=140)] = ""


class Told(Struct, frozen=True, omit_defaults=True):
    """How one transfer of a batch ended: a receipt, or the code, the title and the remedy of its refusal."""

    receipt: m.Receipt | None = None
    code: str = ""
    title: str = ""
    remedy: str = ""


@post("/transfers/batch", status_code=200)
async def batch(
    request: AnyRequest, data: JSONBody[Annotated[list[KeyedTransfer], Meta(max_length=1_000)]]
) -> list[Told]:
    """Pay up to 1,000 transfers that do not depend on each other; receipts or refusals in their order. 400, 403."""
    wanted = [
        m.TransferOrder(d.key, d.payer, m.Alias(d.payee.kind, d.payee.value), d.amount_minor, d.currency, d.reference)
        for d in data
    ]
    endings = await acts.transfer_many(web.stack(request), await paying(request), wanted)
    return [Told(code=e.code, title=e.title, remedy=e.remedy) if isinstance(e, Refusal) else Told(e) for e in endings]


@post("/holds")
async def reserve(request: AnyRequest, data: JSONBody[HoldBody], key: Key) -> holding.Held:
    """Reserve money for a payee until it is committed, voided, or its time is over. 400, 403, 404, 409."""
    alias = m.Alias(data.payee.kind, data.payee.value)
    order = m.TransferOrder(key, data.payer, alias, data.amount_minor, data.currency, data.reference)
    return await holding.reserve(web.stack(request), await paying(request), order, data.timeout_s)


@post("/holds/{hold_id:str}/commit", status_code=200)
async def commit(request: AnyRequest, hold_id: str, data: JSONBody[CommitBody], key: Key) -> holding.Paid:
    """Pay what is reserved, or less. 400, 403, 409 payments.no-such-hold, payments.hold-ended, payments.over-hold."""
    stack, ctx = web.stack(request), await paying(request)
    return await holding.commit_hold(stack, ctx, key, hold_id, data.payer, data.amount_minor, data.currency)


@post("/holds/{hold_id:str}/void", status_code=204)
async def void(request: AnyRequest, hold_id: str, data: JSONBody[VoidBody], key: Key) -> None:
    """End a hold without paying. 400, 403, 409 payments.no-such-hold, payments.hold-ended."""
    await holding.void_hold(web.stack(request), await paying(request), key, hold_id, data.payer, data.currency)


@post("/transfers/{transfer_id:str}/reversal", status_code=200)
async def reverse(request: AnyRequest, transfer_id: str, data: JSONBody[ReversalBody], key: Key) -> holding.Paid:
    """Pay a received transfer back, in whole or in part; officers correct mistakes so. 400, 403, 404, 409."""
    order = holding.ReversalOrder(key, transfer_id, data.amount_minor, data.reason)
    return await holding.reverse(web.stack(request), await paying(request), order)


@post("/accounts/{number:str}/freeze", status_code=204)
async def freeze(request: AnyRequest, number: Number, data: JSONBody[FreezeBody]) -> None:
    """Stop an account from paying, receiving, or both; the holder reads why. 400, 403, 404."""
    stack, ctx = web.stack(request), await paying(request)
    await officers.freeze(stack, ctx, number, reason=data.reason, debits=data.debits, credits=data.credits)


@post("/accounts/{number:str}/release", status_code=204)
async def release(request: AnyRequest, number: Number, data: JSONBody[FreezeBody]) -> None:
    """Let a frozen account pay, receive, or both, again. 400, 403, 404."""
    stack, ctx = web.stack(request), await paying(request)
    await officers.unfreeze(stack, ctx, number, reason=data.reason, debits=data.debits, credits=data.credits)


@post("/accounts/{number:str}/closing", status_code=204)
async def close(request: AnyRequest, number: Number) -> None:
    """Close an empty account for good. 403, 404, 409 payments.not-empty."""
    await officers.close_account(web.stack(request), await paying(request), number)


handlers = [batch, reserve, commit, void, reverse, freeze, release, close]
