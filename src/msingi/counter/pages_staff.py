"""Pages of the desk: what waits, a record and what can be proposed about it, civil events, the field, deliveries."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from litestar import Response, get, post
from msgspec import Struct

from msingi.counter import changes, forms, recovery
from msingi.counter.model import Line, Press, Section, Sheet
from msingi.counter.pages import PAGE
from msingi.identity import acts as identity
from msingi.identity.civil import acts as civil
from msingi.identity.lifecycle import acts as life
from msingi.identity.lifecycle import guardians
from msingi.identity.model import EnrolmentOrder, Held, Outcome
from msingi.identity.reception import acts as reception
from msingi.identity.reception import field
from msingi.identity.reception import rules as reception_rules
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed, NotPermitted, Refusal
from msingi.kernel.ids import PersonId, token
from msingi.portal import rules, session
from msingi.portal.errors import StaleForm
from msingi.portal.model import Form
from msingi.portal.routes_staff import NewPerson, enrolled_page
from msingi.portal.visit import Visit, WebRequest, visit_as_staff

OFFICER, REGISTRAR, JUDGE, OPERATOR = "enrolment-officer", "registrar", "adjudicator", "operator"
DESK: Final = (OFFICER, REGISTRAR, JUDGE)
CARD_ROLES: Final = ("card-officer", REGISTRAR)


class Chosen(Struct, frozen=True, array_like=True):
    """Whose record is open in this session, sealed (law 3)."""

    sid: str
    person: PersonId
    number: str


def ctx_of(seen: Visit) -> Context:
    """The context of an officer's act."""
    return seen.ctx("identity-registration", "public-task")


def shown(seen: Visit, view: Sheet, form: Form | None = None) -> Response[bytes]:
    """A page of the desk."""
    return seen.page(PAGE, view, area="staff", here="register", form=form)


def home(seen: Visit) -> tuple[str, str]:
    """Where the counter begins, for the way back."""
    return "/staff/register", seen.say("menu.register")


async def _count(call: Callable[[], Awaitable[Any]]) -> int:
    try:
        return (await call()).waiting
    except NotPermitted:
        return 0


@get("/staff/register")
async def register(request: WebRequest) -> Response[bytes]:
    """What the desk can do, and what waits."""
    seen = await visit_as_staff(request, *DESK, OPERATOR)
    stack, ctx, say, roles = seen.stack, ctx_of(seen), seen.say, seen.actor.roles
    deciders = roles & {REGISTRAR, JUDGE}
    entries = (
        (roles & {OFFICER}, "reception", "/staff/reception", None),
        (roles & set(DESK), "person", "/staff/person", None),
        (deciders, "proposals", "/staff/proposals", lambda: life.proposals_waiting(stack, ctx, limit=1)),
        (roles & {REGISTRAR}, "civil", "/staff/civil", lambda: civil.notifications_waiting(stack, ctx, limit=1)),
        (deciders, "field", "/staff/field", lambda: field.packets_waiting(stack, ctx, limit=1)),
        (roles & {OFFICER}, "capture", "/staff/capture", None),
        (roles & {OFFICER, REGISTRAR, OPERATOR}, "imports", "/staff/imports", None),
    )
    lines = []
    for allowed, name, href, waiting in entries:
        if allowed:
            count = await _count(waiting) if waiting else 0
            badge = say("counter.waiting", n=count) if count else ""
            lines.append(Line(say(f"counter.{name}"), say(f"counter.{name}_text"), badge, href, say("counter.open")))
    return shown(seen, Sheet(title=say("menu.register"), sections=(Section("", lines=tuple(lines)),)))


# --- reception -------------------------------------------------------------------------------------------------------


def _reception(seen: Visit, wrong: str = "") -> Response[bytes]:
    ask = forms.field(seen.say, "reference", longest=100, optional=False, wrong=wrong)
    view = Sheet(
        title=seen.say("counter.reception"),
        lead=seen.say("counter.reception_lead"),
        back=home(seen),
        action="/staff/reception",
        submit=seen.say("counter.open"),
        sections=(Section("", links=(("/staff/enrol", seen.say("counter.without_reference")),)),),
    )
    return shown(seen, view, Form((ask,)))


@get("/staff/reception")
async def ask_reference(request: WebRequest) -> Response[bytes]:
    """Ask for the reference."""
    return _reception(await visit_as_staff(request, OFFICER))


