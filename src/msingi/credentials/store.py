"""Where cards and status lists are kept: the only file of the room that runs SQL."""

from collections.abc import Sequence
from uuid import UUID

from msingi.credentials.model import Card, CardState, CredentialId, Form, Place
from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId

Q = sql.load(__name__)


def _card(row: Row) -> Card:
    return Card(
        credential_id=CredentialId(row["credential_id"]),
        person_id=PersonId(UUID(str(row["person_id"]))),
        form=Form(row["form"]),
        state=CardState(row["state"]),
        reason=row["reason"],
        place=Place(row["list_id"], row["list_index"]),
        issued_on=row["issued_on"],
        expires_on=row["expires_on"],
    )


async def live_card(tx: Tx, person_id: PersonId, form: Form) -> Card | None:
    """The person's live card of this form, locked."""
    row = await tx.row(Q.live_card, person_id, form.value)
    return _card(row) if row else None


async def card(tx: Tx, person_id: PersonId, credential_id: CredentialId) -> Card | None:
    """One card of the person, locked."""
    row = await tx.row(Q.card_by_id, person_id, credential_id)
    return _card(row) if row else None


async def cards_of(tx: Tx, person_id: PersonId) -> list[Card]:
    """All cards of the person, the newest first."""
    return [_card(row) for row in await tx.rows(Q.cards_of_person, person_id)]


async def sealed_faces(tx: Tx, wanted: Sequence[tuple[PersonId, CredentialId]]) -> list[tuple[Card, bytes]]:
    """The named cards with their sealed faces, in the order asked for; unknown ones are left out."""
    people, numbers = [person for person, _ in wanted], [number for _, number in wanted]
    return [(_card(row), bytes(row["face"])) for row in await tx.rows(Q.sealed_faces, people, numbers)]


async def add_card(tx: Tx, card: Card, face: bytes) -> bool:
    """Write a new active card; False if the person has a live one of this form."""
    where = (card.place.list_id, card.place.index)
    values = (card.person_id, card.credential_id, card.form.value, *where, card.issued_on, card.expires_on, face)
    return await tx.do(Q.add_card, *values) == 1


async def set_state(tx: Tx, card: Card, value: int) -> None:
    """Write the state and reason of `card`, and `value` into its entry of the status list."""
    await tx.do(Q.set_state, card.person_id, card.credential_id, card.state.value, card.reason)
    await tx.do(Q.say_status, card.place.list_id, card.place.index, value)
    await tx.do(Q.grow_version, card.place.list_id)


async def take_number(tx: Tx, credential_id: CredentialId, person_id: PersonId) -> bool:
    """Give the card number to the person; False if it was given before."""
    return await tx.do(Q.take_number, credential_id, person_id) == 1


async def holders(tx: Tx, credential_ids: Sequence[CredentialId]) -> dict[CredentialId, PersonId]:
    """Whose cards these are; unknown ones are left out."""
    rows = await tx.rows(Q.holders_of, list(credential_ids))
    return {CredentialId(row["credential_id"]): PersonId(UUID(str(row["person_id"]))) for row in rows}


async def newest_list(tx: Tx) -> int:
    """The list that new cards are entered in; the first one is opened if there is none."""
    return await tx.value(Q.newest_list) or await open_list(tx, 1)


async def open_list(tx: Tx, list_id: int) -> int:
    """Begin list `list_id`, unless it exists, and give its number."""
    await tx.do(Q.open_list, list_id)
    return list_id


async def taken(tx: Tx, list_id: int, candidates: Sequence[int]) -> frozenset[int]:
    """Those of `candidates` that are taken."""
    rows = await tx.rows(Q.taken_entries, list_id, list(candidates))
    return frozenset(row["list_index"] for row in rows)


async def take(tx: Tx, place: Place) -> bool:
    """Take an entry; False if somebody else did in the meantime."""
    return await tx.do(Q.take_entry, place.list_id, place.index) == 1


async def version_of(tx: Tx, list_id: int) -> int | None:
    """The version of a list, or None if there is no such list."""
    return await tx.value(Q.list_version, list_id)


async def exceptions(tx: Tx, list_id: int) -> dict[int, int]:
    """Index -> value of all entries of a list that are not valid."""
    return {row["list_index"]: row["value"] for row in await tx.rows(Q.list_exceptions, list_id)}


async def all_lists(tx: Tx) -> list[int]:
    """The numbers of all lists, the newest first."""
    return [row["list_id"] for row in await tx.rows(Q.all_lists)]
