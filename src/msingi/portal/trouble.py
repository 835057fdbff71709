"""Pages that say no, in the visitor's language: what happened, what to do, and a number to ask with."""

import logging
from typing import Any
from urllib.parse import quote

from litestar import Response
from litestar.exceptions import HTTPException

from msingi.kernel import web
from msingi.kernel.context import ANYBODY, Kind
from msingi.kernel.errors import NotSignedIn, Outage, Refusal
from msingi.payments.fraud.errors import PaymentStopped
from msingi.portal.errors import SignInLost, StaleForm
from msingi.portal.model import Trouble
from msingi.portal.visit import VISIT, Visit, WebRequest, language

logger = logging.getLogger("msingi.portal")
KNOWN = frozenset({400, 401, 403, 404, 409, 429, 500, 503})


def _visit(request: WebRequest) -> Visit:
    """The visit that got into trouble; one by nobody where it is not known yet who visits."""
    found = request.scope.get(VISIT)
    return found if isinstance(found, Visit) else Visit(request, language(request), None, ANYBODY)


def _page(
    visit: Visit, status: int, key: str, *, remedy: str = "", wait_s: int = 0, contest: bool = False
) -> Response[bytes]:
    say, words = visit.say, visit.words
    home = "/" if visit.session is None else "/staff" if visit.actor.kind is Kind.STAFF else "/me"
    text = say(f"{key}_text") if words.has(f"{key}_text") else ""
    reference = web.request_id(visit.request) if status >= 500 or status in (400, 409) else ""
    view = Trouble(say(key), text, home, say("trouble.home"), remedy, reference, contest)
    if status == 401:
        to = visit.request.url.path if visit.request.method == "GET" else "/me"
        view = Trouble(say(key), text, f"/sign-in?next={quote(to)}", say("trouble.sign_in"), remedy, reference)
    answer = visit.page("public/trouble.html", view, status=status)
    if wait_s:
        answer.headers["Retry-After"] = str(wait_s)
    return answer


def on_refusal(request: WebRequest, ending: Refusal) -> Response[bytes]:
    """An expected no. Who must sign in for a page is sent there; others read why, in their language where we can."""
    visit = _visit(request)
    if isinstance(ending, NotSignedIn) and request.method == "GET" and not isinstance(ending, SignInLost):
        to = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return visit.go(f"/sign-in?next={quote(to)}")
    if isinstance(ending, PaymentStopped) and visit.actor.kind is Kind.PERSON:
        return visit.go(f"/me/money/stopped/{ending.facts['stop']}")  # why, and how to contest it
    if isinstance(ending, StaleForm):
        return _page(visit, 409, "trouble.stale")
    status = ending.status
    logger.info("refused", extra={"code": ending.code, "request_id": web.request_id(request)})
    key = f"refusal.{ending.code}"
    # A no of the bank can be contested by whoever meets it: a person reads why it is thought to be wrong.
    contest = ending.code.startswith("payments.") and visit.actor.kind is Kind.PERSON and status in (400, 403, 409)
    if visit.words.has(key):
        return _page(visit, status, key, contest=contest)
    known = status if status in KNOWN else 400
    # A reason that we have no words for is told as the room tells it, in English, below words that we have.
    remedy = f"{ending.title}. {ending.remedy}" if known in (400, 409) else ""
    return _page(
        visit,
        status,
        f"trouble.e{known}",
        remedy=remedy,
        wait_s=int(ending.facts.get("retry_after_s", 0)),
        contest=contest,
    )


def on_outage(request: WebRequest, ending: Outage) -> Response[bytes]:
    """Try later."""
    logger.warning("outage: %s", ending, extra={"request_id": web.request_id(request)})
    return _page(_visit(request), 503, "trouble.e503", wait_s=ending.retry_after_s)


def on_http(request: WebRequest, raised: HTTPException) -> Response[bytes]:
    """The framework's own noes."""
    if raised.status_code >= 500:
        return on_bug(request, raised)
    status = raised.status_code if raised.status_code in KNOWN else 400
    return _page(_visit(request), raised.status_code, f"trouble.e{status}")


def nowhere(request: WebRequest) -> Response[bytes]:
    """The page for an address that no room has."""
    return _page(_visit(request), 404, "trouble.e404")


def on_bug(request: WebRequest, bug: Exception) -> Response[bytes]:
    """A bug: the page carries the request's number and nothing else."""
    logger.error("bug", exc_info=bug, extra={"request_id": web.request_id(request)})
    return _page(_visit(request), 500, "trouble.e500")


HANDLERS: dict[Any, Any] = {
    Refusal: on_refusal,
    Outage: on_outage,
    HTTPException: on_http,
    Exception: on_bug,
}