@post("/staff/reception", status_code=200)
async def open_application(request: WebRequest) -> Response[bytes]:
    """What was told ahead, to be checked and completed with the person."""
    seen = await visit_as_staff(request, OFFICER)
    reference = seen.fields.get("reference", "").rpartition("/")[2]  # what a scanner reads is an address
    if seen.in_other_language:
        return _reception(seen)
    try:
        made = await reception.open_application(seen.stack, ctx_of(seen), reference)
    except Refusal as refusal:
        return _reception(seen, forms.told(seen, refusal))
    if made.person is None:
        return _reception(seen, seen.say(f"counter.state_{made.state}"))
    known = forms.facts(seen.stack.profile, seen.lang, seen.say, made.person)
    view = Sheet(
        title=seen.say("counter.check"),
        lead=seen.say("enrol.check_lead"),
        back=("/staff/reception", seen.say("counter.reception")),
        sections=(Section(seen.say("counter.told"), facts=known),),
        action="/staff/reception/enrol",
        submit=seen.say("enrol.confirm"),
        files=True,
        hidden={"reference": reception_rules.reference_in(reference), "key": token(18)},
    )
    photo = forms.field(
        seen.say, "photo", "file", accept="image/jpeg,image/png", camera=True, hint=seen.say("counter.ask_photo_hint")
    )
    return shown(seen, view, Form((*forms.extra_fields(seen.say), photo)))


@post("/staff/reception/enrol", status_code=200)
async def enrol_application(request: WebRequest) -> Response[bytes]:
    """Enrol whoever told ahead; the photo's quality is told, and stops nobody."""
    seen = await visit_as_staff(request, OFFICER)
    reference, extra = seen.fields.get("reference", ""), seen.fields
    made = await reception.open_application(seen.stack, ctx_of(seen), reference)
    if made.person is None:
        return _reception(seen, seen.say(f"counter.state_{made.state}"))
    order = changes.completed(made.person, extra)
    stack, ctx = seen.stack, ctx_of(seen)
    outcome = await reception.enrol_application(stack, ctx, reference, order, extra.get("key", "") or reference)
    return await enrolled(seen, outcome, order, seen.files.get("photo") or b"")


async def enrolled(
    seen: Visit, outcome: Outcome, order: EnrolmentOrder, picture: bytes = b"", *, present: bool = True
) -> Response[bytes]:
    """How an enrolment ended: the number, what to look at in the photo, and a PIN from who is present; or the case."""
    say = seen.say
    if isinstance(outcome, Held):
        link = (f"/staff/duplicates/{outcome.case_id}", say("enrolled.open_case"))
        view = Sheet(title=say("enrolled.held"), lead=say("enrolled.held_text"), sections=(Section("", links=(link,)),))
        return shown(seen, view)
    note = ""
    if picture:
        try:
            told = await life.add_photo(seen.stack, ctx_of(seen), outcome.person_id, picture)
            note = " ".join(say(f"counter.photo_{word}") for word in told)
        except Malformed as refused:
            note = forms.told(seen, refused)
    if not present:
        number = seen.stack.profile.number_text(outcome.number)
        again = Section("", links=(("/staff/field", say("counter.next_person")),))
        good = say("enrolled.enrolled")
        return shown(seen, Sheet(title=order.name.full, good=good, note=note, figure=number, sections=(again,)))
    assert seen.session is not None
    new = NewPerson(seen.session.sid, outcome.person_id, order.name.full, outcome.number, "/staff/reception")
    return enrolled_page(seen, new, "ask" if order.phone else "no-phone", note=note)


# --- a record --------------------------------------------------------------------------------------------------------


def _search(seen: Visit, wrong: str = "") -> Response[bytes]:
    ask = forms.field(seen.say, "number", "number", longest=30, optional=False, wrong=wrong)
    view = Sheet(
        title=seen.say("counter.person"),
        lead=seen.say("counter.person_lead"),
        back=home(seen),
        action="/staff/person",
        submit=seen.say("counter.open"),
    )
    return shown(seen, view, Form((ask,)))


@get("/staff/person")
async def ask_number(request: WebRequest) -> Response[bytes]:
    """Ask for the number."""
    return _search(await visit_as_staff(request, *DESK))


@post("/staff/person", status_code=200)
async def open_person(request: WebRequest) -> Response[bytes]:
    """A record with its history, and what this officer can do or propose."""
    seen = await visit_as_staff(request, *DESK)
    if seen.in_other_language:
        return _search(seen)
    number = seen.fields.get("number", "")
    try:
        person_id = await identity.person_by_number(seen.stack, ctx_of(seen), number, any_status=True)
    except Refusal as refusal:
        return _search(seen, forms.told(seen, refusal))
    return await _person(seen, person_id)


