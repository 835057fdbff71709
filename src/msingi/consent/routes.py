"""Doors of the consent room: agreements for everybody, consents, requests and accesses for the person."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, Router, get, post
from litestar.params import Parameter

from msingi.consent import acts, forms
from msingi.consent import model as m
from msingi.consent.delegation import routes as delegation
from msingi.consent.errors import AgreementUnknown
from msingi.consent.govstack import routes as govstack
from msingi.kernel import web
from msingi.kernel.context import Context, Kind
from msingi.kernel.errors import NotSignedIn
from msingi.kernel.ids import PersonId

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, Parameter(ge=1, le=200, description="How many items at most.")]
After = Annotated[str, Parameter(max_length=80, description="What the page before gave as `after`.")]


async def _consenting(request: AnyRequest) -> Context:
    return await web.context(request, "consent-management", "legal-obligation", signed_in=True)


def _self(ctx: Context) -> PersonId:
    """The person who calls. Raises NotSignedIn for staff and software: these doors are for people."""
    if ctx.actor.kind is not Kind.PERSON:
        raise NotSignedIn("This door is for the person concerned.")
    return PersonId(UUID(ctx.actor.id))


@get("/agreements")
async def agreements(
    request: AnyRequest, after: After = "", limit: Limit = 50, institution: str = ""
) -> m.Page[m.Agreement]:
    """The data agreements on offer, signed and versioned (GovStack Consent 1.1, DataAgreement)."""
    return await acts.agreements(web.stack(request), after, limit, institution)


@get("/agreements/{name:str}")
async def agreement(request: AnyRequest, name: str) -> m.Agreement:
    """The newest version of a data agreement. 404 consent.agreement-unknown."""
    return await acts.agreement(web.stack(request), name)


@get("/agreements/{name:str}/versions/{version:int}")
async def agreement_version(request: AnyRequest, name: str, version: int) -> m.Agreement:
    """One version of a data agreement (GovStack Consent 1.1, Revision). 404 consent.agreement-unknown."""
    if not 1 <= version < 2**31:
        raise AgreementUnknown()
    return await acts.agreement(web.stack(request), name, version)


@post("/agreements")
async def publish_agreement(request: AnyRequest, data: m.AgreementOrder) -> m.Agreement:
    """Publish the next version of a data agreement. 400 consent.agreement-wrong, 403."""
    return await acts.publish_agreement(web.stack(request), await _consenting(request), data)


@post("/agreements/{name:str}/retirement")
async def retire_agreement(request: AnyRequest, name: str) -> m.Agreement:
    """Offer a data agreement no longer. 403, 404."""
    return await acts.retire_agreement(web.stack(request), await _consenting(request), name)


@get("/consents")
async def consents(request: AnyRequest, after: After = "", limit: Limit = 50) -> m.Page[m.Consent]:
    """What I have allowed, newest first."""
    ctx = await _consenting(request)
    return await acts.consents_of(web.stack(request), ctx, _self(ctx), after, limit)


@post("/consents")
async def grant(request: AnyRequest, data: m.GrantOrder) -> m.Receipt:
    """Allow what a version of a data agreement says; the ISO/IEC TS 27560 receipt. 400, 404, 409."""
    ctx = await _consenting(request)
    return await acts.grant(web.stack(request), ctx, _self(ctx), data)


@post("/consents/{consent_id:uuid}/withdrawal")
async def withdraw(request: AnyRequest, consent_id: UUID) -> m.Receipt:
    """Allow it no longer, at once. 404 consent.unknown, 409 consent.ended."""
    ctx = await _consenting(request)
    return await acts.withdraw(web.stack(request), ctx, _self(ctx), consent_id)


@get("/consents/{consent_id:uuid}/receipts")
async def receipts(request: AnyRequest, consent_id: UUID) -> list[m.Receipt]:
    """Every signed state of one of my consents, oldest first (ISO/IEC TS 27560, clause 7)."""
    ctx = await _consenting(request)
    return await acts.receipts(web.stack(request), ctx, _self(ctx), consent_id)


@get("/consents/{consent_id:uuid}/receipts/kantara")
async def kantara(request: AnyRequest, consent_id: UUID) -> dict[str, Any]:
    """The newest state of one of my consents as a Kantara Consent Receipt 1.1. 404 consent.unknown."""
    stack = web.stack(request)
    receipt, basis = await _newest(request, consent_id)
    return forms.kantara(receipt, basis, stack.profile)


@get("/consents/{consent_id:uuid}/receipts/artefact")
async def artefact(request: AnyRequest, consent_id: UUID) -> dict[str, Any]:
    """The same as a consent artefact of India's Account Aggregator framework, signed. 404 consent.unknown."""
    stack = web.stack(request)
    receipt, basis = await _newest(request, consent_id)
    return forms.artefact(receipt, basis, stack.profile, stack.settings.url, stack.keys.signer("consent"))


