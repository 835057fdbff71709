"""Doors of keeping: the register of retention, certificates of destruction, and legal holds."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Router, delete, get, post
from litestar.params import JSONBody, QueryParameter

from msingi.governance.keeping import acts
from msingi.governance.keeping.model import Certificate, Hold, HoldOrder, Kept
from msingi.governance.model import Page
from msingi.governance.rules import MOST
from msingi.kernel import web
from msingi.kernel.context import Context

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=MOST, description="How many items at most.")]
After = Annotated[str, QueryParameter(max_length=40, description="What the page before gave as `after`.")]


async def _redress(request: AnyRequest) -> Context:
    return await web.context(request, "redress", "legal-obligation", signed_in=True)


@get("/keeping")
async def keeping(request: AnyRequest) -> list[Kept]:
    """How long each table that holds something about people is kept, by which law, and who destroys it."""
    return await acts.register(web.stack(request))


@get("/destructions")
async def destructions(request: AnyRequest, after: After = "", limit: Limit = 50) -> Page[Certificate]:
    """What was destroyed, newest first: signed certificates about nobody."""
    return await acts.certificates(web.stack(request), after, limit)


@get("/destructions/{certificate_id:uuid}")
async def destruction(request: AnyRequest, certificate_id: UUID) -> Certificate:
    """One certificate of destruction; its JWS verifies with /v1/consent/keys. 404 governance.nothing-kept."""
    return await acts.certificate(web.stack(request), certificate_id)


@post("/holds/{subject_id:str}")
async def hold(request: AnyRequest, subject_id: str, data: JSONBody[HoldOrder]) -> Hold:
    """The authority orders that somebody's records be kept for now; `subject_id` is its pseudonym of them. 400, 403."""
    ctx, stack = await _redress(request), web.stack(request)
    return await acts.hold(stack, ctx, stack.pseudonym.person(ctx.actor.institution, subject_id), data)


@delete("/holds/{subject_id:str}/{hold_id:uuid}", status_code=204)
async def release(request: AnyRequest, subject_id: str, hold_id: UUID) -> None:
    """End a legal hold before its time. 403, 404 governance.hold-unknown."""
    ctx, stack = await _redress(request), web.stack(request)
    await acts.release(stack, ctx, stack.pseudonym.person(ctx.actor.institution, subject_id), hold_id)


routers = [
    Router("/v1/governance", route_handlers=[keeping, destructions, destruction, hold, release], tags=["governance"])
]
