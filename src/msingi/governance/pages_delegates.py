"""Pages of acting for others: who may act for me, for whom I may act, and what they allowed."""

from uuid import UUID

from litestar import Response, Router, get, post
from litestar.params import FromPath
from msgspec import Struct

from msingi.consent import acts as consent
from msingi.consent.delegation import acts as behalf
from msingi.consent.delegation.model import DELEGABLE, Delegation, DelegationOrder
from msingi.consent.errors import DelegationWrong
from msingi.consent.model import State
from msingi.governance.views import institution, purpose
from msingi.kernel import clock
from msingi.kernel.errors import Refusal
from msingi.kernel.ids import PersonId
from msingi.portal import rules as forms
from msingi.portal.model import Field, Form
from msingi.portal.trouble import HANDLERS
from msingi.portal.visit import Visit, WebRequest, visit_as_person

TERMS = (7, 30, 90, 365)


class DelegatesPage(Struct, frozen=True):
    """Live delegations given, and those received; `whose` names purposes in words."""

    given: list[tuple[Delegation, str]]
    received: list[tuple[Delegation, str]]


class TheirConsent(Struct, frozen=True):
    """A live consent of somebody for whom the visitor may act."""

    id: str
    who: str
    why: str


class ForPage(Struct, frozen=True):
    """What somebody allowed who lets the visitor act for them."""

    name: str
    base: str
    consents: list[TheirConsent]


def _questions(seen: Visit) -> Form:
    say = seen.say
    label = seen.of(seen.stack.profile.number.label)
    whole = ("all", say("governance.delegate_all"))
    purposes = tuple((p, say(f"governance.delegate_{p}")) for p in DELEGABLE)
    terms = tuple((str(n), say("governance.delegate_days", n=n)) for n in TERMS)
    return Form(
        (
            Field(name="number", label=label, kind="number", hint=say("governance.delegate_number_hint")),
            Field(name="purpose", kind="choice", label=say("governance.delegate_what"), options=(*purposes, whole)),
            Field(name="days", kind="select", label=say("governance.delegate_term"), options=terms),
        )
    )


async def _page(seen: Visit, form: Form) -> Response[bytes]:
    ctx = seen.ctx("consent-management", "legal-obligation")
    found = await behalf.delegations(seen.stack, ctx, seen.person_id)
    now = clock.now()

    def shown(each: Delegation) -> tuple[Delegation, str]:
        return each, ", ".join(seen.say(f"governance.delegate_{p}") for p in each.purposes)

    given = [shown(d) for d in found.given if d.ended_at is None and d.until > now]
    view = DelegatesPage(given, [shown(d) for d in found.received])
    return seen.page("governance/delegates.html", view, area="person", here="rights", form=form)


@get("/me/delegates")
async def delegates(request: WebRequest) -> Response[bytes]:
    """Who may act for me, and for whom I may act."""
    seen = await visit_as_person(request)
    return await _page(seen, _questions(seen))


@post("/me/delegates", status_code=303)
async def delegate(request: WebRequest) -> Response[bytes]:
    """Let somebody act for me."""
    seen = await visit_as_person(request)
    form = forms.filled(_questions(seen), seen.fields)
    if not seen.in_other_language:
        form = forms.judged(form, seen.say, {})
    if seen.in_other_language or form.wrongs:
        return await _page(seen, form)
    chosen = form.value("purpose")
    purposes = DELEGABLE if chosen == "all" else (chosen,)
    order = DelegationOrder(form.value("number").replace(" ", ""), purposes, int(form.value("days")))
    try:
        await behalf.delegate(seen.stack, seen.ctx("consent-management", "consent"), seen.person_id, order)
    except DelegationWrong:
        return await _page(seen, forms.with_wrong(form, "number", seen.say("governance.delegate_not_this")))
    except Refusal:
        return await _page(seen, forms.with_wrong(form, "number", seen.say("governance.number_wrong")))
    return seen.go("/me/delegates", "governance.said_delegated")


@post("/me/delegates/{delegation_id:uuid}/end", status_code=303)
async def end(request: WebRequest, delegation_id: FromPath[UUID]) -> Response[bytes]:
    """Take it back, at once."""
    seen = await visit_as_person(request)
    ctx = seen.ctx("consent-management", "consent")
    await behalf.end_delegation(seen.stack, ctx, seen.person_id, delegation_id)
    return seen.go("/me/delegates", "governance.said_taken_back")


@get("/me/for/{person_id:uuid}")
async def for_somebody(request: WebRequest, person_id: FromPath[UUID]) -> Response[bytes]:
    """What somebody allowed who lets me act for them; each can be withdrawn."""
    seen = await visit_as_person(request)
    ctx = seen.ctx("consent-management", "legal-obligation")
    mine = await behalf.delegations(seen.stack, ctx, seen.person_id)
    name = next((d.person_name for d in mine.received if d.person_id == person_id), "")
    theirs = await behalf.act_for(seen.stack, ctx, PersonId(person_id), "consent-management")
    found = await consent.consents_of(seen.stack, theirs, PersonId(person_id), limit=100)
    live = [
        TheirConsent(str(c.consent_id), institution(seen, c.institution), purpose(seen, c.purpose))
        for c in found.items
        if c.state is State.GRANTED
    ]
    view = ForPage(name, f"/me/for/{person_id}", live)
    return seen.page("governance/for.html", view, area="person", here="rights")


@post("/me/for/{person_id:uuid}/{consent_id:uuid}/withdraw", status_code=303)
async def withdraw_for(request: WebRequest, person_id: FromPath[UUID], consent_id: FromPath[UUID]) -> Response[bytes]:
    """Withdraw a consent for somebody who lets me act for them."""
    seen = await visit_as_person(request)
    ctx = seen.ctx("consent-management", "consent")
    theirs = await behalf.act_for(seen.stack, ctx, PersonId(person_id), "consent-management")
    await consent.withdraw(seen.stack, theirs, PersonId(person_id), consent_id)
    return seen.go(f"/me/for/{person_id}", "consent.withdrawn_now")


router = Router(
    "/",
    route_handlers=[delegates, delegate, end, for_somebody, withdraw_for],
    exception_handlers=HANDLERS,
    include_in_schema=False,
)
