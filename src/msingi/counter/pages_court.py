"""A court's desk: keep an investigation out of somebody's sight for a time, and lift that; and the public figures."""

from datetime import date, datetime, time
from typing import Final
from uuid import UUID

from litestar import Response, get, post

from msingi.counter import changes, forms
from msingi.counter.model import Line, Press, Section, Sheet
from msingi.counter.pages import PAGE
from msingi.exchange import acts as exchange
from msingi.kernel.context import Context
from msingi.kernel.errors import Erased, Malformed, NotFound
from msingi.kernel.log import acts as veils
from msingi.kernel.log.errors import VeilWrong
from msingi.portal import page, rules
from msingi.portal.model import Form
from msingi.portal.routes_person import speaker, uuid_in
from msingi.portal.visit import Visit, WebRequest, visit, visit_as_staff

COURT: Final = "court"
SOME: Final = 30
LINES: Final = 500


def _ctx(seen: Visit) -> Context:
    return seen.ctx("fraud-prevention", "legal-obligation")


async def _form(seen: Visit) -> Form:
    say, told = seen.say, speaker(seen)
    members = tuple((i.institution, seen.of(i.name)) for i in await exchange.institutions(seen.stack, limit=500))
    others = tuple(m for m in members if m[0] != seen.actor.institution)
    law = seen.stack.profile.law.veils
    purposes = tuple((p, told.word("purpose", p)) for p in law.purposes)
    until_hint = say("counter.ask_veil_until_hint", n=law.most_days)
    return Form(
        (
            forms.field(say, "institution", "select", options=others, optional=False),
            forms.field(
                say, "pseudonym", optional=False, longest=26, hint=say("counter.ask_pseudonym_hint")
            ),
            forms.field(say, "purpose", "select", options=purposes, optional=False),
            forms.field(say, "veil_until", "date", optional=False, hint=until_hint),
            forms.field(say, "reference_order", optional=False, longest=veils.MAX_REFERENCE),
        )
    )


async def _desk(seen: Visit, form: Form) -> Response[bytes]:
    """What the court may order, and its orders in force."""
    say, told, stack = seen.say, speaker(seen), seen.stack
    before = seen.request.query_params.get("after", "")
    found = await veils.list_veils(stack, _ctx(seen), uuid_in(before) if before else None, SOME)
    lines = []
    for one in found:
        person = stack.pseudonym.of(one.institution, one.person_id)
        until = seen.words.plain("counter.in_force_until", day=seen.words.day(one.until, page.zone_of(stack.profile)))
        carried = {"institution": one.institution, "person": person, "veil": str(one.veil_id)}
        lift = Press("/staff/veils/lift", say("counter.lift"), carried)
        who = f"{told.institution(one.institution)} \u00b7 {told.word('purpose', one.purpose)}"
        lines.append(Line(person, f"{who} \u00b7 {until}", press=lift))
    newer, older = rules.pages([], "/staff/veils", before, str(found[-1].veil_id) if len(found) == SOME else "")
    allowed = bool(stack.profile.law.veils.purposes)
    listed = Section(say("counter.veils_in_force"), lines=tuple(lines), text="" if lines else say("counter.no_veils"))
    view = Sheet(
        title=say("menu.veils"),
        lead=say("counter.veils_lead") if allowed else say("counter.veils_never"),
        sections=(listed,),
        action="/staff/veils" if allowed else "",
        submit=say("counter.order_veil"),
        newer=newer,
        older=older,
    )
    return seen.page(PAGE, view, area="staff", here="veils", form=form)


@get("/staff/veils")
async def desk(request: WebRequest) -> Response[bytes]:
    """The form of an order, and the orders in force."""
    seen = await visit_as_staff(request, COURT)
    return await _desk(seen, await _form(seen))


