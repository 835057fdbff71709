"""Pages for everybody and for people: tell ahead, the reference, a certificate's worth, and one's own record."""

import base64
from datetime import date
from io import BytesIO
from typing import Any, Final

import segno
from litestar import Response, get, post
from litestar.params import FromPath
from msgspec import Struct

from msingi.counter import forms, paper
from msingi.counter.model import Line, Press, Section, Sheet
from msingi.identity import acts as identity
from msingi.identity import aliases
from msingi.identity.aliases import AliasId, AliasOrder
from msingi.identity.civil import acts as civil
from msingi.identity.civil.model import EventKind
from msingi.identity.lifecycle import acts as life
from msingi.identity.lifecycle import guardians
from msingi.identity.reception import acts as reception
from msingi.identity.reception import rules as reception_rules
from msingi.identity.reception.model import Application, ApplicationOrder
from msingi.kernel import clock
from msingi.kernel.errors import NotFound, Refusal
from msingi.portal import page, session, views_staff
from msingi.portal import rules as portal_rules
from msingi.portal.blocks import Block
from msingi.portal.errors import StaleForm
from msingi.portal.model import Field, Form, MenuItem
from msingi.portal.routes_person import uuid_in
from msingi.portal.visit import Visit, WebRequest, visit, visit_as_person

PAGE: Final = "counter/sheet.html"
BLOCK = Block(
    room="counter",
    person=MenuItem("record", "/me/record", "people"),
    desk=MenuItem("register", "/staff/register", "people"),
    home=(MenuItem("apply", "/apply", "people"),),
    desks=(
        (MenuItem("veils", "/staff/veils", "lock"), frozenset({"court"})),
        (MenuItem("accounts", "/staff/accounts", "card"), frozenset({"operator"})),
        (MenuItem("decisions", "/staff/decisions", "chart"), frozenset({"auditor", "operator"})),
        (MenuItem("clients", "/staff/clients", "screen"), frozenset({"operator"})),
        (MenuItem("kinds", "/staff/kinds", "card"), frozenset({"credential-officer", "credential-approver"})),
    ),
    roles=frozenset({"enrolment-officer", "registrar", "adjudicator", "operator"}),
    looks=frozenset(
        {"identity.list-aliases", "identity.see-proposals-of", "identity.read-history", "identity.certify"}
    ),
)


class Ahead(Struct, frozen=True, array_like=True):
    """Answers that wait for a time, sealed."""

    answers: dict[str, str]


def person_form(seen: Visit, answers: dict[str, str]) -> Form:
    """The questions about a person, filled with what was typed."""
    profile = seen.stack.profile
    blank = views_staff.enrol_form(profile, seen.lang, seen.say, page.tongues(profile))
    return portal_rules.filled(blank, answers)


# --- tell ahead ------------------------------------------------------------------------------------------------------


def _ask_page(seen: Visit, form: Form) -> Response[bytes]:
    view = Sheet(
        title=seen.say("counter.apply"),
        lead=seen.say("counter.apply_lead"),
        action="/apply",
        submit=seen.say("form.continue"),
    )
    return seen.page(PAGE, view, form=form)


@get("/apply")
async def ask(request: WebRequest) -> Response[bytes]:
    """Step one: who one is; only a name is needed."""
    seen = await visit(request)
    return _ask_page(seen, person_form(seen, {}))


async def _centres(seen: Visit, region: str) -> tuple[tuple[str, str], ...]:
    """The centres to choose from, those of the person's region first, with its next free time."""
    found = sorted(await reception.centres(seen.stack), key=lambda c: (c.region != region, c.centre))[:30]
    return tuple((c.centre, seen.of(c.name)) for c in found)


