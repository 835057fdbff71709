"""The only file of the room that runs SQL on clients, accounts, factors, tries, codes and sessions."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from msingi.kernel import sql
from msingi.kernel.db import Database, Row, Tx
from msingi.kernel.ids import PersonId
from msingi.signin.model import Agreement, Client, ClientProposal, Session, StaffLine
from msingi.signin.rules import FORGET_S, IDLE_S, Tries

Q = sql.load(__name__)


def _client(row: Row) -> Client:
    return msgspec.convert(dict(row), Client)


async def client(tx: Tx, client_id: str) -> Client | None:
    """A registered, active client."""
    row = await tx.row(Q.client_by_id, client_id)
    return None if row is None else _client(row)


async def clients_after(tx: Tx, after: str, limit: int, institution: str) -> list[Client]:
    """Registered clients by id, of one institution where it is named."""
    return [_client(row) for row in await tx.rows(Q.clients_after, after, limit, institution)]


async def retire_client(tx: Tx, client_id: str) -> bool:
    """A client may no longer be used; False if there was none."""
    return await tx.value(Q.retire_client, client_id) is not None


async def put_client(tx: Tx, new: Client) -> None:
    """Register a client or replace its registration."""
    await tx.do(
        Q.put_client,
        new.client_id,
        new.name,
        new.institution,
        new.profile,
        list(new.jwks),
        list(new.redirect_uris),
        list(new.logout_uris),
        sorted(new.scopes),
        sorted(new.claims),
        new.first_party,
        new.auth,
        sorted(new.grants),
        new.dpop_nonce,
        new.userinfo_signed,
        new.backchannel_logout_uri,
        new.id_token_signed_response_alg,
    )


async def has_role(tx: Tx, role: str) -> bool:
    """Whether some open staff account has this role."""
    return await tx.value(Q.has_role, role) is not None


async def provider_keys(tx: Tx, after: datetime) -> list[Row]:
    """The provider's RSA keys that were made after an instant, newest first: kid, wrapped, certificate, made_at."""
    return await tx.rows(Q.provider_keys, after)


async def put_provider_key(tx: Tx, kid: str, wrapped: bytes, certificate: bytes, now: datetime) -> None:
    """Keep a new RSA key, wrapped."""
    await tx.do(Q.put_provider_key, kid, wrapped, certificate, now)


async def put_client_proposal(tx: Tx, new: Client, proposed_by: str, now: datetime) -> None:
    """Keep a registration until somebody else decides."""
    await tx.do(Q.put_client_proposal, new.client_id, new, proposed_by, now)


async def client_proposals(tx: Tx) -> list[ClientProposal]:
    """Registrations that wait, the oldest first, at most 200."""
    return [msgspec.convert(dict(row), ClientProposal) for row in await tx.rows(Q.client_proposals)]


async def held_client_proposal(tx: Tx, client_id: str) -> ClientProposal | None:
    """A registration that waits, held until this transaction ends."""
    row = await tx.row(Q.held_client_proposal, client_id)
    return None if row is None else msgspec.convert(dict(row), ClientProposal)


async def end_client_proposal(tx: Tx, client_id: str) -> None:
    """Forget a registration that was decided about."""
    await tx.do(Q.end_client_proposal, client_id)


async def put_client_keys(tx: Tx, client_id: str, jwks: tuple[dict[str, Any], ...]) -> bool:
    """Replace a client's public keys; False if there is no such client."""
    return await tx.do(Q.put_client_keys, client_id, list(jwks)) == 1


async def put_staff(
    tx: Tx, account_id: PersonId, staff_id: str, institution: str, roles: frozenset[str], sealed: bytes
) -> None:
    """Make or replace a staff account."""
    await tx.do(Q.put_staff, account_id, staff_id, institution, sorted(roles), sealed)


async def close_staff(tx: Tx, account_id: PersonId) -> bool:
    """Close a staff account; False if none is open."""
    return await tx.do(Q.close_staff, account_id) == 1


async def staff_after(tx: Tx, after: str, limit: int) -> list[StaffLine]:
    """Staff accounts in the order of their ids."""
    return [msgspec.convert(dict(row), StaffLine) for row in await tx.rows(Q.staff_after, after, limit)]


async def staff(tx: Tx, account_id: PersonId) -> Row | None:
    """A staff account that may sign in: staff_id, institution, roles, sealed."""
    return await tx.row(Q.staff_by_account, account_id)


async def put_pin(tx: Tx, person_id: PersonId, sealed: bytes) -> None:
    """Set or replace a sealed PIN hash."""
    await tx.do(Q.put_pin, person_id, sealed)


async def pins(tx: Tx, person_ids: Iterable[PersonId]) -> dict[PersonId, bytes]:
    """The sealed PIN hashes of accounts; those without PIN are absent."""
    return {PersonId(row["person_id"]): row["sealed"] for row in await tx.rows(Q.pins_of, list(person_ids))}


async def pin_set_at(tx: Tx, person_id: PersonId) -> datetime | None:
    """When the PIN of an account was set; None if it has none."""
    return await tx.value(Q.pin_set_at, person_id)


