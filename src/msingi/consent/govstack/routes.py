"""Doors of the GovStack Consent building block 1.1.0-rc1, below /v1/consent/govstack/; a final slash is allowed."""

import re
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Router, get, post, put
from litestar.params import JSONBody, QueryParameter

from msingi.consent import acts
from msingi.consent.errors import AgreementUnknown, ConsentUnknown
from msingi.consent.govstack import wire
from msingi.consent.model import Agreement, Consent, GrantOrder, Page
from msingi.kernel import web
from msingi.kernel.context import Context, Kind
from msingi.kernel.errors import Malformed, NotSignedIn
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

AnyRequest = Request[Any, Any, Any]
NAME = re.compile(r"[a-z][a-z0-9-]{1,62}|[1-9][0-9]{0,5}")
Json = dict[str, Any]
Offset = Annotated[int, QueryParameter(ge=0, le=100_000, description="How many to leave out.")]
Limit = Annotated[int, QueryParameter(ge=1, le=200, description="How many items at most.")]
Revision = Annotated[
    str, QueryParameter(name="revisionId", max_length=80, description="Which revision; newest if empty.")
]


class RecordChange(msgspec.Struct, frozen=True):
    """What an individual changes of a consent record: `optIn` false withdraws it."""

    optIn: bool


async def _agreement(stack: Stack, name: str, revision: str = "") -> Agreement:
    """An agreement by its own name or its number (laws 2 and 3). Raises Malformed."""
    if not NAME.fullmatch(name):
        raise Malformed("There is no such data agreement.", field="dataAgreementId", rule="known")
    version = int(revision.rpartition(".")[2]) if re.fullmatch(r".*\.[1-9][0-9]{0,8}", revision) else 0
    try:
        own = await acts.agreement_by_number(stack, int(name)) if name.isdecimal() else name
        return await acts.agreement(stack, own, version)
    except AgreementUnknown:
        raise Malformed("There is no such data agreement.", field="dataAgreementId", rule="known") from None


def _url(stack: Stack) -> str:
    return stack.settings.url


async def _told(stack: Stack, name: str, revision: str = "") -> Json:
    found = await _agreement(stack, name, revision)
    shown = wire.offered(found, name, stack.profile, _url(stack))
    return {"dataAgreement": shown, "revision": wire.agreement_revision(found, name)}


async def _policy(stack: Stack, name: str, revision: str = "") -> Json:
    found = await _agreement(stack, name, revision)
    shown = wire.policy(found, name, stack.profile, _url(stack))
    return {"policy": shown, "revision": wire.agreement_revision(found, name)}


