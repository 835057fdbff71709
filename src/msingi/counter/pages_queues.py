"""Pages of what waits: proposals, births and deaths that were told, packets from the field; and deliveries in bulk."""

from litestar import Response, get, post
from litestar.params import FromPath

from msingi.counter import changes, forms, paper
from msingi.counter.model import Line, Press, Section, Sheet
from msingi.counter.pages_staff import JUDGE, OFFICER, OPERATOR, REGISTRAR, ctx_of, enrolled, home, shown
from msingi.identity import acts as identity
from msingi.identity import deliveries
from msingi.identity.civil import acts as civil
from msingi.identity.civil.model import EventKind, NotificationId
from msingi.identity.errors import NoEntry, UnknownNumber
from msingi.identity.lifecycle import acts as life
from msingi.identity.lifecycle.model import ProposalDecision, ProposalId, ProposalView
from msingi.identity.model import Enrolled, Held, Person
from msingi.identity.reception import field
from msingi.identity.reception.model import PacketId
from msingi.kernel.errors import Malformed, NotPermitted, Refusal
from msingi.portal import rules
from msingi.portal.model import Form
from msingi.portal.routes_person import uuid_in
from msingi.portal.visit import Visit, WebRequest, visit_as_staff

# --- proposals -------------------------------------------------------------------------------------------------------


@get("/staff/proposals")
async def proposals(request: WebRequest) -> Response[bytes]:
    """What waits for a second person, oldest first; it names nobody."""
    seen = await visit_as_staff(request, REGISTRAR, JUDGE)
    after, say = request.query_params.get("after", ""), seen.say
    found = await life.proposals_waiting(seen.stack, ctx_of(seen), ProposalId(uuid_in(after)) if after else None, 30)
    lines = tuple(
        Line(say(f"counter.kind_{p.kind.value}"),
             f"{', '.join(say(f'counter.field_{f}') for f in p.fields)} {forms.moment(seen, p.proposed_at)}",
             "", f"/staff/proposals/{p.proposal_id}", say("counter.open"))
        for p in found.proposals
    )  # fmt: skip
    newer, older = rules.pages([], "/staff/proposals", after, str(found.next_after or ""))
    view = Sheet(
        title=say("counter.proposals"),
        lead=say("counter.proposals_lead") if lines else say("counter.nothing_waits"),
        back=home(seen),
        sections=(Section("", lines=lines),) if lines else (),
        newer=newer,
        older=older,
    )
    return shown(seen, view)


def _compared(seen: Visit, found: ProposalView) -> tuple[Section, ...]:
    profile, lang, say = seen.stack.profile, seen.lang, seen.say

    def told(person: Person) -> tuple[tuple[str, str], ...]:
        number = (say("counter.ask_number"), profile.number_text(person.number))
        return (number, *forms.facts(profile, lang, say, person.demographics))

    sections = [Section(say("counter.as_is"), facts=told(found.before))]
    if found.after is not None:
        before, after = (dict(forms.facts(profile, lang, say, x)) for x in (found.before.demographics, found.after))
        new = tuple((name, value) for name, value in after.items() if before.get(name) != value)
        sections.append(Section(say("counter.as_proposed"), facts=new))
    if found.other is not None:
        sections.append(Section(say("counter.other_record"), facts=told(found.other)))
    papers = ", ".join(f"{d.kind} {d.number} {d.issuer}".strip() for d in found.evidence)
    why = [(say("counter.ask_because"), found.because), (say("counter.evidence"), papers)]
    if found.new_photo:
        why.append((say("counter.ask_photo"), say("counter.new_photo")))
    return (*sections, Section(say("counter.why"), facts=tuple(why)))


async def _proposal(seen: Visit, proposal_id: ProposalId, wrong: str = "") -> Response[bytes]:
    found = await life.read_proposal(seen.stack, ctx_of(seen), proposal_id)
    mine = found.proposal.proposed_by == f"{seen.actor.kind}:{seen.actor.id}"
    say = seen.say
    options = (
        (("no", say("counter.take_back")),)
        if mine
        else (("yes", say("counter.approve")), ("no", say("counter.refuse")))
    )
    answer = forms.field(say, "answer", "choice", options=options, optional=False)
    view = Sheet(
        title=say(f"counter.kind_{found.proposal.kind.value}"),
        note=wrong or (say("counter.same_hands") if mine else ""),
        back=("/staff/proposals", say("counter.proposals")),
        sections=_compared(seen, found),
        action=f"/staff/proposals/{proposal_id}" if found.proposal.state == "open" else "",
        submit=say("duplicate.save"),
    )
    form = rules.filled(Form((answer, forms.reason(say))), seen.fields)
    if "answer" in seen.fields and not seen.in_other_language:
        form = rules.judged(form, say, {})
    return shown(seen, view, form)


@get("/staff/proposals/{proposal_id:str}")
async def proposal(request: WebRequest, proposal_id: FromPath[str]) -> Response[bytes]:
    """A proposal beside the record."""
    seen = await visit_as_staff(request, REGISTRAR, JUDGE)
    return await _proposal(seen, ProposalId(uuid_in(proposal_id)))