async def device_known(tx: Tx, person_id: PersonId, device_hash: bytes, now: datetime) -> bool:
    """Whether this person has signed in on this device before."""
    return await tx.value(Q.device_known, person_id, device_hash, now) is not None


async def know_device(tx: Tx, person_id: PersonId, device_hash: bytes, now: datetime) -> bool:
    """Remember a device; True for a new one of somebody who has others."""
    return await tx.value(Q.know_device, person_id, device_hash, now)


async def open_place(tx: Tx, place: bytes, now: datetime) -> Tries:
    """The counter of wrong tries of a place, held until this transaction ends."""
    row = await tx.row(Q.open_place, place, now)
    assert row is not None  # the statement always answers one row
    return Tries(row["failures"], row["since"], row["locked_until"])


async def count_failure(tx: Tx, place: bytes, tries: Tries) -> None:
    """Write a counter of wrong tries."""
    await tx.do(Q.count_failure, place, tries.failures, tries.since, tries.locked_until)


async def failures(tx: Tx, place: bytes) -> int:
    """How many wrong tries a place has, without holding its counter."""
    return await tx.value(Q.failures, place) or 0


async def add_failure(tx: Tx, place: bytes, now: datetime) -> None:
    """Count one more wrong try of a place that locks nobody by itself."""
    await tx.do(Q.add_failure, place, now)


async def forget_place(tx: Tx, place: bytes) -> None:
    """Clear a counter of wrong tries."""
    await tx.do(Q.forget_place, place)


async def forget_devices(tx: Tx, person_id: PersonId) -> None:
    """No device of somebody is known any more."""
    await tx.do(Q.forget_devices, person_id)


async def put_recovery(
    tx: Tx, person_id: PersonId, institution: str, checks: tuple[str, ...], now: datetime, until: datetime
) -> None:
    """Keep that an account was given back."""
    await tx.do(Q.put_recovery, person_id, institution, list(checks), now, until)


async def recovering_until(tx: Tx, person_id: PersonId, now: datetime) -> datetime | None:
    """Until when weighty acts of somebody wait after a recovery; None if they need not."""
    return await tx.value(Q.recovering_until, person_id, now)


async def put_challenge(
    tx: Tx,
    person_id: PersonId,
    challenge_id: UUID,
    bound_to: bytes,
    code_hash: bytes,
    now: datetime,
    until: datetime,
) -> None:
    """Remember a one-time code that is being sent."""
    await tx.do(Q.put_challenge, person_id, challenge_id, bound_to, code_hash, now, until)


async def try_challenge(tx: Tx, person_id: PersonId, challenge_id: UUID, bound_to: bytes) -> Row | None:
    """Count a try of a one-time code: code_hash, expires_at, tries (this one included), used_at."""
    return await tx.row(Q.challenge, person_id, challenge_id, bound_to)


async def use_challenge(tx: Tx, person_id: PersonId, challenge_id: UUID, now: datetime) -> None:
    """Mark a one-time code as used."""
    await tx.do(Q.use_challenge, person_id, challenge_id, now)


async def put_session(tx: Tx, session: Session, secret_hash: bytes) -> None:
    """Open a session."""
    await tx.do(
        Q.put_session,
        session.person_id,
        session.session_id,
        secret_hash,
        session.factors,
        list(session.methods),
        session.agent,
        session.proved_at,
        session.expires_at,
    )


async def session(tx: Tx, person_id: PersonId, session_id: UUID) -> Row | None:
    """A session that has not ended, with the hash of its secret."""
    return await tx.row(Q.session, person_id, session_id)


async def session_and_agreement(tx: Tx, person_id: PersonId, session_id: UUID, client_id: str) -> Row | None:
    """As `session`, with the claims that a client may learn, and those that it was refused; NULL if never asked."""
    return await tx.row(Q.session_and_agreement, person_id, session_id, client_id)


async def touch_session(tx: Tx, person_id: PersonId, session_id: UUID, now: datetime) -> None:
    """A session was used now."""
    await tx.do(Q.touch_session, person_id, session_id, now)


async def live_sessions(tx: Tx, person_id: PersonId, now: datetime) -> list[Session]:
    """The sessions in which somebody is signed in, newest first."""
    found = await tx.rows(Q.live_sessions, person_id, now, now - timedelta(seconds=IDLE_S))
    return [msgspec.convert({**row, "person_id": person_id}, Session) for row in found]


async def end_session(tx: Tx, person_id: PersonId, session_id: UUID, now: datetime) -> bool:
    """End a session and what came out of it; False if it was not open."""
    ended = await tx.value(Q.end_session, person_id, session_id, now) is not None
    if ended:
        await tx.do(Q.end_grants_of_session, person_id, session_id, now)
    return ended


async def clients_to_tell(tx: Tx, person_id: PersonId, session_id: UUID | None) -> list[str]:
    """Software that wants to hear that one session of somebody ended, or all."""
    return [row["client_id"] for row in await tx.rows(Q.clients_to_tell, person_id, session_id)]


