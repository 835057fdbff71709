"""Doors of civil registration: notifications, the registrar's decisions, certificates, and whether one still stands."""

from typing import Annotated, Final
from uuid import UUID

import msgspec
from litestar import Response, Router, get, post
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath, QueryParameter

from msingi.identity import acts as identity
from msingi.identity.civil import acts
from msingi.identity.civil.model import DeathOrder, EventKind, Facts, Notification, NotificationId, Verdict
from msingi.identity.model import BirthOrder, Enrolled, Held
from msingi.identity.routes import Asked, Key, as_officer
from msingi.kernel import web
from msingi.kernel.context import Context

TAGS: Final = ["identity"]
CODE_CHARS: Final = 4096


class NotificationQueue(msgspec.Struct, omit_defaults=True):
    """A page of what waits for a registrar, oldest first; ask again with `after` = `next_after` for more."""

    waiting: int
    notifications: list[Notification]
    next_after: str = ""


class Because(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why, in words."""

    because: str


class Correction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why an entry is corrected; its place, if that was wrong."""

    because: str
    place: str | None = None


class Registered(msgspec.Struct, omit_defaults=True):
    """What became of a notification: `registered`, or `held` with the case of a probable duplicate."""

    state: str
    number: str = ""
    case_id: str = ""


class CertificateView(msgspec.Struct):
    """A certificate: the entry's number, what it says, and the signed code for the paper."""

    entry_number: str
    late: bool
    facts: Facts
    code: str


DEATH: Final = {"number": "5074 2921 4777", "died_on": "2026-11-02", "place": "Mwembeni Clinic", "informant": "A son"}


@post("/v1/identity/notifications/births", tags=TAGS, summary="Notify a birth", status_code=201)
async def notify_birth(request: Asked, data: BirthOrder, idempotency_key: Key = "") -> dict[str, str]:
    """Tell of a birth; a registrar decides. Roles: `clinician`, `registrar`, `enrolment-officer`."""
    ctx = await as_officer(request)
    made = await acts.notify_birth(web.stack(request), ctx, data, idempotency_key)
    return {"notification_id": str(made)}


@post("/v1/identity/notifications/deaths", tags=TAGS, summary="Notify a death", status_code=201)
async def notify_death(
    request: Asked,
    data: Annotated[DeathOrder, Body(examples=[Example(summary="A death in a clinic", value=DEATH)])],
    idempotency_key: Key = "",
) -> dict[str, str]:
    """Tell of a death; a registrar decides. Roles: `clinician`, `registrar`, `enrolment-officer`."""
    ctx = await as_officer(request)
    made = await acts.notify_death(web.stack(request), ctx, data, idempotency_key)
    return {"notification_id": str(made)}


@get("/v1/identity/notifications", tags=TAGS, summary="What waits for a registrar")
async def notifications(
    request: Asked,
    after: Annotated[UUID | None, QueryParameter(description="The one to continue after: `next_after`.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
) -> NotificationQueue:
    """Births and deaths that were told and not yet decided, oldest first, naming nobody. Role: `registrar`."""
    ctx = await as_officer(request)
    page = await acts.notifications_waiting(web.stack(request), ctx, after and NotificationId(after), limit)
    return NotificationQueue(page.waiting, list(page.notifications), str(page.next_after or ""))


@post("/v1/identity/notifications/{notification_id:uuid}/register", tags=TAGS, summary="Register what was told",
      status_code=200)  # fmt: skip
async def register_notified(request: Asked, notification_id: UUID) -> Registered:
    """Register a notified birth or death; repeating it is harmless. Role: `registrar`."""
    stack, ctx = web.stack(request), await as_officer(request)
    outcome = await acts.register_notified(stack, ctx, NotificationId(notification_id))
    if isinstance(outcome, Held):
        return Registered("held", case_id=str(outcome.case_id))
    return Registered("registered", outcome.number if isinstance(outcome, Enrolled) else "")


@post("/v1/identity/notifications/{notification_id:uuid}/reject", tags=TAGS, summary="Reject what was told",
      status_code=204)  # fmt: skip
async def reject(request: Asked, notification_id: UUID, data: Because) -> None:
    """Reject a notification with a reason. Role: `registrar`."""
    ctx = await as_officer(request)
    await acts.reject_notification(web.stack(request), ctx, NotificationId(notification_id), data.because)


@post("/v1/identity/deaths", tags=TAGS, summary="Register a death", status_code=204)
async def register_death(request: Asked, data: DeathOrder, idempotency_key: Key = "") -> None:
    """Register a death, also a late one: the identity is out of use from now on. Role: `registrar`."""
    await acts.register_death(web.stack(request), await as_officer(request), data, idempotency_key)


async def _certified(request: Asked, ctx: Context, number: str, kind: EventKind) -> CertificateView:
    stack = web.stack(request)
    person_id = await identity.person_by_number(stack, ctx, number, any_status=True, to="identity.certify")
    made = await acts.certify(stack, ctx, person_id, kind)
    return CertificateView(made.entry.entry_number, made.entry.late, made.entry.facts, made.code)


@get("/v1/identity/persons/{number:str}/certificates/{kind:str}", tags=TAGS, summary="A certificate")
async def certificate(request: Asked, number: FromPath[str], kind: EventKind) -> CertificateView:
    """The newest entry of a `birth` or `death` with its signed code. Role: `registrar`."""
    return await _certified(request, await as_officer(request), number, kind)


@post("/v1/identity/persons/{number:str}/entries/{kind:str}/correction", tags=TAGS, summary="Correct an entry",
      status_code=200)  # fmt: skip
async def correct(request: Asked, number: FromPath[str], kind: EventKind, data: Correction) -> dict[str, str]:
    """Bring an entry in line with the corrected record, or correct its place. Role: `registrar`."""
    stack, ctx = web.stack(request), await as_officer(request)
    person_id = await identity.person_by_number(stack, ctx, number, any_status=True, to="identity.correct-entry")
    return {"entry_number": await acts.correct_entry(stack, ctx, person_id, kind, data.because, data.place)}


@get("/v1/identity/certificates/{code:str}", tags=TAGS, summary="Does a certificate still stand?")
async def verify(request: Asked, code: FromPath[str]) -> Response[Verdict]:
    """What the code of a certificate is worth now; for everybody who holds one."""
    ctx = await web.context(request, "public-service", "public-task")
    found = await acts.verify_certificate(web.stack(request), ctx, code[:CODE_CHARS])
    return Response(found, headers={"Cache-Control": "no-store"})


routers = [
    Router(
        "/",
        route_handlers=[
            notify_birth, notify_death, notifications, register_notified, reject, register_death, certificate, correct,
            verify,
        ],
    )
]  # fmt: skip
