"""Pages of governance for offices: the queue of cases, one case with its answer, and cases opened at a desk."""

from uuid import UUID

from litestar import Response, Router, get, post
from litestar.params import FromPath
from msgspec import Struct

from msingi.governance import acts, rules
from msingi.governance.errors import CaseNotOpen
from msingi.governance.model import Answer, Kind, Outcome
from msingi.governance.pages import file_name, order_of, questions
from msingi.governance.views import CasePage, CaseShown, case_page, shown
from msingi.identity import acts as identity
from msingi.kernel.context import Context
from msingi.kernel.errors import NotFound, Refusal
from msingi.kernel.ids import PersonId, token
from msingi.portal import rules as forms
from msingi.portal.model import Field, Form
from msingi.portal.trouble import HANDLERS
from msingi.portal.visit import Visit, WebRequest, visit_as_staff

LINES = 30
OFFICES = (rules.OFFICER, rules.AUTHORITY)
DESKS = ("enrolment-officer", rules.OFFICER)


class QueuePage(Struct, frozen=True):
    """Cases that wait, by address and content; `kinds` can be opened for somebody at the desk."""

    cases: list[tuple[str, CaseShown]]
    kinds: tuple[str, ...]
    answers: bool
    newer: str
    older: str


class DeskPage(Struct, frozen=True):
    """A form filled in by an officer for somebody who is there."""

    kind: str
    key: str
    days: int


class OpenedPage(Struct, frozen=True):
    """What to read out to somebody at the desk."""

    reference: str
    kind: str
    due: CaseShown


def _ctx(seen: Visit) -> Context:
    return seen.ctx("redress", "legal-obligation")


@get("/staff/cases")
async def cases(request: WebRequest) -> Response[bytes]:
    """Cases that wait for this office, oldest first; the list names nobody."""
    seen = await visit_as_staff(request, *OFFICES, "enrolment-officer")
    after = request.query_params.get("after", "")
    listed: list[tuple[str, CaseShown]] = []
    newer = older = ""
    answers = bool(seen.actor.roles & set(OFFICES))
    if answers:
        found = await acts.queue(seen.stack, _ctx(seen), after, LINES)
        listed = [
            (f"/staff/cases/{each.subject_id}/{each.case.case_id}", shown(seen, each.case)) for each in found.items
        ]
        newer, older = forms.pages([], "/staff/cases", after, found.after)
    kinds = tuple(k.value for k in Kind if k not in rules.AT_ONCE) if seen.actor.roles & set(DESKS) else ()
    view = QueuePage(listed, kinds, answers, newer, older)
    return seen.page("governance/queue.html", view, area="staff", here="cases")


def _answers(seen: Visit, kind: Kind) -> Form:
    say = seen.say
    grounds = tuple((g.code, f"{seen.of(g.text)} ({g.section})") for g in seen.stack.profile.law.refusals(kind.value))
    outcomes = tuple((o.value, say(f"governance.outcome_{o.value}")) for o in _OUTCOMES)
    return Form(
        (
            Field(name="outcome", kind="choice", label=say("governance.answer"), options=outcomes),
            Field(
                name="ground", kind="select", label=say("governance.ground"), hint=say("governance.ground_hint"),
                options=grounds, optional=True,
            ),
            Field(name="text", label=say("governance.why"), hint=say("governance.why_hint"), longest=rules.LONGEST),
        )
    )  # fmt: skip


_OUTCOMES = (Outcome.GRANTED, Outcome.PARTLY, Outcome.REFUSED)


def _subject(seen: Visit, subject_id: str) -> PersonId:
    """Whom an address means. Raises NotFound for one that is no pseudonym."""
    try:
        return seen.stack.pseudonym.person(seen.actor.institution, subject_id)
    except Refusal:
        raise NotFound() from None


async def _case(seen: Visit, subject_id: str, case_id: UUID, form: Form | None = None) -> Response[bytes]:
    dossier = await acts.review(seen.stack, _ctx(seen), _subject(seen, subject_id), case_id)
    view: CasePage = case_page(seen, dossier, f"/staff/cases/{subject_id}/{case_id}")
    asked = form or _answers(seen, dossier.case.kind)
    return seen.page("governance/review.html", view, area="staff", here="cases", form=asked)


@get("/staff/cases/{subject_id:str}/{case_id:uuid}")
async def case(request: WebRequest, subject_id: FromPath[str], case_id: FromPath[UUID]) -> Response[bytes]:
    """One case: what the person wrote, the line of the log, the evidence, and the answer."""
    seen = await visit_as_staff(request, *OFFICES)
    return await _case(seen, subject_id, case_id)


