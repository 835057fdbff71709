"""Doors of agents' floats, and of receipts by text message."""

from datetime import date
from typing import Annotated

from litestar import Router, get, post, put
from litestar.params import JSONBody, PathParameter
from msgspec import Struct

from msingi.kernel import web
from msingi.kernel.errors import Malformed
from msingi.payments.bank import floats, telling
from msingi.payments.bank.doors import AnyRequest, paying_context

Code = Annotated[str, PathParameter(max_length=12, description="Number of an agent.")]


class FloatBody(Struct, frozen=True):
    """The account that an agency's cash moves through."""

    account: str


@post("/agents/{code:str}/float", status_code=200)
async def open_float(request: AnyRequest, code: Code) -> FloatBody:
    """Keep the float apart from the own wallet; the number of its account, which tops it up. 403, 404."""
    return FloatBody(await floats.open_float(web.stack(request), await paying_context(request), code))


@get("/agents/{code:str}/days/{day:str}")
async def day_of_agency(
    request: AnyRequest, code: Code, day: Annotated[str, PathParameter(max_length=10, description="YYYY-MM-DD.")]
) -> floats.Closing:
    """The closing of a day: cash taken in and handed out, commission, float before and after. 400, 403, 404."""
    stack, ctx = web.stack(request), await paying_context(request)
    try:
        wanted = date.fromisoformat(day)
    except ValueError:
        raise Malformed("A day is written as YYYY-MM-DD.", field="day", rule="iso8601") from None
    return await floats.day_of_agency(stack, ctx, code, wanted)


@get("/messages")
async def own_telling(request: AnyRequest) -> telling.Wish:
    """Which receipts the caller gets by text message. 403."""
    return await telling.own_telling(web.stack(request), await paying_context(request))


@put("/messages", status_code=200)
async def choose_telling(request: AnyRequest, data: JSONBody[telling.Wish]) -> telling.Wish:
    """Choose which receipts come by text message, and whether they say the balance. 403."""
    await telling.choose_telling(web.stack(request), await paying_context(request), data)
    return data


router = Router(
    "/v1/payments", route_handlers=[open_float, day_of_agency, own_telling, choose_telling], tags=["payments"]
)
