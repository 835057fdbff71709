"""Doors of the identity room, for officers of the register.

Every door needs a signed-in caller. What a caller may do stands in `policy.cedar`; refusals are problem details.
"""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import Body, HeaderParameter, PathParameter, QueryParameter

from msingi.countries import Profile
from msingi.identity import acts
from msingi.identity.model import (
    Address,
    Birth,
    BirthOrder,
    CaseId,
    Decision,
    DuplicateCase,
    EnrolmentOrder,
    Held,
    Name,
    Outcome,
    Person,
    Reason,
    Sex,
    Status,
)
from msingi.kernel import web
from msingi.kernel.context import PURPOSES, Context
from msingi.kernel.errors import Malformed

TAGS: Final = ["identity"]
Asked = Request[Any, Any, Any]
Key = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        required=True,
        max_length=200,
        description="One key for one intention: repeated, it gives the first answer and does nothing twice.",
        examples=[Example(value="centre-12/2026-11-21/0007")],
    ),
]


class EnrolmentView(msgspec.Struct, omit_defaults=True):
    """What enrolment answers: `enrolled` with the number, or `held` with the case that a person decides."""

    outcome: str
    number: str = ""
    number_text: str = ""
    phone_linked: bool = False
    case_id: str = ""
    alike: int = 0


class PersonView(msgspec.Struct, omit_defaults=True):
    """A person's record. `birth` says how exactly the birth date is known; `number_text` is in the country's groups."""

    status: Status
    name: Name
    birth: Birth
    sex: Sex
    region: str
    address: Address
    number: str = ""
    number_text: str = ""
    phone: str = ""
    language: str = ""
    second_name: Name | None = None
    second_language: str = ""
    enrolled_at: datetime | None = None


class CandidateView(msgspec.Struct):
    """Somebody who may be the held person: bits of evidence, and the fields that gave them, strongest first."""

    bits: float
    reasons: tuple[Reason, ...]


class CaseSummary(msgspec.Struct):
    """A case of the queue; it names nobody."""

    case_id: str
    opened_at: datetime
    candidates: list[CandidateView]


class QueueView(msgspec.Struct, omit_defaults=True):
    """A page of the queue, oldest first; ask again with `after` = `next_after` for more."""

    waiting: int
    cases: list[CaseSummary]
    next_after: str = ""


class CaseDetail(msgspec.Struct):
    """A case with the records to compare; `candidates` and `records` have the same order."""

    case: CaseSummary
    held: PersonView
    records: list[PersonView]


class DecisionView(msgspec.Struct, omit_defaults=True):
    """What a decision brought about: `merged` into a known person, or enrolled; with that person's number.

    `proposed`: that two people are one waits for a second officer, and nothing has changed.
    """

    case_id: str
    merged: bool
    proposed: bool = False
    number: str = ""
    number_text: str = ""


_PERSON: Final = {
    "name": {"given": "Asha", "family": "Mushi"},
    "birth": {"date": "1991-03-12"},
    "sex": "female",
    "region": "R03",
    "address": {"lines": ["Mtaa wa Uhuru 12"], "locality": "Mwembeni"},
    "phone": "+255712345678",
    "language": "sw",
}
_BARE: Final = {"name": {"given": "Kito"}, "birth": {"date": "1968", "approximate": True}}
_CHILD: Final = {
    "child": {"name": {"given": "Neema", "family": "Mushi"}, "birth": {"date": "2026-11-02"}, "sex": "female"},
    "mother": "5074 2921 4777",
    "place": "Mwembeni Clinic",
    "notified_on": "2026-11-03",
}
ENROLMENT_EXAMPLES: Final = [
    Example(summary="A person with address and phone", value=_PERSON),
    Example(summary="Nobody is turned away: one name, an estimated year, no document", value=_BARE),
]
DECISION_EXAMPLES: Final = [
    Example(summary="The first candidate", value={"same_as": 0, "because": "Same face and same parents."}),
    Example(summary="Somebody else", value={"same_as": None, "because": "Twin sister; both were present."}),
]


def _seen(profile: Profile, person: Person) -> PersonView:
    known = person.demographics
    return PersonView(
        status=person.status,
        name=known.name,
        birth=known.birth,
        sex=known.sex,
        region=known.region,
        address=known.address,
        number=person.number,
        number_text=profile.number_text(person.number),
        phone=known.phone,
        language=known.language,
        second_name=known.second_name,
        second_language=known.second_language,
        enrolled_at=person.enrolled_at,
    )


def _answered(request: Asked, outcome: Outcome) -> Response[EnrolmentView]:
    if isinstance(outcome, Held):
        return Response(EnrolmentView("held", case_id=str(outcome.case_id), alike=outcome.alike), status_code=202)
    text = web.stack(request).profile.number_text(outcome.number)
    return Response(EnrolmentView("enrolled", outcome.number, text, outcome.phone_linked), status_code=201)


def _summary(case: DuplicateCase) -> CaseSummary:
    found = [CandidateView(round(c.bits, 1), c.reasons) for c in case.candidates]
    return CaseSummary(str(case.case_id), case.opened_at, found)


