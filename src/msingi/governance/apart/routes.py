"""The door of rights across machines: what was granted, and waits for a machine."""

from typing import Any

from litestar import Request, Router, get

from msingi.governance.apart import acts
from msingi.governance.apart.model import Waiting
from msingi.kernel import web


@get("/errands")
async def errands(request: Request[Any, Any, Any]) -> list[Waiting]:
    """How many erasures and holds wait for each machine of the stack, and since when; empty when all are done."""
    return await acts.waiting(web.stack(request))


routers = [Router("/v1/governance", route_handlers=[errands], tags=["governance"])]
