"""Doors of exchange: rates for everybody, quotes and conversions for customers, rates and positions for officers.

Amounts are minor units; the currency's decimals are those of its position.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Router, delete, get, post, put
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from msingi.kernel import web
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed
from msingi.payments.bank.doors import Amount, AnyRequest, Key, paying_context
from msingi.payments.rates import acts, converting
from msingi.payments.rates import model as m

Code = Annotated[str, Meta(min_length=3, max_length=3)]
CodePath = Annotated[str, PathParameter(max_length=3, description="ISO 4217 code.")]
IdPath = Annotated[str, PathParameter(max_length=36, description="A UUID.")]


class QuoteBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be converted: an amount that leaves (`send`, fees included) or that arrives (`receive`)."""

    source: Code
    target: Code
    amount_minor: Amount
    side: m.Side = m.Side.SEND


class ExchangeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Two own accounts: one in the quote's source currency, one in its target's."""

    payer: Annotated[str, Meta(min_length=1, max_length=24)]
    payee: Annotated[str, Meta(min_length=1, max_length=24)]


class RatesBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Rates that are proposed together."""

    rates: Annotated[list[m.RateOrder], Meta(min_length=1, max_length=1_000)]


class FileBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A CSV file of rates, as text."""

    csv: Annotated[str, Meta(min_length=1, max_length=200_000)]


class DecideBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether to approve what was proposed together."""

    approve: bool


class PositionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A currency to deal in."""

    digits: Annotated[int, Meta(ge=0, le=4)]
    limit_minor: Annotated[int, Meta(ge=0, le=10**15)]


async def _operating(request: AnyRequest) -> Context:
    return await web.context(request, "operations", "public-task", signed_in=True)


def _id(text: str, field: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Malformed("This id is a UUID.", field=field, rule="uuid") from None


@get("/rates")
async def rates_in_force(request: AnyRequest) -> list[m.Offered]:
    """The rates in force now, before and after the spread; public."""
    return await acts.offered(web.stack(request), await web.context(request, "payment", "contract"))


@post("/quotes", status_code=200)
async def ask_quote(request: AnyRequest, data: JSONBody[QuoteBody]) -> m.Quote:
    """What a conversion costs and gives; binding for two minutes. 400, 401, 403, 404."""
    wanted = data.source, data.target, data.amount_minor, data.side
    return await converting.quote(web.stack(request), await paying_context(request), *wanted)


@post("/quotes/{id:str}/confirmation", status_code=200)
async def confirm_quote(request: AnyRequest, id: IdPath, data: JSONBody[ExchangeBody], key: Key) -> m.Exchanged:
    """Convert between two own accounts by a quote. 400, 401, 403, 404, 409 payments.quote-expired."""
    ctx = await paying_context(request)
    return await converting.exchange(web.stack(request), ctx, id, data.payer, data.payee, key)


@put("/positions/{currency:str}", status_code=200)
async def open_position(request: AnyRequest, currency: CodePath, data: JSONBody[PositionBody]) -> m.Position:
    """Deal in a currency, owing at most so much of it. 400, 403."""
    ctx = await _operating(request)
    return await acts.open_position(web.stack(request), ctx, currency, data.digits, data.limit_minor)


@get("/positions")
async def positions(request: AnyRequest) -> list[m.Position]:
    """What the house holds and owes. 403."""
    return await acts.positions(web.stack(request), await _operating(request))


Before = Annotated[datetime | None, QueryParameter(description="Proposed before: the last of the page before.")]
BeforeId = Annotated[str, QueryParameter(max_length=36, description="Its id.")]
Limit = Annotated[int, QueryParameter(ge=1, le=200, description="How many at most.")]


@get("/proposals")
async def proposals(
    request: AnyRequest, before: Before = None, before_id: BeforeId = "", limit: Limit = 50
) -> list[m.Rate]:
    """Rates with who proposed and decided them, newest first. 400, 403."""
    last = before or acts.LATEST[0]
    if last.tzinfo is None:
        raise Malformed("A time has a zone.", field="before", rule="zone")
    id_ = _id(before_id, "before_id") if before_id else acts.LATEST[1]
    return await acts.rates(web.stack(request), await _operating(request), before=last, before_id=id_, limit=limit)


@post("/proposals")
async def propose(request: AnyRequest, data: JSONBody[RatesBody]) -> list[m.Rate]:
    """Propose rates; another officer decides. 400, 403, 404."""
    return await acts.propose_rates(web.stack(request), await _operating(request), data.rates)


@post("/proposals/csv")
async def import_file(request: AnyRequest, data: JSONBody[FileBody]) -> list[m.Rate]:
    """Propose the rates of a CSV file, all or none. 400, 403, 404."""
    return await acts.import_rates(web.stack(request), await _operating(request), data.csv)


@post("/proposals/{batch:str}/decision", status_code=200)
async def decide(request: AnyRequest, batch: IdPath, data: JSONBody[DecideBody]) -> dict[str, int]:
    """Approve or refuse what was proposed together. 403, 404, 409 payments.own-rate."""
    count = await acts.decide_rates(web.stack(request), await _operating(request), _id(batch, "batch"), data.approve)
    return {"rates": count}


@delete("/rates/{id:str}", status_code=204)
async def withdraw(request: AnyRequest, id: IdPath) -> None:
    """Take an approved rate back at once. 403, 404."""
    await acts.withdraw_rate(web.stack(request), await _operating(request), _id(id, "id"))


routers = [
    Router(
        "/v1/payments/exchange",
        route_handlers=[
            *(rates_in_force, ask_quote, confirm_quote, open_position, positions, proposals, propose, import_file),
            *(decide, withdraw),
        ],
        tags=["payments"],
    )
]
