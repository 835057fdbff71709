"""The only file that runs SQL on requests to approve."""

from datetime import datetime
from uuid import UUID

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.signin.ciba.model import Wish
from msingi.signin.provider.model import Terms

Q = sql.load(__name__)


async def put_request(
    tx: Tx,
    person_id: PersonId,
    request_id: UUID,
    client_id: str,
    secret_hash: bytes,
    wish: Wish,
    now: datetime,
    until: datetime,
) -> None:
    """Keep a request that waits."""
    await tx.do(Q.put_request, person_id, request_id, client_id, secret_hash, wish, now, until)


async def waiting(tx: Tx, person_id: PersonId, now: datetime) -> list[Row]:
    """Rows (request_id, client_id, wish, made_at, expires_at) that wait for a person, newest first."""
    return await tx.rows(Q.waiting, person_id, now)


async def hold(tx: Tx, person_id: PersonId, request_id: UUID) -> Row | None:
    """A request with all its columns, held until this transaction ends."""
    return await tx.row(Q.held_request, person_id, request_id)


async def decide(tx: Tx, person_id: PersonId, request_id: UUID, decided: str, terms: Terms | None) -> None:
    """Keep the person's decision, with the terms of a yes."""
    await tx.do(Q.decide_request, person_id, request_id, decided, terms)


async def polled(tx: Tx, person_id: PersonId, request_id: UUID, now: datetime, slow: int, decided: str) -> None:
    """Keep that the software asked."""
    await tx.do(Q.poll_request, person_id, request_id, now, slow, decided)


async def sweep(tx: Tx, before: datetime) -> int:
    """Forget requests that ran out before this instant; the number of them."""
    return await tx.do(Q.sweep_requests, before)
