"""Doors of the life cycle: proposals and their decisions, guardians, the past, notices, virtual ids.

A person is named by the number in the path, written in any way. What a caller may do stands in `policy.cedar`.
"""

from datetime import date, datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, delete, get, post
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath, QueryParameter

from msingi.identity import acts as identity
from msingi.identity import aliases
from msingi.identity.aliases import AliasOrder, VirtualId
from msingi.identity.lifecycle import acts, guardians, relying
from msingi.identity.lifecycle.model import (
    Amendment,
    GuardianKind,
    GuardianOrder,
    NamePeriod,
    NoticePage,
    Past,
    ProposalDecision,
    ProposalId,
    ProposalView,
    UpdateOrder,
)
from msingi.identity.model import Cause, Demographics, Document, Status
from msingi.identity.routes import Asked, Key, as_officer
from msingi.kernel import web
from msingi.kernel.context import Context, Kind
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId

TAGS: Final = ["identity"]
NumberAt = FromPath[str]


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why, in words, and in one word that may travel."""

    because: str
    cause: Cause = Cause.OFFICER


class MergeOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which record is of which known person, by their numbers, and why."""

    merged: str
    kept: str
    because: str


class ProposalSummary(msgspec.Struct, frozen=True, omit_defaults=True):
    """A proposal as the queue shows it; it names nobody."""

    proposal_id: str
    kind: str
    state: str
    proposed_by: str
    proposed_at: datetime
    fields: tuple[str, ...] = ()


class ProposalQueue(msgspec.Struct, omit_defaults=True):
    """A page of the queue, oldest first; ask again with `after` = `next_after` for more."""

    waiting: int
    proposals: list[ProposalSummary]
    next_after: str = ""


class ProposalDetail(msgspec.Struct, omit_defaults=True):
    """What the second person must see: the record as it is and as it would be, or the other record."""

    proposal: ProposalSummary
    because: str
    number: str
    before: Demographics
    evidence: tuple[Document, ...] = ()
    after: Demographics | None = None
    other_number: str = ""
    other: Demographics | None = None
    new_photo: bool = False


class GuardianLine(msgspec.Struct, omit_defaults=True):
    """One guardian's right: on what it rests, since when, until before which day."""

    kind: GuardianKind
    since: date
    until: date | None = None
    guardian: str = ""


class PastView(msgspec.Struct, omit_defaults=True):
    """A record as the register knew it at one instant."""

    at: datetime
    status: Status
    cause: Cause
    demographics: Demographics
    guardians: list[GuardianLine] = []


def _summary(made: acts.Proposal) -> ProposalSummary:
    by = made.proposed_by.partition(":")[0] if made.proposed_by.startswith("person:") else made.proposed_by
    return ProposalSummary(str(made.proposal_id), made.kind.value, made.state.value, by, made.proposed_at, made.fields)


def _detail(view: ProposalView) -> ProposalDetail:
    other = view.other
    return ProposalDetail(
        _summary(view.proposal),
        view.because,
        view.before.number,
        view.before.demographics,
        view.evidence,
        view.after,
        other.number if other else "",
        other.demographics if other else None,
        view.new_photo,
    )


async def _named(request: Asked, ctx: Context, number: str, act: str) -> PersonId:
    return await identity.person_by_number(web.stack(request), ctx, number, any_status=True, to=act)


def _made(proposal_id: ProposalId) -> Response[dict[str, str]]:
    return Response({"proposal_id": str(proposal_id)}, status_code=201)


UPDATE: Final = {
    "change": {"name": {"given": "Asha", "family": "Mwakasege"}},
    "because": "Married on 2 May 2026.",
    "evidence": [{"kind": "marriage certificate", "number": "77/2026", "issuer": "District registrar"}],
}


@post("/v1/identity/persons/{number:str}/updates", tags=TAGS, summary="Propose a correction", status_code=201)
async def propose_update(
    request: Asked,
    number: NumberAt,
    data: Annotated[UpdateOrder, Body(examples=[Example(summary="A new name, with evidence", value=UPDATE)])],
    idempotency_key: Key = "",
) -> Response[dict[str, str]]:
    """Propose a correction with evidence; a second person decides. Roles: `enrolment-officer`, `registrar`."""
    ctx = await as_officer(request)
    person_id = await _named(request, ctx, number, "identity.propose-update")
    return _made(await acts.propose_update(web.stack(request), ctx, person_id, data, idempotency_key))


@post("/v1/identity/merges", tags=TAGS, summary="Propose that two records are one person", status_code=201)
async def propose_merge(request: Asked, data: MergeOrder) -> Response[dict[str, str]]:
    """Propose that the record `merged` is of the person `kept`; a second adjudicator decides. Role: `adjudicator`."""
    ctx = await as_officer(request)
    merged, kept = [await _named(request, ctx, n, "identity.propose-merge") for n in (data.merged, data.kept)]
    return _made(await acts.propose_merge(web.stack(request), ctx, merged, kept, data.because))


