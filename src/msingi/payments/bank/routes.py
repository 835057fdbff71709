"""Doors of the bank: shops, their square codes, paying them, and statements.

Amounts in JSON are whole minor units of the named currency (`amount_minor`).
"""

from datetime import date
from typing import Annotated

from litestar import Response, Router, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from msingi.kernel import web
from msingi.payments import model as m
from msingi.payments import rules as ledger_rules
from msingi.payments.bank import acts, agents, routes_asking, routes_floats, statements, wire
from msingi.payments.bank.doors import Amount, AnyRequest, Key, paying_context
from msingi.payments.bank.model import (
    CashAsked,
    CashIn,
    CashReceipt,
    CashWaiting,
    Merchant,
    MerchantOrder,
    OwnMerchant,
    Payee,
    Period,
    Purchase,
    Scanned,
)

Shop = Annotated[str, PathParameter(max_length=12, description="Number of a shop, 7 digits.")]
Number = Annotated[str, PathParameter(max_length=24, description="Account number, 13 digits; blanks are ignored.")]
Words = Annotated[str, QueryParameter(max_length=25)]
MaybeAmount = Annotated[int, QueryParameter(ge=0, le=ledger_rules.MAX_AMOUNT_MINOR)]


class ShopBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A shop to register: of a person (`number`) or of an institution (`account`). `latin` and `city` are ASCII."""

    name: Annotated[str, Meta(min_length=1, max_length=60)]
    latin: Annotated[str, Meta(min_length=1, max_length=25)]
    city: Annotated[str, Meta(min_length=1, max_length=15)]
    category: Annotated[str, Meta(min_length=4, max_length=4)]
    number: Annotated[str, Meta(max_length=40)] = ""
    account: Annotated[str, Meta(max_length=24)] = ""


class CodeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The text of a square code, as scanned."""

    text: Annotated[str, Meta(min_length=1, max_length=1024)]


class PayeeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What a payer typed: a phone, an identity number, a virtual id, an account or a shop's number."""

    typed: Annotated[str, Meta(min_length=1, max_length=40)]


class PurchaseBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A payment to a shop from one of the caller's own accounts."""

    payer: Annotated[str, Meta(max_length=24)]
    amount_minor: Amount
    currency: Annotated[str, Meta(min_length=3, max_length=3)]
    bill: Annotated[str, Meta(max_length=140)] = ""


class CodeText(Struct, frozen=True):
    """The text to be drawn as a QR code."""

    text: str


@get("/merchants")
async def own_merchants(request: AnyRequest) -> list[OwnMerchant]:
    """The shops that are paid into the caller's accounts. 401, 403."""
    return await acts.own_merchants(web.stack(request), await paying_context(request))


@post("/merchants")
async def register(request: AnyRequest, data: JSONBody[ShopBody], key: Key) -> Merchant:
    """Register a shop, as an account officer who checked who stands behind it. 400, 403, 404."""
    order = MerchantOrder(
        key=key, name=data.name, latin=data.latin, city=data.city, category=data.category,
        number=data.number, account=data.account,
    )  # fmt: skip
    return await acts.register_merchant(web.stack(request), await paying_context(request), order)


@post("/merchants/scan", status_code=200)
async def scan(request: AnyRequest, data: JSONBody[CodeBody]) -> Scanned:
    """What an EMVCo code asks for; the name is the register's. 400 payments.not-a-code, 404."""
    return await acts.scan(web.stack(request), await paying_context(request), data.text)


@get("/merchants/{code:str}")
async def merchant(request: AnyRequest, code: Shop) -> Merchant:
    """A shop as the register has it, for whoever is about to pay. 404 payments.no-such-merchant."""
    return await acts.see_merchant(web.stack(request), await paying_context(request), code)


@post("/merchants/{code:str}/closing", status_code=200)
async def close(request: AnyRequest, code: Shop) -> Merchant:
    """Close a shop for good, as an officer of the institution that registered it. 403, 404."""
    return await acts.close_merchant(web.stack(request), await paying_context(request), code)


@get("/merchants/{code:str}/code")
async def code_text(
    request: AnyRequest, code: Shop, amount_minor: MaybeAmount = 0, bill: Words = "", terminal: Words = ""
) -> CodeText:
    """The EMVCo code of an own shop: static, or with an amount for one sale. 400, 404."""
    stack, ctx = web.stack(request), await paying_context(request)
    found = await acts.merchant_code(stack, ctx, code, amount_minor=amount_minor, bill=bill, terminal=terminal)
    return CodeText(found)


