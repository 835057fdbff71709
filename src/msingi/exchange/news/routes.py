"""The public doors of news: kinds of event by publisher. Publishing, subscribing and fetching stand under /r1."""

from typing import Any

from litestar import Request, Router, get

from msingi.exchange.news import acts
from msingi.exchange.news import door as door  # registers the doors under /r1
from msingi.exchange.news import model as m
from msingi.kernel import web


@get("/event-types/{member_class:str}/{member:str}/{subsystem:str}")
async def event_types(
    request: Request[Any, Any, Any], member_class: str, member: str, subsystem: str
) -> list[m.EventType]:
    """The kinds of event that a piece of software publishes, and the service whose rights say who may get them."""
    return await acts.types_of(web.stack(request), f"{member_class}/{member}/{subsystem}")


routers = [Router("/v1/exchange", route_handlers=[event_types], tags=["exchange"])]
