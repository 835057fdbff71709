"""Doors of the exchange for people: catalogue, members, how to join, and the desk of the authority and of owners."""

from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from msingi.exchange import acts as exchange
from msingi.exchange.errors import ExchangeRefusal
from msingi.exchange.federation import acts as federation
from msingi.exchange.membership import acts as membership
from msingi.exchange.membership import rules as laws
from msingi.exchange.membership.model import ApplyOrder, AskRight, State
from msingi.exchange.model import Offer, Standing, SubsystemId
from msingi.kernel.context import BASES, context
from msingi.kernel.errors import NotFound, Refusal
from msingi.portal import model as m
from msingi.portal import rules
from msingi.portal import views_exchange as v
from msingi.portal.routes_person import uuid_in
from msingi.portal.visit import Visit, WebRequest, visit, visit_as_staff

SOME, MOST = 20, 100
CLASSES = ("GOV", "COM", "NGO")
RIGHTS_ROLES = ("exchange-operator", "data-steward", "governing-authority")
_WHY = "legal-obligation"


def _open_ctx(seen: Visit) -> Any:
    return context(seen.actor, "data-exchange", _WHY, request_id=str(seen.request.scope.get("msingi_request_id", "")))


@get("/exchange")
async def catalogue(request: WebRequest) -> Response[bytes]:
    """The services of the exchange, with search and pages; public."""
    seen = await visit(request)
    words, after = request.query_params.get("words", "")[:80], request.query_params.get("after", "")[:80]
    found = await exchange.catalogue(seen.stack, after, SOME + 1, words=words)
    shown = [o for o in found if not o.service.endswith("-acts")]
    older = "/exchange?" + urlencode({"words": words, "after": found[SOME - 1].service}) if len(found) > SOME else ""
    lines = tuple([v.line(seen.profile, seen.lang, o, await _owner(seen, o)) for o in shown[:SOME]])
    newer = f"/exchange?words={quote(words)}" if after else ""
    return seen.page("exchange/catalogue.html", v.Catalogue(words, lines, newer, older))


def _names(seen: Visit) -> v.Names:
    return v.Names(seen.profile, seen.lang, seen.words, federation.names(seen.stack))


async def _owner(seen: Visit, offer: Offer) -> str:
    try:
        return seen.of((await exchange.institution(seen.stack, offer.owner.split("/")[1])).name)
    except ExchangeRefusal:
        return offer.owner


@get("/exchange/offers/{code:str}")
async def one_offer(request: WebRequest, code: FromPath[str]) -> Response[bytes]:
    """A service: who owns it, what it tells, for which purposes, and who has a right to it; public."""
    seen = await visit(request)
    try:
        offer = await exchange.offer(seen.stack, code)
    except ExchangeRefusal:
        raise NotFound() from None
    rights = [r for r, _ in await membership.rights(seen.stack, service=code, limit=MOST)]
    view = v.offer(_names(seen), offer, await _owner(seen, offer), rights)
    return seen.page("exchange/offer.html", view)


@get("/exchange/members")
async def members(request: WebRequest) -> Response[bytes]:
    """Who belongs to the exchange, and whose standing changed for which reason; public."""
    seen = await visit(request)
    after = request.query_params.get("after", "")[:80]
    found = await exchange.institutions(seen.stack, after, SOME + 1)
    lines = []
    for one in found[:SOME]:
        told = await membership.changes(seen.stack, one.institution, 1)
        because = told[0].because if told and one.standing is not Standing.ACTIVE else ""
        lines.append(v.Member(one.institution, seen.of(one.name), one.member_class, one.standing.value, because))
    newer, older = rules.pages(
        (), "/exchange/members", after, found[SOME - 1].institution if len(found) > SOME else ""
    )  # fmt: skip
    return seen.page("exchange/members.html", v.Members(tuple(lines), newer, older))