async def as_officer(request: Asked, purpose: str = "identity-registration") -> Context:
    """The context of a signed-in caller, on the first legal basis that the country's law names for the purpose."""
    if purpose not in PURPOSES:
        raise Malformed("Say what for, in the words of docs/purposes.md.", field="Msingi-Purpose", rule="known-purpose")
    rules = [rule for rule in web.stack(request).profile.purposes if rule.purpose == purpose]
    basis = rules[0].bases[0] if rules else "public-task"
    return await web.context(request, purpose, basis, signed_in=True)


def _answers(**more: ResponseSpec) -> dict[int, ResponseSpec]:
    return {int(status.removeprefix("s")): spec for status, spec in more.items()}


HELD: Final = ResponseSpec(EnrolmentView, description="Held: a person decides whether this is somebody known.")


@post(
    "/v1/identity/enrolments",
    tags=TAGS,
    summary="Enrol a person",
    status_code=201,
    responses=_answers(s202=HELD),
)
async def enrol(
    request: Asked,
    data: Annotated[EnrolmentOrder, Body(examples=ENROLMENT_EXAMPLES)],
    idempotency_key: Key = "",
) -> Response[EnrolmentView]:
    """Enrol a person: 201 with the new number, or 202 if the person may be known already and a person must decide.

    Only a name is needed. Role: `enrolment-officer`.
    """
    ctx = await as_officer(request)
    return _answered(request, await acts.enrol(web.stack(request), ctx, data, idempotency_key))


@post(
    "/v1/identity/births",
    tags=TAGS,
    summary="Record and register a birth",
    status_code=201,
    responses=_answers(s202=HELD),
)
async def record_birth(
    request: Asked,
    data: Annotated[BirthOrder, Body(examples=[Example(summary="A birth notified by a clinic", value=_CHILD)])],
    idempotency_key: Key = "",
) -> Response[EnrolmentView]:
    """Record the notification of a birth and register the child, tied to its mother. Role: `registrar`."""
    ctx = await as_officer(request)
    return _answered(request, await acts.record_birth(web.stack(request), ctx, data, idempotency_key))


@get("/v1/identity/persons/{number:str}", tags=TAGS, summary="Read a person's record")
async def read_person(
    request: Asked,
    number: Annotated[str, PathParameter(description="The identity number; spaces and hyphens do not matter.")],
    purpose: Annotated[
        str,
        HeaderParameter(
            name="Msingi-Purpose",
            required=True,
            description="What for, for example `redress`. The person sees it in the record of accesses.",
            examples=[Example(value="identity-registration")],
        ),
    ] = "",
) -> PersonView:
    """A person's record, whatever its status. The person is told: who, for which purpose, when."""
    stack, ctx = web.stack(request), await as_officer(request, purpose)
    person_id = await acts.person_by_number(stack, ctx, number, any_status=True, to="identity.read")
    return _seen(stack.profile, await acts.read_person(stack, ctx, person_id))


@get("/v1/identity/duplicates", tags=TAGS, summary="The queue of probable duplicates")
async def duplicates(
    request: Asked,
    after: Annotated[UUID | None, QueryParameter(description="The case to continue after: `next_after`.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
) -> QueueView:
    """Held enrolments that wait for a decision, oldest first, with reasons and without names. Role: `adjudicator`."""
    ctx = await as_officer(request)
    page = await acts.duplicates_waiting(web.stack(request), ctx, after and CaseId(after), limit)
    return QueueView(page.waiting, [_summary(case) for case in page.cases], str(page.next_after or ""))


@get("/v1/identity/duplicates/{case_id:uuid}", tags=TAGS, summary="A case with the records to compare")
async def duplicate(request: Asked, case_id: UUID) -> CaseDetail:
    """The held record beside its candidates. Everybody in it is told of the comparison. Role: `adjudicator`."""
    stack = web.stack(request)
    view = await acts.read_duplicate(stack, await as_officer(request), CaseId(case_id))
    records = [_seen(stack.profile, person) for person in view.candidates]
    return CaseDetail(_summary(view.case), _seen(stack.profile, view.held), records)


@post(
    "/v1/identity/duplicates/{case_id:uuid}/decision",
    tags=TAGS,
    summary="Decide a case",
    status_code=200,
)
async def decide(
    request: Asked, case_id: UUID, data: Annotated[Decision, Body(examples=DECISION_EXAMPLES)]
) -> DecisionView:
    """Say which candidate the held person is (`same_as`, 0 is the first), or null for somebody else.

    Repeating a decision is harmless; another one afterwards is refused. Role: `adjudicator`.
    """
    stack = web.stack(request)
    done = await acts.decide_duplicate(stack, await as_officer(request), CaseId(case_id), data)
    number = stack.profile.number_text(done.number)
    return DecisionView(str(done.case_id), done.merged, done.proposed, done.number, number)


routers = [
    Router("/", route_handlers=[enrol, record_birth, read_person, duplicates, duplicate, decide]),
]
