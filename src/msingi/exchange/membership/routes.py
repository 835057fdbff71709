"""Doors of membership: applications, standing, keys of one's own, descriptions of services, requests for rights."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Router, get, post
from litestar.params import Parameter
from msgspec import Struct

from msingi.exchange import gateway
from msingi.exchange.errors import BadCall, SignatureRefused
from msingi.exchange.federation.door import own_authority
from msingi.exchange.membership import acts, wire
from msingi.exchange.membership import door as door  # registers the door under /r1
from msingi.exchange.membership import model as m
from msingi.exchange.model import Institution, Key, Offer, Right, Subsystem
from msingi.kernel import clock, web
from msingi.kernel.context import ANYBODY, Context, context
from msingi.kernel.errors import Malformed

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, Parameter(ge=1, le=200, description="How many items at most.")]


class Because(Struct, frozen=True, forbid_unknown_fields=True):
    """A decision that gives its reason."""

    because: str


class Verdict(Struct, frozen=True, forbid_unknown_fields=True):
    """What the owner decides of a request; `fields` may be fewer than were asked for."""

    granted: bool
    because: str = ""
    fields: tuple[str, ...] = ()


class RightShown(Struct, frozen=True):
    """A right as everybody may see it, with the owner of its service; `after` names it to the next page."""

    right: Right
    owner: str
    after: str


class Software(Struct, frozen=True):
    """An institution's software and its public keys."""

    subsystems: list[Subsystem]
    keys: list[Key]


async def _governing(request: AnyRequest) -> Context:
    return await web.context(request, "data-exchange", "legal-obligation", signed_in=True)


@post("/applications", status_code=201)
async def apply(request: AnyRequest) -> m.ApplicationShown:
    """Ask for an institution to join, open to anybody. Signed with the new key, it proves that the key is held.

    400 exchange.bad-call, 401 exchange.signature-refused, 409 exchange.already-registered, 429.
    """
    stack, body = web.stack(request), await request.body()
    try:
        order = msgspec.json.decode(body, type=m.ApplyOrder)
    except msgspec.DecodeError as wrong:
        raise Malformed(str(wrong), field="body", rule="application") from None
    message = gateway.message_of(request.scope, stack)
    client = f"{stack.profile.alpha2}/{order.member_class}/{order.institution}/{order.subsystem}"
    proved = wire.proves(message, body, order.key, client, int(clock.now().timestamp()))
    if proved and message.authority != own_authority(stack):
        raise SignatureRefused("RFC 9421 2.2.3: @authority is not this exchange's public address", step=4)
    ctx = context(ANYBODY, "data-exchange", "legal-obligation", request_id=web.request_id(request))
    made = await acts.apply(stack, ctx, order, proved=proved)
    return await acts.application(stack, made.application)


