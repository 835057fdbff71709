"""What the room does on news from identity: a person's cards follow the person's status."""

from collections.abc import Awaitable, Callable

import msgspec

from msingi.credentials import acts
from msingi.identity.model import PersonDeactivated, PersonMerged, PersonReactivated, PersonSuspended
from msingi.kernel.context import job_context
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack


class _Named(msgspec.Struct):
    """The one member of identity's events that matters here."""

    person_id: PersonId


def _following(status: str) -> Callable[[Stack, bytes], Awaitable[None]]:
    async def follow(stack: Stack, payload: bytes) -> None:
        """Bring the person's cards in line; safe to repeat, because it goes by the cards' present state."""
        person_id = msgspec.json.decode(payload, type=_Named).person_id
        await acts.follow_identity(stack, job_context("credentials", "credential-issuance"), person_id, status)

    return follow


doers = {
    PersonSuspended.kind: _following("suspended"),
    PersonReactivated.kind: _following("active"),
    PersonDeactivated.kind: _following("deactivated"),
    PersonMerged.kind: _following("merged"),
}
