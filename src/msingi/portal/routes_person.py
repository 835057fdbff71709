"""Doors of a person: overview, card, health, consents, who looked, sessions. Money has doors of its own."""

import contextlib
from datetime import timedelta
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from msingi.consent import acts as consent
from msingi.consent.model import GrantOrder, State
from msingi.credentials import acts as credentials
from msingi.credentials.model import CredentialId, Reason
from msingi.exchange.federation import acts as federation
from msingi.health import acts as health
from msingi.kernel import clock
from msingi.kernel.errors import NotFound
from msingi.payments import acts as payments
from msingi.portal import model as m
from msingi.portal import page, views, views_health
from msingi.portal.views import Speaker
from msingi.portal.visit import Visit, WebRequest, visit_as_person
from msingi.signin import acts as signin
from msingi.signin.provider import acts as provider

SETTLED_S = 3  # the log takes a line into its tree within seconds; before that there is no proof of it
LINES = 50


def speaker(seen: Visit) -> Speaker:
    """What codes mean to this visitor."""
    return Speaker(seen.stack.profile, seen.words, federation.names(seen.stack))


def uuid_in(path: str) -> UUID:
    """The id in an address. Raises NotFound for something else."""
    found = views.uuid_of(path)
    if found is None:
        raise NotFound()
    return found


@get("/me")
async def overview(request: WebRequest) -> Response[bytes]:
    """The person's first page: money, what waits for an answer, who looked last. Reads no more than it shows."""
    seen = await visit_as_person(request)
    stack, me, session = seen.stack, seen.person_id, seen.session
    assert session is not None
    accounts = await payments.accounts(stack, seen.ctx("subject-access", "legal-obligation"))
    asked = await consent.requests_of(stack, seen.ctx("consent-management", "legal-obligation"), me, limit=20)
    lines = await consent.accesses(stack, seen.ctx("subject-access", "legal-obligation"), me, limit=100)
    account = views.default_account(accounts, stack.profile.currency.code)
    seen.waiting = len(asked.items)
    settled = clock.now() - timedelta(seconds=SETTLED_S)
    view = m.Overview(
        name=session.name,
        number=session.number,
        balance=m.Money(account.balance_minor, account.currency) if account else None,
        waiting=len(asked.items),
        accesses=views.others(speaker(seen), lines.items, settled, 3),
    )
    return seen.page("person/overview.html", view, area="person", here="overview")


async def _card(seen: Visit) -> m.CardPage:
    assert seen.session is not None
    cards = await credentials.cards_of(seen.stack, seen.ctx("subject-access", "legal-obligation"), seen.person_id)
    return views.card(seen.session.name, seen.session.number, cards)


@get("/me/card")
async def card(request: WebRequest) -> Response[bytes]:
    """The person's ID card and its state."""
    seen = await visit_as_person(request)
    return seen.page("person/card.html", await _card(seen), area="person", here="card")


@post("/me/card/pause", status_code=303)
async def pause_card(request: WebRequest) -> Response[bytes]:
    """Pause a lost card, so that nobody can use it; only an office makes it valid again."""
    seen = await visit_as_person(request)
    found = await _card(seen)
    if found.state == "valid":
        ctx = seen.ctx("credential-issuance", "legal-obligation")
        await credentials.suspend(seen.stack, ctx, CredentialId(found.card_id), Reason.LOST)
    return seen.go("/me/card")


@get("/me/card.pdf")
async def card_pdf(request: WebRequest) -> Response[bytes]:
    """The card as PDF, both sides, true to size."""
    seen = await visit_as_person(request)
    found = await _card(seen)
    if not found.card_id:
        raise NotFound()
    ctx = seen.ctx("subject-access", "legal-obligation")
    raw = await credentials.card_pdf(seen.stack, ctx, CredentialId(found.card_id))
    return seen.download(raw, "application/pdf", "id-card.pdf")


@get("/me/card.png")
async def card_code(request: WebRequest) -> Response[bytes]:
    """The signed square code of the card, to show on a phone."""
    seen = await visit_as_person(request)
    found = await _card(seen)
    if not found.card_id:
        raise NotFound()
    ctx = seen.ctx("subject-access", "legal-obligation")
    raw = await credentials.card_code(seen.stack, ctx, CredentialId(found.card_id))
    return Response(raw, media_type="image/png", headers=page.HEADERS, cookies=seen.cookies)