def _join_form(seen: Visit) -> m.Form:
    say = seen.say
    classes = tuple((c, say(f"exchange.class_{c.lower()}")) for c in CLASSES)
    return m.Form(
        (
            m.Field(name="name", label=say("exchange.join_name"), longest=200, autocomplete="organization"),
            m.Field(name="code", label=say("exchange.join_code"), hint=say("exchange.join_code_hint"), longest=41),
            m.Field(name="member_class", label=say("exchange.join_class"), kind="choice", options=classes),
            m.Field(name="contact", label=say("exchange.join_contact"), longest=200, autocomplete="email"),
            m.Field(name="law", label=say("exchange.join_law"), longest=400, optional=True),
            m.Field(
                name="subsystem", label=say("exchange.join_software"), hint=say("exchange.join_software_hint"),
                longest=40, value="main",
            ),
            m.Field(name="key", label=say("exchange.join_key"), hint=say("exchange.join_key_hint"), longest=300),
        )
    )  # fmt: skip


def _join_page(seen: Visit, form: m.Form) -> Response[bytes]:
    view = v.Join(seen.stack.settings.url, seen.profile.say(seen.profile.authority.name, seen.lang))
    return seen.page("exchange/join.html", view, form=form, keeps_form=False)


@get("/exchange/join")
async def join(request: WebRequest) -> Response[bytes]:
    """How an institution joins: three commands, or this form; public."""
    seen = await visit(request)
    return _join_page(seen, _join_form(seen))


@post("/exchange/join", status_code=303)
async def apply(request: WebRequest) -> Response[bytes]:
    """An application by the form; its key is not proved, and the authority sees that."""
    seen = await visit(request)
    form = rules.judged(rules.filled(_join_form(seen), seen.fields), seen.say, {})
    if form.wrongs or seen.in_other_language:
        return _join_page(seen, form)
    value = form.value
    try:
        key = msgspec.json.decode(value("key").encode(), type=dict[str, str])
    except msgspec.DecodeError:
        key = {"kty": "OKP", "crv": "Ed25519", "x": value("key").strip()}
    order = ApplyOrder(
        value("code"), value("member_class"), {seen.lang: value("name")}, value("contact"), value("subsystem"), key,
        value("law"),
    )  # fmt: skip
    try:
        made = await membership.apply(seen.stack, _open_ctx(seen), order, proved=False)
    except Refusal as no:
        return _join_page(seen, _corrected(seen, form, no))
    return seen.go(f"/exchange/join/{made.application}")


def _corrected(seen: Visit, form: m.Form, no: Refusal) -> m.Form:
    """The refusal beside the question that it is about."""
    field = {"institution": "code"}.get(str(no.facts.get("field", "")), str(no.facts.get("field", "")))
    if no.code == "exchange.bad-key":
        field = "key"
    if no.code == "exchange.already-registered":
        return rules.with_wrong(form, "code", seen.say("exchange.join_taken"))
    known = {f.name for f in form.fields}
    told = seen.say("exchange.join_wrong_" + field) if seen.words.has("exchange.join_wrong_" + field) else ""
    where = field if field in known else form.fields[0].name
    return rules.with_wrong(form, where, told or seen.say("exchange.wrong", what=no.detail or no.title))


@get("/exchange/join/{number:str}")
async def application(request: WebRequest, number: FromPath[str]) -> Response[bytes]:
    """How an application stands."""
    seen = await visit(request)
    found = await membership.application(seen.stack, uuid_in(number))
    view = v.Applied(number, found.client, found.fingerprint, found.state.value, found.because)
    return seen.page("exchange/applied.html", view)


def _ctx(seen: Visit) -> Any:
    return seen.ctx("data-exchange", _WHY)


@get("/staff/institutions")
async def institutions(request: WebRequest) -> Response[bytes]:
    """The authority's desk: who asks to join, and who stands how."""
    seen = await visit_as_staff(request, "governing-authority")
    return await _institutions_page(seen)


