"""Where requests, certificates and copies of lists are kept: the only file of the sub-room that runs SQL."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from msingi.credentials.presentation.model import Asked, RequestId, Row, State
from msingi.kernel import sql
from msingi.kernel.db import Tx
from msingi.kernel.ids import PersonId

Q = sql.load(__name__)


def _row(found: Any) -> Row:
    return Row(
        request_id=RequestId(found["request_id"]),
        asked=msgspec.convert(found["asked"], Asked),
        state=State(found["state"]),
        key=bytes(found["key"]),
        session=bytes(found["session"]),
        code=bytes(found["code"]),
        device=found["device"],
        tries=found["tries"],
        answer=bytes(found["answer"]),
        reason=found["reason"],
        collect_hash=bytes(found["collect_hash"]),
    )


async def add(tx: Tx, request_id: RequestId, asked: Asked, key: bytes, expires_at: datetime) -> None:
    """Keep a new request; `key` is the sealed private half of its encryption key."""
    plain = msgspec.to_builtins(asked)
    await tx.do(Q.add_request, request_id, asked.asker.institution, plain, key, expires_at)


async def request(tx: Tx, request_id: str, *, locked: bool = False) -> Row | None:
    """One request, or None."""
    found = await tx.row(Q.request_locked if locked else Q.request_by_id, request_id)
    return None if found is None else _row(found)


async def bind_session(tx: Tx, request_id: str, session: bytes) -> bool:
    """Say in which browser the request was opened; False if it was opened before."""
    return await tx.do(Q.bind_session, request_id, session) == 1


async def keep_answer(
    tx: Tx, request_id: str, state: State, device: str, code: bytes, answer: bytes, reason: str, at: datetime
) -> None:
    """The end of a request, or its last step but one; `answer` is sealed."""
    await tx.do(Q.keep_answer, request_id, state.value, device, code, answer, reason, at)


async def count_try(tx: Tx, row: Row, state: State, reason: str, *, keep: bool) -> None:
    """One more failure; `keep` says whether a sealed answer stays."""
    await tx.do(Q.count_try, row.request_id, state.value, reason, row.answer if keep else b"")


async def confirm(tx: Tx, request_id: str, collect_hash: bytes) -> None:
    """The browser came back: the answer may be collected."""
    await tx.do(Q.confirm, request_id, collect_hash)


async def forget(tx: Tx, answers_before: datetime, requests_before: datetime) -> tuple[int, int]:
    """Answers and requests whose time is over: how many of each are gone."""
    answers = await tx.do(Q.forget_answers, answers_before)
    return answers, await tx.do(Q.forget_requests, requests_before)


async def forgettable(tx: Tx, answers_before: datetime, requests_before: datetime) -> bool:
    """Whether anything's time is over."""
    return bool(await tx.value(Q.forgettable, answers_before, requests_before))


async def certificate(tx: Tx, holder: str, kid: str, good_until: datetime) -> bytes | None:
    """The certificate (DER) of a holder for a key."""
    found = await tx.value(Q.access_certificate, holder, kid, good_until)
    return None if found is None else bytes(found)


async def keep_certificate(tx: Tx, holder: str, kid: str, der: bytes, expires_at: datetime) -> None:
    """Keep a certificate (DER)."""
    await tx.do(Q.keep_certificate, holder, kid, der, expires_at)


async def keep_fetched(tx: Tx, uri: str, body: bytes, at: datetime) -> None:
    """Keep what was fetched from `uri`."""
    await tx.do(Q.keep_fetched, uri, body, at)


async def fetched(tx: Tx, uri: str) -> bytes | None:
    """What was last fetched from `uri`."""
    found = await tx.value(Q.fetched_body, uri)
    return None if found is None else bytes(found)


async def holder_of_copy(tx: Tx, list_id: int, index: int) -> PersonId | None:
    """Whose credential has an entry of a status list of ours."""
    found = await tx.value(Q.holder_of_copy, list_id, index)
    return None if found is None else PersonId(UUID(str(found)))
