"""Doors of joint accounts and of guardians, for programs of banks and for people's own."""

from typing import Annotated
from uuid import UUID

from litestar import Router, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from msingi.kernel import web
from msingi.kernel.ids import PersonId
from msingi.payments import model as m
from msingi.payments.bank.doors import Amount, AnyRequest, Key, paying_context
from msingi.payments.groups import acts, routes_pot, signing, wards
from msingi.payments.groups.model import Joint, JointOrder, Proposal, ProposalOrder, Removal, Ward

BodyId = Annotated[UUID, PathParameter(description="Id of a joint account.")]
Number = Annotated[str, Meta(max_length=24)]
Typed = Annotated[str, Meta(min_length=1, max_length=40)]


class JointBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An account to hold together with others. One alone pays up to `bound_minor` a day; null: any amount; 0: never."""

    label: Annotated[str, Meta(min_length=1, max_length=40)]
    others: Annotated[list[Typed], Meta(min_length=1, max_length=5)]
    bound_minor: Annotated[int, Meta(ge=0)] | None = None


class AnswerBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Yes or no."""

    accept: bool


class ProposalBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A payment that all holders must sign; `payee` is a phone, identity number, account or shop."""

    payer: Number
    payee: Typed
    amount_minor: Amount
    reference: Annotated[str, Meta(max_length=100)] = ""


class SignBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Agree to a payment, or refuse it for all."""

    agrees: bool = True


class RemovalBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Which holder (identity number) an officer removes, and by which paper."""

    number: Number
    because: Annotated[str, Meta(min_length=1, max_length=140)]


class WardBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Which account to open for a child: wallet or savings."""

    kind: m.AccountKind


@post("/joint")
async def open_joint(request: AnyRequest, data: JSONBody[JointBody], key: Key) -> Joint:
    """Invite others to hold an account together. 400, 403, 404, 429."""
    order = JointOrder(key=key, label=data.label, others=data.others, bound_minor=data.bound_minor)
    return await acts.open_joint(web.stack(request), await paying_context(request), order)


@get("/joint")
async def own_joint(request: AnyRequest) -> list[Joint]:
    """The joint accounts that the caller holds or is invited to. 403."""
    ctx = await paying_context(request)
    return await acts.own_joint(web.stack(request), ctx) if ctx.actor.kind == "person" else []


@post("/joint/{body_id:uuid}/answer", status_code=200)
async def answer_joint(request: AnyRequest, body_id: BodyId, data: JSONBody[AnswerBody]) -> list[Joint]:
    """Accept an invitation, or decline it for all; the caller's joint accounts as they stand now. 404, 409."""
    stack, ctx = web.stack(request), await paying_context(request)
    await acts.answer_joint(stack, ctx, str(body_id), data.accept)
    return await acts.own_joint(stack, ctx)


@post("/joint/{body_id:uuid}/leaving", status_code=200)
async def leave_joint(request: AnyRequest, body_id: BodyId) -> list[Joint]:
    """Hold an account no more; the last holder closes it so. 404, 409 payments.not-empty."""
    stack, ctx = web.stack(request), await paying_context(request)
    await acts.leave_joint(stack, ctx, str(body_id))
    return await acts.own_joint(stack, ctx)


@post("/joint/proposals")
async def propose(request: AnyRequest, data: JSONBody[ProposalBody], key: Key) -> Proposal:
    """Propose a payment that all holders must sign. 400, 403, 404."""
    order = ProposalOrder(
        key=key, payer=data.payer, payee=data.payee, amount_minor=data.amount_minor, reference=data.reference
    )
    return await signing.propose(web.stack(request), await paying_context(request), order)


@get("/joint/proposals")
async def proposals(
    request: AnyRequest, limit: Annotated[int, QueryParameter(ge=1, le=signing.MOST_SHOWN)] = 25
) -> list[Proposal]:
    """Payments of the caller's joint accounts; those that wait for signatures first. 403."""
    ctx = await paying_context(request)
    return await signing.proposals(web.stack(request), ctx, limit) if ctx.actor.kind == "person" else []


@post("/joint/{body_id:uuid}/proposals/{proposal_id:uuid}/signature", status_code=200)
async def sign(
    request: AnyRequest,
    body_id: BodyId,
    proposal_id: Annotated[UUID, PathParameter(description="Id of a payment that waits.")],
    data: JSONBody[SignBody],
) -> Proposal:
    """Sign, or refuse for all; the last signature pays. 404, 409."""
    stack, ctx = web.stack(request), await paying_context(request)
    return await signing.sign(stack, ctx, str(body_id), str(proposal_id), data.agrees)


@post("/accounts/{number:str}/holder-removals", status_code=204)
async def remove_joint_holder(
    request: AnyRequest,
    number: Annotated[str, PathParameter(max_length=24, description="Number of a joint account.")],
    data: JSONBody[RemovalBody],
) -> None:
    """An officer removes a holder, after a death or by order of a court. 403, 404, 409."""
    order = Removal(account=number, number=data.number, because=data.because)
    await acts.remove_joint_holder(web.stack(request), await paying_context(request), order)


@get("/wards")
async def own_wards(request: AnyRequest) -> list[Ward]:
    """Those for whom the caller is guardian today, with their accounts. 403."""
    ctx = await paying_context(request)
    return await wards.own_wards(web.stack(request), ctx) if ctx.actor.kind == "person" else []


@post("/wards/{person_id:uuid}/accounts")
async def open_ward_account(
    request: AnyRequest,
    person_id: Annotated[UUID, PathParameter(description="The child, as /v1/payments/wards names it.")],
    data: JSONBody[WardBody],
) -> m.Account:
    """Open an account in a child's name. 400, 403, 404 payments.not-guardian."""
    stack, ctx = web.stack(request), await paying_context(request)
    return await wards.open_ward_account(stack, ctx, PersonId(person_id), data.kind)


routers = [
    Router(
        "/v1/payments",
        route_handlers=[
            *(open_joint, own_joint, answer_joint, leave_joint, propose, proposals, sign, remove_joint_holder),
            *(own_wards, open_ward_account),
        ],
        tags=["payments"],
    ),
    routes_pot.router,
]