@post("/staff/veils", status_code=200)
async def order(request: WebRequest) -> Response[bytes]:
    """Give an order; what the law does not allow is told at the question."""
    seen = await visit_as_staff(request, COURT)
    form = rules.filled(await _form(seen), seen.fields)
    if seen.in_other_language:
        return await _desk(seen, form)
    form = rules.judged(form, seen.say, {})
    if form.wrongs:
        return await _desk(seen, form)
    try:
        day = date.fromisoformat(changes.day(seen, "veil_until"))
    except (Malformed, ValueError):
        return await _desk(seen, rules.with_wrong(form, "veil_until", seen.say("form.not_date")))
    until = datetime.combine(day, time.min, page.zone_of(seen.stack.profile))
    institution = form.value("institution")
    try:
        person = seen.stack.pseudonym.person(institution, form.value("pseudonym").lower())
    except Malformed:
        return await _desk(seen, rules.with_wrong(form, "pseudonym", seen.say("counter.not_pseudonym")))
    wanted = veils.VeilOrder(institution, form.value("purpose"), until, form.value("reference_order"))
    try:
        await veils.order_veil(seen.stack, _ctx(seen), person, wanted)
    except VeilWrong as refusal:
        asked = {"until": "veil_until", "reference": "reference_order"}
        field = str(refusal.facts.get("field", "until"))
        return await _desk(seen, rules.with_wrong(form, asked.get(field, field), forms.told(seen, refusal)))
    except (Erased, NotFound):
        return await _desk(seen, rules.with_wrong(form, "pseudonym", seen.say("counter.nobody_there")))
    return seen.go("/staff/veils", "counter.said_veiled")


@post("/staff/veils/lift", status_code=200)
async def lift(request: WebRequest) -> Response[bytes]:
    """Ask whether the person shall see everything now, and then lift the order: that cannot be taken back."""
    seen = await visit_as_staff(request, COURT)
    value, say = seen.fields.get, seen.say
    institution, person, veil = value("institution", ""), value("person", ""), value("veil", "")
    veil_id: UUID = uuid_in(veil)
    if "sure" in seen.fields and not seen.in_other_language:
        try:
            person_id = seen.stack.pseudonym.person(institution, person)
        except Malformed:
            raise NotFound() from None
        await veils.lift_veil(seen.stack, _ctx(seen), person_id, veil_id)
        return seen.go("/staff/veils", "counter.said_lifted")
    facts = (
        (say("counter.ask_institution"), speaker(seen).institution(institution)),
        (say("counter.ask_pseudonym"), person),
    )
    view = Sheet(
        title=say("counter.lift_title"),
        note=say("counter.lift_text"),
        back=("/staff/veils", say("menu.veils")),
        sections=(Section("", facts=facts),),
        action="/staff/veils/lift",
        submit=say("counter.lift"),
        hidden={"institution": institution, "person": person, "veil": veil, "sure": "1"},
    )
    return seen.page(PAGE, view, area="staff", here="veils", form=Form(()))


@get("/veiled")
async def veiled(request: WebRequest) -> Response[bytes]:
    """For everybody: how many orders there were and how many accesses they hid, by month and institution."""
    seen = await visit(request)
    say, told = seen.say, speaker(seen)
    counts = await veils.veiled_counts(seen.stack, _month(request.query_params.get("after", "")), LINES)
    months: dict[date, list[tuple[str, str]]] = {}
    for one in counts:
        how = f"{say('counter.orders', n=one.orders)}, {say('counter.entries', n=one.entries)}"
        months.setdefault(one.month, []).append((told.institution(one.institution), how))
    if len(counts) == LINES and len(months) > 1:
        months.popitem()  # the last month may be cut: it begins the next page
    older = min(months).isoformat() if len(counts) == LINES else ""
    view = Sheet(
        title=say("counter.veiled"),
        lead=say("counter.veiled_lead") if counts else say("counter.veiled_none"),
        back=("/safeguards", say("frame.safeguards")),
        sections=tuple(Section(_named(seen, month), facts=tuple(facts)) for month, facts in months.items()),
        older=f"/veiled?after={older}" if older else "",
    )
    return seen.page(PAGE, view)


def _named(seen: Visit, month: date) -> str:
    names = seen.words.entries["language.months"]
    return f"{names[month.month - 1]} {month.year}" if isinstance(names, list) else month.isoformat()[:7]


def _month(text: str) -> date | None:
    """The first day of the month on which the page before ended; None for no such day."""
    try:
        return date.fromisoformat(text).replace(day=1) if text else None
    except ValueError:
        raise NotFound() from None


doors = [desk, order, lift, veiled]
