"""Doors of programmes: open one, take people in and out, open and retry cycles, follow them.

Amounts in JSON are whole minor units (`amount_minor`). A cycle's payment file is approved and followed at
`/v1/payments/files/{file_id}`.
"""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Router, delete, get, post
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta, Struct

from msingi.kernel import web
from msingi.kernel.context import Context
from msingi.kernel.ids import PersonId
from msingi.payments.programmes import acts
from msingi.payments.programmes import model as m

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=acts.MAX_PAGE, description="How many items at most.")]
After = Annotated[UUID | None, QueryParameter(description="What the page before gave as `next_after`.")]
AfterCode = Annotated[str, QueryParameter(max_length=12, description="The last code of the page before.")]
Number = Annotated[str, Meta(min_length=1, max_length=40)]


class ListBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to take in: identity numbers, at most 1,000 in one call."""

    numbers: Annotated[list[Number], Meta(min_length=1, max_length=acts.MAX_LIST)]


class CycleBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A cycle to open, such as 2026-03; `retry`: for those whom it has not paid yet."""

    label: Annotated[str, Meta(min_length=1, max_length=16)]
    retry: bool = False


class Opened(Struct, frozen=True):
    """The payment file of a cycle: everybody is being checked, then it waits for its approval."""

    file_id: UUID


async def _ctx(request: AnyRequest) -> Context:
    return await web.context(request, "social-protection", "public-task", signed_in=True)


@post("/")
async def open_programme(request: AnyRequest, data: JSONBody[m.ProgrammeOrder]) -> m.Programme:
    """Open a programme. 400, 403, 404 payments.no-such-account, 409 payments.programme-code-taken."""
    return await acts.open_programme(web.stack(request), await _ctx(request), data)


@get("/")
async def programmes(request: AnyRequest, after: AfterCode = "", limit: Limit = 50) -> list[m.Programme]:
    """The institution's programmes by code. 403."""
    return await acts.programmes(web.stack(request), await _ctx(request), after=after, limit=limit)


@get("/{programme_id:uuid}")
async def programme(request: AnyRequest, programme_id: UUID) -> m.Programme:
    """One programme. 404 payments.no-such-programme."""
    return await acts.programme(web.stack(request), await _ctx(request), programme_id)


@post("/{programme_id:uuid}/closing", status_code=200)
async def close_programme(request: AnyRequest, programme_id: UUID) -> m.Programme:
    """End a programme. 404, 409 payments.programme-closed."""
    return await acts.close_programme(web.stack(request), await _ctx(request), programme_id)


@post("/{programme_id:uuid}/people", status_code=200)
async def enrol(request: AnyRequest, programme_id: UUID, data: JSONBody[ListBody]) -> list[m.Taken]:
    """Take people in by identity number; each number has its own outcome. 404, 409, 429 identity.too-many-misses."""
    return await acts.enrol_beneficiaries(web.stack(request), await _ctx(request), programme_id, data.numbers)


@get("/{programme_id:uuid}/people")
async def people(request: AnyRequest, programme_id: UUID, after: After = None, limit: Limit = 100) -> m.Beneficiaries:
    """Those who stand in a programme, without names and numbers. 404 payments.no-such-programme."""
    return await acts.beneficiaries(web.stack(request), await _ctx(request), programme_id, after=after, limit=limit)


@delete("/{programme_id:uuid}/people/{person_id:uuid}", status_code=204)
async def end(request: AnyRequest, programme_id: UUID, person_id: UUID) -> None:
    """Somebody leaves a programme; also if it happened already. 404 payments.no-such-programme."""
    await acts.end_beneficiary(web.stack(request), await _ctx(request), programme_id, PersonId(person_id))


@post("/{programme_id:uuid}/cycles")
async def open_cycle(request: AnyRequest, programme_id: UUID, data: JSONBody[CycleBody]) -> Opened:
    """Open or retry a cycle. 404, 409 payments.cycle-under-way, payments.nobody-left, payments.programme-closed."""
    stack, ctx = web.stack(request), await _ctx(request)
    return Opened(await acts.open_cycle(stack, ctx, programme_id, data.label, retry=data.retry))


@get("/{programme_id:uuid}/cycles")
async def cycles(request: AnyRequest, programme_id: UUID, limit: Limit = 50) -> list[m.Cycle]:
    """The newest cycles with their progress. 404 payments.no-such-programme."""
    return await acts.cycles(web.stack(request), await _ctx(request), programme_id, limit)


@get("/cycles/{file_id:uuid}/left-out")
async def left_out(request: AnyRequest, file_id: UUID, after: After = None, limit: Limit = 100) -> m.LeftOutPage:
    """Those who were left out of a cycle, with the reasons. 404 payments.no-such-file."""
    return await acts.left_out(web.stack(request), await _ctx(request), file_id, after=after, limit=limit)


routers = [
    Router(
        "/v1/payments/programmes",
        route_handlers=[
            *(open_programme, programmes, programme, close_programme),
            *(enrol, people, end, open_cycle, cycles, left_out),
        ],
        tags=["payments"],
    )
]