async def _listed(stack: Stack, offset: int, limit: int) -> tuple[list[Agreement], Json]:
    found: Page[Agreement] = await acts.agreements(stack, limit=200)
    chosen = found.items[offset : offset + limit]
    total = len(found.items)
    return chosen, {"pagination": {"currentPage": offset // limit, "totalItems": total, "limit": limit}}


@get("/config/data-agreement/{name:str}")
async def config_agreement(request: AnyRequest, name: str, revision: Revision = "") -> Json:
    """A data agreement with its revision (GovStack Consent, configReadDataAgreement). 400."""
    return await _told(web.stack(request), name, revision)


@get("/service/data-agreement/{name:str}")
async def individual_agreement(request: AnyRequest, name: str, revision: Revision = "") -> Json:
    """A data agreement for individuals (GovStack Consent, serviceReadDataAgreement). 400."""
    return await _told(web.stack(request), name, revision)


@get("/audit/data-agreement/{name:str}")
async def audit_agreement(request: AnyRequest, name: str, revision: Revision = "") -> Json:
    """A data agreement for auditors, with the hash chain (GovStack Consent, auditDataAgreement). 400."""
    return await _told(web.stack(request), name, revision)


@get("/config/data-agreements")
async def config_agreements(request: AnyRequest, offset: Offset = 0, limit: Limit = 50) -> Json:
    """The data agreements on offer (GovStack Consent, configListDataAgreements)."""
    stack = web.stack(request)
    chosen, pages = await _listed(stack, offset, limit)
    shown = [wire.offered(a, a.order.agreement, stack.profile, _url(stack)) for a in chosen]
    return {"dataAgreements": shown} | pages


@get("/config/policy/{name:str}")
async def config_policy(request: AnyRequest, name: str, revision: Revision = "") -> Json:
    """The policy that governs an agreement (GovStack Consent, configReadPolicy). 400."""
    return await _policy(web.stack(request), name, revision)


@get("/service/policy/{name:str}")
async def individual_policy(request: AnyRequest, name: str, revision: Revision = "") -> Json:
    """The same for individuals (GovStack Consent, serviceReadPolicy). 400."""
    return await _policy(web.stack(request), name, revision)


@get("/config/policies")
async def config_policies(request: AnyRequest, offset: Offset = 0, limit: Limit = 50) -> Json:
    """The policies of all agreements on offer (GovStack Consent, configListPolicies)."""
    stack = web.stack(request)
    chosen, pages = await _listed(stack, offset, limit)
    return {"policies": [wire.policy(a, a.order.agreement, stack.profile, _url(stack)) for a in chosen]} | pages


async def _consenting(request: AnyRequest) -> tuple[Context, PersonId]:
    """The individual who calls. Raises NotSignedIn for staff and software."""
    ctx = await web.context(request, "consent-management", "legal-obligation", signed_in=True)
    if ctx.actor.kind is not Kind.PERSON:
        raise NotSignedIn("This door is for the person concerned.")
    return ctx, PersonId(UUID(ctx.actor.id))


async def _record(stack: Stack, ctx: Context, person_id: PersonId, consent: Consent) -> Json:
    chain = await acts.receipts(stack, ctx, person_id, consent.consent_id)
    individual = stack.pseudonym.of(consent.institution, person_id)
    return {
        "consentRecord": wire.consent_record(consent, chain[-1], individual),
        "revision": wire.record_revision(chain[-1]),
    }


@post("/service/individual/record/data-agreement/{name:str}", status_code=200)
async def opt_in(request: AnyRequest, name: str, revision: Revision = "") -> Json:
    """The individual agrees (GovStack Consent, serviceCreateIndividualConsentRecord). 400, 401, 403, 409."""
    ctx, person_id = await _consenting(request)
    stack = web.stack(request)
    offered = await _agreement(stack, name, revision)
    given = await acts.grant(stack, ctx, person_id, GrantOrder(offered.order.agreement, offered.version))
    mine = await acts.consents_of(stack, ctx, person_id, limit=200)
    made = next(c for c in mine.items if c.consent_id == given.consent_id)
    return await _record(stack, ctx, person_id, made)


@get("/service/individual/record/data-agreement/{name:str}")
async def my_record(request: AnyRequest, name: str) -> Json:
    """The individual's newest record of an agreement (GovStack Consent, serviceReadIndividual...). 400, 401."""
    ctx, person_id = await _consenting(request)
    stack = web.stack(request)
    offered = await _agreement(stack, name)
    mine = await acts.consents_of(stack, ctx, person_id, limit=200)
    for consent in mine.items:
        if consent.agreement == offered.order.agreement:
            return await _record(stack, ctx, person_id, consent)
    raise Malformed("There is no record of this agreement.", field="dataAgreementId", rule="known")


@get("/service/individual/record/consent-record")
async def my_records(request: AnyRequest, offset: Offset = 0, limit: Limit = 50) -> Json:
    """All of the individual's consent records (GovStack Consent, serviceListIndividualRecordList). 401."""
    ctx, person_id = await _consenting(request)
    stack = web.stack(request)
    mine = (await acts.consents_of(stack, ctx, person_id, limit=200)).items
    shown = [
        wire.consent_record(c, None, stack.pseudonym.of(c.institution, person_id))
        for c in mine[offset : offset + limit]
    ]
    pages = {"currentPage": offset // limit, "totalItems": len(mine), "limit": limit}
    return {"consentRecords": shown, "pagination": pages}


@put("/service/individual/record/consent-record/{consent_id:uuid}")
async def change_record(request: AnyRequest, consent_id: UUID, data: JSONBody[RecordChange]) -> Json:
    """The individual opts out, at once (GovStack Consent, serviceUpdateIndividualConsentRecord). 400, 401, 409."""
    ctx, person_id = await _consenting(request)
    stack = web.stack(request)
    if data.optIn:
        raise Malformed("To opt in again, agree again to the data agreement.", field="optIn", rule="false")
    try:
        await acts.withdraw(stack, ctx, person_id, consent_id)
    except ConsentUnknown:
        raise Malformed("There is no such consent record.", field="consentRecordId", rule="known") from None
    mine = await acts.consents_of(stack, ctx, person_id, limit=200)
    ended = next(c for c in mine.items if c.consent_id == consent_id)
    return await _record(stack, ctx, person_id, ended)


router = Router(
    "/v1/consent/govstack",
    route_handlers=[
        config_agreement, individual_agreement, audit_agreement, config_agreements, config_policy, individual_policy,
        config_policies, opt_in, my_record, my_records, change_record,
    ],
    tags=["consent"],
)  # fmt: skip