@post("/staff/proposals/{proposal_id:str}", status_code=200)
async def decide(request: WebRequest, proposal_id: FromPath[str]) -> Response[bytes]:
    """Approve or refuse what somebody else proposed."""
    seen = await visit_as_staff(request, REGISTRAR, JUDGE)
    wanted, answer, because = (
        ProposalId(uuid_in(proposal_id)),
        seen.fields.get("answer"),
        seen.fields.get("because", ""),
    )
    if seen.in_other_language or answer not in ("yes", "no") or not because:
        seen.fields.setdefault("answer", "")
        return await _proposal(seen, wanted)
    try:
        await life.decide_proposal(seen.stack, ctx_of(seen), wanted, ProposalDecision(answer == "yes", because))
    except NotPermitted:
        raise
    except Refusal as refusal:
        return await _proposal(seen, wanted, forms.told(seen, refusal))
    return seen.go("/staff/proposals", "counter.said_decided")


# --- civil events, the field, deliveries -----------------------------------------------------------------------------


async def _civil(seen: Visit, note: str = "", good: str = "") -> Response[bytes]:
    say = seen.say
    found = await civil.notifications_waiting(seen.stack, ctx_of(seen), limit=30)
    lines = tuple(
        Line(
            say(f"counter.certificate_{n.kind.value}"),
            f"{n.institution} {forms.day(seen, n.notified_at)}",
            press=Press("/staff/civil/register", say("counter.do_register"), {"notification": str(n.notification_id)}),
        )
        for n in found.notifications
    )
    kinds = tuple((k.value, say(f"counter.certificate_{k.value}")) for k in EventKind)
    asked = (
        forms.field(say, "number", "number", longest=30, optional=False),
        forms.field(say, "paper", "select", options=kinds, optional=False),
    )
    view = Sheet(
        title=say("counter.civil"),
        good=good,
        note=note,
        back=home(seen),
        sections=(
            Section(say("counter.notified"), lines=lines, text="" if lines else say("counter.nothing_waits")),
            Section(say("counter.print"), text=say("counter.print_text")),
        ),
        action="/staff/civil/certificate.pdf",
        submit=say("counter.print"),
    )
    return shown(seen, view, Form(asked))


@get("/staff/civil")
async def civil_page(request: WebRequest) -> Response[bytes]:
    """Births and deaths that were told, and certificates."""
    return await _civil(await visit_as_staff(request, REGISTRAR))


@post("/staff/civil/register", status_code=200)
async def register_notified(request: WebRequest) -> Response[bytes]:
    """Register what was told."""
    seen = await visit_as_staff(request, REGISTRAR)
    wanted = NotificationId(uuid_in(seen.fields.get("notification", "")))
    try:
        outcome = await civil.register_notified(seen.stack, ctx_of(seen), wanted)
    except NotPermitted:
        raise
    except Refusal as refusal:
        return await _civil(seen, forms.told(seen, refusal))
    good = seen.say("counter.registered")
    if isinstance(outcome, Enrolled):
        good += f" {seen.stack.profile.number_text(outcome.number)}"
    return await _civil(seen, "", seen.say("enrolled.held") if isinstance(outcome, Held) else good)


@post("/staff/civil/certificate.pdf", status_code=200)
async def print_certificate(request: WebRequest) -> Response[bytes]:
    """A certificate as PDF, in the language of the page."""
    seen = await visit_as_staff(request, REGISTRAR)
    number, kind = seen.fields.get("number", ""), seen.fields.get("paper", "")
    if seen.in_other_language or kind not in {k.value for k in EventKind}:
        return await _civil(seen)
    try:
        person_id = await identity.person_by_number(seen.stack, ctx_of(seen), number, any_status=True)
        made = await civil.certify(seen.stack, ctx_of(seen), person_id, EventKind(kind))
    except (NoEntry, Malformed, UnknownNumber) as refusal:
        return await _civil(seen, forms.told(seen, refusal))
    return seen.download(paper.document(seen, made), "application/pdf", f"{made.entry.entry_number}.pdf")


async def _field(seen: Visit, note: str = "") -> Response[bytes]:
    say, registrar = seen.say, REGISTRAR in seen.actor.roles
    waiting = await field.packets_waiting(seen.stack, ctx_of(seen), limit=30)
    lines = tuple(
        Line(f"{p.device} / {p.sequence}", forms.moment(seen, p.captured_at),
             f"{say(f'counter.packet_{p.state}')} {p.rule}",
             f"/staff/field/{p.packet_id}", say("counter.open"))
        for p in waiting.packets
    )  # fmt: skip
    devices = await field.devices(seen.stack, ctx_of(seen)) if registrar else []
    known = tuple(
        Line(
            d.device,
            f"{d.officer}: {d.packets}"
            + (f" ({say('counter.missing')} {', '.join(map(str, d.missing))})" if d.missing else ""),
            say("counter.revoked") if d.revoked_at else "",
            press=None if d.revoked_at else Press("/staff/field/revoke", say("counter.revoke"), {"device": d.device}),
        )
        for d in devices
    )
    view = Sheet(
        title=say("counter.field"),
        lead=say("counter.field_lead"),
        note=note,
        back=home(seen),
        sections=(
            Section(say("counter.packets"), lines=lines, text="" if lines else say("counter.nothing_waits")),
            Section(
                say("counter.devices"),
                lines=known,
                text="" if known else say("counter.no_devices"),
                links=(("/staff/field/new", say("counter.new_field_device")),) if registrar else (),
            ),
        ),
    )
    return shown(seen, view)


