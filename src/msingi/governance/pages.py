"""Pages of governance for people: their rights, their requests and complaints, the copy of their data."""

from uuid import UUID

from litestar import Response, Router, get, post
from litestar.params import FromPath
from msgspec import Struct

from msingi.governance import acts, rules
from msingi.governance.model import CaseOrder, Kind, NewExhibit
from msingi.governance.views import (
    CaseShown,
    RightShown,
    act_name,
    algorithm_name,
    case_page,
    institution,
    institutions,
    right_shown,
    shown,
)
from msingi.kernel.errors import NotFound, Refusal
from msingi.kernel.ids import token
from msingi.portal import rules as forms
from msingi.portal.blocks import Block
from msingi.portal.model import Field, Form, MenuItem
from msingi.portal.trouble import HANDLERS
from msingi.portal.visit import Visit, WebRequest, visit_as_person
from msingi.stewardship import acts as stewardship

BLOCK = Block(
    room="governance",
    person=MenuItem("rights", "/me/rights", "file"),
    desk=MenuItem("cases", "/staff/cases", "file"),
    roles=frozenset({rules.OFFICER, rules.AUTHORITY, "enrolment-officer"}),
    looks=frozenset({"governance.cases", "governance.full_copy"}),
)
LINES = 20


class RightsPage(Struct, frozen=True):
    """The person's rights, their cases, and the law that they rest on."""

    rights: list[RightShown]
    cases: list[CaseShown]
    law: str
    authority: str
    newer: str
    older: str


class AskPage(Struct, frozen=True):
    """A form to ask for a right or to complain; `line` is the line of the log that it is about."""

    kind: str
    right: RightShown | None
    line: str
    line_who: str
    about: str
    key: str
    days: int


@get("/me/rights")
async def my_rights(request: WebRequest) -> Response[bytes]:
    """What the person can ask for, and what became of what they asked."""
    seen = await visit_as_person(request)
    after = request.query_params.get("after", "")
    ctx = seen.ctx("subject-access", "legal-obligation")
    found = await acts.cases(seen.stack, ctx, seen.person_id, after, LINES)
    newer, older = forms.pages([], "/me/rights", after, found.after)
    profile = seen.stack.profile
    view = RightsPage(
        [right_shown(seen, r.right) for r in profile.law.rights],
        [shown(seen, c) for c in found.items],
        profile.law.citation,
        seen.of(profile.legal.regulator),
        newer,
        older,
    )
    return seen.page("governance/rights.html", view, area="person", here="rights")


def _kind(text: str) -> Kind:
    try:
        return Kind(text)
    except ValueError:
        raise NotFound() from None


def questions(seen: Visit, kind: Kind, about: str = "", *, assisted: bool = False) -> Form:
    """The questions of a request: no more than its kind needs."""
    fields: list[Field] = []
    say = seen.say
    if assisted:
        label = seen.of(seen.stack.profile.number.label)
        fields.append(Field(name="number", label=label, kind="number", hint=say("governance.number_hint")))
    if kind is Kind.RECTIFICATION:
        options = tuple((part, say(f"governance.part_{part}")) for part in rules.PARTS)
        fields.append(Field(name="subject", kind="select", label=say("governance.which_part"), options=options))
        fields.append(Field(name="wanted", label=say("governance.wanted"), longest=500))
    if kind is Kind.OBJECTION:
        options = tuple((p.purpose, seen.of(p.text)) for p in seen.stack.profile.purposes)
        fields.append(Field(name="subject", kind="select", label=say("governance.which_purpose"), options=options))
    if kind is Kind.EXPLANATION:
        options = tuple((name, algorithm_name(seen, name)) for name in stewardship.algorithms())
        fields.append(Field(name="subject", kind="choice", label=say("governance.which_decision"), options=options))
    if (kind is Kind.COMPLAINT and not about) or kind is Kind.OBJECTION:
        options = tuple(institutions(seen))
        fields.append(Field(name="institution", kind="select", label=say("governance.which_office"), options=options))
    if kind not in rules.AT_ONCE:
        optional = kind in (Kind.RECTIFICATION, Kind.ERASURE) or bool(about)
        hint = say("governance.text_hint")
        fields.append(
            Field(name="text", label=say("governance.text"), hint=hint, longest=rules.LONGEST, optional=optional)
        )
    if kind in (Kind.COMPLAINT, Kind.RECTIFICATION) and not assisted:
        fields.append(
            Field(
                name="evidence", kind="file", label=say("governance.evidence"), hint=say("governance.evidence_hint"),
                optional=True, accept="image/jpeg,image/png,application/pdf,text/plain",
            )
        )  # fmt: skip
    return Form(tuple(fields))


async def _ask(seen: Visit, kind: Kind, about: str, form: Form) -> Response[bytes]:
    line = line_who = ""
    if about:
        from msingi.consent import acts as consent

        ctx = seen.ctx("subject-access", "legal-obligation")
        found = await consent.access(seen.stack, ctx, seen.person_id, _uuid(about))
        line, line_who = act_name(seen, found.act), institution(seen, found.institution)
    view = AskPage(
        kind=kind.value,
        right=None if kind is Kind.COMPLAINT else right_shown(seen, kind.value),
        line=line,
        line_who=line_who,
        about=about,
        key=seen.fields.get("key", "") or token(18),
        days=seen.stack.profile.law.days(kind.value),
    )
    return seen.page("governance/ask.html", view, area="person", here="rights", form=form)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound() from None