async def _institutions_page(seen: Visit, wrong: str = "") -> Response[bytes]:
    asked = await membership.applications(seen.stack, _ctx(seen), limit=SOME)
    after = seen.request.query_params.get("after", "")[:80]
    found = await exchange.institutions(seen.stack, after, SOME + 1)
    waiting = tuple(
        v.Waiting(str(a.application), seen.of(a.name), f"{a.member_class}/{a.institution}/{a.subsystem}", a.contact,
                  a.law, a.kid, a.proved, a.at)
        for a in asked
    )  # fmt: skip
    stand = tuple(v.Member(i.institution, seen.of(i.name), i.member_class, i.standing.value, "") for i in found[:SOME])
    newer, older = rules.pages(
        (), "/staff/institutions", after, found[SOME - 1].institution if len(found) > SOME else ""
    )  # fmt: skip
    peers = tuple(
        v.PeerLine(p.peer, seen.of(p.name), p.url, p.keys[0].kid, p.standing.value, p.expires)
        for p in await federation.peers(seen.stack, fresh=True)
    )
    view = v.Institutions(waiting, stand, newer, older, wrong, peers)
    return seen.page(
        "exchange/institutions.html", view, area="staff", here="institutions", status=422 if wrong else 200
    )


@post("/staff/institutions", status_code=303)
async def decide_institution(request: WebRequest) -> Response[bytes]:
    """Approve or decline an application; suspend a member or let it stand again."""
    seen = await visit_as_staff(request, "governing-authority")
    what, which, because = (seen.fields.get(n, "") for n in ("what", "which", "because"))
    stack, ctx = seen.stack, _ctx(seen)
    try:
        if what == "approve":
            await membership.admit_member(stack, ctx, uuid_in(which))
        elif what == "decline":
            await membership.decline_member(stack, ctx, uuid_in(which), because)
        elif what == "suspend":
            await membership.suspend_member(stack, ctx, which, because)
        elif what == "reinstate":
            await membership.reinstate_member(stack, ctx, which, because)
        elif what == "approve-peer":
            await federation.approve_peer(stack, ctx, which)
            await federation.refresh_peer(stack, ctx, which)
        elif what == "suspend-peer":
            await federation.suspend_peer(stack, ctx, which, laws.reason(because))
        else:
            return await _institutions_page(seen)
    except ExchangeRefusal as no:
        return await _institutions_page(seen, _in_words(seen, no))
    return seen.go("/staff/institutions", "exchange.said_done")


def _in_words(seen: Visit, no: Refusal) -> str:
    key = "exchange.no_" + no.code.partition(".")[2].replace("-", "_")
    return seen.say(key) if seen.words.has(key) else seen.say("exchange.wrong", what=no.detail or no.title)


def _right_form(seen: Visit, offers: list[Offer], software: list[str]) -> m.Form:
    say = seen.say
    speak = _names(seen)
    services = tuple((o.service, f"{seen.of(o.title)} ({o.service})") for o in offers)
    purposes = tuple((p, speak.word("purpose", p)) for p in sorted({p for o in offers for p in o.purposes}))
    bases = tuple((b, speak.word("basis", b)) for b in sorted(BASES))
    return m.Form(
        (
            m.Field(name="service", label=say("exchange.right_offer"), kind="select", options=services),
            m.Field(name="client", label=say("exchange.right_software"), kind="select",
                    options=tuple((s, s) for s in software), value=software[0] if len(software) == 1 else ""),
            m.Field(name="purpose", label=say("exchange.right_purpose"), kind="select", options=purposes),
            m.Field(name="basis", label=say("exchange.right_basis"), kind="select", options=bases),
            m.Field(name="law", label=say("exchange.right_law"), longest=400),
            m.Field(name="fields", label=say("exchange.right_fields"), hint=say("exchange.right_fields_hint"),
                    longest=400),
            m.Field(name="days", label=say("exchange.right_days"), kind="number", value="365", longest=4),
            m.Field(name="reason", label=say("exchange.right_reason"), longest=400),
        )
    )  # fmt: skip