@get("/me/health")
async def summary(request: WebRequest) -> Response[bytes]:
    """The person's patient summary in words."""
    seen = await visit_as_person(request)
    view = m.HealthPage(())
    with contextlib.suppress(NotFound):
        view = views_health.health(await _summary(seen))
    return seen.page("person/health.html", view, area="person", here="health")


async def _summary(seen: Visit) -> dict[str, object]:
    return await health.summary(seen.stack, seen.ctx("subject-access", "legal-obligation"), seen.person_id)


@get("/me/health.json")
async def summary_file(request: WebRequest) -> Response[bytes]:
    """The person's patient summary as FHIR, to hand to a doctor."""
    seen = await visit_as_person(request)
    raw = msgspec.json.encode(await _summary(seen))
    return seen.download(raw, "application/fhir+json", "health-summary.json")


@get("/me/consents")
async def consents(request: WebRequest) -> Response[bytes]:
    """What waits for the person's answer, what they allowed, and what has ended."""
    seen = await visit_as_person(request)
    stack, me = seen.stack, seen.person_id
    ctx = seen.ctx("consent-management", "legal-obligation")
    asked = await consent.requests_of(stack, ctx, me)
    given = await consent.consents_of(stack, ctx, me)
    speak, now = speaker(seen), clock.now()
    waiting = [
        views.consent_request(speak, r, await consent.agreement(stack, r.agreement, r.agreement_version), now)
        for r in asked.items
    ]
    known = [
        views.consent(speak, c, await consent.agreement(stack, c.agreement, c.agreement_version)) for c in given.items
    ]
    seen.waiting = len(waiting)
    agreed = await provider.list_agreements(stack, seen.ctx("consent-management", "consent"), me)
    services = [views.software(speak, await signin.client(stack, a.client_id), a) for a in agreed]
    view = m.Consents(
        tuple(waiting),
        tuple(c for c in known if c.state == "live"),
        tuple(c for c in known if c.state != "live"),
        tuple(services),
    )
    return seen.page("person/consents.html", view, area="person", here="consents")


async def _asked(seen: Visit, request_id: UUID):
    ctx = seen.ctx("consent-management", "legal-obligation")
    found = await consent.requests_of(seen.stack, ctx, seen.person_id, limit=100)
    for asked in found.items:
        if asked.request_id == request_id:
            return asked, await consent.agreement(seen.stack, asked.agreement, asked.agreement_version)
    raise NotFound()


@get("/me/consents/requests/{request_id:str}")
async def consent_request(request: WebRequest, request_id: FromPath[str]) -> Response[bytes]:
    """One request: who, what, why, how long, and both answers side by side (law 8)."""
    seen = await visit_as_person(request)
    asked, agreement = await _asked(seen, uuid_in(request_id))
    view = views.consent_request(speaker(seen), asked, agreement, clock.now())
    return seen.page("person/consent_request.html", view, area="person", here="consents")


@post("/me/consents/requests/{request_id:str}", status_code=303)
async def answer_request(request: WebRequest, request_id: FromPath[str]) -> Response[bytes]:
    """The person's answer to a request."""
    seen = await visit_as_person(request)
    wanted = uuid_in(request_id)
    ctx = seen.ctx("consent-management", "consent")
    if seen.fields.get("answer") == "grant":
        asked, agreement = await _asked(seen, wanted)
        order = GrantOrder(
            agreement=asked.agreement,
            version=agreement.version,
            fields=asked.fields,
            language=seen.lang,
            request_id=wanted,
        )
        await consent.grant(seen.stack, ctx, seen.person_id, order)
        return seen.go("/me/consents", "consent.granted_now")
    if seen.fields.get("answer") == "refuse":
        await consent.decline(seen.stack, ctx, seen.person_id, wanted)
        return seen.go("/me/consents", "consent.refused_now")
    return seen.go(f"/me/consents/requests/{wanted}")


@get("/me/consents/{consent_id:str}/withdraw")
async def before_withdrawal(request: WebRequest, consent_id: FromPath[str]) -> Response[bytes]:
    """What ends if the person withdraws."""
    seen = await visit_as_person(request)
    wanted = uuid_in(consent_id)
    ctx = seen.ctx("consent-management", "legal-obligation")
    given = await consent.consents_of(seen.stack, ctx, seen.person_id, limit=100)
    for each in given.items:
        if each.consent_id == wanted and each.state is State.GRANTED:
            agreement = await consent.agreement(seen.stack, each.agreement, each.agreement_version)
            view = views.consent(speaker(seen), each, agreement)
            return seen.page("person/withdraw.html", view, area="person", here="consents")
    raise NotFound()


