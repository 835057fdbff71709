"""Doors of staff: the desk, enrolment in three steps, possible duplicates, the operator's console, access figures."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from litestar import Response, get, post
from litestar.params import FromPath
from msgspec import Struct

from msingi.identity import acts as identity
from msingi.identity.model import (
    Address,
    Birth,
    CaseId,
    Decision,
    Enrolled,
    EnrolmentOrder,
    Name,
    Sex,
)
from msingi.kernel import clock
from msingi.kernel.ids import PersonId, token
from msingi.kernel.log import overview
from msingi.portal import model as m
from msingi.portal import model_staff as d
from msingi.portal import page, rules, session, views, views_staff
from msingi.portal.errors import StaleForm
from msingi.portal.routes_person import speaker, uuid_in
from msingi.portal.visit import Visit, WebRequest, visit_as_staff
from msingi.signin import acts as signin
from msingi.signin.errors import PinNotAcceptable

QUEUE = 30
MESSAGES = 40
MESSAGES_OF = "portal.messages"  # the composition root puts the channels' act there: the rooms are blind to each other
NewestMessages = Callable[..., Awaitable[Sequence[Any]]]


class Enrolment(Struct, frozen=True, array_like=True):
    """Answers that wait for confirmation, sealed for one session; `key` makes them count once."""

    sid: str
    key: str
    answers: dict[str, str]


class NewPerson(Struct, frozen=True, array_like=True):
    """Somebody who was just enrolled in this session, and may now type a PIN; `next` is where the next one begins."""

    sid: str
    person: PersonId
    name: str
    number: str
    next: str = "/staff/enrol"


@get("/staff")
async def desk(request: WebRequest) -> Response[bytes]:
    """What this member of staff can do here."""
    seen = await visit_as_staff(request)
    known = tuple(sorted(r for r in seen.actor.roles if seen.words.has(f"desk.role_{r}"))) or ("other",)
    view = d.Desk(seen.actor.name, speaker(seen).institution(seen.actor.institution), known)
    return seen.page("staff/desk.html", view, area="staff", here="desk")


def _enrol_form(seen: Visit, answers: dict[str, str]) -> m.Form:
    profile = seen.stack.profile
    blank = views_staff.enrol_form(profile, seen.lang, seen.say, page.tongues(profile))
    return rules.filled(blank, answers)


def _judge(seen: Visit, form: m.Form) -> m.Form:
    profile, say = seen.stack.profile, seen.say
    example = profile.phone_prefix + "712345678"[: profile.phone_digits]

    def phone(text: str) -> str:
        known = rules.phone_of(text, profile.phone_prefix, profile.phone_digits)
        return "" if known else say("form.not_phone", example=example)

    form = rules.judged(form, say, {"phone": phone, "born": lambda t: rules.date_wrong(t, clock.today(), say)})
    if not form.value("given_name") and not form.value("family_name"):
        return rules.with_wrong(form, "given_name", say("form.missing", label=say("enrol.given_name")))
    return form


def _enrol_page(seen: Visit, form: m.Form) -> Response[bytes]:
    return seen.page("staff/enrol.html", d.EnrolPage(), area="staff", here="enrol", form=form)


@get("/staff/enrol")
async def enrol(request: WebRequest) -> Response[bytes]:
    """Step one: the questions."""
    seen = await visit_as_staff(request, "enrolment-officer")
    return _enrol_page(seen, _enrol_form(seen, {}))


@post("/staff/enrol", status_code=200)
async def check_enrolment(request: WebRequest) -> Response[bytes]:
    """Step two: read it out to the person. `change` leads back to the questions with all answers in place."""
    seen = await visit_as_staff(request, "enrolment-officer")
    if "change" in seen.fields:
        waiting = _waiting(seen, Enrolment)
        return _enrol_page(seen, _enrol_form(seen, waiting.answers))
    form = _enrol_form(seen, seen.fields)
    if seen.in_other_language:
        return _enrol_page(seen, form)
    form = _judge(seen, form)
    if form.wrongs:
        return _enrol_page(seen, form)
    assert seen.session is not None
    answers = {k: v for k, v in seen.fields.items() if not k.startswith("_")}
    return _check_page(seen, Enrolment(seen.session.sid, token(18), answers))


def _check_page(seen: Visit, waiting: Enrolment) -> Response[bytes]:
    sealed = session.seal(seen.stack, "Enrolment", waiting)
    form = _enrol_form(seen, waiting.answers)
    return seen.page("staff/enrol_check.html", d.EnrolCheck(sealed), area="staff", here="enrol", form=form)


def _waiting(seen: Visit, kind: Any, field: str = "order") -> Any:
    """What a page carried sealed. Raises StaleForm unless it was made for this session."""
    try:
        found = session.unseal(seen.stack, kind.__name__, seen.fields.get(field, ""), kind)
    except ValueError:
        raise StaleForm() from None
    if seen.session is None or found.sid != seen.session.sid:
        raise StaleForm()
    return found


@post("/staff/enrol/confirm", status_code=200)
async def confirm_enrolment(request: WebRequest) -> Response[bytes]:
    """Step three: enrol, once; the number, or the case that holds it."""
    seen = await visit_as_staff(request, "enrolment-officer")
    waiting = _waiting(seen, Enrolment)
    if seen.in_other_language:
        return _check_page(seen, waiting)
    form = _judge(seen, _enrol_form(seen, waiting.answers))
    if form.wrongs:
        return _enrol_page(seen, form)
    profile, value = seen.stack.profile, form.value
    order = EnrolmentOrder(
        name=Name(value("given_name"), value("family_name")),
        birth=Birth(rules.iso_date(value("born"))),
        sex=Sex(value("sex")) if value("sex") else Sex.UNKNOWN,
        region=value("region"),
        address=Address((value("address"),) if value("address") else ()),
        phone=rules.phone_of(value("phone"), profile.phone_prefix, profile.phone_digits),
        language=value("language"),
    )
    ctx = seen.ctx("identity-registration", "public-task")
    outcome = await identity.enrol(seen.stack, ctx, order, waiting.key)
    name = order.name.full
    if not isinstance(outcome, Enrolled):
        view = d.Enrolled("held", name, case=str(outcome.case_id))
        return seen.page("staff/enrolled.html", view, area="staff", here="enrol")
    new = NewPerson(waiting.sid, outcome.person_id, name, outcome.number)
    return enrolled_page(seen, new, "ask" if order.phone else "no-phone")


def enrolled_page(seen: Visit, new: NewPerson, pin: str, wrong: str = "", note: str = "") -> Response[bytes]:
    """The number to tell, and the question for the person's PIN (`ask`, `done`, or `no-phone` to send a code to).

    `note` is what to look at again, such as in the photo.
    """
    sealed = session.seal(seen.stack, "NewPerson", new)
    ask = m.Field(
        name="pin",
        label=seen.say("enrolled.pin"),
        kind="pin",
        hint=seen.say("enrolled.pin_hint"),
        autocomplete="new-password",
        longest=8,
        wrong=wrong,
    )
    view = d.Enrolled("enrolled", new.name, new.number, person=sealed, pin=pin, note=note, next=new.next)
    form = m.Form((ask,)) if pin == "ask" else None
    return seen.page("staff/enrolled.html", view, area="staff", here="enrol", form=form)


@post("/staff/enrol/pin", status_code=200)
async def set_pin(request: WebRequest) -> Response[bytes]:
    """The PIN that the person has typed at the centre."""
    seen = await visit_as_staff(request, "enrolment-officer")
    new = _waiting(seen, NewPerson, "person")
    if seen.in_other_language:
        return enrolled_page(seen, new, "ask")
    ctx = seen.ctx("identity-registration", "public-task")
    try:
        await signin.set_pin(seen.stack, ctx, new.person, seen.fields.get("pin", ""))
    except PinNotAcceptable:
        return enrolled_page(seen, new, "ask", seen.say("enrolled.pin_weak"))
    return enrolled_page(seen, new, "done")


@get("/staff/duplicates")
async def duplicates(request: WebRequest) -> Response[bytes]:
    """The queue of held registrations, oldest first; it names nobody."""
    seen = await visit_as_staff(request, "adjudicator")
    after = request.query_params.get("after", "")
    ctx = seen.ctx("identity-registration", "public-task")
    last = CaseId(uuid_in(after)) if after else None
    found = await identity.duplicates_waiting(seen.stack, ctx, last, QUEUE)
    return seen.page("staff/duplicates.html", views_staff.queue(found, after), area="staff", here="duplicates")


async def _case_page(seen: Visit, case_id: str, form_of_answers: bool) -> Response[bytes]:
    ctx = seen.ctx("identity-registration", "public-task")
    found = await identity.read_duplicate(seen.stack, ctx, CaseId(uuid_in(case_id)))
    profile = seen.stack.profile
    view = views_staff.case(profile, seen.lang, seen.say, found)
    one = "duplicate.answer_one" if view.found else "duplicate.answer_same"
    same = tuple((str(c.place), seen.say(one, number=c.number)) for c in view.comparisons)
    two = seen.say("duplicate.answer_apart" if view.found else "duplicate.answer_different")
    ask = m.Form(
        (
            m.Field(
                name="answer",
                label=seen.say("duplicate.answer_found" if view.found else "duplicate.answer"),
                kind="choice",
                options=(*same, ("different", two)),
            ),
            m.Field(
                name="reason",
                label=seen.say("duplicate.reason"),
                hint=seen.say("duplicate.reason_hint"),
                longest=200,
                autocomplete="off",
            ),
        )
    )
    form = rules.filled(ask, seen.fields)
    if form_of_answers and not seen.in_other_language:
        form = rules.judged(form, seen.say, {})
    return seen.page("staff/duplicate.html", view, area="staff", here="duplicates", form=form)


@get("/staff/duplicates/{case_id:str}")
async def duplicate(request: WebRequest, case_id: FromPath[str]) -> Response[bytes]:
    """A held registration beside its candidates, with the reasons of the score."""
    return await _case_page(await visit_as_staff(request, "adjudicator"), case_id, False)


@post("/staff/duplicates/{case_id:str}", status_code=303)
async def decide(request: WebRequest, case_id: FromPath[str]) -> Response[bytes]:
    """Decide a case, with a reason."""
    seen = await visit_as_staff(request, "adjudicator")
    answer, because = seen.fields.get("answer", ""), seen.fields.get("reason", "")
    known = answer == "different" or (answer.isdecimal() and len(answer) < 4)
    if seen.in_other_language or not known or not because or len(because) > 200:
        return await _case_page(seen, case_id, True)
    decision = Decision(None if answer == "different" else int(answer), because)
    ctx = seen.ctx("identity-registration", "public-task")
    decided = await identity.decide_duplicate(seen.stack, ctx, CaseId(uuid_in(case_id)), decision)
    apart = "apart" if decided.found else "different"
    done = "same" if decided.merged else "proposed" if decided.proposed else apart
    return seen.go("/staff/duplicates", f"duplicate.done_{done}")


@get("/staff/console")
async def console(request: WebRequest) -> Response[bytes]:
    """The state of the log; in a sandbox also the simulated messages, which never stand in a person's page."""
    seen = await visit_as_staff(request, "operator")
    messages: tuple[d.MessageLine, ...] = ()
    if seen.stack.settings.sandbox:
        newest = cast(NewestMessages, seen.stack.local[MESSAGES_OF])
        found = await newest(seen.stack, seen.ctx("operations", "public-task"), limit=MESSAGES)
        messages = tuple(d.MessageLine(x.at, x.to, x.text) for x in found)
    view = d.Console(await views.log_state(seen.stack), messages)
    return seen.page("staff/console.html", view, area="staff", here="console")


@get("/staff/audit")
async def audit(request: WebRequest) -> Response[bytes]:
    """How often each act was done: counts only."""
    seen = await visit_as_staff(request, "auditor")
    counts = await overview.count_acts(seen.stack, seen.ctx("audit", "legal-obligation"))
    standing = await overview.standing(seen.stack)
    view = views_staff.audit(speaker(seen), counts, standing.size)
    return seen.page("staff/audit.html", view, area="staff", here="audit")


doors = [desk, enrol, check_enrolment, confirm_enrolment, set_pin, duplicates, duplicate, decide, console, audit]
