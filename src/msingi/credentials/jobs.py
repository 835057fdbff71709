"""What the room does on news from identity: a person's cards follow the person's status."""

import msgspec

from msingi.credentials import acts
from msingi.identity import acts as identity
from msingi.identity.model import StatusChanged
from msingi.kernel.context import job_context
from msingi.kernel.errors import NotFound
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack


class _Named(msgspec.Struct):
    """The one member of identity's news that matters here: of whom. The status itself is asked for."""

    person_id: PersonId


async def follow(stack: Stack, payload: bytes) -> None:
    """Bring the person's cards in line. News may overtake news, so the present status counts; safe to repeat."""
    person_id = msgspec.json.decode(payload, type=_Named).person_id
    ctx = job_context("credentials", "credential-issuance")
    try:
        status, _ = await identity.status_of(stack, ctx, person_id)
    except NotFound:
        return
    await acts.follow_identity(stack, ctx, person_id, status.value)


doers = {StatusChanged.kind: follow}