def _number(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadCall("the number of an application or a request is a UUID", field="number") from None


@get("/applications/{number:str}")
async def application(request: AnyRequest, number: str) -> m.ApplicationShown:
    """How an application stands, for whoever knows its number. 404 exchange.application-unknown."""
    return await acts.application(web.stack(request), _number(number))


@get("/applications")
async def applications(
    request: AnyRequest, stage: m.State = m.State.WAITING, after: str = "", limit: Limit = 50
) -> list[m.Application]:
    """Who asks to join, oldest first; for the governing authority. 403."""
    last = _number(after) if after else None
    return await acts.applications(web.stack(request), await _governing(request), stage, last, limit)


@post("/applications/{number:str}/approval")
async def admit(request: AnyRequest, number: str) -> Institution:
    """Let an institution join. 403, 404, 409."""
    return await acts.admit_member(web.stack(request), await _governing(request), _number(number))


@post("/applications/{number:str}/refusal", status_code=204)
async def decline(request: AnyRequest, number: str, data: Because) -> None:
    """Refuse an application, with a reason. 400, 403, 404, 409."""
    await acts.decline_member(web.stack(request), await _governing(request), _number(number), data.because)


@post("/members/{code:str}/suspension")
async def suspend(request: AnyRequest, code: str, data: Because) -> Institution:
    """Refuse every message of an institution from now on, for a public reason. 400, 403, 404, 409."""
    return await acts.suspend_member(web.stack(request), await _governing(request), code, data.because)


@post("/members/{code:str}/reinstatement")
async def reinstate(request: AnyRequest, code: str, data: Because) -> Institution:
    """Let a suspended institution ask and answer again; by another person than suspended it. 400, 403, 404, 409."""
    return await acts.reinstate_member(web.stack(request), await _governing(request), code, data.because)


@get("/members/{code:str}/changes")
async def changes(request: AnyRequest, code: str, limit: Limit = 50) -> list[m.Change]:
    """How an institution's standing changed, and why, newest first."""
    return await acts.changes(web.stack(request), code, limit)


@get("/members/{code:str}/software")
async def software(request: AnyRequest, code: str) -> Software:
    """An institution's software and its public keys."""
    return Software(*await acts.software(web.stack(request), code))


@post("/own-keys", status_code=201)
async def roll_key(request: AnyRequest, data: dict[str, str]) -> Key:
    """Add a key (Ed25519 JWK) to the software that signed this request. 400, 401, 403, 409."""
    ctx = await web.context(request, "data-exchange", "legal-obligation", signed_in=True)
    return await acts.roll_key(web.stack(request), ctx, data)


@post("/own-keys/{kid:str}/stop", status_code=204)
async def stop_own_key(request: AnyRequest, kid: str) -> None:
    """Stop an older key of the software that signed this request. 401, 403."""
    ctx = await web.context(request, "data-exchange", "legal-obligation", signed_in=True)
    await acts.stop_own_key(web.stack(request), ctx, kid)


@post("/descriptions", status_code=201)
async def describe(request: AnyRequest, data: m.OfferOrder) -> Offer:
    """Offer a service by its OpenAPI description (3.0 or 3.1, JSON or YAML): an institution's data steward, or the
    software itself, by a signed request. 400, 403, 404, 409."""
    return await acts.describe_offer(web.stack(request), await _governing(request), data)


@get("/access-rights")
async def rights(
    request: AnyRequest, service: str = "", institution: str = "", after: str = "", limit: Limit = 50
) -> list[RightShown]:
    """Who may ask what of whom, for which purpose, on which law and until when. Public."""
    found = await acts.rights(web.stack(request), service, institution, after, limit)
    return [RightShown(right, owner, f"{right.service} {right.client} {right.purpose}") for right, owner in found]


@get("/right-requests")
async def requests(
    request: AnyRequest, institution: str = "", stage: str = "", before: str = "", limit: Limit = 50
) -> list[m.RightAsked]:
    """Requests for rights and what became of them, newest first. Public."""
    last = _number(before) if before else None
    return await acts.requests(web.stack(request), institution, stage, last, limit)


@post("/right-requests", status_code=201)
async def ask_right(request: AnyRequest, data: m.AskRight) -> m.RightAsked:
    """Ask the owner of a service for a right: an officer of the institution, or the software itself, by a signed
    request. 400, 403, 404, 409."""
    return await acts.ask_right(web.stack(request), await _governing(request), data)


@post("/right-requests/{number:str}/decision")
async def decide_right(request: AnyRequest, number: str, data: Verdict) -> m.RightAsked:
    """Grant what was asked for, or fewer fields of it, until its day; or refuse it. 400, 403, 404, 409."""
    stack, ctx = web.stack(request), await _governing(request)
    return await acts.decide_right(stack, ctx, _number(number), data.granted, data.because, data.fields)


routers = [
    Router(
        "/v1/exchange",
        route_handlers=[
            apply,
            application,
            applications,
            admit,
            decline,
            suspend,
            reinstate,
            changes,
            software,
            roll_key,
            stop_own_key,
            describe,
            rights,
            requests,
            ask_right,
            decide_right,
        ],
        tags=["exchange"],
    )
]
