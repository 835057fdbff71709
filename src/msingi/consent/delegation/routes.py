"""Doors of acting for others: the person's delegations, and a few acts that somebody does for them."""

from typing import Any
from uuid import UUID

from litestar import Request, Router, get, post
from litestar.params import JSONBody

from msingi.consent import acts as consent
from msingi.consent import model as m
from msingi.consent.delegation import acts
from msingi.consent.delegation.model import Delegation, DelegationOrder, Delegations
from msingi.kernel import web
from msingi.kernel.context import Context, Kind
from msingi.kernel.errors import NotSignedIn
from msingi.kernel.ids import PersonId

AnyRequest = Request[Any, Any, Any]


async def _self(request: AnyRequest) -> tuple[Context, PersonId]:
    """The person who calls. Raises NotSignedIn for staff and software."""
    ctx = await web.context(request, "consent-management", "legal-obligation", signed_in=True)
    if ctx.actor.kind is not Kind.PERSON:
        raise NotSignedIn("This door is for the person concerned.")
    return ctx, PersonId(UUID(ctx.actor.id))


@get("/delegations")
async def delegations(request: AnyRequest) -> Delegations:
    """Whom I let act for me, and for whom I may act. 401, 403."""
    ctx, me = await _self(request)
    return await acts.delegations(web.stack(request), ctx, me)


@post("/delegations")
async def delegate(request: AnyRequest, data: JSONBody[DelegationOrder]) -> Delegation:
    """Let somebody act for me, for some purposes, until a date; two factors. 400 consent.delegation-wrong, 403, 404."""
    ctx, me = await _self(request)
    return await acts.delegate(web.stack(request), ctx, me, data)


@post("/delegations/{delegation_id:uuid}/end", status_code=204)
async def end_delegation(request: AnyRequest, delegation_id: UUID) -> None:
    """Take it back, at once. 404 consent.delegation-unknown."""
    ctx, me = await _self(request)
    await acts.end_delegation(web.stack(request), ctx, me, delegation_id)


@get("/for/{person_id:uuid}/consents")
async def consents_for(request: AnyRequest, person_id: UUID) -> m.Page[m.Consent]:
    """What somebody allowed who lets me act for them. 403 consent.not-entrusted."""
    ctx, _ = await _self(request)
    theirs = await acts.act_for(web.stack(request), ctx, PersonId(person_id), "consent-management")
    return await consent.consents_of(web.stack(request), theirs, PersonId(person_id))


@post("/for/{person_id:uuid}/consents")
async def grant_for(request: AnyRequest, person_id: UUID, data: JSONBody[m.GrantOrder]) -> m.Receipt:
    """Allow something for somebody who lets me act for them. 400, 403 consent.not-entrusted, 404, 409."""
    ctx, _ = await _self(request)
    theirs = await acts.act_for(web.stack(request), ctx, PersonId(person_id), "consent-management")
    return await consent.grant(web.stack(request), theirs, PersonId(person_id), data)


@post("/for/{person_id:uuid}/consents/{consent_id:uuid}/withdrawal")
async def withdraw_for(request: AnyRequest, person_id: UUID, consent_id: UUID) -> m.Receipt:
    """Withdraw a consent for somebody who lets me act for them. 403 consent.not-entrusted, 404, 409."""
    ctx, _ = await _self(request)
    theirs = await acts.act_for(web.stack(request), ctx, PersonId(person_id), "consent-management")
    return await consent.withdraw(web.stack(request), theirs, PersonId(person_id), consent_id)


router = Router(
    "/v1/consent",
    route_handlers=[delegations, delegate, end_delegation, consents_for, grant_for, withdraw_for],
    tags=["consent"],
)
