"""The consent room's rows: the only file here that runs SQL."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from msingi.consent.model import (
    Agreement,
    AgreementId,
    AgreementOrder,
    Consent,
    ConsentId,
    Live,
    Request,
    RequestId,
    RequestState,
    State,
)
from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId, RecordId
from msingi.kernel.seal import Seals

Q = sql.load(__name__)
REQUEST_LABEL = "consent.request"
FROM_THE_NEWEST = UUID(int=(1 << 128) - 1)


class Revision(msgspec.Struct, frozen=True):
    """One signed state of a consent; `sealed` holds the JWS, readable with the person's key."""

    revision: int
    at: datetime
    hash: str
    predecessor_hash: str
    kid: str
    sealed: bytes


def _agreement(row: Row, newest: bool = True) -> Agreement:
    return Agreement(
        order=msgspec.convert(row["body"], AgreementOrder),
        version=row["version"],
        published_at=row["published_at"],
        retired=row["retired"] or not newest,
        hash=row["hash"],
        predecessor_hash=row["predecessor_hash"],
        kid=row["kid"],
        signature=row["signature"],
    )


def _consent(row: Row) -> Consent:
    return Consent(
        consent_id=ConsentId(row["consent_id"]),
        person_id=PersonId(row["person_id"]),
        agreement=AgreementId(row["agreement"]),
        agreement_version=row["agreement_version"],
        agreement_hash=row["agreement_hash"],
        institution=row["institution"],
        purpose=row["purpose"],
        fields=tuple(row["fields"]),
        state=State(row["state"]),
        granted_at=row["granted_at"],
        expires_at=row["expires_at"],
        language=row["language"],
        channel=row["channel"],
        ended_at=row["ended_at"],
        revision=row["revision"],
    )


async def _request(tx: Tx, seals: Seals, row: Row, now: datetime) -> Request:
    state = RequestState(row["state"])
    if state is RequestState.PENDING and row["lapses_at"] <= now:
        state = RequestState.LAPSED
    return Request(
        request_id=RequestId(row["request_id"]),
        agreement=AgreementId(row["agreement"]),
        agreement_version=row["agreement_version"],
        institution=row["institution"],
        purpose=row["purpose"],
        fields=tuple(row["fields"]),
        reason=(await seals.unseal(tx, PersonId(row["person_id"]), bytes(row["reason"]), REQUEST_LABEL)).decode(),
        state=state,
        asked_at=row["asked_at"],
        lapses_at=row["lapses_at"],
        consent_id=row["consent_id"],
    )


async def newest_agreement(tx: Tx, agreement: str) -> Agreement | None:
    """The newest version of a data agreement."""
    row = await tx.row(Q.newest_agreement, agreement)
    return None if row is None else _agreement(row)


async def agreement_version(tx: Tx, agreement: str, version: int) -> Agreement | None:
    """One version of a data agreement; it reads as retired when a newer one is published."""
    row = await tx.row(Q.agreement_version, agreement, version)
    return None if row is None else _agreement(row, row["newest"])


async def agreements_after(tx: Tx, after: str, limit: int, institution: str) -> list[Agreement]:
    """Offered data agreements by name."""
    return [_agreement(row) for row in await tx.rows(Q.agreements_after, after, limit, institution)]


async def agreement_by_number(tx: Tx, number: int) -> AgreementId | None:
    """The agreement that was the `number`th to be published for the first time."""
    name = await tx.value(Q.agreement_by_number, number)
    return None if name is None else AgreementId(name)


async def put_agreement(tx: Tx, made: Agreement) -> bool:
    """Publish a version; False when somebody else has just published the same one."""
    order = made.order
    put = await tx.do(
        Q.put_agreement, order.agreement, made.version, order.institution, order.purpose, msgspec.to_builtins(order),
        made.retired, made.published_at, made.hash, made.predecessor_hash, made.kid, made.signature,
    )  # fmt: skip
    return put == 1


async def raise_epoch(tx: Tx, person_id: PersonId) -> int:
    """Count a change of the person's consents, after the decisions under way; the new count."""
    return await tx.value(Q.raise_epoch, person_id)


async def live_consent(
    tx: Tx, person_id: PersonId, institution: str, purpose: str, fields: tuple[str, ...], at: datetime
) -> Live | None:
    """The live consent that covers everything asked."""
    row = await tx.row(Q.live_consent, person_id, institution, purpose, list(fields), at)
    return None if row is None else Live(ConsentId(row["consent_id"]), row["epoch"], row["expires_at"])


async def live_consents(
    tx: Tx, asks: Sequence[tuple[PersonId, str, str, tuple[str, ...]]], at: datetime
) -> dict[int, Live]:
    """The live consents that cover everything asked, by the number of the ask."""
    people, askers, purposes, fields = [list(column) for column in zip(*asks, strict=True)]
    rows = await tx.rows(Q.live_consents, people, askers, purposes, [" ".join(names) for names in fields], at)
    return {row["no"] - 1: Live(ConsentId(row["consent_id"]), row["epoch"], row["expires_at"]) for row in rows}


