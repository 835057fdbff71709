"""Doors of biometrics: capture and what was captured; and those of the matcher, which shows its key."""

from typing import Any, Final
from uuid import UUID

import httpx
from litestar import Response, Router, get, post
from litestar.params import FromPath

from msingi.identity import acts as identity
from msingi.identity.biometrics import acts
from msingi.identity.biometrics.model import Captured, CaptureOrder, MatcherState, RequestId
from msingi.identity.routes import Asked, as_officer
from msingi.kernel import web
from msingi.kernel.context import job_context
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId

TAGS: Final = ["identity"]


async def _person(request: Asked, number: str) -> tuple[Any, Any, PersonId]:
    stack, ctx = web.stack(request), await as_officer(request)
    return stack, ctx, await identity.person_by_number(stack, ctx, number, any_status=True)


@post("/v1/identity/people/{number:str}/biometrics", tags=TAGS, summary="Keep biometrics, or why there are none")
async def capture(request: Asked, number: FromPath[str], data: CaptureOrder) -> Captured:
    """CBEFF XML in base64, and what is missing with the reason; nobody is turned away. The matcher is asked later, and
    people decide what it found. Role: `enrolment-officer`."""
    stack, ctx, person_id = await _person(request, number)
    return await acts.add_biometrics(stack, ctx, person_id, data)


@get("/v1/identity/people/{number:str}/biometrics", tags=TAGS, summary="What was captured of a person")
async def captured(request: Asked, number: FromPath[str]) -> list[Captured]:
    """Without the records, which nobody reads. Roles: `enrolment-officer`, `adjudicator`."""
    stack, ctx, person_id = await _person(request, number)
    return await acts.biometrics_of(stack, ctx, person_id)


@get("/v1/identity/abis", tags=TAGS, summary="How the matcher does")
async def state(request: Asked) -> MatcherState:
    """Whether it answers a ping, what it holds, and what waits. Role: `operator`."""
    async with httpx.AsyncClient() as client:
        return await acts.matcher_state(web.stack(request), await as_officer(request), client)


@get("/v1/identity/abis/records/{request_id:uuid}", tags=TAGS, summary="Records for the matcher")
async def records(request: Asked, request_id: UUID) -> Response[bytes]:
    """MOSIP's data share: the CBEFF of an unanswered insert, encrypted to the matcher's certificate (VER_R2)."""
    stack = web.stack(request)
    acts.check_matcher(stack, request.headers.get("authorization", ""))
    sealed = await acts.share(stack, job_context("biometrics", "identity-registration"), RequestId(request_id))
    return Response(sealed, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})


@post("/v1/identity/abis/answers", tags=TAGS, summary="An answer of the matcher", status_code=204)
async def answer(request: Asked) -> None:
    """An answer of MOSIP's ABIS API 0.9 to a request of this stack, which came later than the reply to it."""
    stack = web.stack(request)
    acts.check_matcher(stack, request.headers.get("authorization", ""))
    try:
        said = await request.json()
    except ValueError:
        raise Malformed("Send JSON.", field="body", rule="json") from None
    await acts.take_raw_answer(stack, job_context("biometrics", "identity-registration"), said)


routers = [Router("/", route_handlers=[capture, captured, state, records, answer])]
