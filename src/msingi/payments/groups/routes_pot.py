"""Doors of savings groups, for programs that people use to keep their group."""

from datetime import date
from typing import Annotated
from uuid import UUID

from litestar import Router, get, post
from litestar.params import JSONBody, PathParameter
from msgspec import Meta, Struct

from msingi.kernel import web
from msingi.payments.bank.doors import Amount, AnyRequest, Key, paying_context
from msingi.payments.groups import paying_out, pot, seeing, signing
from msingi.payments.groups.model import Contribution, Group, GroupOrder, Meeting, Named, PayOut, Proposal

BodyId = Annotated[UUID, PathParameter(description="Id of a savings group.")]
Place = Annotated[int, Meta(ge=0, le=pot.MOST_MEMBERS)]
Words = Annotated[str, Meta(max_length=100)]


class GroupBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The constitution and the members of a new group; see `GroupOrder`. `keys` are places, the founder's is 1."""

    name: Annotated[str, Meta(min_length=1, max_length=60)]
    name_of_founder: Annotated[str, Meta(min_length=1, max_length=40)]
    share_minor: Amount
    ends_on: date
    members: Annotated[list[Named], Meta(max_length=pot.MOST_MEMBERS)]
    keys: Annotated[list[int], Meta(min_length=3, max_length=3)]
    most_shares: int = 5
    social_minor: Annotated[int, Meta(ge=0)] = 0
    interest_permille: int = 100
    loan_times: int = 3
    loan_days: int = 90


class AcceptBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Join, or decline."""

    accept: bool


class ContributionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Shares to buy, with or without the social fund, for the member at `place` (0: the caller)."""

    shares: Annotated[int, Meta(ge=0, le=100)]
    social: bool = True
    place: Place = 0


class RepaymentBody(Struct, frozen=True, forbid_unknown_fields=True):
    """How much of a loan or a fine is paid."""

    amount_minor: Amount


class FineBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is fined how much, and why."""

    place: Place
    amount_minor: Amount
    why: Annotated[str, Meta(min_length=1, max_length=80)]


class PayOutBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A loan, aid, expense (to `payee`) or share-out for the three keys to sign."""

    kind: Annotated[str, Meta(max_length=12)]
    amount_minor: Annotated[int, Meta(ge=0)] = 0
    place: Place = 0
    payee: Annotated[str, Meta(max_length=40)] = ""
    reference: Words = ""


class Founded(Struct, frozen=True):
    """The id of a new group."""

    body_id: str


@post("/groups")
async def found_group(request: AnyRequest, data: JSONBody[GroupBody], key: Key) -> Founded:
    """Found a savings group; it opens when the three who keep the keys have accepted. 400, 403, 404."""
    order = GroupOrder(
        key=key, name=data.name, name_of_founder=data.name_of_founder, share_minor=data.share_minor,
        most_shares=data.most_shares, social_minor=data.social_minor, interest_permille=data.interest_permille,
        loan_times=data.loan_times, loan_days=data.loan_days, ends_on=data.ends_on, members=data.members,
        keys=data.keys,
    )  # fmt: skip
    return Founded(await pot.found_group(web.stack(request), await paying_context(request), order))


@get("/groups")
async def own_groups(request: AnyRequest) -> list[Group]:
    """The caller's groups and invitations. 403."""
    ctx = await paying_context(request)
    return await seeing.own_groups(web.stack(request), ctx) if ctx.actor.kind == "person" else []


@get("/groups/{body_id:uuid}")
async def see_group(request: AnyRequest, body_id: BodyId) -> Group:
    """One group with its book. 404."""
    return await seeing.see_group(web.stack(request), await paying_context(request), str(body_id))


@post("/groups/{body_id:uuid}/answer", status_code=200)
async def answer_group(request: AnyRequest, body_id: BodyId, data: JSONBody[AcceptBody]) -> list[Group]:
    """Join, or decline; the caller's groups as they stand now. 404, 409."""
    stack, ctx = web.stack(request), await paying_context(request)
    await pot.answer_group(stack, ctx, str(body_id), data.accept)
    return await seeing.own_groups(stack, ctx)


@post("/groups/{body_id:uuid}/contributions")
async def contribute(request: AnyRequest, body_id: BodyId, data: JSONBody[ContributionBody], key: Key) -> Group:
    """Pay in out of the own wallet. 400, 404, 409."""
    stack, ctx = web.stack(request), await paying_context(request)
    paid = Contribution(key=key, body_id=str(body_id), shares=data.shares, social=data.social, place=data.place)
    await pot.contribute(stack, ctx, paid)
    return await seeing.see_group(stack, ctx, str(body_id))


@post("/groups/{body_id:uuid}/debts/{debt_id:uuid}/payments")
async def repay(
    request: AnyRequest,
    body_id: BodyId,
    debt_id: Annotated[UUID, PathParameter(description="Id of a loan or a fine.")],
    data: JSONBody[RepaymentBody],
    key: Key,
) -> Group:
    """Repay a loan, or pay a fine. 404, 409."""
    stack, ctx = web.stack(request), await paying_context(request)
    await pot.repay(stack, ctx, key, str(body_id), str(debt_id), data.amount_minor)
    return await seeing.see_group(stack, ctx, str(body_id))


@post("/groups/{body_id:uuid}/fines")
async def fine_member(request: AnyRequest, body_id: BodyId, data: JSONBody[FineBody], key: Key) -> Group:
    """Write down a fine; for those who keep a key. 404."""
    stack, ctx = web.stack(request), await paying_context(request)
    await pot.fine_member(stack, ctx, key, str(body_id), data.place, data.amount_minor, data.why)
    return await seeing.see_group(stack, ctx, str(body_id))


@post("/groups/{body_id:uuid}/meetings")
async def record_meeting(request: AnyRequest, body_id: BodyId, data: JSONBody[Meeting], key: Key) -> Group:
    """Keep the record of a meeting; for those who keep a key. 400, 404."""
    stack, ctx = web.stack(request), await paying_context(request)
    await pot.record_meeting(stack, ctx, key, str(body_id), data)
    return await seeing.see_group(stack, ctx, str(body_id))


@post("/groups/{body_id:uuid}/payouts")
async def propose_payout(request: AnyRequest, body_id: BodyId, data: JSONBody[PayOutBody], key: Key) -> Proposal:
    """Ask for a loan, or propose aid, an expense or the share-out, for the three keys to sign. 400, 404, 409."""
    stack, ctx = web.stack(request), await paying_context(request)
    if data.kind == "share-out":
        return await paying_out.propose_share_out(stack, ctx, key, str(body_id))
    order = PayOut(
        key=key, body_id=str(body_id), kind=data.kind, amount_minor=data.amount_minor, place=data.place,
        payee=data.payee, reference=data.reference,
    )  # fmt: skip
    return await paying_out.propose_payout(stack, ctx, order)


@post("/groups/{body_id:uuid}/payouts/{proposal_id:uuid}/signature", status_code=200)
async def sign_payout(
    request: AnyRequest,
    body_id: BodyId,
    proposal_id: Annotated[UUID, PathParameter(description="Id of a payment that waits.")],
    data: JSONBody[AcceptBody],
) -> Proposal:
    """Sign, or refuse; the third signature pays. 404, 409."""
    stack, ctx = web.stack(request), await paying_context(request)
    return await signing.sign(stack, ctx, str(body_id), str(proposal_id), data.accept)


router = Router(
    "/v1/payments",
    route_handlers=[
        *(found_group, own_groups, see_group, answer_group, contribute, repay, fine_member, record_meeting),
        *(propose_payout, sign_payout),
    ],
    tags=["payments"],
)
