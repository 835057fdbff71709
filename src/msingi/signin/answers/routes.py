"""Doors of yes/no authentication, for institutions' software with the scope `authenticate`."""

from datetime import datetime

from litestar import Router, get, post
from litestar.params import JSONBody

from msingi.kernel import web
from msingi.kernel.hot import Hot
from msingi.signin import acts as signin
from msingi.signin.answers import acts
from msingi.signin.model import Alarm, Answer, CodeSent, Question
from msingi.signin.page import WebRequest, language


@post("/v1/authenticate", status_code=200, tags=["signin"])
async def authenticate(request: WebRequest, data: JSONBody[Question]) -> Answer:
    """Is this the person? A signed yes or no, and nothing else; the person sees that it was asked."""
    ctx = await web.context(request, "identity-proofing", "contract", channel="api", signed_in=True)
    return await acts.answer(web.stack(request), ctx, data)


async def _authenticated(request: WebRequest, data: Question, _: str) -> Answer:
    return await authenticate.fn(request, data)


@post("/v1/authenticate/code", status_code=202, tags=["signin"])
async def send_code(request: WebRequest, data: JSONBody[Question]) -> CodeSent:
    """Send the person a one-time code by SMS that they can tell the institution."""
    stack = web.stack(request)
    ctx = await web.context(request, "identity-proofing", "contract", channel="api", signed_in=True)
    name = (await signin.client(stack, ctx.actor.id)).name
    return await acts.send_answer_code(stack, ctx, data, language(request), name)


@get("/v1/signin/alarms", tags=["signin"])
async def alarms(request: WebRequest, before: datetime | None = None, limit: int = 50) -> list[Alarm]:
    """Institutions whose software seemed to guess, newest first; `before` the last one's `since` gives the next."""
    ctx = await web.context(request, "fraud-prevention", "public-task", channel="api", signed_in=True)
    return await acts.list_alarms(web.stack(request), ctx, before, limit)


doors = Router("/", route_handlers=[authenticate, send_code, alarms], request_max_body_size=16 * 1024)
hot = [Hot("/v1/authenticate", _authenticated, Question)]
