"""Doors of governance: requests and complaints for people and offices, the full copy, and the law in force."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.params import HeaderParameter, JSONBody, QueryParameter

from msingi.countries.law import ProtectionLaw
from msingi.governance import acts, pages, pages_delegates, pages_public, pages_staff, rules
from msingi.governance.model import Answer, Case, CaseOrder, Dossier, Listed, NewExhibit, Page
from msingi.kernel import web
from msingi.kernel.context import Context, Kind
from msingi.kernel.errors import NotSignedIn, TooLarge
from msingi.kernel.ids import PersonId

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=rules.MOST, description="How many items at most.")]
After = Annotated[str, QueryParameter(max_length=40, description="What the page before gave as `after`.")]
Key = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key", min_length=1, max_length=100, description="One key for one intention; repeat it safely."
    ),
]
block = pages.BLOCK
ZIP = {"Content-Disposition": 'attachment; filename="my-data.zip"', "Cache-Control": "no-store"}


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message to a case."""

    text: str


class Added(msgspec.Struct, frozen=True):
    """A file that was added to a case."""

    exhibit_id: UUID


async def _redress(request: AnyRequest) -> Context:
    return await web.context(request, "redress", "legal-obligation", signed_in=True)


def _self(ctx: Context) -> PersonId:
    """The person who calls. Raises NotSignedIn for staff and software: these doors are for the person concerned."""
    if ctx.actor.kind is not Kind.PERSON:
        raise NotSignedIn("This door is for the person concerned.")
    return PersonId(UUID(ctx.actor.id))


async def _file(request: AnyRequest) -> NewExhibit:
    """The file that a request carries as its body."""
    body = await request.body()
    if len(body) > rules.EXHIBIT_BYTES:
        raise TooLarge(most=rules.EXHIBIT_BYTES)
    return NewExhibit(request.headers.get("x-file-name", "evidence"), rules.media_type_of(body), body)


@get("/law")
async def law(request: AnyRequest) -> ProtectionLaw:
    """The data-protection law in force, as data: rights with deadlines, grounds to refuse, duties to keep."""
    return web.stack(request).profile.law


@post("/cases")
async def open_case(request: AnyRequest, data: JSONBody[CaseOrder], key: Key) -> Case:
    """Open a request or a complaint. 400 governance.case-malformed, 401, 403, 404, 429 governance.too-many-cases."""
    ctx = await _redress(request)
    return await acts.open_case(web.stack(request), ctx, _self(ctx), data, key)


@get("/cases")
async def cases(request: AnyRequest, after: After = "", limit: Limit = 50) -> Page[Case]:
    """My requests and complaints, newest first. 400, 401, 403."""
    ctx = await _redress(request)
    return await acts.cases(web.stack(request), ctx, _self(ctx), after, limit)


@get("/cases/{case_id:uuid}")
async def case(request: AnyRequest, case_id: UUID) -> Dossier:
    """One of my cases with messages, evidence and the line that it is about. 404 governance.case-unknown."""
    ctx = await _redress(request)
    return await acts.case(web.stack(request), ctx, _self(ctx), case_id)


@post("/cases/{case_id:uuid}/messages")
async def write(request: AnyRequest, case_id: UUID, data: JSONBody[Words]) -> Case:
    """Write to my case. 404 governance.case-unknown, 409 governance.case-not-open."""
    ctx = await _redress(request)
    return await acts.write(web.stack(request), ctx, _self(ctx), case_id, data.text)


@post("/cases/{case_id:uuid}/appeal")
async def appeal(request: AnyRequest, case_id: UUID, data: JSONBody[Words]) -> Case:
    """Take the case to the authority. 404, 409 governance.cannot-appeal."""
    ctx = await _redress(request)
    return await acts.appeal(web.stack(request), ctx, _self(ctx), case_id, data.text)


@post("/cases/{case_id:uuid}/withdrawal")
async def withdraw_case(request: AnyRequest, case_id: UUID) -> Case:
    """I need no answer any more. 404, 409 governance.case-not-open."""
    ctx = await _redress(request)
    return await acts.withdraw_case(web.stack(request), ctx, _self(ctx), case_id)