async def _newest(request: AnyRequest, consent_id: UUID) -> tuple[m.Receipt, m.Agreement]:
    """The newest receipt of one of the caller's consents, and the agreement that it rests on."""
    ctx = await _consenting(request)
    receipt = (await acts.receipts(web.stack(request), ctx, _self(ctx), consent_id))[-1]
    name, _, version = receipt.receipt["revision"]["agreement"].rpartition("/agreements/")[2].partition("/versions/")
    return receipt, await acts.agreement(web.stack(request), name, int(version))


@get("/requests")
async def requests(request: AnyRequest, after: After = "", limit: Limit = 50, open: bool = True) -> m.Page[m.Request]:
    """What institutions ask me to allow, newest first; with open=false also those answered before."""
    ctx = await _consenting(request)
    return await acts.requests_of(web.stack(request), ctx, _self(ctx), after, limit, open)


@post("/requests")
async def request_consent(request: AnyRequest, data: m.AskOrder) -> m.Request:
    """An institution asks a person for a consent to its own data agreement (signed request, RFC 9421)."""
    ctx = await _consenting(request)
    person_id = await acts.person_named(web.stack(request), ctx, data.person, data.agreement)
    return await acts.request_consent(web.stack(request), ctx, person_id, data)


@post("/requests/{request_id:uuid}/decline", status_code=204)
async def decline(request: AnyRequest, request_id: UUID) -> None:
    """Say no to a request. 404 consent.unknown, 409 consent.request-answered."""
    ctx = await _consenting(request)
    await acts.decline(web.stack(request), ctx, _self(ctx), request_id)


@get("/accesses")
async def accesses(request: AnyRequest, after: After = "", limit: Limit = 50) -> m.Page[m.Access]:
    """Who looked at my data: who, institution, what, purpose, legal basis, when; newest first."""
    ctx = await web.context(request, "subject-access", "legal-obligation", signed_in=True)
    return await acts.accesses(web.stack(request), ctx, _self(ctx), after, limit)


@get("/accesses/{record_id:uuid}/proof")
async def access_proof(request: AnyRequest, record_id: UUID) -> Response[str]:
    """A proof of one of these lines, for verification without this stack (C2SP tlog-proof)."""
    ctx = await web.context(request, "subject-access", "legal-obligation", signed_in=True)
    text = await acts.access_proof(web.stack(request), ctx, _self(ctx), record_id)
    named = {"Content-Disposition": f'attachment; filename="{record_id}.tlog-proof"'}
    return Response(text, media_type="text/plain; charset=utf-8", headers=named)


@get("/keys")
async def keys(request: AnyRequest) -> dict[str, list[dict[str, str]]]:
    """The public keys that sign agreements and receipts (RFC 7517)."""
    return {"keys": web.stack(request).keys.public("consent")}


routers = [
    Router(
        "/v1/consent",
        route_handlers=[
            agreements, agreement, agreement_version, publish_agreement, retire_agreement, consents, grant, withdraw,
            receipts, kantara, artefact, requests, request_consent, decline, accesses, access_proof, keys,
        ],
        tags=["consent"],
    ),
    delegation.router,
    govstack.router,
]  # fmt: skip
