"""The rows of membership: the only file here that runs SQL."""

from datetime import datetime
from uuid import UUID

import msgspec

from msingi.exchange.membership.model import Application, AskRight, Change, RightAsked, State
from msingi.exchange.model import Key, Right, ServiceCode, Standing, Subsystem, SubsystemId
from msingi.exchange.rules import institution_named
from msingi.kernel import sql
from msingi.kernel.db import Row, Tx

Q = sql.load(__name__)
FIRST = UUID(int=0)


def _application(row: Row) -> Application:
    made = {name: row[name] for name in Application.__struct_fields__ if name != "state"}
    return Application(**made, state=State(row["state"]))


def _request(row: Row) -> RightAsked:
    return RightAsked(
        request=row["request"],
        order=msgspec.convert(row["wanted"], AskRight),
        owner=row["owner"],
        asked_by=row["asked_by"],
        at=row["at"],
        state=State(row["state"]),
        because=row["because"],
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
        until=row["until"],
    )


async def put_application(tx: Tx, made: Application) -> None:
    """Keep a new application."""
    await tx.do(
        Q.put_application, made.application, made.institution, made.member_class, made.name, made.contact,
        made.subsystem, made.kid, made.x, made.law, made.proved, made.at,
    )  # fmt: skip


async def waiting(tx: Tx) -> int:
    """How many applications wait."""
    return await tx.value(Q.count_waiting)


async def same_waiting(tx: Tx, kid: str) -> UUID | None:
    """The application of this key that waits."""
    return await tx.value(Q.same_waiting, kid)


async def application(tx: Tx, number: UUID, *, lock: bool = False) -> Application | None:
    """One application."""
    row = await tx.row(Q.application_by_id if lock else Q.application_seen, number)
    return None if row is None else _application(row)


async def applications(tx: Tx, state: State, after: UUID | None, limit: int) -> list[Application]:
    """Applications in one state, oldest first."""
    return [_application(row) for row in await tx.rows(Q.applications_after, state, after or FIRST, limit)]


async def decide_application(tx: Tx, now: Application) -> None:
    """Keep the decision of an application."""
    await tx.do(Q.decide_application, now.application, now.state, now.because, now.decided_at)


async def put_change(tx: Tx, made: Change, actor: str) -> None:
    """Keep a change of standing; `actor` is who, `made.by` the institution that everybody sees."""
    await tx.do(Q.put_change, made.institution, made.at, made.standing, made.because, actor, made.by)


async def changes(tx: Tx, institution: str, limit: int) -> list[tuple[Change, str]]:
    """The changes of an institution's standing with who made each, newest first."""
    rows = await tx.rows(Q.changes_of, institution, limit)
    return [
        (Change(r["institution"], r["at"], Standing(r["standing"]), r["because"], r["actor_institution"]), r["actor"])
        for r in rows
    ]


async def put_request(tx: Tx, made: RightAsked) -> None:
    """Keep a new request for a right."""
    client, owner = institution_named(made.order.client), institution_named(made.owner)
    await tx.do(
        Q.put_request, made.request, msgspec.to_builtins(made.order), client, made.owner, owner, made.asked_by,
        made.at,
    )  # fmt: skip


async def request(tx: Tx, number: UUID) -> RightAsked | None:
    """One request, locked."""
    row = await tx.row(Q.request_by_id, number)
    return None if row is None else _request(row)


async def decide_request(tx: Tx, now: RightAsked) -> None:
    """Keep the decision of a request."""
    await tx.do(
        Q.decide_request, now.request, now.state, now.because, now.decided_by, now.decided_at, now.until,
        msgspec.to_builtins(now.order),
    )  # fmt: skip


async def requests(tx: Tx, institution: str, state: str, before: UUID | None, limit: int) -> list[RightAsked]:
    """Requests of or to an institution, newest first."""
    return [_request(row) for row in await tx.rows(Q.requests_after, institution, state, before, limit)]


async def rights(
    tx: Tx, now: datetime, service: str, institution: str, after: str, limit: int
) -> list[tuple[Right, str]]:
    """Living rights with the service's owner, by service and client."""
    rows = await tx.rows(Q.rights_after, now, service, institution, after, limit)
    return [
        (
            Right(
                SubsystemId(r["client"]), ServiceCode(r["service"]), r["purpose"], r["basis"], r["law"],
                tuple(r["fields"]), tuple(r["endpoints"]), r["by_number"], r["version"], r["until"],
            ),
            r["owner"],
        )
        for r in rows
    ]  # fmt: skip


async def keys(tx: Tx, institution: str) -> list[Key]:
    """The keys of an institution's software."""
    rows = await tx.rows(Q.keys_of, institution)
    return [Key(r["kid"], SubsystemId(r["subsystem"]), r["x"], r["active"], r["since"]) for r in rows]


async def subsystems(tx: Tx, institution: str) -> list[Subsystem]:
    """An institution's software."""
    rows = await tx.rows(Q.subsystems_of, institution)
    return [Subsystem(SubsystemId(r["subsystem"]), r["name"], r["since"]) for r in rows]