@post("/me/consents/{consent_id:str}/withdraw", status_code=303)
async def withdraw(request: WebRequest, consent_id: FromPath[str]) -> Response[bytes]:
    """Withdraw a consent; it ends at once."""
    seen = await visit_as_person(request)
    await consent.withdraw(seen.stack, seen.ctx("consent-management", "consent"), seen.person_id, uuid_in(consent_id))
    return seen.go("/me/consents", "consent.withdrawn_now")


@post("/me/consents/services/{client_id:str}/withdraw", status_code=303)
async def leave_software(request: WebRequest, client_id: FromPath[str]) -> Response[bytes]:
    """Take back what a service may learn at sign-in; its tokens end at once."""
    seen = await visit_as_person(request)
    await provider.withdraw(seen.stack, seen.ctx("consent-management", "consent"), seen.person_id, client_id)
    return seen.go("/me/consents", "consent.withdrawn_now")


@get("/me/accesses")
async def accesses(request: WebRequest) -> Response[bytes]:
    """Who looked at the person's data, newest first."""
    seen = await visit_as_person(request)
    after = request.query_params.get("after", "")
    ctx = seen.ctx("subject-access", "legal-obligation")
    found = await consent.accesses(seen.stack, ctx, seen.person_id, after=after, limit=LINES)
    older = f"/me/accesses?after={found.after}" if found.after else ""
    settled = clock.now() - timedelta(seconds=SETTLED_S)
    zone = page.zone_of(seen.stack.profile)
    view = views.accesses(speaker(seen), found.items, zone, settled, "/me/accesses" if after else "", older)
    return seen.page("person/accesses.html", view, area="person", here="accesses")


@get("/me/accesses/{record_id:str}")
async def access(request: WebRequest, record_id: FromPath[str]) -> Response[bytes]:
    """One line: who, for whom, what, why, on which basis, when; and its proof."""
    seen = await visit_as_person(request)
    wanted = uuid_in(record_id)
    ctx = seen.ctx("subject-access", "legal-obligation")
    line = await consent.access(seen.stack, ctx, seen.person_id, wanted)
    settled = clock.now() - timedelta(seconds=SETTLED_S)
    view = views.access(speaker(seen), line, settled)
    return seen.page("person/access.html", view, area="person", here="accesses")


@get("/me/accesses/{record_id:str}/proof")
async def proof(request: WebRequest, record_id: FromPath[str]) -> Response[bytes]:
    """The proof of one line, which anybody can verify offline (C2SP tlog-proof)."""
    seen = await visit_as_person(request)
    wanted = uuid_in(record_id)
    ctx = seen.ctx("subject-access", "legal-obligation")
    text = await consent.access_proof(seen.stack, ctx, seen.person_id, wanted)
    return seen.download(text.encode(), "text/plain; charset=utf-8", f"access-{record_id[:13]}.tlog-proof")


@get("/me/sessions")
async def sessions(request: WebRequest) -> Response[bytes]:
    """Where the person is signed in."""
    seen = await visit_as_person(request)
    assert seen.session is not None
    found = await signin.list_sessions(seen.stack, seen.ctx("subject-access", "legal-obligation"), seen.person_id)
    view = views.sessions(found, seen.session.proved_at)
    return seen.page("person/sessions.html", view, area="person", here="sessions")


@post("/me/sessions/{session_id:str}/end", status_code=303)
async def end_session(request: WebRequest, session_id: FromPath[str]) -> Response[bytes]:
    """End one of the person's sessions."""
    seen = await visit_as_person(request)
    ctx = seen.ctx("subject-access", "legal-obligation")
    await signin.end_session(seen.stack, ctx, seen.person_id, uuid_in(session_id))
    return seen.go("/me/sessions", "sessions.ended")


doors = [
    overview,
    card,
    pause_card,
    card_pdf,
    card_code,
    summary,
    summary_file,
    consents,
    consent_request,
    answer_request,
    before_withdrawal,
    withdraw,
    leave_software,
    accesses,
    access,
    proof,
    sessions,
    end_session,
]