async def _person(seen: Visit, person_id: PersonId, good: str = "") -> Response[bytes]:
    stack, ctx, say = seen.stack, ctx_of(seen), seen.say
    person = await identity.read_person(stack, ctx, person_id)
    names = await life.name_history(stack, ctx, person_id)
    may = await guardians.guardians_of(stack, ctx, person_id)
    asked = await life.proposals_of(stack, ctx, person_id)
    people = await identity.read_many(stack, ctx, [g.guardian_id for g in may])
    assert seen.session is not None
    who = session.seal(stack, "Chosen", Chosen(seen.session.sid, person_id, person.number))
    presses = tuple(
        Press("/staff/person/change", say(f"counter.do_{verb}"), {"who": who, "verb": verb})
        for verb in changes.possible(person.status, seen.actor.roles)
    )
    if seen.actor.roles & set(CARD_ROLES):
        presses = (Press("/staff/person/cards", say("counter.cards"), {"who": who}), *presses)
    sections = [
        Section(say("counter.known"), facts=(
            (say("counter.state"), say(f"counter.status_{person.status.value}")),
            *forms.facts(stack.profile, seen.lang, say, person.demographics)), presses=presses),
        Section(say("counter.names"), lines=tuple(
            Line(n.name.full, forms.day(seen, n.valid_from)) for n in reversed(names))),
        Section(say("counter.guardians"), lines=tuple(
            Line(people[g.guardian_id].demographics.name.full, forms.day(seen, g.until) if g.until else "",
                 say(f"counter.guardian_{g.kind}")) for g in may if g.guardian_id in people)) if may else None,
        Section(say("counter.proposals"), lines=tuple(
            Line(say(f"counter.kind_{p.kind.value}"), forms.day(seen, p.proposed_at),
                 say(f"counter.state_{p.state}")) for p in asked)) if asked else None,
    ]  # fmt: skip
    view = Sheet(
        title=person.demographics.name.full,
        good=good,
        figure=stack.profile.number_text(person.number),
        back=("/staff/person", say("counter.person")),
        sections=tuple(s for s in sections if s is not None),
    )
    return shown(seen, view)


def chosen(seen: Visit) -> Chosen:
    """The record that this session has open. Raises StaleForm."""
    try:
        found = session.unseal(seen.stack, "Chosen", seen.fields.get("who", ""), Chosen)
    except ValueError:
        raise StaleForm() from None
    if seen.session is None or found.sid != seen.session.sid:
        raise StaleForm()
    return found


@post("/staff/person/change", status_code=200)
async def change(request: WebRequest) -> Response[bytes]:
    """The form of one change, then the change itself or its proposal; what is wrong is told at the question."""
    seen = await visit_as_staff(request, *DESK)
    open_, verb = chosen(seen), seen.fields.get("verb", "")
    if verb not in changes.VERBS:
        raise StaleForm()
    person = await identity.read_person(seen.stack, ctx_of(seen), open_.person)
    form = changes.form(seen, verb, person.demographics)
    note = seen.say("counter.four_eyes") if verb in changes.PROPOSED else ""
    note = seen.say("counter.recover_note") if verb == "recover" else note
    wrong = ""
    if "_sent" in seen.fields and not seen.in_other_language:
        form = recovery.judged(seen, form) if verb == "recover" else rules.judged(form, seen.say, {})
        if not form.wrongs:
            try:
                said = await changes.carry_out(seen, ctx_of(seen), verb, person)
                return await _person(seen, open_.person, said)
            except NotPermitted:
                raise
            except Refusal as refusal:
                wrong = forms.told(seen, refusal)
    form = recovery.without_pin(form)
    view = Sheet(
        title=seen.say(f"counter.do_{verb}"),
        lead=person.demographics.name.full,
        note=wrong or note,
        back=("/staff/person", seen.say("counter.person")),
        action="/staff/person/change",
        submit=seen.say("counter.propose" if verb in changes.PROPOSED else "counter.do"),
        hidden={
            "who": seen.fields.get("who", ""),
            "verb": verb,
            "_sent": "1",
            "key": seen.fields.get("key", token(18)),
        },
    )
    return shown(seen, view, form)


doors = [register, ask_reference, open_application, enrol_application, ask_number, open_person, change]