@post("/merchants/{code:str}/payments")
async def pay(request: AnyRequest, code: Shop, data: JSONBody[PurchaseBody], key: Key) -> m.Receipt:
    """Pay a shop. The answer comes once the payment is durable. 400, 403, 404, 409 with the ledger's reason."""
    order = Purchase(
        key=key, payer=data.payer, merchant=code, amount_minor=data.amount_minor, currency=data.currency, bill=data.bill
    )
    return await acts.pay_merchant(web.stack(request), await paying_context(request), order)


@post("/payees/find", status_code=200)
async def find_payee(request: AnyRequest, data: JSONBody[PayeeBody]) -> Payee:
    """Whom a typed text means, whatever kind of alias it is, and the (masked) name to confirm. 404, 429."""
    return await acts.find_payee(web.stack(request), await paying_context(request), data.typed)


@get("/accounts/{number:str}/statement", opt={"gives": ("application/xml", "text/csv")})
async def statement(
    request: AnyRequest, number: Number, first: date, last: date, form: Words = "csv"
) -> Response[bytes]:
    """A statement over whole days of the country: `form` is csv or camt.053. 400, 404 payments.no-such-account."""
    if form not in ("csv", "camt.053"):
        raise acts.Malformed("A statement is csv or camt.053.", field="form", rule="csv or camt.053")
    stack = web.stack(request)
    found = await statements.booked(stack, await paying_context(request), number, Period(first, last))
    currency = stack.profile.currency
    if form == "csv":
        return Response(wire.to_csv(found, currency), media_type="text/csv; charset=utf-8")
    raw = wire.to_camt_053(found, currency, statements.servicer(stack))
    return Response(raw, media_type="application/xml")


class CashInBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Cash that a customer handed over: `customer` is a phone, an identity number or an account."""

    customer: Annotated[str, Meta(min_length=1, max_length=40)]
    amount_minor: Amount


class CashOutBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Cash to be fetched at an agent's: the agent's number and the amount."""

    agent: Annotated[str, Meta(min_length=1, max_length=12)]
    amount_minor: Amount


class CashCodeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The six digits that a customer told."""

    code: Annotated[str, Meta(min_length=6, max_length=6)]


@post("/agents/{code:str}/cash-in")
async def cash_in(request: AnyRequest, code: Shop, data: JSONBody[CashInBody], key: Key) -> CashReceipt:
    """Pay cash in for a customer, out of the float of the caller's agency. 400, 403, 404, 409."""
    order = CashIn(key=key, customer=data.customer, amount_minor=data.amount_minor, agent=code)
    return await agents.cash_in(web.stack(request), await paying_context(request), order)


@post("/cash")
async def ask_cash(request: AnyRequest, data: JSONBody[CashOutBody], key: Key) -> CashAsked:
    """Reserve cash and its fee; the code to tell the agent. 400, 403, 404 payments.no-such-agent, 409."""
    return await agents.ask_cash(web.stack(request), await paying_context(request), key, data.agent, data.amount_minor)


@get("/cash")
async def cash_waiting(request: AnyRequest) -> list[CashWaiting]:
    """The cash that waits for the caller at agents', with its codes. 403."""
    return await agents.cash_waiting(web.stack(request), await paying_context(request))


@post("/cash/stop", status_code=200)
async def stop_cash(request: AnyRequest, data: JSONBody[CashCodeBody]) -> list[CashWaiting]:
    """Take back cash that was not fetched; what still waits. 404 payments.no-such-cash."""
    stack, ctx = web.stack(request), await paying_context(request)
    await agents.stop_cash(stack, ctx, data.code)
    return await agents.cash_waiting(stack, ctx)


@post("/agents/{code:str}/cash-out/check", status_code=200)
async def see_cash(request: AnyRequest, code: Shop, data: JSONBody[CashCodeBody]) -> CashWaiting:
    """What a customer's code stands for at the caller's agency. 404 payments.no-such-cash, 429."""
    return await agents.see_cash(web.stack(request), await paying_context(request), code, data.code)


@post("/agents/{code:str}/cash-out", status_code=200)
async def pay_cash(request: AnyRequest, code: Shop, data: JSONBody[CashCodeBody]) -> CashReceipt:
    """Take the customer's money; then hand over the cash. Repeated, the first receipt. 404, 409, 429."""
    return await agents.pay_cash(web.stack(request), await paying_context(request), code, data.code)


routers = [
    Router(
        "/v1/payments",
        route_handlers=[
            *(own_merchants, register, scan, merchant, close, code_text, pay, find_payee, statement),
            *(cash_in, ask_cash, cash_waiting, stop_cash, see_cash, pay_cash),
        ],
        tags=["payments"],
    ),
    routes_asking.router,
    routes_floats.router,
]