@get("/me/rights/{kind:str}")
async def ask(request: WebRequest, kind: FromPath[str]) -> Response[bytes]:
    """The form of one right, or of a complaint about a line of who looked (`?line=`)."""
    seen = await visit_as_person(request)
    wanted, about = _kind(kind), request.query_params.get("line", "")
    return await _ask(seen, wanted, about, questions(seen, wanted, about))


def order_of(seen: Visit, kind: Kind, about: str) -> CaseOrder:
    """The order that a filled form means."""
    field = seen.fields.get
    return CaseOrder(
        kind=kind,
        text=field("text", ""),
        about=_uuid(about) if about else None,
        institution=field("institution", ""),
        subject=field("subject", ""),
        wanted=field("wanted", ""),
        language=seen.lang,
    )


@post("/me/rights/{kind:str}", status_code=303)
async def asked(request: WebRequest, kind: FromPath[str]) -> Response[bytes]:
    """Open the request or the complaint, with its evidence."""
    seen = await visit_as_person(request)
    wanted, about = _kind(kind), seen.fields.get("about", "")
    form = forms.filled(questions(seen, wanted, about), seen.fields)
    if not seen.in_other_language:
        form = forms.judged(form, seen.say, {})
    body = seen.files.get("evidence", b"")
    file = NewExhibit(seen.file_names.get("evidence", "evidence"), rules.media_type_of(body), body)
    if body and not form.wrongs:
        try:
            rules.check_exhibit(file)
        except Refusal:
            form = forms.with_wrong(form, "evidence", seen.say("governance.evidence_wrong"))
    if seen.in_other_language or form.wrongs:
        return await _ask(seen, wanted, about, form)
    ctx = seen.ctx("redress", "legal-obligation")
    key = seen.fields.get("key", "")[:100] or token(18)
    case = await acts.open_case(seen.stack, ctx, seen.person_id, order_of(seen, wanted, about), key)
    if body:
        await acts.add_exhibit(seen.stack, ctx, seen.person_id, case.case_id, file)
    return seen.go(f"/me/cases/{case.case_id}", "governance.said_opened")


@get("/me/cases/{case_id:uuid}")
async def my_case(request: WebRequest, case_id: FromPath[UUID]) -> Response[bytes]:
    """One case: where it is, until when, what was written, and what the person can do."""
    seen = await visit_as_person(request)
    dossier = await acts.case(seen.stack, seen.ctx("redress", "legal-obligation"), seen.person_id, case_id)
    view = case_page(seen, dossier, f"/me/cases/{case_id}")
    return seen.page("governance/case.html", view, area="person", here="rights")


@post("/me/cases/{case_id:uuid}", status_code=303)
async def move_case(request: WebRequest, case_id: FromPath[UUID]) -> Response[bytes]:
    """Write, appeal or withdraw; an empty message changes nothing."""
    seen = await visit_as_person(request)
    ctx, text = seen.ctx("redress", "legal-obligation"), seen.fields.get("text", "")
    here = f"/me/cases/{case_id}"
    what = seen.fields.get("what", "")
    if what == "withdraw":
        await acts.withdraw_case(seen.stack, ctx, seen.person_id, case_id)
        return seen.go(here, "governance.said_withdrawn")
    if not text:
        return seen.go(here, "governance.said_empty")
    if what == "appeal":
        await acts.appeal(seen.stack, ctx, seen.person_id, case_id, text)
        return seen.go(here, "governance.said_appealed")
    await acts.write(seen.stack, ctx, seen.person_id, case_id, text)
    return seen.go(here, "governance.said_written")


@get("/me/cases/{case_id:uuid}/evidence")
async def my_evidence(request: WebRequest, case_id: FromPath[UUID]) -> Response[bytes]:
    """The log's proof of the line that the case is about."""
    seen = await visit_as_person(request)
    text = await acts.evidence(seen.stack, seen.ctx("redress", "legal-obligation"), seen.person_id, case_id)
    return seen.download(text.encode(), "text/plain; charset=utf-8", f"case-{str(case_id)[-12:]}.tlog-proof")


@get("/me/cases/{case_id:uuid}/files/{exhibit_id:uuid}")
async def my_file(request: WebRequest, case_id: FromPath[UUID], exhibit_id: FromPath[UUID]) -> Response[bytes]:
    """A file that was added as evidence."""
    seen = await visit_as_person(request)
    ctx = seen.ctx("redress", "legal-obligation")
    found = await acts.exhibit(seen.stack, ctx, seen.person_id, case_id, exhibit_id)
    return seen.download(found.body, found.media_type, file_name(found))


def file_name(found: NewExhibit) -> str:
    """A name that no header can be broken with."""
    ends = {"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png"}.get(found.media_type, "txt")
    return f"evidence.{ends}"


@get("/me/copy.zip")
async def my_copy(request: WebRequest) -> Response[bytes]:
    """Everything that the stack holds about the person, as one zip."""
    seen = await visit_as_person(request)
    raw = await acts.full_copy(seen.stack, seen.ctx("subject-access", "legal-obligation"), seen.person_id)
    return seen.download(raw, "application/zip", "my-data.zip")


router = Router(
    "/",
    route_handlers=[my_rights, ask, asked, my_case, move_case, my_evidence, my_file, my_copy],
    exception_handlers=HANDLERS,
    include_in_schema=False,
)