async def end_everything(tx: Tx, person_id: PersonId, now: datetime) -> int:
    """End all sessions and grants of somebody; the number of sessions."""
    await tx.do(Q.end_all_grants, person_id, now)
    return await tx.do(Q.end_all_sessions, person_id, now)


async def decided_claims(tx: Tx, person_id: PersonId, client_id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What somebody agreed that a client may learn, and what they refused it."""
    row = await tx.row(Q.decided_claims, person_id, client_id)
    return ((), ()) if row is None else (tuple(row["claims"]), tuple(row["refused"]))


async def put_agreement(
    tx: Tx,
    person_id: PersonId,
    client_id: str,
    claims: tuple[str, ...],
    refused: tuple[str, ...],
    receipt: str,
    now: datetime,
) -> None:
    """Remember what somebody agreed that a client may learn, what not, and the receipt that they can show."""
    await tx.do(Q.put_agreement, person_id, client_id, list(claims), list(refused), receipt, now)


async def agreements(tx: Tx, person_id: PersonId) -> list[Agreement]:
    """What somebody agreed that clients may learn, newest first."""
    return [msgspec.convert(dict(row), Agreement) for row in await tx.rows(Q.agreements, person_id)]


async def withdraw_agreement(tx: Tx, person_id: PersonId, client_id: str, now: datetime) -> bool:
    """Forget an agreement and end what the client holds; False if there was no agreement."""
    found = await tx.value(Q.withdraw_agreement, person_id, client_id) is not None
    await tx.do(Q.end_grants_of_client, person_id, client_id, now)
    return found


async def seen_before(tx: Tx, seen: list[bytes], until: list[datetime]) -> set[bytes]:
    """Claim things that may arrive only once, each until its instant; gives those that had come before.

    As the first statement of a transaction it costs no round trip of its own.
    """
    if await tx.first(Q.first_time, seen, until) == len(seen):
        return set()
    return {bytes(row["seen"]) for row in await tx.rows(Q.seen_before, seen)}


def claim_last(tx: Tx, seen: bytes, until: datetime) -> None:
    """Claim a thing together with the commit, which raises Overtaken if it had come before."""
    tx.later.append((Q.claim_last, (seen, until)))


def put_grant(
    tx: Tx,
    person_id: PersonId,
    grant_id: UUID,
    session_id: UUID,
    client_id: str,
    code_hash: bytes,
    terms: Any,
    now: datetime,
    until: datetime,
) -> None:
    """Keep a new grant; it is written with the commit."""
    said = msgspec.json.encode(terms).decode()
    tx.later.append((Q.put_grant, (person_id, grant_id, session_id, client_id, code_hash, said, now, until)))


async def hold_grant(tx: Tx, person_id: PersonId, grant_id: UUID) -> Row | None:
    """A grant with all its columns, held until this transaction ends."""
    return await tx.row(Q.grant_for_code, person_id, grant_id)


async def live_grant(tx: Tx, person_id: PersonId, grant_id: UUID, now: datetime) -> Row | None:
    """client_id, terms and session_id of a grant that has not ended."""
    return await tx.row(Q.live_grant, person_id, grant_id, now)


def redeem_grant(
    tx: Tx, person_id: PersonId, grant_id: UUID, now: datetime, refresh_hash: bytes | None, until: datetime
) -> None:
    """A code was used; tokens of the grant live until `until`. It is written with the commit."""
    tx.later.append((Q.redeem_grant, (person_id, grant_id, now, refresh_hash, until)))


async def end_grant(tx: Tx, person_id: PersonId, grant_id: UUID, now: datetime) -> None:
    """End a grant, so that every door refuses its tokens."""
    await tx.do(Q.end_grant, person_id, grant_id, now)


async def end_token(tx: Tx, grant_id: UUID, until: datetime) -> None:
    """End a token that has no grant, until it would have expired."""
    await tx.do(Q.end_token, grant_id, until)


async def count_ended(db: Database, grant_ids: list[UUID]) -> int:
    """How many of these grants ended before their tokens."""
    return await db.count("signin", Q.grants_ended, grant_ids)


async def grants_ended(tx: Tx, grant_ids: list[UUID]) -> set[UUID]:
    """Which of these grants ended before their tokens."""
    return {row["grant_id"] for row in await tx.rows(Q.grants_ended, grant_ids)}


async def sweep(tx: Tx, now: datetime) -> int:
    """Forget what has expired, each kind after its retention; the number of rows removed."""
    day, year = timedelta(days=1), timedelta(days=365)
    gone = await tx.do(Q.sweep_seen, now)
    gone += await tx.do(Q.sweep_ended, now)
    gone += await tx.do(Q.sweep_tries, now - timedelta(seconds=FORGET_S), now)
    gone += await tx.do(Q.sweep_challenges, now - day)
    gone += await tx.do(Q.sweep_sessions, now - 90 * day)
    gone += await tx.do(Q.sweep_grants, now - 90 * day)
    gone += await tx.do(Q.sweep_devices, now - year)
    return gone
