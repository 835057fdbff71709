"""Doors of credentials: what a person holds and puts into a wallet; what an officer awards and decides about."""

import base64

from litestar import Response, get, post
from litestar.params import FromPath
from msgspec import Struct

from msingi.credentials.issuance import acts, kinds
from msingi.credentials.issuance.errors import NoSuchKind, ValueWrong
from msingi.credentials.issuance.model import (
    AwardOrder,
    ClaimKind,
    ClaimRule,
    HoldingId,
    HoldingSummary,
    Kind,
    Offered,
    Waiting,
)
from msingi.credentials.model import CardState, Reason
from msingi.credentials.picture import write_qr
from msingi.kernel.errors import NotFound, Refusal
from msingi.kernel.ids import PersonId
from msingi.portal import model as m
from msingi.portal import rules
from msingi.portal.routes_person import uuid_in
from msingi.portal.visit import Visit, WebRequest, visit_as_person, visit_as_staff

OFFICER = "credential-officer"


class Held(Struct, frozen=True):
    """One credential on the person's page."""

    name: str
    holding: HoldingSummary
    claims: tuple[tuple[str, str], ...]


class WalletPage(Struct, frozen=True):
    """What the person holds, and the open kinds that they can fetch besides (name and code)."""

    held: tuple[Held, ...]
    more: tuple[tuple[str, str], ...]


class OfferPage(Struct, frozen=True):
    """An offer on the screen: a picture for another device, an address for this one, a code or that it was sent."""

    name: str
    picture: str
    link: str
    code: str
    document: str = ""


class DeskPage(Struct, frozen=True):
    """What an officer can award (code, name), and which requests wait (with the kind's name)."""

    kinds: tuple[tuple[str, str], ...]
    waiting: tuple[tuple[str, Waiting], ...]


class AwardPage(Struct, frozen=True):
    """The form of one kind."""

    kind: str
    name: str


def _offer(name: str, offer: Offered, document: str = "") -> OfferPage:
    shown = "data:image/png;base64," + base64.b64encode(write_qr(offer.link)).decode()
    return OfferPage(name, shown, offer.link, offer.tx_code, document)


async def _name(seen: Visit, kind: str) -> str:
    known = (await kinds.known(seen.stack)).by_name.get(kind)
    return seen.of(known.name) if known else kind


@get("/me/wallet")
async def wallet(request: WebRequest) -> Response[bytes]:
    """What the person holds, and what they can put into a wallet."""
    seen = await visit_as_person(request)
    found = await acts.holdings_of(seen.stack, seen.ctx("subject-access", "legal-obligation"), seen.person_id)
    known = (await kinds.known(seen.stack)).by_name
    held = []
    for one in found:
        kind = known.get(one.kind)
        labels = {claim.key: seen.of(claim.name) for claim in kind.claims} if kind else {}
        claims = tuple((labels.get(key, key), text) for key, text in one.values.items())
        held.append(Held(seen.of(kind.name) if kind else one.kind, one, claims))
    live = {one.kind for one in found if one.state in ("active", "suspended")}
    more = tuple((k.kind, seen.of(k.name)) for k in known.values() if k.open and k.kind not in live)
    return seen.page("person/wallet.html", WalletPage(tuple(held), more), area="person", here="wallet")


@post("/me/wallet/offer", status_code=200)
async def offer(request: WebRequest) -> Response[bytes]:
    """A code to scan, for fifteen minutes; the transaction code goes to the person's phone where there is one."""
    seen = await visit_as_person(request)
    kind, ctx = seen.fields.get("kind", ""), seen.ctx("credential-issuance", "legal-obligation")
    made = await acts.make_offer(seen.stack, ctx, seen.person_id, kind, code_by_sms=True)
    view = _offer(await _name(seen, kind), made)
    return seen.page("person/wallet_offer.html", view, area="person", here="wallet")


@post("/me/wallet/pause", status_code=303)
async def pause(request: WebRequest) -> Response[bytes]:
    """Pause a credential in every wallet, because the phone is lost; the institution makes it valid again."""
    seen = await visit_as_person(request)
    ctx = seen.ctx("credential-issuance", "legal-obligation")
    holding_id = HoldingId(uuid_in(seen.fields.get("holding", "")))
    await acts.change_holding(seen.stack, ctx, seen.person_id, holding_id, CardState.SUSPENDED, Reason.LOST)
    return seen.go("/me/wallet")


async def _kind(seen: Visit, name: str) -> Kind:
    found = (await kinds.known(seen.stack)).by_name.get(name)
    if found is None or found.institution != seen.actor.institution:
        raise NoSuchKind()
    return found


@get("/staff/credentials")
async def desk(request: WebRequest) -> Response[bytes]:
    """What the officer's institution awards, and the requests that wait."""
    seen = await visit_as_staff(request, OFFICER)
    ctx = seen.ctx("credential-issuance", "legal-obligation")
    known = (await kinds.known(seen.stack)).by_name.values()
    own = tuple((k.kind, seen.of(k.name)) for k in known if k.institution == seen.actor.institution and not k.open)
    waiting = [(await _name(seen, w.kind), w) for w in await acts.waiting_requests(seen.stack, ctx)]
    return seen.page("staff/awards.html", DeskPage(own, tuple(waiting)), area="staff", here="awards")


