"""Doors of dormant accounts: for their owners, and for officials."""

from typing import Annotated

from litestar import Router, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta, Struct

from msingi.kernel import web
from msingi.payments.bank.doors import AnyRequest, paying_context
from msingi.payments.dormant import acts
from msingi.payments.dormant.model import HeirOrder, Sleeper, SleeperCase, UnclaimedReport

Number = Annotated[str, Meta(min_length=13, max_length=24)]
Year = Annotated[int, QueryParameter(ge=2000, le=9998, description="The calendar year of the country.")]
After = Annotated[str, QueryParameter(max_length=40, description="What the page before gave as `next_after`.")]
Limit = Annotated[int, QueryParameter(ge=1, le=acts.MAX_PAGE, description="How many lines at most.")]


class SleeperBody(Struct, frozen=True, forbid_unknown_fields=True):
    """One of the caller's accounts."""

    account: Number


class WakingBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The account of a customer who stands at the counter, and how the official knows."""

    account: Number
    reason: Annotated[str, Meta(min_length=1, max_length=140)]


class UnclaimedPaid(Struct, frozen=True):
    """How much came back, in minor units."""

    amount_minor: int


class SleeperProposed(Struct, frozen=True):
    """The case that another official confirms or refuses."""

    case_id: str


class SleeperDecision(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the second official agrees."""

    agrees: bool


@get("")
async def own(request: AnyRequest) -> list[Sleeper]:
    """The caller's accounts that sleep or are about to, and what is kept of them. 401, 403."""
    return await acts.own_sleepers(web.stack(request), await paying_context(request))


@post("/wake", status_code=200)
async def wake(request: AnyRequest, data: JSONBody[SleeperBody]) -> list[Sleeper]:
    """Wake an own account; which still sleep. 404, 409 payments.not-asleep."""
    stack, ctx = web.stack(request), await paying_context(request)
    await acts.wake(stack, ctx, data.account)
    return await acts.own_sleepers(stack, ctx)


@post("/claim", status_code=200)
async def claim(request: AnyRequest, data: JSONBody[SleeperBody]) -> UnclaimedPaid:
    """Get back what the authority keeps of an own account. 404 payments.nothing-unclaimed, 409."""
    return UnclaimedPaid(await acts.claim(web.stack(request), await paying_context(request), data.account))


@get("/cases")
async def cases(request: AnyRequest) -> list[SleeperCase]:
    """What waits for a second official. 403."""
    return await acts.cases(web.stack(request), await paying_context(request))


@post("/cases/wake")
async def propose_waking(request: AnyRequest, data: JSONBody[WakingBody]) -> SleeperProposed:
    """Propose to wake a customer's account. 403, 409 payments.not-asleep."""
    made = await acts.propose_waking(web.stack(request), await paying_context(request), data.account, data.reason)
    return SleeperProposed(made)


@post("/cases/heir")
async def propose_heir(request: AnyRequest, data: JSONBody[HeirOrder]) -> SleeperProposed:
    """Propose to pay an heir out of what is kept. 403, 404 payments.nothing-unclaimed."""
    return SleeperProposed(await acts.propose_heir(web.stack(request), await paying_context(request), data))


@post("/cases/{case_id:str}", status_code=200)
async def decide(request: AnyRequest, case_id: FromPath[str], data: JSONBody[SleeperDecision]) -> SleeperCase:
    """Confirm or refuse what another official proposed. 403, 404, 409 payments.second-official."""
    return await acts.decide(web.stack(request), await paying_context(request), case_id, agrees=data.agrees)


@get("/report")
async def report(request: AnyRequest, year: Year, after: After = "", limit: Limit = 100) -> UnclaimedReport:
    """The yearly report of unclaimed money. 403."""
    return await acts.report(web.stack(request), await paying_context(request), year, after=after, limit=limit)


routers = [
    Router(
        "/v1/payments/dormant",
        route_handlers=[own, wake, claim, cases, propose_waking, propose_heir, decide, report],
        tags=["payments"],
    )
]