@post("/v1/identity/persons/{number:str}/unmerge", tags=TAGS, summary="Propose to part a record", status_code=201)
async def propose_unmerge(request: Asked, number: NumberAt, data: Reason) -> Response[dict[str, str]]:
    """Propose that a merged record is of somebody else after all. Role: `adjudicator`."""
    ctx = await as_officer(request)
    person_id = await _named(request, ctx, number, "identity.propose-unmerge")
    return _made(await acts.propose_unmerge(web.stack(request), ctx, person_id, data.because))


@post("/v1/identity/persons/{number:str}/revival", tags=TAGS, summary="Propose to undo a death", status_code=201)
async def propose_revival(request: Asked, number: NumberAt, data: Reason) -> Response[dict[str, str]]:
    """Propose that a death was registered in error; a second registrar decides. Role: `registrar`."""
    ctx = await as_officer(request)
    person_id = await _named(request, ctx, number, "identity.propose-revival")
    return _made(await acts.propose_revival(web.stack(request), ctx, person_id, data.because))


@get("/v1/identity/proposals", tags=TAGS, summary="The queue of proposals")
async def proposals(
    request: Asked,
    after: Annotated[UUID | None, QueryParameter(description="The proposal to continue after: `next_after`.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
) -> ProposalQueue:
    """What waits for a second person, oldest first, naming nobody. Roles: `adjudicator`, `registrar`."""
    ctx = await as_officer(request)
    page = await acts.proposals_waiting(web.stack(request), ctx, after and ProposalId(after), limit)
    return ProposalQueue(page.waiting, [_summary(p) for p in page.proposals], str(page.next_after or ""))


@get("/v1/identity/proposals/{proposal_id:uuid}", tags=TAGS, summary="A proposal and what it rests on")
async def proposal(request: Asked, proposal_id: UUID) -> ProposalDetail:
    """A proposal beside the record, for the second person; everybody in it is told. Roles as for the queue."""
    ctx = await as_officer(request)
    return _detail(await acts.read_proposal(web.stack(request), ctx, ProposalId(proposal_id)))


@post("/v1/identity/proposals/{proposal_id:uuid}/decision", tags=TAGS, summary="Decide a proposal", status_code=200)
async def decide(request: Asked, proposal_id: UUID, data: ProposalDecision) -> dict[str, str]:
    """Approve or refuse what somebody else proposed; repeating a decision is harmless. Roles as for the queue."""
    ctx = await as_officer(request)
    state = await acts.decide_proposal(web.stack(request), ctx, ProposalId(proposal_id), data)
    return {"state": state.value}


@post("/v1/identity/persons/{number:str}/status/{change:str}", tags=TAGS, summary="Suspend, reactivate, deactivate",
      status_code=200)  # fmt: skip
async def change_status(request: Asked, number: NumberAt, change: FromPath[str], data: Reason) -> dict[str, str]:
    """Change a status: `suspend`, `reactivate` or `deactivate`. Role: `adjudicator`."""
    verbs = {"suspend": identity.suspend, "reactivate": identity.reactivate, "deactivate": identity.deactivate}
    if change not in verbs:
        raise Malformed("suspend, reactivate or deactivate.", field="change", rule="known-change")
    stack, ctx = web.stack(request), await as_officer(request)
    person_id = await _named(request, ctx, number, f"identity.{change}")
    await verbs[change](stack, ctx, person_id, data.because, data.cause)
    return {"status": "active" if change == "reactivate" else f"{change.removesuffix('e')}ed"}


@get("/v1/identity/persons/{number:str}/as-of/{at:str}", tags=TAGS, summary="A record as it was known")
async def as_of(request: Asked, number: NumberAt, at: FromPath[str]) -> PastView:
    """What the register knew at an instant (ISO 8601 with its offset): person, status, guardians; staff of it only."""
    stack, ctx = web.stack(request), await as_officer(request)
    try:
        when = datetime.fromisoformat(at)
    except ValueError:
        when = datetime.min
    if when.tzinfo is None:
        raise Malformed("For example 2026-05-02T12:00:00Z.", field="at", rule="iso-8601-instant")
    found: Past = await acts.read_as_of(stack, ctx, await _named(request, ctx, number, "identity.read-history"), when)
    lines = [GuardianLine(g.kind, g.since, g.until) for g in found.guardians]
    return PastView(when, found.status.status, found.status.cause, found.demographics, lines)


@get("/v1/identity/persons/{number:str}/names", tags=TAGS, summary="The names that a person bore")
async def names(request: Asked, number: NumberAt) -> list[NamePeriod]:
    """Names with their periods, oldest first; for officers of the register."""
    ctx = await as_officer(request)
    person_id = await _named(request, ctx, number, "identity.read-history")
    return list(await acts.name_history(web.stack(request), ctx, person_id))


@get("/v1/identity/persons/{number:str}/guardians", tags=TAGS, summary="Who may act for a person")
async def read_guardians(request: Asked, number: NumberAt) -> list[GuardianLine]:
    """Guardians of today, by their numbers; for officers of the register."""
    stack, ctx = web.stack(request), await as_officer(request)
    found = await guardians.guardians_of(stack, ctx, await _named(request, ctx, number, "identity.read-guardians"))
    people = await identity.read_many(stack, ctx, [g.guardian_id for g in found])
    return [GuardianLine(g.kind, g.since, g.until, people[g.guardian_id].number) for g in found]


@post("/v1/identity/persons/{number:str}/guardians", tags=TAGS, summary="Grant a guardian's right", status_code=201)
async def grant_guardian(request: Asked, number: NumberAt, data: GuardianOrder) -> GuardianLine:
    """Give a person a guardian; it ends with majority, or on the day a court named. Role: `registrar`."""
    stack, ctx = web.stack(request), await as_officer(request)
    person_id = await _named(request, ctx, number, "identity.grant-guardian")
    right = await guardians.grant_guardian(stack, ctx, person_id, data)
    return GuardianLine(right.kind, right.since, right.until, data.guardian)


@post("/v1/identity/persons/{number:str}/guardians/{guardian:str}/end", tags=TAGS, summary="End a guardian's right",
      status_code=204)  # fmt: skip
async def end_guardian(request: Asked, number: NumberAt, guardian: FromPath[str], data: Reason) -> None:
    """End a guardian's right today. Role: `registrar`."""
    stack, ctx = web.stack(request), await as_officer(request)
    people = [await _named(request, ctx, n, "identity.end-guardian") for n in (number, guardian)]
    await guardians.end_guardian(stack, ctx, people[0], people[1], data.because)


async def _institution(request: Asked) -> Context:
    return await web.context(request, "identity-proofing", "legal-obligation", channel="api", signed_in=True)


@get("/v1/identity/notices", tags=TAGS, summary="What changed of the people an institution relies on")
async def notices(
    request: Asked,
    after: Annotated[str, QueryParameter(description="`next_after` of the answer before; empty: from the start.")] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=500)] = 100,
) -> NoticePage:
    """Changes under the institution's own pseudonyms, in order, kept for 90 days; for an institution's software."""
    return await relying.notices(web.stack(request), await _institution(request), after, limit)