@post("/staff/credentials/decide", status_code=303)
async def decide(request: WebRequest) -> Response[bytes]:
    """Approve or refuse a wallet's request."""
    seen = await visit_as_staff(request, OFFICER)
    ctx = seen.ctx("credential-issuance", "legal-obligation")
    person, asked = (uuid_in(seen.fields.get(name, "")) for name in ("person", "request"))
    approve = seen.fields.get("decision") == "approve"
    await acts.decide_request(seen.stack, ctx, PersonId(person), asked, approve)
    return seen.go("/staff/credentials")


def _field(seen: Visit, claim: ClaimRule) -> m.Field:
    """The question for one claim."""
    kind, hint, options = "text", "", tuple((c, c) for c in claim.choices)
    if claim.kind is ClaimKind.DATE:
        kind, options = "date", ()
    elif claim.kind is ClaimKind.FLAG:
        kind, options = "choice", (("yes", seen.say("wallet.yes")), ("no", seen.say("wallet.no")))
    elif claim.kind is ClaimKind.NUMBER:
        kind = "number"
    elif claim.kind is ClaimKind.LIST:
        hint = f"{seen.say('wallet.list_hint')} {', '.join(claim.choices)}".strip()
        options = ()
    elif claim.kind is ClaimKind.TABLE:
        kind, hint = "lines", seen.say("wallet.table_hint", columns=", ".join(claim.members))
    elif options:
        kind = "select"
    return m.Field(
        name=claim.key.replace(".", "__"), label=seen.of(claim.name), kind=kind, hint=hint, options=options,
        optional=not claim.required, autocomplete="off", longest=2000 if kind == "lines" else 400,
    )  # fmt: skip


def _form(seen: Visit, kind: Kind) -> m.Form:
    asked = [c for c in kind.claims if c.source == "institution" and c.kind is not ClaimKind.PICTURE]
    number = m.Field(name="number", label=seen.say("wallet.person"), kind="number", autocomplete="off", longest=20)
    return rules.filled(m.Form((number, *(_field(seen, claim) for claim in asked))), seen.fields)


def _value(claim: ClaimRule, text: str) -> object:
    """What was typed, in the type of the claim; what does not fit stays text, and the room says what is wrong."""
    match claim.kind:
        case ClaimKind.DATE:
            return rules.iso_date(text)
        case ClaimKind.FLAG:
            return text == "yes"
        case ClaimKind.NUMBER:
            return int(text) if text.lstrip("-").isdecimal() else text
        case ClaimKind.LIST:
            return [part.strip() for part in text.split(",") if part.strip()]
        case ClaimKind.TABLE:
            rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines() if line.strip()]
            return [{m: cell for m, cell in zip(claim.members, row, strict=False) if cell} for row in rows]
    return text


@get("/staff/credentials/{kind:str}")
async def award_form(request: WebRequest, kind: FromPath[str]) -> Response[bytes]:
    """The questions of one type of credential."""
    seen = await visit_as_staff(request, OFFICER)
    found = await _kind(seen, kind)
    view = AwardPage(found.kind, seen.of(found.name))
    return seen.page("staff/award.html", view, area="staff", here="awards", form=_form(seen, found))


@post("/staff/credentials/{kind:str}", status_code=200)
async def award(request: WebRequest, kind: FromPath[str]) -> Response[bytes]:
    """Award it, and offer it to the person's wallet at once; or say what to correct."""
    seen = await visit_as_staff(request, OFFICER)
    found = await _kind(seen, kind)
    form, view = _form(seen, found), AwardPage(found.kind, seen.of(found.name))
    if not seen.in_other_language:
        form = rules.judged(form, seen.say, {})
    if seen.in_other_language or form.wrongs:
        return seen.page("staff/award.html", view, area="staff", here="awards", form=form)
    ctx = seen.ctx("credential-issuance", "legal-obligation")
    by_key = {c.key: c for c in found.claims}
    values = {
        (key := f.name.replace("__", ".")): _value(by_key[key], f.value)
        for f in form.fields
        if f.name != "number" and f.value
    }
    try:
        holding = await acts.award(seen.stack, ctx, AwardOrder(kind=kind, number=form.value("number"), values=values))
    except ValueWrong as wrong:
        name = str(wrong.facts.get("field", "")).replace(".", "__")
        form = rules.with_wrong(form, name, seen.say("wallet.value_wrong", rule=wrong.facts.get("rule", "")))
        return seen.page("staff/award.html", view, area="staff", here="awards", form=form)
    except Refusal as refusal:
        if not isinstance(refusal, NotFound) and refusal.status not in (400, 404, 409):
            raise
        form = rules.with_wrong(form, "number", seen.say("wallet.not_found"))
        return seen.page("staff/award.html", view, area="staff", here="awards", form=form)
    made = await acts.make_offer(seen.stack, ctx, holding.person_id, kind)
    offered = _offer(view.name, made, holding.document)
    return seen.page("staff/awarded.html", offered, area="staff", here="awards")


doors = [wallet, offer, pause, desk, decide, award_form, award]
