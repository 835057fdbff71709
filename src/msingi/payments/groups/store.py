"""All SQL of what people hold together."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.seal import Seals
from msingi.payments.groups.model import Body, Kept, Signer
from msingi.payments.rules import shard_of

Q = sql.load(__name__)
LABEL = "payments.group"


def _uuid(found: UUID) -> UUID:
    return UUID(bytes=found.bytes)


def parts(row: Row) -> dict[str, Any]:
    """A row by column, with plain UUIDs."""
    return {name: _uuid(value) if isinstance(value, UUID) else value for name, value in row.items()}


def closed(seals: Seals, text: str) -> bytes:
    """Words of a group, which its members read, sealed for the room."""
    return seals.seal_with_room_key(LABEL, text.encode())


def opened(seals: Seals, sealed: bytes) -> str:
    """The words that `closed` sealed."""
    return seals.unseal_with_room_key(LABEL, bytes(sealed)).decode()


def read(seals: Seals, row: Row, column: str) -> dict[str, Any]:
    """A row with the one column that is sealed opened."""
    found = parts(row)
    found[column] = opened(seals, row[column])
    return found


def _body(row: Row) -> Body:
    return Body(**parts(row))


def _kept(row: Row) -> Kept:
    return Kept(**parts(row))


async def add_body(tx: Tx, seals: Seals, body: Body, signers: Sequence[Signer], at: datetime) -> None:
    """Keep a body and who is to speak for it."""
    b = body
    await tx.do(Q.add_body, b.body_id, b.kind, b.owner, b.label, b.bound, b.currency, at, b.lapses_at)
    columns = [s.person_id for s in signers], [closed(seals, s.name) for s in signers], [s.state for s in signers]
    await tx.do(Q.add_signers, b.body_id, *columns, at)


async def body(tx: Tx, body_id: UUID, *, hold: bool = False) -> Body | None:
    """One body; with `hold` nobody else changes it until the transaction ends."""
    row = await tx.row(Q.hold_body if hold else Q.body, body_id)
    return _body(row) if row else None


async def body_of_account(tx: Tx, account: int) -> Body | None:
    """The body that controls an account."""
    row = await tx.row(Q.body_of_account, account)
    return _body(row) if row else None


async def bodies_of(tx: Tx, person: PersonId, kind: str, at: datetime) -> list[Body]:
    """The bodies that a person speaks for or is invited to."""
    return [_body(row) for row in await tx.rows(Q.bodies_of, person, kind, at)]


async def open_body(tx: Tx, body_id: UUID, account: int) -> None:
    """The body has its account."""
    await tx.do(Q.open_body, body_id, account)


async def end_body(tx: Tx, body_id: UUID) -> None:
    """The body has ended."""
    await tx.do(Q.end_body, body_id)


async def signers(tx: Tx, seals: Seals, bodies: Collection[UUID]) -> dict[UUID, list[Signer]]:
    """Everybody who was ever asked to speak for each of some bodies."""
    found: dict[UUID, list[Signer]] = {one: [] for one in bodies}
    for row in await tx.rows(Q.signers, list(bodies)):
        person = PersonId(_uuid(row["person_id"]))
        name = opened(seals, row["name"])
        one = Signer(person_id=person, name=name, state=row["state"], in_use=row["in_use"])
        found[_uuid(row["body_id"])].append(one)
    return found


async def set_signer(tx: Tx, body_id: UUID, person: PersonId, state: str, at: datetime) -> None:
    """Somebody accepts, declines, leaves or is removed."""
    await tx.do(Q.set_signer, body_id, person, state, at)


async def forget_holder(tx: Tx, person: PersonId, account: int) -> None:
    """An account is no longer one of a person's."""
    await tx.do(Q.forget_holder, person, account)
    await tx.do(Q.forget_owner, shard_of(account), account, person)


async def spend_alone(
    tx: Tx, account: int, person: PersonId, key: str, amount: int, day: date, at: datetime, bound: int
) -> bool:
    """Count an order against the bound of a day; False if it passes it. A repeated order is counted once."""
    if await tx.do(Q.note_use, account, person, key, amount, at) == 0:
        return True
    return await tx.do(Q.spend_alone, account, day, amount, bound) == 1


async def spent_alone(tx: Tx, account: int, day: date) -> int:
    """What was paid alone out of an account on a day."""
    return await tx.value(Q.spent_alone, account, day)


async def add_proposal(tx: Tx, kept: Kept) -> bool:
    """Keep a payment that waits for signatures; False if it is kept already."""
    k = kept
    whom = (k.account_id, k.credit, k.payee, k.amount, k.currency, k.code, k.reference)
    rest = k.made_at, k.expires_at, k.effect, k.member
    return await tx.do(Q.add_proposal, k.body_id, k.proposal_id, *whom, *rest) == 1


async def proposal(tx: Tx, body_id: UUID, proposal_id: UUID) -> Kept | None:
    """One payment that waits; nobody else signs it until the transaction ends."""
    row = await tx.row(Q.proposal, body_id, proposal_id)
    return _kept(row) if row else None


async def proposals(tx: Tx, bodies: Collection[UUID], limit: int) -> list[Kept]:
    """The newest payments of some bodies."""
    return [_kept(row) for row in await tx.rows(Q.proposals, list(bodies), limit)]


async def add_signature(tx: Tx, kept: Kept, person: PersonId, agrees: bool, at: datetime) -> None:
    """Somebody signs, or refuses."""
    await tx.do(Q.add_signature, kept.body_id, kept.proposal_id, person, agrees, at)


async def signatures(tx: Tx, kept: Sequence[Kept]) -> dict[UUID, set[PersonId]]:
    """Who has signed each of some payments."""
    found: dict[UUID, set[PersonId]] = {k.proposal_id: set() for k in kept}
    for row in await tx.rows(Q.signatures, list({k.body_id for k in kept}), list(found)):
        found[_uuid(row["proposal_id"])].add(PersonId(_uuid(row["person_id"])))
    return found


async def end_proposal(tx: Tx, kept: Kept, state: str, at: datetime) -> None:
    """How it has ended; nothing changes if it had ended before."""
    await tx.do(Q.end_proposal, kept.body_id, kept.proposal_id, state, at)


async def try_again(tx: Tx, kept: Kept, why: str) -> None:
    """The ledger refused; the next try has another key."""
    await tx.do(Q.try_again, kept.body_id, kept.proposal_id, kept.attempt, why)