async def _slots(seen: Visit, centre: str) -> tuple[tuple[str, str], ...]:
    """The next free times of a centre; three on a day are enough to choose from on a phone."""
    per_day: dict[Any, list[tuple[str, str]]] = {}
    for slot in await reception.free_slots(seen.stack, centre):
        label = f"{seen.words.plain('counter.day', day=forms.day(seen, slot.day))} {forms.clock(slot.at_min)}"
        per_day.setdefault(slot.day, []).append((f"{slot.day.isoformat()}.{slot.at_min}", label))
    chosen = []
    for times in list(per_day.values())[:12]:
        chosen += times[:: max(1, len(times) // 3)][:3]
    return tuple(chosen)


async def _time_page(seen: Visit, ahead: Ahead, wrong: str = "") -> Response[bytes]:
    """Step two: where and when; or come without a time."""
    filled = person_form(seen, ahead.answers)
    centre = seen.fields.get("centre", "")
    options = await _centres(seen, filled.value("region"))
    centre = centre if centre in dict(options) else ""
    asked: list[Field] = [
        forms.field(seen.say, "centre", "select", options=options, value=centre, hint=seen.say("counter.centre_hint"))
    ]
    if centre:
        asked.append(forms.field(seen.say, "slot", "select", options=await _slots(seen, centre), wrong=wrong))
    order = forms.order_of(seen.stack.profile, lambda name: _answer(filled, name))
    view = Sheet(
        title=seen.say("counter.when"),
        lead=seen.say("counter.when_lead"),
        sections=(
            Section(seen.say("counter.told"), facts=forms.facts(seen.stack.profile, seen.lang, seen.say, order)),
        ),
        action="/apply/confirm",
        submit=seen.say("counter.send") if centre or not options else seen.say("counter.show_times"),
        hidden={"ahead": session.seal(seen.stack, "Ahead", ahead), **({"chosen": centre} if centre else {})},
    )
    return seen.page(PAGE, view, form=Form(tuple(asked) if options else ()))


def _answer(form: Form, name: str) -> str:
    return next((f.value for f in form.fields if f.name == name), "")


@post("/apply", status_code=200)
async def choose_time(request: WebRequest) -> Response[bytes]:
    """Judge the answers; then a centre and a time."""
    seen = await visit(request)
    form = person_form(seen, seen.fields)
    if seen.in_other_language:
        return _ask_page(seen, form)
    form = forms.judged(form, seen.stack.profile, seen.say, clock.today())
    if form.wrongs:
        return _ask_page(seen, form)
    answers = {k: v for k, v in seen.fields.items() if not k.startswith("_")}
    return await _time_page(seen, Ahead(answers))


@post("/apply/confirm", status_code=200)
async def confirm(request: WebRequest) -> Response[bytes]:
    """Step three: keep it, and give the reference. Choosing a centre shows its times first."""
    seen = await visit(request)
    try:
        ahead = session.unseal(seen.stack, "Ahead", seen.fields.get("ahead", ""), Ahead)
    except ValueError:
        raise StaleForm() from None
    centre, slot = seen.fields.get("centre", ""), seen.fields.get("slot", "")
    if seen.in_other_language or (centre and centre != seen.fields.get("chosen", "")):
        return await _time_page(seen, ahead)
    filled = person_form(seen, ahead.answers)
    order = ApplicationOrder(forms.order_of(seen.stack.profile, lambda name: _answer(filled, name)))
    if centre:
        day, _, at = slot.partition(".")
        if slot not in dict(await _slots(seen, centre)):
            return await _time_page(seen, ahead, seen.say("counter.time_gone"))
        order = ApplicationOrder(order.person, centre, date.fromisoformat(day), int(at))
    place = request.client.host if request.client else ""
    ctx = seen.ctx("identity-registration", "public-task")
    reference, made = await reception.apply(seen.stack, ctx, order, place)
    return await _reference_page(seen, reference, made, new=True)


async def _reference_page(seen: Visit, reference: str, made: Application, *, new: bool = False) -> Response[bytes]:
    """The reference, large and as a square code, and when one is expected."""
    names = {c.centre: seen.of(c.name) for c in await reception.centres(seen.stack)}
    facts = [(seen.say("counter.state"), seen.say(f"counter.state_{made.state}"))]
    if made.appointment:
        when = f"{forms.day(seen, made.appointment.day)} {forms.clock(made.appointment.at_min)}"
        facts += [
            (seen.say("counter.ask_centre"), names.get(made.appointment.centre, made.appointment.centre)),
            (seen.say("counter.when_short"), when),
        ]
    facts.append((seen.say("counter.kept_until"), forms.day(seen, made.expires_at)))
    waiting = made.state == "waiting"
    back = Press(f"/apply/{reference}/withdraw", seen.say("counter.withdraw"))
    view = Sheet(
        title=seen.say("counter.reference"),
        good=seen.say("counter.kept") if new else "",
        lead=seen.say("counter.reference_lead") if waiting else "",
        figure=reception_rules.reference_text(reference),
        picture=square(f"{seen.stack.settings.url}/apply/{reference}") if waiting else "",
        picture_text=seen.say("counter.square"),
        sections=(Section("", facts=tuple(facts), presses=(back,) if waiting else ()),),
    )
    return seen.page(PAGE, view)


def square(text: str) -> str:
    """A square code as a data address (PNG)."""
    out = BytesIO()
    segno.make(text, error="m").save(out, kind="png", scale=5, border=3)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


@get("/apply/{reference:str}")
async def look_up(request: WebRequest, reference: FromPath[str]) -> Response[bytes]:
    """When whoever has the reference is expected."""
    seen = await visit(request)
    ctx = seen.ctx("identity-registration", "public-task")
    made = await reception.read_application(seen.stack, ctx, reference)
    return await _reference_page(seen, reception_rules.reference_in(reference), made)


@post("/apply/{reference:str}/withdraw", status_code=200)
async def withdraw(request: WebRequest, reference: FromPath[str]) -> Response[bytes]:
    """Take back what was told; it is forgotten at once."""
    seen = await visit(request)
    ctx = seen.ctx("identity-registration", "public-task")
    await reception.withdraw_application(seen.stack, ctx, reference)
    made = await reception.read_application(seen.stack, ctx, reference)
    return await _reference_page(seen, reception_rules.reference_in(reference), made)


@get("/certificate/{code:str}")
async def certificate(request: WebRequest, code: FromPath[str]) -> Response[bytes]:
    """What the paper says, and whether it still stands."""
    seen = await visit(request)
    ctx = seen.ctx("public-service", "public-task")
    found = await civil.verify_certificate(seen.stack, ctx, code[:4096])
    sections: tuple[Section, ...] = ()
    if found.facts is not None:
        told = paper.facts(seen.say, seen.stack.profile, seen.lang, EventKind(found.kind), found.facts)
        number = (seen.say("counter.entry"), found.entry_number)
        sections = (Section(seen.say(f"counter.certificate_{found.kind}"), facts=(number, *told)),)
    good = seen.say("counter.paper_valid") if found.state == "valid" else ""
    note = "" if good else seen.say(f"counter.paper_{found.state}")
    view = Sheet(title=seen.say("counter.certificate"), good=good, note=note, sections=sections)
    return seen.page(PAGE, view)


# --- one's own record ------------------------------------------------------------------------------------------------


async def _record(seen: Visit, good: str = "", figure: str = "") -> Response[bytes]:
    stack, me, say = seen.stack, seen.person_id, seen.say
    access = seen.ctx("subject-access", "legal-obligation")
    person = await identity.read_person(stack, access, me)
    names = await life.name_history(stack, access, me)
    asked = await life.proposals_of(stack, access, me)
    mine = await aliases.list_aliases(stack, access, me, 20)
    wards = await guardians.my_wards(stack, access)
    may = await guardians.guardians_of(stack, access, me)
    live = tuple(
        Line(
            " ".join(a.number[i : i + 4] for i in range(0, 16, 4)),
            forms.day(seen, a.expires_at) if a.expires_at else "",
            say(f"counter.alias_{a.state}"),
            press=Press("/me/record/alias/end", say("counter.alias_end"), {"alias": str(a.alias_id)})
            if a.state == "live"
            else None,
        )
        for a in mine
    )
    history = tuple(Line(n.name.full, forms.day(seen, n.valid_from)) for n in reversed(names))
    waiting = tuple(
        Line(say(f"counter.kind_{p.kind.value}"), ", ".join(_fields(say, p.fields)), say(f"counter.state_{p.state}"))
        for p in asked
    )
    children = tuple(
        Line(ward.demographics.name.full, stack.profile.number_text(ward.number), say(f"counter.guardian_{right.kind}"))
        for right, ward in wards
    )
    sections = [
        Section(say("counter.known"), facts=forms.facts(stack.profile, seen.lang, say, person.demographics),
                text=say("counter.known_text")),
        Section(say("counter.names"), lines=history),
        Section(say("counter.proposals"), lines=waiting) if waiting else None,
        Section(say("counter.wards"), lines=children, text=say("counter.wards_text")) if children else None,
        Section(say("counter.guardians"), text=say("counter.guardians_text", n=len(may))) if may else None,
        Section(say("counter.papers"), links=(("/me/certificate/birth.pdf", say("counter.certificate_birth")),)),
        Section(say("counter.aliases"), text=say("counter.aliases_text"), lines=live),
    ]  # fmt: skip
    ask_days = forms.field(
        say, "days", "select", options=tuple((str(d), say("counter.days", n=d)) for d in (1, 7, 30, 365))
    )
    ask_uses = forms.field(say, "uses", "select", options=tuple((str(n), say("counter.uses", n=n)) for n in (1, 5, 20)))
    view = Sheet(
        title=say("counter.record"),
        good=good,
        figure=figure,
        sections=tuple(s for s in sections if s is not None),
        action="/me/record/alias",
        submit=say("counter.alias_make"),
    )
    return seen.page(PAGE, view, area="person", here="record", form=Form((ask_days, ask_uses)), keeps_form=False)


def _fields(say: Any, fields: tuple[str, ...]) -> list[str]:
    return [say(f"counter.field_{name}") for name in fields]


@get("/me/record")
async def record(request: WebRequest) -> Response[bytes]:
    """What the register knows, the names one bore, what is proposed, for whom one may act, and virtual ids."""
    return await _record(await visit_as_person(request))


@post("/me/record/alias", status_code=200)
async def make_alias(request: WebRequest) -> Response[bytes]:
    """Make a virtual id, for some days or uses."""
    seen = await visit_as_person(request)
    days, uses = (seen.fields.get(n, "") for n in ("days", "uses"))
    order = AliasOrder(int(days) if days.isdecimal() else 0, int(uses) if uses.isdecimal() else 0)
    ctx = seen.ctx("identity-proofing", "legal-obligation")
    made = await aliases.create_alias(seen.stack, ctx, seen.person_id, order)
    spaced = " ".join(made.number[i : i + 4] for i in range(0, 16, 4))
    return await _record(seen, seen.say("counter.alias_made"), spaced)


@post("/me/record/alias/end", status_code=200)
async def end_alias(request: WebRequest) -> Response[bytes]:
    """End a virtual id."""
    seen = await visit_as_person(request)
    ctx = seen.ctx("identity-proofing", "legal-obligation")
    await aliases.revoke_alias(seen.stack, ctx, seen.person_id, AliasId(uuid_in(seen.fields.get("alias", ""))))
    return await _record(seen, seen.say("counter.alias_ended"))


@get("/me/certificate/birth.pdf")
async def own_certificate(request: WebRequest) -> Response[bytes]:
    """One's own birth certificate as PDF."""
    seen = await visit_as_person(request)
    ctx = seen.ctx("subject-access", "legal-obligation")
    try:
        made = await civil.certify(seen.stack, ctx, seen.person_id, EventKind.BIRTH)
    except Refusal as refusal:
        raise NotFound(refusal.title) from None
    return seen.download(paper.document(seen, made), "application/pdf", f"{made.entry.entry_number}.pdf")


doors = [ask, choose_time, confirm, look_up, withdraw, certificate, record, make_alias, end_alias, own_certificate]