async def _rights_page(seen: Visit, form: m.Form | None = None, wrong: str = "") -> Response[bytes]:
    institution = "" if "governing-authority" in seen.actor.roles else seen.actor.institution
    before = seen.request.query_params.get("after", "")
    last = uuid_in(before) if before else None
    found = await membership.requests(seen.stack, institution, "", last, SOME + 1)
    speak = _names(seen)
    titles = {str(o.service): seen.of(o.title) for o in await exchange.catalogue(seen.stack, limit=MOST)}
    lines = tuple(v.asked(speak, one, titles, _decides(seen, one.owner, one.asked_by)) for one in found[:SOME])
    newer, older = rules.pages((), "/staff/rights", before, str(found[SOME - 1].request) if len(found) > SOME else "")
    if form is None:
        form = _right_form(seen, *(await _choices(seen)))
    view = v.Rights(lines, newer, older, may_ask=_may_ask(seen), wrong=wrong)
    return seen.page("exchange/rights.html", view, area="staff", here="rights", form=form,
                     status=422 if wrong else 200)  # fmt: skip


def _may_ask(seen: Visit) -> bool:
    return bool(seen.actor.roles & {"exchange-operator", "data-steward"})


def _decides(seen: Visit, owner: str, asked_by: str) -> bool:
    own = owner.split("/")[1] == seen.actor.institution and "data-steward" in seen.actor.roles
    return (own or "governing-authority" in seen.actor.roles) and asked_by != seen.actor.id


async def _choices(seen: Visit) -> tuple[list[Offer], list[str]]:
    offers = [o for o in await exchange.catalogue(seen.stack, limit=MOST) if not o.service.endswith("-acts")]
    systems, _ = await membership.software(seen.stack, seen.actor.institution)
    return offers, [s.subsystem for s in systems]


@get("/staff/rights")
async def rights(request: WebRequest) -> Response[bytes]:
    """Requests for rights: one's own, those to one's services, and for the authority all."""
    return await _rights_page(await visit_as_staff(request, *RIGHTS_ROLES))


@post("/staff/rights", status_code=303)
async def ask_right(request: WebRequest) -> Response[bytes]:
    """Ask for a right."""
    seen = await visit_as_staff(request, "exchange-operator", "data-steward")
    choices = await _choices(seen)
    checks = {"days": lambda text: "" if text.isdecimal() and 0 < int(text) <= 3650 else seen.say("exchange.days")}
    form = rules.judged(rules.filled(_right_form(seen, *choices), seen.fields), seen.say, checks)
    if form.wrongs or seen.in_other_language:
        return await _rights_page(seen, form)
    value = form.value
    order = AskRight(
        SubsystemId(value("client")), value("service"), value("purpose"), value("basis"), value("law"),
        tuple(value("fields").replace(",", " ").split()), value("reason"), int(value("days")),
    )  # fmt: skip
    try:
        await membership.ask_right(seen.stack, _ctx(seen), order)
    except ExchangeRefusal as no:
        where = {"purpose": "purpose", "basis": "basis", "fields": "fields"}
        field = next((where[n] for n in no.facts if n in where), "service")
        return await _rights_page(seen, rules.with_wrong(form, field, _in_words(seen, no)))
    return seen.go("/staff/rights", "exchange.said_asked")


@post("/staff/rights/{number:str}", status_code=303)
async def decide_right(request: WebRequest, number: FromPath[str]) -> Response[bytes]:
    """Grant a right, or refuse it with a reason."""
    seen = await visit_as_staff(request, "data-steward", "governing-authority")
    yes = seen.fields.get("what") == "grant"
    try:
        now = await membership.decide_right(
            seen.stack, _ctx(seen), uuid_in(number), yes, seen.fields.get("because", "")
        )  # fmt: skip
    except ExchangeRefusal as no:
        return await _rights_page(seen, wrong=_in_words(seen, no))
    return seen.go("/staff/rights", "exchange.said_granted" if now.state is State.APPROVED else "exchange.said_done")


doors = [
    catalogue, one_offer, members, join, apply, application, institutions, decide_institution, rights, ask_right,
    decide_right,
]  # fmt: skip