async def stopped(tx: Tx, asks: Sequence[tuple[PersonId, str, str]]) -> set[int]:
    """Of asks (person, institution, purpose), the numbers of those that an upheld objection stops."""
    people, askers, purposes = [list(column) for column in zip(*asks, strict=True)]
    return {row["no"] for row in await tx.rows(Q.stopped, people, askers, purposes)}


async def stop(tx: Tx, person_id: PersonId, institution: str, purpose: str, reference: str, at: datetime) -> None:
    """Stop a use of data."""
    await tx.do(Q.stop, person_id, institution, purpose, reference, at)


async def put_consent(tx: Tx, made: Consent) -> None:
    """A new consent."""
    await tx.do(
        Q.put_consent, made.person_id, made.consent_id, made.agreement, made.agreement_version, made.agreement_hash,
        made.institution, made.purpose, list(made.fields), made.state, made.granted_at, made.expires_at,
        made.language, made.channel, made.revision,
    )  # fmt: skip


async def end_consent(tx: Tx, ended: Consent) -> None:
    """Write down how and when a consent ended."""
    await tx.do(Q.end_consent, ended.person_id, ended.consent_id, ended.state, ended.ended_at, ended.revision)


async def consent_by_id(tx: Tx, person_id: PersonId, consent_id: UUID) -> Consent | None:
    """One consent of a person, locked."""
    row = await tx.row(Q.consent_by_id, person_id, consent_id)
    return None if row is None else _consent(row)


async def granted_for_agreement(tx: Tx, person_id: PersonId, agreement: str) -> Consent | None:
    """The consent to an agreement that has not been written down as ended, locked."""
    row = await tx.row(Q.granted_for_agreement, person_id, agreement)
    return None if row is None else _consent(row)


async def consents_of(tx: Tx, person_id: PersonId, after: UUID | None, limit: int) -> list[Consent]:
    """A person's consents, newest first."""
    return [_consent(row) for row in await tx.rows(Q.consents_of, person_id, after or FROM_THE_NEWEST, limit)]


async def due_consents(tx: Tx, now: datetime, limit: int) -> list[Consent]:
    """Consents whose expiry is still to be written down, locked, skipping those that others hold."""
    return [_consent(row) for row in await tx.rows(Q.due_consents, now, limit)]


async def put_revision(tx: Tx, of: Consent, made: Revision) -> None:
    """Keep a signed state."""
    await tx.do(
        Q.put_revision, of.person_id, of.consent_id, made.revision, made.at, made.hash, made.predecessor_hash,
        made.kid, made.sealed,
    )  # fmt: skip


def _revision(row: Row) -> Revision:
    return Revision(row["revision"], row["at"], row["hash"], row["predecessor_hash"], row["kid"], bytes(row["sealed"]))


async def newest_revision(tx: Tx, person_id: PersonId, consent_id: UUID) -> Revision | None:
    """The last signed state of a consent."""
    row = await tx.row(Q.newest_revision, person_id, consent_id)
    return None if row is None else _revision(row)


async def revisions_of(tx: Tx, person_id: PersonId, consent_id: UUID) -> list[Revision]:
    """All signed states of a consent, oldest first."""
    return [_revision(row) for row in await tx.rows(Q.revisions_of, person_id, consent_id)]


async def put_request(tx: Tx, seals: Seals, person_id: PersonId, made: Request) -> RequestId:
    """Keep a request, its words sealed for the person; the id of the open one that it renewed, or its own."""
    reason = await seals.seal(tx, person_id, made.reason.encode(), REQUEST_LABEL)
    return await tx.value(
        Q.put_request, person_id, made.request_id, made.agreement, made.agreement_version, made.institution,
        made.purpose, list(made.fields), reason, made.state, made.asked_at, made.lapses_at,
    )  # fmt: skip


async def request_by_id(tx: Tx, seals: Seals, person_id: PersonId, request_id: UUID, now: datetime) -> Request | None:
    """One request to a person, locked."""
    row = await tx.row(Q.request_by_id, person_id, request_id)
    return None if row is None else await _request(tx, seals, row, now)


async def requests_of(
    tx: Tx, seals: Seals, person_id: PersonId, after: UUID | None, limit: int, only_open: bool, now: datetime
) -> list[Request]:
    """A person's requests, newest first."""
    rows = await tx.rows(Q.requests_of, person_id, after or FROM_THE_NEWEST, limit, only_open, now)
    return [await _request(tx, seals, row, now) for row in rows]


async def answer_request(
    tx: Tx, person_id: PersonId, request_id: UUID, state: RequestState, consent_id: UUID | None = None
) -> None:
    """Write down the person's answer."""
    await tx.do(Q.answer_request, person_id, request_id, state, consent_id)


async def records_of(
    tx: Tx, person_id: PersonId, after: UUID | None, limit: int, now: datetime
) -> list[tuple[RecordId, bytes]]:
    """The sealed records of the acts about a person that the person may see by now, newest first."""
    rows = await tx.rows(Q.records_of, person_id, after, limit, now)
    return [(RecordId(row["record_id"]), bytes(row["sealed"])) for row in rows]


async def record_by_id(tx: Tx, person_id: PersonId, record_id: UUID, now: datetime) -> bytes | None:
    """The sealed record of one act about a person, if the person may see it by now."""
    sealed = await tx.value(Q.record_by_id, person_id, record_id, now)
    return None if sealed is None else bytes(sealed)
