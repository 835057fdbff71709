"""Doors of the fraud desk: one's own stopped payments, and cases for compliance officers."""

from typing import Annotated, Any

from litestar import Request, Response, Router, get, post, put
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from msingi.kernel import web
from msingi.kernel.context import Context
from msingi.payments.fraud import acts, desk, rules, sanctions
from msingi.payments.fraud.model import CasePage, Counts, Dossier, Stopped, StoppedPage

AnyRequest = Request[Any, Any, Any]
Words = Annotated[str, Meta(min_length=1, max_length=rules.MAX_WORDS)]
Page = Annotated[str, QueryParameter(max_length=80, description="What the page before gave as its next place.")]
Limit = Annotated[int, QueryParameter(ge=1, le=acts.MAX_PAGE, description="How many items at most.")]

ListName = Annotated[str, PathParameter(max_length=32, description="Small letters, digits and dashes.")]


class WordsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What is said. `to_payer` makes an officer's note a question that the payer reads."""

    text: Words
    to_payer: bool = False


class ClearBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Why a payment is let go, for the desk, and words for the payer, if any."""

    text: Words
    to_payer: Annotated[str, Meta(max_length=rules.MAX_WORDS)] = ""


async def _person(request: AnyRequest, purpose: str = "payment") -> Context:
    basis = "contract" if purpose == "payment" else "legal-obligation"
    return await web.context(request, purpose, basis, signed_in=True)


async def _officer(request: AnyRequest) -> Context:
    return await web.context(request, "fraud-prevention", "legal-obligation", signed_in=True)


@get("/stopped")
async def stopped(request: AnyRequest, before: Page = "", limit: Limit = 25) -> StoppedPage:
    """The caller's payments that a safety rule stopped, newest first. 401, 403."""
    return await acts.stopped_payments(web.stack(request), await _person(request), before=before, limit=limit)


@get("/stopped/counts")
async def counts(request: AnyRequest) -> Counts:
    """How many payments were stopped, contested and let go in a year, and how many cases wait: for everybody."""
    return await acts.public_counts(web.stack(request), await web.context(request, "statistics", "public-task"))


@get("/stopped/{stop_id:str}")
async def one(request: AnyRequest, stop_id: str) -> Stopped:
    """One of them: why it was stopped, and how it stands. 404 payments.no-such-stop."""
    return await acts.stopped_payment(web.stack(request), await _person(request), stop_id)


@post("/stopped/{stop_id:str}/contest", status_code=200)
async def contest(request: AnyRequest, stop_id: str, data: JSONBody[WordsBody]) -> Stopped:
    """Contest it, or add what explains it; an officer decides by `due_at`. 404, 409 payments.cannot-contest."""
    return await acts.contest(web.stack(request), await _person(request, "redress"), stop_id, data.text)


@get("/fraud/cases")
async def queue(request: AnyRequest, after: Page = "", limit: Limit = 25) -> CasePage:
    """The cases that wait, the most urgent first, for compliance officers. 403."""
    return await desk.queue(web.stack(request), await _officer(request), after=after, limit=limit)


@get("/fraud/cases/{case_id:str}")
async def case(request: AnyRequest, case_id: str) -> Dossier:
    """A case with its notes and the account's movements. 403, 404 payments.no-such-fraud-case."""
    return await desk.see_case(web.stack(request), await _officer(request), case_id)


@post("/fraud/cases/{case_id:str}/taking", status_code=204)
async def take(request: AnyRequest, case_id: str) -> None:
    """Take a case. 404, 409 payments.not-your-step."""
    await desk.take(web.stack(request), await _officer(request), case_id)


@post("/fraud/cases/{case_id:str}/notes", status_code=204)
async def note(request: AnyRequest, case_id: str, data: JSONBody[WordsBody]) -> None:
    """Write into a case, or ask the payer. 404, 409 payments.not-your-step where a question would be a tip."""
    await desk.write(web.stack(request), await _officer(request), case_id, data.text, to_payer=data.to_payer)


@post("/fraud/cases/{case_id:str}/clearing", status_code=204)
async def clear(request: AnyRequest, case_id: str, data: JSONBody[ClearBody]) -> None:
    """Let the payment go: its payer may send it again. 404, 409 payments.not-your-step."""
    await desk.clear(web.stack(request), await _officer(request), case_id, data.text, data.to_payer)


@post("/fraud/cases/{case_id:str}/proposal", status_code=204)
async def propose(request: AnyRequest, case_id: str, data: JSONBody[WordsBody]) -> None:
    """Propose to confirm the suspicion; the words become the report's reason. 404, 409 payments.not-your-step."""
    await desk.propose(web.stack(request), await _officer(request), case_id, data.text)


@post("/fraud/cases/{case_id:str}/return", status_code=204)
async def send_back(request: AnyRequest, case_id: str, data: JSONBody[WordsBody]) -> None:
    """Disagree with a colleague's proposal. 404, 409 payments.not-your-step."""
    await desk.send_back(web.stack(request), await _officer(request), case_id, data.text)


@post("/fraud/cases/{case_id:str}/confirmation", status_code=204)
async def confirm(request: AnyRequest, case_id: str) -> None:
    """Confirm a colleague's proposal; the report is written. 404, 409 payments.not-your-step."""
    await desk.confirm(web.stack(request), await _officer(request), case_id)


@get("/fraud/cases/{case_id:str}/report", opt={"gives": ("application/xml",)})
async def report(request: AnyRequest, case_id: str) -> Response[bytes]:
    """The suspicious-transaction report on a confirmed case, in goAML's shape. 404 payments.no-report."""
    raw = await desk.report(web.stack(request), await _officer(request), case_id)
    return Response(raw, media_type="application/xml")


@get("/fraud/lists")
async def lists(request: AnyRequest) -> list[sanctions.SanctionList]:
    """The lists of sanctions in force, and how far each is compared. 403."""
    return await sanctions.lists(web.stack(request), await _officer(request))


@put("/fraud/lists/{name:str}", opt={"takes": ("application/xml", "text/csv")})
async def import_list(
    request: AnyRequest, name: Annotated[str, PathParameter(max_length=32)]
) -> sanctions.SanctionList:
    """Put a list in force: the UN consolidated list (XML), or CSV with ref, name, born. 400 payments.list-wrong."""
    return await sanctions.import_list(web.stack(request), await _officer(request), name, await request.body())


routers = [
    Router(
        "/v1/payments",
        route_handlers=[
            *(stopped, counts, one, contest),
            *(queue, case, take, note, clear, propose, send_back, confirm, report),
            *(lists, import_list),
        ],
        tags=["payments"],
    )
]
