"""Doors of closed ways: a page, and the same for apps."""

from typing import Any

import msgspec
from litestar import Response, Router, get, post
from litestar.params import JSONBody

from msingi.kernel import web
from msingi.kernel.context import Context
from msingi.kernel.errors import NotFound
from msingi.signin import flow, own, page
from msingi.signin.limits import Way
from msingi.signin.page import WebRequest
from msingi.signin.ways import acts
from msingi.signin.ways.acts import HERE
from msingi.signin.ways.model import ClosedWay


class Opening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The way to open: which institution's, and which of its ways."""

    institution: str
    way: Way


@get("/v1/signin/ways", tags=["signin"])
async def list_closed_ways(request: WebRequest) -> list[ClosedWay]:
    """Ways from institutions to the caller that too many tries have closed."""
    ctx, person_id = await own.caller(request, "identity-proofing", "signin.list-closed-ways")
    return await acts.list_closed_ways(web.stack(request), ctx, person_id)


@post("/v1/signin/ways", status_code=204, tags=["signin"])
async def open_way(request: WebRequest, data: JSONBody[Opening]) -> None:
    """Open one of them again."""
    ctx, person_id = await own.caller(request, "identity-proofing", "signin.list-closed-ways")
    if not await acts.open_way(web.stack(request), ctx, person_id, data.institution, data.way):
        raise NotFound("This way is not closed.")


@get(HERE, include_in_schema=False)
async def show(request: WebRequest) -> Response[Any]:
    """The page with the ways to whoever is signed in that are closed; two factors open it."""
    held = await own.visitor(request, HERE)
    if isinstance(held, Response):
        return held
    if held.session.factors < 2:
        return await own.stronger(request, HERE)
    stack, lang = held.stack, page.language(request, request.query_params.get("lang", ""))
    members = {m.code: stack.profile.say(m.name, lang) for m in stack.profile.institutions}
    ctx = held.ctx("identity-proofing")
    ways = [
        (members.get(w.institution, w.institution), w.way, minutes_left(w, ctx), held.token(f"{w.way} {w.institution}"))
        for w in await acts.list_closed_ways(stack, ctx, held.person_id)
    ]
    done = request.query_params.get("done", "") == "opened"
    return page.show(request, "ways", lang, here=HERE, ways=ways, done=done)


def minutes_left(way: ClosedWay, ctx: Context) -> int:
    """The minutes until a way opens by itself."""
    return int((way.until - ctx.at).total_seconds() + 59) // 60


@post(HERE, include_in_schema=False)
async def change(request: WebRequest) -> Response[Any]:
    """Open a way from the page."""
    flow.check_origin(request)
    held = await own.visitor(request, HERE)
    if isinstance(held, Response):
        return held
    if held.session.factors < 2:
        return await own.stronger(request, HERE)
    way, institution = held.opened((await own.fields(request)).get("way", [""])[0]).split(" ", 1)
    await acts.open_way(held.stack, held.ctx("identity-proofing"), held.person_id, institution, Way(way))
    return page.go(f"{HERE}?done=opened")


pages = [show, change]
doors = Router("/", route_handlers=[list_closed_ways, open_way])