@post("/staff/cases/{subject_id:str}/{case_id:uuid}", status_code=303)
async def decide(request: WebRequest, subject_id: FromPath[str], case_id: FromPath[UUID]) -> Response[bytes]:
    """Answer; a refusal needs a ground."""
    seen = await visit_as_staff(request, *OFFICES)
    person_id = _subject(seen, subject_id)
    dossier = await acts.review(seen.stack, _ctx(seen), person_id, case_id)
    form = forms.filled(_answers(seen, dossier.case.kind), seen.fields)
    if not seen.in_other_language:
        form = forms.judged(form, seen.say, {"text": lambda t: _too_short(seen, t)})
        if form.value("outcome") == Outcome.REFUSED and not form.value("ground"):
            form = forms.with_wrong(form, "ground", seen.say("governance.ground_missing"))
    if seen.in_other_language or form.wrongs:
        return await _case(seen, subject_id, case_id, form)
    said = Answer(Outcome(form.value("outcome")), form.value("text"), form.value("ground"))
    try:
        await acts.answer(seen.stack, _ctx(seen), person_id, case_id, said)
    except CaseNotOpen:
        return seen.go("/staff/cases", "governance.said_answered_before")
    return seen.go("/staff/cases", "governance.said_answered")


@post("/staff/cases/{subject_id:str}/{case_id:uuid}/messages", status_code=303)
async def reply(request: WebRequest, subject_id: FromPath[str], case_id: FromPath[UUID]) -> Response[bytes]:
    """Write to the person, for example to ask for evidence."""
    seen = await visit_as_staff(request, *OFFICES)
    here, text = f"/staff/cases/{subject_id}/{case_id}", seen.fields.get("message", "")
    if not text:
        return seen.go(here, "governance.said_empty")
    await acts.reply(seen.stack, _ctx(seen), _subject(seen, subject_id), case_id, text)
    return seen.go(here, "governance.said_written")


def _too_short(seen: Visit, text: str) -> str:
    return "" if len(text) >= rules.SHORTEST_ANSWER else seen.say("governance.why_short")


@get("/staff/cases/{subject_id:str}/{case_id:uuid}/evidence")
async def proof(request: WebRequest, subject_id: FromPath[str], case_id: FromPath[UUID]) -> Response[bytes]:
    """The log's proof of the line that the complaint is about."""
    seen = await visit_as_staff(request, *OFFICES)
    text = await acts.evidence(seen.stack, _ctx(seen), _subject(seen, subject_id), case_id)
    return seen.download(text.encode(), "text/plain; charset=utf-8", f"case-{str(case_id)[-12:]}.tlog-proof")


@get("/staff/cases/{subject_id:str}/{case_id:uuid}/files/{exhibit_id:uuid}")
async def file(
    request: WebRequest, subject_id: FromPath[str], case_id: FromPath[UUID], exhibit_id: FromPath[UUID]
) -> Response[bytes]:
    """A file that was added as evidence."""
    seen = await visit_as_staff(request, *OFFICES)
    found = await acts.exhibit(seen.stack, _ctx(seen), _subject(seen, subject_id), case_id, exhibit_id)
    return seen.download(found.body, found.media_type, file_name(found))


def _kind(text: str) -> Kind:
    try:
        return Kind(text)
    except ValueError:
        raise NotFound() from None


def _at_desk(seen: Visit, kind: Kind, form: Form) -> Response[bytes]:
    key = seen.fields.get("key", "") or token(18)
    view = DeskPage(kind.value, key, seen.stack.profile.law.days(kind.value))
    return seen.page("governance/desk.html", view, area="staff", here="cases", form=form)


@get("/staff/desk/{kind:str}")
async def at_desk(request: WebRequest, kind: FromPath[str]) -> Response[bytes]:
    """A form to open a case for somebody who is there."""
    seen = await visit_as_staff(request, *DESKS)
    wanted = _kind(kind)
    return _at_desk(seen, wanted, questions(seen, wanted, assisted=True))


@post("/staff/desk/{kind:str}", status_code=200)
async def opened_at_desk(request: WebRequest, kind: FromPath[str]) -> Response[bytes]:
    """Open the case; the page shows the reference to read out."""
    seen = await visit_as_staff(request, *DESKS)
    wanted = _kind(kind)
    form = forms.filled(questions(seen, wanted, assisted=True), seen.fields)
    if seen.in_other_language:
        return _at_desk(seen, wanted, form)
    form = forms.judged(form, seen.say, {})
    if form.wrongs:
        return _at_desk(seen, wanted, form)
    ctx = _ctx(seen)
    try:
        person_id = await identity.person_by_number(seen.stack, ctx, form.value("number").replace(" ", ""))
    except Refusal:
        return _at_desk(seen, wanted, forms.with_wrong(form, "number", seen.say("governance.number_wrong")))
    key = seen.fields.get("key", "")[:100] or token(18)
    case = await acts.open_case(seen.stack, ctx, person_id, order_of(seen, wanted, ""), key)
    view = OpenedPage(case.reference, wanted.value, shown(seen, case))
    return seen.page("governance/opened.html", view, area="staff", here="cases")


router = Router(
    "/",
    route_handlers=[cases, case, decide, reply, proof, file, at_desk, opened_at_desk],
    exception_handlers=HANDLERS,
    include_in_schema=False,
)