@get("/staff/field")
async def field_page(request: WebRequest) -> Response[bytes]:
    """Packets that wait for a person, and devices with what has not arrived."""
    return await _field(await visit_as_staff(request, REGISTRAR, JUDGE))


@post("/staff/field/revoke", status_code=200)
async def revoke(request: WebRequest) -> Response[bytes]:
    """Trust a device no more."""
    seen = await visit_as_staff(request, REGISTRAR)
    await field.revoke_device(seen.stack, ctx_of(seen), seen.fields.get("device", ""), "revoked at the counter")
    return await _field(seen, seen.say("counter.revoked"))


async def _packet(seen: Visit, packet_id: PacketId, wrong: str = "") -> Response[bytes]:
    say = seen.say
    line, packet = await field.read_packet(seen.stack, ctx_of(seen), packet_id)
    known = forms.facts(seen.stack.profile, seen.lang, say, packet.order) if packet else ()
    options = (("enrol", say("counter.enrol_packet")), ("without", say("counter.enrol_without")),
               ("dismiss", say("counter.dismiss")))  # fmt: skip
    answer = forms.field(say, "answer", "choice", options=options, optional=False)
    waits = packet is not None and line.state in ("conflict", "quarantined")
    view = Sheet(
        title=f"{line.device} / {line.sequence}",
        note=wrong or f"{say(f'counter.packet_{line.state}')} {line.rule}",
        back=("/staff/field", say("counter.field")),
        sections=(Section(say("counter.told"), facts=known),),
        action=f"/staff/field/{packet_id}" if waits else "",
        submit=say("duplicate.save"),
    )
    return shown(seen, view, rules.filled(Form((answer, forms.reason(say))), seen.fields))


@get("/staff/field/{packet_id:str}")
async def packet_page(request: WebRequest, packet_id: FromPath[str]) -> Response[bytes]:
    """A packet as it was taken in the field."""
    seen = await visit_as_staff(request, REGISTRAR, JUDGE)
    return await _packet(seen, PacketId(uuid_in(packet_id)))


@post("/staff/field/{packet_id:str}", status_code=200)
async def resolve(request: WebRequest, packet_id: FromPath[str]) -> Response[bytes]:
    """Enrol a waiting packet, with or without its ties to others, or dismiss it."""
    seen = await visit_as_staff(request, REGISTRAR, JUDGE)
    wanted, answer, because = PacketId(uuid_in(packet_id)), seen.fields.get("answer"), seen.fields.get("because", "")
    if seen.in_other_language or answer not in ("enrol", "without", "dismiss") or not because:
        return await _packet(seen, wanted, "" if seen.in_other_language else seen.say("form.not_choice"))
    _, packet = await field.read_packet(seen.stack, ctx_of(seen), wanted)
    try:
        order = None if answer == "dismiss" or packet is None else packet.order
        order = changes.without_ties(order) if answer == "without" and order is not None else order
        outcome = await field.resolve_packet(seen.stack, ctx_of(seen), wanted, because, order)
    except NotPermitted:
        raise
    except Refusal as refusal:
        return await _packet(seen, wanted, forms.told(seen, refusal))
    if outcome is None or packet is None:
        return await _field(seen, seen.say("counter.dismissed"))
    return await enrolled(seen, outcome, packet.order, present=False)


@get("/staff/imports")
async def imports(request: WebRequest) -> Response[bytes]:
    """How far bulk enrolments are."""
    seen = await visit_as_staff(request, OFFICER, REGISTRAR, OPERATOR)
    say = seen.say
    lines = tuple(
        Line(
            d.source,
            say(
                "counter.delivery",
                enrolled=d.enrolled,
                held=d.held,
                refused=d.refused,
                when=forms.moment(seen, d.at),
            ),
            f"{100 * d.done // d.total} %" if d.total else str(d.done),
        )
        for d in await deliveries.deliveries(seen.stack, ctx_of(seen))
    )
    text = say("counter.imports_lead") if lines else say("counter.no_imports")
    view = Sheet(
        title=say("counter.imports"), lead=text, back=home(seen), sections=(Section("", lines=lines),) if lines else ()
    )
    return shown(seen, view)


doors = [
    proposals,
    proposal,
    decide,
    civil_page,
    register_notified,
    print_certificate,
    field_page,
    revoke,
    packet_page,
    resolve,
    imports,
]