@post("/cases/{case_id:uuid}/exhibits")
async def add_exhibit(request: AnyRequest, case_id: UUID) -> Added:
    """Add a file (the body; its name in X-File-Name) as evidence. 400 governance.exhibit-refused, 404, 409, 413."""
    ctx = await _redress(request)
    made = await acts.add_exhibit(web.stack(request), ctx, _self(ctx), case_id, await _file(request))
    return Added(made)


@get("/cases/{case_id:uuid}/evidence")
async def evidence(request: AnyRequest, case_id: UUID) -> Response[str]:
    """The log's proof of the line that my complaint is about (C2SP tlog-proof). 404."""
    ctx = await _redress(request)
    text = await acts.evidence(web.stack(request), ctx, _self(ctx), case_id)
    return Response(text, media_type="text/plain; charset=utf-8")


@get("/copy.zip", opt={"gives": ("application/zip",)})
async def full_copy(request: AnyRequest) -> Response[bytes]:
    """All that the stack holds about me, as one zip of JSON, CSV and FHIR files; two factors. 401, 403."""
    ctx = await web.context(request, "subject-access", "legal-obligation", signed_in=True)
    raw = await acts.full_copy(web.stack(request), ctx, _self(ctx))
    return Response(raw, media_type="application/zip", headers=ZIP)


def _subject(request: AnyRequest, ctx: Context, subject_id: str) -> PersonId:
    """Whom an office means: by its own pseudonym of the person. Raises Malformed."""
    return web.stack(request).pseudonym.person(ctx.actor.institution, subject_id)


@get("/queue")
async def queue(request: AnyRequest, after: After = "", limit: Limit = 50) -> Page[Listed]:
    """Cases that wait for my office, oldest first; the list names nobody. 401, 403."""
    return await acts.queue(web.stack(request), await _redress(request), after, limit)


@get("/queue/{subject_id:str}/{case_id:uuid}")
async def review(request: AnyRequest, subject_id: str, case_id: UUID) -> Dossier:
    """One case that waits for my office; the person sees that I looked. 404 governance.case-unknown."""
    ctx = await _redress(request)
    return await acts.review(web.stack(request), ctx, _subject(request, ctx, subject_id), case_id)


@post("/queue/{subject_id:str}/{case_id:uuid}/messages")
async def reply(request: AnyRequest, subject_id: str, case_id: UUID, data: JSONBody[Words]) -> Case:
    """Write to the person, for example to ask for evidence; the clock runs on. 404, 409."""
    ctx = await _redress(request)
    return await acts.reply(web.stack(request), ctx, _subject(request, ctx, subject_id), case_id, data.text)


@post("/queue/{subject_id:str}/{case_id:uuid}/answer")
async def answer(request: AnyRequest, subject_id: str, case_id: UUID, data: JSONBody[Answer]) -> Case:
    """Answer a case; a refusal names its ground in law. 400 governance.ground-missing, 404, 409."""
    ctx = await _redress(request)
    return await acts.answer(web.stack(request), ctx, _subject(request, ctx, subject_id), case_id, data)


@get("/queue/{subject_id:str}/{case_id:uuid}/evidence")
async def evidence_for_office(request: AnyRequest, subject_id: str, case_id: UUID) -> Response[str]:
    """The log's proof of the line that the complaint is about (C2SP tlog-proof). 404."""
    ctx = await _redress(request)
    text = await acts.evidence(web.stack(request), ctx, _subject(request, ctx, subject_id), case_id)
    return Response(text, media_type="text/plain; charset=utf-8")


routers = [
    Router(
        "/v1/governance",
        route_handlers=[
            law, open_case, cases, case, write, appeal, withdraw_case, add_exhibit, evidence, full_copy, queue, review,
            reply, answer, evidence_for_office,
        ],
        tags=["governance"],
    ),
    pages_public.doors,
    pages_public.router,
    pages.router,
    pages_staff.router,
    pages_delegates.router,
]  # fmt: skip