@post("/v1/identity/notices/about/{pseudonym:str}", tags=TAGS, summary="Be told of a person", status_code=204)
async def rely(request: Asked, pseudonym: FromPath[str]) -> None:
    """The institution relies on the person whose pseudonym it has, and is told from now on."""
    await relying.rely(web.stack(request), await _institution(request), pseudonym)


@delete("/v1/identity/notices/about/{pseudonym:str}", tags=TAGS, summary="Be told of a person no more")
async def rely_no_more(request: Asked, pseudonym: FromPath[str]) -> None:
    """The institution relies on the person no longer."""
    await relying.rely(web.stack(request), await _institution(request), pseudonym, wanted=False)


async def _me(request: Request) -> tuple[Context, PersonId]:
    ctx = await web.context(request, "identity-proofing", "legal-obligation", signed_in=True)
    if ctx.actor.kind is not Kind.PERSON:
        raise Malformed("Only a person has virtual ids of their own.", field="caller", rule="person")
    return ctx, PersonId(UUID(ctx.actor.id))


@post("/v1/identity/me/aliases", tags=TAGS, summary="Make a virtual id", status_code=201)
async def create_alias(request: Asked, data: AliasOrder) -> VirtualId:
    """Sixteen digits that stand for one's number, for some days or uses, or until revoked."""
    ctx, me = await _me(request)
    return await aliases.create_alias(web.stack(request), ctx, me, data)


@get("/v1/identity/me/aliases", tags=TAGS, summary="One's own virtual ids")
async def list_aliases(request: Asked) -> list[VirtualId]:
    """One's newest 50 virtual ids, ended ones included."""
    ctx, me = await _me(request)
    return list(await aliases.list_aliases(web.stack(request), ctx, me))


@delete("/v1/identity/me/aliases/{alias_id:uuid}", tags=TAGS, summary="Revoke a virtual id")
async def revoke_alias(request: Asked, alias_id: UUID) -> None:
    """The virtual id leads nowhere from now on."""
    ctx, me = await _me(request)
    await aliases.revoke_alias(web.stack(request), ctx, me, aliases.AliasId(alias_id))


@post("/v1/identity/persons/{number:str}/contact", tags=TAGS, summary="Change where a person is reached",
      status_code=204)  # fmt: skip
async def update_contact(request: Asked, number: NumberAt, data: Amendment) -> None:
    """Change region, address, language or the name in another script. Role: `enrolment-officer`."""
    ctx = await as_officer(request)
    person_id = await _named(request, ctx, number, "identity.update-contact")
    await acts.update_contact(web.stack(request), ctx, person_id, data, "told by the person")


routers = [
    Router(
        "/",
        route_handlers=[
            propose_update, propose_merge, propose_unmerge, propose_revival, proposals, proposal, decide, change_status,
            as_of, names, read_guardians, grant_guardian, end_guardian, notices, rely, rely_no_more, create_alias,
            list_aliases, revoke_alias, update_contact,
        ],
    )
]  # fmt: skip
